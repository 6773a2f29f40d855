"""What each target asks for by itself, from the numbers of one look.

The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2, "Algorithm details" of its
documentation): `ceil(replicas * observed / target)`, nothing within the tolerance, and where numbers are
missing, whatever makes the change smaller: a replica without numbers is taken to do what the target says when
the others ask for fewer, and nothing when they ask for more. One that does not serve yet counts as doing
nothing when more are asked for: it is what was asked for the last time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.model.autoscaling import ScaleMetric, ScaleTarget

LATENCY_IDLE_SHARE = 0.5
"""Below this share of the target, a latency lets one replica go. Between it and the target, it keeps what
there is: latency grows without bound as replicas come near to what they can do, so there is no proportion to
go by, and a target just met says nothing about one replica less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaLoad:
    """One replica that is to serve. In percent of what it may use; None: no fresh number."""

    is_ready: bool
    cpu_percent: float | None = None
    memory_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """How many replicas a target asks for; None when there are no numbers to say it by."""

    target: ScaleTarget
    observed: float | None = None
    wanted: int | None = None


def recommend(
    target: ScaleTarget,
    *,
    current: int,
    tolerance_percent: int,
    replicas: Sequence[ReplicaLoad],
    requests_per_s: float | None,
    latency_p95_ms: float | None,
) -> Recommendation:
    """Return what the target asks for where `current` replicas are wanted now (at least one).

    `requests_per_s` is of the whole service. None: nobody has told it lately.
    """
    match target.metric:
        case ScaleMetric.CPU:
            loads = [(each.is_ready, each.cpu_percent) for each in replicas]
            return _by_use(target, loads, current, tolerance_percent)
        case ScaleMetric.MEMORY:
            loads = [(each.is_ready, each.memory_percent) for each in replicas]
            return _by_use(target, loads, current, tolerance_percent)
        case ScaleMetric.REQUESTS:
            return _by_requests(target, requests_per_s, current, tolerance_percent)
        case ScaleMetric.LATENCY:
            ready = sum(1 for each in replicas if each.is_ready)
            return _by_latency(target, latency_p95_ms, current, ready, tolerance_percent)


def _by_use(
    target: ScaleTarget, loads: Sequence[tuple[bool, float | None]], current: int, tolerance_percent: int
) -> Recommendation:
    known = [load for is_ready, load in loads if is_ready and load is not None]
    if not known:
        return Recommendation(target=target)
    observed = sum(known) / len(known)
    ratio = observed / target.value
    missing = sum(1 for is_ready, load in loads if is_ready and load is None)
    unready = sum(1 for is_ready, _ in loads if not is_ready)
    assumed = list(known)
    if missing:
        assumed += [float(target.value) if ratio < 1 else 0.0] * missing
    if ratio > 1:
        assumed += [0.0] * unready
    cautious = sum(assumed) / len(assumed) / target.value
    wanted = current
    is_same_way = (ratio > 1) == (cautious > 1)
    if is_same_way and not _within(cautious, tolerance_percent):
        asked = _ceil(cautious * len(assumed))
        # Never the other way: of what is wanted, some may not be there to be counted.
        wanted = max(current, asked) if cautious > 1 else min(current, asked)
    return Recommendation(target=target, observed=observed, wanted=max(1, wanted))


def _by_requests(
    target: ScaleTarget, requests_per_s: float | None, current: int, tolerance_percent: int
) -> Recommendation:
    if requests_per_s is None:
        return Recommendation(target=target)
    observed = requests_per_s / current
    wanted = current
    if not _within(observed / target.value, tolerance_percent):
        wanted = _ceil(requests_per_s / target.value)
    return Recommendation(target=target, observed=observed, wanted=max(1, wanted))


def _by_latency(
    target: ScaleTarget, latency_ms: float | None, current: int, ready: int, tolerance_percent: int
) -> Recommendation:
    if latency_ms is None:
        return Recommendation(target=target)
    ratio = latency_ms / target.value
    wanted = current
    if ratio > 1 and not _within(ratio, tolerance_percent):
        # In proportion to what serves: those that are just starting are the answer to the last look.
        wanted = max(current, _ceil(ready * ratio))
    elif ratio < LATENCY_IDLE_SHARE:
        wanted = current - 1
    return Recommendation(target=target, observed=latency_ms, wanted=max(1, wanted))


def _within(ratio: float, tolerance_percent: int) -> bool:
    return abs(ratio - 1) * 100 <= tolerance_percent


def _ceil(replicas: float) -> int:
    # 2.0000000001 replicas are two.
    return math.ceil(round(replicas, 6))

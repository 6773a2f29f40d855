"""How two revisions answered side by side, from what the judge of a rollout counted. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.metric_limits import ROUTER, LimitEvidence
from cluster.model.rollout import Rollout
from cluster.model.traffic import latency_bound_ms
from cluster.rollout.judge.confidence import Z_TWO_SIDED_95, newcombe, wilson

_Histogram = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateView:
    """`count` of `total`, from 0 to 1, with its 95 % confidence interval (Wilson)."""

    count: int
    total: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """A percentile with its 95 % confidence interval, in milliseconds, each up to 9 % too high."""

    value_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """What one revision answered. `failures` include requests that were lost or retried elsewhere.

    Latencies are null where none was measured.
    """

    revision: int
    requests: int
    failures: RateView
    lost: int
    retried: int
    p50: LatencyView | None
    p95: LatencyView | None
    p99: LatencyView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourView:
    """Two revisions over the same time, behind the same routers.

    `difference` is the failure rate of the new one less that of the old one, with its 95 % confidence
    interval (Newcombe).
    """

    rollout_id: str
    old: ArmView
    new: ArmView
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """How both revisions stand by one of the user's limits on a metric, in the metric's unit; null where
    nothing was measured lately.

    `new_worst` is of the replica `new_worst_ordinal` on `new_worst_node_id`; ordinal null: of all requests
    through that host's router. `samples` is of how many of the new revision this is known.
    """

    metric: str
    unit: str
    text: str
    is_past: bool
    samples: int
    new_worst: float | None
    new_worst_ordinal: int | None
    new_worst_node_id: str | None
    new_mean: float | None
    old_worst: float | None
    old_mean: float | None
    ratio: float | None


def limits_of(rollout: Rollout) -> tuple[LimitView, ...]:
    """Return how a rollout stands by the limits on metrics that it is judged by."""
    return () if rollout.evidence is None else tuple(map(_limit, rollout.evidence.limits))


def _limit(found: LimitEvidence) -> LimitView:
    return LimitView(
        metric=found.metric,
        unit=found.unit,
        text=found.text,
        is_past=found.is_past,
        samples=found.samples,
        new_worst=found.new_worst,
        new_worst_ordinal=None if found.new_worst_ordinal == ROUTER else found.new_worst_ordinal,
        new_worst_node_id=found.new_worst_node_id,
        new_mean=found.new_mean,
        old_worst=found.old_worst,
        old_mean=found.old_mean,
        ratio=found.ratio,
    )


def behaviour_of(rollout: Rollout) -> BehaviourView | None:
    """Return how a rollout's revisions answered, None where they did not answer side by side."""
    state = rollout.judge
    if state is None or not rollout.from_revision:
        return None
    old, new = _whole(state.old, state.step_old), _whole(state.new, state.step_new)
    if not (old.requests and new.requests):
        return None
    low, high = newcombe(new.failures, new.requests, old.failures, old.requests, Z_TWO_SIDED_95)
    return BehaviourView(
        rollout_id=rollout.id,
        old=_arm(rollout.from_revision, old),
        new=_arm(rollout.to_revision, new),
        difference=new.failures / new.requests - old.failures / old.requests,
        difference_low=low,
        difference_high=high,
    )


def new_totals(state: JudgeState) -> ArmTotals:
    """Return what the new revision answered in all steps."""
    return _whole(state.new, state.step_new)


def percentile(latencies: _Histogram, share: float) -> LatencyView | None:
    """Return the `share` quantile of a histogram with the interval its order statistics give.

    Of n values, the quantile lies between those of rank nq -/+ z sqrt(nq(1-q)), whatever their distribution
    (W. J. Conover, Practical Nonparametric Statistics, 3.2). None without values.
    """
    total = sum(count for _, count in latencies)
    if not total:
        return None
    middle = total * share
    reach = Z_TWO_SIDED_95 * math.sqrt(total * share * (1 - share))
    return LatencyView(
        value_ms=_at_rank(latencies, math.ceil(middle)),
        low_ms=_at_rank(latencies, max(1, math.floor(middle - reach))),
        high_ms=_at_rank(latencies, min(total, math.ceil(middle + reach) + 1)),
    )


def _at_rank(latencies: _Histogram, rank: int) -> float:
    reached = 0
    for bucket, count in latencies:
        reached += count
        if reached >= rank:
            return latency_bound_ms(bucket)
    raise AssertionError(f"no value has rank {rank}")


def _arm(revision: int, totals: ArmTotals) -> ArmView:
    low, high = wilson(totals.failures, totals.requests, Z_TWO_SIDED_95)
    return ArmView(
        revision=revision,
        requests=totals.requests,
        failures=RateView(
            count=totals.failures,
            total=totals.requests,
            value=totals.failures / totals.requests,
            low=low,
            high=high,
        ),
        lost=totals.lost,
        retried=totals.retried,
        p50=percentile(totals.latencies, 0.5),
        p95=percentile(totals.latencies, 0.95),
        p99=percentile(totals.latencies, 0.99),
    )


def _whole(before: ArmTotals, step: ArmTotals) -> ArmTotals:
    """The judge keeps the present step's requests apart from those of the steps before."""
    counts: dict[int, int] = {}
    for bucket, count in (*before.latencies, *step.latencies):
        counts[bucket] = counts.get(bucket, 0) + count
    return ArmTotals(
        requests=before.requests + step.requests,
        failures=before.failures + step.failures,
        lost=before.lost + step.lost,
        retried=before.retried + step.retried,
        slow=before.slow + step.slow,
        timed=before.timed + step.timed,
        latencies=tuple(sorted(counts.items())),
    )

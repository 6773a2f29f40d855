"""What holds something up: processor, memory, network or disk, told by what waits and not by what is used.

A busy processor is what one pays for; a program that waits for one is a bottleneck. So throttling, pressure
stalls, OOM kills and waiting for disks come before any share of use, which counts only near its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cluster.analytics.comparison import Comparison, Difference, compare_with_usual
from cluster.analytics.series import HOURS_PER_DAY, Hourly, Values


class Resource(StrEnum):
    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    DISK = "disk"


class Impact(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Symptom(StrEnum):
    """What was seen."""

    THROTTLED = "throttled"
    WAITS_FOR_CPU = "waits-for-cpu"
    CPU_BUSY = "cpu-busy"
    CPU_STOLEN = "cpu-stolen"
    OOM_KILLED = "oom-killed"
    MEMORY_NEAR_LIMIT = "memory-near-limit"
    WAITS_FOR_MEMORY = "waits-for-memory"
    WAITS_FOR_DISK = "waits-for-disk"
    IO_WAIT = "io-wait"
    DISK_NEARLY_FULL = "disk-nearly-full"
    INODES_NEARLY_USED = "inodes-nearly-used"
    REQUESTS_LOST = "requests-lost"
    SLOW = "slow-without-load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A symptom, in which metric it shows, and from which values of the worst hours on it is how bad."""

    symptom: Symptom
    resource: Resource
    metric: str
    low: float
    medium: float
    high: float


# Thresholds of PSI and throttling: a tenth of the time waiting is felt, a third is an outage for somebody.
RULES = (
    Rule(symptom=Symptom.OOM_KILLED, resource=Resource.MEMORY, metric="oom_kills", low=1, medium=1, high=1),
    Rule(
        symptom=Symptom.MEMORY_NEAR_LIMIT,
        resource=Resource.MEMORY,
        metric="memory_percent",
        low=85,
        medium=90,
        high=96,
    ),
    Rule(
        symptom=Symptom.WAITS_FOR_MEMORY,
        resource=Resource.MEMORY,
        metric="pressure_memory_percent",
        low=5,
        medium=10,
        high=30,
    ),
    Rule(
        symptom=Symptom.THROTTLED,
        resource=Resource.CPU,
        metric="throttled_percent",
        low=5,
        medium=15,
        high=35,
    ),
    Rule(
        symptom=Symptom.WAITS_FOR_CPU,
        resource=Resource.CPU,
        metric="pressure_cpu_percent",
        low=10,
        medium=20,
        high=40,
    ),
    Rule(
        symptom=Symptom.CPU_BUSY,
        resource=Resource.CPU,
        metric="host_cpu_percent",
        low=80,
        medium=90,
        high=97,
    ),
    Rule(
        symptom=Symptom.CPU_STOLEN,
        resource=Resource.CPU,
        metric="cpu_steal_percent",
        low=5,
        medium=10,
        high=25,
    ),
    Rule(
        symptom=Symptom.WAITS_FOR_DISK,
        resource=Resource.DISK,
        metric="pressure_io_percent",
        low=10,
        medium=20,
        high=40,
    ),
    Rule(
        symptom=Symptom.IO_WAIT,
        resource=Resource.DISK,
        metric="cpu_iowait_percent",
        low=10,
        medium=20,
        high=40,
    ),
    Rule(
        symptom=Symptom.DISK_NEARLY_FULL,
        resource=Resource.DISK,
        metric="disk_percent",
        low=80,
        medium=88,
        high=95,
    ),
    Rule(
        symptom=Symptom.INODES_NEARLY_USED,
        resource=Resource.DISK,
        metric="inodes_percent",
        low=80,
        medium=88,
        high=95,
    ),
    Rule(
        symptom=Symptom.REQUESTS_LOST,
        resource=Resource.NETWORK,
        metric="lost_percent",
        low=0.1,
        medium=0.5,
        high=2,
    ),
)
# One cause, two signs: the second says nothing that the first does not.
_SAME_CAUSE = {
    Symptom.IO_WAIT: Symptom.WAITS_FOR_DISK,
    Symptom.CPU_BUSY: Symptom.WAITS_FOR_CPU,
    Symptom.MEMORY_NEAR_LIMIT: Symptom.OOM_KILLED,
}
_SLOW_FACTORS = (1.5, 2.0, 4.0)
_WORST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """One symptom of one subject. `value` is that of the worst hours (95th percentile; kills: how many), in
    the metric's unit; `share_of_time` (0 to 1) how much of the window lies beyond `threshold`."""

    symptom: Symptom
    resource: Resource
    impact: Impact
    metric: str
    value: float
    threshold: float
    share_of_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One metric now and as it usually is: means over the window and over the same hours of days before, the
    95th percentile of the window's hours, and whether they differ. None: not known."""

    metric: str
    current: float | None
    current_p95: float | None
    baseline: float | None
    comparison: Comparison


def snapshot(metric: str, hourly: Hourly, *, hours: int, least: float = 0.0) -> Snapshot:
    """Return the last `hours` hours of a metric beside what is usual for them."""
    window = hourly.values[-hours:]
    window = window[np.isfinite(window)]
    compared = compare_with_usual(hourly, hours=hours, least=least)
    return Snapshot(
        metric=metric,
        current=float(window.mean()) if len(window) else None,
        current_p95=float(np.quantile(window, _WORST)) if len(window) else None,
        baseline=compared.baseline,
        comparison=compared,
    )


def percent_of(part: Hourly, whole: Hourly) -> Hourly:
    """Return 100 x part / whole, hour by hour from the newest of both back; NaN where the whole is not
    known or 0."""
    count = min(len(part.values), len(whole.values))
    above, below = part.values[len(part.values) - count :], whole.values[len(whole.values) - count :]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shares = np.where(below > 0, 100 * above / below, np.nan)
    return Hourly(part.end_ms, np.where(np.isfinite(shares), shares, np.nan))


def find_bottlenecks(measured: Mapping[str, Hourly], *, hours: int = HOURS_PER_DAY) -> tuple[Bottleneck, ...]:
    """Return what held a subject up during the last `hours` hours, the worst first.

    `measured` are hourly means by metric: those of `cluster.model.metrics`, the shares that `RULES` name
    (`memory_percent`, `disk_percent`, `inodes_percent`, `lost_percent`, made with `percent_of`),
    `host_cpu_percent` for a host's processor, and counts as numbers per hour. What is not there is not
    judged.
    """
    found: dict[Symptom, Bottleneck] = {}
    for rule in RULES:
        hourly = measured.get(rule.metric)
        bottleneck = None if hourly is None else _judge(rule, _window(hourly, hours))
        if bottleneck is not None:
            found[rule.symptom] = bottleneck
    for symptom, cause in _SAME_CAUSE.items():
        if symptom in found and cause in found:
            del found[symptom]
    latency = measured.get("latency_p95_ms")
    if latency is not None and not found:
        slow = _slow(latency, hours)
        if slow is not None:
            found[slow.symptom] = slow
    ranks = {Impact.HIGH: 0, Impact.MEDIUM: 1, Impact.LOW: 2}
    return tuple(sorted(found.values(), key=lambda each: (ranks[each.impact], -each.share_of_time)))


def _window(hourly: Hourly, hours: int) -> Values:
    window = hourly.values[-hours:]
    return window[np.isfinite(window)]


def _judge(rule: Rule, window: Values) -> Bottleneck | None:
    if not len(window):
        return None
    is_count = rule.symptom is Symptom.OOM_KILLED
    value = float(round(window.sum())) if is_count else float(np.quantile(window, _WORST))
    if value < rule.low:
        return None
    impact = Impact.HIGH if value >= rule.high else Impact.MEDIUM if value >= rule.medium else Impact.LOW
    beyond = window > 0 if is_count else window >= rule.low
    return Bottleneck(
        symptom=rule.symptom,
        resource=rule.resource,
        impact=impact,
        metric=rule.metric,
        value=value,
        threshold=rule.low,
        share_of_time=float(beyond.mean()),
    )


def _slow(latency: Hourly, hours: int) -> Bottleneck | None:
    """Slower than usual while nothing here is short of anything: what it waits for is elsewhere."""
    compared = compare_with_usual(latency, hours=hours, least=5.0)
    if compared.difference is not Difference.HIGHER or not compared.baseline or compared.current is None:
        return None
    factor = compared.current / compared.baseline
    low, medium, high = _SLOW_FACTORS
    if factor < low:
        return None
    window = _window(latency, hours)
    return Bottleneck(
        symptom=Symptom.SLOW,
        resource=Resource.NETWORK,
        impact=Impact.HIGH if factor >= high else Impact.MEDIUM if factor >= medium else Impact.LOW,
        metric="latency_p95_ms",
        value=compared.current,
        threshold=compared.baseline,
        share_of_time=float((window >= low * compared.baseline).mean()),
    )

"""Limits of a new revision on what is measured: the wish, what hosts tell of it, and what the judge keeps."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.ids import NodeId, ServiceId
from cluster.model.metrics import BY_NAME, METRICS, STEP_MS, Metric, MetricType, SubjectKind

LIMITS_MAX = 8
STANDINGS_MAX = 512
BLOCKS_MAX = 8 * 8
FOR_MAX_MS = 3_600_000
POINTS_MAX = 12
ROUTER = -1
"""In place of a replica's ordinal: what came to a whole revision through one host's router."""


def _is_limited(metric: Metric) -> bool:
    return metric.type is not MetricType.STATE and bool(
        {SubjectKind.CONTAINER, SubjectKind.ROUTE} & set(metric.kinds)
    )


LIMITED_METRICS = tuple(metric.name for metric in METRICS if _is_limited(metric))
"""What is measured of each revision by itself: a host's figures are of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLimit:
    """What a new revision may show of one metric, in the metric's unit; None where there is no such limit.

    A replica is past `max_value` or `min_value` when all its samples over `for_ms` are; `ratio_max` is of the
    mean of the new revision's replicas against the mean of the old one's, over the same `for_ms`. Of a metric
    that counts events, `max_value` is how many of one replica there may be while it is judged.
    """

    metric: str
    max_value: float | None = None
    min_value: float | None = None
    ratio_max: float | None = None
    for_ms: int = 60_000

    def __post_init__(self) -> None:
        name = f"analysis.metrics: {self.metric[:64]}"
        if self.metric not in LIMITED_METRICS:
            known = ", ".join(LIMITED_METRICS)
            raise ValueError(f"{name}: not measured of each revision; there are {known}")
        if self.max_value is None and self.min_value is None and self.ratio_max is None:
            raise ValueError(f"{name}: no limit; give it max, min or ratio_max")
        for field, value, low in (
            ("max", self.max_value, 0.0),
            ("min", self.min_value, 0.0),
            ("ratio_max", self.ratio_max, 1.0),
        ):
            if value is not None and not low <= value <= 1e15:
                raise ValueError(f"{name}: {field} {value:g}: {low:g} to 1e15 is allowed")
        if self.max_value is not None and self.min_value is not None and self.min_value > self.max_value:
            raise ValueError(f"{name}: min {self.min_value:g} is above max {self.max_value:g}")
        if self.is_count and (self.min_value is not None or self.ratio_max is not None):
            raise ValueError(f"{name}: it counts events, which grow with requests and time: give it max only")
        rules.check_range(f"{name}: for_ms", self.for_ms, 0, FOR_MAX_MS)

    @property
    def is_count(self) -> bool:
        return BY_NAME[self.metric].type is MetricType.COUNT

    @property
    def block_ms(self) -> int:
        """How long the stretches are in which a ratio's means are kept."""
        steps = -(-self.for_ms // (6 * STEP_MS))
        return max(1, steps) * STEP_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySamples:
    """What a host measured of one of its replicas, or of a revision through its router (ordinal ROUTER).

    `metric` is the number in the catalogue, `points` are (ms since 1970, value as it is stored), by time.
    """

    service_id: ServiceId
    node_id: NodeId
    revision: int
    ordinal: int
    metric: int
    points: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_id("node id", self.node_id)
        rules.check_count("points", self.points, POINTS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStanding:
    """How one replica stands by the `limit`th limit: its newest value, of `at_ms`, as it is stored.

    Of a metric that counts events, `value` is their sum. `since_ms` is the first sample of those in a row
    that are past the limit, 0 when the newest is not.
    """

    limit: int
    node_id: NodeId
    ordinal: int
    is_new: bool
    at_ms: int
    value: int
    since_ms: int = 0
    samples: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioBlock:
    """Sums of both revisions' samples in the stretch that begins at `start_ms`, for the `limit`th limit."""

    limit: int
    start_ms: int
    old_sum: int = 0
    old_count: int = 0
    new_sum: int = 0
    new_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """All that is kept of metric limits while a revision is judged: whole numbers, in any order."""

    standings: tuple[CopyStanding, ...] = ()
    blocks: tuple[RatioBlock, ...] = ()

    def __post_init__(self) -> None:
        rules.check_count("metric standings", self.standings, STANDINGS_MAX)
        rules.check_count("metric blocks", self.blocks, BLOCKS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvidence:
    """How both revisions stand by one limit, in the metric's unit; None where nothing was measured lately.

    `worst` is the value of the replica nearest to the limit, or furthest past it; `new_worst_ordinal` says
    which, ROUTER for requests through the router of `new_worst_node_id`. `samples` is of how many of the new
    revision this is known. `ratio` is of the means over the limit's time. `text` says it for people.
    """

    metric: str
    unit: str
    text: str
    samples: int
    is_past: bool = False
    new_worst: float | None = None
    new_worst_ordinal: int | None = None
    new_worst_node_id: NodeId | None = None
    new_mean: float | None = None
    old_worst: float | None = None
    old_mean: float | None = None
    ratio: float | None = None


def quantity(value: float, unit: str) -> str:
    """Say a value with its unit for people: "712 MiB", "85 %", "250 ms"."""
    if unit in ("bytes", "bytes/s"):
        suffix = "/s" if unit == "bytes/s" else ""
        for size in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024:
                return f"{value:.4g} {size}{suffix}"
            value /= 1024
        return f"{value:.4g} TiB{suffix}"
    sign = {"percent": "%", "celsius": "°C", "count": ""}.get(unit, unit)
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{shown} {sign}".rstrip()

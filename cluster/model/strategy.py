"""How a new revision gets its share of the requests, and what it is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.metric_limits import LIMITS_MAX, MetricLimit

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
STEPS_MAX = 32
WHOLE_PERMILLE = 1000


class Strategy(StrEnum):
    """ROLLING replaces replicas one by one; the others bring the new revision up beside the old one and move
    requests over."""

    ROLLING = "rolling"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"

    @property
    def is_staged(self) -> bool:
        return self is not Strategy.ROLLING


class Colour(StrEnum):
    """The two groups of replicas a router tells apart. Which one serves changes with each staged rollout."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Colour:
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


class InconclusiveAction(StrEnum):
    """What follows when there is too little to judge by."""

    PAUSE = "pause"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStep:
    """A share of the requests for the new revision, held for at least `hold_ms`.

    With `needs_approval` a person lets it go on from there.
    """

    permille: int
    hold_ms: int = 0
    needs_approval: bool = False

    def __post_init__(self) -> None:
        rules.check_range("steps: permille", self.permille, 1, WHOLE_PERMILLE)
        rules.check_range("steps: hold_ms", self.hold_ms, 0, 7 * DAY_MS)


def check_steps(field_name: str, steps: tuple[TrafficStep, ...]) -> None:
    """Shares rise, and the last one is everything."""
    rules.check_count(field_name, steps, STEPS_MAX)
    shares = [step.permille for step in steps]
    if not shares or shares != sorted(set(shares)) or shares[-1] != WHOLE_PERMILLE:
        percents = ", ".join(f"{share / 10:g}" for share in shares)
        raise ValueError(f"{field_name} [{percents}]: shares rise and end with 100 %")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What makes the new revision worse than the old one, while both get requests.

    `budget` is the chance that a whole rollout of an identical revision is rolled back, over all tests
    together. Nothing is judged during a replica's first `warmup_ms`, and no share is passed with fewer than
    `requests_min` requests of the new revision. `failure_rate_effect` is the least failure rate that matters,
    `failure_rate_margin` how many more of all requests may fail at the next step's share, if the new revision
    is as much worse as its confidence interval allows, when a step ends. The rest are the user's own limits,
    None where there is none: rates from 0 to 1, latencies in milliseconds, `latency_ratio_max` against the
    old revision's 95th percentile, and `metrics` on whatever else is measured.
    """

    is_on: bool = True
    budget: float = 0.01
    warmup_ms: int = MINUTE_MS
    requests_min: int = 50
    failure_rate_effect: float = 0.002
    failure_rate_margin: float = 0.01
    on_inconclusive: InconclusiveAction = InconclusiveAction.PAUSE
    silence_ms: int = 5 * MINUTE_MS
    error_rate_max: float | None = None
    success_rate_min: float | None = None
    latency_p50_ms_max: float | None = None
    latency_p95_ms_max: float | None = None
    latency_p99_ms_max: float | None = None
    latency_ratio_max: float | None = None
    metrics: tuple[MetricLimit, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("budget", 1e-6, 0.5),
            ("failure_rate_effect", 0.0, 1.0),
            ("failure_rate_margin", 0.0, 1.0),
            ("error_rate_max", 0.0, 1.0),
            ("success_rate_min", 0.0, 1.0),
            ("latency_p50_ms_max", 0.0, 1e7),
            ("latency_p95_ms_max", 0.0, 1e7),
            ("latency_p99_ms_max", 0.0, 1e7),
            ("latency_ratio_max", 1.0, 1e4),
        ):
            value: float | None = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"analysis.{name} {value:g}: {low:g} to {high:g} is allowed")
        rules.check_count("analysis.metrics", self.metrics, LIMITS_MAX)
        rules.check_range("analysis.warmup_ms", self.warmup_ms, 0, DAY_MS)
        rules.check_range("analysis.requests_min", self.requests_min, 0, 10**9)
        rules.check_range("analysis.silence_ms", self.silence_ms, 10 * SECOND_MS, DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """The whole new revision beside the old one, then the switch.

    `preview_replicas` 0: as many as the service has. Without `is_promoted_by_itself` a person approves the
    switch within `approval_ms`, or it is given up. The old revision stays up for `keep_ms` after the switch.
    """

    steps: tuple[TrafficStep, ...] = (
        TrafficStep(permille=100, hold_ms=MINUTE_MS),
        TrafficStep(permille=WHOLE_PERMILLE),
    )
    preview_replicas: int = 0
    is_promoted_by_itself: bool = True
    approval_ms: int = 8 * HOUR_MS
    monitor_ms: int = 5 * MINUTE_MS
    keep_ms: int = 10 * MINUTE_MS

    def __post_init__(self) -> None:
        check_steps("blue_green.steps", self.steps)
        rules.check_range("blue_green.preview_replicas", self.preview_replicas, 0, 1000)
        rules.check_range("blue_green.approval_ms", self.approval_ms, SECOND_MS, 7 * DAY_MS)
        rules.check_range("blue_green.monitor_ms", self.monitor_ms, 0, DAY_MS)
        rules.check_range("blue_green.keep_ms", self.keep_ms, 0, 7 * DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Rising shares for the new revision, as many of its replicas as its share needs, judged at each."""

    steps: tuple[TrafficStep, ...] = (
        TrafficStep(permille=50, hold_ms=5 * MINUTE_MS),
        TrafficStep(permille=100, hold_ms=5 * MINUTE_MS),
        TrafficStep(permille=250, hold_ms=10 * MINUTE_MS),
        TrafficStep(permille=500, hold_ms=10 * MINUTE_MS),
        TrafficStep(permille=WHOLE_PERMILLE),
    )
    approval_ms: int = 8 * HOUR_MS
    keep_ms: int = 0

    def __post_init__(self) -> None:
        check_steps("canary.steps", self.steps)
        rules.check_range("canary.approval_ms", self.approval_ms, SECOND_MS, 7 * DAY_MS)
        rules.check_range("canary.keep_ms", self.keep_ms, 0, 7 * DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Everything a staged rollout needs to know besides the replicas' own deadlines."""

    strategy: Strategy = Strategy.ROLLING
    blue_green: BlueGreen = field(default_factory=BlueGreen)
    canary: Canary = field(default_factory=Canary)
    analysis: Analysis = field(default_factory=Analysis)

    @property
    def steps(self) -> tuple[TrafficStep, ...]:
        return self.canary.steps if self.strategy is Strategy.CANARY else self.blue_green.steps

"""How many replicas a service has by itself: between two bounds, by how much there is to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model import rules
from cluster.model.ids import ServiceId

AUTOSCALING = "autoscaling"
"""Who changes the number of replicas when nobody does."""

REPLICAS_MAX = 1000
SCALINGS_KEPT = 10
TARGETS_MAX = 4
USAGES_MAX = 2048
UP_STABILISATION_MAX_MS = 60_000
DOWN_STABILISATION_MAX_MS = 3_600_000
COOLDOWN_MAX_MS = 3_600_000
STEP_PERCENT_MAX = 1000


class ScaleMetric(StrEnum):
    """What a target is of. CPU and MEMORY are percent of what a replica may use (its limit, else its
    reservation, else one core), REQUESTS per second and replica, LATENCY the 95th percentile in ms."""

    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "requests_per_second"
    LATENCY = "latency_p95"

    @property
    def is_routed(self) -> bool:
        """Whether routers count it."""
        return self in (ScaleMetric.REQUESTS, ScaleMetric.LATENCY)

    @property
    def unit(self) -> str:
        """What stands behind the number."""
        return {
            ScaleMetric.CPU: " %",
            ScaleMetric.MEMORY: " %",
            ScaleMetric.REQUESTS: "/s",
            ScaleMetric.LATENCY: " ms",
        }[self]


_HIGHEST = {
    ScaleMetric.CPU: 1000,
    ScaleMetric.MEMORY: 100,
    ScaleMetric.REQUESTS: 1_000_000,
    ScaleMetric.LATENCY: 600_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleTarget:
    """What a replica is to have to do, in the metric's own unit."""

    metric: ScaleMetric
    value: int

    def __post_init__(self) -> None:
        rules.check_range(f"scaling.{self.metric}", self.value, 1, _HIGHEST[self.metric])


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalePolicy:
    """A service has `replicas_min` to `replicas_max` replicas, as many as its `targets` ask for.

    More are wanted when every look of `up_stabilisation_ms` asked for more, fewer when every look of
    `down_stabilisation_ms` did. Within `tolerance_percent` of a target nothing changes. One change adds at
    most `step_up_percent` of the replicas there are (but at least one) and takes at most `step_down_percent`;
    `cooldown_ms` pass before the next.
    """

    replicas_min: int
    replicas_max: int
    targets: tuple[ScaleTarget, ...]
    up_stabilisation_ms: int = 0
    down_stabilisation_ms: int = 300_000
    tolerance_percent: int = 10
    step_up_percent: int = 100
    step_down_percent: int = 50
    cooldown_ms: int = 15_000

    def __post_init__(self) -> None:
        rules.check_range("scaling.min", self.replicas_min, 1, REPLICAS_MAX)
        rules.check_range("scaling.max", self.replicas_max, 1, REPLICAS_MAX)
        if self.replicas_min > self.replicas_max:
            raise ValueError(f"scaling: min {self.replicas_min} is above max {self.replicas_max}")
        rules.check_count("scaling", self.targets, TARGETS_MAX)
        metrics = [target.metric for target in self.targets]
        if not metrics:
            raise ValueError("scaling: without a target such as cpu: 70% nothing says how many are needed")
        if len(set(metrics)) < len(metrics):
            raise ValueError("scaling: one target of each kind")
        rules.check_range("scaling.up_window", self.up_stabilisation_ms, 0, UP_STABILISATION_MAX_MS)
        rules.check_range("scaling.down_window", self.down_stabilisation_ms, 0, DOWN_STABILISATION_MAX_MS)
        rules.check_range("scaling.tolerance", self.tolerance_percent, 0, 50)
        rules.check_range("scaling.step_up", self.step_up_percent, 1, STEP_PERCENT_MAX)
        rules.check_range("scaling.step_down", self.step_down_percent, 1, 100)
        rules.check_range("scaling.cooldown", self.cooldown_ms, 0, COOLDOWN_MAX_MS)

    @property
    def is_routed(self) -> bool:
        """Whether it goes by what routers count."""
        return any(target.metric.is_routed for target in self.targets)

    @property
    def is_measured(self) -> bool:
        """Whether it goes by what hosts measure of containers."""
        return any(not target.metric.is_routed for target in self.targets)

    def clamped(self, replicas: int) -> int:
        """Return the number nearest to `replicas` within the bounds. None at all stays none: it is off."""
        return replicas and max(self.replicas_min, min(self.replicas_max, replicas))


def replicas_put(policy: AutoscalePolicy | None, asked: int, present: int) -> int:
    """Return how many replicas a service has once it was deployed with `asked`, having `present` before.

    What is scaled by itself is not set back by each deployment; one that was off begins as its file says.
    """
    if policy is None or not asked:
        return asked
    return policy.clamped(present or asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """One change of a service's number of replicas: by whom (or `AUTOSCALING`), and why. `at_ms` is log
    time."""

    at_ms: int
    replicas_before: int
    replicas: int
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaUsage:
    """What a host measured lately of one of its replicas. CPU in hundredths of a percent of one core; None:
    not known."""

    service_id: ServiceId
    revision: int
    ordinal: int
    cpu_centipercent: int | None
    memory_bytes: int | None

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_range("revision", self.revision, 1, 2**31)
        rules.check_range("ordinal", self.ordinal, 0, REPLICAS_MAX - 1)
        for name in ("cpu_centipercent", "memory_bytes"):
            value: int | None = getattr(self, name)
            if value is not None:
                rules.check_range(name, value, 0, 2**60)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricStanding:
    """A target beside what is observed; `wanted` is how many replicas it asks for. None: no numbers."""

    metric: ScaleMetric
    target: int
    observed: float | None
    wanted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingStanding:
    """How the leader sees an autoscaled service now.

    The bounds are those in force, the environment's included. `wanted` is what the targets ask for together,
    None without numbers; `reason` says why the number of replicas is changed or not. `at_ms` is when.
    """

    service_id: ServiceId
    replicas_min: int
    replicas_max: int
    replicas: int
    metrics: tuple[MetricStanding, ...]
    wanted: int | None
    reason: str
    at_ms: int

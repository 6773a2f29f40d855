"""Deployments that are made later: once, or again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.environments import check_environment
from cluster.model.ids import ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import Fencing, RolloutPolicy, ServiceSpec
from cluster.model.service_form import check_service_form
from cluster.model.watching import WatchRules
from cluster.model.windows import About, check_timing

SCHEDULES_MAX = 200
RUNS_KEPT = 10
SERVICES_MAX = 100
TIME_MS_MAX = 253_402_300_799_999
"""The end of the year 9999."""


class CatchUp(StrEnum):
    """What becomes of a moment that nobody led the cluster at: nothing, or it is made up for within an
    hour, once."""

    SKIP = "skip"
    ONCE = "once"


class RunOutcome(StrEnum):
    FIRED = "fired"
    REFUSED = "refused"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledService:
    """What a service is going to be, as PutService takes it.

    `seen_attempt` is the number of its attempt when it was scheduled (0: it was not there): with another one
    at the time, somebody has deployed meanwhile. None: that does not matter.
    """

    service_id: ServiceId
    project: str
    name: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy = field(default_factory=RolloutPolicy)
    fencing: Fencing = Fencing.NONE
    placement: PlacementRules = field(default_factory=PlacementRules)
    environment: str = ""
    bound: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    watch: WatchRules | None = None
    is_unjudged: bool = False
    seen_attempt: int | None = None
    autoscale: AutoscalePolicy | None = None

    def __post_init__(self) -> None:
        # All that PutService asks for: what is kept can be put when its time has come.
        check_service_form(
            service_id=self.service_id,
            project=self.project,
            name=self.name,
            replicas=self.replicas,
            environment=self.environment,
            bound=self.bound,
            labels=self.labels,
        )

    @property
    def about(self) -> About:
        return About(service_id=self.service_id, project=self.project, environment=self.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who something is done for later: the account, and what it was asked with: an API token, or an access
    token of the identity provider `issuer`; "" for what it was not.
    """

    name: str
    principal_id: str
    token_prefix: str = ""
    issuer: str = ""

    def __post_init__(self) -> None:
        rules.check_text("name", self.name, 128)
        rules.check_text("principal", self.principal_id, 128)
        rules.check_text("token prefix", self.token_prefix, 64)
        rules.check_text("issuer", self.issuer, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """May be deployed, as `services` are: with a step to approve where a person has to."""

    services: tuple[ScheduledService, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdmitted:
    """May not be deployed now, and why. `is_passing`: a moment later it may, as when a registry is away."""

    reason: str
    is_passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """What became of one moment; `due_ms` is None for one somebody asked for by hand. `at_ms` is log time.

    `revisions` are pairs of a service and the revision it was given.
    """

    due_ms: int | None
    at_ms: int
    outcome: RunOutcome
    reason: str = ""
    revisions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySchedule:
    """Services to deploy at `at_ms`, or whenever `cron` says so in `time_zone`.

    Images are pinned, unless `is_pinned_at_fire`: then they are what their references mean at that time.
    `next_fire_ms` None: it is over. `runs` are the newest last.
    """

    id: str
    project: str
    services: tuple[ScheduledService, ...] = field(repr=False)
    asker: Asker
    environment: str = ""
    at_ms: int | None = None
    cron: str = ""
    time_zone: str = "UTC"
    catch_up: CatchUp = CatchUp.SKIP
    is_pinned_at_fire: bool = False
    overrides_windows: bool = False
    next_fire_ms: int | None = None
    created_at_ms: int = 0
    runs: tuple[ScheduleRun, ...] = ()

    def __post_init__(self) -> None:
        rules.check_id("schedule id", self.id)
        rules.check_id("project", self.project)
        if self.environment:
            check_environment("environment", self.environment)
        if not self.services:
            raise ValueError("services: at least one is needed")
        rules.check_count("services", self.services, SERVICES_MAX)
        if (self.at_ms is None) == (self.cron == ""):
            raise ValueError("at, cron: one of them is needed, and not both")
        if self.cron:
            check_timing(self.cron, self.time_zone)
        for name, value in (("at", self.at_ms), ("next_fire", self.next_fire_ms)):
            if value is not None:
                rules.check_range(name, value, 0, TIME_MS_MAX)
        rules.check_count("runs", self.runs, RUNS_KEPT)

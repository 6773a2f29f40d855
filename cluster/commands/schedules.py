"""Commands on scheduled deployments."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.schedules import (
    SERVICES_MAX,
    TIME_MS_MAX,
    DeploySchedule,
    RunOutcome,
    ScheduledService,
)


def check_moments(due_ms: int | None, next_ms: int | None) -> None:
    """The next moment is a later one, or a schedule would never get past the present one."""
    for name, value in (("due_ms", due_ms), ("next_ms", next_ms)):
        if value is not None:
            rules.check_range(name, value, 0, TIME_MS_MAX)
    if due_ms is not None and next_ms is not None and next_ms <= due_ms:
        raise ValueError(f"next_ms {next_ms}: it is not after {due_ms}, which is being dealt with")


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSchedule:
    """Keep a new schedule. Rejected when there is one of that id, or when there are too many."""

    schedule: DeploySchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSchedule:
    """Forget a schedule: nothing of it is deployed any more. What it has deployed stays."""

    schedule_id: str

    def __post_init__(self) -> None:
        rules.check_id("schedule id", self.schedule_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class FireSchedule:
    """Deploy a schedule's services, all of them or none. Result: pairs of service id and revision.

    `due_ms` is the moment that is dealt with, and has to be the schedule's next one: a moment is fired once.
    None: somebody asked by hand, and the schedule's moments stay as they are. `next_ms` is its next moment
    then. `services` are those of the schedule as they are to be now; none: as they are kept.
    """

    schedule_id: str
    due_ms: int | None = None
    next_ms: int | None = None
    services: tuple[ScheduledService, ...] = field(default=(), repr=False)
    reason: str = ""

    def __post_init__(self) -> None:
        rules.check_id("schedule id", self.schedule_id)
        rules.check_count("services", self.services, SERVICES_MAX)
        rules.check_text("reason", self.reason, 1024)
        check_moments(self.due_ms, self.next_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassMoment:
    """Write down that nothing was deployed at a schedule's moment, and why (leader only)."""

    schedule_id: str
    due_ms: int
    outcome: RunOutcome
    reason: str
    next_ms: int | None = None

    def __post_init__(self) -> None:
        rules.check_id("schedule id", self.schedule_id)
        rules.check_text("reason", self.reason, 1024)
        check_moments(self.due_ms, self.next_ms)
        if self.outcome is RunOutcome.FIRED:
            raise ValueError("outcome fired: FireSchedule says that")

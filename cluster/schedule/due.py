"""Which scheduled deployments are due, and which moments were missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.model.schedules import CatchUp, DeploySchedule
from cluster.schedule.cron import last_fire_ms, next_fire_ms

GRACE_MS = 5 * 60_000
"""How late a moment is still on time: another leader has to be found, or a registry to answer again."""
CATCH_UP_MS = 60 * 60_000
"""How late it is made up for, where that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One schedule's moment that has come.

    `due_ms` is the schedule's next moment, which the decision is committed against. `moment_ms` is the one
    that counts: the newest that has come. `next_ms` is the schedule's next one afterwards. `reason` is why
    nothing is fired any more, "" when it is.
    """

    schedule: DeploySchedule
    due_ms: int
    moment_ms: int
    next_ms: int | None
    reason: str = ""


def decide_due(schedule: DeploySchedule, now_ms: int) -> Due | None:
    """Return what is due of a schedule; None when nothing is.

    However many moments have passed, they are one. Raises ValueError for a calendar that is not known here.
    """
    due_ms = schedule.next_fire_ms
    if due_ms is None or due_ms > now_ms:
        return None
    moment_ms, next_ms = due_ms, None
    if schedule.cron:
        moment_ms = _newest(schedule, due_ms, now_ms)
        next_ms = next_fire_ms(schedule.cron, schedule.time_zone, now_ms)
    late_ms = now_ms - moment_ms
    most_ms = CATCH_UP_MS if schedule.catch_up is CatchUp.ONCE else GRACE_MS
    reason = ""
    if late_ms > most_ms:
        made_up = "within an hour" if schedule.catch_up is CatchUp.ONCE else "(catch_up is skip)"
        reason = f"nobody led the cluster at that time, and it is not made up for {made_up}"
    return Due(schedule=schedule, due_ms=due_ms, moment_ms=moment_ms, next_ms=next_ms, reason=reason)


def next_due_ms(schedules: Iterable[DeploySchedule]) -> int | None:
    """Return when there is something to decide again."""
    return min(
        (schedule.next_fire_ms for schedule in schedules if schedule.next_fire_ms is not None), default=None
    )


def _newest(schedule: DeploySchedule, due_ms: int, now_ms: int) -> int:
    """The newest moment that has come. An hour is looked back: further back it makes no difference."""
    after_ms = max(due_ms, now_ms - CATCH_UP_MS - 1)
    newer_ms = last_fire_ms(schedule.cron, schedule.time_zone, after_ms, now_ms)
    return due_ms if newer_ms is None else newer_ms

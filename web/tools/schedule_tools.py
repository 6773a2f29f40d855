"""The tools around deployments that are made later, and the times at which none is."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from cluster.model.events import headline
from cluster.model.schedules import CatchUp
from cluster.model.strategy import Strategy
from web.auth.call import Call
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.preparing import DeployRequest
from web.tools.registry import Tool
from web.tools.scheduling import (
    READ,
    SCHEDULE,
    ScheduleRequest,
    ScheduleRunView,
    ScheduleView,
    list_schedules,
    remove_schedule,
    schedule_deployment,
)
from web.tools.times import moment, parse_moment
from web.tools.windows import list_freezes, list_windows

SHOWN_MAX = 50


class ScheduleDeploy(Arguments):
    """A Compose file, and when: at or cron."""

    compose: str = Field(min_length=1, max_length=1024 * 1024, description="text of a Compose file")
    at: Short = Field(default="", description="once: ISO 8601 with time zone")
    cron: Short = Field(default="", description="repeatedly: 5 fields")
    time_zone: Short = Field(default="UTC", description="of cron")
    catch_up: CatchUp = Field(default=CatchUp.SKIP, description="of a missed time, within 1 h")
    pin_at_fire: bool = Field(default=False, description="take what tags mean then")
    environment: Short = ""
    variables: dict[str, str] = Field(default_factory=dict)
    strategy: Strategy | None = Field(default=None, description="over the file's")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """The schedule, and its next times."""

    id: str
    next: tuple[str, ...]
    notes: tuple[str, ...] | None


async def _schedule_deploy(context: Context, call: Call, given: ScheduleDeploy) -> Scheduled:
    view = await schedule_deployment(
        context,
        call,
        ScheduleRequest(
            deployment=DeployRequest(
                compose=given.compose,
                variables=given.variables,
                environment=given.environment,
                strategy=given.strategy,
            ),
            at_ms=parse_moment(given.at, field="at") if given.at else None,
            cron=given.cron,
            time_zone=given.time_zone,
            catch_up=given.catch_up,
            pins_at_fire=given.pin_at_fire,
        ),
    )
    return Scheduled(id=view.id, next=tuple(map(moment, view.upcoming_ms)), notes=view.warnings or None)


class ListSchedules(Arguments):
    """None are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLines:
    """Schedules, change windows and freezes."""

    schedules: tuple[str, ...]
    windows: tuple[str, ...]
    freezes: tuple[str, ...]
    more: int | None


async def _list_schedules(context: Context, call: Call, _: ListSchedules) -> ScheduleLines:
    schedules = await list_schedules(context, call)
    windows = await list_windows(context, call)
    freezes = await list_freezes(context, call)
    return ScheduleLines(
        schedules=tuple(map(_line, schedules[-SHOWN_MAX:])),
        windows=tuple(
            f"{each.id}: {each.kind} {each.scope} from {each.cron} ({each.time_zone}) for {each.duration_s} s"
            for each in windows
        ),
        freezes=tuple(
            f"{each.id}: {each.scope} from {moment(each.from_ms)} until"
            f" {'it is ended' if each.until_ms is None else moment(each.until_ms)}, by {each.by}:"
            f" {each.reason}"
            for each in freezes
        ),
        more=max(0, len(schedules) - SHOWN_MAX) or None,
    )


class RemoveSchedule(Arguments):
    """Which schedule."""

    schedule: Named = Field(description="its id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    removed: str


async def _remove_schedule(context: Context, call: Call, given: RemoveSchedule) -> Removed:
    await remove_schedule(context, call, given.schedule)
    return Removed(removed=given.schedule)


def _line(view: ScheduleView) -> str:
    when = f"{view.cron} ({view.time_zone})" if view.cron else moment(view.at_ms or 0)
    pinned = "then" if view.pins_at_fire else "when scheduled"
    services = ", ".join(f"{each.service_id} {each.image}" for each in view.services)
    following = ", ".join(map(moment, view.upcoming_ms)) or "never, it is over"
    runs = "; ".join(map(_run, view.runs)) or "nothing yet"
    return (
        f"{view.id} by {view.by}: {services} (images pinned {pinned}) at {when}; next {following}; was {runs}"
    )


def _run(run: ScheduleRunView) -> str:
    about = ", ".join(f"{service} revision {revision}" for service, revision in run.revisions.items())
    said = "; ".join(each for each in (about, headline(run.reason)) if each)
    return f"{moment(run.at_ms)} {run.outcome}{f': {said}' if said else ''}"


SCHEDULE_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="schedule-deploy",
        title="Deploy a Compose file later",
        description="Schedule a deployment, once (at) or repeatedly (cron). Checked now and again at that"
        " time; images are pinned now unless pin_at_fire. Change windows hold.",
        input_model=ScheduleDeploy,
        output=Scheduled,
        action=SCHEDULE,
        run=_schedule_deploy,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=False,
        is_open_world=True,
    ),
    Tool(
        name="list-schedules",
        title="Scheduled deployments",
        description="List scheduled deployments with what became of them, change windows and freezes.",
        input_model=ListSchedules,
        output=ScheduleLines,
        action=READ,
        run=_list_schedules,
    ),
    Tool(
        name="remove-schedule",
        title="Forget a scheduled deployment",
        description="Forget a schedule; what it deployed stays.",
        input_model=RemoveSchedule,
        output=Removed,
        action=SCHEDULE,
        run=_remove_schedule,
        is_read_only=False,
        is_destructive=True,
        is_idempotent=True,
    ),
)

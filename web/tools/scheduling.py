"""Scheduling deployments: everything that can be refused is refused now, and again when the time has come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from cluster.commands.schedules import FireSchedule, PutSchedule, RemoveSchedule
from cluster.compose import ComposeService
from cluster.model.schedules import (
    CatchUp,
    DeploySchedule,
    RunOutcome,
    ScheduledService,
    ScheduleRun,
)
from cluster.rbac import Target
from cluster.schedule import next_fire_ms
from cluster.store import ReadTxn
from cluster.store.records import SCHEDULES
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.auth.targets import wanted_target
from web.tools.admitting import Later, admit, later_of
from web.tools.askers import asker_of
from web.tools.context import Context
from web.tools.preparing import DeployRequest, Prepared, actions_of, prepare
from web.tools.secrets import resource_of
from web.tools.times import moment
from web.tools.windows import OVERRIDE, wrong

DEPLOY = "service.deploy"
SCHEDULE = "service.schedule"
READ = "service.read"
UPCOMING = 3
AHEAD_MAX_MS = 5 * 366 * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """A deployment, and when: at `at_ms`, or whenever `cron` says so in `time_zone`.

    Images are pinned to what they mean now, unless `pins_at_fire`.
    """

    deployment: DeployRequest = field(repr=False)
    at_ms: int | None = None
    cron: str = ""
    time_zone: str = "UTC"
    catch_up: CatchUp = CatchUp.SKIP
    pins_at_fire: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledServiceView:
    service_id: str
    image: str
    digest: str
    replicas: int
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRunView:
    """What became of one moment; `due_ms` null: somebody asked by hand. `revisions` are by service."""

    due_ms: int | None
    at_ms: int
    outcome: RunOutcome
    reason: str
    revisions: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView:
    """One schedule. `upcoming_ms` are its next moments, none when it is over; `runs` are the newest first."""

    id: str
    project: str
    environment: str
    services: tuple[ScheduledServiceView, ...]
    at_ms: int | None
    cron: str
    time_zone: str
    catch_up: CatchUp
    pins_at_fire: bool
    overrides_windows: bool
    by: str
    created_at_ms: int
    next_fire_ms: int | None
    upcoming_ms: tuple[int, ...]
    runs: tuple[ScheduleRunView, ...]
    warnings: tuple[str, ...] = ()


async def schedule_deployment(context: Context, call: Call, request: ScheduleRequest) -> ScheduleView:
    """Keep a deployment for later. Raises Problem as `deploy` does, and for a time that cannot be."""
    wanted = request.deployment
    actions = (
        SCHEDULE,
        *actions_of(DEPLOY, is_unjudged=wanted.is_unjudged, overrides_windows=wanted.overrides_windows),
    )
    for action in actions:
        await context.authority.admit(call, action, "service")
    # A zone is a file, and this one is named by a stranger to this process.
    first_ms = await asyncio.to_thread(_first_moment, request, context.surroundings.clock.now_ms())
    wanted = replace(wanted, at_ms=first_ms, is_dry_run=False)
    prepared = await prepare(context, call, wanted, actions=actions)
    assert prepared is not None, "what cannot be read is raised"
    schedule = _schedule_of(context, call, request, prepared, first_ms)

    async def change(permit: Permit) -> None:
        for config in prepared.inline:
            await permit.propose(config, resource=resource_of(config.kind, config.name, config.environment))
        await permit.propose(PutSchedule(schedule=schedule))

    await context.authority.perform(
        call,
        SCHEDULE,
        f"service:{prepared.project.scope}",
        change,
        recorded_as=OVERRIDE if prepared.overrides_windows else None,
        on=prepared.targets,
    )
    with context.surroundings.state.read() as txn:
        kept = SCHEDULES.get(txn, schedule.id) or schedule
    return replace(_view(kept), warnings=tuple(prepared.warnings))


async def list_schedules(context: Context, call: Call) -> list[ScheduleView]:
    """Return the schedules of services that the caller sees, by id: that is by when they were made."""
    await context.authority.admit(call, READ, "service")
    with context.surroundings.state.read() as txn:
        return [_view(each) for each in SCHEDULES.scan(txn) if _sees(context, call, txn, each)]


async def get_schedule(context: Context, call: Call, name: str) -> ScheduleView:
    """Return one. Raises Problem (404)."""
    await context.authority.admit(call, READ, "service")
    with context.surroundings.state.read() as txn:
        return _view(_known(context, call, txn, name))


async def remove_schedule(context: Context, call: Call, name: str) -> None:
    """Forget a schedule; what it has deployed stays. Raises Problem (404)."""
    await context.authority.admit(call, SCHEDULE, "service")
    with context.surroundings.state.read() as txn:
        targets = _targets(txn, _known(context, call, txn, name))

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveSchedule(schedule_id=name))

    await context.authority.perform(call, SCHEDULE, f"service:{name}", change, on=targets)


async def run_schedule(
    context: Context, call: Call, name: str, *, overrides_windows: bool = False
) -> ScheduleView:
    """Deploy a schedule's services now, in the name of who asks; its own moments stay. Raises Problem."""
    needed = (SCHEDULE, *((OVERRIDE,) if overrides_windows else ()))
    for action in needed:
        await context.authority.admit(call, action, "service")
    with context.surroundings.state.read() as txn:
        schedule = _known(context, call, txn, name)
        targets = _targets(txn, schedule)
    for action in needed:
        for target in targets:
            await context.authority.require(call, action, target)
    later: Later = replace(later_of(schedule), overrides_windows=overrides_windows)
    services = await admit(context, call, later)

    async def change(permit: Permit) -> None:
        command = FireSchedule(
            schedule_id=schedule.id, services=services, reason=f"asked for by {call.known().name}"
        )
        await permit.propose(command)

    await context.authority.perform(
        call,
        DEPLOY,
        f"service:{schedule.project}",
        change,
        recorded_as=OVERRIDE if overrides_windows else None,
        on=targets,
    )
    with context.surroundings.state.read() as txn:
        return _view(SCHEDULES.get(txn, name) or schedule)


def _first_moment(request: ScheduleRequest, now_ms: int) -> int:
    if (request.at_ms is None) == (not request.cron):
        raise invalid("at", "at or cron is needed, and not both")
    if request.at_ms is not None:
        if request.at_ms <= now_ms:
            raise invalid(
                "at", f"it is over already; now it is {moment(now_ms)}", value=_shown(request.at_ms)
            )
        if request.at_ms > now_ms + AHEAD_MAX_MS:
            raise invalid("at", "at most five years ahead", value=_shown(request.at_ms))
        return request.at_ms
    try:
        first_ms = next_fire_ms(request.cron, request.time_zone, now_ms)
    except ValueError as error:
        raise wrong(error) from error
    if first_ms is None:
        raise invalid("cron", "there is no such day", value=request.cron)
    return first_ms


def _shown(at_ms: int) -> str:
    return moment(at_ms) if at_ms < 253_402_300_799_999 else str(at_ms)


def _schedule_of(
    context: Context, call: Call, request: ScheduleRequest, prepared: Prepared, first_ms: int
) -> DeploySchedule:
    project = prepared.project
    try:
        return DeploySchedule(
            id=context.surroundings.ids.new_id("sc"),
            project=project.name,
            services=tuple(_later(each, request, prepared) for each in prepared.services),
            asker=asker_of(call),
            environment=project.environment,
            at_ms=request.at_ms,
            cron=request.cron,
            time_zone=request.time_zone,
            catch_up=request.catch_up,
            is_pinned_at_fire=request.pins_at_fire,
            overrides_windows=request.deployment.overrides_windows,
            next_fire_ms=first_ms,
        )
    except ValueError as error:
        raise wrong(error) from error


def _later(each: ComposeService, request: ScheduleRequest, prepared: Prepared) -> ScheduledService:
    present = prepared.present[each.service_id].service
    # What comes round again and again is meant to replace whatever there is by then.
    seen = None if request.cron else (0 if present is None else present.attempt.number)
    return ScheduledService(
        service_id=each.service_id,
        project=prepared.project.name,
        name=each.name,
        spec=each.spec,
        replicas=each.replicas,
        policy=each.policy,
        fencing=each.fencing,
        placement=each.placement,
        environment=prepared.project.environment,
        bound=each.bound,
        labels=each.labels,
        watch=each.watch,
        is_unjudged=request.deployment.is_unjudged,
        seen_attempt=seen,
        autoscale=each.autoscale,
    )


def _targets(txn: ReadTxn, schedule: DeploySchedule) -> list[Target]:
    """What its services are going to be to permissions."""
    return [
        wanted_target(
            txn, each.service_id, labels=(*each.spec.labels, *each.labels), placement=each.placement
        )
        for each in schedule.services
    ]


def _sees(context: Context, call: Call, txn: ReadTxn, schedule: DeploySchedule) -> bool:
    reading = context.authority.sight(call, READ)
    return reading.is_everything or all(map(reading.sees, _targets(txn, schedule)))


def _known(context: Context, call: Call, txn: ReadTxn, name: str) -> DeploySchedule:
    schedule = SCHEDULES.get(txn, name)
    if schedule is None or not _sees(context, call, txn, schedule):
        raise Problem(
            "not-found",
            f"there is no schedule {name[:80]!r}",
            hint="`tower schedule list` shows what there is",
        )
    return schedule


def _view(schedule: DeploySchedule) -> ScheduleView:
    return ScheduleView(
        id=schedule.id,
        project=schedule.project,
        environment=schedule.environment,
        services=tuple(
            ScheduledServiceView(
                service_id=each.service_id,
                image=each.spec.image,
                digest="" if schedule.is_pinned_at_fire else each.spec.digest,
                replicas=each.replicas,
                strategy=each.policy.shift.strategy.value,
            )
            for each in schedule.services
        ),
        at_ms=schedule.at_ms,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        catch_up=schedule.catch_up,
        pins_at_fire=schedule.is_pinned_at_fire,
        overrides_windows=schedule.overrides_windows,
        by=schedule.asker.name,
        created_at_ms=schedule.created_at_ms,
        next_fire_ms=schedule.next_fire_ms,
        upcoming_ms=_upcoming(schedule),
        runs=tuple(_run_view(each) for each in reversed(schedule.runs)),
    )


def _upcoming(schedule: DeploySchedule) -> tuple[int, ...]:
    at_ms = schedule.next_fire_ms
    if at_ms is None:
        return ()
    found = [at_ms]
    try:
        while schedule.cron and len(found) < UPCOMING:
            following = next_fire_ms(schedule.cron, schedule.time_zone, found[-1])
            if following is None:
                break
            found.append(following)
    except ValueError:
        # Another version of the calendar may not know the zone: its first moment is known all the same.
        return tuple(found)
    return tuple(found)


def _run_view(run: ScheduleRun) -> ScheduleRunView:
    return ScheduleRunView(
        due_ms=run.due_ms,
        at_ms=run.at_ms,
        outcome=run.outcome,
        reason=run.reason,
        revisions=dict(run.revisions),
    )

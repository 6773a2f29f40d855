"""Handlers of the commands on schedules, windows, freezes and watches.

No calendar is looked at here: moments come with the commands. That a schedule's moment is dealt with once is
what these keep.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.schedules import FireSchedule, PassMoment, PutSchedule, RemoveSchedule
from cluster.commands.services import PutService
from cluster.commands.watching import NoteDigest, PutWatch, RemoveWatch, UpdateImage
from cluster.commands.windows import EndFreeze, PutFreeze, PutWindow, RemoveWindow
from cluster.model.ids import ServiceId
from cluster.model.schedules import (
    RUNS_KEPT,
    SCHEDULES_MAX,
    DeploySchedule,
    RunOutcome,
    ScheduledService,
    ScheduleRun,
)
from cluster.model.watching import TRIED_MAX, ImageWatch, WatchRules
from cluster.model.windows import FREEZES_MAX, WINDOWS_MAX
from cluster.state_machine.entry import Entry
from cluster.state_machine.services import put_service
from cluster.store.records import FREEZES, SCHEDULES, SERVICES, WATCHES, WINDOWS


def put_schedule(entry: Entry, command: PutSchedule) -> Outcome:
    schedule = command.schedule
    if SCHEDULES.get(entry.txn, schedule.id) is not None:
        return Rejected(f"there is a schedule {schedule.id} already", Code.ALREADY_EXISTS)
    present = SCHEDULES.scan(entry.txn)
    if len(present) >= SCHEDULES_MAX:
        return Rejected(
            f"there are {SCHEDULES_MAX} schedules, which is the most: remove one first", Code.INVALID
        )
    SCHEDULES.put(entry.txn, replace(schedule, created_at_ms=entry.now_ms, runs=()))
    return Applied(schedule.id)


def remove_schedule(entry: Entry, command: RemoveSchedule) -> Outcome:
    if SCHEDULES.get(entry.txn, command.schedule_id) is None:
        return _no_schedule(command.schedule_id)
    SCHEDULES.delete(entry.txn, command.schedule_id)
    return Applied()


def fire_schedule(entry: Entry, command: FireSchedule) -> Outcome:
    schedule = SCHEDULES.get(entry.txn, command.schedule_id)
    if schedule is None:
        return _no_schedule(command.schedule_id)
    if command.due_ms is not None and command.due_ms != schedule.next_fire_ms:
        return _dealt_with(schedule, command.due_ms)
    revisions: list[tuple[str, int]] = []
    for each in command.services or schedule.services:
        refused = _refuse_overwriting(entry, each) if command.due_ms is not None else None
        if refused is not None:
            return refused
        outcome = put_service(entry, _command_of(each, created_by=schedule.asker.name))
        if isinstance(outcome, Rejected):
            return outcome
        _set_watch(entry, each, schedule)
        service = SERVICES.get(entry.txn, each.service_id)
        assert service is not None, "it was just put"
        revisions.append((each.service_id, service.revision))
    _put_run(
        entry,
        schedule,
        ScheduleRun(
            due_ms=command.due_ms,
            at_ms=entry.now_ms,
            outcome=RunOutcome.FIRED,
            reason=command.reason,
            revisions=tuple(revisions),
        ),
        next_ms=schedule.next_fire_ms if command.due_ms is None else command.next_ms,
    )
    return Applied([list(pair) for pair in revisions])


def pass_moment(entry: Entry, command: PassMoment) -> Outcome:
    schedule = SCHEDULES.get(entry.txn, command.schedule_id)
    if schedule is None:
        return _no_schedule(command.schedule_id)
    if command.due_ms != schedule.next_fire_ms:
        return _dealt_with(schedule, command.due_ms)
    run = ScheduleRun(
        due_ms=command.due_ms, at_ms=entry.now_ms, outcome=command.outcome, reason=command.reason
    )
    _put_run(entry, schedule, run, next_ms=command.next_ms)
    return Applied()


def put_window(entry: Entry, command: PutWindow) -> Outcome:
    window = command.window
    if WINDOWS.get(entry.txn, window.id) is None and len(WINDOWS.scan(entry.txn)) >= WINDOWS_MAX:
        return Rejected(
            f"there are {WINDOWS_MAX} change windows, which is the most: remove one first", Code.INVALID
        )
    WINDOWS.put(entry.txn, replace(window, created_at_ms=entry.now_ms))
    return Applied()


def remove_window(entry: Entry, command: RemoveWindow) -> Outcome:
    if WINDOWS.get(entry.txn, command.window_id) is None:
        return Rejected(f"there is no change window {command.window_id}", Code.NOT_FOUND)
    WINDOWS.delete(entry.txn, command.window_id)
    return Applied()


def put_freeze(entry: Entry, command: PutFreeze) -> Outcome:
    freeze = command.freeze
    for old in FREEZES.scan(entry.txn):
        # Those that are over by themselves are of no use to anybody: the audit knows of them.
        if old.until_ms is not None and old.until_ms <= entry.now_ms:
            FREEZES.delete(entry.txn, old.id)
    if FREEZES.get(entry.txn, freeze.id) is not None:
        return Rejected(f"there is a freeze {freeze.id} already", Code.ALREADY_EXISTS)
    if len(FREEZES.scan(entry.txn)) >= FREEZES_MAX:
        return Rejected(f"there are {FREEZES_MAX} freezes, which is the most: end one first", Code.INVALID)
    FREEZES.put(entry.txn, replace(freeze, created_at_ms=entry.now_ms))
    return Applied()


def end_freeze(entry: Entry, command: EndFreeze) -> Outcome:
    if FREEZES.get(entry.txn, command.freeze_id) is None:
        return Rejected(f"there is no freeze {command.freeze_id}", Code.NOT_FOUND)
    FREEZES.delete(entry.txn, command.freeze_id)
    return Applied()


def put_watch(entry: Entry, command: PutWatch) -> Outcome:
    service = SERVICES.get(entry.txn, command.service_id)
    if service is None or service.is_removed:
        return _no_service(command.service_id)
    _put_watch_rules(
        entry,
        command.service_id,
        command.watch,
        by=command.by,
        by_principal=command.by_principal,
        is_from_file=command.is_from_file,
    )
    return Applied()


def remove_watch(entry: Entry, command: RemoveWatch) -> Outcome:
    if WATCHES.get(entry.txn, command.service_id) is None:
        return Rejected(f"the image of {command.service_id} is not watched", Code.NOT_FOUND)
    WATCHES.delete(entry.txn, command.service_id)
    return Applied()


def note_digest(entry: Entry, command: NoteDigest) -> Outcome:
    watch = WATCHES.get(entry.txn, command.service_id)
    if watch is None:
        return Rejected(f"the image of {command.service_id} is not watched (any more)", Code.NOT_FOUND)
    after = replace(watch, checked_at_ms=entry.now_ms, problem=command.problem)
    if watch.image != command.image:
        after = replace(after, image=command.image, digest="", first_seen_ms=0)
    if command.digest and command.digest != after.digest:
        after = replace(after, digest=command.digest, first_seen_ms=entry.now_ms)
    WATCHES.put(entry.txn, after)
    return Applied()


def update_image(entry: Entry, command: UpdateImage) -> Outcome:
    wanted = command.service
    watch = WATCHES.get(entry.txn, wanted.service_id)
    if watch is None or SERVICES.get(entry.txn, wanted.service_id) is None:
        return Rejected(f"the image of {wanted.service_id} is not watched (any more)", Code.NOT_FOUND)
    digest = wanted.spec.digest
    if digest in watch.tried:
        return Rejected(f"{digest} was tried as {wanted.service_id} already", Code.ALREADY_EXISTS)
    put = replace(
        _command_of(wanted, created_by=command.created_by), expected_version=command.expected_version
    )
    outcome = put_service(entry, put)
    if isinstance(outcome, Applied):
        WATCHES.put(entry.txn, replace(watch, tried=(*watch.tried, digest)[-TRIED_MAX:]))
    return outcome


def _command_of(each: ScheduledService, *, created_by: str) -> PutService:
    return PutService(
        service_id=each.service_id,
        project=each.project,
        name=each.name,
        spec=each.spec,
        replicas=each.replicas,
        policy=each.policy,
        created_by=created_by,
        fencing=each.fencing,
        placement=each.placement,
        environment=each.environment,
        bound=each.bound,
        labels=each.labels,
        is_unjudged=each.is_unjudged,
        autoscale=each.autoscale,
    )


def _refuse_overwriting(entry: Entry, each: ScheduledService) -> Rejected | None:
    if each.seen_attempt is None:
        return None
    service = SERVICES.get(entry.txn, each.service_id)
    if (0 if service is None else service.attempt.number) == each.seen_attempt:
        return None
    what = "was removed" if service is None else f"was given revision {service.revision}"
    return Rejected(
        f"{each.service_id} {what} since this was scheduled: schedule it again if it is still wanted",
        Code.IN_USE,
    )


def _set_watch(entry: Entry, each: ScheduledService, schedule: DeploySchedule) -> None:
    present = WATCHES.get(entry.txn, each.service_id)
    if each.watch is not None:
        _put_watch_rules(
            entry,
            each.service_id,
            each.watch,
            by=schedule.asker.name,
            by_principal=schedule.asker.principal_id,
            is_from_file=True,
        )
    elif present is not None and present.is_from_file:
        WATCHES.delete(entry.txn, each.service_id)


def _put_watch_rules(
    entry: Entry,
    service_id: ServiceId,
    watch: WatchRules,
    *,
    by: str,
    by_principal: str,
    is_from_file: bool,
) -> None:
    present = WATCHES.get(entry.txn, service_id) or ImageWatch(service_id=service_id)
    WATCHES.put(
        entry.txn,
        replace(
            present,
            rules=watch,
            by=by,
            by_principal=by_principal,
            is_from_file=is_from_file,
            changed_at_ms=entry.now_ms,
        ),
    )


def _put_run(entry: Entry, schedule: DeploySchedule, run: ScheduleRun, *, next_ms: int | None) -> None:
    runs = (*schedule.runs, run)[-RUNS_KEPT:]
    SCHEDULES.put(entry.txn, replace(schedule, runs=runs, next_fire_ms=next_ms))


def _dealt_with(schedule: DeploySchedule, due_ms: int) -> Rejected:
    return Rejected(f"moment {due_ms} of schedule {schedule.id} was dealt with", Code.VERSION_CONFLICT)


def _no_schedule(schedule_id: str) -> Rejected:
    return Rejected(f"there is no schedule {schedule_id}", Code.NOT_FOUND)


def _no_service(service_id: str) -> Rejected:
    return Rejected(f"there is no service {service_id}", Code.NOT_FOUND)

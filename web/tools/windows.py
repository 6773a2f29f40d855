"""Change windows and freezes: when services may be changed, and saying so when they may not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.commands.windows import EndFreeze, PutFreeze, PutWindow, RemoveWindow
from cluster.model.service import Service
from cluster.model.windows import About, ChangeWindow, Freeze, Scope, ScopeKind, Span, WindowKind
from cluster.schedule import Standing, check_cron, standing
from cluster.store import ReadTxn
from cluster.store.records import FREEZES, WINDOWS
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem, invalid
from web.tools.context import Context
from web.tools.times import moment

READ = "window.read"
PUT = "window.put"
REMOVE = "window.remove"
FREEZE = "window.freeze"
UNFREEZE = "window.unfreeze"
OVERRIDE = "service.override-window"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """One change window."""

    id: str
    kind: WindowKind
    scope: str
    cron: str
    duration_s: int
    time_zone: str
    note: str
    by: str
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeView:
    """One freeze. `until_ms` null: until somebody ends it."""

    id: str
    scope: str
    reason: str
    from_ms: int
    until_ms: int | None
    is_in_force: bool
    by: str
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """A change window as people write it; `scope_kind` and `scope_name` say which services it is about."""

    kind: WindowKind
    cron: str
    duration_s: int
    time_zone: str = "UTC"
    scope_kind: ScopeKind = ScopeKind.CLUSTER
    scope_name: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeSettings:
    """A freeze as people write it. `from_ms` None: now; `until_ms` None: until it is ended."""

    reason: str
    from_ms: int | None = None
    until_ms: int | None = None
    scope_kind: ScopeKind = ScopeKind.CLUSTER
    scope_name: str = ""


async def list_windows(context: Context, call: Call) -> list[WindowView]:
    """Return the change windows, by id."""
    await context.authority.require(call, READ, "window")
    with context.surroundings.state.read() as txn:
        return [_window_view(each) for each in WINDOWS.scan(txn)]


async def put_window(context: Context, call: Call, name: str, settings: WindowSettings) -> WindowView:
    """Make a change window, or set everything of one anew. Raises Problem (422)."""
    await context.authority.require(call, PUT, f"window:{name}")
    try:
        window = ChangeWindow(
            id=name,
            kind=settings.kind,
            span=await span_of(settings.cron, settings.duration_s, settings.time_zone),
            scope=Scope(kind=settings.scope_kind, name=settings.scope_name),
            note=settings.note,
            by=call.known().name,
        )
    except ValueError as error:
        raise wrong(error) from error

    async def change(permit: Permit) -> None:
        await permit.propose(PutWindow(window=window))

    await context.authority.perform(call, PUT, f"window:{name}", change)
    with context.surroundings.state.read() as txn:
        return _window_view(WINDOWS.get(txn, name) or window)


async def remove_window(context: Context, call: Call, name: str) -> None:
    """Forget a change window. Raises Problem (404)."""
    await context.authority.require(call, REMOVE, f"window:{name}")
    with context.surroundings.state.read() as txn:
        if WINDOWS.get(txn, name) is None:
            raise Problem(
                "not-found",
                f"there is no change window {name[:80]!r}",
                hint="`tower window list` shows what there is",
            )

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveWindow(window_id=name))

    await context.authority.perform(call, REMOVE, f"window:{name}", change)


async def list_freezes(context: Context, call: Call) -> list[FreezeView]:
    """Return the freezes that are in force or still to come, by id."""
    await context.authority.require(call, READ, "window")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        found = FREEZES.scan(txn)
    return [_freeze_view(each, now_ms) for each in found if each.until_ms is None or each.until_ms > now_ms]


async def begin_freeze(context: Context, call: Call, settings: FreezeSettings) -> FreezeView:
    """Have nothing changed for a while. Raises Problem (422)."""
    await context.authority.require(call, FREEZE, "window")
    now_ms = context.surroundings.clock.now_ms()
    if settings.until_ms is not None and settings.until_ms <= now_ms:
        raise invalid("until", "it is over already", value=moment(settings.until_ms))
    try:
        freeze = Freeze(
            id=context.surroundings.ids.new_id("fr"),
            reason=settings.reason,
            from_ms=now_ms if settings.from_ms is None else settings.from_ms,
            until_ms=settings.until_ms,
            scope=Scope(kind=settings.scope_kind, name=settings.scope_name),
            by=call.known().name,
        )
    except ValueError as error:
        raise wrong(error) from error

    async def change(permit: Permit) -> None:
        await permit.propose(PutFreeze(freeze=freeze), reason=freeze.reason)

    await context.authority.perform(call, FREEZE, f"window:{freeze.id}", change)
    return _freeze_view(freeze, now_ms)


async def end_freeze(context: Context, call: Call, name: str) -> None:
    """Forget a freeze, in force or still to come. Raises Problem (404).

    Who began it may end it; of others' it is an administrator's decision.
    """
    await context.authority.require(call, FREEZE, f"window:{name}")
    with context.surroundings.state.read() as txn:
        freeze = FREEZES.get(txn, name)
    if freeze is None:
        raise Problem(
            "not-found", f"there is no freeze {name[:80]!r}", hint="`tower freeze list` shows what there is"
        )

    action = FREEZE if freeze.by == call.known().name else UNFREEZE

    async def change(permit: Permit) -> None:
        await permit.propose(EndFreeze(freeze_id=name))

    await context.authority.perform(call, action, f"window:{name}", change, recorded_as=UNFREEZE)


def about(service: Service) -> About:
    """Return what scopes tell a service by."""
    return About(service_id=service.id, project=service.project, environment=service.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A service that may not be changed at a moment."""

    service_id: str
    standing: Standing

    @property
    def words(self) -> str:
        when = self.standing.opens_at_ms
        opens = "nobody knows until when" if when is None else f"changes are possible from {moment(when)}"
        return f"{self.service_id}: {self.standing.reason}; {opens}"


def closed_among(txn: ReadTxn, services: Iterable[About], at_ms: int) -> list[Closed]:
    """Return which of the services may not be changed at a moment, by windows and freezes."""
    windows, freezes = WINDOWS.scan(txn), FREEZES.scan(txn)
    found = []
    for about in services:
        stands = standing(about, windows, freezes, at_ms)
        if not stands.is_open:
            found.append(Closed(service_id=about.service_id, standing=stands))
    return found


def problem_of_closed(closed: list[Closed]) -> Problem:
    """Return the problem of a change outside the windows, saying when the next one opens."""
    moments = [each.standing.opens_at_ms for each in closed]
    latest = None if None in moments else max(when for when in moments if when is not None)
    hint = "wait" if latest is None else f"wait, or schedule it: --at {moment(latest)}"
    return Problem(
        "conflict",
        closed[0].words + (f", and {len(closed) - 1} more" if len(closed) > 1 else ""),
        hint=f"{hint}; an administrator can deploy with --override-window, which the audit says",
        errors=tuple(
            FieldError(field=each.service_id, rule=each.words, hint=f"{hint}, or --override-window")
            for each in closed
        ),
        extra={"opens_at_ms": latest},
    )


async def span_of(cron: str, duration_s: int, time_zone: str) -> Span:
    """Return the span that is meant. Raises ValueError naming the field."""
    span = Span(cron=cron, duration_ms=duration_s * 1000, time_zone=time_zone)
    # A zone is a file, and this one is named by a stranger to this process.
    await asyncio.to_thread(check_cron, cron, time_zone)
    return span


def wrong(error: ValueError) -> Problem:
    """Return the problem of a value that names its field first."""
    name, _, rule = str(error).partition(" ")
    return invalid(name.rstrip(":,"), rule or str(error))


def _window_view(window: ChangeWindow) -> WindowView:
    return WindowView(
        id=window.id,
        kind=window.kind,
        scope=str(window.scope),
        cron=window.span.cron,
        duration_s=window.span.duration_ms // 1000,
        time_zone=window.span.time_zone,
        note=window.note,
        by=window.by,
        created_at_ms=window.created_at_ms,
    )


def _freeze_view(freeze: Freeze, now_ms: int) -> FreezeView:
    return FreezeView(
        id=freeze.id,
        scope=str(freeze.scope),
        reason=freeze.reason,
        from_ms=freeze.from_ms,
        until_ms=freeze.until_ms,
        is_in_force=freeze.from_ms <= now_ms and (freeze.until_ms is None or now_ms < freeze.until_ms),
        by=freeze.by,
        created_at_ms=freeze.created_at_ms,
    )

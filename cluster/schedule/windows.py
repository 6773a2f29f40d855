"""Whether a service may be changed at a moment, and from when on it may.

As Argo CD has it: without any window everything is allowed; where windows allow, it is only while one of them
is open; one that denies wins over all that allow. A freeze wins over everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.model.windows import About, ChangeWindow, Freeze, Span, WindowKind
from cluster.schedule.cron import last_fire_ms, next_fire_ms

STEPS_MAX = 60
"""Most ends and beginnings of windows that are looked at to find when it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether changes are allowed. `opens_at_ms` is when they are next, None when that cannot be told."""

    is_open: bool
    reason: str = ""
    opens_at_ms: int | None = None


OPEN = Standing(is_open=True)


def standing(
    about: About,
    windows: Iterable[ChangeWindow],
    freezes: Iterable[Freeze],
    now_ms: int,
    *,
    own: Span | None = None,
) -> Standing:
    """Return how things stand with a service at `now_ms`.

    `own` is a window of the caller's own that has to be open, too. Total: a window that cannot be read here
    keeps everything closed.
    """
    mine = [window for window in windows if window.scope.covers(about)]
    frozen = [freeze for freeze in freezes if freeze.scope.covers(about)]
    calendar = _Calendar(
        allows=[window for window in mine if window.kind is WindowKind.ALLOW],
        denies=[window for window in mine if window.kind is WindowKind.DENY],
        freezes=frozen,
        own=own,
    )
    try:
        closed = calendar.closed_at(now_ms)
        if closed is None:
            return OPEN
        return Standing(is_open=False, reason=closed.reason, opens_at_ms=calendar.opens_after(closed))
    except ValueError as error:
        return Standing(is_open=False, reason=f"a change window cannot be read here: {error}")


@dataclass(frozen=True, slots=True)
class _Closed:
    """Why it is closed, and when it is worth looking again; None when that will never be."""

    reason: str
    again_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calendar:
    allows: Sequence[ChangeWindow]
    denies: Sequence[ChangeWindow]
    freezes: Sequence[Freeze]
    own: Span | None

    def closed_at(self, at_ms: int) -> _Closed | None:
        for freeze in self.freezes:
            if freeze.from_ms <= at_ms and (freeze.until_ms is None or at_ms < freeze.until_ms):
                who = f" by {freeze.by}" if freeze.by else ""
                return _Closed(f"{freeze.scope} is frozen{who}: {freeze.reason}", freeze.until_ms)
        for window in self.denies:
            end_ms = _end_if_open(window.span, at_ms)
            if end_ms is not None:
                note = f": {window.note}" if window.note else ""
                return _Closed(f"change window {window.id} denies changes of {window.scope}{note}", end_ms)
        if self.allows and all(_end_if_open(window.span, at_ms) is None for window in self.allows):
            names = ", ".join(window.id for window in self.allows[:5])
            starts = [_start_after(window.span, at_ms) for window in self.allows]
            return _Closed(f"changes are allowed only in change window {names}", _earliest(starts))
        if self.own is not None and _end_if_open(self.own, at_ms) is None:
            return _Closed("it is outside its own window", _start_after(self.own, at_ms))
        return None

    def opens_after(self, closed: _Closed) -> int | None:
        looking: _Closed | None = closed
        again_ms = closed.again_ms
        for _ in range(STEPS_MAX):
            if looking is None or again_ms is None:
                break
            looking = self.closed_at(again_ms)
            if looking is not None:
                again_ms = looking.again_ms
        return again_ms if looking is None else None


def is_within(span: Span, at_ms: int) -> bool:
    """Whether a span is open at a moment. One that cannot be read here is not."""
    try:
        return _end_if_open(span, at_ms) is not None
    except ValueError:
        return False


def _end_if_open(span: Span, at_ms: int) -> int | None:
    """When the span that is open at `at_ms` ends; None when none is open. It includes its beginning only."""
    # It may begin again before it has ended: then it ends after the last beginning.
    start_ms = last_fire_ms(span.cron, span.time_zone, at_ms - span.duration_ms, at_ms)
    return None if start_ms is None else start_ms + span.duration_ms


def _start_after(span: Span, at_ms: int) -> int | None:
    return next_fire_ms(span.cron, span.time_zone, at_ms)


def _earliest(moments: Iterable[int | None]) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)

"""Whether changes are allowed, by windows and freezes, and when they are next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cluster.model.windows import About, ChangeWindow, Freeze, Scope, ScopeKind, Span, WindowKind
from cluster.schedule import Standing, standing

HOUR_MS = 3_600_000
SHOP = About(service_id="shop.web", project="shop", environment="production")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


NIGHT, NOON, SUNDAY_NIGHT = ms("2026-11-30T23:00"), ms("2026-11-30T12:00"), ms("2026-11-29T23:00")


def allow(cron: str = "0 22 * * *", hours: int = 8, **fields: Any) -> ChangeWindow:
    return ChangeWindow(
        **{"id": "nights", "kind": WindowKind.ALLOW, **fields},
        span=Span(cron=cron, duration_ms=hours * HOUR_MS),
    )


def deny(cron: str, hours: int, **fields: Any) -> ChangeWindow:
    return allow(cron, hours, id="no", kind=WindowKind.DENY, **fields)


def frozen(**fields: Any) -> Freeze:
    return Freeze(**{"id": "fr_1", "reason": "the quarter ends", "from_ms": NOON - HOUR_MS, **fields})


def at(moment_ms: int, *windows: ChangeWindow, freezes: tuple[Freeze, ...] = (), **more: Any) -> Standing:
    return standing(SHOP, windows, freezes, moment_ms, **more)


def test_without_any_window_everything_is_allowed() -> None:
    assert at(NOON).is_open


def test_where_windows_allow_it_is_only_while_one_is_open() -> None:
    assert at(NIGHT, allow()).is_open
    closed = at(NOON, allow())
    assert not closed.is_open
    assert closed.opens_at_ms == ms("2026-11-30T22:00")
    assert "nights" in closed.reason


def test_a_window_is_open_from_its_first_moment_and_not_at_its_last() -> None:
    assert at(ms("2026-11-30T22:00"), allow()).is_open
    assert not at(ms("2026-12-01T06:00"), allow()).is_open
    assert at(ms("2026-12-01T06:00") - 1, allow()).is_open


def test_deny_wins_over_allow() -> None:
    closed = at(NIGHT, allow(), deny("0 20 * * *", 4))
    assert not closed.is_open
    assert closed.opens_at_ms == ms("2026-12-01T00:00"), "the one that allows is still open then"


def test_a_window_that_only_denies_leaves_the_rest_open() -> None:
    weekend = deny("0 16 * * FRI", 64)
    assert at(NOON, weekend).is_open
    assert at(ms("2026-11-28T12:00"), weekend).opens_at_ms == ms("2026-11-30T08:00")


def test_when_it_opens_next_is_found_beyond_what_is_closed_in_between() -> None:
    closed = at(NOON, allow(), deny("0 22 * * MON", 24))
    assert closed.opens_at_ms == ms("2026-12-01T22:00")


def test_a_freeze_wins_over_everything_while_it_lasts() -> None:
    closed = at(NOON, allow("0 0 * * *", 24), freezes=(frozen(until_ms=NOON + HOUR_MS, by="ann"),))
    assert closed.opens_at_ms == NOON + HOUR_MS
    assert "ann" in closed.reason
    assert "the quarter ends" in closed.reason
    assert at(NOON + HOUR_MS, freezes=(frozen(until_ms=NOON + HOUR_MS),)).is_open
    assert at(NOON - 2 * HOUR_MS, freezes=(frozen(),)).is_open


def test_nobody_is_told_a_time_when_there_is_none() -> None:
    assert at(NOON, freezes=(frozen(),)) == Standing(
        is_open=False, reason="the cluster is frozen: the quarter ends"
    )
    assert at(NOON, deny("* * * * *", 1)).opens_at_ms is None


def test_a_window_counts_for_those_in_its_scope_alone() -> None:
    for kind, name, is_meant in (
        (ScopeKind.ENVIRONMENT, "production", True),
        (ScopeKind.ENVIRONMENT, "staging", False),
        (ScopeKind.PROJECT, "shop", True),
        (ScopeKind.PROJECT, "blog", False),
        (ScopeKind.SERVICE, "shop.web", True),
        (ScopeKind.SERVICE, "shop.db", False),
        (ScopeKind.CLUSTER, "", True),
    ):
        window = deny("* * * * *", 1, scope=Scope(kind=kind, name=name))
        assert at(NOON, window).is_open is not is_meant, (kind, name)


def test_a_window_of_ones_own_has_to_be_open_too() -> None:
    own = Span(cron="0 3 * * *", duration_ms=HOUR_MS)
    assert at(NIGHT, allow(), own=own).opens_at_ms == ms("2026-12-01T03:00")
    assert at(ms("2026-12-01T03:30"), allow(), own=own).is_open


def test_a_window_that_cannot_be_read_here_keeps_things_closed() -> None:
    unknown = ChangeWindow(
        id="odd",
        kind=WindowKind.DENY,
        span=Span(cron="0 0 * * *", duration_ms=HOUR_MS, time_zone="Mars/Olympus"),
    )
    closed = at(NOON, unknown)
    assert not closed.is_open
    assert "Mars/Olympus" in closed.reason

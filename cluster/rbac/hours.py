"""Whether a moment is within the hours of a permission, by the wall clock of their place."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cluster.model.permissions import DAYS, Hours

_MINUTES_OF_DAY = 24 * 60


_KNOWN: dict[str, ZoneInfo] = {}
"""Zones that were read. A zone is a file, and whoever decides in an event loop reads it beforehand."""


def check_zone(name: str) -> ZoneInfo:
    """Return the time zone. Raises ValueError when there is none of that name here."""
    zone = _KNOWN.get(name)
    if zone is None:
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"hours.tz {name[:64]!r}: no such time zone; write one like Europe/Rome"
            ) from error
        _KNOWN[name] = zone
    return zone


def are_known(hours: Iterable[Hours]) -> bool:
    """Whether the zones of all of these were read, so that asking about them reads nothing."""
    return all(each.tz in _KNOWN for each in hours)


def read_zones(hours: Iterable[Hours]) -> None:
    """Read the zones of all of these; one that cannot be read stays unknown."""
    for each in hours:
        with suppress(ValueError):
            check_zone(each.tz)


def is_within(hours: Iterable[Hours], at_ms: int) -> bool | None:
    """Whether any of them holds at a moment; None when none does and one cannot be read here."""
    is_readable = True
    for each in hours:
        try:
            if _holds(each, at_ms):
                return True
        except ValueError:
            is_readable = False
    return False if is_readable else None


def _holds(hours: Hours, at_ms: int) -> bool:
    local = datetime.fromtimestamp(at_ms / 1000, check_zone(hours.tz))
    minute = local.hour * 60 + local.minute
    start, end = _minute(hours.start), _minute(hours.end)
    today = DAYS[local.weekday()]
    if start < end:
        return today in hours.days and start <= minute < end
    # Over midnight: the part after it belongs to the day before.
    yesterday = DAYS[(local.date() - timedelta(days=1)).weekday()]
    return (today in hours.days and minute >= start) or (yesterday in hours.days and minute < end)


def _minute(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return min(int(hour) * 60 + int(minute), _MINUTES_OF_DAY)

"""Cron expressions in a time zone, as Debian's cron reads them.

When the clocks are changed, an expression with fixed minutes and hours fires once for each time it names: one
that names a time which is skipped fires at the moment of the change, one that names a time which comes twice
fires at the first. With `*` in minutes or hours it goes by elapsed time: what is skipped does not fire, and
what comes twice does twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF_HOUR_MS = 30 * 60_000
_LATEST_MS = 253_370_764_800_000  # the year 9999: no calendar goes further


def check_cron(cron: str, time_zone: str) -> None:
    """Raises ValueError naming the field, the value and the rule. It has to fire at some time."""
    if next_fire_ms(cron, time_zone, after_ms=0) is None:
        raise ValueError(f"cron {cron!r}: there is no such day")


@lru_cache(maxsize=4096)
def next_fire_ms(cron: str, time_zone: str, after_ms: int) -> int | None:
    """Return the first moment after `after_ms` that `cron` names in `time_zone` (epoch ms).

    None when there is none within fifty years. Raises ValueError as `check_cron` does.
    """
    zone = _zone(time_zone)
    _check_fields(cron)
    if after_ms >= _LATEST_MS:
        return None
    found = _first(cron, zone, after_ms)
    if found is not None and found - _HALF_HOUR_MS > after_ms:
        # cronsim looks for hours in steps of one, and where clocks are changed by half an hour (Lord Howe
        # Island) it comes out in the middle of the one it looks for.
        earlier = _first(cron, zone, found - _HALF_HOUR_MS - 1)
        found = found if earlier is None else min(found, earlier)
    return found


def _first(cron: str, zone: tzinfo, after_ms: int) -> int | None:
    begin = (_EPOCH + timedelta(milliseconds=after_ms)).astimezone(zone)
    try:
        found = CronSim(cron, begin)
        for moment in found:
            moment_ms = (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
            # In the hour that comes twice it also gives moments of the first time round.
            if moment_ms > after_ms:
                return moment_ms
    except CronSimError as error:
        raise ValueError(f"cron {cron!r}: {_words(error)}") from error
    except OverflowError:
        return None
    return None


def last_fire_ms(cron: str, time_zone: str, after_ms: int, until_ms: int) -> int | None:
    """Return the newest moment after `after_ms` up to `until_ms`; None when there is none in between."""
    if not _is_before(next_fire_ms(cron, time_zone, after_ms), until_ms):
        return None
    # There is a moment after `low` and none after `high`; cron knows no fractions of a second.
    low, high = after_ms, until_ms
    while high - low > 1000:
        middle = (low + high) // 2
        if _is_before(next_fire_ms(cron, time_zone, middle), until_ms):
            low = middle
        else:
            high = middle
    return next_fire_ms(cron, time_zone, low)


def _is_before(moment_ms: int | None, until_ms: int) -> bool:
    return moment_ms is not None and moment_ms <= until_ms


def _check_fields(cron: str) -> None:
    if len(cron.split()) != 5:
        raise ValueError(
            f"cron {cron!r}: five fields are needed: minute, hour, day of the month, month, day of the week,"
            " such as 30 3 * * MON-FRI"
        )


def _words(error: CronSimError) -> str:
    text = str(error)
    return f"its {text.removeprefix('Bad ')} is not right" if text.startswith("Bad ") else text


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    """The zone of that name: a small file of the system or of tzdata, read once per process."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"time_zone {name!r}: it is not known; use a name such as Europe/Berlin or UTC"
        ) from error

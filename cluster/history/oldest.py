"""From when to when the records reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cluster.history.layout import (
    DAILY,
    DAILY_FROM,
    DAYS,
    DAYS_A_SPAN,
    HORIZONS,
    HOURLY,
    OPEN_DAYS,
    OPEN_HOURS,
    Tables,
    time_of,
)
from cluster.metrics.grid import DAY_MS, HOUR_MS
from cluster.metrics.query import Resolution
from cluster.model.metrics import SubjectKind


def oldest_ms(tables: Tables, kinds: Collection[SubjectKind]) -> Mapping[Resolution, int | None]:
    """Return when each record begins, None where it is empty.

    Of `kinds` it begins where those begin that are kept for the shortest time; without any, where the oldest
    there is lies. What is open is in all records: rollups of it are made when they are asked for.
    """
    open_hour, open_day = tables.first(OPEN_HOURS), tables.first(OPEN_DAYS)
    live = [
        *([] if open_hour is None else [time_of(open_hour) * HOUR_MS]),
        *([] if open_day is None else [time_of(open_day) * DAY_MS]),
    ]
    day, hourly, daily = tables.first(DAYS), tables.first(HOURLY), tables.meta(DAILY_FROM)
    begins = {
        Resolution.RAW: live + ([] if day is None else [time_of(day) * DAY_MS]),
        Resolution.HOURLY: live + ([] if hourly is None else [time_of(hourly) * DAY_MS]),
        Resolution.DAILY: live + ([daily * DAY_MS] if isinstance(daily, int) else []),
    }
    horizons = _horizons(tables, kinds)
    return {each: max(min(found), horizons[each]) if found else None for each, found in begins.items()}


_SPANS = (
    (OPEN_HOURS, HOUR_MS),
    (OPEN_DAYS, DAY_MS),
    (DAYS, DAY_MS),
    (HOURLY, DAY_MS),
    (DAILY, DAYS_A_SPAN * DAY_MS),
)


def newest_end_ms(tables: Tables) -> int:
    """Return a moment after which there is nothing in any record."""
    found = [0]
    for table, span_ms in _SPANS:
        with tables.txn.cursor(db=tables.handles[table]) as cursor:
            if cursor.last():
                found.append((time_of(cursor.key()) + 1) * span_ms)
    return max(found)


def _horizons(tables: Tables, kinds: Collection[SubjectKind]) -> Mapping[Resolution, int]:
    latest = dict.fromkeys(Resolution, 0)
    held = tables.meta(HORIZONS, ()) if kinds else ()
    if not isinstance(held, tuple):
        return latest
    wanted = {kind.value for kind in kinds}
    for kind, *from_ms in held:
        if kind in wanted:
            for resolution, ms in zip(Resolution, from_ms, strict=True):
                # A day goes as a whole, once all of it is old.
                latest[resolution] = max(latest[resolution], ms - ms % DAY_MS)
    return latest

"""Series and rollups of any stretch of time, put together from all tables in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.history.damage import Damage
from cluster.history.layout import (
    DAILY,
    DAYS,
    DAYS_A_SPAN,
    HOURLY,
    HOURS,
    HOURS_A_DAY,
    OPEN_DAYS,
    OPEN_HOURS,
    SEALED,
    Tables,
    chunk_key,
    day_key,
    time_of,
)
from cluster.history.oldest import newest_end_ms, oldest_ms
from cluster.history.open_hours import OpenHour, OpenHours
from cluster.metrics.chunk import ChunkDamaged, Series, SubjectDay, decode_chunk, no_samples
from cluster.metrics.grid import DAY_CELLS, DAY_MS, HOUR_CELLS, HOUR_MS, are_in, series_name
from cluster.metrics.query import Resolution
from cluster.metrics.rollup import (
    Rollups,
    combined,
    decode_hour,
    decode_rollups,
    joined,
    joined_rows,
    no_rollups,
    roll_up,
)
from cluster.model.metrics import STEP_MS


class Gathering:
    """For one question: what is read for one series is kept for the next of the same subject.

    Where many series are to come, rollups of hours are read for all of them at once, and p95
    of a day that is not compacted is the mean of its hours'. Hours, days and cells (of STEP_MS) are counted
    from 1970. `damaged` says whether anything was left out.
    """

    def __init__(self, tables: Tables, open_hours: OpenHours, damage: Damage) -> None:
        self._tables = tables
        self._hours: dict[int, tuple[NDArray[np.int64], Rollups] | None] = {}
        self._open_hours = open_hours
        self._pending_hours: dict[int, OpenHour] = {}
        self._damage = damage
        self._days: dict[tuple[int, int], SubjectDay | None] = {}
        self._rollups: dict[tuple[bytes, int, int], dict[int, Rollups]] = {}
        self.hours_open = [time_of(key) for key in tables.keys(OPEN_HOURS)]
        self.days_open = [time_of(key) for key in tables.keys(OPEN_DAYS)]
        self._names: NDArray[np.int64] | None = None
        self._open = frozenset(self.hours_open)
        # Whose rollups are made when they are asked for: those of samples that are not compacted yet.
        self._live = {hour // HOURS_A_DAY for hour in self.hours_open} | set(self.days_open)
        self.newest_end_ms = newest_end_ms(tables)
        self.damaged = False

    def forget(self) -> None:
        """Let go of what was kept for other series of one subject."""
        self._days.clear()
        self._rollups.clear()

    def clamped(self, first: int, last: int) -> tuple[int, int]:
        """Return the part of the cells [first, last) in which samples can be: one may ask for all time."""
        begins_ms = oldest_ms(self._tables, ())[Resolution.RAW]
        if begins_ms is None:
            return first, first
        first = max(first, begins_ms // STEP_MS)
        return first, max(first, min(last, self.newest_end_ms // STEP_MS))

    @property
    def many(self) -> bool:
        return self._names is not None

    def expect_many(self, names: NDArray[np.int64]) -> None:
        """Go about it as is best for many series: `names` (sorted), of which alone rollups are asked for."""
        self._names = names

    def read_pending(self, names: NDArray[np.int64], start_ms: int, end_ms: int) -> None:
        """Read what is pending in [start_ms, end_ms) of the series `names` (sorted). Of others, and of other
        times, nothing pending is found from then on."""
        for hour in self.hours_open:
            self._pending(hour).read_only(names, start_ms, end_ms)

    def _pending(self, hour: int) -> OpenHour:
        if hour not in self._pending_hours:
            self._pending_hours[hour] = self._open_hours.hour(self._tables, hour)
        return self._pending_hours[hour]

    # ---- samples ------------------------------------------------------------------------------

    def samples(self, subject: int, metric: int, first: int, last: int) -> Series:
        """Return the series on the cells [first, last)."""
        whole = _Whole(first, last)
        sealed = set(self.days_open)
        for day in range(first // DAY_CELLS, -(-last // DAY_CELLS)):
            held = self.day(day, subject, metric)
            if held is not None:
                whole.lay(held, day * DAY_CELLS)
            if day in sealed:
                start = max(day * HOURS_A_DAY, first // HOUR_CELLS)
                for hour in range(start, min((day + 1) * HOURS_A_DAY, -(-last // HOUR_CELLS))):
                    held = self.hour(hour, subject, metric)
                    if held is not None:
                        whole.lay(held, hour * HOUR_CELLS)
        name = series_name(subject, metric)
        for hour in self.hours_open:
            if first < (hour + 1) * HOUR_CELLS and hour * HOUR_CELLS < last:
                held = self._pending(hour).series(name)
                if held is not None:
                    whole.lay(held, hour * HOUR_CELLS)
        return whole.series()

    def hour(self, hour: int, subject: int, metric: int) -> Series | None:
        """Return a series' chunk of a sealed hour that is not compacted."""
        key = chunk_key(hour, subject, metric)
        data = self._tables.get(HOURS, key)
        if data is None:
            return None
        try:
            return decode_chunk(data, HOUR_CELLS)
        except ChunkDamaged as error:
            self._note(HOURS, key, hour * HOUR_MS, HOUR_MS, error)
            return None

    def subject_day(self, day: int, subject: int) -> SubjectDay | None:
        """Return what `days` has of a subject."""
        if (day, subject) in self._days:
            return self._days[day, subject]
        key = day_key(day, subject)
        data = self._tables.get(DAYS, key)
        found = None
        if data is not None:
            try:
                found = SubjectDay(data, DAY_CELLS)
            except ChunkDamaged as error:
                self._note(DAYS, key, day * DAY_MS, DAY_MS, error)
        self._days[day, subject] = found
        return found

    def day(self, day: int, subject: int, metric: int) -> Series | None:
        """Return a series of a compacted day."""
        held = self.subject_day(day, subject)
        if held is None:
            return None
        try:
            return held.series(metric)
        except ChunkDamaged as error:
            self._note(DAYS, day_key(day, subject), day * DAY_MS, DAY_MS, error)
            return None

    # ---- rollups ------------------------------------------------------------------------------

    def hourly(self, subject: int, metric: int, first: int, last: int) -> Rollups:
        """Return the rollups of the hours [first, last), whose slots are hours."""
        days = range(first // HOURS_A_DAY, -(-last // HOURS_A_DAY))
        stored = self._stored(HOURLY, days, HOURS_A_DAY, DAY_MS, subject, metric)
        rolled = [self._rolled(subject, metric, day) for day in days if day in self._live]
        return _between(larger(stored, joined(rolled)), first, last)

    def daily(self, subject: int, metric: int, first: int, last: int) -> Rollups:
        """Return the rollups of the days [first, last), whose slots are days."""
        spans = range(first // DAYS_A_SPAN, -(-last // DAYS_A_SPAN))
        stored = self._stored(DAILY, spans, DAYS_A_SPAN, DAYS_A_SPAN * DAY_MS, subject, metric)
        rolled = [self._rolled_day(subject, metric, day) for day in sorted(self._live) if first <= day < last]
        return _between(larger(stored, joined(rolled)), first, last)

    def table(self, table: bytes, time: int, subject: int, span_ms: int) -> dict[int, Rollups]:
        """Return a subject's stored rollups of one day or span, by metric, with slots from 0 on."""
        place = table, time, subject
        if place not in self._rollups:
            key = day_key(time, subject)
            data = self._tables.get(table, key)
            found: dict[int, Rollups] = {}
            if data is not None:
                try:
                    found = decode_rollups(data)
                except ChunkDamaged as error:
                    self._note(table, key, time * span_ms, span_ms, error)
            self._rollups[place] = found
        return self._rollups[place]

    def _stored(
        self, table: bytes, times: Sequence[int], slots: int, span_ms: int, subject: int, metric: int
    ) -> Rollups:
        parts = []
        for time in times:
            part = self.table(table, time, subject, span_ms).get(metric)
            if part is not None:
                parts.append(part.at(part.slots + time * slots))
        return joined(parts)

    def _rolled(self, subject: int, metric: int, day: int) -> Rollups:
        """Return rollups of the hours of a day that is not compacted, or not with all its samples."""
        if not self.many or self.subject_day(day, subject) is not None:
            return self._of_samples(subject, metric, day, 1, HOURS_A_DAY)
        name = series_name(subject, metric)
        parts = []
        for hour in range(day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY):
            table = None if hour in self._open else self._sealed(hour)
            if table is None:
                parts.append(self._of_samples(subject, metric, hour, HOURS_A_DAY, 1))
                continue
            names, rows = table
            at = int(names.searchsorted(name))
            if at < len(names) and names[at] == name:
                parts.append(rows.rows(slice(at, at + 1)))
        return joined(parts)

    def _rolled_day(self, subject: int, metric: int, day: int) -> Rollups:
        if not self.many or self.subject_day(day, subject) is not None:
            return self._of_samples(subject, metric, day, 1, 1)
        hours = self._rolled(subject, metric, day)
        return combined(hours, day) if len(hours) else hours

    def _of_samples(self, subject: int, metric: int, stretch: int, a_day: int, pieces: int) -> Rollups:
        """Return rollups of the samples of a stretch, of which a day has `a_day`, cut into `pieces`."""
        cells = DAY_CELLS // a_day
        series = self.samples(subject, metric, stretch * cells, (stretch + 1) * cells)
        if not series.step_s:
            return no_rollups()
        rolled = rolled_up(series, pieces)
        return rolled.at(rolled.slots + stretch * pieces)

    def _sealed(self, hour: int) -> tuple[NDArray[np.int64], Rollups] | None:
        """Return the rollups of all series of an hour; None where they have to be made of its chunks."""
        if hour not in self._hours:
            found = self._sealed_parts(hour)
            self._hours[hour] = found
        return self._hours[hour]

    def _sealed_parts(self, hour: int) -> tuple[NDArray[np.int64], Rollups] | None:
        parts = []
        for key, data in self._tables.rows(SEALED, day_key(hour, 0), day_key(hour + 1, 0)):
            try:
                names, rows = decode_hour(data, hour)
            except ChunkDamaged as error:
                self._damage.note(SEALED, key, hour * HOUR_MS, (hour + 1) * HOUR_MS, str(error))
                return None
            if self._names is not None:
                wanted = are_in(self._names, names)
                names, rows = names[wanted], rows.rows(wanted)
            parts.append((names, rows))
        if parts:
            return newest_rows(parts)
        if self._tables.first(HOURS, chunk_key(hour, 0, 0), chunk_key(hour + 1, 0, 0)) is None:
            return np.empty(0, dtype=np.int64), no_rollups()
        return None

    def _note(self, table: bytes, key: bytes, start_ms: int, length_ms: int, error: ChunkDamaged) -> None:
        self.damaged = True
        self._damage.note(table, key, start_ms, start_ms + length_ms, str(error))


def rolled_up(series: Series, pieces: int) -> Rollups:
    """Return the rollups of a series that is cut into `pieces` of equal length, which the slots count."""
    return roll_up(
        series.values.reshape(pieces, -1),
        series.present.reshape(pieces, -1),
        np.full(pieces, series.step_s, dtype=np.int64),
    )


def larger(stored: Rollups, made: Rollups) -> Rollups:
    """Return the rows of both; of one stretch the one of more samples, `made` where they are equal.

    What is made of samples is newer, but of some samples only where the others are no longer kept.
    """
    if not len(made) or not len(stored):
        return made if len(made) else stored
    at = np.searchsorted(stored.slots, made.slots)
    held = np.zeros(len(made), dtype=np.int64)
    inside = at < len(stored)
    same = inside & (stored.slots[np.minimum(at, len(stored) - 1)] == made.slots)
    held[same] = stored.counts[at[same]]
    return stored.under(made.rows(made.counts >= held))


def newest_rows(
    parts: Sequence[tuple[NDArray[np.int64], Rollups]],
) -> tuple[NDArray[np.int64], Rollups]:
    """Return the names of all parts, sorted, and the row of each of the last part that has it."""
    if len(parts) == 1:
        return parts[0]
    names = np.concatenate([each for each, _ in parts])
    order = np.argsort(names, kind="stable")
    is_last = np.ones(len(names), dtype=np.bool_)
    is_last[:-1] = names[order][1:] != names[order][:-1]
    kept = order[is_last]
    return names[kept], joined_rows([rows for _, rows in parts]).rows(kept)


def _between(rollups: Rollups, first: int, last: int) -> Rollups:
    start, end = np.searchsorted(rollups.slots, [first, last])
    return rollups.rows(slice(int(start), int(end)))


class _Whole:
    """A stretch of one series under construction. Until something is laid, it takes no room."""

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._last = last
        self._values: NDArray[np.int64] | None = None
        self._present: NDArray[np.bool_] | None = None
        self._step_s = 0
        # What covers all of it and has nothing over it need not be copied.
        self._only: Series | None = None

    def lay(self, series: Series, at: int) -> None:
        """Put a series that begins at cell `at` over what is there."""
        start, end = max(at, self._first), min(at + series.cells, self._last)
        if start >= end:
            return
        part = series.part(start - at, end - at)
        if self._only is None and self._values is None and part.cells == self._last - self._first:
            self._only = part
            return
        self._make_room()
        assert self._values is not None
        assert self._present is not None
        where = slice(start - self._first, end - self._first)
        np.copyto(self._values[where], part.values, where=part.present)
        self._present[where] |= part.present
        if series.step_s and part.present.any():
            self._step_s = min(self._step_s or series.step_s, series.step_s)

    def _make_room(self) -> None:
        if self._values is not None:
            return
        cells = self._last - self._first
        self._values = np.zeros(cells, dtype=np.int64)
        self._present = np.zeros(cells, dtype=np.bool_)
        only, self._only = self._only, None
        if only is not None:
            self.lay(only, self._first)

    def series(self) -> Series:
        if self._only is not None:
            return self._only
        if self._values is None or self._present is None:
            return no_samples(self._last - self._first)
        return Series(values=self._values, present=self._present, step_s=self._step_s)


def moments_of(series: Series, first: int) -> NDArray[np.int64]:
    """Return when the samples of a series that begins at cell `first` were taken, ms."""
    if series.is_whole:
        return np.arange(first, first + series.cells, dtype=np.int64) * STEP_MS
    return (first + np.flatnonzero(series.present)) * STEP_MS

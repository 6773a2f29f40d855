"""From batches to chunks of hours, and from those to days: what makes the record small.

Both steps commit whole pieces and may be interrupted between any two. What is already there is laid under
what comes, never replaced by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.encoding import pack
from cluster.history.damage import Damage
from cluster.history.gathering import Gathering, larger, rolled_up
from cluster.history.layout import (
    DAILY,
    DAILY_FROM,
    DAYS,
    DAYS_A_SPAN,
    HOURLY,
    HOURS,
    HOURS_A_DAY,
    OPEN_DAYS,
    OPEN_HOURS,
    PENDING,
    SEALED,
    Tables,
    chunk_key,
    day_key,
    metric_of,
    pending_key,
    second_of,
    time_key,
)
from cluster.history.open_hours import OpenHours
from cluster.history.pending import Entry, add_batch, apart, entries_of, pending_keys
from cluster.metrics.chunk import Series, encode_chunk, encode_day, no_samples
from cluster.metrics.grid import DAY_CELLS, DAY_MS, HOUR_CELLS, HOUR_MS, HourGrid, subject_and_metric
from cluster.metrics.rollup import (
    Rollups,
    encode_hour,
    encode_rollups,
    roll_up,
)

WORK_A_PIECE = 400
"""What one transaction seals, in series encoded: about 30 ms."""
CELLS_OF_A_SERIES = 1_000
"""How many cells of batches are decoded in the time that one series is encoded."""
ENTRIES_OF_A_SERIES = 2
GROUPED_BATCHES = 200
"""From how many batches of an hour on they are told apart: fewer have room at once, and each is read once."""
PARTS_MAX = 1_000
"""How many parts the rollups of one hour may lie in; where samples come late more often, there are none."""
SUBJECTS_A_PIECE = 16
CHUNKS_A_PIECE = 500
"""After how many hours' chunks, or subjects, one transaction compacts no more: about 50 ms. One subject's day
is never cut."""


class Sealing:
    """An hour on its way from batches into chunks, which are made piece by piece.

    Each piece makes chunks of some series and leaves their batches where they are, since those say the same;
    the batches of a group, which share their subjects with no others, go with its last chunks. What is kept
    here between two pieces only saves work: whoever begins anew, after a crash, comes to the same.
    """

    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.is_done = False
        self._keys: list[bytes] | None = None
        self._entries: list[Entry] = []
        self._groups: list[list[bytes]] | None = None
        self._grid: HourGrid | None = None
        self._added = 0
        self._row = 0

    def piece(self, tables: Tables, damage: Damage, now_ms: int, work: int) -> int:
        """Do about `work`, a number of series, and return how much it was.

        Samples of an hour that was sealed before are laid over its chunks; those of a day that was compacted
        before become chunks again, and the day is compacted once more.
        """
        done = 0
        while done < work and not self.is_done:
            if self._groups is None:
                done += self._tell_apart(tables, damage, work - done)
            elif not self._groups:
                self._finish(tables)
            else:
                done += self._group(tables, damage, now_ms, work - done)
        return done

    def _tell_apart(self, tables: Tables, damage: Damage, work: int) -> int:
        """Do about `work` of finding out which batches have subjects in common."""
        if self._keys is None:
            self._keys = pending_keys(tables, self.hour)
        if len(self._keys) < GROUPED_BATCHES:
            self._groups = [self._keys] if self._keys else []
            return 0
        first = len(self._entries)
        self._entries += entries_of(tables, self._keys[first : first + work * ENTRIES_OF_A_SERIES], damage)
        done = len(self._entries) - first
        if len(self._entries) == len(self._keys):
            self._groups = [[entry.key for entry in group] for group in apart(self._entries)]
            self._entries = []
        return 1 + done // ENTRIES_OF_A_SERIES

    def _group(self, tables: Tables, damage: Damage, now_ms: int, work: int) -> int:
        """Do about `work` of the last group; without any group left, the hour is sealed."""
        assert self._groups
        group = self._groups[-1]
        grid = self._grid = self._grid or HourGrid(self.hour * HOUR_MS)
        cells = 0
        while self._added < len(group):
            if cells >= work * CELLS_OF_A_SERIES:
                return work
            cells += add_batch(tables, grid, group[self._added], damage)
            self._added += 1
        decoded = cells // CELLS_OF_A_SERIES
        first, last = self._row, min(self._row + max(1, work - decoded), len(grid.names))
        if last > first:
            seal_series(tables, grid, slice(first, last), damage)
            tables.put(OPEN_DAYS, time_key(self.hour // HOURS_A_DAY), pack(now_ms))
        self._row = last
        if last == len(grid.names):
            delete_keys(tables, PENDING, group)
            self._groups.pop()
            self._grid, self._added, self._row = None, 0, 0
        return decoded + last - first + 1

    def _finish(self, tables: Tables) -> None:
        # What came meanwhile keeps the hour open.
        if tables.first(PENDING, pending_key(self.hour, 0), pending_key(self.hour + 1, 0)) is None:
            tables.delete(OPEN_HOURS, time_key(self.hour))
        self.is_done = True


def seal_series(tables: Tables, grid: HourGrid, rows: slice, damage: Damage) -> None:
    """Lay these rows of an hour over what its chunks have of the same series."""
    hour = grid.start_ms // HOUR_MS
    known = Gathering(tables, OpenHours(damage), damage)
    names = grid.names[rows]
    series: list[Series] = []
    chunks = []
    for row, name in enumerate(names.tolist(), rows.start):
        subject, metric = subject_and_metric(name)
        fresh = Series(values=grid.values[row], present=grid.present[row], step_s=int(grid.step_s[row]))
        sealed = known.hour(hour, subject, metric)
        whole = fresh if sealed is None else sealed.under(fresh)
        series.append(whole)
        chunks.append((chunk_key(hour, subject, metric), encode_chunk(whole)))
    _roll_up_hour(tables, hour, names, series)
    tables.put_sorted(HOURS, chunks)


def _roll_up_hour(tables: Tables, hour: int, names: NDArray[np.int64], series: Sequence[Series]) -> None:
    """Put the rollups of these series behind those the hour has already.

    Where the hour has chunks but no rollups, it gets none: others would be taken for not being there.
    """
    parts = list(tables.keys(SEALED, day_key(hour, 0), day_key(hour + 1, 0)))
    if not parts and tables.first(HOURS, chunk_key(hour, 0, 0), chunk_key(hour + 1, 0, 0)) is not None:
        return
    if len(parts) >= PARTS_MAX:
        delete_keys(tables, SEALED, parts)
        return
    rolled = roll_up(
        np.stack([one.values for one in series]),
        np.stack([one.present for one in series]),
        np.array([one.step_s for one in series], dtype=np.int64),
    )
    number = second_of(parts[-1]) + 1 if parts else 0
    tables.put_sorted(SEALED, [(day_key(hour, number), encode_hour(names, rolled))])


def compact_some(tables: Tables, day: int, damage: Damage) -> None:
    """Move the hours of some of the day's subjects into their days, and make the rollups.

    Where none is left, the day is no longer open. The hours go in the transaction that has what they became:
    whatever is sealed between two pieces is still there for the next.
    """
    subjects = _next_subjects(tables, day)
    known = Gathering(tables, OpenHours(damage), damage)
    done = chunks = 0
    for subject in subjects:
        if chunks >= CHUNKS_A_PIECE:
            break
        keys = _hour_keys(tables, day, subject)
        done, chunks = done + 1, chunks + len(keys)
        by_metric = _whole_day(known, day, subject, keys)
        if by_metric:
            tables.put_sorted(DAYS, [(day_key(day, subject), encode_day(by_metric))])
            roll_up_day(tables, known, day, subject, by_metric)
        delete_keys(tables, HOURS, keys)
        known.forget()
    if done == len(subjects) < SUBJECTS_A_PIECE:
        rollups = tables.keys(SEALED, day_key(day * HOURS_A_DAY, 0), day_key((day + 1) * HOURS_A_DAY, 0))
        delete_keys(tables, SEALED, list(rollups))
        tables.delete(OPEN_DAYS, time_key(day))


def _next_subjects(tables: Tables, day: int) -> list[int]:
    """Return the first few subjects that have chunks of hours of `day`, in order."""
    found: set[int] = set()
    for hour in _hours_of(day):
        of_hour: set[int] = set()
        for key in tables.keys(HOURS, chunk_key(hour, 0, 0), chunk_key(hour + 1, 0, 0)):
            of_hour.add(second_of(key))
            if len(of_hour) > SUBJECTS_A_PIECE:
                break
        found |= of_hour
    return sorted(found)[:SUBJECTS_A_PIECE]


def _hour_keys(tables: Tables, day: int, subject: int) -> list[bytes]:
    found: list[bytes] = []
    for hour in _hours_of(day):
        found += tables.keys(HOURS, chunk_key(hour, subject, 0), chunk_key(hour, subject + 1, 0))
    return found


def roll_up_day(
    tables: Tables, known: Gathering, day: int, subject: int, by_metric: Mapping[int, Series]
) -> None:
    """Make the hourly and the daily rollups of a subject's day."""
    span, slot = divmod(day, DAYS_A_SPAN)
    hourly = {metric: rolled_up(series, HOURS_A_DAY) for metric, series in by_metric.items()}
    daily = {metric: rolled_up(series, 1).at(slot) for metric, series in by_metric.items()}
    put_rollups(tables, known, HOURLY, day, subject, hourly)
    put_rollups(tables, known, DAILY, span, subject, daily)


def put_rollups(
    tables: Tables, known: Gathering, table: bytes, time: int, subject: int, made: Mapping[int, Rollups]
) -> None:
    """Put rollups beside those of other stretches; of the same stretch the one of more samples stays."""
    span_ms = DAY_MS if table == HOURLY else DAYS_A_SPAN * DAY_MS
    held = dict(known.table(table, time, subject, span_ms))
    for metric, rollups in made.items():
        held[metric] = larger(held[metric], rollups) if metric in held else rollups
    tables.put_sorted(table, [(day_key(time, subject), encode_rollups(held))])
    if table == DAILY:
        first_day = min(
            time * DAYS_A_SPAN + int(rollups.slots[0]) for rollups in made.values() if len(rollups)
        )
        begins = tables.meta(DAILY_FROM)
        if not isinstance(begins, int) or first_day < begins:
            tables.set_meta(DAILY_FROM, first_day)
    known.forget()


def delete_keys(tables: Tables, table: bytes, keys: Iterable[bytes]) -> None:
    for key in keys:
        tables.delete(table, key)


def _whole_day(known: Gathering, day: int, subject: int, hour_keys: Sequence[bytes]) -> dict[int, Series]:
    """Return a subject's day, by metric, of what is compacted and sealed; what is pending stays pending."""
    held = known.subject_day(day, subject)
    metrics = {metric_of(key) for key in hour_keys} | set(() if held is None else held.metrics)
    found = {}
    for metric in sorted(metrics):
        whole = known.day(day, subject, metric) or no_samples(DAY_CELLS)
        parts = [known.hour(hour, subject, metric) for hour in _hours_of(day)]
        steps = [part.step_s for part in parts if part is not None]
        if steps:
            filled = [part or no_samples(HOUR_CELLS) for part in parts]
            whole = whole.under(
                Series(
                    values=np.concatenate([part.values for part in filled]),
                    present=np.concatenate([part.present for part in filled]),
                    step_s=min(steps),
                )
            )
        if whole.present.any():
            found[metric] = whole
    return found


def _hours_of(day: int) -> range:
    return range(day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY)

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
from cluster.history.open_hours import OpenHours, grid_of
from cluster.metrics.chunk import ChunkDamaged, Series, encode_chunk, encode_day, no_samples
from cluster.metrics.grid import DAY_CELLS, DAY_MS, HOUR_CELLS, subject_and_metric
from cluster.metrics.rollup import (
    Rollups,
    decode_hour,
    encode_hour,
    encode_rollups,
    joined_rows,
    roll_up,
)

SUBJECTS_A_PIECE = 128
"""How many subjects' days one transaction compacts: about a second's work. Days need pages that lie together,
and many hours that go at once leave such."""


def seal_hour(tables: Tables, hour: int, damage: Damage, now_ms: int) -> int:
    """Turn what is pending of `hour` into chunks, and return of how many series.

    Samples of an hour that was sealed before are laid over its chunks; those of a day that was compacted
    before become chunks again, and the day is compacted once more.
    """
    grid = grid_of(tables, hour, damage)
    known = Gathering(tables, OpenHours(damage), damage)
    series: list[Series] = []
    chunks = []
    for row, name in enumerate(grid.names.tolist()):
        subject, metric = subject_and_metric(name)
        fresh = Series(values=grid.values[row], present=grid.present[row], step_s=int(grid.step_s[row]))
        sealed = known.hour(hour, subject, metric)
        whole = fresh if sealed is None else sealed.under(fresh)
        series.append(whole)
        chunks.append((chunk_key(hour, subject, metric), encode_chunk(whole)))
    if chunks:
        _roll_up_hour(tables, hour, grid.names, series)
        tables.put_sorted(HOURS, chunks)
        tables.put(OPEN_DAYS, time_key(hour // HOURS_A_DAY), pack(now_ms))
    delete_keys(tables, PENDING, list(tables.keys(PENDING, pending_key(hour, 0), pending_key(hour + 1, 0))))
    tables.delete(OPEN_HOURS, time_key(hour))
    return len(chunks)


def _roll_up_hour(tables: Tables, hour: int, names: NDArray[np.int64], series: Sequence[Series]) -> None:
    """Put the rollups of these series beside those the hour has of others.

    Where the hour has chunks but no such table, it gets none: others would be taken for not being there.
    """
    rolled = roll_up(
        np.stack([one.values for one in series]),
        np.stack([one.present for one in series]),
        np.array([one.step_s for one in series], dtype=np.int64),
    )
    held = tables.get(SEALED, time_key(hour))
    if held is not None:
        try:
            held_names, held_rows = decode_hour(held, 0)
        except ChunkDamaged:
            tables.delete(SEALED, time_key(hour))
            return
        others = ~np.isin(held_names, names)
        names = np.concatenate([held_names[others], names])
        order = np.argsort(names)
        names, rolled = names[order], joined_rows([held_rows.rows(others), rolled]).rows(order)
    elif tables.first(HOURS, chunk_key(hour, 0, 0), chunk_key(hour + 1, 0, 0)) is not None:
        return
    tables.put_sorted(SEALED, [(time_key(hour), encode_hour(names, rolled))])


def compact_some(tables: Tables, day: int, damage: Damage) -> None:
    """Move the hours of some of the day's subjects into their days, and make the rollups.

    Where none is left, the day is no longer open. The hours go in the transaction that has what they became:
    whatever is sealed between two pieces is still there for the next.
    """
    subjects = _next_subjects(tables, day)
    known = Gathering(tables, OpenHours(damage), damage)
    for subject in subjects:
        keys = _hour_keys(tables, day, subject)
        by_metric = _whole_day(known, day, subject, keys)
        if by_metric:
            tables.put_sorted(DAYS, [(day_key(day, subject), encode_day(by_metric))])
            roll_up_day(tables, known, day, subject, by_metric)
        delete_keys(tables, HOURS, keys)
        known.forget()
    if len(subjects) < SUBJECTS_A_PIECE:
        for hour in _hours_of(day):
            tables.delete(SEALED, time_key(hour))
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

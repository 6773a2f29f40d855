"""What goes when it is old, and when there is too much.

A day of samples goes only once it is compacted, that is, when the hourly and the daily record have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from cluster.encoding import codec
from cluster.history.layout import (
    BYTES_MAX,
    DAILY,
    DAILY_FROM,
    DAYS,
    DAYS_A_SPAN,
    HORIZONS,
    HOURLY,
    SHORTENED,
    SUBJECTS,
    SUBJECTS_VERSION,
    Tables,
    day_key,
    second_of,
    subject_key,
    time_of,
)
from cluster.history.sealing import delete_keys
from cluster.metrics.query import Resolution
from cluster.metrics.retention import DAY_MS, Retention
from cluster.model.metrics import Subject, SubjectKind

SUBJECT = codec(Subject)
DELETES_MAX = 2_000
"""Most rows one transaction forgets."""
TABLE_OF = {Resolution.RAW: DAYS, Resolution.HOURLY: HOURLY, Resolution.DAILY: DAILY}
SPAN_MS = {Resolution.RAW: DAY_MS, Resolution.HOURLY: DAY_MS, Resolution.DAILY: DAYS_A_SPAN * DAY_MS}
KEPT_DAYS_MIN = {Resolution.RAW: 1, Resolution.HOURLY: 7, Resolution.DAILY: DAYS_A_SPAN}
"""What the size of the history leaves of each record, from the newest day on."""


def forget_old(tables: Tables, retention: Retention, now_ms: int) -> bool:
    """Remove what is older than it is kept; True while there is more to do."""
    kinds: dict[int, SubjectKind | None] = {}
    for resolution, table in TABLE_OF.items():
        horizons = {kind: retention.first_kept_ms(kind, resolution, now_ms) for kind in SubjectKind}
        newest_horizon_ms = max(horizons.values())
        gone = []
        span_ms = SPAN_MS[resolution]
        for key in tables.keys(table, b"", day_key(newest_horizon_ms // span_ms, 0)):
            kind = _kind(tables, second_of(key), kinds)
            horizon_ms = newest_horizon_ms if kind is None else horizons[kind]
            if (time_of(key) + 1) * span_ms <= horizon_ms:
                gone.append(key)
                if len(gone) == DELETES_MAX:
                    delete_keys(tables, table, gone)
                    return True
        delete_keys(tables, table, gone)
    tables.set_meta(
        HORIZONS,
        [
            [kind.value, *(retention.first_kept_ms(kind, each, now_ms) for each in TABLE_OF)]
            for kind in SubjectKind
        ],
    )
    _move_daily_from(
        tables, min(retention.first_kept_ms(kind, Resolution.DAILY, now_ms) for kind in SubjectKind)
    )
    return _forget_subjects(tables, retention, now_ms)


def is_too_large(tables: Tables, retention: Retention) -> bool:
    return tables.bytes_used() > retention.bytes_max


def make_room(tables: Tables) -> bool:
    """Remove the oldest day of samples, else of hours, else the oldest span of days, as far as there are more
    than must stay; False where there is nothing left to remove."""
    for resolution, table in TABLE_OF.items():
        first = tables.first(table)
        if first is None:
            continue
        oldest = time_of(first)
        newest = _last_time(tables, table)
        days_a_time = SPAN_MS[resolution] // DAY_MS
        if (newest - oldest) * days_a_time < KEPT_DAYS_MIN[resolution]:
            continue
        gone = list(islice(tables.keys(table, day_key(oldest, 0), day_key(oldest + 1, 0)), DELETES_MAX))
        delete_keys(tables, table, gone)
        from_ms = (oldest + 1) * SPAN_MS[resolution]
        shortened = _shortened(tables)
        shortened[resolution] = max(from_ms, shortened.get(resolution, 0))
        tables.set_meta(SHORTENED, {each.value: ms for each, ms in shortened.items()})
        if resolution is Resolution.DAILY:
            _move_daily_from(tables, from_ms)
        return True
    return False


def shortened(tables: Tables) -> Mapping[Resolution, int]:
    """Return from when on the records begin that had to make room before their time."""
    return _shortened(tables)


def clear_shortened(tables: Tables, now_ms: int, retention: Retention) -> None:
    """Drop from the books what by now would be gone for its age alone."""
    held = _shortened(tables)
    kept = {
        each: ms
        for each, ms in held.items()
        if ms > min(retention.first_kept_ms(kind, each, now_ms) for kind in SubjectKind)
    }
    if kept != held:
        tables.set_meta(SHORTENED, {each.value: ms for each, ms in kept.items()})


def note_limit(tables: Tables, retention: Retention) -> None:
    """Keep the limit where readers see it."""
    if tables.number(BYTES_MAX) != retention.bytes_max:
        tables.set_meta(BYTES_MAX, retention.bytes_max)


def _shortened(tables: Tables) -> dict[Resolution, int]:
    held = tables.meta(SHORTENED, {})
    return {Resolution(name): ms for name, ms in held.items()} if isinstance(held, dict) else {}


def _last_time(tables: Tables, table: bytes) -> int:
    with tables.txn.cursor(db=tables.handles[table]) as cursor:
        return time_of(cursor.key()) if cursor.last() else 0


def _move_daily_from(tables: Tables, from_ms: int) -> None:
    begins = tables.meta(DAILY_FROM)
    if isinstance(begins, int) and begins < from_ms // DAY_MS:
        tables.set_meta(DAILY_FROM, from_ms // DAY_MS)


def _kind(tables: Tables, number: int, kinds: dict[int, SubjectKind | None]) -> SubjectKind | None:
    if number not in kinds:
        data = tables.get(SUBJECTS, subject_key(number))
        kinds[number] = None if data is None else SUBJECT.decode(data).definition.kind
    return kinds[number]


def _forget_subjects(tables: Tables, retention: Retention, now_ms: int) -> bool:
    """Remove subjects of which nothing is kept any more."""
    gone = []
    for key, value in tables.rows(SUBJECTS):
        subject = SUBJECT.decode(value)
        kept_ms = min(
            retention.first_kept_ms(subject.definition.kind, resolution, now_ms) for resolution in TABLE_OF
        )
        # `seen_ms` is exact to a day, and the last day's rollups to a span.
        if subject.seen_ms + (DAYS_A_SPAN + 2) * DAY_MS < kept_ms:
            gone.append(key)
            if len(gone) == DELETES_MAX:
                break
    if gone:
        delete_keys(tables, SUBJECTS, gone)
        tables.set_meta(SUBJECTS_VERSION, tables.number(SUBJECTS_VERSION) + 1)
    return len(gone) == DELETES_MAX

"""What one node's history gives to another's: a joining node's, or one that was away for longer than the log
kept.

Giving and taking are separate and stateless: records name what they hold, each carries a checksum, and
taking one twice changes nothing. So a transfer that broke off is begun again, from any node.
"""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cluster.encoding import EncodingError, pack
from cluster.history.damage import Damage
from cluster.history.forgetting import SUBJECT
from cluster.history.gathering import Gathering, larger
from cluster.history.keeping import HistoryWriter, put_subjects
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
    SUBJECTS,
    Tables,
    day_key,
    second_of,
    subject_key,
    time_key,
    time_of,
)
from cluster.history.open_hours import OpenHours
from cluster.history.pending import BATCH
from cluster.history.reading import HistoryReader
from cluster.history.sealing import delete_keys, roll_up_day
from cluster.metrics.block import BlockDamaged, decode_block
from cluster.metrics.chunk import ChunkDamaged, Series, SubjectDay, decode_chunk, encode_chunk, encode_day
from cluster.metrics.grid import DAY_CELLS, DAY_MS, HOUR_CELLS, HOUR_MS
from cluster.metrics.rollup import decode_rollups, encode_rollups

log = logging.getLogger(__name__)

RECORD_BYTES_MAX = 1024 * 1024
_SPAN_MS = DAYS_A_SPAN * DAY_MS

_GIVEN: Mapping[bytes, int] = {
    PENDING: HOUR_MS,
    HOURS: HOUR_MS,
    DAYS: DAY_MS,
    HOURLY: DAY_MS,
    DAILY: _SPAN_MS,
}
"""What is given, in this order, and how long what one key begins with is. Subjects come before all."""
_KEY_LENGTHS: Mapping[bytes, int] = {SUBJECTS: 4, PENDING: 12, HOURS: 10, DAYS: 8, HOURLY: 8, DAILY: 8}


class RecordDamaged(ValueError):
    """A record that is not what its giver made. Nothing of it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One piece, about RECORD_BYTES_MAX at most. `cursor` is opaque: where to go on after it."""

    table: str
    key: bytes
    value: bytes
    crc32: int
    cursor: bytes

    @property
    def is_sound(self) -> bool:
        return zlib.crc32(self.key + self.value) == self.crc32


def records(
    reader: HistoryReader,
    start_ms: int,
    end_ms: int,
    *,
    after: bytes = b"",
    bytes_max: int = RECORD_BYTES_MAX,
) -> Iterator[Record]:
    """Yield what is held of [start_ms, end_ms), from behind the cursor `after`, about `bytes_max` in all.

    Ends early when that much was given; it is complete when nothing more comes. First what the subjects are,
    then what is pending, sealed and compacted: what is sealed between two calls is given later, not left out.
    Raises ValueError for a cursor that is none of this node's kind.
    """
    order = [SUBJECTS, *_GIVEN]
    first, behind = _place(after, len(order))
    given = 0
    with reader.read() as tables:
        for place in range(first, len(order)):
            table = order[place]
            low, high = b"", None
            if table != SUBJECTS:
                low, high = _key_range(start_ms, end_ms, _GIVEN[table])
            if place == first and behind:
                low = max(low, behind + b"\0")
            for key, value in tables.rows(table, low, high):
                yield Record(
                    table=table.decode(),
                    key=key,
                    value=value,
                    crc32=zlib.crc32(key + value),
                    cursor=bytes([place]) + key,
                )
                given += len(key) + len(value)
                if given >= bytes_max:
                    return


def take(writer: HistoryWriter, given: Sequence[Record]) -> int:
    """Take records in, in one transaction, and return how many were new.

    Of what both have, this node's own samples stay, and lie over the others. What came as it was sent but
    cannot be read is damaged at its giver: it is passed over, or it would keep all else from coming.

    Raises RecordDamaged for what is not as it was sent, with nothing taken, HistoryFull, HistoryFailed.
    """
    for record in given:
        table = record.table.encode()
        if not record.is_sound:
            raise RecordDamaged(f"a record of {record.table!r} does not fit its checksum")
        if len(record.key) != _KEY_LENGTHS.get(table):
            raise RecordDamaged(f"a record of {record.table!r} has a key of {len(record.key)} bytes")
    new = 0
    with writer.write() as tables:
        for record in given:
            try:
                new += _TAKE[record.table.encode()](tables, record.key, record.value)
            except (ChunkDamaged, BlockDamaged, EncodingError) as error:
                log.warning(
                    "history.given_unreadable",
                    extra={"table": record.table, "key": record.key.hex(), "reason": str(error)},
                )
    return new


def _take_subject(tables: Tables, key: bytes, value: bytes) -> bool:
    subject = SUBJECT.decode(value)
    if subject_key(subject.number) != key:
        raise EncodingError(f"subject {subject.number} lies under another's key")
    if tables.get(SUBJECTS, key) is not None:
        return False
    put_subjects(tables, [subject])
    return True


def _take_pending(tables: Tables, key: bytes, value: bytes) -> bool:
    if tables.get(PENDING, key) is not None:
        return False
    batch = BATCH.decode(value)
    decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    hour = batch.start_ms // HOUR_MS
    if hour != time_of(key) or (batch.end_ms - batch.step_ms) // HOUR_MS != hour:
        raise EncodingError(f"a batch from {batch.start_ms} lies under another hour")
    tables.put(PENDING, key, value)
    tables.put(OPEN_HOURS, time_key(hour), pack(batch.committed_ms))
    return True


def _take_hour(tables: Tables, key: bytes, value: bytes) -> bool:
    theirs = decode_chunk(value, HOUR_CELLS)
    ours = tables.get(HOURS, key)
    if ours is not None:
        try:
            known = decode_chunk(ours, HOUR_CELLS)
        except ChunkDamaged:
            known = None
        if known is not None:
            if not bool((theirs.present & ~known.present).any()):
                return False
            value = encode_chunk(theirs.under(known))
    tables.put(HOURS, key, value)
    # Its rollups are of other samples now; without them they are made when they are asked for.
    hour = time_of(key)
    delete_keys(tables, SEALED, list(tables.keys(SEALED, day_key(hour, 0), day_key(hour + 1, 0))))
    tables.put(OPEN_DAYS, time_key(hour // HOURS_A_DAY), pack(0))
    return True


def _take_day(tables: Tables, key: bytes, value: bytes) -> bool:
    theirs = _readable(SubjectDay(value, DAY_CELLS))
    ours = tables.get(DAYS, key)
    known: dict[int, Series] = {}
    if ours is not None:
        if ours == value:
            return False
        known = _readable_or_none(ours)
    whole = dict(known)
    is_new = False
    for metric, series in theirs.items():
        own = known.get(metric)
        if own is None:
            whole[metric], is_new = series, True
        elif bool((series.present & ~own.present).any()):
            whole[metric], is_new = series.under(own), True
    if is_new:
        tables.put(DAYS, key, encode_day(whole) if known else value)
    if is_new and known:
        # Neither node's rollups are of all these samples.
        damage = Damage()
        gathering = Gathering(tables, OpenHours(damage), damage)
        roll_up_day(tables, gathering, time_of(key), second_of(key), whole)
    return is_new


def _readable(day: SubjectDay) -> dict[int, Series]:
    found = {}
    for metric in day.metrics:
        series = day.series(metric)
        if series is not None:
            found[metric] = series
    return found


def _readable_or_none(data: bytes) -> dict[int, Series]:
    """Return what can be read of our own day."""
    found: dict[int, Series] = {}
    try:
        day = SubjectDay(data, DAY_CELLS)
    except ChunkDamaged:
        return found
    for metric in day.metrics:
        try:
            series = day.series(metric)
        except ChunkDamaged:
            continue
        if series is not None:
            found[metric] = series
    return found


def _take_rollups(tables: Tables, key: bytes, value: bytes, table: bytes) -> bool:
    theirs = decode_rollups(value)
    ours = tables.get(table, key)
    if ours == value:
        return False
    whole = {}
    if ours is not None:
        with contextlib.suppress(ChunkDamaged):
            whole = decode_rollups(ours)
    for metric, rollups in theirs.items():
        # Of rollups of as many samples our own stay: `larger` prefers what it is given second.
        whole[metric] = larger(rollups, whole[metric]) if metric in whole else rollups
    made = encode_rollups(whole)
    if made == ours:
        return False
    tables.put(table, key, made)
    return True


def _take_hourly(tables: Tables, key: bytes, value: bytes) -> bool:
    return _take_rollups(tables, key, value, HOURLY)


def _take_daily(tables: Tables, key: bytes, value: bytes) -> bool:
    is_new = _take_rollups(tables, key, value, DAILY)
    first = min(
        (int(rollups.slots[0]) for rollups in decode_rollups(value).values() if len(rollups)), default=None
    )
    if first is not None:
        day = time_of(key) * DAYS_A_SPAN + first
        begins = tables.meta(DAILY_FROM)
        if not isinstance(begins, int) or day < begins:
            tables.set_meta(DAILY_FROM, day)
    return is_new


_TAKE = {
    SUBJECTS: _take_subject,
    PENDING: _take_pending,
    HOURS: _take_hour,
    DAYS: _take_day,
    HOURLY: _take_hourly,
    DAILY: _take_daily,
}


def _key_range(start_ms: int, end_ms: int, span_ms: int) -> tuple[bytes, bytes]:
    return time_key(max(0, start_ms) // span_ms), time_key(min(max(0, -(-end_ms // span_ms)), 2**32 - 1))


def _place(after: bytes, places: int) -> tuple[int, bytes]:
    if not after:
        return 0, b""
    if after[0] >= places:
        raise ValueError(f"cursor {after.hex()}: not one of this history's")
    return after[0], after[1:]

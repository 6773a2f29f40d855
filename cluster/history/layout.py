"""What lies where in the history's file.

    pending     hour, log index         batches of hours that are not sealed, one hour each
    hours       hour, subject, metric   sealed: one series' chunk of one hour
    days        day, subject            compacted: a subject's series of one day
    hourly      day, subject            rollups of the day's hours
    daily       span, subject           rollups of the span's days; a span is 32 days
    sealed      hour, part              rollups of the series in `hours`, for questions about many of them
    open_hours  hour                    hours that have something in `pending`, and when that last changed
    open_days   day                     days that have something in `hours`, and when that last changed
    subjects    subject                 what the numbers stand for
    meta        name                    the applied index, and what else there is one of

Keys begin with time: what is written goes to the end, what is forgotten is at the front, and pages stay full.
Of one moment `pending` counts before `hours`, `hours` before `days`: late samples lie over what is there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import lmdb

from cluster.encoding import EncodingError, pack, unpack
from cluster.metrics.grid import DAY_MS, HOUR_MS
from cluster.metrics.rollup import SLOTS_MAX

META, SUBJECTS = b"meta", b"subjects"
PENDING, HOURS, DAYS, HOURLY, DAILY = b"pending", b"hours", b"days", b"hourly", b"daily"
OPEN_HOURS, OPEN_DAYS, SEALED = b"open_hours", b"open_days", b"sealed"
TABLES = (META, SUBJECTS, PENDING, HOURS, DAYS, HOURLY, DAILY, SEALED, OPEN_HOURS, OPEN_DAYS)

HOURS_A_DAY = DAY_MS // HOUR_MS
DAYS_A_SPAN = SLOTS_MAX

# Names in META.
SCHEMA_VERSION, APPLIED, MISSING = b"schema", b"applied", b"missing"
SUBJECTS_VERSION, DAMAGED, HORIZONS = b"subjects_version", b"damaged", b"horizons"
DAILY_FROM, BYTES_MAX, SHORTENED = b"daily_from", b"bytes_max", b"shortened"

Handles: TypeAlias = Mapping[bytes, "lmdb._Database"]
Txn: TypeAlias = "lmdb.Transaction[bytes]"

_TIME = struct.Struct(">I")
_TIME_INDEX = struct.Struct(">IQ")
_TIME_SUBJECT = struct.Struct(">II")
_CHUNK = struct.Struct(">IIH")

time_key = _TIME.pack
"""An hour, day or span."""
pending_key = _TIME_INDEX.pack
"""hour, log index."""
day_key = _TIME_SUBJECT.pack
"""day or span, subject; hour, part."""
chunk_key = _CHUNK.pack
"""hour, subject, metric."""
subject_key = _TIME.pack


def time_of(key: bytes) -> int:
    """Return the hour, day or span a key begins with; of `subjects`, the number."""
    number: int = _TIME.unpack_from(key)[0]
    return number


def second_of(key: bytes) -> int:
    """Return what follows the time: a subject, in `pending` a log index."""
    if len(key) == _TIME_INDEX.size:
        return int(_TIME_INDEX.unpack(key)[1])
    return int(_TIME_SUBJECT.unpack_from(key)[1])


def metric_of(key: bytes) -> int:
    return int(_CHUNK.unpack(key)[2])


class Tables:
    """The tables, seen by one transaction."""

    __slots__ = ("handles", "txn")

    def __init__(self, txn: Txn, handles: Handles) -> None:
        self.txn = txn
        self.handles = handles

    def get(self, table: bytes, key: bytes) -> bytes | None:
        return self.txn.get(key, db=self.handles[table])

    def put(self, table: bytes, key: bytes, value: bytes) -> None:
        self.txn.put(key, value, db=self.handles[table])

    def delete(self, table: bytes, key: bytes) -> None:
        self.txn.delete(key, db=self.handles[table])

    def put_sorted(self, table: bytes, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Put rows in order of their keys: at the table's end they fill its pages."""
        with self.txn.cursor(db=self.handles[table]) as cursor:
            is_end = bool(rows) and (not cursor.last() or cursor.key() < rows[0][0])
            cursor.putmulti(rows, append=is_end)

    def keys(self, table: bytes, low: bytes = b"", high: bytes | None = None) -> Iterator[bytes]:
        """Yield the keys in [low, high). What is being walked must not be changed meanwhile."""
        with self.txn.cursor(db=self.handles[table]) as cursor:
            if not cursor.set_range(low):
                return
            for key in cursor.iternext(keys=True, values=False):
                if high is not None and key >= high:
                    return
                yield key

    def rows(
        self, table: bytes, low: bytes = b"", high: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows of [low, high). What is being walked must not be changed meanwhile."""
        with self.txn.cursor(db=self.handles[table]) as cursor:
            if not cursor.set_range(low):
                return
            for key, value in cursor.iternext(keys=True, values=True):
                if high is not None and key >= high:
                    return
                yield key, value

    def first(self, table: bytes, low: bytes = b"", high: bytes | None = None) -> bytes | None:
        return next(self.keys(table, low, high), None)

    def meta(self, name: bytes, otherwise: object = None) -> object:
        """Return a value of META; `otherwise` where it is not there, or is not a value."""
        held = self.get(META, name)
        if held is None:
            return otherwise
        try:
            found: object = unpack(held)
        except EncodingError:
            return otherwise
        return found

    def number(self, name: bytes) -> int:
        found = self.meta(name, 0)
        return found if isinstance(found, int) else 0

    def set_meta(self, name: bytes, value: object) -> None:
        self.put(META, name, pack(value))

    def bytes_used(self) -> int:
        """Return what the tables take up, free pages not counted."""
        total = 0
        for handle in self.handles.values():
            stat = self.txn.stat(handle)
            total += (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]
        return total

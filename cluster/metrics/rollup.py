"""What stays of an hour's or a day's samples: how many, how long, least, most, mean, p95 and last.

All are whole numbers in the metric's scale, and the mean is kept as floor and remainder, so that the sum is
exact: `total = mean x count + remainder`. p95 is the smallest sample that 95 of 100 do not exceed (nearest
rank). Rollups of longer stretches are made of samples where there are any; put together from shorter rollups
all columns are exact but p95, which is then the mean of theirs, weighted by their counts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.chunk import ChunkDamaged

Int64s = NDArray[np.int64]

SLOTS_MAX = 32
"""How many rollups of one series a stored table may have."""

_FORMAT = 1
_HEAD = struct.Struct("<BIHH")
_HOUR_FORMAT = 2
_HOUR_HEAD = struct.Struct("<BII")
_MAX = np.iinfo(np.int64).max
_MIN = np.iinfo(np.int64).min
_STORED = 8
"""Columns in bytes: all but the slots."""


class Rollups:
    """Rows of one series, one a stretch of time, in order of time.

    `table` is int64 [9 x rows]; its rows are the columns that the properties name. `slots` say which stretch.
    `counts` are samples, at least one; `covered_s` the seconds they stand for.
    """

    __slots__ = ("table",)

    def __init__(self, table: Int64s) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.shape[1])

    @property
    def slots(self) -> Int64s:
        return self._column(0)

    @property
    def counts(self) -> Int64s:
        return self._column(1)

    @property
    def covered_s(self) -> Int64s:
        return self._column(2)

    @property
    def least(self) -> Int64s:
        return self._column(3)

    @property
    def most(self) -> Int64s:
        return self._column(4)

    @property
    def means(self) -> Int64s:
        """Floors of the means; `means x counts + remainders` is the sum."""
        return self._column(5)

    @property
    def remainders(self) -> Int64s:
        return self._column(6)

    @property
    def p95(self) -> Int64s:
        return self._column(7)

    @property
    def last(self) -> Int64s:
        return self._column(8)

    @property
    def totals(self) -> NDArray[np.float64]:
        return self.means.astype(np.float64) * self.counts + self.remainders

    def rows(self, chosen: NDArray[np.bool_] | Int64s | slice) -> Rollups:
        return Rollups(self.table[:, chosen])

    def at(self, slots: Int64s | int) -> Rollups:
        """Return the same rows said to be of other stretches."""
        table = self.table.copy()
        table[0] = slots
        return Rollups(table)

    def under(self, newer: Rollups) -> Rollups:
        """Return these rows and `newer`'s, which replace those of the same stretches."""
        return joined([self.rows(~np.isin(self.slots, newer.slots)), newer])

    def _column(self, number: int) -> Int64s:
        column: Int64s = self.table[number]
        return column


_COLUMNS = 9


def no_rollups() -> Rollups:
    return Rollups(np.empty((_COLUMNS, 0), dtype=np.int64))


def joined(parts: Sequence[Rollups]) -> Rollups:
    """Return all rows in order of their stretches, no two of which are the same."""
    whole = joined_rows(parts)
    slots = whole.slots
    if bool((slots[1:] > slots[:-1]).all()):
        return whole
    return whole.rows(np.argsort(slots, kind="stable"))


def joined_rows(parts: Sequence[Rollups]) -> Rollups:
    """Return all rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Rollups(np.concatenate([part.table for part in parts], axis=1)) if parts else no_rollups()


def roll_up(values: Int64s, present: NDArray[np.bool_], step_s: Int64s) -> Rollups:
    """Return one row for each row of `values` [rows x cells] that has a sample; its slot is the row's number.

    `step_s` [rows] is what one sample stands for. Exact for all int64.
    """
    slots = np.flatnonzero(present.any(axis=1)).astype(np.int64)
    values, present = values[slots], present[slots]
    counts = present.sum(axis=1, dtype=np.int64)
    zeroed = np.where(present, values, 0)
    # Sums of halves, since a sum of whole values need not fit into 64 bits.
    high, low = (zeroed >> 32).sum(axis=1), (zeroed & 0xFFFFFFFF).sum(axis=1)
    quotient, rest = np.divmod(high, counts)
    small_quotient, remainders = np.divmod((rest << 32) + low, counts)
    ordered = np.sort(np.where(present, values, _MAX), axis=1)
    rows = np.arange(len(slots))
    cells = present.shape[1]
    return Rollups(
        np.stack(
            (
                slots,
                counts,
                counts * step_s[slots].astype(np.int64),
                ordered[:, 0],
                np.where(present, values, _MIN).max(axis=1, initial=_MIN),
                (quotient << 32) + small_quotient,
                remainders,
                ordered[rows, (counts * 95 + 99) // 100 - 1],
                values[rows, cells - 1 - present[:, ::-1].argmax(axis=1)],
            )
        )
    )


def encode_rollups(by_metric: Mapping[int, Rollups]) -> bytes:
    """Return the bytes of a subject's rollups, with slots from 0 to SLOTS_MAX - 1.

    Columns lie together, byte plane by byte plane, as differences from the row before or from the least
    value; zlib does the rest.
    """
    metrics = sorted(metric for metric, rollups in by_metric.items() if len(rollups))
    held = np.array([_bits(by_metric[metric].slots) for metric in metrics], dtype="<u4")
    whole = joined_rows([by_metric[metric] for metric in metrics])
    body = zlib.compress(
        b"".join(
            (
                np.array(metrics, dtype="<u2").tobytes(),
                held.tobytes(),
                *(_planes(column) for column in _differences(whole)),
            )
        ),
        9,
    )
    rest = struct.pack("<HH", len(metrics), len(whole)) + body
    return struct.pack("<BI", _FORMAT, zlib.crc32(rest)) + rest


def decode_rollups(data: bytes) -> dict[int, Rollups]:
    """Return the rollups in `data` by metric number. Raises ChunkDamaged for any other bytes."""
    if len(data) < _HEAD.size:
        raise ChunkDamaged(f"rollups of {len(data)} bytes: shorter than a head")
    format_, crc, metrics_count, rows = _HEAD.unpack_from(data)
    if format_ != _FORMAT:
        raise ChunkDamaged(f"rollups of format {format_}: this version reads {_FORMAT}")
    if zlib.crc32(memoryview(data)[5:]) != crc:
        raise ChunkDamaged("the checksum of rollups differs")
    length = metrics_count * 6 + rows * _STORED * 8
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(data[_HEAD.size :], length + 1)
    except zlib.error as error:
        raise ChunkDamaged(f"rollups cannot be read: {error}") from None
    if len(body) != length:
        raise ChunkDamaged(f"rollups of {len(body)} bytes: {length} are needed")
    metrics = np.frombuffer(body, dtype="<u2", count=metrics_count)
    held = np.frombuffer(body, dtype="<u4", count=metrics_count, offset=metrics_count * 2)
    bits = (held[:, None] >> np.arange(SLOTS_MAX, dtype=np.uint32)) & 1
    if int(bits.sum()) != rows:
        raise ChunkDamaged(f"rollups of {int(bits.sum())} stretches have {rows} rows")
    planes = np.frombuffer(body, dtype=np.uint8, offset=metrics_count * 6).reshape(_STORED, 8, rows)
    columns = np.ascontiguousarray(planes.transpose(0, 2, 1)).view("<i8").reshape(_STORED, rows)
    whole = _undifferenced(columns.astype(np.int64), np.nonzero(bits)[1].astype(np.int64))
    lengths = bits.sum(axis=1)
    ends = np.cumsum(lengths)
    return {
        metric: whole.rows(slice(start, end))
        for metric, start, end in zip(metrics.tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True)
    }


def combined(rows: Rollups, slot: int) -> Rollups:
    """Return one row of all `rows`, of which there is at least one, in order of time.

    All columns are exact but p95, which is the mean of theirs, weighted by their counts.
    """
    counts = rows.counts.tolist()
    count = sum(counts)
    total = sum(
        mean * each + rest
        for mean, each, rest in zip(rows.means.tolist(), counts, rows.remainders.tolist(), strict=True)
    )
    mean, remainder = divmod(total, count)
    return Rollups(
        np.array(
            [
                slot,
                count,
                sum(rows.covered_s.tolist()),
                min(rows.least.tolist()),
                max(rows.most.tolist()),
                mean,
                remainder,
                sum(value * each for value, each in zip(rows.p95.tolist(), counts, strict=True)) // count,
                int(rows.last[-1]),
            ],
            dtype=np.int64,
        ).reshape(_COLUMNS, 1)
    )


def encode_hour(names: Int64s, rollups: Rollups) -> bytes:
    """Return the bytes of one hour's rollups, one row for each of the series `names`, which are sorted."""
    columns = (np.diff(names, prepend=np.int64(0)), *_differences(rollups))
    body = zlib.compress(b"".join(_planes(column) for column in columns), 6)
    rest = struct.pack("<I", len(names)) + body
    return struct.pack("<BI", _HOUR_FORMAT, zlib.crc32(rest)) + rest


def decode_hour(data: bytes, slot: int) -> tuple[Int64s, Rollups]:
    """Return the names and the rows in `data`, said to be of `slot`. Raises ChunkDamaged."""
    if len(data) < _HOUR_HEAD.size:
        raise ChunkDamaged(f"an hour's rollups of {len(data)} bytes: shorter than a head")
    format_, crc, rows = _HOUR_HEAD.unpack_from(data)
    if format_ != _HOUR_FORMAT or zlib.crc32(memoryview(data)[5:]) != crc:
        raise ChunkDamaged("an hour's rollups are of another format, or their checksum differs")
    length = rows * (_STORED + 1) * 8
    try:
        body = zlib.decompressobj().decompress(data[_HOUR_HEAD.size :], length + 1)
    except zlib.error as error:
        raise ChunkDamaged(f"an hour's rollups cannot be read: {error}") from None
    if len(body) != length:
        raise ChunkDamaged(f"an hour's rollups of {len(body)} bytes: {length} are needed")
    planes = np.frombuffer(body, dtype=np.uint8).reshape(_STORED + 1, 8, rows)
    columns = np.ascontiguousarray(planes.transpose(0, 2, 1)).view("<i8").reshape(_STORED + 1, rows)
    columns = columns.astype(np.int64)
    return np.cumsum(columns[0]), _undifferenced(columns[1:], np.full(rows, slot, dtype=np.int64))


def _planes(column: Int64s) -> bytes:
    return np.ascontiguousarray(column).astype("<i8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _bits(slots: Int64s) -> int:
    if len(slots) and not 0 <= int(slots.min()) <= int(slots.max()) < SLOTS_MAX:
        raise ValueError(f"slots {slots.tolist()}: 0 to {SLOTS_MAX - 1}")
    return int(np.bitwise_or.reduce(np.int64(1) << slots))


def _differences(whole: Rollups) -> Sequence[Int64s]:
    return (
        _zigzag(np.diff(whole.counts, prepend=np.int64(0))),
        _zigzag(np.diff(whole.covered_s, prepend=np.int64(0))),
        _zigzag(np.diff(whole.least, prepend=np.int64(0))),
        whole.most - whole.least,
        whole.means - whole.least,
        whole.p95 - whole.least,
        whole.last - whole.least,
        whole.remainders,
    )


def _undifferenced(columns: Int64s, slots: Int64s) -> Rollups:
    table = np.empty((_COLUMNS, columns.shape[1]), dtype=np.int64)
    table[0] = slots
    np.cumsum(_unzigzag(columns[:3]), axis=1, out=table[1:4])
    least = table[3]
    table[4] = columns[3] + least
    table[5] = columns[4] + least
    table[6] = columns[7]
    table[7] = columns[5] + least
    table[8] = columns[6] + least
    return Rollups(table)


def _zigzag(steps: Int64s) -> Int64s:
    return (steps << 1) ^ (steps >> 63)


def _unzigzag(coded: Int64s) -> Int64s:
    unsigned = coded.view(np.uint64)
    return (unsigned >> np.uint64(1)).view(np.int64) ^ -(unsigned & np.uint64(1)).view(np.int64)

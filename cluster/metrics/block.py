"""The bytes of one batch of samples, as the log carries it: a minute or so of all series of one host.

A block needs no other to be read, so that any one of them can be lost, late or asked for alone. Rows are
kept sorted by how many bytes their differences take; within that, columns of equal meaning lie together,
byte plane by byte plane, which is what makes zlib find them small.

Layout: format (1 byte), crc32 of what follows (4), rows (4), ticks (2), then a zlib stream of
    5 counts of rows whose differences take 0, 1, 2, 4, 8 bytes (4 each), 1 byte: is anything absent,
    metric numbers and positions, as differences from the row before (2 each),
    shifts (1 each): how many low bits all differences of a row have as zero,
    first values (8 each, by planes),
    presence, one bit a cell, if anything is absent,
    differences in time, zigzag, by planes, for each width.
Integers are little endian and wrap at 64 bits, so every int64 comes back. An absent cell repeats the value
before it and costs nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.model.metrics import SUBJECTS_MAX, TICKS_MAX

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

CELLS_MAX = 1024 * 1024
"""Rows times ticks a block may have: what its reader must have room for, eight bytes each."""

_FORMAT = 1
_HEADER = struct.Struct("<BIIH")
_COUNTS = struct.Struct("<5IB")
_WIDTHS = (0, 1, 2, 4, 8)
_ZLIB_LEVEL = 6
_PER_ROW_BYTES = 2 + 2 + 1 + 8


class BlockDamaged(ValueError):
    """Bytes that are not a block. The message says what is wrong with them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleBlock:
    """Values of rows at `ticks` moments from `start_ms`, `step_ms` apart.

    A row is one series: `positions` (uint16) are the places of its subject in the batch's `subjects`,
    `metrics` (uint16) the metric's number; no pair comes twice. `values` (int64) and `present` (bool) are
    [rows x ticks]; what is not present is 0.
    """

    start_ms: int
    step_ms: int
    ticks: int
    positions: NDArray[np.uint16]
    metrics: NDArray[np.uint16]
    values: Int64s
    present: Bools

    @property
    def rows(self) -> int:
        return len(self.positions)

    @property
    def samples(self) -> int:
        return int(np.count_nonzero(self.present))

    @property
    def end_ms(self) -> int:
        """The moment after the last one."""
        return self.start_ms + self.ticks * self.step_ms

    def part(self, first: int, end: int) -> SampleBlock:
        """Return the moments [first, end) of the rows that have a sample there."""
        rows = self.present[:, first:end].any(axis=1)
        return SampleBlock(
            start_ms=self.start_ms + first * self.step_ms,
            step_ms=self.step_ms,
            ticks=end - first,
            positions=self.positions[rows],
            metrics=self.metrics[rows],
            values=self.values[rows, first:end],
            present=self.present[rows, first:end],
        )


class BlockBuilder:
    """Gathers samples of one stretch of time and gives them as a block.

    Raises ValueError for a position, metric number or tick out of range, and for a value beyond 64 bits.
    """

    def __init__(self, *, start_ms: int, step_ms: int, ticks: int) -> None:
        if not 1 <= ticks <= TICKS_MAX:
            raise ValueError(f"ticks {ticks}: 1 to {TICKS_MAX}")
        if step_ms < 1:
            raise ValueError(f"step {step_ms} ms: at least one")
        self._start_ms = start_ms
        self._step_ms = step_ms
        self._ticks = ticks
        self._rows: dict[tuple[int, int], dict[int, int]] = {}

    def __len__(self) -> int:
        """How many series it has values of."""
        return len(self._rows)

    def put(self, position: int, metric: int, tick: int, value: int) -> None:
        """Set the value at `tick`; the newest one counts."""
        if not 0 <= position < SUBJECTS_MAX:
            raise ValueError(f"position {position}: 0 to {SUBJECTS_MAX - 1}")
        if not 0 <= metric < 2**16:
            raise ValueError(f"metric number {metric}: 0 to {2**16 - 1}")
        if not 0 <= tick < self._ticks:
            raise ValueError(f"tick {tick}: 0 to {self._ticks - 1}")
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"value {value}: does not fit into 64 bits")
        self._rows.setdefault((position, metric), {})[tick] = value

    def extend(self, tick: int, rows: Iterable[tuple[int, int, int]]) -> None:
        """Put (position, metric number, value) of one moment."""
        for position, metric, value in rows:
            self.put(position, metric, tick, value)

    def build(self) -> SampleBlock:
        rows = sorted(self._rows)
        values = np.zeros((len(rows), self._ticks), dtype=np.int64)
        present = np.zeros((len(rows), self._ticks), dtype=np.bool_)
        for number, row in enumerate(rows):
            cells = self._rows[row]
            ticks = list(cells)
            values[number, ticks] = list(cells.values())
            present[number, ticks] = True
        return SampleBlock(
            start_ms=self._start_ms,
            step_ms=self._step_ms,
            ticks=self._ticks,
            positions=np.array([position for position, _ in rows], dtype=np.uint16),
            metrics=np.array([metric for _, metric in rows], dtype=np.uint16),
            values=values,
            present=present,
        )


def encode_block(block: SampleBlock) -> bytes:
    """Return the bytes of `block`; equal blocks give equal bytes whatever the order of their rows.

    Raises ValueError for a block that breaks its own rules or has more than CELLS_MAX cells.
    """
    _check(block)
    filled = _carried_forward(block.values, block.present)
    steps = np.diff(filled, axis=1)
    shifts = _common_zero_bits(steps)
    coded = _zigzag(steps >> shifts[:, None])
    widths = _widths(coded)
    order = np.lexsort((block.positions, block.metrics, widths))
    counts = [int(np.count_nonzero(widths == width)) for width in _WIDTHS]
    has_gaps = not bool(block.present.all())
    parts = [
        _COUNTS.pack(*counts, has_gaps),
        _differences16(block.metrics[order]),
        _differences16(block.positions[order]),
        shifts[order].astype(np.uint8).tobytes(),
        _planes(filled[order, 0].view(np.uint64), 8),
    ]
    if has_gaps:
        parts.append(np.packbits(block.present[order]).tobytes())
    at = 0
    for width, count in zip(_WIDTHS, counts, strict=True):
        if width:
            parts.append(_planes(coded[order[at : at + count]].ravel(), width))
        at += count
    body = _HEADER.pack(0, 0, block.rows, block.ticks)[5:] + zlib.compress(b"".join(parts), _ZLIB_LEVEL)
    return struct.pack("<BI", _FORMAT, zlib.crc32(body)) + body


def decode_block(payload: bytes, *, start_ms: int, step_ms: int, ticks: int) -> SampleBlock:
    """Return the block in `payload`, with rows sorted by (metric number, position).

    Raises BlockDamaged for any other bytes, and where the block is of another number of moments.
    """
    if len(payload) < _HEADER.size:
        raise BlockDamaged(f"{len(payload)} bytes: shorter than a header")
    format_, crc, rows, held_ticks = _HEADER.unpack_from(payload)
    if format_ != _FORMAT:
        raise BlockDamaged(f"format {format_}: this version reads {_FORMAT}")
    if zlib.crc32(memoryview(payload)[5:]) != crc:
        raise BlockDamaged("its checksum differs")
    if held_ticks != ticks or not 1 <= ticks <= TICKS_MAX:
        raise BlockDamaged(f"it is of {held_ticks} moments, its batch of {ticks}")
    if rows * ticks > CELLS_MAX:
        raise BlockDamaged(f"{rows} rows of {ticks} moments: at most {CELLS_MAX} cells")
    body = _Body(_inflated(payload[_HEADER.size :], rows, ticks))
    *counts, gaps = _COUNTS.unpack(body.take(_COUNTS.size))
    if sum(counts) != rows or gaps > 1:
        raise BlockDamaged(f"rows of widths {counts} are not the {rows} it has")
    metrics = np.cumsum(body.array("<u2", rows), dtype=np.uint16)
    positions = np.cumsum(body.array("<u2", rows), dtype=np.uint16)
    shifts = body.array("u1", rows).astype(np.int64)
    if rows and int(positions.max()) >= SUBJECTS_MAX:
        raise BlockDamaged(f"position {int(positions.max())}: at most {SUBJECTS_MAX - 1}")
    if rows and int(shifts.max()) > 63:
        raise BlockDamaged(f"shift {int(shifts.max())}: at most 63")
    values = np.empty((rows, ticks), dtype=np.int64)
    values[:, 0] = body.planes(rows, 8).view(np.int64)
    present = np.ones((rows, ticks), dtype=np.bool_)
    if gaps:
        bits = np.unpackbits(body.array("u1", (rows * ticks + 7) // 8))
        present = bits[: rows * ticks].astype(np.bool_).reshape(rows, ticks)
    at = 0
    for width, count in zip(_WIDTHS, counts, strict=True):
        chosen = slice(at, at + count)
        coded = body.planes(count * (ticks - 1), width).reshape(count, ticks - 1)
        values[chosen, 1:] = _unzigzag(coded) << shifts[chosen, None]
        at += count
    body.end()
    np.cumsum(values, axis=1, out=values)
    values[~present] = 0
    order = np.lexsort((positions, metrics))
    metrics, positions = metrics[order], positions[order]
    if rows > 1 and bool(((np.diff(metrics) == 0) & (np.diff(positions) == 0)).any()):
        raise BlockDamaged("one series comes twice")
    return SampleBlock(
        start_ms=start_ms,
        step_ms=step_ms,
        ticks=ticks,
        positions=positions,
        metrics=metrics,
        values=values[order],
        present=present[order],
    )


def _check(block: SampleBlock) -> None:
    shape = (block.rows, block.ticks)
    if not 1 <= block.ticks <= TICKS_MAX:
        raise ValueError(f"ticks {block.ticks}: 1 to {TICKS_MAX}")
    if block.values.shape != shape or block.present.shape != shape or len(block.metrics) != block.rows:
        raise ValueError(f"values of shape {block.values.shape}: {shape} was announced")
    if block.rows * block.ticks > CELLS_MAX:
        raise ValueError(f"{block.rows} rows of {block.ticks} moments: at most {CELLS_MAX} cells")
    if block.rows and int(block.positions.max()) >= SUBJECTS_MAX:
        raise ValueError(f"position {int(block.positions.max())}: at most {SUBJECTS_MAX - 1}")
    names = block.positions.astype(np.int64) << 16 | block.metrics
    if len(np.unique(names)) != block.rows:
        raise ValueError("one series comes twice")


def _carried_forward(values: Int64s, present: Bools) -> Int64s:
    """Fill what is absent with the present value before it, or the first one after it."""
    if present.all():
        return values
    rows, ticks = values.shape
    moments = np.where(present, np.arange(ticks), -1)
    np.maximum.accumulate(moments, axis=1, out=moments)
    first = present.argmax(axis=1)
    moments = np.where(moments < 0, first[:, None], moments)
    filled: Int64s = values[np.arange(rows)[:, None], moments]
    filled[~present.any(axis=1)] = 0
    return filled


def _common_zero_bits(steps: Int64s) -> Int64s:
    """Return, for each row, how many low bits are zero in all its differences; 0 where all are zero."""
    used = np.bitwise_or.reduce(steps, axis=1) if steps.shape[1] else np.zeros(len(steps), dtype=np.int64)
    lowest = (used & -used).view(np.uint64)
    bits = np.log2(np.maximum(lowest, 1).astype(np.float64)).astype(np.int64)
    return np.where(used == 0, 0, bits)


def _widths(coded: NDArray[np.uint64]) -> Int64s:
    largest = coded.max(axis=1) if coded.shape[1] else np.zeros(len(coded), dtype=np.uint64)
    limits = np.array([0, 2**8 - 1, 2**16 - 1, 2**32 - 1], dtype=np.uint64)
    return np.array(_WIDTHS, dtype=np.int64)[np.searchsorted(limits, largest)]


def _zigzag(steps: Int64s) -> NDArray[np.uint64]:
    return ((steps << 1) ^ (steps >> 63)).view(np.uint64)


def _unzigzag(coded: NDArray[np.uint64]) -> Int64s:
    return (coded >> np.uint64(1)).view(np.int64) ^ -(coded & np.uint64(1)).view(np.int64)


def _differences16(numbers: NDArray[np.uint16]) -> bytes:
    return np.diff(numbers.astype("<u2"), prepend=np.zeros(1, dtype="<u2")).astype("<u2").tobytes()


def _planes(numbers: NDArray[np.uint64], width: int) -> bytes:
    """Return the low `width` bytes of each number, all lowest bytes first."""
    return numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()


def _inflated(data: bytes, rows: int, ticks: int) -> bytes:
    length_max = _COUNTS.size + rows * _PER_ROW_BYTES + rows * ticks * 9 + 1
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(data, length_max)
    except zlib.error as error:
        raise BlockDamaged(f"its stream is broken: {error}") from None
    if not stream.eof or stream.unused_data:
        raise BlockDamaged("its stream is cut short, too long, or something follows it")
    return body


class _Body:
    """The parts of a block, taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise BlockDamaged(f"it ends {count - len(part)} bytes early")
        self._at += count
        return part

    def array(self, kind: str, count: int) -> NDArray[Any]:
        return np.frombuffer(self.take(count * np.dtype(kind).itemsize), dtype=kind)

    def planes(self, count: int, width: int) -> NDArray[np.uint64]:
        numbers = np.zeros((count, 8), dtype=np.uint8)
        if width:
            numbers[:, :width] = (
                np.frombuffer(self.take(count * width), dtype=np.uint8).reshape(width, count).T
            )
        return numbers.view("<u8").reshape(count).astype(np.uint64, copy=False)

    def end(self) -> None:
        if self._at != len(self._data):
            raise BlockDamaged(f"{len(self._data) - self._at} bytes follow its end")

"""The bytes of one series over an hour or a day, and of a subject's series over a day.

A chunk is the present values of a grid of cells, in order, and which cells are present. Header: how values
and presence are written (1 byte), crc32 of everything else (4), seconds one sample stands for (4).

Values: CONSTANT is one int64; PCODEC is pcodec's standalone format of int64, of an hour at level 4
and of a day at 6: level 8 saves 1 % of either and takes half as long again, and twice as long. pcodec has
no checksum of its own and gives wrong numbers for a flipped bit, hence the crc32. Its format is read by later
versions; a chunk of a codec this version does not know is damaged to it.

A day of a subject is one value: a head with the metrics' chunks' places, so that one metric is read without
the others, and the cells most of them have: mostly all there is to say about when they were measured.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone  # type: ignore[import-untyped]  # it ships no types

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CONSTANT, _PCODEC = 1, 2
_ALL, _OWN, _SHARED = 0, 1, 2
_HEADER = struct.Struct("<BII")
_LENGTH = struct.Struct("<H")
_VALUE = struct.Struct("<q")
_LONG = 1_000
_SHORT_CONFIG = ChunkConfig(compression_level=4)
_LONG_CONFIG = ChunkConfig(compression_level=6)

_DAY_FORMAT = 1
_DAY_HEAD = struct.Struct("<BIHHI")
_DAY_PLACE = np.dtype([("metric", "<u2"), ("length", "<u4")])


class ChunkDamaged(ValueError):
    """Bytes that are not a chunk of a series. The message says what is wrong with them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One series on a grid: `values` (int64) of every cell, 0 where it is not `present` (bool).

    `step_s` is how many seconds one sample stands for.
    """

    values: Int64s
    present: Bools
    step_s: int

    @property
    def cells(self) -> int:
        return len(self.present)

    @property
    def is_whole(self) -> bool:
        return bool(self.present.all())

    def present_values(self) -> Int64s:
        """Return the samples, in order of time."""
        return self.values if self.is_whole else self.values[self.present]

    def under(self, newer: Series) -> Series:
        """Return this series with the samples of `newer` over its own."""
        step_s = min(self.step_s, newer.step_s) if self.present.any() else newer.step_s
        return Series(
            values=np.where(newer.present, newer.values, self.values),
            present=self.present | newer.present,
            step_s=step_s,
        )

    def part(self, start: int, end: int) -> Series:
        return Series(values=self.values[start:end], present=self.present[start:end], step_s=self.step_s)


def no_samples(cells: int, step_s: int = 0) -> Series:
    return Series(
        values=np.zeros(cells, dtype=np.int64), present=np.zeros(cells, dtype=np.bool_), step_s=step_s
    )


def encode_chunk(series: Series, shared: Bools | None = None) -> bytes:
    """Return the bytes of `series`, which has a sample. Where its presence equals `shared` it is left out."""
    if series.present.all():
        presence, written = _ALL, b""
    elif shared is not None and np.array_equal(series.present, shared):
        presence, written = _SHARED, b""
    else:
        bits = _encode_presence(series.present)
        presence, written = _OWN, _LENGTH.pack(len(bits)) + bits
    values = series.values if presence == _ALL else series.values[series.present]
    if bool((values == values[0]).all()):
        codec, coded = _CONSTANT, _VALUE.pack(int(values[0]))
    else:
        config = _SHORT_CONFIG if len(values) < _LONG else _LONG_CONFIG
        codec, coded = _PCODEC, standalone.simple_compress(values, config)
    rest = struct.pack("<BI", presence << 4 | codec, series.step_s) + written + coded
    return rest[:1] + struct.pack("<I", zlib.crc32(rest)) + rest[1:]


def decode_chunk(data: bytes, cells: int, shared: Bools | None = None) -> Series:
    """Return the series in `data`, on a grid of `cells`. Raises ChunkDamaged for any other bytes."""
    if len(data) < _HEADER.size:
        raise ChunkDamaged(f"{len(data)} bytes: shorter than a header")
    how, crc, step_s = _HEADER.unpack_from(data)
    if zlib.crc32(memoryview(data)[5:], zlib.crc32(data[:1])) != crc:
        raise ChunkDamaged("its checksum differs")
    at = _HEADER.size
    presence, codec = how >> 4, how & 15
    present: Bools | None = None
    if presence == _OWN:
        if len(data) < at + _LENGTH.size:
            raise ChunkDamaged("it ends before its presence")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        present = _decode_presence(data[at - length : at], cells)
    elif presence == _SHARED:
        if shared is None:
            raise ChunkDamaged("its presence is elsewhere")
        present = shared
    elif presence != _ALL:
        raise ChunkDamaged(f"presence of kind {presence}: this version reads 0 to 2")
    count = cells if present is None else int(np.count_nonzero(present))
    found = _decode_values(codec, data[at:], count)
    if present is None:
        return Series(values=found, present=np.ones(cells, dtype=np.bool_), step_s=step_s)
    values = np.zeros(cells, dtype=np.int64)
    values[present] = found
    return Series(values=values, present=present, step_s=step_s)


def _decode_values(codec: int, coded: bytes, count: int) -> Int64s:
    if codec == _CONSTANT:
        if len(coded) != _VALUE.size:
            raise ChunkDamaged(f"a constant of {len(coded)} bytes: {_VALUE.size} are needed")
        return np.full(count, _VALUE.unpack(coded)[0], dtype=np.int64)
    if codec != _PCODEC:
        raise ChunkDamaged(f"codec {codec}: this version reads {_CONSTANT} and {_PCODEC}")
    values = np.empty(count, dtype=np.int64)
    try:
        progress = standalone.simple_decompress_into(coded, values)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ChunkDamaged(f"its values cannot be read: {error}") from None
    if not progress.finished or progress.n_processed != count:
        raise ChunkDamaged(f"it has not the {count} values its presence says")
    return values


def _encode_presence(present: Bools) -> bytes:
    bits = np.packbits(present).tobytes()
    smaller = zlib.compress(bits, 9)
    return smaller if len(smaller) < len(bits) else bits


def _decode_presence(data: bytes, cells: int) -> Bools:
    length = (cells + 7) // 8
    bits = data
    if len(data) != length:
        stream = zlib.decompressobj()
        try:
            bits = stream.decompress(data, length + 1)
        except zlib.error as error:
            raise ChunkDamaged(f"its presence cannot be read: {error}") from None
    if len(bits) != length:
        raise ChunkDamaged(f"presence of {len(bits)} bytes: {length} are needed")
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8))[:cells].astype(np.bool_)


def encode_day(by_metric: Mapping[int, Series]) -> bytes:
    """Return the bytes of a subject's series, each with a sample, all on one grid."""
    shared = _most_common({metric: series.present for metric, series in by_metric.items()})
    return join_day(
        {metric: encode_chunk(by_metric[metric], shared) for metric in sorted(by_metric)},
        b"" if shared.all() else _encode_presence(shared),
    )


def join_day(chunks: Mapping[int, bytes], presence: bytes) -> bytes:
    """Return a day's bytes made of chunks that were written for `presence`."""
    places = np.empty(len(chunks), dtype=_DAY_PLACE)
    places["metric"] = sorted(chunks)
    places["length"] = [len(chunks[metric]) for metric in sorted(chunks)]
    head = places.tobytes() + presence
    return b"".join(
        (
            _DAY_HEAD.pack(_DAY_FORMAT, zlib.crc32(head), len(chunks), len(presence), len(head)),
            head,
            *(chunks[metric] for metric in sorted(chunks)),
        )
    )


class SubjectDay:
    """A subject's day as it is stored: each metric is decoded when it is asked for.

    Raises ChunkDamaged where the head cannot be read.
    """

    __slots__ = ("_begins", "_cells", "_data", "_lengths", "_metrics", "_shared", "presence")

    def __init__(self, data: bytes | memoryview, cells: int) -> None:
        if len(data) < _DAY_HEAD.size:
            raise ChunkDamaged(f"a day of {len(data)} bytes: shorter than its head")
        format_, crc, count, presence_length, head_length = _DAY_HEAD.unpack_from(data)
        if format_ != _DAY_FORMAT:
            raise ChunkDamaged(f"a day of format {format_}: this version reads {_DAY_FORMAT}")
        head = bytes(data[_DAY_HEAD.size : _DAY_HEAD.size + head_length])
        if zlib.crc32(head) != crc or len(head) != count * _DAY_PLACE.itemsize + presence_length:
            raise ChunkDamaged("the checksum of a day's head differs")
        places = np.frombuffer(head, dtype=_DAY_PLACE, count=count)
        self._metrics = places["metric"]
        self._lengths = places["length"]
        self._begins = _DAY_HEAD.size + head_length
        self._data = data
        self._cells = cells
        self._shared: Bools | None = None
        self.presence = head[len(head) - presence_length :]

    @property
    def metrics(self) -> tuple[int, ...]:
        return tuple(self._metrics.tolist())

    def chunk(self, metric: int) -> bytes | None:
        """Return a metric's chunk as it is, None where there is none."""
        at = int(self._metrics.searchsorted(metric))
        if at == len(self._metrics) or self._metrics[at] != metric:
            return None
        start = self._begins + int(self._lengths[:at].sum())
        return bytes(self._data[start : start + int(self._lengths[at])])

    def series(self, metric: int) -> Series | None:
        """Return a metric's series, None where there is none. Raises ChunkDamaged."""
        chunk = self.chunk(metric)
        if chunk is None:
            return None
        if self._shared is None and chunk and chunk[0] >> 4 == _SHARED:
            self._shared = _decode_presence(self.presence, self._cells)
        return decode_chunk(chunk, self._cells, self._shared)


def _most_common(presences: Mapping[int, Bools]) -> Bools:
    counted: dict[bytes, int] = {}
    for present in presences.values():
        packed = np.packbits(present).tobytes()
        counted[packed] = counted.get(packed, 0) + 1
    best = max(counted, key=lambda packed: (counted[packed], packed))
    cells = len(next(iter(presences.values())))
    return np.unpackbits(np.frombuffer(best, dtype=np.uint8))[:cells].astype(np.bool_)

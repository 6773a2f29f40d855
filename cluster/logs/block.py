"""The bytes lines are kept as. Pure.

A record is a header of fixed length, then two pieces that are compressed by themselves: what is small of
every line (moment, stream, level), and the texts. So counting and choosing read a few bytes a line, and a
text is decompressed only where it may be wanted. The header says of when, of whom and of which levels the
lines are, and has the checksum of all that follows, by which a record that was torn by a crash is told.

    magic 2, kind 1, version 1, source 4, lines 4, levels 1, streams 1, flags 2,
    start_us 8, end_us 8, first ordinal 8, columns' bytes 4, texts' bytes 4, texts' length 4, checksum 4

Integers are little-endian. `source` is a number within the segment, given by a record of kind SOURCE.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

import zstandard

from cluster.encoding import EncodingError, codec
from cluster.model.log_history import KeptLine, LogSource

_HEADER = struct.Struct("<2sBBIIBBHqqQIIII")
HEADER_BYTES = _HEADER.size
_MAGIC = b"TL"
_VERSION = 1

LINES_MAX = 65_536
TEXT_BYTES_MAX = 8 * 1024 * 1024
"""No record has more; a header that says so is damaged."""
ZSTD_LEVEL = 3

_STREAM_BITS = 0x03
_LEVEL_SHIFT = 2
_PARTIAL_BIT = 0x20
_WIDE_FLAG = 0x01
"""The moments are eight bytes each, not four: two lines are more than half an hour apart."""

_SOURCES = codec(LogSource)


class RecordDamaged(EncodingError):
    """Bytes that are no whole record: torn by a crash, or changed."""


class RecordKind(IntEnum):
    """What a record holds."""

    SOURCE = 1
    LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of a record without reading it."""

    kind: RecordKind
    source: int
    lines: int
    levels: int
    streams: int
    is_wide: bool
    start_us: int
    end_us: int
    first_ordinal: int
    columns_bytes: int
    texts_bytes: int
    text_length: int
    checksum: int

    @property
    def body_bytes(self) -> int:
        return self.columns_bytes + self.texts_bytes

    @property
    def record_bytes(self) -> int:
        return HEADER_BYTES + self.body_bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """What is small of the lines of a record, in the order they came."""

    moments_us: array[int]
    kinds: bytes

    def stream(self, index: int) -> int:
        return self.kinds[index] & _STREAM_BITS

    def level(self, index: int) -> int:
        return (self.kinds[index] >> _LEVEL_SHIFT) & 0x07

    def is_partial(self, index: int) -> bool:
        return bool(self.kinds[index] & _PARTIAL_BIT)


def kind_of(*, stream: int, level: int, is_partial: bool = False) -> int:
    """Return stream, level and whether it is a piece as one byte."""
    return stream | level << _LEVEL_SHIFT | (_PARTIAL_BIT if is_partial else 0)


def level_in(kind: int) -> int:
    """The level in such a byte."""
    return (kind >> _LEVEL_SHIFT) & 0x07


def encode_source(number: int, source: LogSource) -> bytes:
    """Return the record that says which container a number is."""
    body = _SOURCES.encode(source)
    return _record(
        RecordKind.SOURCE,
        number,
        lines=0,
        levels=0,
        streams=0,
        flags=0,
        span=(0, 0, 0),
        columns=body,
        texts=b"",
    )


def encode_lines(
    number: int, first_ordinal: int, moments_us: Sequence[int], kinds: bytes, texts: Sequence[str]
) -> bytes:
    """Return the record of at least one line of a source, in the order they came. No text has a line feed."""
    assert 0 < len(texts) == len(kinds) == len(moments_us) <= LINES_MAX, (
        "a record has lines, all of them whole"
    )
    start_us, end_us = min(moments_us), max(moments_us)
    is_wide = end_us - start_us > 0x7FFF_FFFF
    offsets = array("q" if is_wide else "i")
    before = start_us
    for moment in moments_us:
        offsets.append(moment - before)
        before = moment
    if sys.byteorder == "big":
        offsets.byteswap()
    text = "\n".join(texts).encode("utf-8", "replace")
    present = set(kinds)
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    return _record(
        RecordKind.LINES,
        number,
        lines=len(texts),
        levels=_mask(level_in(kind) for kind in present),
        streams=_mask(kind & _STREAM_BITS for kind in present),
        flags=_WIDE_FLAG if is_wide else 0,
        span=(start_us, end_us, first_ordinal),
        columns=compressor.compress(_by_byte(offsets.tobytes(), offsets.itemsize) + kinds),
        texts=compressor.compress(text),
        text_length=len(text),
    )


def _by_byte(data: bytes, width: int) -> bytes:
    """All first bytes, then all second bytes, ...: alike ones side by side compress to less."""
    return b"".join(data[index::width] for index in range(width))


def _from_by_byte(data: bytes, width: int) -> bytes:
    count = len(data) // width
    joined = bytearray(len(data))
    for index in range(width):
        joined[index::width] = data[index * count : (index + 1) * count]
    return bytes(joined)


def _mask(numbers: Iterable[int]) -> int:
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask


def _record(
    kind: RecordKind,
    number: int,
    *,
    lines: int,
    levels: int,
    streams: int,
    flags: int,
    span: tuple[int, int, int],
    columns: bytes,
    texts: bytes,
    text_length: int = 0,
) -> bytes:
    def header(checksum: int) -> bytes:
        return _HEADER.pack(
            _MAGIC, kind, _VERSION, number, lines, levels, streams, flags, *span,
            len(columns), len(texts), text_length, checksum,
        )  # fmt: skip

    checksum = zlib.crc32(texts, zlib.crc32(columns, zlib.crc32(header(0)[:-4])))
    return b"".join((header(checksum), columns, texts))


def read_header(data: bytes | memoryview, offset: int = 0) -> Header:
    """Return the header at `offset`. Raises RecordDamaged when it is none; the body is not looked at."""
    if len(data) - offset < HEADER_BYTES:
        raise RecordDamaged("it ends within a header")
    (magic, kind, version, source, lines, levels, streams, flags, start_us, end_us, ordinal, columns, texts,
     length, checksum) = _HEADER.unpack_from(data, offset)  # fmt: skip
    if magic != _MAGIC:
        raise RecordDamaged("it does not begin as a record does")
    if version != _VERSION:
        raise RecordDamaged(f"it is of version {version}, this one knows {_VERSION}")
    if kind not in tuple(RecordKind) or lines > LINES_MAX or max(columns, texts, length) > TEXT_BYTES_MAX:
        raise RecordDamaged("its header says what no record has")
    return Header(
        kind=RecordKind(kind),
        source=source,
        lines=lines,
        levels=levels,
        streams=streams,
        is_wide=bool(flags & _WIDE_FLAG),
        start_us=start_us,
        end_us=end_us,
        first_ordinal=ordinal,
        columns_bytes=columns,
        texts_bytes=texts,
        text_length=length,
        checksum=checksum,
    )


def check(record: bytes | memoryview) -> Header:
    """Return the header of a whole record. Raises RecordDamaged when it is cut off or was changed."""
    header = read_header(record)
    if len(record) < header.record_bytes:
        raise RecordDamaged("it is cut off")
    body = record[HEADER_BYTES : header.record_bytes]
    if zlib.crc32(body, zlib.crc32(record[: HEADER_BYTES - 4])) != header.checksum:
        raise RecordDamaged("its checksum differs")
    return header


def decode_source(header: Header, body: bytes | memoryview) -> LogSource:
    """Return which container a SOURCE record's number is. Raises EncodingError."""
    return _SOURCES.decode(bytes(body[: header.columns_bytes]))


def decode_columns(header: Header, columns: bytes | memoryview) -> Columns:
    """Return what is small of the lines, given the first piece of the body. Raises RecordDamaged."""
    width = 8 if header.is_wide else 4
    size = header.lines * (width + 1)
    data = _decompressed(columns, size)
    if len(data) != size:
        raise RecordDamaged("its columns are not as long as its header says")
    offsets = array("q" if header.is_wide else "i")
    offsets.frombytes(_from_by_byte(data[: header.lines * width], width))
    if sys.byteorder == "big":
        offsets.byteswap()
    # The first offset is from the beginning, each other one from the line before.
    moments = array("q", accumulate(offsets, initial=header.start_us))
    moments.pop(0)
    return Columns(moments, data[header.lines * width :])


def decode_texts(header: Header, texts: bytes | memoryview) -> str:
    """Return the texts of the lines with line feeds between, given the second piece of the body.

    Raises RecordDamaged.
    """
    data = _decompressed(texts, header.text_length)
    if len(data) != header.text_length:
        raise RecordDamaged("its texts are not as long as its header says")
    return data.decode("utf-8", "replace")


def split_texts(header: Header, texts: str) -> list[str]:
    """Return the texts line by line. Raises RecordDamaged."""
    lines = texts.split("\n")
    if len(lines) != header.lines:
        raise RecordDamaged(f"it has {len(lines)} texts for {header.lines} lines")
    return lines


def _decompressed(data: bytes | memoryview, size: int) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise RecordDamaged(f"it cannot be decompressed: {error}") from error


def line_at(
    header: Header,
    columns: Columns,
    texts: Sequence[str],
    index: int,
    *,
    container_id: str,
    is_match: bool = True,
) -> KeptLine:
    """Return one line of a decoded record."""
    return KeptLine(
        container_id=container_id,
        at_us=columns.moments_us[index],
        ordinal=header.first_ordinal + index,
        stream=columns.stream(index),
        level=columns.level(index),
        text=texts[index],
        is_partial=columns.is_partial(index),
        is_match=is_match,
    )

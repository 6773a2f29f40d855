"""One file of records, and the index beside it.

A segment is appended to and never changed; the index, all its headers in one small file, is written when it
is closed. A segment without an index is the one that was written to when the agent or the host went down:
it is read record by record, and cut behind the last whole one.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from cluster.encoding import EncodingError
from cluster.logs.block import (
    HEADER_BYTES,
    Header,
    RecordDamaged,
    RecordKind,
    check,
    decode_source,
    read_header,
)
from cluster.model.log_history import LogSource

SEGMENT_SUFFIX = ".lines"
INDEX_SUFFIX = ".index"
_MAGIC = b"TLX1"
_OFFSET = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a record of lines is, and what its header says."""

    offset: int
    header: Header


@dataclass(slots=True)
class SegmentIndex:
    """What is in a segment up to `end`."""

    entries: list[Entry] = field(default_factory=list)
    sources: dict[int, LogSource] = field(default_factory=dict)
    source_records: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0

    def add(self, offset: int, header: Header, head: bytes) -> None:
        """Take in a record; `head` is the whole of it where it names a source, else its header.

        Raises EncodingError.
        """
        if header.kind is RecordKind.SOURCE:
            self.sources[header.source] = decode_source(header, head[HEADER_BYTES:])
            self.source_records.append((offset, head))
        else:
            self.entries.append(Entry(offset, header))
        self.end = offset + header.record_bytes

    def extend(self, descriptor: int, size: int) -> None:
        """Read on to `size` by the headers alone. Raises RecordDamaged or OSError."""
        while self.end < size:
            offset = self.end
            head = os.pread(descriptor, HEADER_BYTES, offset)
            header = read_header(head)
            if header.kind is RecordKind.SOURCE:
                head = os.pread(descriptor, header.record_bytes, offset)
            self.add(offset, header, head)

    def recover(self, descriptor: int, size: int) -> str:
        """Read on up to the last whole record, checking each; returns what is wrong behind it, "" if nothing.

        Raises OSError.
        """
        while self.end < size:
            offset = self.end
            try:
                header = read_header(os.pread(descriptor, HEADER_BYTES, offset))
                record = os.pread(descriptor, header.record_bytes, offset)
                check(record)
                self.add(offset, header, record if header.kind is RecordKind.SOURCE else b"")
            except EncodingError as error:
                return str(error)
        return ""


def write_index(segment: Path, index: SegmentIndex) -> None:
    """Write the index of a segment that is complete. Raises OSError with nothing left behind."""
    with segment.open("rb") as file:
        parts = [_OFFSET.pack(index.end)]
        for offset, record in index.source_records:
            parts += (_OFFSET.pack(offset), record)
        for entry in index.entries:
            parts += (_OFFSET.pack(entry.offset), os.pread(file.fileno(), HEADER_BYTES, entry.offset))
    body = zlib.compress(b"".join(parts), 1)
    fresh = segment.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(_MAGIC + zlib.crc32(body).to_bytes(4) + body)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(segment.with_suffix(INDEX_SUFFIX))
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_index(segment: Path) -> SegmentIndex:
    """Return the index of a complete segment. Raises RecordDamaged, FileNotFoundError or OSError."""
    data = segment.with_suffix(INDEX_SUFFIX).read_bytes()
    body = data[8:]
    if data[:4] != _MAGIC or zlib.crc32(body) != int.from_bytes(data[4:8]):
        raise RecordDamaged("the index's checksum differs")
    try:
        parts = zlib.decompress(body)
    except zlib.error as error:
        raise RecordDamaged(f"the index cannot be read: {error}") from error
    index = SegmentIndex()
    position = _OFFSET.size
    while position < len(parts):
        (offset,) = _OFFSET.unpack_from(parts, position)
        position += _OFFSET.size
        header = read_header(parts, position)
        length = header.record_bytes if header.kind is RecordKind.SOURCE else HEADER_BYTES
        index.add(offset, header, parts[position : position + length])
        position += length
    (index.end,) = _OFFSET.unpack_from(parts, 0)
    return index

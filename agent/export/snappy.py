"""Snappy's block format, written by who knows what repeats.

A general compressor looks for repeats; here the writer says what it has written before, which costs nothing
to find. Source: https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

_COPY_BYTES_MAX = 64
_OFFSET_MAX = 65535
_REPEAT_BYTES_MIN = 8


class SnappyWriter:
    """Gathers bytes; `finish` gives the block. For one thread."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._pending = bytearray()
        self._length = 0
        self._seen: dict[bytes, int] = {}

    def __len__(self) -> int:
        """How many bytes were written, uncompressed."""
        return self._length

    def write(self, data: bytes) -> None:
        """Add bytes that do not repeat."""
        self._pending += data
        self._length += len(data)

    def write_repeated(self, data: bytes) -> None:
        """Add bytes that may have been added by this before."""
        start = self._seen.get(data)
        offset = 0 if start is None else self._length - start
        if start is None or offset > _OFFSET_MAX or len(data) < _REPEAT_BYTES_MIN:
            self._seen[data] = self._length
            self.write(data)
            return
        self._flush()
        left = len(data)
        while left:
            count = min(left, _COPY_BYTES_MAX)
            # Copy with a 2-byte offset.
            self._out += bytes((((count - 1) << 2) | 2, offset & 0xFF, offset >> 8))
            left -= count
        self._seen[data] = self._length
        self._length += len(data)

    def finish(self) -> bytes:
        """Return the block: its length uncompressed, then what was written."""
        self._flush()
        return varint(self._length) + bytes(self._out)

    def _flush(self) -> None:
        if not self._pending:
            return
        count = len(self._pending) - 1
        if count < 60:
            self._out.append(count << 2)
        else:
            size = (count.bit_length() + 7) // 8
            self._out.append((59 + size) << 2)
            self._out += count.to_bytes(size, "little")
        self._out += self._pending
        self._pending.clear()


def varint(value: int) -> bytes:
    """Base 128, least first, as snappy and protobuf write lengths. `value` is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

"""A tar archive read as its bytes come (POSIX.1-2001 pax, ustar, and GNU's long names). Pure.

`tarfile` wants a file to read from, and would block. Names and sizes are what a container says of itself:
everything is bounded and nothing is believed.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK = 512
EXTENSION_BYTES_MAX = 1024 * 1024
"""A longer pax header or long name is no archive of an engine's."""

_PAX = b"x"
_GLOBAL_PAX = b"g"
_LONG_NAME = b"L"
_LONG_LINK = b"K"


class ArchiveMalformed(Exception):
    """The bytes are not a tar archive, or one that nobody means well with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the archive begins; its `size_bytes` bytes follow."""

    name: str
    type: bytes
    size_bytes: int
    mode: int
    modified_at_ms: int
    link_target: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """Some bytes of the member that began last."""

    data: bytes = field(repr=False)


class TarReader:
    """Feed it the bytes; it returns what they tell."""

    def __init__(self, *, with_bodies: bool = True) -> None:
        """Without `with_bodies` files' contents are passed over."""
        self._with_bodies = with_bodies
        self._buffer = bytearray()
        self._left = 0
        self._padding = 0
        self._extension: tuple[bytes, int] | None = None
        self._overrides: dict[str, str] = {}
        self.is_ended = False

    def feed(self, data: bytes) -> Iterator[Member | Body]:
        """Yield the events of these bytes. Raises ArchiveMalformed."""
        self._buffer += data
        while not self.is_ended:
            if self._left:
                piece = bytes(self._buffer[: self._left])
                if not piece:
                    return
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                if self._with_bodies:
                    yield Body(piece)
                continue
            if self._padding:
                skipped = min(self._padding, len(self._buffer))
                if not skipped:
                    return
                del self._buffer[:skipped]
                self._padding -= skipped
                continue
            if self._extension is not None:
                kind, size = self._extension
                padded = size + -size % BLOCK
                if len(self._buffer) < padded:
                    return
                self._extend(kind, bytes(self._buffer[:size]))
                del self._buffer[:padded]
                self._extension = None
                continue
            if len(self._buffer) < BLOCK:
                return
            block = bytes(self._buffer[:BLOCK])
            del self._buffer[:BLOCK]
            member = self._header(block)
            if member is not None:
                yield member

    def _header(self, block: bytes) -> Member | None:
        if not any(block):
            self.is_ended = True
            return None
        try:
            found = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except tarfile.HeaderError as error:
            raise ArchiveMalformed(f"not a tar archive: {error}") from error
        if found.size < 0:
            raise ArchiveMalformed("not a tar archive: a size below zero")
        if found.type in (_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK):
            if found.size > EXTENSION_BYTES_MAX:
                raise ArchiveMalformed(f"a header of {found.size} bytes")
            self._extension = (found.type, found.size)
            return None
        overrides, self._overrides = self._overrides, {}
        size = _number(overrides.get("size"), found.size)
        has_body = found.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
        self._left = size if has_body else 0
        self._padding = -size % BLOCK if has_body else 0
        return Member(
            name=overrides.get("path", found.name),
            type=found.type,
            size_bytes=size if has_body else 0,
            mode=found.mode & 0o7777,
            modified_at_ms=_moment_ms(overrides.get("mtime"), found.mtime),
            link_target=overrides.get("linkpath", found.linkname),
        )

    def _extend(self, kind: bytes, content: bytes) -> None:
        if kind == _LONG_NAME:
            self._overrides["path"] = content.rstrip(b"\0").decode(errors="replace")
        elif kind == _LONG_LINK:
            self._overrides["linkpath"] = content.rstrip(b"\0").decode(errors="replace")
        elif kind == _PAX:
            self._overrides.update(_pax_records(content))


def file_header(name: str, *, size_bytes: int, mode: int, modified_at_ms: int) -> bytes:
    """Return what stands before a file's bytes in an archive."""
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mode = mode
    info.mtime = modified_at_ms // 1000
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def file_trailer(size_bytes: int) -> bytes:
    """Return what stands after the bytes of an archive's last file."""
    return b"\0" * (-size_bytes % BLOCK + 2 * BLOCK)


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: each "<length> <key>=<value>\\n", the length being of all of it."""
    position = 0
    while position < len(content):
        digits, space, _ = content[position : position + 20].partition(b" ")
        if not space or not digits.isdigit() or int(digits) <= len(digits) + 1:
            raise ArchiveMalformed("a pax record without a length")
        record = content[position + len(digits) + 1 : position + int(digits) - 1]
        key, equals, value = record.partition(b"=")
        if not equals:
            raise ArchiveMalformed("a pax record without a value")
        yield key.decode(errors="replace"), value.decode(errors="replace")
        position += int(digits)


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdigit() or len(text) > 18:
        raise ArchiveMalformed("a pax size that is no number")
    return int(text)


def _moment_ms(text: str | None, otherwise_s: float) -> int:
    try:
        seconds = float(text) if text is not None else otherwise_s
        return int(seconds * 1000)
    except (ValueError, OverflowError):
        return 0

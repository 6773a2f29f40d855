"""What containers wrote, in segments on this host's disk. For one thread.

Records go to the newest segment; a full one is closed and given its index. The oldest are removed when
there is too much, when they are too old, or when the disk has too little left for everything else.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.logbook.segment import INDEX_SUFFIX, SEGMENT_SUFFIX, SegmentIndex, read_index, write_index
from cluster.encoding import EncodingError
from cluster.logs.block import (
    HEADER_BYTES,
    decode_columns,
    decode_texts,
    encode_lines,
    encode_source,
    read_header,
    split_texts,
)
from cluster.logs.resuming import OVERLAP_US, Fingerprint
from cluster.logs.retention import Bounds, SegmentSize, bounds_for, to_drop
from cluster.model.log_history import LogSource

log = logging.getLogger(__name__)

MIB = 1024 * 1024
SEGMENT_BYTES_MAX = 16 * MIB
SEGMENT_BYTES_MIN = 256 * 1024
SEGMENT_AGE_MAX_US = 6 * 3_600_000_000


class StoreFailed(Exception):
    """The store cannot be read or written now; the text names the path and the reason."""


@dataclass(slots=True)
class _Part:
    """What a segment has of one container."""

    source: LogSource
    lines: int
    start_us: int
    end_us: int
    next_ordinal: int


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    bytes: int = 0
    start_us: int = 0
    end_us: int = 0
    parts: dict[str, _Part] = field(default_factory=dict)

    def count(self, source: LogSource, lines: int, start_us: int, end_us: int, next_ordinal: int) -> None:
        part = self.parts.get(source.container_id)
        if part is None:
            self.parts[source.container_id] = _Part(source, lines, start_us, end_us, next_ordinal)
        else:
            part.source = source
            part.lines += lines
            part.start_us = min(part.start_us, start_us)
            part.end_us = max(part.end_us, end_us)
            part.next_ordinal = max(part.next_ordinal, next_ordinal)
        self.start_us = min(self.start_us or start_us, start_us)
        self.end_us = max(self.end_us, end_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRef:
    """A segment for whoever reads it: only its first `size` bytes. `is_closed`: it has an index."""

    path: str
    size: int
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOf:
    """What is kept of one container."""

    source: LogSource
    lines: int
    start_us: int
    end_us: int
    next_ordinal: int


class LogStore:
    """The segments in `directory`. Nothing is read before `open`."""

    def __init__(
        self, directory: Path, *, bytes_max: int = 0, age_max_d: int = 14, reserve_bytes: int | None = None
    ) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._age_max_d = age_max_d
        self._reserve_bytes = reserve_bytes
        self._bounds = Bounds(bytes_max=bytes_max, age_max_us=0, reserve_bytes=0)
        self._segments: list[_Segment] = []
        self._file: int | None = None
        self._index = SegmentIndex()
        self._numbers: dict[str, int] = {}

    @property
    def bytes_used(self) -> int:
        return sum(segment.bytes for segment in self._segments)

    @property
    def bytes_max(self) -> int:
        return self._bounds.bytes_max

    @property
    def oldest_us(self) -> int:
        """The moment of the oldest line, 0 without any."""
        return min((each.start_us for each in self._segments if each.start_us), default=0)

    def open(self) -> None:
        """Find what earlier runs kept; a segment torn by a crash is cut behind its last whole record.

        Once more after a failure, it finds everything anew. Raises StoreFailed.
        """
        self._segments.clear()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk = shutil.disk_usage(self._directory)
            bounds = bounds_for(bytes_max=self._bytes_max, age_max_d=self._age_max_d, disk_bytes=disk.total)
            self._bounds = (
                bounds
                if self._reserve_bytes is None
                else Bounds(
                    bytes_max=bounds.bytes_max,
                    age_max_us=bounds.age_max_us,
                    reserve_bytes=self._reserve_bytes,
                )
            )
            for fresh in self._directory.glob("*.new"):
                fresh.unlink()
            paths = sorted(
                path for path in self._directory.glob(f"*{SEGMENT_SUFFIX}") if path.stem.isdecimal()
            )
            for path in paths:
                self._take_in(path)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the segment in use. Raises StoreFailed."""
        try:
            self._close_segment()
        except OSError as error:
            raise self._failed(error) from error

    # ---- writing ------------------------------------------------------------------------------

    def append(
        self,
        source: LogSource,
        first_ordinal: int,
        moments_us: Sequence[int],
        kinds: bytes,
        texts: Sequence[str],
        *,
        now_us: int,
    ) -> None:
        """Keep lines of a container behind those there are. Raises StoreFailed with none of them kept."""
        try:
            segment = self._open_segment(now_us)
            number = self._number_of(segment, source)
            self._write(segment, encode_lines(number, first_ordinal, moments_us, kinds, texts))
        except OSError as error:
            raise self._failed(error) from error
        segment.count(source, len(texts), min(moments_us), max(moments_us), first_ordinal + len(texts))

    def sync(self) -> None:
        """Have the disk keep what was written. Raises StoreFailed."""
        if self._file is None:
            return
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise self._failed(error) from error

    def retain(self, now_us: int) -> int:
        """Let go of what is too much or too old; returns how many bytes. Raises StoreFailed."""
        try:
            free_bytes = shutil.disk_usage(self._directory).free
            closed = [each for each in self._segments if not self._is_open(each)]
            dropped = to_drop(
                [SegmentSize(number=each.number, end_us=each.end_us, bytes=each.bytes) for each in closed],
                self._bounds,
                now_us=now_us,
                open_bytes=sum(each.bytes for each in self._segments if self._is_open(each)),
                free_bytes=free_bytes,
            )
            freed = 0
            for segment in [each for each in closed if each.number in dropped]:
                segment.path.unlink(missing_ok=True)
                segment.path.with_suffix(INDEX_SUFFIX).unlink(missing_ok=True)
                self._segments.remove(segment)
                freed += segment.bytes
            return freed
        except OSError as error:
            raise self._failed(error) from error

    def shortage(self) -> str:
        """Why nothing may be written now, for people; "" when it may."""
        try:
            free_bytes = shutil.disk_usage(self._directory).free
        except OSError as error:
            return str(self._failed(error))
        if free_bytes >= self._bounds.reserve_bytes:
            return ""
        return (
            f"no container output is kept: {self._directory} has {free_bytes // MIB} MiB free and "
            f"{self._bounds.reserve_bytes // MIB} MiB stay free for everything else; free some space"
        )

    # ---- reading ------------------------------------------------------------------------------

    def kept(self) -> dict[str, KeptOf]:
        """Return what is kept of each container, by its id."""
        whole = _Segment(number=0, path=self._directory)
        for segment in self._segments:
            for part in segment.parts.values():
                whole.count(part.source, part.lines, part.start_us, part.end_us, part.next_ordinal)
        return {
            container_id: KeptOf(
                source=part.source,
                lines=part.lines,
                start_us=part.start_us,
                end_us=part.end_us,
                next_ordinal=part.next_ordinal,
            )
            for container_id, part in whole.parts.items()
        }

    def refs(self, container_ids: Sequence[str] = ()) -> tuple[SegmentRef, ...]:
        """Return the segments that have any of these containers; none given: all."""
        wanted = set(container_ids)
        return tuple(
            SegmentRef(path=str(each.path), size=each.bytes, is_closed=not self._is_open(each))
            for each in self._segments
            if not wanted or not wanted.isdisjoint(each.parts)
        )

    def last_of(self, container_id: str) -> list[Fingerprint]:
        """Return the lines of a container's last moments. Raises StoreFailed."""
        found: list[Fingerprint] = []
        newest_us = 0
        for segment in reversed(self._segments):
            part = segment.parts.get(container_id)
            if part is None:
                continue
            newest_us = max(newest_us, part.end_us)
            if part.end_us < newest_us - OVERLAP_US:
                break
            try:
                found += self._fingerprints(segment, container_id, newest_us - OVERLAP_US)
            except (OSError, EncodingError) as error:
                raise StoreFailed(f"{segment.path}: {error}") from error
            if part.start_us < newest_us - OVERLAP_US:
                break
        return found

    def _fingerprints(self, segment: _Segment, container_id: str, from_us: int) -> list[Fingerprint]:
        index = self._index if self._is_open(segment) else read_index(segment.path)
        numbers = {number for number, source in index.sources.items() if source.container_id == container_id}
        found: list[Fingerprint] = []
        with segment.path.open("rb") as file:
            for entry in index.entries:
                header = entry.header
                if header.source not in numbers or header.end_us < from_us:
                    continue
                body = os.pread(file.fileno(), header.body_bytes, entry.offset + HEADER_BYTES)
                columns = decode_columns(header, body[: header.columns_bytes])
                texts = split_texts(header, decode_texts(header, body[header.columns_bytes :]))
                found += [
                    (at_us, columns.stream(position), texts[position])
                    for position, at_us in enumerate(columns.moments_us)
                    if at_us >= from_us
                ]
        return found

    # ---- segments -----------------------------------------------------------------------------

    def _take_in(self, path: Path) -> None:
        try:
            index = read_index(path)
        except (FileNotFoundError, EncodingError):
            index = self._recover(path)
        segment = _Segment(number=int(path.stem), path=path, bytes=index.end)
        for entry in index.entries:
            header = entry.header
            source = index.sources.get(header.source)
            if source is not None:
                segment.count(
                    source, header.lines, header.start_us, header.end_us, header.first_ordinal + header.lines
                )
        self._segments.append(segment)

    def _recover(self, path: Path) -> SegmentIndex:
        index = SegmentIndex()
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            problem = index.recover(file.fileno(), size)
            if problem:
                log.warning(
                    "logs.segment_cut",
                    extra={"path": str(path), "lost_bytes": size - index.end, "reason": problem},
                )
                file.truncate(index.end)
        write_index(path, index)
        return index

    def _is_open(self, segment: _Segment) -> bool:
        return self._file is not None and segment is self._segments[-1]

    def _open_segment(self, now_us: int) -> _Segment:
        bytes_max = min(SEGMENT_BYTES_MAX, max(SEGMENT_BYTES_MIN, self._bounds.bytes_max // 32))
        if self._file is not None:
            segment = self._segments[-1]
            is_old = segment.start_us and now_us - segment.start_us > SEGMENT_AGE_MAX_US
            if segment.bytes < bytes_max and not is_old:
                return segment
            self._close_segment()
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._directory / f"{number:010d}{SEGMENT_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._index = SegmentIndex()
        self._numbers = {}
        self._segments.append(_Segment(number=number, path=path))
        return self._segments[-1]

    def _close_segment(self) -> None:
        if self._file is None:
            return
        os.fdatasync(self._file)
        segment = self._segments[-1]
        write_index(segment.path, self._index)
        os.close(self._file)
        self._file = None

    def _number_of(self, segment: _Segment, source: LogSource) -> int:
        number = self._numbers.get(source.container_id)
        if number is None or self._index.sources.get(number) != source:
            number = len(self._index.sources) + 1
            self._write(segment, encode_source(number, source))
            self._numbers[source.container_id] = number
        return number

    def _write(self, segment: _Segment, record: bytes) -> None:
        assert self._file is not None, "a segment is open while it is written to"
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            # What is half written would end every later reading of the segment.
            os.truncate(segment.path, segment.bytes)
            raise
        header = read_header(record)
        self._index.add(segment.bytes, header, record)
        segment.bytes += len(record)

    def _failed(self, error: OSError) -> StoreFailed:
        return StoreFailed(f"{self._directory}: {error.strerror or error}")

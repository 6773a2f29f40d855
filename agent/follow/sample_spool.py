"""Blocks of samples on this host's disk until the cluster has them.

One small file for each block, written under another name, made durable and renamed, so that a crash leaves a
whole block or none. What has no quorum waits here for days; beyond the bound the oldest goes, since what
people look at first after an outage is the present.
"""

from __future__ import annotations

import logging
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cluster.encoding import EncodingError, codec
from cluster.model.metrics import SubjectDefinition

log = logging.getLogger(__name__)

BYTES_MAX = 64 * 1024 * 1024
BLOCKS_MAX = 20_000
"""Two weeks of minutes."""
_BLOCK_BYTES_MAX = 16 * 1024 * 1024
_SUFFIX = ".block"


class SpoolFailed(Exception):
    """The spool cannot be read or written; the text names the path and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledBlock:
    """One `cluster.metrics.block` in `payload`, and what its positions stand for."""

    start_ms: int
    step_ms: int
    ticks: int
    definitions: tuple[SubjectDefinition, ...]
    payload: bytes = field(repr=False)

    @property
    def end_ms(self) -> int:
        """The moment after the last one."""
        return self.start_ms + self.ticks * self.step_ms


_BLOCKS = codec(SpooledBlock)


class SampleSpool:
    """The blocks in `directory`, in order of time. For any thread; nothing is read before `open`."""

    def __init__(self, directory: Path, *, bytes_max: int = BYTES_MAX, blocks_max: int = BLOCKS_MAX) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._blocks_max = blocks_max
        self._lock = threading.Lock()
        self._sizes: OrderedDict[int, int] = OrderedDict()
        self._bytes = 0
        self._dropped = 0

    @property
    def count(self) -> int:
        """How many blocks wait."""
        return len(self._sizes)

    @property
    def dropped(self) -> int:
        """How many blocks were given up since the agent started: too many of them, or damaged."""
        return self._dropped

    @property
    def newest_ms(self) -> int:
        """The beginning of the newest block, 0 without any."""
        return next(reversed(self._sizes), 0)

    def open(self) -> None:
        """Find what an earlier run left. Raises SpoolFailed."""
        with self._lock:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = []
                for path in self._directory.iterdir():
                    if path.suffix == _SUFFIX and path.stem.isdecimal():
                        found.append((int(path.stem), path.stat().st_size))
                    else:
                        path.unlink()  # half written when the host or the agent went down
            except OSError as error:
                raise self._failed(error) from error
            self._sizes = OrderedDict(sorted(found))
            self._bytes = sum(self._sizes.values())

    def put(self, block: SpooledBlock) -> None:
        """Keep a block that is later than all others. Raises SpoolFailed with nothing kept."""
        data = zlib.compress(_BLOCKS.encode(block), 1)
        data = zlib.crc32(data).to_bytes(4) + data
        with self._lock:
            while self._sizes and (
                len(self._sizes) >= self._blocks_max or self._bytes + len(data) > self._bytes_max
            ):
                self._drop(next(iter(self._sizes)), "there are too many")
            path = self._path(block.start_ms)
            try:
                self._write(path, data)
            except OSError as error:
                raise self._failed(error) from error
            self._bytes += len(data) - self._sizes.get(block.start_ms, 0)
            self._sizes[block.start_ms] = len(data)

    def oldest(self, count: int) -> list[SpooledBlock]:
        """Return the oldest `count` blocks; damaged ones are dropped and counted. Raises SpoolFailed."""
        found: list[SpooledBlock] = []
        with self._lock:
            for start_ms in tuple(islice(self._sizes, count)):
                try:
                    found.append(_decoded(self._path(start_ms).read_bytes()))
                except FileNotFoundError:
                    self._drop(start_ms, "its file is gone")
                except (EncodingError, zlib.error, ValueError) as error:
                    self._drop(start_ms, f"it is damaged: {error}")
                except OSError as error:
                    raise self._failed(error) from error
        return found

    def remove(self, blocks: Iterable[SpooledBlock]) -> None:
        """Forget blocks the cluster has. Raises SpoolFailed."""
        with self._lock:
            for block in blocks:
                self._remove(block.start_ms)

    def _drop(self, start_ms: int, reason: str) -> None:
        self._remove(start_ms)
        self._dropped += 1
        log.warning("samples.dropped", extra={"start_ms": start_ms, "reason": reason})

    def _remove(self, start_ms: int) -> None:
        try:
            self._path(start_ms).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        self._bytes -= self._sizes.pop(start_ms, 0)

    def _write(self, path: Path, data: bytes) -> None:
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)

    def _path(self, start_ms: int) -> Path:
        return self._directory / f"{start_ms:016d}{_SUFFIX}"

    def _failed(self, error: OSError) -> SpoolFailed:
        return SpoolFailed(f"{self._directory}: {error.strerror or error}")


def _decoded(data: bytes) -> SpooledBlock:
    body = data[4:]
    if zlib.crc32(body) != int.from_bytes(data[:4]):
        raise EncodingError("its checksum differs")
    # The checksum says that these are the bytes that were written; the bound holds for them all the same.
    return _BLOCKS.decode(zlib.decompressobj().decompress(body, _BLOCK_BYTES_MAX))

"""What one node's history gives to another's: a joining node's, or one that was away for longer than the log
kept.

Giving and taking are separate and stateless: records name what they hold, each carries a checksum, and
taking one twice changes nothing. So a transfer that broke off is begun again, from any node.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cluster.history.keeping import HistoryWriter
from cluster.history.reading import HistoryReader

RECORD_BYTES_MAX = 1024 * 1024


class RecordDamaged(ValueError):
    """A record that is not what its giver made. Nothing of it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a node has of one day: `records` pieces of `size_bytes` together."""

    start_ms: int
    end_ms: int
    records: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One piece, at most RECORD_BYTES_MAX. `cursor` is opaque: where to go on after it."""

    table: str
    key: bytes
    value: bytes
    crc32: int
    cursor: bytes

    @property
    def is_sound(self) -> bool:
        return zlib.crc32(self.key + self.value) == self.crc32


def held(reader: HistoryReader, start_ms: int, end_ms: int) -> Sequence[Held]:
    """Return, by day, what can be given of [start_ms, end_ms)."""
    return ()


def records(
    reader: HistoryReader,
    start_ms: int,
    end_ms: int,
    *,
    after: bytes = b"",
    bytes_max: int = RECORD_BYTES_MAX,
) -> Iterator[Record]:
    """Yield what is held of [start_ms, end_ms), from behind the cursor `after`, about `bytes_max` in all.

    Ends early when that much was given; it is complete when nothing more comes. Newest first.
    """
    return iter(())


def take(writer: HistoryWriter, given: Sequence[Record]) -> int:
    """Take records in, in one transaction, and return how many were new.

    What this node has already stays. Raises RecordDamaged, HistoryFull, HistoryFailed.
    """
    return 0

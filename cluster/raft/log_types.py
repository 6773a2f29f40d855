"""What a Raft log is on disk, and how writing it can fail: the seam between journal and storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cluster.raft.types import Entry, RaftError, SafetyViolation


class LogStorageFull(Exception):
    """There is no room for the batch, and nothing of it was written. The same batch may be tried again.

    The only failure of the log that does not end the process: the node refuses writes until there is room.
    """


class LogStorageFailed(RaftError):
    """The log cannot be opened, read or written, and trying again cannot help: the process must end.

    After a failed flush nobody can tell what is on the disk (the kernel drops the dirty pages it could not
    write and reports that once), so an answer given after one would be a guess.
    """


class LogStorageInUse(LogStorageFailed):
    """Another process, or this one, has the log open already."""


class CommittedEntryTruncated(SafetyViolation):
    """Something asked to remove an entry that a quorum has committed. Nothing was removed.

    In correct Raft this cannot be asked for, so whoever asked must not go on.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLog:
    """What a log storage holds when it is opened; an unused one is `StoredLog()`.

    The entries are those of `first_index` to `last_index`, none when `last_index < first_index`.
    `base_members` is the membership in force at `first_index`, entry `first_index` included, in the
    state machine's own encoding; empty when none was given yet. `membership` are the membership
    entries among those held, in order.
    """

    first_index: int = 1
    last_index: int = 0
    term: int = 0
    voted_for: str | None = None
    commit_index: int = 0
    base_members: bytes = b""
    membership: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """One atomic change of a stored log. Its steps happen in the order of the fields below.

    `reset` drops every entry. `truncate_from` drops the entries from that index on. `entries` follow the
    last entry then held, without a gap; on an empty log they may begin anywhere. `compact_to` drops the
    entries below that index and keeps it. `base_members` replaces the stored one unless None.
    """

    reset: bool = False
    truncate_from: int | None = None
    entries: tuple[Entry, ...] = ()
    compact_to: int | None = None
    base_members: bytes | None = None
    term: int
    voted_for: str | None
    commit_index: int


class LogStorage(Protocol):
    """Where a journal keeps its log. Used from one thread."""

    def load(self) -> StoredLog:
        """What is stored: the outcome of every `write` that returned.

        Raises:
            LogStorageFailed: the log cannot be read.
        """

    def read(self, start: int, stop: int, max_bytes: int) -> list[Entry]:
        """Consecutive entries from index `start`, below `stop`, of at most `max_bytes` of commands.

        The first entry is returned whatever its size; empty when `start` is not held.

        Raises:
            LogStorageFailed: an entry cannot be read or is not what was written.
        """

    def write(self, batch: LogBatch) -> None:
        """Make `batch` durable, all of it or nothing.

        Raises:
            LogStorageFull: no room; nothing was written and a later call may succeed.
            LogStorageFailed: nobody knows what was written; every later call fails too.
        """

    def close(self) -> None:
        """Let go of the storage. Idempotent; writes nothing."""

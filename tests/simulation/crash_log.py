"""A log storage in memory that forgets, on a crash, exactly what a disk may forget."""

from __future__ import annotations

from random import Random
from typing import Literal

from cluster.raft.log_types import LogBatch, LogStorageFailed, LogStorageFull, StoredLog
from cluster.raft.types import COMMAND_MEMBERSHIP, Entry

_MEMBERSHIP = bytes((COMMAND_MEMBERSHIP,))


class PowerLost(Exception):
    """The machine stopped in the middle of a write. The node is to be crashed, then started again."""


class CrashLog:
    """A `LogStorage` that passes the contract suite of the LMDB one.

    A write that returned is durable. A write that was interrupted, or that failed, is in progress: whether it
    reached the disk is decided when the node crashes. After a crash this object is what the next start of the
    node opens; the journal of the earlier start must not be used again.

    `is_full` makes every write that needs room fail until it is set back. `writes` counts the durable writes.
    """

    def __init__(self) -> None:
        self._first_index = 1
        self._entries: list[Entry] = []
        self._term = 0
        self._voted_for: str | None = None
        self._commit_index = 0
        self._base_members = b""
        self._in_progress: LogBatch | None = None
        self._next: list[Literal["full", "failed", "interrupted"]] = []
        self._is_failed = False
        self.is_full = False
        self.is_closed = False
        self.writes = 0

    @property
    def first_index(self) -> int:
        """Index of the oldest durable entry."""
        return self._first_index

    def load(self) -> StoredLog:
        self.is_closed = False
        return StoredLog(
            first_index=self._first_index,
            last_index=self._first_index + len(self._entries) - 1,
            term=self._term,
            voted_for=self._voted_for,
            commit_index=self._commit_index,
            base_members=self._base_members,
            membership=tuple(entry for entry in self._entries if entry[0][:1] == _MEMBERSHIP),
        )

    def read(self, start: int, stop: int, max_bytes: int) -> list[Entry]:
        offset = start - self._first_index
        if offset < 0:
            return []
        entries = self._entries[offset : max(offset, stop - self._first_index)]
        total = 0
        for count, entry in enumerate(entries):
            total += len(entry[0])
            if total > max_bytes and count:
                return entries[:count]
        return entries

    def write(self, batch: LogBatch) -> None:
        assert not self.is_closed, "a closed log was written"
        if self._is_failed:
            raise LogStorageFailed("the log failed before; a failed write is never tried again")
        fault = self._next.pop(0) if self._next else None
        if fault == "full" or (self.is_full and batch.entries):
            raise LogStorageFull("no room for the log (simulated)")
        if fault is not None:
            self._is_failed = True
            self._in_progress = batch
            if fault == "interrupted":
                raise PowerLost
            raise LogStorageFailed("the log could not be flushed (simulated)")
        self._apply(batch)
        self.writes += 1

    def close(self) -> None:
        self.is_closed = True

    def fail_next(self, kind: Literal["full", "failed"]) -> None:
        """Let the next write fail: "full" once with nothing written, "failed" for good until the crash."""
        self._next.append(kind)

    def interrupt_next(self) -> None:
        """Let the next write raise `PowerLost`, undecided until the crash."""
        self._next.append("interrupted")

    def forgive(self) -> None:
        """Let no further write fail that has not failed yet."""
        self._next.clear()

    def crash(self, rng: Random | None = None) -> None:
        """Drop what is not durable. A write in progress is kept or lost as `rng` says, lost without one."""
        if self._in_progress is not None and rng is not None and rng.random() < 0.5:
            self._apply(self._in_progress)
        self._in_progress = None
        self._next.clear()
        self._is_failed = False
        self.is_closed = False

    def _apply(self, batch: LogBatch) -> None:
        entries = self._entries
        if batch.reset:
            entries.clear()
        if batch.truncate_from is not None:
            del entries[max(0, batch.truncate_from - self._first_index) :]
        if batch.entries:
            if not entries:
                self._first_index = batch.entries[0][1]
            assert [index for _, index, _ in batch.entries] == list(
                range(self._first_index + len(entries), self._first_index + len(entries) + len(batch.entries))
            ), "a batch left a gap in the log"
            entries += batch.entries
        if batch.compact_to is not None and batch.compact_to > self._first_index:
            assert batch.compact_to < self._first_index + len(entries), "a batch compacted the whole log away"
            del entries[: batch.compact_to - self._first_index]
            self._first_index = batch.compact_to
        if batch.base_members is not None:
            self._base_members = batch.base_members
        self._term = batch.term
        self._voted_for = batch.voted_for
        self._commit_index = batch.commit_index

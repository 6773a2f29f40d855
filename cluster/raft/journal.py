"""The Raft log as pysyncobj sees it: a list that is durable when `sync` returns.

Adding, truncating and voting change memory only. The engine calls `sync` once per turn, before any
message that depends on those changes leaves, and everything pending becomes one write of the storage
(group commit). In memory are the first entry, a tail bounded in entries and bytes, and per entry its
size; older entries are read from storage in blocks.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

from pysyncobj.journal import Journal as StockJournal  # type: ignore[import-untyped]  # ships no types

from cluster.raft.log_types import (
    CommittedEntryTruncated,
    LogBatch,
    LogStorage,
    LogStorageFailed,
    LogStorageFull,
)
from cluster.raft.types import COMMAND_MEMBERSHIP, NO_OP, Entry

log = logging.getLogger(__name__)

_MEMBERSHIP = bytes((COMMAND_MEMBERSHIP,))

_BLOCK_ENTRIES = 4096
"""Most entries taken in one read, whatever their size: bounds a view's memory when commands are tiny."""

_PLAIN_SLICE_ENTRIES = 256
"""A slice of the tail up to this long is copied (under 1 us), which makes what pysyncobj does with it next
several times cheaper than a view would be."""


class Journal(StockJournal):  # type: ignore[misc]  # pysyncobj is untyped
    """One node's log, term and vote. Used from the Raft thread only.

    Positions given to `[]` and `deleteEntries*` count from the first entry held, as pysyncobj wants it;
    every other method takes log indexes.

    `dirty` says that `sync` would write; a commit index that moved does not make it so. It rides with the
    next write, because losing it loses nothing: a restarted node learns it again from its leader, and a
    leader computes it again from its followers' acknowledgements.

    Args:
        storage: owned by the journal from now on; `_destroy` closes it.
        tail_entries: durable entries kept in memory; pending ones are kept whatever their number.
        tail_bytes: the same bound in bytes of commands.
        block_bytes: bytes of commands taken in one read of older entries.

    Raises:
        LogStorageFailed: the stored log cannot be read or has a hole.
    """

    def __init__(
        self,
        storage: LogStorage,
        *,
        tail_entries: int = 4096,
        tail_bytes: int = 16 * 1024 * 1024,
        block_bytes: int = 1024 * 1024,
    ) -> None:
        assert tail_entries >= 1
        assert block_bytes >= 1
        self._storage = storage
        self._tail_entries = tail_entries
        self._tail_bytes_max = tail_bytes
        self._block_bytes = block_bytes

        stored = storage.load()
        self._first_index = stored.first_index
        self._first: Entry | None = None
        # Entries _tail_start.. of the log; never empty while the log is not.
        self._tail: list[Entry] = []
        self._tail_start = stored.first_index
        self._tail_bytes = 0
        # Command sizes of the whole log, so that compaction need not read what it drops.
        self._sizes = array("I")
        self._size_bytes = 0
        # The whole log's terms as runs: run i is of term _run_terms[i] and begins at _run_starts[i].
        self._run_starts: list[int] = []
        self._run_terms: list[int] = []
        self._membership = list(stored.membership)
        self._base_members = stored.base_members
        self._term = stored.term
        self._voted_for = stored.voted_for
        self._read_all(stored.last_index)
        self._commit_index = 0
        if self._tail:
            # The first entry is covered by a snapshot, or is the one every log begins with.
            self._commit_index = max(stored.first_index, min(stored.commit_index, stored.last_index))

        self._durable_index = stored.last_index
        self._durable_commit_index = stored.commit_index
        self._generation = 0
        self._is_failed = False
        self._clear_pending()

    def _clear_pending(self) -> None:
        self.dirty = False
        self.hard_state_dirty = False
        self._pending_reset = False
        self._pending_truncate: int | None = None
        self._pending_compact: int | None = None
        self._pending_base_members: bytes | None = None

    def _read_all(self, last_index: int) -> None:
        """Fill sizes, terms and tail. Reading every entry finds damage now, not when a follower lags."""
        index = self._first_index
        while index <= last_index:
            block = self._read_block(index, last_index + 1)
            if self._first is None:
                self._first = block[0]
            for command, entry_index, term in block:
                if entry_index != index:
                    raise LogStorageFailed(f"the stored log has entry {entry_index} where {index} belongs")
                if not self._run_terms or term != self._run_terms[-1]:
                    self._run_starts.append(index)
                    self._run_terms.append(term)
                self._sizes.append(len(command))
                self._size_bytes += len(command)
                self._tail_bytes += len(command)
                index += 1
            self._tail += block
            self._trim_tail()

    def _trim_tail(self) -> None:
        """Forget old durable entries, a quarter of the window at a time at least: moving the rest costs."""
        count = len(self._tail)
        if count * 4 <= self._tail_entries * 5 and self._tail_bytes * 4 <= self._tail_bytes_max * 5:
            return
        drop = max(0, count - self._tail_entries)
        self._tail_bytes -= sum(len(command) for command, _, _ in self._tail[:drop])
        while drop < count - 1 and self._tail_bytes > self._tail_bytes_max:
            self._tail_bytes -= len(self._tail[drop][0])
            drop += 1
        del self._tail[:drop]
        self._tail_start += drop

    # What pysyncobj calls, several times per entry.

    def add(self, command: bytes, idx: int, term: int) -> None:
        """Append one entry, in memory until the next `sync`."""
        tail = self._tail
        assert idx == self._tail_start + len(tail) or not tail, (
            f"entry {idx} does not follow the last entry {self.last_index}"
        )
        entry = (command, idx, term)
        if not tail:
            self._begin_at(entry)
        elif term != self._run_terms[-1]:
            assert term > self._run_terms[-1], (
                f"entry {idx} of term {term} follows one of {self._run_terms[-1]}"
            )
            self._run_starts.append(idx)
            self._run_terms.append(term)
        tail.append(entry)
        size = len(command)
        self._sizes.append(size)
        self._size_bytes += size
        self._tail_bytes += size
        if command[:1] == _MEMBERSHIP:
            self._membership.append(entry)
        self.dirty = True

    @overload
    def __getitem__(self, item: int) -> Entry: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Entry]: ...
    def __getitem__(self, item: int | slice) -> Entry | Sequence[Entry]:
        if item == -1:
            return self._tail[-1]
        if item == 0:
            if self._first is None:
                raise IndexError("the log is empty")
            return self._first
        if isinstance(item, slice):
            start, stop, step = item.indices(len(self))
            assert step == 1, "a log is read forwards, entry by entry"
            return self._span(self._first_index + start, self._first_index + stop)
        length = len(self)
        position = item + length if item < 0 else item
        if not 0 <= position < length:
            raise IndexError(f"position {item} of a log of {length} entries")
        return self._entry(self._first_index + position)

    def __len__(self) -> int:
        return self._tail_start + len(self._tail) - self._first_index

    def __iter__(self) -> Iterator[Entry]:
        return iter(LogView(self, self._first_index, self.last_index + 1))

    def clear(self) -> None:
        """Refuse, unless there is nothing to remove. An installed snapshot calls `reset`.

        Raises:
            CommittedEntryTruncated: the log holds entries; the first one is always committed.
        """
        if self._tail:
            raise CommittedEntryTruncated(
                f"asked to clear a log of entries {self._first_index} to {self.last_index}, "
                f"committed up to {self._commit_index}"
            )

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        """Remove the entries from position `entryFrom` on.

        Raises:
            CommittedEntryTruncated: one of them is committed.
        """
        index = self._first_index + entryFrom
        if index > self.last_index:
            return
        if index <= self._commit_index or index <= self._first_index:
            raise CommittedEntryTruncated(
                f"asked to remove the entries from {index} to {self.last_index}, but the log begins at "
                f"{self._first_index} and is committed up to {self._commit_index}"
            )
        # Below the window storage has the new last entry: only entries inside the window are pending.
        last = None if index > self._tail_start else self._read_block(index - 1, index)[0]
        self._generation += 1
        self._drop_sizes(entryFrom, len(self._sizes))
        if last is None:
            offset = index - self._tail_start
            self._tail_bytes -= sum(len(command) for command, _, _ in self._tail[offset:])
            del self._tail[offset:]
        else:
            self._tail = [last]
            self._tail_start = index - 1
            self._tail_bytes = len(last[0])
        while self._run_starts[-1] >= index:
            self._run_starts.pop()
            self._run_terms.pop()
        while self._membership and self._membership[-1][1] >= index:
            self._membership.pop()
        if index <= self._durable_index:
            # Below any earlier pending truncation, which lowered the durable index under itself. After a
            # pending reset nothing is durable, so there is nothing to truncate.
            self._durable_index = index - 1
            self._pending_truncate = index
        self.dirty = True

    def deleteEntriesTo(self, entryTo: int) -> None:
        """Remove the entries before position `entryTo`. For one that changes the membership use `compact`."""
        index = self._first_index + entryTo
        assert not self._membership or self._membership[0][1] >= index, (
            "compaction past a membership entry needs the membership as of there: call compact"
        )
        self.compact(index, self._base_members)

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:
        """Note how far the log is committed. Never moves back, nor past the last entry."""
        index = min(raftCommitIndex, self.last_index)
        self._commit_index = max(self._commit_index, index)

    def getRaftCommitIndex(self) -> int:
        """The highest index known to be committed and held; 0 for an empty log."""
        return self._commit_index

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:
        """Note term and vote, in memory until the next `sync`; nothing that tells of them leaves before."""
        if term == self._term and votedForNodeId == self._voted_for:
            return
        assert term >= self._term, f"the term may not go back from {self._term} to {term}"
        assert term > self._term or self._voted_for is None, (
            f"the vote of term {term} is {self._voted_for}'s and cannot become {votedForNodeId}'s"
        )
        self._term = term
        self._voted_for = votedForNodeId
        self.dirty = True
        self.hard_state_dirty = True

    def getCurrentTerm(self) -> int:
        return self._term

    def getVotedForNodeId(self) -> str | None:
        return self._voted_for

    def onOneSecondTimer(self) -> None:
        """Nothing: `sync` is the only writer."""

    def _destroy(self) -> None:
        """Close the storage without writing: what is not synced was promised to nobody."""
        self._storage.close()

    # What the engine calls.

    def sync(self) -> None:
        """Make everything pending durable in one write. No-op when clean.

        Raises:
            LogStorageFull: the log is unchanged and its changes stay pending; call again when there is room.
                Term and vote may have been written all the same: `hard_state_dirty` tells. So a node with a
                full disk can go on voting.
            LogStorageFailed: the process must end. Every later call raises it too, and writes nothing.
        """
        if self._is_failed:
            raise LogStorageFailed("the log failed before; a failed write is never tried again")
        if not self.dirty:
            return
        batch = LogBatch(
            reset=self._pending_reset,
            truncate_from=self._pending_truncate,
            entries=tuple(self._tail[self._durable_index + 1 - self._tail_start :]),
            compact_to=self._pending_compact,
            base_members=self._pending_base_members,
            term=self._term,
            voted_for=self._voted_for,
            commit_index=self._commit_index,
        )
        try:
            self._storage.write(batch)
        except LogStorageFull:
            if batch.entries and self.hard_state_dirty:
                self._sync_hard_state()
            raise
        except BaseException:
            self._is_failed = True
            raise
        self._durable_index = self.last_index
        self._durable_commit_index = self._commit_index
        self._clear_pending()
        self._trim_tail()

    def _sync_hard_state(self) -> None:
        """Make term and vote durable without the log's changes, if there is room for that much.

        The commit index written is the one that came with the stored entries: a later one may speak of
        entries that are still pending, in place of others that the stored log has at the same indexes.
        """
        batch = LogBatch(term=self._term, voted_for=self._voted_for, commit_index=self._durable_commit_index)
        try:
            self._storage.write(batch)
        except LogStorageFull:
            return
        except BaseException:
            self._is_failed = True
            raise
        self.hard_state_dirty = False

    @property
    def first_index(self) -> int:
        """Index of the oldest entry held; 1 for an empty log."""
        return self._first_index

    @property
    def last_index(self) -> int:
        """Index of the newest entry; `first_index - 1` for an empty log."""
        return self._tail_start + len(self._tail) - 1

    @property
    def last_term(self) -> int:
        """Term of the newest entry; 0 for an empty log."""
        return self._run_terms[-1] if self._run_terms else 0

    @property
    def durable_index(self) -> int:
        """Entries up to here are on disk and will survive a crash."""
        return self._durable_index

    @property
    def size_bytes(self) -> int:
        """Bytes of all commands held."""
        return self._size_bytes

    @property
    def base_members(self) -> bytes:
        """The membership at `first_index`, as given to `compact` or `reset`; empty for a new log."""
        return self._base_members

    def membership_entries(self) -> tuple[Entry, ...]:
        """The membership entries held, committed or not, in order."""
        return tuple(self._membership)

    def term_at(self, index: int) -> int | None:
        """Term of the entry at `index`, from memory; None when it is not held."""
        if not self._first_index <= index <= self.last_index:
            return None
        starts = self._run_starts
        return self._run_terms[-1 if index >= starts[-1] else bisect_right(starts, index) - 1]

    def term_start(self, index: int) -> int | None:
        """Where, among the entries held, the term of entry `index` begins; None when that is not held."""
        if not self._first_index <= index <= self.last_index:
            return None
        return self._run_starts[bisect_right(self._run_starts, index) - 1]

    def entries(self, start: int, stop: int) -> Sequence[Entry]:
        """The entries of indexes `start` up to, not including, `stop` that are held, read when looked at."""
        return self._span(max(start, self._first_index), min(stop, self.last_index + 1))

    def compact(self, upto: int, base_members: bytes) -> None:
        """Drop the entries below index `upto`, which stays as the entry before the next.

        No-op when `upto` is the first index or lower. `base_members` is the membership in force at `upto`,
        that entry included.
        """
        if upto <= self._first_index:
            return
        assert upto <= self.last_index, f"compaction to {upto} of a log that ends at {self.last_index}"
        first = self._entry(upto)
        self._drop_sizes(0, upto - self._first_index)
        if upto > self._tail_start:
            dropped = upto - self._tail_start
            self._tail_bytes -= sum(len(command) for command, _, _ in self._tail[:dropped])
            del self._tail[:dropped]
            self._tail_start = upto
        run = bisect_right(self._run_starts, upto) - 1
        del self._run_starts[:run]
        del self._run_terms[:run]
        self._run_starts[0] = upto
        self._membership = [entry for entry in self._membership if entry[1] >= upto]
        self._first = first
        self._first_index = upto
        self._commit_index = max(self._commit_index, upto)
        self._base_members = self._pending_base_members = base_members
        if upto > self._durable_index:
            # Nothing that storage holds is kept: what is pending replaces it.
            self._replace_stored(upto - 1)
        else:
            self._pending_compact = upto
        self.dirty = True

    def reset(self, index: int, term: int, base_members: bytes) -> None:
        """Make the log the one entry (no-op, `index`, `term`), which stands for an installed snapshot.

        Also gives a new log its first members: `reset(1, 0, members)`.

        Raises:
            CommittedEntryTruncated: `index` is below what is committed here.
        """
        if index < self._commit_index:
            raise CommittedEntryTruncated(
                f"asked to begin the log anew at {index}, but it is committed up to {self._commit_index}"
            )
        self._generation += 1
        entry = (NO_OP, index, term)
        self._tail = [entry]
        self._tail_bytes = self._size_bytes = len(NO_OP)
        self._sizes = array("I", (len(NO_OP),))
        self._begin_at(entry)
        self._membership = []
        self._base_members = self._pending_base_members = base_members
        self._replace_stored(index - 1)
        self.dirty = True

    # Inside.

    def _begin_at(self, entry: Entry) -> None:
        """Make `entry` the first of a log that holds no other.

        The first is always committed: by a snapshot, or because every log of the cluster begins with it.
        """
        _, index, term = entry
        self._first = entry
        self._first_index = self._tail_start = index
        self._commit_index = max(self._commit_index, index)
        self._run_starts = [index]
        self._run_terms = [term]
        if self._durable_index >= index or self._durable_index < index - 1:
            self._replace_stored(index - 1)

    def _replace_stored(self, durable_index: int) -> None:
        """Let the next write drop all that is stored; the entries above `durable_index` are pending."""
        self._durable_index = durable_index
        self._pending_reset = True
        self._pending_truncate = None
        self._pending_compact = None

    def _drop_sizes(self, start: int, stop: int) -> None:
        self._size_bytes -= sum(self._sizes[start:stop])
        del self._sizes[start:stop]

    def _entry(self, index: int) -> Entry:
        if index >= self._tail_start:
            return self._tail[index - self._tail_start]
        return self._read_block(index, index + 1)[0]

    def _span(self, start: int, stop: int) -> Sequence[Entry]:
        offset = start - self._tail_start
        if offset >= 0 and stop - start <= _PLAIN_SLICE_ENTRIES:
            return self._tail[offset : max(offset, stop - self._tail_start)]
        return LogView(self, start, max(start, stop))

    def _block(self, start: int, stop: int) -> list[Entry]:
        """Some entries from `start` on, below `stop`: at least one, at most what one read takes."""
        offset = start - self._tail_start
        if offset >= 0:
            return self._tail[offset : min(offset + _BLOCK_ENTRIES, stop - self._tail_start)]
        return self._read_block(start, min(stop, self._tail_start))

    def _read_block(self, start: int, stop: int) -> list[Entry]:
        block = self._storage.read(start, min(stop, start + _BLOCK_ENTRIES), self._block_bytes)
        if not block or block[0][1] != start:
            raise LogStorageFailed(f"the stored log has lost entry {start}")
        return block


class LogView(Sequence[Entry]):
    """A span of a journal's entries, made in no time and read in blocks as it is walked.

    Holds one block. A slice without an end is a view again; a slice with an end is a list, which stays what
    it is when the log changes. A view must not be read after the log was truncated or reset.
    """

    __slots__ = ("_block", "_block_start", "_generation", "_journal", "_start", "_stop")

    def __init__(self, journal: Journal, start: int, stop: int) -> None:
        self._journal = journal
        self._start = start
        self._stop = stop
        self._generation = journal._generation
        self._block: list[Entry] = []
        self._block_start = start

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, item: int) -> Entry: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Entry]: ...
    def __getitem__(self, item: int | slice) -> Entry | Sequence[Entry]:
        length = len(self)
        if isinstance(item, slice):
            start, stop, step = item.indices(length)
            assert step == 1, "a log is read forwards, entry by entry"
            if item.stop is None:
                return LogView(self._journal, self._start + start, self._stop)
            return self._listed(self._start + start, self._start + max(start, stop))
        position = item + length if item < 0 else item
        if not 0 <= position < length:
            raise IndexError(f"position {item} of a view of {length} entries")
        index = self._start + position
        self._hold(index)
        return self._block[index - self._block_start]

    def __iter__(self) -> Iterator[Entry]:
        index = self._start
        while index < self._stop:
            self._hold(index)
            block = self._block
            if index != self._block_start:
                block = block[index - self._block_start :]
            yield from block
            index += len(block)

    def __reversed__(self) -> Iterator[Entry]:
        stop = self._stop
        while stop > self._start:
            start = max(self._start, stop - _PLAIN_SLICE_ENTRIES)
            yield from reversed(self._listed(start, stop))
            stop = start

    def __repr__(self) -> str:
        return f"LogView({self._start}, {self._stop})"

    def _hold(self, index: int) -> None:
        """Have the block that contains `index`; blocks never reach past the view."""
        if not self._block_start <= index < self._block_start + len(self._block):
            self._block = self._fetch(index, self._stop)
            self._block_start = index

    def _listed(self, start: int, stop: int) -> list[Entry]:
        listed: list[Entry] = []
        index = start
        if self._block_start <= start < self._block_start + len(self._block):
            offset = start - self._block_start
            listed = self._block[offset : offset + stop - start]
            index += len(listed)
        while index < stop:
            block = self._fetch(index, stop)
            listed += block
            index += len(block)
        return listed

    def _fetch(self, start: int, stop: int) -> list[Entry]:
        assert self._generation == self._journal._generation, f"{self!r} outlived a truncation of its log"
        assert start >= self._journal.first_index, f"{self!r} outlived a compaction of its log"
        return self._journal._block(start, stop)

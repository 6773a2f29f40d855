from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from cluster.raft.journal import Journal, LogView
from cluster.raft.log_types import CommittedEntryTruncated, LogStorageFailed, LogStorageFull
from cluster.raft.types import NO_OP, Entry
from tests.simulation.crash_log import CrashLog, PowerLost


def an_entry(index: int, term: int = 1) -> Entry:
    return b"\x00command %d" % index, index, term


def a_journal(
    storage: CrashLog | None = None, *, entries: int = 0, tail_entries: int = 4096, block_bytes: int = 1 << 20
) -> Journal:
    """A synced journal of the entry every log begins with and `entries` - 1 more, of term 1."""
    journal = Journal(storage or CrashLog(), tail_entries=tail_entries, block_bytes=block_bytes)
    if entries:
        journal.add(NO_OP, 1, 0)
        journal.setCurrentTerm(1, None)
        for index in range(2, entries + 1):
            journal.add(*an_entry(index))
        journal.sync()
    return journal


def indexes(entries: object) -> list[int]:
    return [index for _, index, _ in entries]  # type: ignore[attr-defined]


def test_a_new_journal_is_empty_and_clean() -> None:
    journal = a_journal()
    assert len(journal) == 0
    assert (journal.first_index, journal.last_index, journal.last_term) == (1, 0, 0)
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId(), journal.getRaftCommitIndex()) == (
        0,
        None,
        0,
    )
    assert not journal.dirty
    assert not journal.hard_state_dirty


@pytest.mark.parametrize("position", [-1, 0, 1])
def test_an_empty_journal_has_no_entry_at_any_position(position: int) -> None:
    with pytest.raises(IndexError):
        a_journal()[position]


def test_positions_count_from_the_first_entry_held() -> None:
    journal = a_journal(entries=50)
    journal.compact(20, b"")
    assert (journal[0], journal[1], journal[-1], journal[-2]) == tuple(map(an_entry, (20, 21, 50, 49)))
    with pytest.raises(IndexError):
        journal[31]
    with pytest.raises(IndexError):
        journal[-32]


def test_old_entries_are_read_from_storage_and_recent_ones_from_memory() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=1000, tail_entries=10)
    assert [journal[position][1] for position in range(1000)] == list(range(1, 1001))
    storage.read = None  # type: ignore[method-assign, assignment]
    assert indexes(journal[991:]) == list(range(992, 1001))
    assert (journal[0][1], journal[-1][1]) == (1, 1000)


def test_the_tail_in_memory_is_bounded_in_entries() -> None:
    journal = a_journal(entries=1000, tail_entries=16)
    assert len(journal._tail) <= 20


def test_the_tail_in_memory_is_bounded_in_bytes() -> None:
    journal = Journal(CrashLog(), tail_bytes=10_000)
    journal.add(NO_OP, 1, 0)
    for index in range(2, 100):
        journal.add(b"\x00" * 1000, index, 1)
        journal.sync()
    assert sum(len(command) for command, _, _ in journal._tail) <= 12_500
    assert journal._tail_bytes == sum(len(command) for command, _, _ in journal._tail)


def test_an_entry_larger_than_the_tail_stays_readable() -> None:
    journal = Journal(CrashLog(), tail_bytes=10)
    journal.add(NO_OP, 1, 0)
    journal.add(b"\x00" * 1000, 2, 1)
    journal.sync()
    assert journal[-1][1] == 2
    assert indexes(journal[0:]) == [1, 2]


def test_entries_not_yet_durable_stay_in_memory_whatever_their_number() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10, tail_entries=4)
    for index in range(11, 500):
        journal.add(*an_entry(index))
    storage.read = None  # type: ignore[method-assign, assignment]
    assert indexes(journal.entries(11, 500)) == list(range(11, 500))


def test_the_restarted_journal_keeps_a_bounded_tail_too() -> None:
    storage = CrashLog()
    a_journal(storage, entries=1000)
    journal = Journal(storage, tail_entries=16)
    assert len(journal._tail) <= 20
    assert indexes(journal[0:]) == list(range(1, 1001))


# One write per sync.


def test_everything_pending_is_one_write() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    writes = storage.writes
    journal.deleteEntriesFrom(5)
    for index in range(6, 20):
        journal.add(*an_entry(index, term=2))
    journal.setCurrentTerm(2, "n1")
    journal.setRaftCommitIndex(4)
    journal.compact(3, b"members")
    assert (journal.dirty, journal.hard_state_dirty) == (True, True)
    journal.sync()
    assert storage.writes == writes + 1
    assert (journal.dirty, journal.hard_state_dirty) == (False, False)
    restarted = Journal(storage)
    assert indexes(restarted[0:]) == list(range(3, 20))
    assert (restarted.getCurrentTerm(), restarted.getVotedForNodeId()) == (2, "n1")
    assert restarted.base_members == b"members"


def test_a_clean_journal_writes_nothing() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    writes = storage.writes
    journal.sync()
    journal.setCurrentTerm(1, None)
    journal.onOneSecondTimer()
    journal.sync()
    assert storage.writes == writes


def test_a_moved_commit_index_waits_for_the_next_write() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.setRaftCommitIndex(7)
    assert not journal.dirty
    journal.sync()
    assert Journal(storage).getRaftCommitIndex() == 1
    journal.add(*an_entry(11))
    journal.sync()
    assert Journal(storage).getRaftCommitIndex() == 7


def test_term_and_vote_are_durable_after_a_sync_only() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=1)
    journal.setCurrentTerm(5, "n3")
    restarted = Journal(storage)
    assert (restarted.getCurrentTerm(), restarted.getVotedForNodeId()) == (1, None)
    journal.sync()
    restarted = Journal(storage)
    assert (restarted.getCurrentTerm(), restarted.getVotedForNodeId()) == (5, "n3")


def test_a_crash_loses_what_was_not_synced_and_nothing_else() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(*an_entry(11))
    journal.deleteEntriesFrom(6)
    storage.crash()
    assert indexes(Journal(storage)[0:]) == list(range(1, 11))


@pytest.mark.parametrize("seed", range(8))
def test_a_crash_inside_a_write_keeps_all_of_it_or_nothing(seed: int) -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.deleteEntriesFrom(5)
    journal.add(*an_entry(6, term=2))
    journal.setCurrentTerm(2, "n1")
    storage.interrupt_next()
    with pytest.raises(PowerLost):
        journal.sync()
    storage.crash(Random(seed))
    restarted = Journal(storage)
    state = (
        restarted.last_index,
        restarted.last_term,
        restarted.getCurrentTerm(),
        restarted.getVotedForNodeId(),
    )
    assert state in {(10, 1, 1, None), (6, 2, 2, "n1")}


# When the disk refuses.


def test_a_full_disk_keeps_everything_pending_for_a_later_sync() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.deleteEntriesFrom(8)
    journal.add(*an_entry(9, term=2))
    journal.setCurrentTerm(2, "n1")
    storage.is_full = True
    for _ in range(3):
        with pytest.raises(LogStorageFull):
            journal.sync()
        assert journal.dirty
    assert indexes(Journal(storage)[0:]) == list(range(1, 11))
    storage.is_full = False
    journal.add(*an_entry(10, term=2))
    journal.sync()
    restarted = Journal(storage)
    assert list(restarted[7:]) == [an_entry(8), an_entry(9, 2), an_entry(10, 2)]
    assert restarted.getVotedForNodeId() == "n1"


def test_a_full_disk_still_takes_a_vote_but_not_the_commit_index_of_pending_entries() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.deleteEntriesFrom(5)
    for index in range(6, 10):
        journal.add(*an_entry(index, term=2))
    journal.setRaftCommitIndex(9)
    journal.setCurrentTerm(2, "n1")
    storage.is_full = True
    with pytest.raises(LogStorageFull):
        journal.sync()
    assert (journal.dirty, journal.hard_state_dirty) == (True, False)
    storage.crash()
    restarted = Journal(storage)
    assert (restarted.getCurrentTerm(), restarted.getVotedForNodeId()) == (2, "n1")
    # Entries 6 to 9 are still those of term 1, which nobody committed.
    assert restarted.term_at(9) == 1
    assert restarted.getRaftCommitIndex() == 1


def test_a_disk_too_full_for_a_vote_keeps_it_pending() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(*an_entry(11))
    journal.setCurrentTerm(2, "n1")
    storage.fail_next("full")
    storage.fail_next("full")
    with pytest.raises(LogStorageFull):
        journal.sync()
    assert (journal.dirty, journal.hard_state_dirty) == (True, True)
    journal.sync()
    assert Journal(storage).getVotedForNodeId() == "n1"


def test_a_failed_write_is_never_tried_again() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(*an_entry(11))
    storage.fail_next("failed")
    with pytest.raises(LogStorageFailed):
        journal.sync()
    storage.write = None  # type: ignore[method-assign, assignment]
    with pytest.raises(LogStorageFailed):
        journal.sync()


def test_a_stored_log_with_a_hole_is_refused() -> None:
    storage = CrashLog()
    a_journal(storage, entries=10)
    del storage._entries[4]
    storage._entries.append(an_entry(11))
    with pytest.raises(LogStorageFailed):
        Journal(storage)


def test_a_lost_entry_is_noticed_when_it_is_read() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=100, tail_entries=4)
    storage._entries.clear()
    with pytest.raises(LogStorageFailed, match="entry 51"):
        journal[50]


# What Raft rules out.


@pytest.mark.parametrize("index", [9, 10, 12, 1])
def test_an_entry_out_of_sequence_is_a_programmer_error(index: int) -> None:
    journal = a_journal(entries=10)
    with pytest.raises(AssertionError):
        journal.add(b"\x00", index, 1)
    assert journal.last_index == 10


def test_an_entry_of_an_older_term_is_a_programmer_error() -> None:
    journal = a_journal(entries=10)
    journal.add(*an_entry(11, term=5))
    with pytest.raises(AssertionError):
        journal.add(*an_entry(12, term=4))


@pytest.mark.parametrize("index", [1, 2, 5])
def test_truncating_a_committed_entry_is_a_safety_violation_and_removes_nothing(index: int) -> None:
    journal = a_journal(entries=10)
    journal.setRaftCommitIndex(5)
    with pytest.raises(CommittedEntryTruncated):
        journal.deleteEntriesFrom(index - 1)
    assert journal.last_index == 10
    journal.deleteEntriesFrom(5)
    assert journal.last_index == 5


def test_the_commit_index_guards_after_a_restart_too() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.setRaftCommitIndex(5)
    journal.add(*an_entry(11))
    journal.sync()
    with pytest.raises(CommittedEntryTruncated):
        Journal(storage).deleteEntriesFrom(4)


@pytest.mark.parametrize("index", [18, 19, 20])
def test_truncating_at_or_below_the_compaction_base_is_a_safety_violation(index: int) -> None:
    journal = a_journal(entries=50)
    journal.compact(20, b"")
    with pytest.raises(CommittedEntryTruncated):
        journal.deleteEntriesFrom(index - 20)


def test_clearing_a_log_is_a_safety_violation_unless_there_is_none() -> None:
    a_journal().clear()
    journal = a_journal(entries=2)
    with pytest.raises(CommittedEntryTruncated):
        journal.clear()
    assert len(journal) == 2


def test_resetting_below_the_commit_index_is_a_safety_violation() -> None:
    journal = a_journal(entries=10)
    journal.setRaftCommitIndex(6)
    with pytest.raises(CommittedEntryTruncated):
        journal.reset(5, 1, b"")
    journal.reset(6, 1, b"")
    assert len(journal) == 1


def test_a_term_never_goes_back() -> None:
    journal = a_journal()
    journal.setCurrentTerm(5, None)
    with pytest.raises(AssertionError):
        journal.setCurrentTerm(4, None)


@pytest.mark.parametrize("other", ["n2", None])
def test_a_vote_is_given_once_per_term(other: str | None) -> None:
    journal = a_journal()
    journal.setCurrentTerm(5, "n1")
    with pytest.raises(AssertionError):
        journal.setCurrentTerm(5, other)
    journal.setCurrentTerm(6, other)
    assert journal.getVotedForNodeId() == other


def test_the_commit_index_never_moves_back_nor_past_the_end() -> None:
    journal = a_journal(entries=10)
    journal.setRaftCommitIndex(7)
    journal.setRaftCommitIndex(3)
    assert journal.getRaftCommitIndex() == 7
    journal.setRaftCommitIndex(99)
    assert journal.getRaftCommitIndex() == 10
    journal.add(*an_entry(11))
    assert journal.getRaftCommitIndex() == 10


# Truncation, compaction, reset.


def test_truncation_below_the_tail_in_memory_leaves_a_readable_log() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=100, tail_entries=4)
    journal.deleteEntriesFrom(20)
    assert (journal.last_index, journal.last_term, journal[-1]) == (20, 1, an_entry(20))
    journal.add(*an_entry(21, term=3))
    assert journal[19:22] == [an_entry(20), an_entry(21, 3)]
    journal.sync()
    assert indexes(Journal(storage)[0:]) == list(range(1, 22))


def test_truncating_twice_before_a_sync_keeps_the_lower_one() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.deleteEntriesFrom(8)
    journal.add(*an_entry(9, 2))
    journal.deleteEntriesFrom(4)
    journal.add(*an_entry(5, 3))
    journal.sync()
    assert list(Journal(storage)[3:]) == [an_entry(4), an_entry(5, 3)]


def test_truncating_what_was_never_durable_leaves_storage_alone() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(*an_entry(11))
    journal.deleteEntriesFrom(10)
    journal.sync()
    assert Journal(storage).last_index == 10


def test_truncating_past_the_end_does_nothing() -> None:
    journal = a_journal(entries=10)
    journal.deleteEntriesFrom(10)
    assert not journal.dirty
    assert journal.last_index == 10


@pytest.mark.parametrize("upto", [2, 50, 97, 99, 100])
def test_compaction_keeps_its_own_index_as_the_first_entry(upto: int) -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=100, tail_entries=4)
    journal.compact(upto, b"members")
    for candidate in (journal, None):
        if candidate is None:
            journal.sync()
            candidate = Journal(storage)
        assert (candidate.first_index, candidate[0]) == (upto, an_entry(upto))
        assert indexes(candidate[0:]) == list(range(upto, 101))
        assert candidate.base_members == b"members"
        assert candidate.getRaftCommitIndex() >= upto


def test_compacting_at_or_below_the_first_entry_does_nothing() -> None:
    journal = a_journal(entries=10)
    journal.compact(1, b"other")
    assert not journal.dirty
    assert journal.base_members == b""


def test_compacting_past_the_end_is_a_programmer_error() -> None:
    with pytest.raises(AssertionError):
        a_journal(entries=10).compact(11, b"")


def test_compacting_past_what_is_durable_replaces_the_stored_log() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    for index in range(11, 21):
        journal.add(*an_entry(index))
    journal.compact(15, b"members")
    journal.sync()
    assert indexes(Journal(storage)[0:]) == list(range(15, 21))


def test_stock_compaction_is_refused_when_it_would_lose_a_membership_change() -> None:
    journal = a_journal(entries=10)
    journal.add(b"\x02add n4", 11, 1)
    journal.add(*an_entry(12))
    journal.deleteEntriesTo(5)
    assert journal.first_index == 6
    with pytest.raises(AssertionError):
        journal.deleteEntriesTo(6)


def test_a_reset_log_is_one_placeholder_and_goes_on_from_there() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(b"\x02add n4", 11, 1)
    journal.reset(500, 7, b"members")
    assert list(journal[0:]) == [(NO_OP, 500, 7)]
    assert (journal.getRaftCommitIndex(), journal.membership_entries()) == (500, ())
    journal.add(*an_entry(501, 7))
    journal.sync()
    restarted = Journal(storage)
    assert list(restarted[0:]) == [(NO_OP, 500, 7), an_entry(501, 7)]
    assert (restarted.base_members, restarted.getRaftCommitIndex()) == (b"members", 500)


def test_a_new_log_is_given_its_first_members_by_a_reset() -> None:
    storage = CrashLog()
    journal = a_journal(storage)
    journal.reset(1, 0, b"n1")
    journal.sync()
    restarted = Journal(storage)
    assert list(restarted[0:]) == [(NO_OP, 1, 0)]
    assert restarted.base_members == b"n1"


def test_a_reset_that_was_not_synced_did_not_happen() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.reset(500, 7, b"members")
    storage.crash()
    assert indexes(Journal(storage)[0:]) == list(range(1, 11))


# Membership, terms, sizes.


def test_membership_entries_follow_adding_truncating_and_compacting() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=4)
    first, second, third = ((b"\x02change", index, 1) for index in (5, 6, 7))
    for entry in (first, second, third):
        journal.add(*entry)
    assert journal.membership_entries() == (first, second, third)
    journal.deleteEntriesFrom(6)
    assert journal.membership_entries() == (first, second)
    journal.compact(6, b"after the first")
    assert journal.membership_entries() == (second,)
    journal.sync()
    assert Journal(storage).membership_entries() == (second,)


def test_the_term_of_every_entry_held_is_known_without_reading() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10, tail_entries=2)
    for index in range(11, 31):
        journal.add(*an_entry(index, term=index // 10 * 2))
    journal.sync()
    for candidate in (journal, Journal(storage, tail_entries=2)):
        storage_read, storage.read = storage.read, None  # type: ignore[method-assign, assignment]
        assert [candidate.term_at(index) for index in (0, 1, 2, 10, 11, 19, 20, 29, 30, 31)] == [
            None, 0, 1, 1, 2, 2, 4, 4, 6, None,
        ]  # fmt: skip
        assert [candidate.term_start(index) for index in (1, 2, 10, 19, 25, 30, 31)] == [
            1,
            2,
            2,
            11,
            20,
            30,
            None,
        ]
        storage.read = storage_read  # type: ignore[method-assign]
    journal.compact(15, b"")
    assert (journal.term_at(14), journal.term_at(15), journal.term_start(19)) == (None, 2, 15)
    journal.deleteEntriesFrom(22 - 15)
    assert (journal.last_term, journal.term_at(21), journal.term_at(22)) == (4, 4, None)


def test_the_size_is_the_sum_of_the_commands_held() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=100, tail_entries=4)

    def is_exact() -> bool:
        return journal.size_bytes == sum(len(command) for command, _, _ in journal[0:])

    assert is_exact()
    journal.deleteEntriesFrom(60)
    assert is_exact()
    journal.compact(40, b"")
    assert is_exact()
    journal.sync()
    assert Journal(storage).size_bytes == journal.size_bytes
    journal.reset(100, 1, b"")
    assert is_exact()


# Slices, as pysyncobj uses them.


def test_a_short_slice_of_the_tail_is_a_list_that_later_changes_leave_alone() -> None:
    journal = a_journal(entries=10)
    taken = journal[4:8]
    journal.deleteEntriesFrom(5)
    assert taken == list(map(an_entry, (5, 6, 7, 8)))


def test_a_long_slice_is_a_view_that_reads_in_blocks() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=2000, tail_entries=10, block_bytes=1000)
    reads: list[int] = []
    read = storage.read

    def counted_read(start: int, stop: int, max_bytes: int) -> list[Entry]:
        entries = read(start, stop, max_bytes)
        reads.append(len(entries))
        return entries

    storage.read = counted_read  # type: ignore[method-assign]
    view = journal[0:]
    assert isinstance(view, LogView)
    assert (len(view), bool(view), reads) == (2000, True, [])
    assert indexes(view) == list(range(1, 2001))
    assert max(reads) <= 1000 // len(an_entry(1)[0]) + 1
    assert len(reads) < 50


def test_taking_a_batch_by_size_reads_it_once() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=2000, tail_entries=10)
    reads: list[int] = []
    read = storage.read

    def counted_read(start: int, stop: int, max_bytes: int) -> list[Entry]:
        reads.append(start)
        return read(start, stop, max_bytes)

    storage.read = counted_read  # type: ignore[method-assign]
    # As SyncObj.__getEntries does.
    result = journal[100:]
    total, i = 0, 0
    for i, entry in enumerate(result):  # noqa: B007  # pysyncobj's own loop
        total += len(entry[0])
        if total >= 5000:
            break
    batch = result[: i + 1]
    assert indexes(batch) == list(range(101, 101 + len(batch)))
    assert (batch[-1][1], len(reads)) == (101 + i, 1)


@pytest.mark.parametrize("tail_entries", [10, 4096])
@pytest.mark.parametrize("start", [0, 3, 1500, 1990, 1999, 2000, 2100])
def test_a_view_is_the_same_sequence_as_the_list_it_stands_for(start: int, tail_entries: int) -> None:
    journal = a_journal(entries=2000, tail_entries=tail_entries, block_bytes=700)
    model = [(NO_OP, 1, 0), *map(an_entry, range(2, 2001))][start:]
    view = journal[start:]
    assert list(view) == model
    assert list(reversed(view)) == model[::-1]
    assert list(reversed(view[1:])) == model[1:][::-1]
    assert (len(view), bool(view)) == (len(model), bool(model))
    for stop in (0, 1, 2, 5, 300, 5000, -1, -3):
        assert list(view[:stop]) == model[:stop]
        assert list(view[1:stop]) == model[1:stop]
    for position in (0, 1, len(model) // 2, len(model) - 1, -1, -2):
        if -len(model) <= position < len(model):
            assert view[position] == model[position]
        else:
            with pytest.raises(IndexError):
                view[position]


def test_entries_are_taken_by_index_and_clamped_to_what_is_held() -> None:
    journal = a_journal(entries=50)
    journal.compact(10, b"")
    assert indexes(journal.entries(0, 13)) == [10, 11, 12]
    assert indexes(journal.entries(48, 99)) == [48, 49, 50]
    assert list(journal.entries(60, 70)) == []
    assert list(journal.entries(1, 5)) == []


def truncate(journal: Journal) -> None:
    journal.deleteEntriesFrom(900)


def reset(journal: Journal) -> None:
    journal.reset(2000, 2, b"")


def compact(journal: Journal) -> None:
    journal.compact(500, b"")


@pytest.mark.parametrize("change", [truncate, reset, compact])
def test_a_view_does_not_survive_the_removal_of_its_entries(change: Callable[[Journal], None]) -> None:
    journal = a_journal(entries=1000, tail_entries=10, block_bytes=100)
    view = journal[0:]
    first = view[0]
    change(journal)
    assert view[0] == first
    with pytest.raises(AssertionError):
        list(view)


def test_closing_the_journal_closes_its_storage_and_writes_nothing() -> None:
    storage = CrashLog()
    journal = a_journal(storage, entries=10)
    journal.add(*an_entry(11))
    journal._destroy()
    assert storage.is_closed
    assert Journal(storage).last_index == 10

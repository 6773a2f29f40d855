"""Random use of a journal, restarts and crashes included, against a list and what of it was synced."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.log_types import CommittedEntryTruncated, LogStorageFailed, LogStorageFull
from cluster.raft.types import NO_OP, Entry
from tests.simulation.crash_log import CrashLog, PowerLost

COMMANDS = st.one_of(
    st.binary(max_size=40).map(lambda payload: b"\x00" + payload),
    st.binary(max_size=10).map(lambda payload: b"\x02" + payload),
    st.integers(0, 9000).map(lambda size: b"\x00" * size + b"\x00"),
)


@dataclass(frozen=True)
class Model:
    """What a journal holds, as plain values."""

    log: tuple[Entry, ...] = field(default=((NO_OP, 1, 0),))
    term: int = 0
    voted_for: str | None = None
    commit_index: int = 1
    base_members: bytes = b""

    @property
    def first_index(self) -> int:
        return self.log[0][1]

    @property
    def last_index(self) -> int:
        return self.log[-1][1]


class JournalMachine(RuleBasedStateMachine):
    """`now` is what the journal must hold, `stored` what a crash must leave of it."""

    journal: Journal

    def open_storage(self) -> CrashLog | LmdbLog:
        raise NotImplementedError

    def open(self) -> None:
        self.storage = self.open_storage()
        self.journal = Journal(self.storage, tail_entries=5, tail_bytes=5000, block_bytes=300)

    @initialize()
    def begin(self) -> None:
        self.open()
        self.journal.add(NO_OP, 1, 0)
        self.journal.sync()
        self.now = self.stored = Model()

    @rule(commands=st.lists(COMMANDS, min_size=1, max_size=12), new_term=st.booleans())
    def add(self, commands: list[bytes], new_term: bool) -> None:
        if new_term:
            self.vote(None, 1)
        for command in commands:
            entry = (command, self.now.last_index + 1, max(self.now.term, self.now.log[-1][2]))
            self.journal.add(*entry)
            self.now = replace(self.now, log=(*self.now.log, entry))

    @rule(voted_for=st.sampled_from([None, "n1", "n2"]), ahead=st.integers(1, 3))
    def vote(self, voted_for: str | None, ahead: int) -> None:
        term = max(self.now.term, self.now.log[-1][2]) + ahead
        self.journal.setCurrentTerm(term, voted_for)
        assert self.journal.hard_state_dirty
        self.now = replace(self.now, term=term, voted_for=voted_for)

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, self.now.last_index + 2))
        self.journal.setRaftCommitIndex(index)
        reached = max(self.now.commit_index, min(index, self.now.last_index))
        self.now = replace(self.now, commit_index=reached)

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(self.now.log) + 1))
        index = self.now.first_index + position
        if index <= self.now.last_index and index <= max(self.now.commit_index, self.now.first_index):
            with pytest.raises(CommittedEntryTruncated):
                self.journal.deleteEntriesFrom(position)
        else:
            self.journal.deleteEntriesFrom(position)
            self.now = replace(self.now, log=self.now.log[:position])

    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        upto = data.draw(st.integers(max(1, self.now.first_index - 1), self.now.last_index))
        members = b"members at %d" % upto
        self.journal.compact(upto, members)
        if upto > self.now.first_index:
            self.now = replace(
                self.now,
                log=self.now.log[upto - self.now.first_index :],
                commit_index=max(self.now.commit_index, upto),
                base_members=members,
            )

    @rule(ahead=st.integers(-3, 20))
    def reset(self, ahead: int) -> None:
        index, term = self.now.commit_index + ahead, self.now.log[-1][2]
        if index < self.now.commit_index:
            with pytest.raises(CommittedEntryTruncated):
                self.journal.reset(index, term, b"")
            return
        self.journal.reset(index, term, b"members of the snapshot")
        self.now = replace(
            self.now, log=((NO_OP, index, term),), commit_index=index, base_members=b"members of the snapshot"
        )

    @rule()
    def sync(self) -> None:
        if self.journal.dirty:
            self.stored = self.now
        self.journal.sync()
        assert not self.journal.dirty

    @rule()
    def crash(self) -> None:
        self.open()
        self.now = self.stored

    @invariant()
    def the_journal_holds_what_the_model_holds(self) -> None:
        journal, now = self.journal, self.now
        assert list(journal[0:]) == list(now.log)
        assert len(journal) == len(now.log)
        assert (journal[0], journal[-1]) == (now.log[0], now.log[-1])
        assert (journal.first_index, journal.last_index) == (now.first_index, now.last_index)
        assert journal.last_term == now.log[-1][2]
        assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (now.term, now.voted_for)
        assert journal.getRaftCommitIndex() == now.commit_index
        assert journal.base_members == now.base_members
        assert journal.membership_entries() == tuple(entry for entry in now.log if entry[0][:1] == b"\x02")
        assert journal.size_bytes == sum(len(command) for command, _, _ in now.log)

    @invariant()
    def every_position_and_term_is_found_singly(self) -> None:
        for position in range(0, len(self.now.log), 3):
            entry = self.now.log[position]
            assert self.journal[position] == entry
            assert self.journal.term_at(entry[1]) == entry[2]
            start = next(other[1] for other in self.now.log if other[2] == entry[2])
            assert self.journal.term_start(entry[1]) == start

    @invariant()
    def what_a_restart_would_find_is_what_was_synced(self) -> None:
        stored = self.storage.load()
        assert (stored.first_index, stored.last_index) == (self.stored.first_index, self.stored.last_index)
        assert (stored.term, stored.voted_for) == (self.stored.term, self.stored.voted_for)


class SimulatedJournalMachine(JournalMachine):
    """On the simulation's storage, which can also fail and stop halfway."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = CrashLog()

    def open_storage(self) -> CrashLog:
        self.disk.crash()
        return self.disk

    def has_pending_entries(self) -> bool:
        return self.journal.durable_index < self.journal.last_index

    @precondition(lambda self: self.journal.dirty)
    @rule()
    def sync_on_a_full_disk(self) -> None:
        self.disk.is_full = True
        with pytest.raises(LogStorageFull) if self.has_pending_entries() else nullcontext():
            self.journal.sync()
        self.disk.is_full = False
        assert not self.journal.hard_state_dirty
        if self.journal.dirty:
            self.stored = replace(self.stored, term=self.now.term, voted_for=self.now.voted_for)
        else:
            self.stored = self.now

    @precondition(lambda self: self.journal.dirty)
    @rule(seed=st.integers(0, 1000), kind=st.sampled_from(["failed", "interrupted"]))
    def lose_power_while_syncing(self, seed: int, kind: str) -> None:
        if kind == "failed":
            self.disk.fail_next("failed")
        else:
            self.disk.interrupt_next()
        with pytest.raises((LogStorageFailed, PowerLost)):
            self.journal.sync()
        is_kept = Random(seed).random() < 0.5
        self.disk.crash(Random(seed))
        if is_kept:
            self.stored = self.now
        self.crash()


class LmdbJournalMachine(JournalMachine):
    """On LMDB. A crash is a close, which writes nothing; real kills are in the integration tests."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="journal-"))
        self.opened: LmdbLog | None = None

    def open_storage(self) -> LmdbLog:
        if self.opened is not None:
            self.opened.close()
        self.opened = LmdbLog(self.path, reserve_bytes=0, growth_bytes=0)
        return self.opened

    def teardown(self) -> None:
        if self.opened is not None:
            self.opened.close()
        shutil.rmtree(self.path)


def test_the_journal_is_a_list_that_survives_crashes_on_the_simulated_disk() -> None:
    run_state_machine_as_test(
        SimulatedJournalMachine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None)
    )


def test_the_journal_is_a_list_that_survives_crashes_on_lmdb() -> None:
    run_state_machine_as_test(
        LmdbJournalMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )

"""What every log storage promises, the one on LMDB and the one of the simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from cluster.raft.log_storage import LmdbLog
from cluster.raft.log_types import LogBatch, LogStorage, StoredLog
from cluster.raft.types import NO_OP, Entry
from tests.simulation.crash_log import CrashLog


class Restart(Protocol):
    """Ends the process that holds the storage, if any, and opens what it left behind."""

    def __call__(self) -> LogStorage: ...


@pytest.fixture
def lmdb_restart(tmp_path: Path) -> Iterator[Restart]:
    opened: list[LmdbLog] = []

    def restart() -> LogStorage:
        if opened:
            opened.pop().close()
        opened.append(LmdbLog(tmp_path / "log", reserve_bytes=0))
        return opened[0]

    yield restart
    for storage in opened:
        storage.close()


@pytest.fixture
def simulated_restart() -> Restart:
    storage = CrashLog()

    def restart() -> LogStorage:
        storage.crash()
        return storage

    return restart


@pytest.fixture(params=["lmdb", "simulated"])
def restart(request: pytest.FixtureRequest) -> Restart:
    opener: Restart = request.getfixturevalue(f"{request.param}_restart")
    return opener


def an_entry(index: int, *, term: int = 1, command: bytes | None = None) -> Entry:
    return (b"\x00command %d" % index if command is None else command, index, term)


def some_entries(start: int, stop: int, *, term: int = 1) -> tuple[Entry, ...]:
    return tuple(an_entry(index, term=term) for index in range(start, stop))


def a_batch(
    *entries: Entry,
    reset: bool = False,
    truncate_from: int | None = None,
    compact_to: int | None = None,
    base_members: bytes | None = None,
    term: int = 1,
    voted_for: str | None = None,
    commit_index: int = 0,
) -> LogBatch:
    return LogBatch(
        reset=reset,
        truncate_from=truncate_from,
        entries=entries,
        compact_to=compact_to,
        base_members=base_members,
        term=term,
        voted_for=voted_for,
        commit_index=commit_index,
    )


def held(storage: LogStorage) -> list[Entry]:
    stored = storage.load()
    return storage.read(stored.first_index, stored.last_index + 1, 1 << 30)


def test_an_unused_storage_holds_no_log(restart: Restart) -> None:
    assert restart().load() == StoredLog()


def test_a_written_batch_is_there_after_a_restart(restart: Restart) -> None:
    restart().write(
        a_batch(*some_entries(1, 4), term=7, voted_for="n2", commit_index=2, base_members=b"three of us")
    )
    storage = restart()
    assert storage.load() == StoredLog(
        first_index=1, last_index=3, term=7, voted_for="n2", commit_index=2, base_members=b"three of us"
    )
    assert held(storage) == list(some_entries(1, 4))


def test_term_and_vote_are_written_without_entries(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 3), term=1, voted_for="n1"))
    storage.write(a_batch(term=2, voted_for=None))
    stored = restart().load()
    assert (stored.term, stored.voted_for, stored.last_index) == (2, None, 2)


@pytest.mark.parametrize("vote", ["", "n1", "knoten-ü", "n" * 500])
def test_every_node_id_can_be_voted_for(restart: Restart, vote: str) -> None:
    restart().write(a_batch(voted_for=vote))
    assert restart().load().voted_for == vote


def test_the_base_members_stay_until_others_are_given(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(base_members=b"first"))
    storage.write(a_batch(*some_entries(1, 2)))
    assert restart().load().base_members == b"first"
    restart().write(a_batch(base_members=b""))
    assert restart().load().base_members == b""


def test_truncation_drops_the_tail_and_the_same_batch_appends_another(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 10)))
    storage.write(a_batch(*some_entries(5, 7, term=2), truncate_from=5, term=2))
    storage = restart()
    assert held(storage) == [*some_entries(1, 5), *some_entries(5, 7, term=2)]


def test_truncation_of_the_whole_tail_leaves_the_rest(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 6)))
    storage.write(a_batch(truncate_from=2))
    assert held(restart()) == list(some_entries(1, 2))


def test_truncation_beyond_the_end_changes_nothing(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 6)))
    storage.write(a_batch(truncate_from=6))
    assert held(restart()) == list(some_entries(1, 6))


def test_compaction_drops_what_is_below_and_keeps_its_own_index(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 10)))
    storage.write(a_batch(compact_to=6, base_members=b"as of six"))
    storage = restart()
    assert held(storage) == list(some_entries(6, 10))
    stored = storage.load()
    assert (stored.first_index, stored.base_members) == (6, b"as of six")


def test_compaction_up_to_the_last_entry_leaves_that_one(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 10)))
    storage.write(a_batch(compact_to=9))
    storage.write(a_batch(compact_to=3))
    assert held(restart()) == [an_entry(9)]


def test_one_batch_appends_before_it_compacts(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 4)))
    storage.write(a_batch(*some_entries(4, 9), compact_to=7))
    assert held(restart()) == list(some_entries(7, 9))


def test_a_reset_replaces_the_log_by_the_entries_of_its_batch(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 4), an_entry(4, command=b"\x02add n4"), base_members=b"old"))
    storage.write(a_batch((NO_OP, 100, 8), reset=True, base_members=b"new", term=9, commit_index=100))
    storage = restart()
    assert held(storage) == [(NO_OP, 100, 8)]
    assert storage.load() == StoredLog(
        first_index=100, last_index=100, term=9, commit_index=100, base_members=b"new"
    )
    storage.write(a_batch(an_entry(101), term=9))
    assert held(restart()) == [(NO_OP, 100, 8), an_entry(101)]


def test_membership_entries_are_loaded_in_order(restart: Restart) -> None:
    add, remove = an_entry(2, command=b"\x02add n4"), an_entry(4, command=b"\x02remove n4")
    restart().write(a_batch(an_entry(1), add, an_entry(3), remove))
    assert restart().load().membership == (add, remove)


def test_truncation_and_compaction_take_membership_entries_with_them(restart: Restart) -> None:
    changes = [an_entry(index, command=b"\x02change %d" % index) for index in range(1, 9)]
    storage = restart()
    storage.write(a_batch(*changes))
    storage.write(a_batch(truncate_from=7, compact_to=3))
    assert restart().load().membership == tuple(changes[2:6])


def test_a_read_stops_before_its_end_and_at_the_last_entry(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 10)))
    assert storage.read(3, 6, 1 << 20) == list(some_entries(3, 6))
    assert storage.read(8, 99, 1 << 20) == list(some_entries(8, 10))
    assert storage.read(4, 4, 1 << 20) == []
    assert storage.read(5, 4, 1 << 20) == []


def test_a_read_of_an_entry_not_held_returns_none(restart: Restart) -> None:
    storage = restart()
    assert storage.read(1, 5, 1 << 20) == []
    storage.write(a_batch(*some_entries(1, 10)))
    storage.write(a_batch(compact_to=5))
    assert storage.read(4, 8, 1 << 20) == []
    assert storage.read(10, 12, 1 << 20) == []


@pytest.mark.parametrize(
    ("max_bytes", "count"), [(0, 1), (1, 1), (100, 1), (199, 1), (200, 2), (350, 3), (1000, 5)]
)
def test_a_read_returns_no_more_bytes_than_asked_but_at_least_one_entry(
    restart: Restart, max_bytes: int, count: int
) -> None:
    storage = restart()
    storage.write(a_batch(*(an_entry(index, command=b"\x00" * 100) for index in range(1, 6))))
    assert len(storage.read(1, 6, max_bytes)) == count


@pytest.mark.parametrize("size", [1, 2, 100, 2020, 2030, 2040, 4080, 4096, 10_000, 262_144, 1_000_000])
def test_commands_of_every_size_come_back_whole(restart: Restart, size: int) -> None:
    command = bytes(index % 251 for index in range(size))
    restart().write(a_batch(an_entry(1), an_entry(2, command=command), an_entry(3)))
    storage = restart()
    assert storage.read(2, 3, 1)[0][0] == command
    assert type(storage.read(2, 3, 1)[0][0]) is bytes


def test_indexes_and_terms_beyond_four_billion_are_held(restart: Restart) -> None:
    index, term = 2**40, 2**33
    restart().write(a_batch((NO_OP, index, term), reset=True, term=term, commit_index=index))
    storage = restart()
    assert held(storage) == [(NO_OP, index, term)]
    assert (storage.load().term, storage.load().commit_index) == (term, index)


def leaves_a_gap(storage: LogStorage) -> None:
    storage.write(a_batch(an_entry(6)))


def repeats_an_entry(storage: LogStorage) -> None:
    storage.write(a_batch(an_entry(4)))


def jumps_within_a_batch(storage: LogStorage) -> None:
    storage.write(a_batch(an_entry(5), an_entry(7)))


def compacts_everything_away(storage: LogStorage) -> None:
    storage.write(a_batch(compact_to=5))


@pytest.mark.parametrize(
    "mistake", [leaves_a_gap, repeats_an_entry, jumps_within_a_batch, compacts_everything_away]
)
def test_a_batch_that_would_break_the_sequence_is_refused_whole(
    restart: Restart, mistake: Callable[[LogStorage], None]
) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 5)))
    with pytest.raises(AssertionError):
        mistake(storage)
    assert held(restart()) == list(some_entries(1, 5))


def test_closing_twice_does_no_harm(restart: Restart) -> None:
    storage = restart()
    storage.write(a_batch(*some_entries(1, 3)))
    storage.close()
    storage.close()
    assert held(restart()) == list(some_entries(1, 3))

"""What every store does: the one on disk, and the one in memory that the simulation runs on."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.encoding import pack
from cluster.store import Committed, ReadTxn, SnapshotCorrupt, SnapshotSource, Store, StoreFull
from cluster.store.batched import CHECKPOINT_EVERY, CHECKPOINTS_KEPT, SCHEMA_KEY, BatchedStore
from cluster.store.lmdb_store import LmdbStore
from cluster.store.protocol import CHANGES_MAX
from cluster.store.tables import CLIENTS, KEY_BYTES_MAX, NODES, SCHEMA_VERSION, SERVICES, SETTINGS, Table
from tests.simulation.memory_store import MemoryStore

WAIT_S = 30


class Harness:
    """Opens stores of one kind, each in a place of its own."""

    def open(self) -> BatchedStore:
        raise NotImplementedError

    def reopen(self, store: BatchedStore) -> BatchedStore:
        raise NotImplementedError

    def set_full(self, store: BatchedStore, is_full: bool) -> None:
        raise NotImplementedError

    def snapshot(self, store: Store) -> SnapshotSource:
        raise NotImplementedError


class MemoryHarness(Harness):
    def open(self) -> MemoryStore:
        return MemoryStore()

    def reopen(self, store: BatchedStore) -> MemoryStore:
        assert isinstance(store, MemoryStore)
        store.sync()
        store.crash(random.Random(0))
        return store

    def set_full(self, store: BatchedStore, is_full: bool) -> None:
        assert isinstance(store, MemoryStore)
        store.full = is_full

    def snapshot(self, store: Store) -> SnapshotSource:
        store.prepare_snapshot()
        source = store.take_snapshot()
        assert source is not None
        return source


class LmdbHarness(Harness):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[LmdbStore] = []
        self._ready = threading.Event()

    def open(self) -> LmdbStore:
        return self._open_at(self._path / str(len(self._open)))

    def _open_at(self, path: Path) -> LmdbStore:
        store = LmdbStore(path, reserve_bytes=0, on_snapshot_ready=self._ready.set)
        self._open.append(store)
        return store

    def reopen(self, store: BatchedStore) -> LmdbStore:
        assert isinstance(store, LmdbStore)
        store.close()
        return self._open_at(store.path)

    def set_full(self, store: BatchedStore, is_full: bool) -> None:
        assert isinstance(store, LmdbStore)
        store._reserve_bytes = 2**62 if is_full else 0

    def snapshot(self, store: Store) -> SnapshotSource:
        self._ready.clear()
        store.prepare_snapshot()
        assert self._ready.wait(WAIT_S)
        source = store.take_snapshot()
        assert source is not None
        return source

    def close(self) -> None:
        for store in self._open:
            store.close()


@pytest.fixture(params=["memory", "lmdb"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    if request.param == "memory":
        yield MemoryHarness()
        return
    lmdb_harness = LmdbHarness(tmp_path)
    yield lmdb_harness
    lmdb_harness.close()


def put(store: Store, table: Table, key: bytes, value: bytes | None, *, outcome: bytes = b"ok") -> None:
    """Apply an entry that writes one record."""
    txn = store.begin()
    if value is None:
        txn.delete(table, key)
    else:
        txn.put(table, key, value)
    store.commit(txn, store.applied.index + 1, 1, outcome)


def advance(store: Store, count: int) -> None:
    for _ in range(count):
        store.commit(store.begin(), store.applied.index + 1, 1, b"")


def read(store: Store, table: Table, key: bytes) -> bytes | None:
    with store.read() as txn:
        return txn.get(table, key)


def install(store: Store, source: SnapshotSource, *, piece: int = 4096) -> None:
    sink = store.begin_install(source.index, source.term, source.size)
    for offset in range(0, source.size, piece):
        sink.write(offset, source.read(offset, piece))
    sink.finish(source.sha256)


# The batch


def test_a_new_store_has_applied_nothing(harness: Harness) -> None:
    store = harness.open()
    assert (store.applied.index, store.applied.term, store.flushed_index) == (0, 0, 0)
    assert store.members() == b""
    assert store.checkpoint() is None
    with store.read() as txn:
        assert (txn.applied_index, txn.log_time_ms, txn.scan(SETTINGS)) == (0, 0, [])


def test_entries_see_the_batch_and_readers_see_what_is_flushed(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"1")
    assert store.begin().get(SETTINGS, b"k") == b"1"
    assert read(store, SETTINGS, b"k") is None
    store.flush()
    assert read(store, SETTINGS, b"k") == b"1"
    with store.read() as txn:
        assert txn.applied_index == store.flushed_index == 1


def test_changes_and_applied_index_survive_together(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"1")
    store.set_members(2, 3, b"members")
    store.flush()
    store.sync()
    put(store, SETTINGS, b"k", b"lost")
    applied = store.applied
    store = harness.reopen(store)
    assert (store.applied.index, store.applied.term) == (2, 3)
    assert store.applied != applied
    assert store.members() == b"members"
    assert read(store, SETTINGS, b"k") == b"1"


def test_an_entry_that_is_not_committed_leaves_nothing(harness: Harness) -> None:
    store = harness.open()
    txn = store.begin()
    txn.put(SETTINGS, b"k", b"1")
    assert store.begin().get(SETTINGS, b"k") is None
    assert store.applied.index == 0


def test_discarded_writes_of_an_entry_are_forgotten(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"old")
    txn = store.begin()
    txn.put(SETTINGS, b"k", b"new")
    txn.delete(NODES, b"n")
    txn.discard_writes()
    assert txn.get(SETTINGS, b"k") == b"old"


def test_discarding_the_batch_goes_back_to_what_is_flushed(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"1")
    store.flush()
    flushed = store.applied
    put(store, SETTINGS, b"k", b"2")
    store.discard()
    assert store.applied == flushed
    assert store.begin().get(SETTINGS, b"k") == b"1"


def test_a_deleted_record_is_gone_for_entries_and_readers(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"1")
    store.flush()
    put(store, SETTINGS, b"k", None)
    assert store.begin().get(SETTINGS, b"k") is None
    assert store.begin().scan(SETTINGS) == []
    store.flush()
    assert read(store, SETTINGS, b"k") is None


def test_flushing_nothing_is_nothing(harness: Harness) -> None:
    store = harness.open()
    seen: list[Committed] = []
    store.subscribe(seen.append)
    store.flush()
    assert seen == []


def test_an_entry_out_of_order_is_a_programmer_error(harness: Harness) -> None:
    store = harness.open()
    advance(store, 1)
    with pytest.raises(AssertionError, match="entry 3 after 1"):
        store.commit(store.begin(), 3, 1, b"")


def test_a_key_too_long_for_the_disk_is_refused_when_it_is_put(harness: Harness) -> None:
    txn = harness.open().begin()
    txn.put(SETTINGS, b"k" * KEY_BYTES_MAX, b"")
    with pytest.raises(ValueError, match="settings: a key of 481 bytes"):
        txn.put(SETTINGS, b"k" * (KEY_BYTES_MAX + 1), b"")


def test_the_longest_key_and_an_empty_value_come_back(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"\xff" * KEY_BYTES_MAX, b"")
    store.flush()
    with store.read() as txn:
        assert txn.scan(SETTINGS) == [(b"\xff" * KEY_BYTES_MAX, b"")]


# Reading

KEYS = st.binary(min_size=1, max_size=3)
OPERATIONS = st.lists(
    st.tuples(st.sampled_from("pdf"), st.sampled_from([SETTINGS, NODES]), KEYS), min_size=1, max_size=30
)


@given(
    operations=OPERATIONS,
    prefix=st.binary(max_size=2),
    after=st.none() | KEYS,
    limit=st.none() | st.integers(0, 5),
    reverse=st.booleans(),
)
def test_scans_agree_with_a_sorted_dictionary(
    operations: list[tuple[str, Table, bytes]],
    prefix: bytes,
    after: bytes | None,
    limit: int | None,
    reverse: bool,
) -> None:
    check_scans(MemoryStore(), operations, prefix, after, limit, reverse)


def test_scans_of_the_store_on_disk_agree_with_a_sorted_dictionary(tmp_path: Path) -> None:
    rng = random.Random(7)
    for number in range(60):
        store = LmdbStore(tmp_path / str(number), reserve_bytes=0)
        operations = [
            (rng.choice("ppdf"), rng.choice([SETTINGS, NODES]), rng.randbytes(rng.randint(1, 3)))
            for _ in range(30)
        ]
        operations += [("p", SETTINGS, key) for _, _, key in operations[:5]]
        check_scans(
            store,
            operations,
            rng.randbytes(rng.randint(0, 1)),
            rng.choice([None, rng.randbytes(2)]),
            rng.choice([None, 0, 1, 3]),
            rng.random() < 0.5,
        )
        store.close()


def check_scans(
    store: BatchedStore,
    operations: list[tuple[str, Table, bytes]],
    prefix: bytes,
    after: bytes | None,
    limit: int | None,
    reverse: bool,
) -> None:
    model: dict[Table, dict[bytes, bytes]] = {SETTINGS: {}, NODES: {}}

    def expected(table: Table) -> list[tuple[bytes, bytes]]:
        rows = sorted(
            (
                (key, value)
                for key, value in model[table].items()
                if key.startswith(prefix) and (after is None or (key < after if reverse else key > after))
            ),
            reverse=reverse,
        )
        return rows if limit is None else rows[:limit]

    def scan(txn: ReadTxn, table: Table) -> list[tuple[bytes, bytes]]:
        return txn.scan(table, prefix, after=after, limit=limit, reverse=reverse)

    for number, (kind, table, key) in enumerate(operations):
        if kind == "p":
            model[table][key] = b"%d" % number
            put(store, table, key, model[table][key])
        elif kind == "d":
            model[table].pop(key, None)
            put(store, table, key, None)
        else:
            store.flush()
    txn = store.begin()
    txn.put(SETTINGS, b"\x01in-entry", b"x")
    model[SETTINGS][b"\x01in-entry"] = b"x"
    for table in (SETTINGS, NODES):
        assert scan(txn, table) == expected(table)
    store.commit(txn, store.applied.index + 1, 1, b"")
    store.flush()
    with store.read() as reader:
        for table in (SETTINGS, NODES):
            assert scan(reader, table) == expected(table)


def test_a_reader_keeps_its_view_while_flushes_go_on(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"k", b"1")
    store.flush()
    with store.read() as txn:
        put(store, SETTINGS, b"k", b"2")
        put(store, SETTINGS, b"other", b"2")
        store.flush()
        assert txn.get(SETTINGS, b"k") == b"1"
        assert txn.scan(SETTINGS) == [(b"k", b"1")]
        assert txn.applied_index == 1
    assert read(store, SETTINGS, b"k") == b"2"


# Hash and checkpoints


def test_the_state_hash_does_not_depend_on_where_batches_end(harness: Harness) -> None:
    one, two = harness.open(), harness.open()
    for number in range(20):
        put(one, SETTINGS, b"%d" % (number % 3), b"%d" % number)
        put(two, SETTINGS, b"%d" % (number % 3), b"%d" % number)
        if number % 4 == 0:
            one.flush()
    two.flush()
    assert one.applied == two.applied


def test_the_state_hash_does_not_depend_on_the_order_of_writes_within_an_entry(harness: Harness) -> None:
    hashes = []
    for keys in ((b"a", b"b"), (b"b", b"a")):
        store = harness.open()
        txn = store.begin()
        for key in keys:
            txn.put(SETTINGS, key, b"v")
        store.commit(txn, 1, 1, b"")
        hashes.append(store.applied.state_hash)
    assert hashes[0] == hashes[1]


def test_the_state_hash_depends_on_all_that_makes_an_entry(harness: Harness) -> None:
    def hash_of(
        *,
        index: int = 1,
        term: int = 1,
        outcome: bytes = b"ok",
        table: Table = SETTINGS,
        key: bytes = b"k",
        value: bytes | None = b"v",
        time_ms: int = 1,
    ) -> bytes:
        store = harness.open()
        txn = store.begin()
        txn.log_time_ms = time_ms
        if value is None:
            txn.delete(table, key)
        else:
            txn.put(table, key, value)
        store.commit(txn, index, term, outcome)
        return store.applied.state_hash

    variants = [
        hash_of(),
        hash_of(index=2),
        hash_of(term=2),
        hash_of(outcome=b"no"),
        hash_of(table=NODES),
        hash_of(key=b"l"),
        hash_of(value=b"w"),
        hash_of(value=None),
        hash_of(time_ms=2),
    ]
    assert len(set(variants)) == len(variants)
    assert hash_of() == variants[0]


def test_changes_that_may_be_skipped_are_not_in_the_hash(harness: Harness) -> None:
    with_it, without = harness.open(), harness.open()
    txn = with_it.begin()
    txn.is_hashed = False
    txn.put(SETTINGS, b"k", b"v")
    with_it.commit(txn, 1, 1, b"result")
    txn = without.begin()
    txn.is_hashed = False
    without.commit(txn, 1, 1, b"skipped")
    assert with_it.applied == without.applied
    assert with_it.begin().get(SETTINGS, b"k") == b"v"


def test_hashes_are_kept_at_multiples_of_64_and_the_oldest_are_forgotten(harness: Harness) -> None:
    store = harness.open()
    hashes = {}
    for _ in range(CHECKPOINTS_KEPT + 2):
        advance(store, CHECKPOINT_EVERY)
        hashes[store.applied.index] = store.applied.state_hash
        assert store.checkpoint() == (store.applied.index, store.applied.state_hash)
    store.flush()
    advance(store, 1)
    newest = max(hashes)
    assert store.checkpoint() == (newest, hashes[newest])
    kept = [index for index in hashes if store.checkpoint_at(index) is not None]
    assert kept == list(hashes)[2:]
    assert all(store.checkpoint_at(index) == hashes[index] for index in kept)
    assert store.checkpoint_at(newest + 1) is None
    store.flush()
    store.sync()
    assert harness.reopen(store).checkpoint_at(newest) == hashes[newest]


# The feed


def test_subscribers_hear_of_changed_records_of_watched_tables_after_the_flush(harness: Harness) -> None:
    store = harness.open()
    seen: list[Committed] = []
    end = store.subscribe(seen.append)
    put(store, SETTINGS, b"k", b"1")
    put(store, SERVICES, b"s", None)
    put(store, CLIENTS, b"c", b"1")
    assert seen == []
    store.flush()
    assert seen == [Committed(3, frozenset({("settings", b"k"), ("services", b"s")}))]
    end()
    put(store, SETTINGS, b"k", b"2")
    store.flush()
    assert len(seen) == 1


def test_a_subscriber_sees_the_change_it_is_told_of(harness: Harness) -> None:
    store = harness.open()
    seen: list[bytes | None] = []
    store.subscribe(lambda _: seen.append(read(store, SETTINGS, b"k")))
    put(store, SETTINGS, b"k", b"1")
    store.flush()
    assert seen == [b"1"]


def test_too_many_changes_are_told_as_everything(harness: Harness) -> None:
    store = harness.open()
    seen: list[Committed] = []
    store.subscribe(seen.append)
    txn = store.begin()
    for number in range(CHANGES_MAX + 1):
        txn.put(SETTINGS, b"%d" % number, b"")
    store.commit(txn, 1, 1, b"")
    store.flush()
    assert seen == [Committed(1, frozenset(), is_everything=True)]


# A full disk


def test_a_full_disk_keeps_the_batch_and_a_later_flush_writes_it(harness: Harness) -> None:
    store = harness.open()
    put(store, SETTINGS, b"before", b"1")
    store.flush()
    seen: list[Committed] = []
    store.subscribe(seen.append)
    harness.set_full(store, True)
    put(store, SETTINGS, b"k", b"1")
    applied = store.applied
    for _ in range(2):
        with pytest.raises(StoreFull):
            store.flush()
    assert (store.applied, store.flushed_index, seen) == (applied, 1, [])
    assert read(store, SETTINGS, b"before") == b"1"
    assert read(store, SETTINGS, b"k") is None
    harness.set_full(store, False)
    put(store, SETTINGS, b"k2", b"2")
    store.flush()
    assert (read(store, SETTINGS, b"k"), read(store, SETTINGS, b"k2")) == (b"1", b"2")
    assert [committed.index for committed in seen] == [3]


def test_a_batch_given_up_on_a_full_disk_can_be_applied_again(harness: Harness) -> None:
    store = harness.open()
    harness.set_full(store, True)
    put(store, SETTINGS, b"k", b"1")
    applied = store.applied
    with pytest.raises(StoreFull):
        store.flush()
    store.discard()
    assert store.applied.index == 0
    harness.set_full(store, False)
    put(store, SETTINGS, b"k", b"1")
    store.flush()
    assert store.applied == applied


# Snapshots


def a_filled_store(harness: Harness, count: int = 200) -> BatchedStore:
    store = harness.open()
    for number in range(count):
        put(store, SETTINGS, b"%04d" % number, b"v" * 100)
    store.set_members(count + 1, 1, b"members")
    store.flush()
    return store


def test_a_snapshot_carries_the_whole_state(harness: Harness) -> None:
    store, other = a_filled_store(harness), harness.open()
    source = harness.snapshot(store)
    assert (source.index, source.term) == (store.applied.index, store.applied.term)
    assert source.read(0, source.size) == source.read(0, 7) + source.read(7, source.size)
    seen: list[Committed] = []
    other.subscribe(seen.append)
    install(other, source)
    source.close()
    assert other.applied == store.applied
    assert (other.members(), other.checkpoint()) == (b"members", store.checkpoint())
    with store.read() as one, other.read() as two:
        assert one.scan(SETTINGS) == two.scan(SETTINGS)
    assert seen == [Committed(201, frozenset(), is_everything=True)]
    put(other, SETTINGS, b"more", b"1")
    other.flush()
    other.sync()
    other = harness.reopen(other)
    assert other.applied.index == 202
    assert read(other, SETTINGS, b"0000") == b"v" * 100


def test_a_snapshot_is_of_what_was_flushed_when_it_was_asked_for_or_later(harness: Harness) -> None:
    store = a_filled_store(harness)
    put(store, SETTINGS, b"open", b"batch")
    source = harness.snapshot(store)
    assert source.index == store.flushed_index
    source.close()


def test_no_snapshot_is_ready_unasked_and_each_is_taken_once(harness: Harness) -> None:
    store = a_filled_store(harness)
    assert store.take_snapshot() is None
    harness.snapshot(store).close()
    assert store.take_snapshot() is None
    harness.snapshot(store).close()


def test_an_installed_snapshot_replaces_what_was_there_and_drops_the_open_batch(harness: Harness) -> None:
    store, other = a_filled_store(harness), harness.open()
    put(other, SETTINGS, b"stale", b"1")
    put(other, NODES, b"n", b"1")
    other.flush()
    put(other, SETTINGS, b"in-batch", b"1")
    source = harness.snapshot(store)
    with other.read() as old:
        install(other, source)
        assert old.get(SETTINGS, b"stale") == b"1"
        assert old.applied_index == 2
    assert other.applied == store.applied
    for key in (b"stale", b"in-batch"):
        assert other.begin().get(SETTINGS, key) is None
        assert read(other, SETTINGS, key) is None
    assert read(other, NODES, b"n") is None
    source.close()


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]


def test_a_snapshot_with_one_bit_changed_is_refused(harness: Harness) -> None:
    store, other = a_filled_store(harness), harness.open()
    put(other, SETTINGS, b"mine", b"1")
    other.flush()
    before = other.applied
    source = harness.snapshot(store)
    sink = other.begin_install(source.index, source.term, source.size)
    sink.write(0, flip(source.read(0, source.size), source.size // 2))
    with pytest.raises(SnapshotCorrupt, match="SHA-256"):
        sink.finish(source.sha256)
    sink.abort()
    assert other.applied == before
    assert read(other, SETTINGS, b"mine") == b"1"
    install(other, source)
    assert other.applied == store.applied
    source.close()


def broken_write(offset: int, length: int) -> Callable[[BatchedStore, SnapshotSource], None]:
    def write(store: BatchedStore, source: SnapshotSource) -> None:
        sink = store.begin_install(source.index, source.term, source.size)
        try:
            sink.write(0, source.read(0, 100))
            sink.write(offset, b"x" * (length or source.size))
        finally:
            sink.abort()

    return write


@pytest.mark.parametrize("write", [broken_write(50, 10), broken_write(150, 10), broken_write(100, 0)])
def test_pieces_that_do_not_fit_together_are_refused(
    harness: Harness, write: Callable[[BatchedStore, SnapshotSource], None]
) -> None:
    store, other = a_filled_store(harness), harness.open()
    source = harness.snapshot(store)
    with pytest.raises(SnapshotCorrupt, match="do not continue"):
        write(other, source)
    assert other.applied.index == 0
    source.close()


def test_a_snapshot_that_is_not_whole_is_refused(harness: Harness) -> None:
    store, other = a_filled_store(harness), harness.open()
    source = harness.snapshot(store)
    sink = other.begin_install(source.index, source.term, source.size)
    sink.write(0, source.read(0, source.size - 1))
    with pytest.raises(SnapshotCorrupt):
        sink.finish(source.sha256)
    sink.abort()
    assert other.applied.index == 0
    source.close()


@pytest.mark.parametrize(("index", "term"), [(1, 0), (0, 1)])
def test_a_snapshot_of_another_index_or_term_than_announced_is_refused(
    harness: Harness, index: int, term: int
) -> None:
    store, other = a_filled_store(harness), harness.open()
    source = harness.snapshot(store)
    sink = other.begin_install(source.index + index, source.term + term, source.size)
    sink.write(0, source.read(0, source.size))
    with pytest.raises(SnapshotCorrupt, match="holds index 201"):
        sink.finish(source.sha256)
    sink.abort()
    assert other.applied.index == 0
    source.close()


def test_a_snapshot_of_a_newer_schema_is_refused(harness: Harness) -> None:
    store, other = harness.open(), harness.open()
    store.write([(SCHEMA_KEY, pack(SCHEMA_VERSION + 1))])
    put(store, SETTINGS, b"k", b"v")
    store.flush()
    source = harness.snapshot(store)
    with pytest.raises(SnapshotCorrupt, match=f"schema {SCHEMA_VERSION + 1}"):
        install(other, source)
    assert other.applied.index == 0
    source.close()


def test_bytes_that_are_no_state_are_refused_even_with_the_right_hash(harness: Harness) -> None:

    other = harness.open()
    for data in (b"x", b"\xc0", b"\x00" * 20_000, pack([1, 2, 3])):
        sink = other.begin_install(1, 1, len(data))
        sink.write(0, data)
        with pytest.raises(SnapshotCorrupt):
            sink.finish(hashlib.sha256(data).digest())
        sink.abort()
    assert other.applied.index == 0
    put(other, SETTINGS, b"k", b"v")
    other.flush()


def test_an_aborted_snapshot_leaves_nothing_and_may_be_aborted_again(harness: Harness) -> None:
    store, other = a_filled_store(harness), harness.open()
    source = harness.snapshot(store)
    sink = other.begin_install(source.index, source.term, source.size)
    sink.write(0, source.read(0, 100))
    sink.abort()
    sink.abort()
    assert other.applied.index == 0
    install(other, source)
    assert other.applied == store.applied
    source.close()

"""The state on LMDB against full, read-only, damaged and failing disks, and against being killed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NoReturn

import lmdb
import pytest

from cluster.encoding import pack, unpack
from cluster.store import (
    ReaderExpired,
    SnapshotCorrupt,
    StoreFailed,
    StoreFull,
    StoreUnusable,
)
from cluster.store.batched import SCHEMA_KEY, decode_applied
from cluster.store.lmdb_store import SNAPSHOT_RETRY_S, LmdbStore
from cluster.store.migrations import RawTables, migrate
from cluster.store.records import AUDIT, NODES, REVISIONS, SERVICES, audit_head, principal_by_name
from cluster.store.tables import SCHEMA_VERSION, SETTINGS
from tests.support.requirements import require_program
from tests.support.small_disk import a_small_disk, fill

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_STATE = ROOT / "tests" / "golden" / "state_v1.txt"
NOBODY = 65534
WAIT_S = 30


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def put(store: LmdbStore, key: bytes = b"k", value: bytes = b"v") -> None:
    txn = store.begin()
    txn.put(SETTINGS, key, value)
    store.commit(txn, store.applied.index + 1, 1, b"ok")


def a_store(path: Path, *, entries: int = 1, size: int = 100) -> None:
    """Make a store of `entries` flushed entries of `size` bytes, and close it."""
    store = LmdbStore(path, reserve_bytes=0)
    for number in range(entries):
        put(store, b"%06d" % number, b"v" * size)
        if number % 10 == 9:
            store.flush()
    store.flush()
    store.close()


def write_for_ever(store: LmdbStore, size: int, *, per_flush: int) -> NoReturn:
    """Apply entries of `size` bytes until a flush fails."""
    number = 0
    while True:
        for _ in range(per_flush):
            put(store, b"%06d" % number, b"x" * size)
            number += 1
        store.flush()


def data_path(path: Path) -> Path:
    return path / "00000001" / "data.mdb"


def applied_index(path: Path) -> int:
    store = LmdbStore(path, reserve_bytes=0)
    try:
        return store.applied.index
    finally:
        store.close()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with a_small_disk(tmp_path / "disk", 4 << 20) as disk:
        yield disk


@pytest.mark.parametrize("size", [10, 3000, 40_000])
def test_a_full_disk_refuses_batches_whole_and_works_again_when_there_is_room(
    small_disk: Path, size: int
) -> None:
    path = small_disk / "state"
    store = LmdbStore(path, reserve_bytes=0)
    put(store, b"first")
    store.flush()
    filler = fill(small_disk)
    with pytest.raises(StoreFull):
        write_for_ever(store, size, per_flush=max(1, 200_000 // size))
    flushed, applied = store.flushed_index, store.applied
    assert applied.index > flushed
    for _ in range(3):
        with pytest.raises(StoreFull):
            store.flush()
        with store.read() as txn:
            assert txn.get(SETTINGS, b"first") == b"v"
            assert txn.applied_index == flushed
    filler.unlink()
    store.flush()
    assert store.applied == applied
    store.close()
    store = LmdbStore(path, reserve_bytes=0)
    assert store.applied == applied
    store.close()


def test_the_reserve_stops_writes_before_the_disk_is_full(small_disk: Path) -> None:
    store = LmdbStore(small_disk / "state", reserve_bytes=1024**2)
    filler = small_disk / "filler"
    filler.write_bytes(b"\xff" * (os.statvfs(small_disk).f_bavail * 4096 - 1024**2))
    put(store)
    with pytest.raises(StoreFull, match="make room there"):
        store.flush()
    with pytest.raises(StoreFull):
        store.begin_install(1, 1, 100_000)
    filler.unlink()
    store.flush()
    store.close()


def test_the_state_holds_no_more_than_allowed_whatever_the_files_length(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, bytes_max=1024**2, reserve_bytes=0)
    with pytest.raises(StoreFull, match="1 MiB allowed"):
        write_for_ever(store, 10_000, per_flush=1)
    number = store.flushed_index
    assert 60 < number < 110
    store.discard()
    txn = store.begin()
    for other in range(number):
        txn.delete(SETTINGS, b"%06d" % other)
    store.commit(txn, store.applied.index + 1, 1, b"")
    store.flush()
    put(store, b"again", b"x" * 10_000)
    store.flush()
    assert store.size_bytes() < 200_000
    store.close()


def test_a_snapshot_without_room_leaves_everything_and_is_tried_again_later(small_disk: Path) -> None:
    clock, ready = Clock(), threading.Event()
    store = LmdbStore(small_disk / "state", reserve_bytes=0, monotonic=clock, on_snapshot_ready=ready.set)
    for number in range(100):
        put(store, b"%d" % number, b"x" * 10_000)
    store.flush()
    filler = fill(small_disk)
    store.prepare_snapshot()
    store.wait_for_snapshot()
    assert store.take_snapshot() is None
    filler.unlink()
    store.prepare_snapshot()
    assert not ready.is_set()
    clock.now_s += SNAPSHOT_RETRY_S
    store.prepare_snapshot()
    assert ready.wait(WAIT_S)
    snapshot = store.take_snapshot()
    assert snapshot is not None
    assert snapshot.index == 100
    snapshot.close()
    store.close()


def test_a_snapshot_that_finds_the_disk_full_while_arriving_leaves_the_state(
    small_disk: Path, tmp_path: Path
) -> None:
    a_store(tmp_path / "other", entries=100, size=10_000)
    snapshot = a_snapshot(tmp_path / "other")
    store = LmdbStore(small_disk / "state", reserve_bytes=0)
    put(store)
    store.flush()
    sink = store.begin_install(100, 1, len(snapshot))
    fill(small_disk)
    with pytest.raises(StoreFull, match="receiving a snapshot"):
        sink.write(0, snapshot)
    sink.abort()
    assert store.applied.index == 1
    store.close()


def a_snapshot(path: Path) -> bytes:
    ready = threading.Event()
    store = LmdbStore(path, reserve_bytes=0, on_snapshot_ready=ready.set)
    store.prepare_snapshot()
    assert ready.wait(WAIT_S)
    source = store.take_snapshot()
    assert source is not None
    data = source.read(0, source.size)
    source.close()
    store.close()
    return data


# A failing disk


class BrokenEnvironment:
    """An LMDB environment whose commits fail."""

    def __init__(self, environment: lmdb.Environment, code: int) -> None:
        self._environment = environment
        self._code = code

    def __getattr__(self, name: str) -> object:
        return getattr(self._environment, name)

    def begin(self, write: bool = False) -> lmdb.Transaction[bytes]:
        if write:
            self.raise_it()
        return self._environment.begin()

    def sync(self, force: bool = False) -> None:
        self.raise_it()

    def raise_it(self) -> None:
        error = lmdb.Error("mdb_txn_commit")
        error.code = self._code  # type: ignore[misc]  # as the library sets it
        raise error


def break_disk(store: LmdbStore, code: int) -> None:
    generation = store._generation
    generation.environment = BrokenEnvironment(generation.environment, code)  # type: ignore[assignment]  # a fake


@pytest.mark.parametrize("act", [LmdbStore.flush, LmdbStore.sync])
def test_after_a_disk_error_the_state_is_never_written_again(
    tmp_path: Path, act: Callable[[LmdbStore], object]
) -> None:
    store = LmdbStore(tmp_path, reserve_bytes=0)
    put(store, b"kept")
    store.flush()
    environment = store._generation.environment
    break_disk(store, 5)
    if act is LmdbStore.flush:
        put(store)
    with pytest.raises(StoreFailed, match="disk failed"):
        act(store)
    store._generation.environment = environment
    put(store)
    with pytest.raises(StoreFailed, match="not written again"):
        store.flush()
    with store.read() as txn:
        assert txn.get(SETTINGS, b"kept") == b"v"
    store.close()


def test_an_error_that_a_full_disk_explains_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # LMDB reports a write that a full disk cut short as EIO.
    store = LmdbStore(tmp_path, reserve_bytes=0)
    put(store)
    environment = store._generation.environment
    break_disk(store, 5)
    monkeypatch.setattr(store, "_is_disk_full", lambda: True)
    with pytest.raises(StoreFull, match="the disk is full"):
        store.flush()
    store._generation.environment = environment
    store.flush()
    assert store.flushed_index == 1
    store.close()


WRITER = """
import sys
from pathlib import Path
from cluster.store import StoreFailed, StoreFull
from cluster.store.lmdb_store import LmdbStore
from cluster.store.tables import SETTINGS
store = LmdbStore(Path(sys.argv[1]), reserve_bytes=0)
print("open", flush=True)
for turn in range(1, int(sys.argv[2])):
    for _ in range(1 + turn % 5):
        index = store.applied.index + 1
        txn = store.begin()
        txn.put(SETTINGS, b"%d" % (index % 700), b"%d " % index * (1 + index % 300))
        store.commit(txn, index, 1, b"")
    try:
        store.flush()
        if turn % 7 == 0:
            store.sync()
    except (StoreFailed, StoreFull) as error:
        print(type(error).__name__, flush=True)
        break
    print(store.flushed_index, flush=True)
"""


def run_python(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""},
    )


def assert_holds(path: Path, flushed: int) -> None:
    """The state is that of a whole number of entries, and of no fewer than were flushed."""
    store = LmdbStore(path, reserve_bytes=0)
    index = store.applied.index
    assert index >= flushed
    with store.read() as txn:
        rows = dict(txn.scan(SETTINGS))
    expected = {
        b"%d" % (entry % 700): b"%d " % entry * (1 + entry % 300)
        for entry in range(max(1, index - 699), index + 1)
    }
    assert rows == expected
    store.close()


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("when", [1, 2, 3, 5, 8, 40])
def test_a_disk_error_at_any_write_loses_nothing_flushed(tmp_path: Path, call: str, when: int) -> None:
    strace = require_program("strace")
    path = tmp_path / "state"
    a_store(path, entries=0)
    injection = (f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}+")
    prefix = (strace, "-f", "-qq", "-o", "/dev/null", "-e", *injection)
    with run_python(WRITER, path, 60, prefix=prefix) as writer:
        output, _ = writer.communicate(timeout=60)
    lines = output.decode().split("\n")[:-1]
    assert (lines[0], lines[-1]) == ("open", "StoreFailed")
    assert_holds(path, max((int(line) for line in lines if line.isdecimal()), default=0))


def test_a_killed_writer_leaves_every_flushed_entry_whole(tmp_path: Path) -> None:
    rng, path = Random(20), tmp_path / "state"
    for _ in range(6):
        with run_python(WRITER, path, 1_000_000) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"open\n"
            flushed = 0
            for _ in range(rng.randrange(1, 150)):
                flushed = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split(b"\n")[:-1]
            flushed = max([flushed, *map(int, rest)])
        assert_holds(path, flushed)


# A state that cannot be opened


def test_a_read_only_file_system_is_named(small_disk: Path) -> None:
    path = small_disk / "state"
    a_store(path)
    subprocess.run([require_program("mount"), "-o", "remount,ro", small_disk], check=True, timeout=10)
    with pytest.raises(StoreUnusable, match=r"Read-only file system.*mount it read-write") as caught:
        LmdbStore(path)
    assert str(path) in str(caught.value)


@contextlib.contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Root may read everything, so permissions show to others alone."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", [".", "LOCK", "CURRENT", "00000001", "00000001/data.mdb"])
def test_wrong_permissions_are_named(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="state-") as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "state"
        a_store(path)
        if os.geteuid() == 0:
            for owned in (path, *path.rglob("*")):
                os.chown(owned, NOBODY, NOBODY)
        (path / name).chmod(0)
        with (
            as_an_ordinary_user(),
            pytest.raises(StoreUnusable, match=r"Permission denied.*own it") as caught,
        ):
            LmdbStore(path)
        (path / name).chmod(0o700)
        assert str(path) in str(caught.value)


def test_the_state_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    a_store(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {oct(file.stat().st_mode & 0o077) for file in path.rglob("*.mdb")} == {"0o0"}


def test_no_started_program_inherits_the_state(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, reserve_bytes=0)
    listing = "import os; print(*map(os.path.realpath, os.scandir('/proc/self/fd')))"
    inherited = subprocess.run(
        [sys.executable, "-c", listing],
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    store.close()
    assert str(tmp_path) not in inherited.stdout


@pytest.mark.parametrize("below", ["", "state"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StoreUnusable, match="a file is in the way"):
        LmdbStore(tmp_path / "file" / below)


def test_a_state_in_use_is_not_opened_again(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    with pytest.raises(StoreUnusable, match="in use by another process"):
        LmdbStore(tmp_path)
    store.close()
    LmdbStore(tmp_path).close()


def cut_short(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def a_bit_of_a_page_header_flipped(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data) // 4096) * 4096 + rng.randrange(24)] ^= 1 << rng.randrange(8)


def pages_of_zeroes(data: bytearray, rng: Random) -> None:
    page = rng.randrange(len(data) // 4096) * 4096
    data[page : page + 4096] = bytes(4096)


def random_bytes(data: bytearray, rng: Random) -> None:
    data[:] = rng.randbytes(len(data))


@pytest.mark.parametrize("damage", [cut_short, a_bit_of_a_page_header_flipped, pages_of_zeroes, random_bytes])
def test_a_damaged_state_is_refused_by_path_or_unharmed(
    tmp_path: Path, damage: Callable[[bytearray, Random], None]
) -> None:
    path = tmp_path / "state"
    a_store(path, entries=300)
    whole, expected = data_path(path).read_bytes(), contents(path)
    messages = []
    for seed in range(30):
        damaged = bytearray(whole)
        damage(damaged, Random(seed))
        data_path(path).write_bytes(damaged)
        try:
            found = contents(path)
        except StoreUnusable as error:
            messages.append(str(error))
        else:
            # Only a page that nothing refers to, or the older of the two root pages.
            assert found in (expected, *previous_contents(expected))
    assert messages
    assert all(str(path) in message and "move" in message for message in messages)


def contents(path: Path) -> tuple[int, list[tuple[bytes, bytes]]]:
    store = LmdbStore(path, reserve_bytes=0)
    try:
        with store.read() as txn:
            return txn.applied_index, txn.scan(SETTINGS)
    finally:
        store.close()


def previous_contents(
    expected: tuple[int, list[tuple[bytes, bytes]]],
) -> list[tuple[int, list[tuple[bytes, bytes]]]]:
    """What the commit before the last held: the log repeats the difference."""
    index, rows = expected
    return [(index - 10, rows[:-10])]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_state_that_has_vanished_is_not_begun_anew(tmp_path: Path, is_there: bool) -> None:
    a_store(tmp_path)
    data_path(tmp_path).unlink()
    if is_there:
        data_path(tmp_path).touch()
    with pytest.raises(StoreUnusable, match="gone or empty although the state was in use"):
        LmdbStore(tmp_path)


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "00000001").mkdir()
    with lmdb.open(str(tmp_path / "00000001")) as environment, environment.begin(write=True) as txn:
        txn.put(b"something", b"else")
    with pytest.raises(StoreUnusable, match="another program"):
        LmdbStore(tmp_path)


def test_a_state_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    store.write([(SCHEMA_KEY, pack(SCHEMA_VERSION + 1))])
    store.close()
    before = data_path(tmp_path).read_bytes()
    with pytest.raises(StoreUnusable, match=f"schema {SCHEMA_VERSION + 1}.*upgrade this node"):
        LmdbStore(tmp_path)
    assert data_path(tmp_path).read_bytes() == before


@pytest.mark.parametrize("text", ["", "nonsense", "00000007\n", "\xff"])
def test_a_current_file_that_names_nothing_is_said_so(tmp_path: Path, text: str) -> None:
    a_store(tmp_path)
    (tmp_path / "CURRENT").write_text(text, encoding="latin-1")
    with pytest.raises(StoreUnusable, match="write the name of an existing generation"):
        LmdbStore(tmp_path)
    (tmp_path / "CURRENT").write_text("00000001\n")
    assert applied_index(tmp_path) == 1


def test_a_missing_current_file_is_no_matter_with_one_generation_and_refused_with_more(
    tmp_path: Path,
) -> None:
    a_store(tmp_path)
    (tmp_path / "CURRENT").unlink()
    assert applied_index(tmp_path) == 1
    (tmp_path / "00000002").mkdir()
    (tmp_path / "CURRENT").unlink()
    with pytest.raises(StoreUnusable, match="write the name of the newest, 00000002"):
        LmdbStore(tmp_path)


def test_what_an_interrupted_installation_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    a_store(path)
    shutil.copytree(path / "00000001", path / "00000002")
    for name in ("incoming", "outgoing"):
        (path / name).mkdir()
        (path / name / "data.mdb").write_bytes(b"half")
    (path / "CURRENT.new").write_text("00000002\n")
    assert applied_index(path) == 1
    assert {entry.name for entry in path.iterdir()} == {"CURRENT", "LOCK", "00000001"}


# Readers and generations


def test_a_reader_that_is_held_too_long_is_ended(tmp_path: Path) -> None:
    clock = Clock()
    store = LmdbStore(tmp_path, reserve_bytes=0, reader_age_max_s=10, monotonic=clock)
    put(store)
    store.flush()
    with store.read() as old:
        clock.now_s += 11
        with store.read() as young:
            put(store)
            store.flush()
            assert young.get(SETTINGS, b"k") == b"v"
            with pytest.raises(ReaderExpired, match="may last 10 s: begin another"):
                old.get(SETTINGS, b"k")
            with pytest.raises(ReaderExpired):
                old.scan(SETTINGS)
    store.close()


def test_a_reader_of_an_old_generation_is_ended_too(tmp_path: Path) -> None:
    a_store(tmp_path / "other", entries=50)
    snapshot = a_snapshot(tmp_path / "other")
    clock, path = Clock(), tmp_path / "state"
    store = LmdbStore(path, reserve_bytes=0, reader_age_max_s=10, monotonic=clock)
    put(store)
    store.flush()
    with store.read() as old:
        install(store, 50, snapshot)
        clock.now_s += 11
        put(store)
        store.flush()
        with pytest.raises(ReaderExpired):
            old.get(SETTINGS, b"k")
    assert not (path / "00000001").exists()
    store.close()


def test_a_reader_after_the_stores_end_is_told_so(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, reserve_bytes=0)
    with store.read() as txn:
        store.close()
        with pytest.raises(ReaderExpired, match="the store was closed"):
            txn.get(SETTINGS, b"k")


class PowerCut(BaseException):
    """The machine stops here."""


def test_a_power_cut_at_any_step_of_an_installation_leaves_the_old_state_or_the_new_one(
    tmp_path: Path,
) -> None:
    a_store(tmp_path / "other", entries=50)
    snapshot = a_snapshot(tmp_path / "other")
    found = []
    for step in range(1, 40):
        path = tmp_path / f"state-{step}"
        a_store(path, entries=3)
        store = LmdbStore(path, reserve_bytes=0)
        with pytest.MonkeyPatch.context() as patch:
            steps = cut_power_at(patch, step)
            with contextlib.suppress(PowerCut):
                install(store, 50, snapshot)
        # What the process held goes with it.
        store._txn.abort()
        store._generation.environment.close()
        store.layout.close()
        reopened = LmdbStore(path, reserve_bytes=0)
        found.append(reopened.applied.index)
        with reopened.read() as txn:
            assert len(txn.scan(SETTINGS)) == reopened.applied.index
        assert len(list(path.glob("0*"))) == 1
        reopened.close()
        if steps() < step:
            break
    assert found == sorted(found)
    assert set(found) == {3, 50}
    assert len(found) > 8


def cut_power_at(patch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Stop before the `step`-th change of the file system; returns how many there were."""
    count = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                raise PowerCut
            return real(*arguments, **options)

        return wrapper

    for owner, name in ((os, "fsync"), (os, "write"), (os, "open"), (Path, "rename"), (Path, "replace")):
        patch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: count


def test_readers_of_the_old_generation_finish_and_then_it_is_removed(tmp_path: Path) -> None:
    a_store(tmp_path / "other", entries=50)
    snapshot = a_snapshot(tmp_path / "other")
    path = tmp_path / "state"
    a_store(path)
    store = LmdbStore(path, reserve_bytes=0)
    with store.read() as old:
        install(store, 50, snapshot)
        assert (old.applied_index, store.applied.index) == (1, 50)
        assert (path / "00000001").exists()
    assert not (path / "00000001").exists()
    assert (path / "CURRENT").read_text() == "00000002\n"
    store.close()
    assert applied_index(path) == 50


def install(store: LmdbStore, index: int, data: bytes) -> None:

    sink = store.begin_install(index, 1, len(data))
    sink.write(0, data)
    sink.finish(hashlib.sha256(data).digest())


def test_a_reader_on_another_thread_sees_whole_batches_while_the_writer_writes(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, reserve_bytes=0)
    put(store, b"a", b"0")
    put(store, b"b", b"0")
    store.flush()
    stop, torn = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            with store.read() as txn:
                a, b = txn.get(SETTINGS, b"a"), txn.get(SETTINGS, b"b")
                if a != b or txn.applied_index % 2:
                    torn.append((txn.applied_index, a, b))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(200):
        put(store, b"a", b"%d" % number)
        put(store, b"b", b"%d" % number)
        store.flush()
    stop.set()
    for reader in readers:
        reader.join(WAIT_S)
    assert torn == []
    store.close()


def test_a_snapshot_is_made_while_the_writer_writes(tmp_path: Path) -> None:
    ready = threading.Event()
    store = LmdbStore(tmp_path / "one", reserve_bytes=0, on_snapshot_ready=ready.set)
    for number in range(500):
        put(store, b"%d" % number, b"x" * 1000)
    store.flush()
    store.prepare_snapshot()
    while not ready.is_set():
        put(store, b"busy", b"%d" % store.applied.index)
        store.flush()
    source = store.take_snapshot()
    assert source is not None
    other = LmdbStore(tmp_path / "two", reserve_bytes=0)
    install(other, source.index, source.read(0, source.size))
    assert 500 <= other.applied.index <= store.applied.index
    assert not (tmp_path / "one" / "outgoing" / "data.mdb").exists()
    source.close()
    source.close()
    other.close()
    store.close()


def test_a_snapshot_that_ours_cannot_open_is_refused_and_the_state_stays(tmp_path: Path) -> None:
    with (
        lmdb.open(str(tmp_path / "foreign"), lib_version=0) as environment,
        environment.begin(write=True) as txn,
    ):
        txn.put(SCHEMA_KEY, pack("one"))
    store = LmdbStore(tmp_path / "state", reserve_bytes=0)
    put(store)
    store.flush()
    with pytest.raises(SnapshotCorrupt, match="schema is unreadable"):
        install(store, 1, (tmp_path / "foreign" / "data.mdb").read_bytes())
    assert store.applied.index == 1
    put(store)
    store.flush()
    store.close()


# Old data


def golden_rows() -> list[tuple[bytes, bytes]]:
    lines = (line.split() for line in GOLDEN_STATE.read_text().splitlines())
    return [(bytes.fromhex(key), b"" if value == "-" else bytes.fromhex(value)) for key, value in lines]


def test_a_state_of_the_first_schema_opens_and_reads(tmp_path: Path) -> None:
    rows = golden_rows()
    (tmp_path / "00000001").mkdir()
    with (
        lmdb.open(str(tmp_path / "00000001"), map_size=2**30, lib_version=0) as environment,
        environment.begin(write=True) as txn,
    ):
        for key, value in rows:
            txn.put(key, value)
    store = LmdbStore(tmp_path)
    applied = decode_applied(dict(rows)[b"\x01applied"])
    assert store.applied == applied
    with store.read() as txn:
        assert [(node.id, str(node.status), node.is_fenced) for node in NODES.scan(txn)] == [
            ("n_01", "down", True),
            ("n_02", "left", False),
        ]
        service = SERVICES.get(txn, "shop.web")
        assert service is not None
        assert (service.stable_revision, service.version) == (2, 12)
        revision = REVISIONS.get(txn, "shop.web", 1)
        assert revision is not None
        assert dict(revision.spec.environment)["GREETING"] == "hello, wörld"
        principal = principal_by_name(txn, "ANN")
        assert principal is not None
        assert principal.id == "u_ann"
        assert audit_head(txn).size == len(AUDIT.scan(txn)) > 0
    put(store)
    store.flush()
    store.close()


def test_migrations_run_in_order_and_once() -> None:
    class Raw:
        def __init__(self) -> None:
            self.rows: dict[bytes, bytes] = {}

        def get(self, full_key: bytes) -> bytes | None:
            return self.rows.get(full_key)

        def put(self, full_key: bytes, value: bytes) -> None:
            self.rows[full_key] = value

        def delete(self, full_key: bytes) -> None:
            del self.rows[full_key]

        def scan(self, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
            return sorted((key, value) for key, value in self.rows.items() if low <= key < high)

    def add(text: bytes) -> Callable[[RawTables], None]:
        def step(raw: RawTables) -> None:
            raw.put(b"\x0ak", (raw.get(b"\x0ak") or b"") + text)

        return step

    raw = Raw()
    steps = {1: add(b"1"), 2: add(b"2")}
    assert migrate(raw, 1, steps) == 3
    assert raw.rows == {b"\x0ak": b"12"}
    assert migrate(raw, 3, steps) == 3
    assert raw.rows == {b"\x0ak": b"12"}
    with pytest.raises(StoreUnusable, match="schema 4, this version reads up to 3"):
        migrate(raw, 4, steps)
    with pytest.raises(StoreUnusable, match="too old"):
        migrate(raw, 0, steps)


def test_an_interrupted_migration_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_store(tmp_path)
    attempts: list[int] = []

    def step(raw: RawTables) -> None:
        attempts.append(len(raw.scan(b"\x0a", b"\x0b")))
        raw.put(b"\x0anew", b"1")
        if len(attempts) == 1:
            raise RuntimeError("power cut")

    def patched(raw: RawTables, version: int) -> int:
        return migrate(raw, version, {1: step})

    monkeypatch.setattr("cluster.store.environment.migrate", patched)
    with pytest.raises(RuntimeError, match="power cut"):
        LmdbStore(tmp_path)
    store = LmdbStore(tmp_path)
    assert attempts == [1, 1]
    assert unpack(store.stored(SCHEMA_KEY) or b"") == 2
    store.close()

"""The log on LMDB against full, read-only, damaged and failing disks, and against being killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NoReturn

import lmdb
import pytest

from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.log_types import LogStorageFailed, LogStorageFull, LogStorageInUse
from cluster.raft.types import NO_OP, Entry
from tests.support.requirements import require_program
from tests.support.small_disk import a_small_disk, fill

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


def a_journal(storage: LmdbLog, *, entries: int = 1, size: int = 100) -> Journal:
    """A synced journal of `entries` entries of `size` bytes, committed and of term 1 but for the first."""
    journal = Journal(storage)
    journal.add(NO_OP, 1, 0)
    journal.setCurrentTerm(1, "n1")
    for index in range(2, entries + 1):
        journal.add(b"\x00" * size, index, 1)
    journal.sync()
    return journal


def write_for_ever(journal: Journal, size: int) -> NoReturn:
    """Add entries of `size` bytes, some 100 kB to a write, until a write fails."""
    while True:
        for _ in range(max(1, 100_000 // size)):
            journal.add(b"\x00" * size, journal.last_index + 1, journal.last_term)
        journal.sync()


def everything(path: Path) -> tuple[list[Entry], int, str | None, bytes, tuple[Entry, ...]]:
    """All that a restart finds in `path`."""
    storage = LmdbLog(path, reserve_bytes=0, growth_bytes=0)
    try:
        journal = Journal(storage)
        return (
            list(journal[0:]),
            journal.getCurrentTerm(),
            journal.getVotedForNodeId(),
            journal.base_members,
            journal.membership_entries(),
        )
    finally:
        storage.close()


def run_python(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""},
    )


# A full disk.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    with a_small_disk(tmp_path / "disk", 6 << 20) as disk:
        yield disk


@pytest.mark.parametrize("size", [10, 1000, 3000, 40_000, 250_000])
@pytest.mark.parametrize("growth_bytes", [0, 1024**2])
def test_a_full_disk_refuses_entries_and_keeps_every_promise(
    small_disk: Path, size: int, growth_bytes: int
) -> None:
    path = small_disk / "log"
    storage = LmdbLog(path, reserve_bytes=0, growth_bytes=growth_bytes)
    journal = a_journal(storage)
    with pytest.raises(LogStorageFull, match="nothing was written"):
        write_for_ever(journal, size)
    acknowledged = journal.durable_index
    assert acknowledged > 1
    assert storage.load().last_index == acknowledged

    journal.setCurrentTerm(2, "n2")
    with pytest.raises(LogStorageFull):
        journal.sync()
    assert not journal.hard_state_dirty
    pending = journal.last_index
    storage.close()

    storage = LmdbLog(path, reserve_bytes=0, growth_bytes=growth_bytes)
    journal = Journal(storage)
    assert journal.last_index == acknowledged < pending
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (2, "n2")
    # Compaction makes room inside the file, on a disk that stays full.
    journal.compact(acknowledged, b"members")
    journal.sync()
    journal.setCurrentTerm(3, None)
    journal.sync()
    for _ in range(3):
        journal.add(b"\x00" * size, journal.last_index + 1, 3)
        journal.sync()
    last_index = journal.last_index
    storage.close()
    log, term, voted_for, members, _ = everything(path)
    assert [index for _, index, _ in log] == list(range(acknowledged, last_index + 1))
    assert (term, voted_for, members) == (3, None, b"members")


def test_what_found_no_room_is_written_when_there_is_room(small_disk: Path) -> None:
    path = small_disk / "log"
    storage = LmdbLog(path, reserve_bytes=0, growth_bytes=0)
    journal = a_journal(storage)
    filler = fill(small_disk)
    for _ in range(30):
        journal.add(b"\x00" * 100_000, journal.last_index + 1, 1)
    for _ in range(3):
        with pytest.raises(LogStorageFull):
            journal.sync()
    filler.unlink()
    journal.sync()
    storage.close()
    assert len(everything(path)[0]) == 31


def test_a_write_cut_short_by_a_full_disk_is_told_from_a_failing_disk(small_disk: Path) -> None:
    # LMDB reports both as EIO. A batch that also makes room is tried although the disk is full.
    storage = LmdbLog(small_disk / "log", reserve_bytes=0, growth_bytes=0)
    journal = a_journal(storage, entries=20, size=50_000)
    filler = fill(small_disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 64 * 1024)
    for _ in range(20):
        journal.add(b"\x00" * 100_000, journal.last_index + 1, 1)
    journal.compact(15, b"members")
    with pytest.raises(LogStorageFull) as caught:
        journal.sync()
    assert isinstance(caught.value.__cause__, lmdb.Error)
    filler.unlink()
    journal.sync()
    storage.close()
    assert len(everything(small_disk / "log")[0]) == 26


def test_the_reserve_is_room_for_the_writes_that_make_room(small_disk: Path) -> None:
    storage = LmdbLog(small_disk / "log", reserve_bytes=1024**2, growth_bytes=0)
    journal = a_journal(storage)
    assert storage.has_reserve
    filler = fill(small_disk)
    for _ in range(5):
        journal.add(b"\x00" * 50_000, journal.last_index + 1, 1)
    with pytest.raises(LogStorageFull):
        journal.sync()
    assert [storage.release_reserve(), storage.release_reserve()] == [True, False]
    journal.sync()
    fill(small_disk)
    assert (storage.restore_reserve(), storage.has_reserve) == (False, False)
    filler.unlink()
    assert (storage.restore_reserve(), storage.has_reserve) == (True, True)
    storage.close()


def test_an_existing_log_opens_on_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "log"
    storage = LmdbLog(path, reserve_bytes=0)
    a_journal(storage, entries=100)
    storage.close()
    fill(small_disk)
    storage = LmdbLog(path, reserve_bytes=1024**2)
    journal = Journal(storage)
    assert (journal.last_index, storage.has_reserve) == (100, False)
    storage.close()


def test_a_new_log_on_a_full_disk_says_so(small_disk: Path) -> None:
    path = small_disk / "log"
    path.mkdir()
    filler = fill(small_disk)
    with pytest.raises(LogStorageFailed, match="free some room"):
        LmdbLog(path, reserve_bytes=0)
    filler.unlink()
    LmdbLog(path, reserve_bytes=0).close()


def test_entries_beyond_the_allowed_bytes_are_refused_and_compaction_helps(tmp_path: Path) -> None:
    storage = LmdbLog(tmp_path, max_bytes=1024**2, reserve_bytes=0)
    journal = a_journal(storage)
    with pytest.raises(LogStorageFull, match="1048576 bytes allowed"):
        write_for_ever(journal, 10_000)
    assert 80 < journal.durable_index < 110
    journal.compact(journal.durable_index, b"")
    journal.sync()
    assert journal.last_index == journal.durable_index
    storage.close()


def test_a_full_map_is_a_full_disk(tmp_path: Path) -> None:
    storage = LmdbLog(tmp_path, map_bytes=1024**2, reserve_bytes=0)
    journal = a_journal(storage)
    with pytest.raises(LogStorageFull, match="map is full"):
        write_for_ever(journal, 10_000)
    durable = journal.durable_index
    storage.close()
    assert len(everything(tmp_path)[0]) == durable


# A log that cannot be opened.


def test_a_read_only_file_system_is_named(small_disk: Path) -> None:
    path = small_disk / "log"
    LmdbLog(path, reserve_bytes=0).close()
    mount = require_program("mount")
    subprocess.run([mount, "-o", "remount,ro", small_disk], check=True, timeout=10)
    with pytest.raises(LogStorageFailed, match="Read-only file system") as caught:
        LmdbLog(path, reserve_bytes=0)
    assert str(path) in str(caught.value)
    assert "mount it read-write" in str(caught.value)


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


@pytest.fixture
def reachable_path() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="log-storage-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("name", [".", "data.mdb", "lock.mdb", "owner.lock"])
def test_wrong_permissions_are_named(name: str, reachable_path: Path) -> None:
    path = reachable_path / "log"
    LmdbLog(path, reserve_bytes=0).close()
    if os.geteuid() == 0:
        for owned in (path, *path.iterdir()):
            os.chown(owned, NOBODY, NOBODY)
    (path / name).chmod(0)
    with as_an_ordinary_user(), pytest.raises(LogStorageFailed, match="Permission denied") as caught:
        LmdbLog(path, reserve_bytes=0)
    (path / name).chmod(0o700)
    assert str(path) in str(caught.value)
    assert "own it" in str(caught.value)


def test_the_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    storage = LmdbLog(path, reserve_bytes=4096)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.iterdir()} == dict.fromkeys(
        ("data.mdb", "lock.mdb", "owner.lock", "in-use", "reserve"), "0o600"
    )
    storage.close()


@pytest.mark.parametrize("below", ["", "log"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(LogStorageFailed, match="a file is in the way"):
        LmdbLog(tmp_path / "file" / below)


def test_a_log_open_in_this_process_is_not_opened_again(tmp_path: Path) -> None:
    storage = LmdbLog(tmp_path, reserve_bytes=0)
    with pytest.raises(LogStorageInUse, match=f"in use by pid {os.getpid()}"):
        LmdbLog(tmp_path, reserve_bytes=0)
    storage.close()
    LmdbLog(tmp_path, reserve_bytes=0).close()


HOLDER = """
import sys
from pathlib import Path
from cluster.raft.log_storage import LmdbLog
storage = LmdbLog(Path(sys.argv[1]), reserve_bytes=0)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_log_open_in_another_process_is_refused_until_that_ends_however_it_ends(tmp_path: Path) -> None:
    with run_python(HOLDER, tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(LogStorageInUse, match=f"in use by pid {holder.pid}"):
            LmdbLog(tmp_path, reserve_bytes=0)
        holder.kill()
    LmdbLog(tmp_path, reserve_bytes=0).close()


def test_no_started_program_inherits_the_log(tmp_path: Path) -> None:
    storage = LmdbLog(tmp_path, reserve_bytes=0)
    listing = "import os; print(*map(os.path.realpath, os.scandir('/proc/self/fd')))"
    inherited = subprocess.run(
        [sys.executable, "-c", listing],
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    storage.close()
    assert str(tmp_path) not in inherited.stdout


# A damaged log.


@pytest.fixture
def used_log(tmp_path: Path) -> Path:
    """A closed log that has grown and been compacted, with entries in and beside the pages of its tree."""
    path = tmp_path / "log"
    storage = LmdbLog(path, reserve_bytes=0, growth_bytes=0)
    journal = a_journal(storage)
    rng = Random(7)
    for index in range(2, 400):
        kind = b"\x02" if index % 50 == 0 else b"\x00"
        journal.add(kind + rng.randbytes(rng.choice((10, 100, 3000, 9000))), index, 1 + index // 100)
        if index % 7 == 0:
            journal.sync()
        if index % 90 == 0:
            journal.compact(index - 60, b"members at %d" % index)
    journal.setCurrentTerm(9, "n3")
    journal.sync()
    storage.close()
    return path


def a_bit_flipped(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def a_bit_of_a_page_header_flipped(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data) // 4096) * 4096 + rng.randrange(40)] ^= 1 << rng.randrange(8)


def a_page_written_in_the_wrong_place(data: bytearray, rng: Random) -> None:
    source, target = (rng.randrange(len(data) // 4096) * 4096 for _ in range(2))
    data[target : target + 4096] = data[source : source + 4096]


def a_bit_of_a_root_page_flipped(data: bytearray, rng: Random) -> None:
    data[rng.randrange(2) * 4096 + rng.randrange(160)] ^= 1 << rng.randrange(8)


def pages_of_zeroes(data: bytearray, rng: Random) -> None:
    page = rng.randrange(len(data) // 4096) * 4096
    data[page : page + 4096] = bytes(4096)


def cut_short(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def random_bytes(data: bytearray, rng: Random) -> None:
    data[:] = rng.randbytes(len(data))


@pytest.mark.parametrize(
    "damage",
    [
        a_bit_flipped,
        a_bit_of_a_page_header_flipped,
        a_page_written_in_the_wrong_place,
        a_bit_of_a_root_page_flipped,
        pages_of_zeroes,
        cut_short,
        random_bytes,
    ],
)
def test_a_damaged_log_is_refused_or_unharmed_but_never_wrong(used_log: Path, damage: object) -> None:
    assert callable(damage)
    data_path = used_log / "data.mdb"
    whole = data_path.read_bytes()
    expected = everything(used_log)
    messages: list[str] = []
    for seed in range(40):
        damaged = bytearray(whole)
        damage(damaged, Random(seed))
        data_path.write_bytes(damaged)
        try:
            found = everything(used_log)
        except LogStorageFailed as error:
            messages.append(str(error))
        else:
            assert found == expected
    assert messages
    assert all(str(used_log) in message and "let it join again" in message for message in messages)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_log_that_has_vanished_is_not_begun_anew(used_log: Path, is_there: bool) -> None:
    data_path = used_log / "data.mdb"
    data_path.unlink()
    if is_there:
        data_path.touch()
    with pytest.raises(LogStorageFailed, match=r"entries and vote are lost.*let it join again"):
        LmdbLog(used_log, reserve_bytes=0)


def test_a_log_replaced_by_an_unused_one_is_refused(used_log: Path) -> None:
    (used_log / "data.mdb").unlink()
    lmdb.open(str(used_log), lib_version=0).close()
    with pytest.raises(LogStorageFailed, match="entries and vote are lost"):
        LmdbLog(used_log, reserve_bytes=0)


def test_a_log_of_a_newer_format_is_left_alone(used_log: Path) -> None:
    environment = lmdb.open(str(used_log), max_dbs=3, lib_version=0)
    meta = environment.open_db(b"meta")
    with environment.begin(write=True) as txn:
        version = (2).to_bytes(8, "big")
        txn.put(b"format", zlib.crc32(version).to_bytes(4, "big") + version, db=meta)
    environment.close()
    before = (used_log / "data.mdb").read_bytes()
    with pytest.raises(LogStorageFailed, match="has format 2, this version of Control Tower knows format 1"):
        LmdbLog(used_log, reserve_bytes=0)
    assert (used_log / "data.mdb").read_bytes() == before


def test_another_lmdb_file_is_not_taken_for_a_log(tmp_path: Path) -> None:
    environment = lmdb.open(str(tmp_path), max_dbs=3, lib_version=0)
    with environment.begin(write=True) as txn:
        txn.put(b"something", b"else")
    environment.close()
    with pytest.raises(LogStorageFailed, match="is damaged"):
        LmdbLog(tmp_path, reserve_bytes=0)


# A failing disk, and being killed.

WRITER = """
import sys
from pathlib import Path
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.log_types import LogStorageFailed, LogStorageFull
from cluster.raft.types import NO_OP
storage = LmdbLog(Path(sys.argv[1]), reserve_bytes=0)
journal = Journal(storage)
if not len(journal):
    journal.add(NO_OP, 1, 0)
    journal.sync()
print("open", flush=True)
term = journal.getCurrentTerm() + 1
journal.setCurrentTerm(term, "n1")
for turn in range(1, int(sys.argv[2])):
    for _ in range(1 + turn % 5):
        index = journal.last_index + 1
        journal.add(b"\\x00" + index.to_bytes(8, "big") * (1 + index % 600), index, term)
    if turn % 50 == 0:
        journal.compact(max(journal.first_index, journal.last_index - 100), b"%d" % journal.last_index)
    try:
        journal.sync()
    except (LogStorageFailed, LogStorageFull) as error:
        print(type(error).__name__, flush=True)
        try:
            journal.sync()
        except LogStorageFailed:
            print("failed again", flush=True)
        else:
            print("synced", journal.last_index, flush=True)
        break
    print(journal.last_index, flush=True)
"""


def quiet(strace: str) -> tuple[str, ...]:
    return strace, "-f", "-qq", "-o", "/dev/null", "-e"


def assert_holds(path: Path, acknowledged: int) -> None:
    log = everything(path)[0]
    assert log[-1][1] >= acknowledged
    assert [index for _, index, _ in log] == list(range(log[0][1], log[-1][1] + 1))
    for command, index, _ in log[1:]:
        assert command == b"\x00" + index.to_bytes(8, "big") * (1 + index % 600)


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("when", [1, 2, 3, 4, 5, 6, 7, 8, 40])
def test_a_disk_error_ends_writing_for_good_and_loses_nothing_acknowledged(
    tmp_path: Path, call: str, when: int
) -> None:
    strace = require_program("strace")
    path = tmp_path / "log"
    storage = LmdbLog(path, reserve_bytes=0)
    a_journal(storage)
    storage.close()
    injection = (f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}+")
    with run_python(WRITER, path, 60, prefix=(*quiet(strace), *injection)) as writer:
        output, _ = writer.communicate(timeout=60)
    lines = output.decode().split("\n")[:-1]
    assert lines[0] == "open"
    assert lines[-2:] == ["LogStorageFailed", "failed again"]
    acknowledged = max((int(line) for line in lines if line.isdecimal()), default=1)
    assert_holds(path, acknowledged)


def test_a_page_refused_for_room_is_written_later_but_a_root_page_is_not_tried_again(tmp_path: Path) -> None:
    strace = require_program("strace")
    endings = set()
    for when in range(6, 14):
        path = tmp_path / f"log-{when}"
        storage = LmdbLog(path, reserve_bytes=0)
        a_journal(storage)
        storage.close()
        injection = ("trace=pwrite64", "-e", f"inject=pwrite64:error=ENOSPC:when={when}")
        with run_python(WRITER, path, 60, prefix=(*quiet(strace), *injection)) as writer:
            output, _ = writer.communicate(timeout=60)
        *lines, refusal, ending = output.decode().split("\n")[:-1]
        endings.add((refusal, ending.rstrip("0123456789")))
        acknowledged = ending if ending.startswith("synced") else lines[-1]
        assert_holds(path, int(acknowledged.removeprefix("synced ")))
    assert endings == {("LogStorageFull", "synced "), ("LogStorageFailed", "failed again")}


def test_a_killed_writer_leaves_every_acknowledged_entry(tmp_path: Path) -> None:
    rng = Random(20)
    path = tmp_path / "log"
    for _ in range(12):
        with run_python(WRITER, path, 1_000_000) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"open\n"
            # Let it run for a number of acknowledgements, then kill it wherever it is.
            acknowledged = 1
            for _ in range(rng.randrange(1, 150)):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split(b"\n")[:-1]
            acknowledged = max([acknowledged, *map(int, rest)])
        assert_holds(path, acknowledged)

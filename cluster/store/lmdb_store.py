"""The store on disk: one LMDB environment per generation, one transaction per flush.

The writing thread applies and flushes; any thread reads, in a snapshot of its own that no writer waits for.
What is told about failures is in `cluster.store.errors`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from cluster.encoding import EncodingError, unpack
from cluster.store.batched import (
    APPLIED_KEY,
    SCHEMA_KEY,
    BatchedStore,
    Rows,
    decode_applied,
    scan_range,
)
from cluster.store.environment import MAP_BYTES, failure, open_environment, read_range
from cluster.store.errors import (
    ReaderExpired,
    SnapshotCorrupt,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreUnusable,
)
from cluster.store.layout import Layout, unusable
from cluster.store.protocol import Applied, ReadTxn, SnapshotSink, SnapshotSource
from cluster.store.tables import SCHEMA_VERSION, Table

log = logging.getLogger(__name__)

BYTES_MAX = 8 * 1024**3
RESERVE_BYTES = 32 * 1024**2
READER_AGE_MAX_S = 30.0
SNAPSHOT_RETRY_S = 5.0

_SWEEP_EVERY_S = 1.0
_HASH_PIECE_BYTES = 1024 * 1024
_SYNC_PIECE_BYTES = 8 * 1024 * 1024


class LmdbStore(BatchedStore):
    """A `Store` in a directory. Opening raises StoreUnusable, naming the path and the next step.

    It stores at most `bytes_max`, and nothing when less than `reserve_bytes` of the disk are free, so that
    the disk still has room for what must be written to get out of that. A read transaction open for longer
    than `reader_age_max_s` is ended, since it keeps every page it saw. `on_snapshot_ready` is called on the
    worker's thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        bytes_max: int = BYTES_MAX,
        reserve_bytes: int = RESERVE_BYTES,
        map_bytes: int = MAP_BYTES,
        reader_age_max_s: float = READER_AGE_MAX_S,
        monotonic: Callable[[], float] = time.monotonic,
        on_snapshot_ready: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._bytes_max = bytes_max
        self._reserve_bytes = reserve_bytes
        self._map_bytes = map_bytes
        self._reader_age_max_s = reader_age_max_s
        self._monotonic = monotonic
        self._next_sweep_s = 0.0
        self._synced_index = 0
        self._is_failed = False
        self._lock = threading.Lock()
        self._retired: list[_Generation] = []
        self._layout = Layout(path)
        try:
            self._generation = self._open_current()
        except BaseException:
            self._layout.close()
            raise
        self._txn = self._generation.environment.begin()
        self._snapshots = _Snapshots(self, on_snapshot_ready)
        self.load()
        self._synced_index = self.flushed_index

    @property
    def path(self) -> Path:
        return self._layout.path

    def size_bytes(self) -> int:
        """Return what the tables take up, free pages not counted."""
        stat = self._txn.stat()
        return (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]

    # BatchedStore.

    def stored(self, full_key: bytes) -> bytes | None:
        try:
            return self._txn.get(full_key)
        except lmdb.Error as error:
            raise failure("reading", error, is_disk_full=False) from error

    def stored_range(self, low: bytes, high: bytes, limit: int | None, reverse: bool) -> Rows:
        try:
            return read_range(self._txn, low, high, limit, reverse=reverse)
        except lmdb.Error as error:
            raise failure("reading", error, is_disk_full=False) from error

    def write(self, rows: list[tuple[bytes, bytes | None]]) -> None:
        if self._is_failed:
            raise StoreFailed(f"{self.path}: a write failed before, and it is not written again")
        puts = [(key, value) for key, value in rows if value is not None]
        self._check_room(rows, sum([len(key) + len(value) for key, value in puts]))
        environment = self._generation.environment
        # The reader is let go first: pages it holds could not be used again by this commit.
        self._txn.abort()
        try:
            with environment.begin(write=True) as txn:
                if len(puts) != len(rows):
                    for key, value in rows:
                        if value is None:
                            txn.delete(key)
                with txn.cursor() as cursor:
                    cursor.putmulti(puts)
        except lmdb.Error as error:
            raise self._write_failure(error) from error
        except BaseException:
            self._is_failed = True
            raise
        self._txn = environment.begin()
        self._sweep_readers()

    def sync(self) -> int:
        if self._synced_index != self.flushed_index:
            try:
                self._generation.environment.sync(True)
            except lmdb.Error as error:
                self._is_failed = True
                raise StoreFailed(
                    f"{self.path}: the disk failed while flushing the state: {error}"
                ) from error
            self._synced_index = self.flushed_index
        return self._synced_index

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        with self._lock:
            generation = self._generation
            try:
                reader = LmdbReadTxn(generation.environment.begin(), self._monotonic())
            except lmdb.Error as error:
                raise failure("beginning to read", error, is_disk_full=False) from error
            generation.readers.add(reader)
        try:
            yield reader
        finally:
            reader.end()
            with self._lock:
                generation.readers.discard(reader)
            if generation.is_retired:
                self._remove_unused()

    def prepare_snapshot(self) -> None:
        self._snapshots.prepare()

    def take_snapshot(self) -> SnapshotSource | None:
        return self._snapshots.take()

    def wait_for_snapshot(self) -> None:
        """Return when no snapshot is in the making."""
        self._snapshots.wait()

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        self.check_free(size)
        return _Sink(self, index, term, size)

    def close(self) -> None:
        """Drop the open batch and close; waits for a snapshot in the making."""
        self.discard()
        self._snapshots.close()
        with self._lock:
            readers = list(self._generation.readers)
        for reader in readers:
            reader.end("the store was closed")
        self._txn.abort()
        self._generation.environment.close()
        self._layout.close()

    # Within this module.

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def monotonic(self) -> Callable[[], float]:
        return self._monotonic

    @contextmanager
    def copied_environment(self) -> Iterator[lmdb.Environment]:
        """Give the current environment to another thread; it stays open that long."""
        with self._lock:
            generation = self._generation
            generation.is_copied = True
        try:
            yield generation.environment
        finally:
            with self._lock:
                generation.is_copied = False
            if generation.is_retired:
                self._remove_unused()

    def install(self, directory: Path) -> None:
        """Make the verified environment in `directory` the state. Raises StoreError with the present state
        untouched."""
        number = self._layout.current + 1
        environment = self._adopt(directory, number)
        self._txn.abort()
        with self._lock:
            old, self._generation = self._generation, _Generation(number, environment)
            old.is_retired = True
            self._retired.append(old)
        self._txn = environment.begin()
        self._is_failed = False
        self._remove_unused()
        self.load()
        self._synced_index = self.flushed_index
        self.tell_everything_changed()

    def _adopt(self, directory: Path, number: int) -> lmdb.Environment:
        environment: lmdb.Environment | None = None
        try:
            self._layout.remove_generation(number)
            self._layout.adopt(directory, number)
            # Its hash is the sender's: walking it would hold up the writing thread for nothing.
            environment = open_environment(
                self._layout.generation(number), map_bytes=self._map_bytes, is_trusted=True
            )
            # Opening may have migrated it; only when that is durable is it named.
            environment.sync(True)
            self._layout.make_current(number)
        except BaseException as error:
            if environment is not None:
                environment.close()
            if isinstance(error, StoreUnusable):
                self.check_free(0)
                raise SnapshotCorrupt(f"the snapshot cannot be opened: {error}") from error
            if isinstance(error, OSError | lmdb.Error):
                raise _system_failure("installing a snapshot", error) from error
            raise
        return environment

    def _open_current(self) -> _Generation:
        layout = self._layout
        number = layout.current
        try:
            if number == 0:
                number = 1
                layout.generation(number).mkdir(mode=0o700)
            elif not layout.has_data(number):
                raise StoreUnusable(
                    f"{layout.generation(number)}/data.mdb is gone or empty although the state was in use:"
                    f" move {layout.path} away and start again: the node takes the state from the others, or"
                    " restore a backup"
                )
            environment = open_environment(layout.generation(number), map_bytes=self._map_bytes)
            if not layout.is_named:
                layout.make_current(number)
        except OSError as error:
            raise unusable(layout.path, error) from error
        return _Generation(number, environment)

    def _check_room(self, rows: list[tuple[bytes, bytes | None]], put_bytes: int) -> None:
        # A commit writes whole pages, those above the changed ones included.
        self.check_free(2 * put_bytes)
        if self._generation.environment.info()["last_pgno"] * self._page_bytes() < self._bytes_max:
            return
        # The file is as long as allowed; what counts is what it holds, and whether that grows.
        held = self.size_bytes()
        if held + put_bytes > self._bytes_max:
            growth = put_bytes - sum(len(key) + len(self.stored(key) or b"") for key, _ in rows)
            if growth > 0:
                raise StoreFull(
                    f"{self.path}: the state holds {held >> 20} MiB of the {self._bytes_max >> 20} MiB"
                    " allowed: raise the limit or shorten what is kept"
                )

    def check_free(self, size_bytes: int) -> None:
        free = self._free_bytes()
        if free < self._reserve_bytes + size_bytes:
            raise StoreFull(
                f"{self.path}: {free >> 20} MiB of the disk are free, {self._reserve_bytes >> 20} MiB are"
                f" kept in reserve, {size_bytes} bytes are needed: make room there"
            )

    def _page_bytes(self) -> int:
        return self._generation.environment.stat()["psize"]

    def _free_bytes(self) -> int:
        try:
            stat = os.statvfs(self._layout.path)
        except OSError as error:
            raise _system_failure("looking for free space", error) from error
        return stat.f_bavail * stat.f_frsize

    def _write_failure(self, error: lmdb.Error) -> StoreError:
        """Return what a failed commit means, and have a reader again if the state can still be used."""
        found = failure("writing the state", error, is_disk_full=self._is_disk_full())
        try:
            # After a failed write of the root page LMDB refuses everything.
            self._txn = self._generation.environment.begin()
        except lmdb.Error:
            found = StoreFailed(f"{self.path}: the disk failed while writing the state: {error}")
        self._is_failed = isinstance(found, StoreFailed)
        return found

    def _is_disk_full(self) -> bool:
        return self._free_bytes() < RESERVE_BYTES

    def _sweep_readers(self) -> None:
        now = self._monotonic()
        if now < self._next_sweep_s:
            return
        self._next_sweep_s = now + _SWEEP_EVERY_S
        with self._lock:
            old = [
                reader
                for generation in (self._generation, *self._retired)
                for reader in generation.readers
                if now - reader.began_at_s > self._reader_age_max_s
            ]
        for reader in old:
            if reader.expire(f"a read transaction may last {self._reader_age_max_s:g} s"):
                log.warning("store.reader_expired", extra={"age_s": round(now - reader.began_at_s, 1)})

    def _remove_unused(self) -> None:
        """Delete old generations that nobody reads any more."""
        with self._lock:
            unused = [old for old in self._retired if not old.readers and not old.is_copied]
            self._retired = [old for old in self._retired if old not in unused]
        for generation in unused:
            generation.environment.close()
            self._layout.remove_generation(generation.number)


class _Generation:
    """One environment and who still reads it. Guarded by the store's lock."""

    def __init__(self, number: int, environment: lmdb.Environment) -> None:
        self.number = number
        self.environment = environment
        self.readers: set[LmdbReadTxn] = set()
        self.is_copied = False
        self.is_retired = False


class LmdbReadTxn:
    """One consistent view. Used by one thread at a time; ended by its store when it grows too old."""

    def __init__(self, txn: lmdb.Transaction[bytes], began_at_s: float) -> None:
        self._txn: lmdb.Transaction[bytes] | None = txn
        # The store's thread may end the transaction; not in the midst of a read.
        self._lock = threading.Lock()
        self._expired = ""
        self.began_at_s = began_at_s
        applied = decode_applied(txn.get(APPLIED_KEY))
        self.applied_index = applied.index
        self.log_time_ms = applied.log_time_ms

    def get(self, table: Table, key: bytes) -> bytes | None:
        with self._lock:
            try:
                return self._live().get(table.prefix + key)
            except lmdb.Error as error:
                raise failure("reading", error, is_disk_full=False) from error

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Rows:
        low, high = scan_range(table, prefix, after, reverse)
        with self._lock:
            try:
                rows = read_range(self._live(), low, high, limit, reverse=reverse)
            except lmdb.Error as error:
                raise failure("reading", error, is_disk_full=False) from error
        return [(key[1:], value) for key, value in rows]

    def end(self, reason: str = "") -> None:
        with self._lock:
            if self._txn is not None:
                self._expired = reason
                self._txn.abort()
                self._txn = None

    def expire(self, reason: str) -> bool:
        """End the transaction, unless it is reading at this moment. Never waits."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._txn is not None:
                self._expired = reason
                self._txn.abort()
                self._txn = None
        finally:
            self._lock.release()
        return True

    def _live(self) -> lmdb.Transaction[bytes]:
        if self._txn is None:
            raise ReaderExpired(f"{self._expired or 'the read transaction has ended'}: begin another")
        return self._txn


class _Snapshots:
    """Snapshots in the making, on a thread of their own: copy, let the reader go, hash the copy."""

    def __init__(self, store: LmdbStore, on_ready: Callable[[], None] | None) -> None:
        self._store = store
        self._on_ready = on_ready
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._ready: FileSnapshot | None = None
        self._not_before_s = 0.0
        self._is_closed = False

    def prepare(self) -> None:
        with self._lock:
            is_busy = self._worker is not None or self._ready is not None or self._is_closed
            if is_busy or self._store.monotonic() < self._not_before_s:
                return
            self._worker = threading.Thread(target=self._make, name="state-snapshot", daemon=True)
            self._worker.start()

    def take(self) -> FileSnapshot | None:
        with self._lock:
            ready, self._ready = self._ready, None
            return ready

    def wait(self) -> None:
        """Return when no snapshot is in the making."""
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.join()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self.wait()
        ready = self.take()
        if ready is not None:
            ready.close()

    def _make(self) -> None:
        snapshot: FileSnapshot | None = None
        try:
            snapshot = self._copy()
        except (OSError, lmdb.Error, StoreError) as error:
            log.warning("store.snapshot_failed", extra={"reason": str(error)})
        with self._lock:
            self._worker = None
            if snapshot is None:
                self._not_before_s = self._store.monotonic() + SNAPSHOT_RETRY_S
            self._ready = snapshot
        if snapshot is not None and self._on_ready is not None:
            self._on_ready()

    def _copy(self) -> FileSnapshot:
        directory = self._store.layout.outgoing
        self._store.layout.prepare_empty(directory)
        with self._store.copied_environment() as environment:
            stat = environment.stat()
            pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            self._store.check_free(pages * stat["psize"])
            environment.copy(str(directory), compact=True)
        _, applied = _read_copy(directory)
        data = directory / "data.mdb"
        fd = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
        # The open file is all that is needed, and nothing is left behind when the process dies.
        data.unlink()
        try:
            return FileSnapshot(fd, applied)
        except BaseException:
            os.close(fd)
            raise


class FileSnapshot:
    """A snapshot in an open file."""

    def __init__(self, fd: int, applied: Applied) -> None:
        self.index = applied.index
        self.term = applied.term
        self.size = os.fstat(fd).st_size
        digest = hashlib.sha256()
        for offset in range(0, self.size, _HASH_PIECE_BYTES):
            digest.update(os.pread(fd, _HASH_PIECE_BYTES, offset))
        self.sha256 = digest.digest()
        self._fd = fd

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Sink:
    """A snapshot on its way in, in a directory of its own."""

    def __init__(self, store: LmdbStore, index: int, term: int, size: int) -> None:
        self._store = store
        self._index, self._term, self._size = index, term, size
        self._written = 0
        self._synced = 0
        self._digest = hashlib.sha256()
        self._directory = store.layout.incoming
        try:
            store.layout.prepare_empty(self._directory)
            self._fd = os.open(
                self._directory / "data.mdb", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise _system_failure("receiving a snapshot", error) from error

    def write(self, offset: int, data: bytes) -> None:
        if offset != self._written or offset + len(data) > self._size:
            raise SnapshotCorrupt(
                f"snapshot {self._index}: {len(data)} bytes at {offset} do not continue at {self._written} of"
                f" {self._size}"
            )
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            self._written += len(data)
            self._digest.update(data)
            # A little at a time, so that `finish` does not hold up the writing thread.
            if self._written - self._synced >= _SYNC_PIECE_BYTES:
                os.fdatasync(self._fd)
                self._synced = self._written
        except OSError as error:
            raise _system_failure("receiving a snapshot", error) from error

    def finish(self, sha256: bytes) -> None:
        if self._written != self._size or self._digest.digest() != sha256:
            raise SnapshotCorrupt(f"snapshot {self._index}: its SHA-256 differs from the sender's")
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _system_failure("receiving a snapshot", error) from error
        os.close(self._fd)
        self._fd = -1
        schema, applied = _read_copy(self._directory)
        if schema > SCHEMA_VERSION:
            raise SnapshotCorrupt(
                f"the snapshot was made with schema {schema}, this version reads up to {SCHEMA_VERSION}:"
                " upgrade this node"
            )
        if (applied.index, applied.term) != (self._index, self._term):
            raise SnapshotCorrupt(
                f"snapshot {self._index} of term {self._term} holds index {applied.index} of term"
                f" {applied.term}"
            )
        self._store.install(self._directory)

    def abort(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _read_copy(directory: Path) -> tuple[int, Applied]:
    """Return a copy's schema and how far it has come. Raises SnapshotCorrupt when it is none of ours."""
    try:
        with (
            lmdb.open(
                str(directory), readonly=True, lock=False, map_size=MAP_BYTES, lib_version=0
            ) as environment,
            environment.begin() as txn,
        ):
            schema = unpack(txn.get(SCHEMA_KEY, b""))
            applied = decode_applied(txn.get(APPLIED_KEY))
    except (lmdb.Error, EncodingError, TypeError) as error:
        raise SnapshotCorrupt(f"the snapshot is not a state of ours: {error}") from error
    if type(schema) is not int:
        raise SnapshotCorrupt("the snapshot is not a state of ours: its schema is unreadable")
    return schema, applied


def _system_failure(doing: str, error: OSError | lmdb.Error) -> StoreError:
    if isinstance(error, lmdb.Error):
        return failure(doing, error, is_disk_full=False)
    if error.errno in (28, 122):
        return StoreFull(f"no room while {doing}: {error.strerror}")
    return StoreFailed(f"the disk failed while {doing}: {error}")

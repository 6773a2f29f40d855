"""The Raft log in an LMDB environment of its own: one transaction, flushed, per batch.

Tables: `entries` (index -> checksum, term, command), `membership` (indexes of the membership entries) and
`meta` (format version, term and vote and commit index, members at the first entry). Keys of the first two
are 8-byte big-endian indexes, so that new entries are appended at the right edge of the tree.

LMDB writes new pages beside the old and turns over to them by writing one of two root pages last, which is
what makes a batch atomic. It is also why a batch refused for lack of room may be tried again although a
failed flush may not: none of the pages of the failed try is referenced, and the next one writes all of its
pages anew.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_GETFD, F_SETFD, FD_CLOEXEC, fcntl
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import lmdb
from lmdb import verify

from cluster.raft.log_directory import NO_ROOM, LogDirectory, unusable
from cluster.raft.log_types import LogBatch, LogStorageFailed, LogStorageFull, StoredLog
from cluster.raft.types import COMMAND_MEMBERSHIP, Entry

log = logging.getLogger(__name__)

FORMAT_VERSION = 1

_MEMBERSHIP = bytes((COMMAND_MEMBERSHIP,))
_INDEX = struct.Struct(">Q")
_ENTRY = struct.Struct(">IQ")
_HEAD = struct.Struct(">QQ")
_HARD_STATE = struct.Struct(">QQ?")
_CHECKSUM = struct.Struct(">I")

_REJOIN = "remove this node from the cluster, delete its data directory and let it join again"

_CANNOT_ALLOCATE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV})
"""The file system cannot set room aside. A full disk then shows in the write itself, or ends the process."""

_SLACK_BYTES = 256 * 1024
"""Room that batches of entries leave for what must still be written on a full disk: votes and compaction.
To it comes 1/256 of the pages in use, for the list of the pages that a compaction frees (8 bytes each)."""


class LmdbLog:
    """A `LogStorage` in the directory `path`, held exclusively while it is open.

    Args:
        path: made when missing, with mode 0700. Nothing else may be kept in it.
        map_bytes: address space set aside; the file stays as small as its contents. Growing it later would
            need the log closed, so it is large from the start.
        max_bytes: pages the entries may take before batches are refused as if the disk were full.
        growth_bytes: the file grows in steps of this, allocated before they are written, so that a full disk
            is noticed before a batch is begun.
        reserve_bytes: size of the reserve file; 0 for none.

    Raises:
        LogStorageInUse: another process, or this one, has it open.
        LogStorageFailed: it cannot be made, read or trusted. The message says what to do.
    """

    def __init__(
        self,
        path: Path,
        *,
        map_bytes: int = 64 * 1024**3,
        max_bytes: int = 1024**3,
        growth_bytes: int = 4 * 1024**2,
        reserve_bytes: int = 16 * 1024**2,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._growth_bytes = growth_bytes
        self._reserve_bytes = reserve_bytes
        self._is_failed = False
        self._directory = LogDirectory(path)
        try:
            self._open(map_bytes)
        except BaseException:
            self._directory.close()
            raise

    def _open(self, map_bytes: int) -> None:
        self._verify_pages()
        try:
            self._directory.prepare_reader_table()
        except OSError as error:
            raise unusable(self._path, error) from error
        with self._failing("opened"):
            self._env = lmdb.open(
                str(self._path),
                map_size=map_bytes,
                max_dbs=3,
                mode=0o600,
                # The on-disk format of LMDB 0.9, whichever the library would choose for a new file.
                lib_version=0,
                # Written through write(2): a map would turn a full disk into SIGBUS.
                writemap=False,
                sync=True,
                metasync=True,
            )
        try:
            self._data_fd = self._find_data_fd()
            with self._failing("opened"):
                self._open_tables()
            self._page_bytes = self._env.stat()["psize"]
            self._allocated_bytes: int | None = os.fstat(self._data_fd).st_size
            self._directory.mark()
            if not self._directory.restore_reserve(self._reserve_bytes):
                log.warning("log.no_room_for_reserve", extra={"path": str(self._path)})
        except OSError as error:
            self._env.close()
            raise unusable(self._path, error) from error
        except BaseException:
            self._env.close()
            raise

    def _verify_pages(self) -> None:
        """Walk the file's pages before LMDB maps it: LMDB trusts them, and a bad one may end the process."""
        data_path = self._directory.data_path
        try:
            size = data_path.stat().st_size if data_path.exists() else 0
            if size == 0:
                if self._directory.is_marked:
                    raise self._lost("empty" if data_path.exists() else "missing")
                return
            findings: list[str] = verify.verify(str(self._path))  # type: ignore[no-untyped-call]  # ships no types
        except verify.VerifyError as error:
            raise self._corrupt(str(error)) from error
        except (LookupError, ValueError, struct.error, RecursionError) as error:
            raise self._corrupt(f"its pages cannot be walked ({error})") from error
        except OSError as error:
            raise unusable(self._path, error) from error
        # A page that is neither used nor free wastes 4 KiB and harms nothing.
        findings = [finding for finding in findings if "neither reachable nor" not in finding]
        if findings:
            raise self._corrupt(findings[0] + (f" and {len(findings) - 1} more" if len(findings) > 1 else ""))
        roots = sorted(_root(data_path, page) for page in (0, 1))
        if roots[1].transaction - roots[0].transaction > 1:
            raise self._corrupt("its two root pages are not of consecutive transactions")
        if size < roots[1].bytes_needed:
            # Either free pages at the end were never written, or the file was cut inside a large entry.
            # Zeroes harm neither: they are not read, or do not have the entry's checksum. Reading past the
            # end of a mapped file would end the process.
            try:
                os.truncate(data_path, roots[1].bytes_needed)
            except OSError as error:
                raise unusable(self._path, error) from error

    def _find_data_fd(self) -> int:
        """LMDB's descriptor of the data file, after making sure that no started program inherits it."""
        data = self._directory.data_path.stat()
        found = -1
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            try:
                status = os.fstat(fd)
            except OSError:
                continue  # the listing's own descriptor
            if (status.st_dev, status.st_ino) == (data.st_dev, data.st_ino):
                fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC)
                found = fd
        assert found >= 0, "LMDB has its data file open"
        return found

    def _open_tables(self) -> None:
        is_new = self._env.stat()["entries"] == 0
        if is_new and self._directory.is_marked:
            raise self._lost("empty")
        # A writing transaction even when nothing is new: tables opened in any other are forgotten at its end.
        with self._env.begin(write=True) as txn:
            if not is_new:
                # Before anything else: a newer format may have other tables.
                self._meta = self._env.open_db(b"meta", txn=txn, create=False)
                self._check_format(txn)
            self._meta = self._env.open_db(b"meta", txn=txn, create=is_new)
            self._entries = self._env.open_db(b"entries", txn=txn, create=is_new)
            self._membership = self._env.open_db(b"membership", txn=txn, create=is_new)
            if is_new:
                txn.put(b"format", _seal(_INDEX.pack(FORMAT_VERSION)), db=self._meta)
                self._put_hard_state(txn, 0, None, 0)

    def _check_format(self, txn: lmdb.Transaction[bytes]) -> None:
        (version,) = _INDEX.unpack(self._meta_value(txn, b"format"))
        if version != FORMAT_VERSION:
            raise LogStorageFailed(
                f"the Raft log in {self._path} has format {version}, this version of Control Tower knows "
                f"format {FORMAT_VERSION}: install the version that wrote it, or a newer one"
            )

    def load(self) -> StoredLog:
        with self._failing("read"), self._env.begin() as txn:
            state = self._meta_value(txn, b"hard_state")
            term, commit_index, has_vote = _HARD_STATE.unpack_from(state)
            first_index, last_index = self._bounds(txn)
            count = txn.stat(self._entries)["entries"]
            if count != last_index - first_index + 1:
                raise self._corrupt(f"it holds {count} entries between {first_index} and {last_index}")
            with txn.cursor(self._membership) as cursor:
                members = [self._entry(txn, _INDEX.unpack(key)[0]) for key in cursor.iternext(values=False)]
            return StoredLog(
                first_index=first_index,
                last_index=last_index,
                term=term,
                voted_for=state[_HARD_STATE.size :].decode() if has_vote else None,
                commit_index=commit_index,
                base_members=self._meta_value(txn, b"base_members", b""),
                membership=tuple(members),
            )

    def read(self, start: int, stop: int, max_bytes: int) -> list[Entry]:
        entries: list[Entry] = []
        total = 0
        index = start
        with (
            self._failing("read"),
            self._env.begin(buffers=True) as txn,
            txn.cursor(self._entries) as cursor,
        ):
            if start >= stop or not cursor.set_key(_INDEX.pack(start)):
                return entries
            for key, value in cursor:
                command_bytes = len(value) - _ENTRY.size
                total += command_bytes
                if index >= stop or (entries and total > max_bytes):
                    break
                if bytes(key) != _INDEX.pack(index):
                    raise self._corrupt(f"entry {index} is missing")
                entries.append(self._unpacked(index, value))
                index += 1
        return entries

    def write(self, batch: LogBatch) -> None:
        if self._is_failed:
            raise LogStorageFailed(f"the Raft log in {self._path} failed before and is not written again")
        has_room = self._allocate(batch)
        if not has_room and batch.entries and not (batch.reset or batch.compact_to):
            raise self._full(os.strerror(errno.ENOSPC))
        try:
            with self._env.begin(write=True) as txn:
                self._apply(txn, batch)
        except lmdb.MapFullError as error:
            raise self._full("the log's map is full") from error
        except lmdb.Error as error:
            # LMDB reports a write cut short by a full disk as an input/output error.
            is_room_lacking = error.code in NO_ROOM or (error.code == errno.EIO and not has_room)
            if is_room_lacking and self._is_usable():
                raise self._full(os.strerror(errno.ENOSPC)) from error
            self._is_failed = True
            raise LogStorageFailed(
                f"the Raft log in {self._path} could not be written: {error}: the process ends, because "
                "nobody knows what reached the disk; look at the kernel's log before starting it again"
            ) from error
        except LogStorageFull:
            raise
        except BaseException:
            self._is_failed = True
            raise

    def close(self) -> None:
        self._env.close()
        self._directory.close()

    @property
    def has_reserve(self) -> bool:
        return self._directory.has_reserve

    def release_reserve(self) -> bool:
        """Give the reserve's room to the disk, for the writes that make room. False when there is none."""
        return self._directory.release_reserve()

    def restore_reserve(self) -> bool:
        """Have the reserve again. False when there is no room for it yet."""
        return self._directory.restore_reserve(self._reserve_bytes)

    def _apply(self, txn: lmdb.Transaction[bytes], batch: LogBatch) -> None:
        if batch.reset:
            txn.drop(self._entries, delete=False)
            txn.drop(self._membership, delete=False)
        if batch.truncate_from is not None:
            for table in (self._entries, self._membership):
                self._delete_from(txn, table, batch.truncate_from)
        if batch.entries:
            self._append(txn, batch.entries)
        if batch.compact_to is not None:
            _, last_index = self._bounds(txn)
            assert batch.compact_to <= last_index, "a batch compacted the whole log away"
            for table in (self._entries, self._membership):
                self._delete_below(txn, table, batch.compact_to)
        if batch.base_members is not None:
            txn.put(b"base_members", _seal(batch.base_members), db=self._meta)
        self._put_hard_state(txn, batch.term, batch.voted_for, batch.commit_index)
        if batch.entries and _pages(txn.stat(self._entries)) * self._page_bytes > self._max_bytes:
            raise self._full(f"its entries would take more than the {self._max_bytes} bytes allowed")

    def _append(self, txn: lmdb.Transaction[bytes], entries: tuple[Entry, ...]) -> None:
        first_index, last_index = self._bounds(txn)
        expected = last_index + 1 if last_index >= first_index else entries[0][1]
        packed: list[tuple[bytes, bytes]] = []
        for command, index, term in entries:
            assert index == expected, f"entry {index} where {expected} belongs: a batch left a gap in the log"
            head = _HEAD.pack(index, term)
            key = head[:8]
            packed.append((key, _CHECKSUM.pack(crc32(command, crc32(head))) + head[8:] + command))
            if command[:1] == _MEMBERSHIP:
                txn.put(key, b"", db=self._membership, append=True)
            expected += 1
        with txn.cursor(self._entries) as cursor:
            _, added = cursor.putmulti(packed, append=True)
        assert added == len(packed), "LMDB takes every entry beyond the last"

    def _delete_from(self, txn: lmdb.Transaction[bytes], table: lmdb._Database, index: int) -> None:
        with txn.cursor(table) as cursor:
            if cursor.set_range(_INDEX.pack(index)):
                while cursor.delete():
                    pass

    def _delete_below(self, txn: lmdb.Transaction[bytes], table: lmdb._Database, index: int) -> None:
        key = _INDEX.pack(index)
        with txn.cursor(table) as cursor:
            if cursor.first():
                # Past the last entry the key is empty, which is below every key, and nothing is deleted.
                while cursor.key() < key and cursor.delete():
                    pass

    def _put_hard_state(
        self, txn: lmdb.Transaction[bytes], term: int, voted_for: str | None, commit_index: int
    ) -> None:
        state = _HARD_STATE.pack(term, commit_index, voted_for is not None) + (voted_for or "").encode()
        txn.put(b"hard_state", _seal(state), db=self._meta)

    def _bounds(self, txn: lmdb.Transaction[Any]) -> tuple[int, int]:
        """First and last index; (1, 0) when there is no entry."""
        with txn.cursor(self._entries) as cursor:
            if not cursor.first():
                return 1, 0
            (first_index,) = _INDEX.unpack(cursor.key())
            cursor.last()
            (last_index,) = _INDEX.unpack(cursor.key())
            return first_index, last_index

    def _entry(self, txn: lmdb.Transaction[bytes], index: int) -> Entry:
        value = txn.get(_INDEX.pack(index), db=self._entries)
        if value is None:
            raise self._corrupt(f"membership entry {index} is missing")
        return self._unpacked(index, value)

    def _unpacked(self, index: int, value: bytes | memoryview) -> Entry:
        if len(value) < _ENTRY.size:
            raise self._corrupt(f"entry {index} is cut short")
        checksum, term = _ENTRY.unpack_from(value)
        command = bytes(value[_ENTRY.size :])
        if checksum != _checksum(_INDEX.pack(index), term, command):
            raise self._corrupt(f"entry {index} is not what was written")
        return command, index, term

    def _meta_value(self, txn: lmdb.Transaction[bytes], name: bytes, default: bytes | None = None) -> bytes:
        sealed = txn.get(name, db=self._meta)
        if sealed is None and default is not None:
            return default
        if sealed is None or _CHECKSUM.pack(crc32(sealed[_CHECKSUM.size :])) != sealed[: _CHECKSUM.size]:
            raise self._corrupt(
                f"its record {name.decode()!r} is {'missing' if sealed is None else 'damaged'}"
            )
        return sealed[_CHECKSUM.size :]

    def _is_usable(self) -> bool:
        """False once LMDB failed in writing a root page: nobody knows whether that batch is on the disk."""
        try:
            self._env.begin(write=True).abort()
        except lmdb.Error:
            return False
        return True

    def _allocate(self, batch: LogBatch) -> bool:
        """Have room in the file for `batch`, growing it when needed. False when the disk has none."""
        if self._allocated_bytes is None:
            return True
        with self._failing("written"):
            need = self._used_bytes() + self._most_bytes([len(command) for command, _, _ in batch.entries])
        need += _SLACK_BYTES + need // 256
        if need <= self._allocated_bytes:
            return True
        for size in (need + self._growth_bytes, need):
            try:
                os.posix_fallocate(self._data_fd, self._allocated_bytes, size - self._allocated_bytes)
            except OSError as error:
                if error.errno in _CANNOT_ALLOCATE:
                    self._allocated_bytes = None
                    return True
                if error.errno not in NO_ROOM:
                    self._is_failed = True
                    raise unusable(self._path, error) from error
            else:
                self._allocated_bytes = size
                return True
        return False

    def _most_bytes(self, command_bytes: list[int]) -> int:
        """Room that entries may take: pages of its own for a large one, else a share of a leaf page."""
        page_bytes = self._page_bytes
        large = [count for count in command_bytes if 4 * count > page_bytes]
        in_pages = sum([(count // page_bytes + 2) * page_bytes for count in large])
        return in_pages + 2 * (sum(command_bytes) - sum(large) + 64 * (len(command_bytes) - len(large)))

    def _used_bytes(self) -> int:
        """Bytes of the pages in use; the others inside the file are free for the next batches."""
        pages = 2 + _pages(self._env.stat())
        with self._env.begin() as txn:
            for table in (self._entries, self._membership, self._meta):
                pages += _pages(txn.stat(table))
        return pages * self._page_bytes

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        """Translate LMDB's errors of everything but a write."""
        try:
            yield
        except lmdb.Error as error:
            if error.code > 0:
                raise unusable(self._path, OSError(error.code, os.strerror(error.code))) from error
            raise self._corrupt(f"it cannot be {doing} ({error})") from error

    def _corrupt(self, reason: str) -> LogStorageFailed:
        return LogStorageFailed(
            f"the Raft log {self._directory.data_path} is damaged: {reason}. Its entries and vote cannot be "
            f"trusted: check the disk, then {_REJOIN}"
        )

    def _lost(self, what: str) -> LogStorageFailed:
        return LogStorageFailed(
            f"the Raft log {self._directory.data_path} is {what}, but this node has had one: its entries and "
            f"vote are lost, so it may not go on under its old identity: {_REJOIN}"
        )

    def _full(self, reason: str) -> LogStorageFull:
        return LogStorageFull(f"no room for the Raft log in {self._path}: {reason}; nothing was written")


class _Root(NamedTuple):
    """One of LMDB's two root pages. It writes them in turn and believes the one of the higher transaction."""

    transaction: int
    bytes_needed: int


def _root(data_path: Path, page: int) -> _Root:
    """Read root page 0 or 1: `struct MDB_meta` of LMDB 0.9, in the machine's own byte order."""
    with data_path.open("rb") as file:
        (page_bytes,) = struct.unpack_from("=I", os.pread(file.fileno(), 4, 40))
        last_page, transaction = struct.unpack_from(
            "=QQ", os.pread(file.fileno(), 16, page * page_bytes + 136)
        )
    return _Root(transaction, (last_page + 1) * page_bytes)


def _checksum(key: bytes, term: int, command: bytes) -> int:
    """CRC-32 of index, term and command. Not against forgery: against a disk that returns other bytes."""
    return crc32(command, crc32(key + _INDEX.pack(term)))


def _seal(value: bytes) -> bytes:
    return _CHECKSUM.pack(crc32(value)) + value


def _pages(statistics: lmdb._StatDict) -> int:
    return statistics["branch_pages"] + statistics["leaf_pages"] + statistics["overflow_pages"]

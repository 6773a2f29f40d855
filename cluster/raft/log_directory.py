"""The directory of one log: who may use it, what marks it as used, and room kept back for a full disk.

data.mdb, lock.mdb   LMDB's own
owner.lock           held with flock(2) while the log is open; contains the owner's process id
in-use               made after the first write; a log without its data but with this mark was lost
reserve              room to give back when the disk is full
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

from cluster.raft.log_types import LogStorageFailed, LogStorageInUse

log = logging.getLogger(__name__)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers that say "no room now": disk, quota, file size limit."""

READER_TABLE_BYTES = 8192
"""Size of lock.mdb for LMDB's default of 126 readers (0.9, 64 bit)."""

_ADVICE = {
    errno.EACCES: "let the user that runs the agent own it and its files, with mode 0700",
    errno.EPERM: "let the user that runs the agent own it and its files, with mode 0700",
    errno.EROFS: "its file system is mounted read-only; check the disk, then mount it read-write",
    errno.ENOTDIR: "a file is in the way; move it away, or configure another data directory",
    errno.EEXIST: "a file is in the way; move it away, or configure another data directory",
    errno.ENOSPC: "the disk is full; free some room",
    errno.EDQUOT: "the disk quota is used up; free some room",
    errno.EIO: "the disk reports errors; look at the kernel's log, replace the disk and let the node rejoin",
}


def unusable(path: Path, error: OSError) -> LogStorageFailed:
    """The error to raise for `error`: which log, why not, what to do."""
    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    advice = _ADVICE.get(number, "see the reason")
    where = f" at {error.filename}" if error.filename and Path(error.filename) != path else ""
    return LogStorageFailed(f"the Raft log in {path} cannot be used: {reason}{where}: {advice}")


class LogDirectory:
    """Exclusive hold of a log's directory, made when missing.

    The hold is tied to this object's descriptor, so it ends with the process however that ends.

    Raises:
        LogStorageInUse: it is held already.
        LogStorageFailed: it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data_path = path / "data.mdb"
        self._mark_path = path / "in-use"
        self._reserve_path = path / "reserve"
        lock_path = path / "owner.lock"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._lock_fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock_fd)
            raise LogStorageInUse(
                f"the Raft log in {path} is already in use by pid {owner}: stop that process, "
                "or give this agent a data directory of its own"
            ) from error
        except OSError as error:
            os.close(self._lock_fd)
            raise unusable(path, error) from error
        try:
            os.ftruncate(self._lock_fd, 0)
            os.pwrite(self._lock_fd, b"%d\n" % os.getpid(), 0)
        except OSError:
            # A full disk. The hold does not depend on it; only the next one's message gets poorer.
            log.warning("log.owner_not_noted", extra={"path": str(lock_path)})

    def close(self) -> None:
        """Give the directory up. Idempotent."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    @property
    def is_marked(self) -> bool:
        """Whether a log was begun here."""
        return self._mark_path.exists()

    def mark(self) -> None:
        """Record that a log has begun here, after making sure that a power cut cannot take its files away."""
        if self.is_marked:
            return
        _flush_directory(self.path)
        self._mark_path.touch(mode=0o600)
        _flush_directory(self.path)
        _flush_directory(self.path.parent)

    def prepare_reader_table(self) -> None:
        """Allocate LMDB's lock file: LMDB writes it through a map, which on a full disk ends the process."""
        fd = os.open(self.path / "lock.mdb", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < READER_TABLE_BYTES:
                os.posix_fallocate(fd, 0, READER_TABLE_BYTES)
        finally:
            os.close(fd)

    @property
    def has_reserve(self) -> bool:
        return self._reserve_path.exists()

    def release_reserve(self) -> bool:
        """Delete the reserve, so that a full disk has that much room. False when there was none."""
        try:
            self._reserve_path.unlink()
        except FileNotFoundError:
            return False
        log.warning("log.reserve_released", extra={"path": str(self._reserve_path)})
        return True

    def restore_reserve(self, size_bytes: int) -> bool:
        """Have a reserve of `size_bytes`. False, and nothing left behind, when there is no room for it."""
        try:
            if self._reserve_path.stat().st_size == size_bytes:
                return True
        except FileNotFoundError:
            pass
        fd = os.open(self._reserve_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if size_bytes:
                os.posix_fallocate(fd, 0, size_bytes)
        except OSError as error:
            self._reserve_path.unlink()
            if error.errno in NO_ROOM:
                return False
            raise
        finally:
            os.close(fd)
        return True


def _flush_directory(path: Path) -> None:
    """Make the directory's entries durable; LMDB flushes only the file itself."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

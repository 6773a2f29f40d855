"""The store's directory: generations, and which one is current.

    LOCK             held by the process that has the store open
    CURRENT          name of the current generation, replaced atomically
    <generation>/    data.mdb, lock.mdb
    incoming/        a snapshot being received; removed at opening
    outgoing/        a snapshot being made; removed at opening

A snapshot becomes the state by being renamed to a new generation and named in CURRENT; until then nothing of
the present one changes, and readers of the old generation finish in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from pathlib import Path

from cluster.store.errors import StoreUnusable

_GENERATION = re.compile(r"[0-9]{8}")


class Layout:
    """The directory of one store, locked against other processes. Raises StoreUnusable, naming the path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._make_directory()
        self._lock_fd = self._lock()
        try:
            self._remove_leftovers()
            self.current = self._read_current()
        except OSError as error:
            self.close()
            raise unusable(path, error) from error
        except BaseException:
            self.close()
            raise

    @property
    def incoming(self) -> Path:
        return self.path / "incoming"

    @property
    def outgoing(self) -> Path:
        return self.path / "outgoing"

    def generation(self, number: int) -> Path:
        return self.path / f"{number:08d}"

    @property
    def is_named(self) -> bool:
        """Whether CURRENT is there."""
        return (self.path / "CURRENT").exists()

    def has_data(self, number: int) -> bool:
        """Whether generation `number` holds anything. One that is not named yet may be empty."""
        data = self.generation(number) / "data.mdb"
        return not self.is_named or (data.exists() and data.stat().st_size > 0)

    def prepare_empty(self, directory: Path) -> None:
        """Make `directory` an empty directory. Raises OSError."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)

    def make_current(self, number: int) -> None:
        """Name generation `number`, whose files are complete and flushed, as the current one. Raises
        OSError."""
        fsync_directory(self.generation(number))
        fsync_directory(self.path)
        target = self.path / "CURRENT"
        temporary = self.path / "CURRENT.new"
        with temporary.open("w", encoding="ascii") as file:
            file.write(f"{number:08d}\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        fsync_directory(self.path)
        self.current = number

    def adopt(self, directory: Path, number: int) -> None:
        """Make `directory` generation `number`, not yet current. Raises OSError."""
        directory.rename(self.generation(number))

    def remove_generation(self, number: int) -> None:
        shutil.rmtree(self.generation(number), ignore_errors=True)

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _make_directory(self) -> None:
        try:
            if not self.path.is_dir():
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                fsync_directory(self.path.parent)
        except OSError as error:
            raise unusable(self.path, error) from error

    def _lock(self) -> int:
        lock_path = self.path / "LOCK"
        try:
            fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self.path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise StoreUnusable(
                f"{self.path} is in use by another process: only one agent may run on a data directory; stop"
                " the other"
            ) from error
        return fd

    def _remove_leftovers(self) -> None:
        for directory in (self.incoming, self.outgoing):
            shutil.rmtree(directory, ignore_errors=True)
        (self.path / "CURRENT.new").unlink(missing_ok=True)

    def _read_current(self) -> int:
        generations = sorted(
            int(entry.name) for entry in self.path.iterdir() if _GENERATION.fullmatch(entry.name)
        )
        current = self._named_current(generations)
        for number in generations:
            if number != current:
                self.remove_generation(number)
        return current

    def _named_current(self, generations: list[int]) -> int:
        """Return the current generation, 0 for a new store."""
        try:
            text = (self.path / "CURRENT").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            # The first generation is made before it is named, so one alone is the right one.
            if len(generations) > 1:
                raise StoreUnusable(
                    f"{self.path}/CURRENT is missing and there are {len(generations)} generations: write the"
                    " name of the"
                    f" newest, {generations[-1]:08d}, into it, or move {self.path} away to rejoin from the"
                    " other nodes"
                ) from None
            return generations[0] if generations else 0
        except UnicodeDecodeError:
            text = ""
        if not _GENERATION.fullmatch(text) or int(text) not in generations:
            raise StoreUnusable(
                f"{self.path}/CURRENT names {text[:20]!r}, which is not there: write the name of an existing"
                " generation"
                f" into it, or move {self.path} away to rejoin from the other nodes"
            )
        return int(text)


def fsync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_NEXT_STEP = {
    errno.EACCES: "let the user that runs the agent own it and its files, with mode 0700",
    errno.EPERM: "let the user that runs the agent own it and its files, with mode 0700",
    errno.EROFS: "its file system is mounted read-only; look for disk errors, then mount it read-write",
    errno.ENOTDIR: "a file is in the way; move it away, or configure another data directory",
    errno.EEXIST: "a file is in the way; move it away, or configure another data directory",
    errno.ENOSPC: "the disk is full; free some room",
    errno.EDQUOT: "the disk quota is used up; free some room",
    errno.EIO: "the disk reports errors; look at the kernel's log, replace it and let the node rejoin",
}


def unusable(path: Path, error: OSError) -> StoreUnusable:
    """Return what to tell the administrator about an operating system error at opening."""
    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    return StoreUnusable(
        f"the state in {path} cannot be used: {reason}: {_NEXT_STEP.get(number, 'see the reason')}"
    )

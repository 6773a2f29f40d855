"""Small files that only this agent may read, replaced whole or not at all.

A write is a new file, flushed, renamed over the old one, and the directory flushed: after a crash at any
point there is the old content or the new. A read refuses a file that others can read or that is a link,
because then its secrets may be known already.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent.keys.errors import IdentityDamaged, IdentityUnsafe, IdentityUnwritable

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_FILE_BYTES_MAX = 1 << 20


def write_private_file(path: Path, content: str) -> None:
    """Replace `path` by `content`, mode 0600, durable on return.

    Raises:
        IdentityUnwritable: with the system's reason; `path` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Left behind by a crash; the agent holds its data directory, so nobody else is writing it now.
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, flags, FILE_MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise IdentityUnwritable(f"{path}: cannot be written: {error.strerror}") from error


def read_private_file(path: Path) -> str:
    """Return the content of `path`.

    Raises:
        IdentityDamaged: not there, not a regular file, too large, or not ASCII.
        IdentityUnsafe: readable or writable by others, or owned by somebody else.
        IdentityUnwritable: the system does not let us read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_file(path, os.fstat(descriptor))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(_FILE_BYTES_MAX).decode("ascii")
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise IdentityDamaged(
            f"{path}: is missing; restore it from a backup of this host, or join again"
        ) from error
    except UnicodeDecodeError as error:
        raise IdentityDamaged(
            f"{path}: is not text; restore it from a backup of this host, or join again"
        ) from error
    except OSError as error:
        if path.is_symlink():
            raise IdentityUnsafe(f"{path}: is a symbolic link; put the file itself there") from error
        raise IdentityUnwritable(f"{path}: cannot be read: {error.strerror}") from error


def check_private_directory(path: Path) -> None:
    """Return when only this user can look into `path`.

    Raises:
        IdentityUnsafe: with the command that mends it.
        IdentityUnwritable: the system does not let us look at it.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise IdentityUnwritable(f"{path}: cannot be looked at: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise IdentityUnsafe(f"{path}: is not a directory")
    _check_owner_and_mode(path, status, "700")


def sync_directory(path: Path) -> None:
    """Make renames in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IdentityDamaged(f"{path}: is not a regular file")
    _check_owner_and_mode(path, status, "600")
    if status.st_size > _FILE_BYTES_MAX:
        raise IdentityDamaged(f"{path}: has {status.st_size} bytes; it is not a file of this agent")


def _check_owner_and_mode(path: Path, status: os.stat_result, wanted: str) -> None:
    # Root may own what it lets a service user read; anybody else could change it behind our back.
    if status.st_uid not in (os.geteuid(), 0):
        raise IdentityUnsafe(
            f"{path}: belongs to user {status.st_uid}, and the agent runs as {os.geteuid()}; "
            f"run: chown {os.geteuid()} {path}"
        )
    if status.st_mode & 0o077:
        raise IdentityUnsafe(
            f"{path}: other users can get at it (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"run: chmod {wanted} {path}  and if others use this host, replace the secrets in it"
        )

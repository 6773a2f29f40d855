"""Files of containers on a file system in memory.

    <base>/<cluster id>/<container>/<name>

Only root can reach the base. What is mounted into a container is the file alone, so there its own owner and
mode decide.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from agent.host.parse import parse_mountinfo
from agent.ports import FilesRefused, PlacedFile

_DIRECTORY_MODE = 0o700
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def mounted_file_system(path: Path) -> str:
    """Return the kind of file system `path` is on, "" when the kernel does not tell. Raises OSError."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    place = path.resolve()
    over = [mount for mount in parse_mountinfo(text) if place.is_relative_to(mount.path)]
    # Of mounts at one place the last one hides the others.
    return max(enumerate(over), key=lambda found: (len(found[1].path), found[0]))[1].kind if over else ""


class MemoryFiles:
    """The `agent.ports.FileStore` of one cluster's containers.

    `file_system_of` tells on what kind of file system a directory is: on any but one in memory nothing is
    written.
    """

    def __init__(
        self, base: Path, cluster_id: str, *, file_system_of: Callable[[Path], str] = mounted_file_system
    ) -> None:
        self._base = base
        self._directory = base / cluster_id
        self._file_system_of = file_system_of

    def path(self, container: str, name: str) -> str:
        return str(self._directory / container / name)

    async def put(self, container: str, files: tuple[PlacedFile, ...]) -> None:
        await asyncio.to_thread(self._put, self._directory / container, files)

    async def remove(self, container: str) -> None:
        await asyncio.to_thread(_remove, self._directory / container)

    async def remove_all(self) -> None:
        await asyncio.to_thread(_remove, self._directory)

    async def containers(self) -> frozenset[str]:
        return await asyncio.to_thread(self._containers)

    def _put(self, directory: Path, files: tuple[PlacedFile, ...]) -> None:
        try:
            self._base.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            for each in (self._base, self._directory, directory):
                each.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
                _check_private(each)
            kind = self._file_system_of(directory)
            if kind not in _IN_MEMORY:
                raise FilesRefused(
                    f"secrets are written into memory only, and {self._base} is on {kind or 'a disk'}: set"
                    " docker.files_dir to a directory on tmpfs, such as /dev/shm/control-tower"
                )
            for file in files:
                _write(directory / file.name, file)
        except OSError as error:
            raise _refused(directory, "the container's files cannot be written", error) from error

    def _containers(self) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in self._directory.iterdir())
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise _refused(self._directory, "the files of containers cannot be listed", error) from error


def _write(path: Path, file: PlacedFile) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as written:
        written.write(file.content)
        written.flush()
        # The mode first: what belongs to another user is no longer ours to change.
        os.fchmod(written.fileno(), file.mode)
        if (file.uid, file.gid) != (os.geteuid(), os.getegid()):
            os.fchown(written.fileno(), file.uid, file.gid)
    temporary.rename(path)


def _remove(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(directory, "the files of a container cannot be removed", error) from error


def _check_private(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise FilesRefused(f"{directory} is no directory: remove it")
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise FilesRefused(
            f"{directory}: other users can get at it (user {status.st_uid}, mode"
            f" {stat.S_IMODE(status.st_mode):04o}); remove it, the agent makes it anew"
        )


def _refused(path: Path, what: str, error: OSError) -> FilesRefused:
    return FilesRefused(f"{what}: {error.filename or path}: {error.strerror or error}")

"""What can be asked of one container from near: its processes, files and settings, and a command inside it.

As one host asks another and the surfaces show it; nothing of it is replicated. Paths are those of the
container, absolute, and are resolved inside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

# ---- a command inside -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """A command to run inside a container.

    `command` empty: the best shell the container has. `user` "" is the container's own, else a name, an id or
    `user:group`. With a terminal the two outputs are one, and the size is `columns` by `rows`. The command
    may hold a secret and is left out of the repr.
    """

    command: tuple[str, ...] = field(default=(), repr=False)
    user: str = ""
    working_dir: str = ""
    has_terminal: bool = False
    columns: int = 80
    rows: int = 24
    environment: tuple[str, ...] = field(default=(), repr=False)


class ExecStream(StrEnum):
    """Where a command wrote. With a terminal there is standard output only."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class ExecOutput:
    """Some bytes a command wrote."""

    stream: ExecStream
    data: bytes = field(repr=False)


class ExecSession(Protocol):
    """A command that runs. Leaving the context it came from ends what still runs of it.

    Whoever does not read holds the command up; `write` waits while the command does not read. Both raise
    HostUnavailable when the host is gone.
    """

    def output(self) -> AsyncIterator[ExecOutput]:
        """Yield what it writes until it has ended. To be read once."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close_input(self) -> None:
        """Tell the command that there is no more to come."""
        ...

    async def resize(self, *, columns: int, rows: int) -> None: ...

    async def exit_code(self) -> int | None:
        """What it ended with, once its output has; None where the engine does not know."""
        ...


# ---- processes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTable:
    """The processes of a container as the host's `ps` shows them. Every row has a cell for every title."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


# ---- files ------------------------------------------------------------------------------------


class FileKind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    DEVICE = "device"
    PIPE = "pipe"
    SOCKET = "socket"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file. `mode` are its permission bits; `link_target` is what a symlink says, "" otherwise."""

    name: str
    kind: FileKind
    size_bytes: int
    mode: int
    modified_at_ms: int
    link_target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileListing:
    """A directory, in no order. `incomplete` says why there is more than is listed, "" when there is not."""

    path: str
    entries: tuple[FileEntry, ...]
    incomplete: str = ""


class FileReading(Protocol):
    """A file, or a directory as a tar archive, being read."""

    @property
    def entry(self) -> FileEntry:
        """The file or directory itself, symlinks followed; the size of a directory means nothing."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield its bytes. Raises HostUnavailable when they break off. To be read once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWrite:
    """A file of exactly `size_bytes` to be written, or a tar archive to be unpacked into a directory.

    `mode` None keeps that of a file that is there, else 0644.
    """

    path: str
    size_bytes: int
    mode: int | None = None
    is_archive: bool = False


# ---- settings ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use, and when it is started again; each can be changed while it runs.

    None means no limit, and for `restart_policy` in a change "as it is".
    """

    memory_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    pids: int | None = None
    restart_policy: str | None = None
    restarts_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanges:
    """Limits to change at once; None leaves one as it is, and `pids` 0 takes its limit away."""

    memory_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    pids: int | None = None
    restart_policy: str | None = None
    restarts_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOn:
    """A container's port, published on a port of the host (0: the engine chooses one)."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedAt:
    """A volume (kind "volume", `source` its name), a host path ("bind") or memory ("tmpfs") at `target`."""

    kind: str
    target: str
    source: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """What a container is made of, as far as it can be changed here.

    `environment` are names; their values are not told. `tag` is the part of the image's name that may change.
    `limits` apply at once, everything else by making the container anew.
    """

    container_id: str
    name: str
    image: str
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    ports: tuple[PublishedOn, ...]
    mounts: tuple[MountedAt, ...]
    limits: Limits
    is_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementChanges:
    """What a container made anew is to have otherwise. None and empty leave things as they are.

    `environment` values None remove a variable, as do those of `labels`; `ports` and `mounts` replace all.
    """

    image: str | None = None
    command: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str | None], ...] = field(default=(), repr=False)
    labels: tuple[tuple[str, str | None], ...] = ()
    ports: tuple[PublishedOn, ...] | None = None
    mounts: tuple[MountedAt, ...] | None = None

    @property
    def is_nothing(self) -> bool:
        return self == ReplacementChanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One setting before and after. Values of environment variables are not told."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementPlan:
    """What making a container anew will do. `refusal` says why it cannot be done, "" when it can.

    `lost` is what the new one will not have, `notes` what else is good to know. `is_pull_needed`: the image
    is not on the host.
    """

    container_id: str
    name: str
    differences: tuple[Difference, ...]
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_running: bool = False
    is_pull_needed: bool = False
    refusal: str = ""


class ReplacementStage(StrEnum):
    """What is being done, in this order; the last two are ends."""

    PULLING = "pulling"
    CREATING = "creating"
    STOPPING = "stopping"
    STARTING = "starting"
    CHECKING = "checking"
    REMOVING = "removing"
    RESTORING = "restoring"
    DONE = "done"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementStep:
    """News of a replacement. `container_id` is the new container's with `DONE`, and the old one's with
    `RESTORED`, whose text says what went wrong."""

    stage: ReplacementStage
    text: str = ""
    container_id: str = ""


PATH_CHARACTERS_MAX = 4096


def path_problem(path: str) -> str:
    """Return what is wrong with a path inside a container, "" when nothing is.

    `..` is not resolved but refused: with symlinks on the way it would mean another place than it seems to.
    """
    if not path.startswith("/"):
        return "is not absolute: begin it with /"
    if len(path) > PATH_CHARACTERS_MAX:
        return f"is longer than {PATH_CHARACTERS_MAX} characters"
    if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in path):
        return "holds a character that no path here may hold"
    if ".." in path.split("/"):
        return "holds '..': give the path it leads to"
    return ""

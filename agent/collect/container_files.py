"""One container's files, kept open between readings."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.collect.cgroup import (
    CandidateFile,
    Figure,
    candidate_files,
    controller_directories,
    devices_in,
    own_groups,
    parse_disk,
    parse_memberships,
    working_set,
)
from agent.host.parse import MountPoint, parse_mountinfo, parse_net_dev
from agent.ports import ContainerUsage, Pressure

_READ_BYTES = 64 * 1024


class ContainerGone(Exception):
    """The container's processes have ended: its control group, hence its figures, are no more."""


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """A file, and what is found in it."""

    descriptor: int
    figures: list[tuple[Figure, Callable[[str], int | None]]]


class ContainerFiles:
    """The open files of one running container. Close it as soon as the container ends.

    The network file keeps the container's network namespace alive while it is open.
    """

    def __init__(self, files: Sequence[_OpenFile], net_dev: int | None, namespace: int | None) -> None:
        self._files = list(files)
        self._net_dev = net_dev
        self._stacked: frozenset[str] = frozenset()
        self._devices_known: frozenset[str] = frozenset()
        self.network_namespace = namespace
        self.figures = frozenset(figure for file in files for figure, _ in file.figures)

    def read(self, is_stacked: Callable[[str], bool], *, with_network: bool) -> ContainerUsage:
        """Return the container's figures of this moment.

        Raises:
            ContainerGone: the control group has been removed.
        """
        numbers: dict[Figure, int | None] = {}
        disk = None
        for file in self._files:
            text = _read(file.descriptor)
            for figure, parse in file.figures:
                if figure is Figure.DISK:
                    disk = parse_disk(text, stacked=self._stacked_in(text, is_stacked))
                else:
                    numbers[figure] = parse(text)
        interfaces = None
        if with_network and self._net_dev is not None:
            interfaces = parse_net_dev(_read(self._net_dev))
            interfaces.pop("lo", None)
        return ContainerUsage(
            cpu_ns=numbers.get(Figure.CPU),
            memory_bytes=working_set(numbers.get(Figure.MEMORY), numbers.get(Figure.MEMORY_INACTIVE)),
            memory_limit_bytes=numbers.get(Figure.MEMORY_LIMIT),
            throttled_ns=numbers.get(Figure.THROTTLED),
            rx_bytes=None if interfaces is None else sum(i.rx_bytes for i in interfaces.values()),
            tx_bytes=None if interfaces is None else sum(i.tx_bytes for i in interfaces.values()),
            read_bytes=disk.read_bytes if disk else None,
            write_bytes=disk.write_bytes if disk else None,
            pids=numbers.get(Figure.PIDS),
            oom_kills=numbers.get(Figure.OOM_KILLS),
            pressure=Pressure(
                cpu_us=numbers.get(Figure.PRESSURE_CPU),
                memory_us=numbers.get(Figure.PRESSURE_MEMORY),
                io_us=numbers.get(Figure.PRESSURE_IO),
            ),
        )

    def close(self) -> None:
        """Close every file. May be called again."""
        descriptors = [file.descriptor for file in self._files]
        if self._net_dev is not None:
            descriptors.append(self._net_dev)
        self._files, self._net_dev = [], None
        for descriptor in descriptors:
            os.close(descriptor)

    def _stacked_in(self, disk_text: str, is_stacked: Callable[[str], bool]) -> frozenset[str]:
        devices = devices_in(disk_text)
        if devices != self._devices_known:
            self._devices_known = devices
            self._stacked = frozenset(device for device in devices if is_stacked(device))
        return self._stacked


def _read(descriptor: int) -> str:
    try:
        return os.pread(descriptor, _READ_BYTES, 0).decode("utf-8", "replace")
    except OSError as error:
        # ENODEV from a removed control group, ESRCH or EINVAL from a process that has ended.
        raise ContainerGone(f"cannot read: {error.strerror}") from error


class ContainerFileOpener:
    """Finds and opens the files of containers below `proc` and `cgroup_root`.

    `mountinfo` is the agent's own view of what is mounted, also when `proc` is another host's.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroup_root: Path = Path("/sys/fs/cgroup"),
        sys_block: Path = Path("/sys/dev/block"),
        mountinfo: Path = Path("/proc/self/mountinfo"),
    ) -> None:
        self._proc = proc
        self._cgroup_root = PurePosixPath(cgroup_root)
        self._sys_block = sys_block
        self._mountinfo = mountinfo
        self._mounts: Sequence[MountPoint] | None = None

    def open(self, container_id: str, pid: int) -> ContainerFiles | None:
        """Return the open files of the container whose first process is `pid`.

        None where there are none to reach: the groups are not mounted here, are not named after
        the container, or have another layout.

        Raises:
            ContainerGone: the process has ended.
        """
        process = self._proc / str(pid)
        try:
            text = (process / "cgroup").read_text(encoding="utf-8")
        except OSError as error:
            raise ContainerGone(f"process {pid} has ended") from error
        own = own_groups(parse_memberships(text), container_id)
        directories = controller_directories(self._mount_points(), own, root=self._cgroup_root)
        files: dict[PurePosixPath, _OpenFile] = {}
        for figure, candidates in candidate_files(directories).items():
            _open_first(figure, candidates, files)
        if not any(figure is Figure.CPU for file in files.values() for figure, _ in file.figures):
            ContainerFiles(tuple(files.values()), None, None).close()
            return None
        namespace = _inode(process / "ns/net")
        net_dev = None
        with suppress(OSError):
            net_dev = os.open(process / "net/dev", os.O_RDONLY | os.O_CLOEXEC)
        return ContainerFiles(tuple(files.values()), net_dev, namespace)

    def own_network_namespace(self) -> int | None:
        """Return the inode of the agent's network namespace, or of process 1 of another /proc."""
        process = "self" if self._proc == Path("/proc") else "1"
        return _inode(self._proc / process / "ns/net")

    def is_stacked(self, device: str) -> bool:
        """Whether the block device ("253:0") lies on others, such as a logical volume."""
        try:
            return any((self._sys_block / device / "slaves").iterdir())
        except OSError:
            return False

    def _mount_points(self) -> Collection[MountPoint]:
        if self._mounts is None:
            try:
                text = self._mountinfo.read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = ""
            self._mounts = [mount for mount in parse_mountinfo(text) if mount.kind in ("cgroup", "cgroup2")]
        return self._mounts


def _open_first(
    figure: Figure, candidates: Sequence[CandidateFile], files: dict[PurePosixPath, _OpenFile]
) -> None:
    """Add the first file that can be read to `files`; one that has several figures is opened once."""
    for candidate in candidates:
        use = (figure, candidate.parse)
        if (known := files.get(candidate.path)) is not None:
            known.figures.append(use)
            return
        with suppress(OSError):
            descriptor = os.open(candidate.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # Where the kernel was started with psi=0 the files are there, and say so only now.
                os.pread(descriptor, 1, 0)
            except OSError:
                os.close(descriptor)
                raise
            files[candidate.path] = _OpenFile(descriptor, [use])
            return


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None

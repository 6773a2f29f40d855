"""Control groups, v1 and v2: where a container's figures stand, and how to read them. Pure.

File formats are those of the kernel's cgroup-v1 and cgroup-v2 documents. Hosts exist with v1, with
v2, and with v2 mounted beside v1 without controllers, so each figure has a list of candidates and
the first file that exists is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from agent.host.parse import MountPoint, parse_pressure

# Unlimited memory on v1 is the largest page-aligned 63-bit number, whatever the page size.
_UNLIMITED = 1 << 62


class Figure(StrEnum):
    """What is read from one file."""

    CPU = "cpu"
    THROTTLED = "throttled"
    MEMORY = "memory"
    MEMORY_INACTIVE = "memory-inactive"
    MEMORY_LIMIT = "memory-limit"
    DISK = "disk"
    PIDS = "pids"
    OOM_KILLS = "oom-kills"
    PRESSURE_CPU = "pressure-cpu"
    PRESSURE_MEMORY = "pressure-memory"
    PRESSURE_IO = "pressure-io"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFile:
    """A file that may have a figure, and what turns its text into a number."""

    path: PurePosixPath
    parse: Callable[[str], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskBytes:
    """Bytes read and written, over all devices."""

    read_bytes: int
    write_bytes: int


def parse_memberships(proc_cgroup: str) -> dict[str, str]:
    """Parse /proc/<pid>/cgroup into the path by controller; v2's is under ""."""
    memberships = {}
    for line in proc_cgroup.splitlines():
        words = line.split(":", 2)
        if len(words) == 3:
            for controller in words[1].split(","):
                memberships[controller] = words[2]
    return memberships


def own_groups(memberships: Mapping[str, str], container_id: str) -> dict[str, str]:
    """Return the memberships in groups of this container, cut at the group named after it.

    A container that runs an init system of its own moves its first process further down. A process
    number that was given to another process meanwhile is in none.
    """
    own = {}
    for controller, member in memberships.items():
        parts = PurePosixPath(member).parts
        depth = next((i for i, part in enumerate(parts) if container_id in part), None)
        if depth is not None:
            own[controller] = str(PurePosixPath(*parts[: depth + 1]))
    return own


def controller_directories(
    mounts: Collection[MountPoint], memberships: Mapping[str, str], *, root: PurePosixPath
) -> dict[str, PurePosixPath]:
    """Return the directory by v1 controller, v2's under "", of a process with these `memberships`.

    Only mounts below `root` count: an agent in a container sees its own as well as the host's.
    Paths that lead out of the mount (another control group namespace) are left out.
    """
    directories: dict[str, PurePosixPath] = {}
    for mount in mounts:
        path = PurePosixPath(mount.path)
        if not path.is_relative_to(root):
            continue
        if mount.kind == "cgroup2":
            controllers = [""]
        elif mount.kind == "cgroup":
            controllers = [controller for controller in memberships if controller in mount.options]
        else:
            continue
        for controller in controllers:
            if (member := memberships.get(controller)) is not None:
                inside = _below(member, mount.root)
                if inside is not None:
                    directories.setdefault(controller, path / inside)
    return directories


def _below(member: str, mount_root: str) -> PurePosixPath | None:
    path = PurePosixPath(member)
    if ".." in path.parts or not path.is_relative_to(mount_root):
        return None
    return path.relative_to(mount_root)


def candidate_files(directories: Mapping[str, PurePosixPath]) -> dict[Figure, tuple[CandidateFile, ...]]:
    """Return, for each figure, the files that may have it, best first."""
    candidates: dict[Figure, list[CandidateFile]] = {figure: [] for figure in Figure}

    def add(figure: Figure, controller: str, name: str, parse: Callable[[str], int | None]) -> None:
        if controller in directories:
            path = directories[controller] / name
            candidates[figure].append(CandidateFile(path=path, parse=parse))

    add(Figure.CPU, "cpuacct", "cpuacct.usage", parse_number)
    add(Figure.CPU, "", "cpu.stat", parse_cpu_usage_v2)
    add(Figure.THROTTLED, "cpu", "cpu.stat", parse_throttled_v1)
    add(Figure.THROTTLED, "", "cpu.stat", parse_throttled_v2)
    add(Figure.MEMORY, "memory", "memory.usage_in_bytes", parse_number)
    add(Figure.MEMORY, "", "memory.current", parse_number)
    add(Figure.MEMORY_INACTIVE, "memory", "memory.stat", parse_inactive_file)
    add(Figure.MEMORY_INACTIVE, "", "memory.stat", parse_inactive_file)
    add(Figure.MEMORY_LIMIT, "memory", "memory.limit_in_bytes", parse_limit)
    add(Figure.MEMORY_LIMIT, "", "memory.max", parse_limit)
    # Not blkio.io_service_bytes, which stays empty without the CFQ scheduler.
    add(Figure.DISK, "blkio", "blkio.throttle.io_service_bytes_recursive", lambda _: None)
    add(Figure.DISK, "blkio", "blkio.throttle.io_service_bytes", lambda _: None)
    add(Figure.DISK, "", "io.stat", lambda _: None)
    add(Figure.PIDS, "pids", "pids.current", parse_number)
    add(Figure.PIDS, "", "pids.current", parse_number)
    add(Figure.OOM_KILLS, "memory", "memory.oom_control", parse_oom_kills)
    add(Figure.OOM_KILLS, "", "memory.events", parse_oom_kills)
    add(Figure.PRESSURE_CPU, "", "cpu.pressure", parse_pressure)
    add(Figure.PRESSURE_MEMORY, "", "memory.pressure", parse_pressure)
    add(Figure.PRESSURE_IO, "", "io.pressure", parse_pressure)
    return {figure: tuple(files) for figure, files in candidates.items()}


def parse_number(text: str) -> int | None:
    """Parse a file that is one number."""
    text = text.strip()
    return int(text) if text.isdigit() else None


def parse_limit(text: str) -> int | None:
    """Parse a limit; None when there is none."""
    number = parse_number(text)
    return number if number is not None and number < _UNLIMITED else None


def parse_cpu_usage_v2(text: str) -> int | None:
    """Return nanoseconds of processor time from v2's cpu.stat, which counts microseconds."""
    usage_us = _keyed(text, "usage_usec")
    return None if usage_us is None else usage_us * 1000


def parse_throttled_v1(text: str) -> int | None:
    """Return nanoseconds of throttling from v1's cpu.stat."""
    return _keyed(text, "throttled_time")


def parse_throttled_v2(text: str) -> int | None:
    """Return nanoseconds of throttling from v2's cpu.stat; None while the controller is off."""
    throttled_us = _keyed(text, "throttled_usec")
    return None if throttled_us is None else throttled_us * 1000


def parse_inactive_file(text: str) -> int | None:
    """Return the inactive file cache from memory.stat: v1's total (with child groups), or v2's."""
    total = _keyed(text, "total_inactive_file")
    return total if total is not None else _keyed(text, "inactive_file")


def parse_oom_kills(text: str) -> int | None:
    """Return the processes killed: v1's memory.oom_control (Linux 4.13 or newer) or v2's memory.events."""
    return _keyed(text, "oom_kill")


def _keyed(text: str, key: str) -> int | None:
    # Four times faster than a regular expression in a memory.stat, which is most of what is parsed.
    wanted = f"{key} "
    begin = 0 if text.startswith(wanted) else text.find(f"\n{wanted}") + 1
    if begin == 0 and not text.startswith(wanted):
        return None
    end = text.find("\n", begin)
    return parse_number(text[begin + len(wanted) : None if end < 0 else end])


_V1_LINE = re.compile(r"^(\d+:\d+) (Read|Write) (\d+)$", re.MULTILINE)
_V2_LINE = re.compile(r"^(\d+:\d+) .*?rbytes=(\d+) wbytes=(\d+)", re.MULTILINE)


def parse_disk(text: str, *, stacked: Collection[str] = ()) -> DiskBytes | None:
    """Return the bytes of v1's blkio or v2's io.stat.

    An empty io.stat is a group without I/O. Of v1's file without a device that is not known: Linux 6.10 and
    newer count there only for groups whose I/O is limited. `stacked` names devices ("253:0") that lie on
    others which are counted themselves.
    """
    if text.startswith("Total "):
        return None
    read_bytes = write_bytes = 0
    for device, operation, count in _V1_LINE.findall(text):
        if device in stacked:
            continue
        if operation == "Read":
            read_bytes += int(count)
        else:
            write_bytes += int(count)
    for device, read, written in _V2_LINE.findall(text):
        if device not in stacked:
            read_bytes += int(read)
            write_bytes += int(written)
    return DiskBytes(read_bytes=read_bytes, write_bytes=write_bytes)


def devices_in(text: str) -> frozenset[str]:
    """Return the devices a disk file names."""
    return frozenset(re.findall(r"^(\d+:\d+) ", text, re.MULTILINE))


def working_set(usage: int | None, inactive: int | None) -> int | None:
    """Return the memory that cannot be taken back without harm: usage less inactive file cache.

    As the kubelet, cAdvisor and `docker stats` since 20.10. The two are read a moment apart, so
    the difference may be negative; it never is here.
    """
    return None if usage is None else max(0, usage - (inactive or 0))

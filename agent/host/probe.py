"""Reads the host. Files read often stay open: reading anew from the start costs a microsecond."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.host import parse
from agent.host.block_devices import BlockDevices
from agent.host.sensors import read_sensors
from agent.ports import DiskUsage, HostFacts, HostLevels, HostReading, Pressure

_READ_BYTES = 64 * 1024
_MOUNTINFO_BYTES_MAX = 4 * 1024 * 1024
DISKS_MAX = 32


class ProcHostProbe:
    """`HostProbe` over a /proc and an /etc, which tests replace by recorded trees.

    Network figures are those of the agent's own namespace, unless `proc` is another mount: then
    the agent runs in a container and process 1 there is the host's. `disk_paths` are shown as disks whatever
    they are on; the engine's directory may become known later.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        etc: Path = Path("/etc"),
        *,
        disk_paths: Callable[[], Sequence[Path]] | Sequence[Path] = (Path("/"),),
        sys: Path = Path("/sys"),
    ) -> None:
        self._proc = proc
        self._etc = etc
        self._sys = sys
        self._disk_paths = disk_paths if callable(disk_paths) else lambda: disk_paths
        self._process = proc / ("self" if proc == Path("/proc") else "1")
        # Another host's paths are below what its first process sees.
        self._root = Path("/") if proc == Path("/proc") else self._process / "root"
        self._net = self._process / "net"
        self._files: dict[Path, int] = {}
        self._block_devices = BlockDevices(sys / "block")
        self._mounts: tuple[parse.MountPoint, ...] | None = None
        self._mounts_change: select.poll | None = None

    def facts(self) -> HostFacts:
        """Return what the host is; a file that cannot be read leaves its facts empty."""
        system = os.uname()
        release = parse.parse_os_release(self._text(self._etc / "os-release"))
        memory = parse.parse_meminfo(self._text(self._proc / "meminfo"))
        ticks = parse.parse_cpu_ticks(self._text(self._proc / "stat"))
        local = parse.parse_local_ipv4(self._text(self._net / "fib_trie"))
        routes = parse.parse_routes(self._text(self._net / "route"))
        return HostFacts(
            hostname=system.nodename,
            os_name=release.get("ID", ""),
            os_version=release.get("PRETTY_NAME", ""),
            kernel=system.release,
            arch=system.machine,
            cpu_count=ticks.cpu_count if ticks else os.cpu_count() or 1,
            cpu_model=parse.parse_cpu_model(self._text(self._proc / "cpuinfo")),
            memory_bytes=memory.get("MemTotal", 0),
            swap_bytes=memory.get("SwapTotal", 0),
            boot_id=self._text(self._proc / "sys/kernel/random/boot_id").strip(),
            machine_id=self._text(self._etc / "machine-id").strip(),
            disks=self.disks(),
            addresses=(
                *parse.interface_addresses(local, routes),
                *parse.parse_if_inet6(self._text(self._net / "if_inet6")),
            ),
        )

    def disks(self) -> tuple[DiskUsage, ...]:
        """Return the usage of file systems: all on disks of this host and those of `disk_paths`, each once.

        At most `DISKS_MAX` besides `disk_paths`. One that does not answer is left out.
        """
        usages: dict[int, DiskUsage] = {}
        mounts = self._disk_mounts()
        devices = {
            device.number: device
            for device in parse.parse_diskstats(self._kept_open(self._proc / "diskstats")).values()
        }
        for mount in parse.disk_mounts(mounts)[:DISKS_MAX]:
            path = self._root / mount.path.lstrip("/")
            _add_usage(usages, path, devices, shown_as=mount.path, kind=mount.kind)
        for path in self._disk_paths():
            shown_as = _mount_of(path, mounts) if self._root == Path("/") else str(path)
            _add_usage(usages, path, devices, shown_as=shown_as, kind="")
        return tuple(sorted(usages.values(), key=lambda usage: usage.path))

    def _disk_mounts(self) -> tuple[parse.MountPoint, ...]:
        # Parsed anew only when the kernel says that something was mounted: containers add hundreds of lines.
        path = self._process / "mountinfo"
        if self._mounts is None or self._mounts_change is None or self._mounts_change.poll(0):
            text = self._kept_open(path, _MOUNTINFO_BYTES_MAX)
            self._mounts = parse.parse_mountinfo(text)
            if (descriptor := self._files.get(path)) is not None and self._mounts_change is None:
                self._mounts_change = select.poll()
                self._mounts_change.register(descriptor, select.POLLPRI)
        return self._mounts

    def read(self) -> HostReading:
        """Return this moment's counters and levels."""
        ticks = parse.parse_cpu_ticks(self._kept_open(self._proc / "stat"))
        memory = parse.parse_meminfo(self._kept_open(self._proc / "meminfo"))
        load = parse.parse_loadavg(self._kept_open(self._proc / "loadavg")) or (None, None, None)
        interfaces = parse.parse_net_dev(self._kept_open(self._net / "dev"))
        network = parse.physical_bytes(interfaces) if interfaces else None
        disks = self._block_devices.total(parse.parse_diskstats(self._kept_open(self._proc / "diskstats")))
        return HostReading(
            cpu_busy_ticks=ticks.busy if ticks else None,
            cpu_total_ticks=ticks.total if ticks else None,
            cpu_count=ticks.cpu_count if ticks else os.cpu_count() or 1,
            memory_total_bytes=memory.get("MemTotal"),
            memory_available_bytes=memory.get("MemAvailable"),
            swap_total_bytes=memory.get("SwapTotal"),
            swap_free_bytes=memory.get("SwapFree"),
            load_1=load[0],
            load_5=load[1],
            load_15=load[2],
            rx_bytes=network.rx_bytes if network else None,
            tx_bytes=network.tx_bytes if network else None,
            uptime_s=parse.parse_uptime(self._kept_open(self._proc / "uptime")),
            cpu_user_ticks=ticks.user if ticks else None,
            cpu_system_ticks=ticks.system if ticks else None,
            cpu_iowait_ticks=ticks.iowait if ticks else None,
            cpu_steal_ticks=ticks.steal if ticks else None,
            disk_read_bytes=disks[0] if disks else None,
            disk_write_bytes=disks[1] if disks else None,
            pressure=Pressure(
                cpu_us=self._pressure("cpu"), memory_us=self._pressure("memory"), io_us=self._pressure("io")
            ),
        )

    def levels(self) -> HostLevels:
        """Return file systems, each once, and temperatures."""
        return HostLevels(disks=self.disks(), sensors=read_sensors(self._sys / "class"))

    def close(self) -> None:
        """Close the files kept open."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        self._mounts_change = None

    def _pressure(self, resource: str) -> int | None:
        return parse.parse_pressure(self._kept_open(self._proc / "pressure" / resource))

    def _kept_open(self, path: Path, bytes_max: int = _READ_BYTES) -> str:
        try:
            descriptor = self._files.get(path)
            if descriptor is None:
                descriptor = self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return _read_whole(descriptor, bytes_max).decode("utf-8", "replace")
        except OSError:
            return ""

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _read_whole(descriptor: int, bytes_max: int) -> bytes:
    """Read a file of /proc from its start; those that make many lines give some pages at a time."""
    parts: list[bytes] = []
    length = 0
    while part := os.pread(descriptor, min(_READ_BYTES, bytes_max - length), length):
        parts.append(part)
        length += len(part)
    return b"".join(parts)


def _add_usage(
    usages: dict[int, DiskUsage],
    path: Path,
    devices: Mapping[str, parse.DeviceBytes],
    *,
    shown_as: str,
    kind: str,
) -> None:
    try:
        number = path.stat().st_dev
        status = os.statvfs(path)
    except OSError:
        return
    if status.f_blocks == 0:
        return
    device = devices.get(f"{os.major(number)}:{os.minor(number)}")
    usages.setdefault(
        number,
        DiskUsage(
            path=shown_as,
            total_bytes=status.f_blocks * status.f_frsize,
            used_bytes=(status.f_blocks - status.f_bfree) * status.f_frsize,
            available_bytes=status.f_bavail * status.f_frsize,
            inodes_used=status.f_files - status.f_ffree,
            inodes_max=status.f_files,
            kind=kind,
            read_bytes=device.read_bytes if device else None,
            write_bytes=device.write_bytes if device else None,
        ),
    )


def _mount_of(path: Path, mounts: Sequence[parse.MountPoint]) -> str:
    """Return where the file system of `path` is mounted; the path itself where that is not known."""
    above = [mount.path for mount in mounts if path.is_relative_to(mount.path)]
    return max(above, key=len, default=str(path))

"""Reads the host. Files read often stay open: reading anew from the start costs a microsecond."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from agent.host import parse
from agent.ports import DiskUsage, HostFacts, HostLevels, HostReading

_READ_BYTES = 64 * 1024


class ProcHostProbe:
    """`HostProbe` over a /proc and an /etc, which tests replace by recorded trees.

    Network figures are those of the agent's own namespace, unless `proc` is another mount: then
    the agent runs in a container and process 1 there is the host's.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        etc: Path = Path("/etc"),
        *,
        disk_paths: Sequence[Path] = (Path("/"),),
    ) -> None:
        self._proc = proc
        self._etc = etc
        self._disk_paths = tuple(disk_paths)
        self._net = proc / ("self" if proc == Path("/proc") else "1") / "net"
        self._files: dict[Path, int] = {}

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
        """Return the usage of the file systems of `disk_paths`, each file system once."""
        usages: dict[int, DiskUsage] = {}
        for path in self._disk_paths:
            try:
                device = path.stat().st_dev
                status = os.statvfs(path)
            except OSError:
                continue
            usages.setdefault(
                device,
                DiskUsage(
                    path=str(path),
                    total_bytes=status.f_blocks * status.f_frsize,
                    used_bytes=(status.f_blocks - status.f_bfree) * status.f_frsize,
                    available_bytes=status.f_bavail * status.f_frsize,
                ),
            )
        return tuple(usages.values())

    def read(self) -> HostReading:
        """Return this moment's counters and levels."""
        ticks = parse.parse_cpu_ticks(self._kept_open(self._proc / "stat"))
        memory = parse.parse_meminfo(self._kept_open(self._proc / "meminfo"))
        load = parse.parse_loadavg(self._kept_open(self._proc / "loadavg")) or (None, None, None)
        interfaces = parse.parse_net_dev(self._kept_open(self._net / "dev"))
        network = parse.physical_bytes(interfaces) if interfaces else None
        return HostReading(
            cpu_busy_ticks=ticks.busy if ticks else None,
            cpu_total_ticks=ticks.total if ticks else None,
            cpu_count=ticks.cpu_count if ticks else 1,
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
        )

    def levels(self) -> HostLevels:
        """Return the file systems of `disk_paths`."""
        return HostLevels(disks=self.disks())

    def close(self) -> None:
        """Close the files kept open."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _kept_open(self, path: Path) -> str:
        try:
            descriptor = self._files.get(path)
            if descriptor is None:
                descriptor = self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(descriptor, _READ_BYTES, 0).decode("utf-8", "replace")
        except OSError:
            return ""

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

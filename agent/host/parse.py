"""The kernel's and distribution's text files to values. Pure; formats are those of proc(5)."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.ports import InterfaceAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTicks:
    """Ticks (1/100 s) since boot over all processors, and how many processors are on line.

    `user` has the niced, `system` the interrupts; with `iowait`, `steal` and the idle ones they make `total`.
    """

    busy: int
    total: int
    cpu_count: int
    user: int = 0
    system: int = 0
    iowait: int = 0
    steal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceBytes:
    """Bytes received and sent by one interface since it was made."""

    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One IPv4 route of the main table; a gateway of 0.0.0.0 is a network on the wire."""

    interface: str
    network: ipaddress.IPv4Network
    metric: int

    @property
    def is_default(self) -> bool:
        """Whether it leads to everywhere."""
        return self.network.prefixlen == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """One line of /proc/<pid>/mountinfo: `root` of the file system is mounted at `path`."""

    root: str
    path: str
    kind: str
    source: str
    options: frozenset[str]
    device: str = ""
    """"8:1": the file system's device number; major 0 is none of a disk."""


def parse_cpu_ticks(stat: str) -> CpuTicks | None:
    """Parse /proc/stat; None without its first line.

    Guest time is in user time already; waiting for I/O is idleness; stolen time is not, because
    the host could not have used it.
    """
    cpu_count = len(re.findall(r"^cpu\d+ ", stat, re.MULTILINE))
    match = re.match(r"cpu +([\d ]+)", stat)
    if match is None:
        return None
    ticks = [int(word) for word in match[1].split()][:8]
    # Linux before 2.6.11 has fewer columns, and so have containers' emulations of the file.
    user, nice, system, idle, iowait, irq, softirq, steal = ticks + [0] * (8 - len(ticks))
    return CpuTicks(
        busy=sum(ticks) - idle - iowait,
        total=sum(ticks),
        cpu_count=max(1, cpu_count),
        user=user + nice,
        system=system + irq + softirq,
        iowait=iowait,
        steal=steal,
    )


def parse_meminfo(meminfo: str) -> dict[str, int]:
    """Parse /proc/meminfo into bytes by name (`MemTotal`, `MemAvailable`, `SwapFree`, ...)."""
    return {
        match[1]: int(match[2]) * (1024 if match[3] else 1)
        for match in re.finditer(r"^([\w()]+): +(\d+)( kB)?$", meminfo, re.MULTILINE)
    }


def parse_loadavg(loadavg: str) -> tuple[float, float, float] | None:
    """Parse /proc/loadavg into the means of 1, 5 and 15 minutes."""
    match = re.match(r"([\d.]+) ([\d.]+) ([\d.]+) ", loadavg)
    return (float(match[1]), float(match[2]), float(match[3])) if match else None


def parse_uptime(uptime: str) -> float | None:
    """Parse /proc/uptime into seconds since boot."""
    match = re.match(r"([\d.]+) ", uptime)
    return float(match[1]) if match else None


def parse_net_dev(net_dev: str) -> dict[str, InterfaceBytes]:
    """Parse /proc/net/dev by interface."""
    interfaces = {}
    for line in net_dev.splitlines()[2:]:
        name, colon, figures = line.rpartition(":")
        words = figures.split()
        if colon and len(words) >= 16:
            interfaces[name.strip()] = InterfaceBytes(rx_bytes=int(words[0]), tx_bytes=int(words[8]))
    return interfaces


# Container, bridge, tunnel and stacked interfaces: their bytes pass through a physical one as well.
_VIRTUAL = re.compile(r"lo|ifb\d|dummy\d|(veth|docker|br-|virbr|cni|cali|flannel|tun|tap|bond|team).*|.*\..*")


def physical_bytes(interfaces: Mapping[str, InterfaceBytes]) -> InterfaceBytes:
    """Return the sum over the interfaces that are the host's way out.

    Where every interface looks virtual (a container, a lab) all but the loop-back count.
    """
    outside = [figures for name, figures in interfaces.items() if not _VIRTUAL.fullmatch(name)]
    if not outside:
        outside = [figures for name, figures in interfaces.items() if name != "lo"]
    return InterfaceBytes(
        rx_bytes=sum(figures.rx_bytes for figures in outside),
        tx_bytes=sum(figures.tx_bytes for figures in outside),
    )


def parse_os_release(os_release: str) -> dict[str, str]:
    """Parse os-release(5), shell quoting included."""
    values = {}
    for line in os_release.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            try:
                values[key.strip()] = "".join(shlex.split(value))
            except ValueError:
                values[key.strip()] = value
    return values


def parse_cpu_model(cpuinfo: str) -> str:
    """Return the processor's name from /proc/cpuinfo; empty where the architecture has none there."""
    match = re.search(r"^(?:model name|Model|Hardware)\s*: (.+)$", cpuinfo, re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def parse_routes(route: str) -> tuple[Route, ...]:
    """Parse /proc/net/route: usable routes, little-endian hexadecimal."""
    routes = []
    for line in route.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not int(words[3], 16) & 1:
            continue
        network = f"{_little_endian(words[1])}/{_little_endian(words[7])}"
        routes.append(
            Route(
                interface=words[0],
                network=ipaddress.IPv4Network(network, strict=False),
                metric=int(words[6]),
            )
        )
    return tuple(routes)


def _little_endian(word: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bytes.fromhex(word)[::-1])


def parse_local_ipv4(fib_trie: str) -> tuple[ipaddress.IPv4Address, ...]:
    """Return this network namespace's own IPv4 addresses from /proc/net/fib_trie, sorted."""
    found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", fib_trie)
    return tuple(sorted({ipaddress.IPv4Address(address) for address in found}))


def parse_if_inet6(if_inet6: str) -> tuple[InterfaceAddress, ...]:
    """Parse /proc/net/if_inet6: global addresses only, without the loop-back and link-local ones."""
    addresses = []
    for line in if_inet6.splitlines():
        words = line.split()
        if len(words) != 6:
            continue
        address = ipaddress.IPv6Address(bytes.fromhex(words[0]))
        if not address.is_loopback and not address.is_link_local:
            addresses.append(
                InterfaceAddress(interface=words[5], address=str(address), prefix_length=int(words[2], 16))
            )
    return tuple(addresses)


def interface_addresses(
    local: tuple[ipaddress.IPv4Address, ...], routes: tuple[Route, ...]
) -> tuple[InterfaceAddress, ...]:
    """Join this host's addresses with the interface whose network on the wire holds each.

    Loop-back addresses are left out; an address without such a network has interface "".
    """
    ways_out = sorted((route for route in routes if route.is_default), key=lambda route: route.metric)
    way_out = ways_out[0].interface if ways_out else ""
    wires = [route for route in routes if not route.is_default]
    addresses = []
    for address in local:
        if address.is_loopback:
            continue
        holding = [route for route in wires if address in route.network]
        best = max(holding, key=lambda route: route.network.prefixlen, default=None)
        interface = best.interface if best else ""
        addresses.append(
            InterfaceAddress(
                interface=interface,
                address=str(address),
                prefix_length=best.network.prefixlen if best else 32,
                is_default_route=bool(interface) and interface == way_out,
            )
        )
    return tuple(addresses)


def parse_mountinfo(mountinfo: str) -> tuple[MountPoint, ...]:
    """Parse /proc/<pid>/mountinfo; `options` are those of the file system, not of the mount."""
    mounts = []
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        left, right = before.split(), after.split(" ")
        if dash and len(left) >= 5 and len(right) >= 3:
            mounts.append(
                MountPoint(
                    root=_unescape(left[3]),
                    path=_unescape(left[4]),
                    kind=right[0],
                    source=_unescape(right[1]),
                    options=frozenset(right[2].split(",")),
                    device=left[2],
                )
            )
    return tuple(mounts)


_PRESSURE = re.compile(r"^some .*\btotal=(\d+)", re.MULTILINE)


def parse_pressure(pressure: str) -> int | None:
    """Parse /proc/pressure/* or a control group's *.pressure: microseconds in which some task waited."""
    match = _PRESSURE.search(pressure)
    return int(match[1]) if match else None


_SECTOR_BYTES = 512
"""In /proc/diskstats, whatever the device's own sectors are (Documentation/admin-guide/iostats.rst)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBytes:
    """Bytes read from and written to one block device since boot. `number` as in mountinfo: "8:1"."""

    number: str
    read_bytes: int
    write_bytes: int


def parse_diskstats(diskstats: str) -> dict[str, DeviceBytes]:
    """Parse /proc/diskstats by device, those without any I/O left out."""
    devices = {}
    for line in diskstats.splitlines():
        words = line.split()
        if len(words) >= 10 and (words[5] != "0" or words[9] != "0"):
            devices[words[2]] = DeviceBytes(
                number=f"{words[0]}:{words[1]}",
                read_bytes=int(words[5]) * _SECTOR_BYTES,
                write_bytes=int(words[9]) * _SECTOR_BYTES,
            )
    return devices


# File systems without a device of their own number that are on disks all the same.
_ON_DISKS = frozenset({"btrfs", "zfs", "bcachefs"})
_NO_STORAGE = frozenset({"squashfs", "erofs", "cramfs", "romfs", "iso9660", "udf"})
"""Always full, because they are images."""


def disk_mounts(mounts: Iterable[MountPoint]) -> tuple[MountPoint, ...]:
    """Return the mounts of file systems on disks, each file system once, where it was mounted whole first.

    Bind mounts show the same device again; subvolumes and data sets share their pool's space. What is in
    memory, on the network (asking may hang) or laid over others has no device and is left out.
    """
    found: dict[str, MountPoint] = {}
    for mount in mounts:
        is_device = not mount.device.startswith("0:") and bool(mount.device)
        if mount.kind in _NO_STORAGE or not (is_device or mount.kind in _ON_DISKS):
            continue
        storage = mount.device if is_device else mount.source
        if mount.kind == "zfs":
            storage = mount.source.partition("/")[0]
        known = found.get(storage)
        if known is None or (known.root != "/" and mount.root == "/"):
            found[storage] = mount
    return tuple(sorted(found.values(), key=lambda mount: mount.path))


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

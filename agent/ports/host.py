"""The host the agent runs on: what it is, and how busy it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceAddress:
    """One address of the host; `is_default_route` where traffic to elsewhere leaves."""

    interface: str
    address: str
    prefix_length: int
    is_default_route: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """A file system as `df` shows it: `available_bytes` is what ordinary users may still write.

    `inodes_max` is 0 where the file system makes inodes as it needs them (btrfs). Bytes read and written are
    those of the device it is on, since boot; None where it is on none of its own (btrfs, zfs).
    """

    path: str
    total_bytes: int
    used_bytes: int
    available_bytes: int
    inodes_used: int = 0
    inodes_max: int = 0
    kind: str = ""
    read_bytes: int | None = None
    write_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What rarely changes about the host. Empty strings are facts this host does not tell."""

    hostname: str
    os_name: str
    os_version: str
    kernel: str
    arch: str
    cpu_count: int
    cpu_model: str
    memory_bytes: int
    swap_bytes: int
    boot_id: str
    machine_id: str
    disks: tuple[DiskUsage, ...]
    addresses: tuple[InterfaceAddress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReading:
    """What a temperature sensor of the hardware shows. `name` is the same after the next boot."""

    name: str
    celsius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLevels:
    """What changes slowly, or costs more to read than a file in memory."""

    disks: tuple[DiskUsage, ...] = ()
    sensors: tuple[SensorReading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Microseconds since boot (or since the control group was made) in which some task waited for a resource.

    The kernel's pressure stall information, line "some"; None where the kernel does not keep it.
    """

    cpu_us: int | None = None
    memory_us: int | None = None
    io_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """Counters and levels of the host at one moment; None = not measured.

    `cpu_busy_ticks` and `cpu_total_ticks` grow since boot, summed over all processors, in
    1/100 s; `iowait` counts as idle and `steal` as busy. The other ticks are parts of the total: user time
    with nice, system time with that of interrupts. Network sums the physical side:
    interfaces of containers and bridges are left out, or forwarded bytes would count twice. Disks sum whole
    devices: neither partitions nor what lies on other devices.
    """

    cpu_busy_ticks: int | None
    cpu_total_ticks: int | None
    cpu_count: int
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    swap_total_bytes: int | None
    swap_free_bytes: int | None
    load_1: float | None
    load_5: float | None
    load_15: float | None
    rx_bytes: int | None
    tx_bytes: int | None
    uptime_s: float | None
    cpu_user_ticks: int | None = None
    cpu_system_ticks: int | None = None
    cpu_iowait_ticks: int | None = None
    cpu_steal_ticks: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    pressure: Pressure = field(default_factory=Pressure)


class HostProbe(Protocol):
    """Reads the host. `read` blocks for well under a millisecond, `facts` and `levels` for a few."""

    def facts(self) -> HostFacts:
        """Return what the host is, read anew."""
        ...

    def read(self) -> HostReading:
        """Return the counters of this moment."""
        ...

    def levels(self) -> HostLevels:
        """Return file systems, each once, and temperatures; at most 32 of either."""
        ...

    def close(self) -> None:
        """Close the files kept open between readings."""
        ...

"""The host the agent runs on: what it is, and how busy it is."""

from __future__ import annotations

from dataclasses import dataclass
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
    """A file system as `df` shows it: `available_bytes` is what ordinary users may still write."""

    path: str
    total_bytes: int
    used_bytes: int
    available_bytes: int

    @property
    def used_ratio(self) -> float:
        """Share in use, 0 to 1, of what ordinary users could use at all."""
        usable = self.used_bytes + self.available_bytes
        return self.used_bytes / usable if usable else 0.0


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
class HostReading:
    """Counters and levels of the host at one moment; None = not measured.

    `cpu_busy_ticks` and `cpu_total_ticks` grow since boot, summed over all processors, in
    1/100 s; `iowait` counts as idle and `steal` as busy. Network sums the physical side:
    interfaces of containers and bridges are left out, or forwarded bytes would count twice.
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


class HostProbe(Protocol):
    """Reads the host. Both calls block for well under a millisecond, `facts` for a few."""

    def facts(self) -> HostFacts:
        """Return what the host is, read anew."""
        ...

    def read(self) -> HostReading:
        """Return the counters of this moment."""
        ...

    def close(self) -> None:
        """Close the files kept open between readings."""
        ...

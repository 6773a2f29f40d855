"""Counters to rates, resets handled and impossible values left out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.collect.samples import AgentReading, AgentSample, ContainerSample, DiskSample, HostSample
from agent.ports import ContainerUsage, DiskUsage, HostReading

BYTES_PER_S_MAX = 100 * 10**9
"""More than any interface (800 Gbit/s) or disk of one host carries: a counter was corrected, not used."""
_SLACK = 1.1
"""Counters and clock are read a moment apart, so a share may come out a little above the whole."""


def rate_per_s(previous: int | None, current: int | None, elapsed_s: float) -> float | None:
    """Return the growth per second of a counter; None when unknown or when it went back."""
    if previous is None or current is None or elapsed_s <= 0 or current < previous:
        return None
    return (current - previous) / elapsed_s


def bytes_per_s(previous: int | None, current: int | None, elapsed_s: float) -> float | None:
    """Return the growth per second of a counter of bytes; None also when nothing could carry so much."""
    rate = rate_per_s(previous, current, elapsed_s)
    return None if rate is None or rate > BYTES_PER_S_MAX else rate


def percent_of_time(
    previous: int | None, current: int | None, elapsed_s: float, *, per_s: float, percent_max: float = 100.0
) -> float | None:
    """Return the share of time a counter of time has grown by, of which `per_s` make a second.

    A little above `percent_max` is that; more is None.
    """
    rate = rate_per_s(previous, current, elapsed_s)
    if rate is None:
        return None
    percent = 100.0 * rate / per_s
    return min(percent, percent_max) if percent <= percent_max * _SLACK else None


def container_sample(
    previous: ContainerUsage | None, current: ContainerUsage, elapsed_s: float, *, cpu_count: int
) -> ContainerSample:
    """Return the sample for `current`, `elapsed_s` after `previous`."""
    if previous is None:
        return ContainerSample(usage=current)
    before, now = previous.pressure, current.pressure
    return ContainerSample(
        usage=current,
        cpu_percent=percent_of_time(
            previous.cpu_ns, current.cpu_ns, elapsed_s, per_s=1e9, percent_max=100.0 * cpu_count
        ),
        throttled_percent=_throttled_percent(previous, current, elapsed_s),
        rx_bytes_per_s=bytes_per_s(previous.rx_bytes, current.rx_bytes, elapsed_s),
        tx_bytes_per_s=bytes_per_s(previous.tx_bytes, current.tx_bytes, elapsed_s),
        read_bytes_per_s=bytes_per_s(previous.read_bytes, current.read_bytes, elapsed_s),
        write_bytes_per_s=bytes_per_s(previous.write_bytes, current.write_bytes, elapsed_s),
        pressure_cpu_percent=percent_of_time(before.cpu_us, now.cpu_us, elapsed_s, per_s=1e6),
        pressure_memory_percent=percent_of_time(before.memory_us, now.memory_us, elapsed_s, per_s=1e6),
        pressure_io_percent=percent_of_time(before.io_us, now.io_us, elapsed_s, per_s=1e6),
    )


def host_sample(previous: HostReading | None, current: HostReading, elapsed_s: float) -> HostSample:
    """Return the sample for `current`, `elapsed_s` after `previous`."""
    used = _used(current.memory_total_bytes, current.memory_available_bytes)
    swap = _used(current.swap_total_bytes, current.swap_free_bytes)
    if previous is None:
        return HostSample(reading=current, memory_used_bytes=used, swap_used_bytes=swap)
    total = _difference(previous.cpu_total_ticks, current.cpu_total_ticks)

    def share(before: int | None, now: int | None) -> float | None:
        # By the kernel's own ticks rather than the clock: both are then off by the same amount. iowait is
        # known to go back a little, which makes the busy share exceed the whole.
        part = _difference(before, now)
        return None if part is None or not total else min(100.0, 100.0 * part / total)

    before, now = previous.pressure, current.pressure
    return HostSample(
        reading=current,
        cpu_percent=share(previous.cpu_busy_ticks, current.cpu_busy_ticks),
        memory_used_bytes=used,
        rx_bytes_per_s=bytes_per_s(previous.rx_bytes, current.rx_bytes, elapsed_s),
        tx_bytes_per_s=bytes_per_s(previous.tx_bytes, current.tx_bytes, elapsed_s),
        cpu_user_percent=share(previous.cpu_user_ticks, current.cpu_user_ticks),
        cpu_system_percent=share(previous.cpu_system_ticks, current.cpu_system_ticks),
        cpu_iowait_percent=share(previous.cpu_iowait_ticks, current.cpu_iowait_ticks),
        cpu_steal_percent=share(previous.cpu_steal_ticks, current.cpu_steal_ticks),
        swap_used_bytes=swap,
        read_bytes_per_s=bytes_per_s(previous.disk_read_bytes, current.disk_read_bytes, elapsed_s),
        write_bytes_per_s=bytes_per_s(previous.disk_write_bytes, current.disk_write_bytes, elapsed_s),
        pressure_cpu_percent=percent_of_time(before.cpu_us, now.cpu_us, elapsed_s, per_s=1e6),
        pressure_memory_percent=percent_of_time(before.memory_us, now.memory_us, elapsed_s, per_s=1e6),
        pressure_io_percent=percent_of_time(before.io_us, now.io_us, elapsed_s, per_s=1e6),
    )


def disk_samples(
    previous: Sequence[DiskUsage], current: Sequence[DiskUsage], elapsed_s: float
) -> tuple[DiskSample, ...]:
    """Return the samples of file systems; one that was not there before has no rates."""
    before = {disk.path: disk for disk in previous}
    samples = []
    for disk in current:
        known = before.get(disk.path)
        samples.append(
            DiskSample(
                usage=disk,
                read_bytes_per_s=bytes_per_s(known.read_bytes if known else None, disk.read_bytes, elapsed_s),
                write_bytes_per_s=bytes_per_s(
                    known.write_bytes if known else None, disk.write_bytes, elapsed_s
                ),
            )
        )
    return tuple(samples)


def agent_sample(
    previous: AgentReading | None,
    current: AgentReading,
    elapsed_s: float,
    *,
    samples_late: int,
    samples_late_total: int,
) -> AgentSample:
    """Return the sample of the agent for `current`, `elapsed_s` after `previous`."""
    cpu_percent = None
    if previous is not None and previous.cpu_s is not None and current.cpu_s is not None and elapsed_s > 0:
        cpu_percent = max(0.0, 100.0 * (current.cpu_s - previous.cpu_s) / elapsed_s)
    return AgentSample(
        reading=current,
        cpu_percent=cpu_percent,
        raft_entries=_difference(None if previous is None else previous.commit_index, current.commit_index),
        samples_late=samples_late,
        samples_late_total=samples_late_total,
    )


def _throttled_percent(previous: ContainerUsage, current: ContainerUsage, elapsed_s: float) -> float | None:
    # The kernel adds up what each processor's queue of the group waited, so a group on several may wait
    # longer than the time that passed.
    rate = rate_per_s(previous.throttled_ns, current.throttled_ns, elapsed_s)
    return None if rate is None else min(100.0, rate / 1e7)


def _used(total: int | None, free: int | None) -> int | None:
    return None if total is None or free is None else max(0, total - free)


def _difference(previous: int | None, current: int | None) -> int | None:
    if previous is None or current is None or current < previous:
        return None
    return current - previous

"""Counters to rates, resets handled. Pure."""

from __future__ import annotations

from agent.collect.samples import ContainerSample, HostSample
from agent.ports import ContainerUsage, HostReading


def rate_per_s(previous: int | None, current: int | None, elapsed_s: float) -> float | None:
    """Return the growth per second of a counter; None when unknown or when it went back."""
    if previous is None or current is None or elapsed_s <= 0 or current < previous:
        return None
    return (current - previous) / elapsed_s


def container_sample(
    previous: ContainerUsage | None, current: ContainerUsage, elapsed_s: float
) -> ContainerSample:
    """Return the sample for `current`, `elapsed_s` after `previous`."""
    if previous is None:
        return ContainerSample(usage=current)
    return ContainerSample(
        usage=current,
        cpu_percent=_percent_of_time(previous.cpu_ns, current.cpu_ns, elapsed_s),
        throttled_percent=_percent_of_time(previous.throttled_ns, current.throttled_ns, elapsed_s),
        rx_bytes_per_s=rate_per_s(previous.rx_bytes, current.rx_bytes, elapsed_s),
        tx_bytes_per_s=rate_per_s(previous.tx_bytes, current.tx_bytes, elapsed_s),
        read_bytes_per_s=rate_per_s(previous.read_bytes, current.read_bytes, elapsed_s),
        write_bytes_per_s=rate_per_s(previous.write_bytes, current.write_bytes, elapsed_s),
    )


def host_sample(previous: HostReading | None, current: HostReading, elapsed_s: float) -> HostSample:
    """Return the sample for `current`, `elapsed_s` after `previous`."""
    total, available = current.memory_total_bytes, current.memory_available_bytes
    used = None if total is None or available is None else max(0, total - available)
    if previous is None:
        return HostSample(reading=current, memory_used_bytes=used)
    return HostSample(
        reading=current,
        cpu_percent=_cpu_percent(previous, current),
        memory_used_bytes=used,
        rx_bytes_per_s=rate_per_s(previous.rx_bytes, current.rx_bytes, elapsed_s),
        tx_bytes_per_s=rate_per_s(previous.tx_bytes, current.tx_bytes, elapsed_s),
    )


def _cpu_percent(previous: HostReading, current: HostReading) -> float | None:
    # By the kernel's own ticks rather than the clock: both are then off by the same amount.
    if (
        previous.cpu_total_ticks is None
        or current.cpu_total_ticks is None
        or previous.cpu_busy_ticks is None
        or current.cpu_busy_ticks is None
    ):
        return None
    total = current.cpu_total_ticks - previous.cpu_total_ticks
    busy = current.cpu_busy_ticks - previous.cpu_busy_ticks
    # The kernel's iowait is known to go back a little, which makes the busy share exceed the whole.
    return min(100.0, 100.0 * busy / total) if total > 0 and busy >= 0 else None


def _percent_of_time(previous_ns: int | None, current_ns: int | None, elapsed_s: float) -> float | None:
    per_s = rate_per_s(previous_ns, current_ns, elapsed_s)
    return None if per_s is None else per_s / 1e7

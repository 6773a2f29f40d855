"""Which metrics are looked at for anomalies, and what difference of each is of any interest to a person."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.metrics import BY_NAME, MetricType

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How a metric is judged: a difference below `floor`, in its unit, is none.

    `only_up`: less is no bad sign. `is_growth`: not the value but what it grew by since the row before, since
    a disk's usual state is to fill.
    """

    floor: float
    only_up: bool = False
    is_growth: bool = False


WATCHED: dict[str, Watched] = {
    "cpu_percent": Watched(floor=5.0),
    "throttled_percent": Watched(floor=5.0, only_up=True),
    "memory_bytes": Watched(floor=32.0 * MIB),
    "swap_bytes": Watched(floor=64.0 * MIB, only_up=True),
    "rx_bytes_per_s": Watched(floor=20_000.0),
    "tx_bytes_per_s": Watched(floor=20_000.0),
    "read_bytes_per_s": Watched(floor=1.0 * MIB, only_up=True),
    "write_bytes_per_s": Watched(floor=1.0 * MIB, only_up=True),
    "restarts": Watched(floor=1.0, only_up=True),
    "load_1": Watched(floor=1.0, only_up=True),
    "cpu_iowait_percent": Watched(floor=5.0, only_up=True),
    "cpu_steal_percent": Watched(floor=5.0, only_up=True),
    "pressure_cpu_percent": Watched(floor=5.0, only_up=True),
    "pressure_memory_percent": Watched(floor=2.0, only_up=True),
    "pressure_io_percent": Watched(floor=5.0, only_up=True),
    "disk_used_bytes": Watched(floor=100e6, only_up=True, is_growth=True),
    "inodes_used": Watched(floor=10_000.0, only_up=True, is_growth=True),
    "temperature_celsius": Watched(floor=5.0, only_up=True),
    "requests": Watched(floor=25.0),
    "errors": Watched(floor=5.0, only_up=True),
    "lost": Watched(floor=2.0, only_up=True),
    "latency_p95_ms": Watched(floor=20.0, only_up=True),
}
"""What says the same as one of these, or only how large something is, is left out: it would cost as much."""

PLAIN = Watched(floor=0.0)
"""Of a series nothing is known about: every difference counts."""

assert all(name in BY_NAME for name in WATCHED)


def is_count(metric: str) -> bool:
    """Whether a row of the metric is a sum."""
    known = BY_NAME.get(metric)
    return known is not None and known.type is MetricType.COUNT

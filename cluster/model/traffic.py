"""What went through the routers, by revision, in closed intervals: what a new revision is judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.model import rules
from cluster.model.ids import NodeId, ServiceId

BUCKETS_PER_OCTAVE = 8
BUCKETS_MAX = 176
"""From 0.25 ms to over 1,000 s."""
ARMS_MAX = 8
INTERVALS_MAX = 6
"""How many closed intervals a host repeats: a leader that comes new misses nothing shorter."""
_FIRST_MS = 0.25


def latency_bucket(latency_ms: float) -> int:
    """Return the bucket of a latency: bucket i ends at `latency_bound_ms(i)`, 9 % above the one before."""
    if latency_ms <= _FIRST_MS:
        return 0
    return min(BUCKETS_MAX - 1, math.ceil(BUCKETS_PER_OCTAVE * math.log2(latency_ms / _FIRST_MS)))


def latency_bound_ms(bucket: int) -> float:
    """Return the longest latency that is counted in `bucket`."""
    return float(_FIRST_MS * 2.0 ** (bucket / BUCKETS_PER_OCTAVE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTraffic:
    """What one revision's replicas answered through one router during one interval.

    `failures` are the requests a client would call failed: 5xx answers, connections refused, and `lost` ones,
    which got no answer at all. `retried` were sent once more and answered then: failures of this revision
    that no client saw. `latencies` are (bucket, count) in order, of a sample where there are many requests.
    """

    revision: int
    requests: int
    failures: int = 0
    lost: int = 0
    retried: int = 0
    latencies: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        rules.check_range("revision", self.revision, 1, 2**31)
        for name in ("requests", "failures", "lost", "retried"):
            rules.check_range(name, getattr(self, name), 0, 2**53)
        rules.check_ascending(
            "latencies", [bucket for bucket, _ in self.latencies], 0, BUCKETS_MAX - 1, BUCKETS_MAX
        )
        for _, count in self.latencies:
            rules.check_range("latencies: count", count, 1, 2**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficInterval:
    """One host's closed interval for one service. `sequence` counts within `epoch`, one run of its agent."""

    service_id: ServiceId
    node_id: NodeId
    epoch: str
    sequence: int
    duration_ms: int
    arms: tuple[ArmTraffic, ...]

    def __post_init__(self) -> None:
        rules.check_id("epoch", self.epoch)
        rules.check_range("sequence", self.sequence, 1, 2**53)
        rules.check_range("duration_ms", self.duration_ms, 1, 3_600_000)
        rules.check_count("arms", self.arms, ARMS_MAX)

"""What hosts told this leader of the load on services that it scales: the newest, each with its age."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from agent.peers.protocol import TrafficReport
from cluster.model.autoscaling import ReplicaUsage
from cluster.model.ids import NodeId, ServiceId
from cluster.model.traffic import TrafficInterval, latency_bound_ms

TOLD_MAX_AGE_S = 10.0
"""Hosts tell every two seconds what they know then. One that has not for so long is silent."""
FLOW_SPAN_S = 20.0
INTERVALS_KEPT = 32
REPLICAS_KEPT = 1024

CopyName = tuple[NodeId, int, int]
"""Host, revision and ordinal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What all routers together counted lately. `requests_per_s` None: none has told.

    `latency_p95_ms` is 0 where there was no request. `is_complete`: every router has told.
    """

    requests_per_s: float | None = None
    latency_p95_ms: float | None = None
    is_complete: bool = False


@dataclass(slots=True)
class _Load:
    usages: dict[CopyName, tuple[float, ReplicaUsage]] = field(default_factory=dict)
    flows: dict[NodeId, deque[tuple[float, TrafficInterval]]] = field(default_factory=dict)


class LoadBook:
    """One term's knowledge, by service. Times are CLOCK_MONOTONIC, in seconds."""

    def __init__(self) -> None:
        self._loads: dict[ServiceId, _Load] = {}

    def note(self, report: TrafficReport, now_s: float) -> None:
        """Keep what a host says of itself; what it repeats is known already."""
        node_id = NodeId(report.node_id)
        for usage in report.usages:
            usages = self._load(usage.service_id).usages
            name = (node_id, usage.revision, usage.ordinal)
            if name in usages or len(usages) < REPLICAS_KEPT:
                usages[name] = (now_s, usage)
        for interval in report.flows:
            if interval.node_id != node_id:
                continue
            told = self._load(interval.service_id).flows.setdefault(node_id, deque(maxlen=INTERVALS_KEPT))
            newest = told[-1][1] if told else None
            if newest is not None and newest.epoch == interval.epoch:
                if interval.sequence <= newest.sequence:
                    continue
            elif newest is not None:
                told.clear()
            told.append((now_s, interval))

    def keep_only(self, services: Collection[ServiceId], now_s: float) -> None:
        """Forget the services that are not scaled (any more), and numbers that are too old."""
        for service_id in self._loads.keys() - set(services):
            del self._loads[service_id]
        for load in self._loads.values():
            for name in [n for n, (at_s, _) in load.usages.items() if now_s - at_s > TOLD_MAX_AGE_S]:
                del load.usages[name]
            for node_id in [n for n, told in load.flows.items() if now_s - told[-1][0] > TOLD_MAX_AGE_S]:
                del load.flows[node_id]

    def usage(self, service_id: ServiceId, name: CopyName, now_s: float) -> ReplicaUsage | None:
        """Return what a replica uses, None without a fresh number."""
        load = self._loads.get(service_id)
        at_s, usage = (0.0, None) if load is None else load.usages.get(name, (0.0, None))
        return usage if usage is not None and now_s - at_s <= TOLD_MAX_AGE_S else None

    def flow(self, service_id: ServiceId, routers: Collection[NodeId], now_s: float) -> Flow:
        """Return what went through `routers` in the last `FLOW_SPAN_S`."""
        load = self._loads.get(service_id)
        rate, is_known, is_complete = 0.0, False, True
        latencies: dict[int, int] = {}
        for node_id in routers:
            told = load.flows.get(node_id) if load is not None else None
            if not told or now_s - told[-1][0] > TOLD_MAX_AGE_S:
                is_complete = False
                continue
            # One without a count of any revision is of a host without a router.
            is_known = is_known or any(each.arms for _, each in told)
            # Those that came late with one report still are of the time before it.
            recent = [each for at_s, each in told if now_s - at_s <= FLOW_SPAN_S]
            span_ms = sum(each.duration_ms for each in recent)
            for each in recent:
                for arm in each.arms:
                    rate += arm.requests * 1000 / span_ms
                    for bucket, count in arm.latencies:
                        latencies[bucket] = latencies.get(bucket, 0) + count
        if not is_known:
            return Flow()
        return Flow(
            requests_per_s=rate, latency_p95_ms=_quantile_ms(latencies, 0.95), is_complete=is_complete
        )

    def _load(self, service_id: ServiceId) -> _Load:
        return self._loads.setdefault(service_id, _Load())


def _quantile_ms(latencies: dict[int, int], share: float) -> float:
    wanted = share * sum(latencies.values())
    reached = 0
    for bucket, count in sorted(latencies.items()):
        reached += count
        if reached >= wanted:
            return latency_bound_ms(bucket)
    return 0.0

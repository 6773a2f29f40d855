"""What hosts told this leader of the traffic of services that are being judged."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.model.ids import NodeId, ServiceId
from cluster.model.metric_limits import CopySamples
from cluster.model.traffic import INTERVALS_MAX, TrafficInterval

_Heard = dict[NodeId, tuple[TrafficInterval, ...]]

SERVICES_MAX = 1024
SAMPLES_MAX = 4096
"""Series of one service on one host."""


class TrafficBook:
    """The newest intervals and samples of every host, by service. What was taken in of them, the rollouts
    know."""

    def __init__(self) -> None:
        self._heard: dict[ServiceId, _Heard] = {}
        self._samples: dict[ServiceId, dict[NodeId, tuple[CopySamples, ...]]] = {}

    def note(
        self, node_id: NodeId, intervals: Sequence[TrafficInterval], samples: Sequence[CopySamples] = ()
    ) -> frozenset[ServiceId]:
        """Keep what a host says of itself; return the services it is news for."""
        by_service: dict[ServiceId, list[TrafficInterval]] = {}
        for interval in intervals:
            if interval.node_id == node_id:
                by_service.setdefault(interval.service_id, []).append(interval)
        for service_id, told in by_service.items():
            newest = sorted(told, key=lambda interval: interval.sequence)[-INTERVALS_MAX:]
            if service_id in self._heard or len(self._heard) < SERVICES_MAX:
                self._heard.setdefault(service_id, {})[node_id] = tuple(newest)
        measured: dict[ServiceId, list[CopySamples]] = {}
        for each in samples:
            if each.node_id == node_id:
                measured.setdefault(each.service_id, []).append(each)
        for service_id, found in measured.items():
            if service_id in self._samples or len(self._samples) < SERVICES_MAX:
                self._samples.setdefault(service_id, {})[node_id] = tuple(found[:SAMPLES_MAX])
        return frozenset(by_service) | frozenset(measured)

    def samples_of(self, service_id: ServiceId) -> tuple[CopySamples, ...]:
        """Return what hosts measured of the service's replicas."""
        told = self._samples.get(service_id, {})
        return tuple(each for _, found in sorted(told.items()) for each in found)

    def of(self, service_id: ServiceId) -> tuple[TrafficInterval, ...]:
        return tuple(
            interval for _, told in sorted(self._heard.get(service_id, {}).items()) for interval in told
        )

    def forget(self, service_id: ServiceId) -> None:
        """Nothing of it is judged any more."""
        self._heard.pop(service_id, None)
        self._samples.pop(service_id, None)

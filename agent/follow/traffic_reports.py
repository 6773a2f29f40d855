"""What the leader judges and scales services by, told to it: what went through this host's router for those
whose new revision is being judged, or that are scaled by it, and what the replicas here use.

It does not go through the log: the judge's state does, and says up to which interval it has taken in. A host
repeats its newest intervals, so a leader that comes new misses nothing. Scaling has no state in the log but
what was decided.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.follow.assignments_reports import SharedState
from agent.peers.protocol import TrafficReport
from agent.ports import SwitchError
from agent.router.protocol import RevisionTraffic
from cluster.model.autoscaling import ReplicaUsage
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.metric_limits import CopySamples
from cluster.model.service import Service
from cluster.model.traffic import ARMS_MAX, INTERVALS_MAX, ArmTraffic, TrafficInterval
from cluster.store import ReadTxn
from cluster.store.records import ROLLOUTS, SERVICES

log = logging.getLogger(__name__)

INTERVAL_S = 2.0

Totals = dict[int, RevisionTraffic]
"""The counts of a service's revisions by number."""


class CountingRouter(Protocol):
    async def traffic(self) -> tuple[RevisionTraffic, ...]: ...


class TrafficReports:
    """Counts and sends every two seconds while there is a rollout to judge or a service to scale. `epoch`
    names this run of the agent.

    Without `is_counting` the router does not know what goes through it: then nothing is said of services that
    are scaled by that, for no requests would mean few replicas.
    """

    def __init__(
        self,
        *,
        node_id: NodeId,
        epoch: str,
        state: SharedState,
        router: CountingRouter,
        send: Callable[[TrafficReport], Awaitable[None]],
        clock: Clock,
        usages: Callable[[frozenset[ServiceId]], tuple[ReplicaUsage, ...]] = lambda _: (),
        samples: Callable[[Mapping[ServiceId, frozenset[str]]], tuple[CopySamples, ...]] = lambda _: (),
        is_counting: bool = True,
    ) -> None:
        self._node_id = node_id
        self._epoch = epoch
        self._state = state
        self._router = router
        self._send = send
        self._clock = clock
        self._usages = usages
        self._samples = samples
        self._is_counting = is_counting
        self._sequence = 0
        self._counted_at_s = 0.0
        self._before: dict[ServiceId, Totals] = {}
        self._closed: dict[ServiceId, deque[TrafficInterval]] = {}
        self._judged: frozenset[ServiceId] = frozenset()

    async def run(self) -> NoReturn:
        """Do so for ever."""
        while True:
            await self._clock.sleep(INTERVAL_S)
            with self._state.read() as txn:
                services = SERVICES.scan(txn)
                judged = judged_services(txn, services)
                # One that is judged is not scaled meanwhile.
                flowing = flowing_services(services) if self._is_counting else []
                flowing = [each for each in flowing if each not in judged]
            for service_id in self._judged ^ set(judged):
                # What was counted for one purpose is none of the other's.
                self._closed.pop(service_id, None)
            self._judged = frozenset(judged)
            measured = measured_services(services)
            usages = self._usages(measured) if measured else ()
            samples = self._samples(limited_metrics([each for each in services if each.id in judged]))
            if not (judged or flowing):
                self._before.clear()
                self._closed.clear()
                if not usages:
                    continue
            try:
                if judged or flowing:
                    await self._count([*judged, *flowing])
                await self._send(
                    TrafficReport(
                        node_id=self._node_id,
                        intervals=self._told(judged),
                        flows=self._told(flowing),
                        usages=usages,
                        samples=samples,
                    )
                )
            except (SwitchError, HostUnavailable, HostRefused) as error:
                # What was counted is sent with the next, as far as it is kept.
                log.debug("traffic.not_reported", extra={"reason": str(error)})

    def _told(self, services: Sequence[ServiceId]) -> tuple[TrafficInterval, ...]:
        return tuple(each for service_id in services for each in self._closed.get(service_id, ()))

    async def _count(self, counted: Sequence[ServiceId]) -> None:
        totals: dict[ServiceId, Totals] = {service_id: {} for service_id in counted}
        for each in await self._router.traffic():
            if each.service in totals:
                totals[ServiceId(each.service)][each.revision] = each
        now_s = self._clock.monotonic_s()
        duration_ms = max(1, round((now_s - self._counted_at_s) * 1000))
        self._counted_at_s = now_s
        self._sequence += 1
        for service_id, present in totals.items():
            before = self._before.get(service_id)
            if before is None:
                continue
            interval = TrafficInterval(
                service_id=service_id,
                node_id=self._node_id,
                epoch=self._epoch,
                sequence=self._sequence,
                duration_ms=duration_ms,
                arms=arms_between(before, present),
            )
            self._closed.setdefault(service_id, deque(maxlen=INTERVALS_MAX)).append(interval)
        self._before = totals
        for service_id in self._closed.keys() - totals.keys():
            del self._closed[service_id]


def judged_services(txn: ReadTxn, services: Sequence[Service]) -> list[ServiceId]:
    """Return the services with a rollout that moves requests over."""
    found = []
    for service in services:
        rollout = None if service.rollout_id is None else ROLLOUTS.get(txn, service.rollout_id)
        if rollout is not None and rollout.stage is not None:
            found.append(service.id)
    return found


def limited_metrics(judged: Sequence[Service]) -> dict[ServiceId, frozenset[str]]:
    """Return the metrics that the judged services have limits of, by name; those without are left out."""
    limits = {each.id: each.policy.shift.analysis.metrics for each in judged}
    return {
        service_id: frozenset(limit.metric for limit in found)
        for service_id, found in limits.items()
        if found
    }


def flowing_services(services: Sequence[Service]) -> list[ServiceId]:
    """Return the services that are scaled by what routers count."""
    return [
        service.id
        for service in services
        if service.autoscale is not None and service.autoscale.is_routed and not service.is_removed
    ]


def measured_services(services: Sequence[Service]) -> frozenset[ServiceId]:
    """Return the services that are scaled by what their replicas use."""
    return frozenset(
        service.id
        for service in services
        if service.autoscale is not None and service.autoscale.is_measured and not service.is_removed
    )


def arms_between(
    before: Mapping[int, RevisionTraffic], present: Mapping[int, RevisionTraffic]
) -> tuple[ArmTraffic, ...]:
    """Return what came to each revision between two counts; of too many revisions, the newest."""
    newest = sorted(present)[-ARMS_MAX:]
    return tuple(
        _arm(before.get(number, RevisionTraffic(service="", revision=number)), present[number])
        for number in newest
        if number
    )


def _arm(before: RevisionTraffic, present: RevisionTraffic) -> ArmTraffic:
    latencies = {
        bucket: count - before.latencies.get(bucket, 0) for bucket, count in present.latencies.items()
    }
    return ArmTraffic(
        revision=present.revision,
        requests=present.requests - before.requests,
        failures=present.failures - before.failures,
        lost=present.lost - before.lost,
        retried=present.retried - before.retried,
        latencies=tuple(sorted((bucket, count) for bucket, count in latencies.items() if count > 0)),
    )

"""What went through this host's router for services whose new revision is being judged, told to the leader.

It does not go through the log: the judge's state does, and says up to which interval it has taken in. A host
repeats its newest intervals, so a leader that comes new misses nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.follow.assignments_reports import SharedState
from agent.ports import SwitchError
from agent.router.protocol import RevisionTraffic
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostRefused, HostUnavailable
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
    """Counts and sends every two seconds while there is a rollout to judge. `epoch` names this run of the
    agent."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        epoch: str,
        state: SharedState,
        router: CountingRouter,
        send: Callable[[Sequence[TrafficInterval]], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._epoch = epoch
        self._state = state
        self._router = router
        self._send = send
        self._clock = clock
        self._sequence = 0
        self._counted_at_s = 0.0
        self._before: dict[ServiceId, Totals] = {}
        self._closed: dict[ServiceId, deque[TrafficInterval]] = {}

    async def run(self) -> NoReturn:
        """Do so for ever."""
        while True:
            await self._clock.sleep(INTERVAL_S)
            with self._state.read() as txn:
                judged = judged_services(txn)
            if not judged:
                self._before.clear()
                self._closed.clear()
                continue
            try:
                await self._count(judged)
                await self._send([each for closed in self._closed.values() for each in closed])
            except (SwitchError, HostUnavailable, HostRefused) as error:
                # What was counted is sent with the next, as far as it is kept.
                log.debug("traffic.not_reported", extra={"reason": str(error)})

    async def _count(self, judged: Sequence[ServiceId]) -> None:
        totals: dict[ServiceId, Totals] = {service_id: {} for service_id in judged}
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


def judged_services(txn: ReadTxn) -> list[ServiceId]:
    """Return the services with a rollout that moves requests over."""
    found = []
    for service in SERVICES.scan(txn):
        rollout = None if service.rollout_id is None else ROLLOUTS.get(txn, service.rollout_id)
        if rollout is not None and rollout.stage is not None:
            found.append(service.id)
    return found


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

"""What passed through HAProxy, counted by revision: its counters for how many, its lines for how long."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from agent.clock import Clock
from agent.ports import SwitchError
from agent.router.haproxy.accounting import TrafficLedger
from agent.router.haproxy.render import SLOT_NAME_PREFIX, split_backend_name
from agent.router.haproxy.request_log import Answered
from agent.router.haproxy.runtime import RuntimeSocket
from agent.router.haproxy.slots import BackendSlots
from agent.router.haproxy.stats import Reading
from agent.router.protocol import RevisionTraffic, replica_name
from cluster.model.traffic import latency_bucket

log = logging.getLogger(__name__)

CONFIRM_S = 0.05
REVISIONS_MAX = 16
"""Revisions of one service that are counted; older ones are forgotten."""


class TrafficCounter:
    """Counts for the replicas in `slots`, which others keep."""

    def __init__(
        self,
        *,
        runtime: RuntimeSocket,
        slots: Mapping[str, BackendSlots],
        old_workers: Callable[[], Awaitable[tuple[int, ...]]],
        clock: Clock,
    ) -> None:
        self._runtime = runtime
        self._slots = slots
        self._old_workers = old_workers
        self._clock = clock
        self._ledger = TrafficLedger()
        self._latencies: dict[tuple[str, int], Counter[int]] = {}
        # Readings are taken in in the order they were made.
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Leave out what the workers of an earlier run of the agent counted."""
        async with self._lock:
            try:
                readings = await self._readings(None)
            except SwitchError as error:
                self._note_missed(error)
                return
            for pid, reading in readings.items():
                self._ledger.begin(pid, reading)

    async def record(self, backend: str | None = None) -> None:
        """Take in what one backend or all counted, before something changes whose requests they are.

        That it cannot be read holds nothing up: figures are worth less than the requests they are about.
        """
        async with self._lock:
            try:
                await self._record(backend)
            except SwitchError as error:
                self._note_missed(error)

    def _note_missed(self, error: SwitchError) -> None:
        log.warning("router.traffic_not_counted", extra={"reason": str(error)})

    async def totals(self) -> tuple[RevisionTraffic, ...]:
        """Return the counts of every revision."""
        async with self._lock:
            await self._record(None, confirms=True)
        declared = {names[0] for name in self._slots if (names := split_backend_name(name)) is not None}
        self._ledger.retain(declared, revisions_max=REVISIONS_MAX)
        totals = self._ledger.totals()
        counted = {(each.service, each.revision) for each in totals}
        self._latencies = {key: counts for key, counts in self._latencies.items() if key in counted}
        return tuple(
            replace(each, latencies=dict(self._latencies.get((each.service, each.revision), {})))
            for each in totals
        )

    def note(self, answered: Answered) -> None:
        """Take in how long one answer took."""
        names = split_backend_name(answered.backend)
        slots = self._slots.get(answered.backend)
        slot = None if slots is None else slots.find(replica_name(answered.address, answered.port))
        if names is not None and slot is not None:
            latencies = self._latencies.setdefault((names[0], slot.revision), Counter())
            latencies[latency_bucket(answered.latency_ms)] += 1

    async def _record(self, backend: str | None, *, confirms: bool = False) -> None:
        readings = await self._readings(backend)
        if self._ledger.record(readings, revision_of=self._revision_of) and confirms:
            await self._clock.sleep(CONFIRM_S)
            self._ledger.record(await self._readings(backend), revision_of=self._revision_of)

    async def _readings(self, backend: str | None) -> dict[int, Reading]:
        pid, present = await self._runtime.reading(backend)
        readings = {pid: present}
        try:
            old = await self._old_workers()
        except SwitchError:
            # While it reloads, the master does not answer; the present worker does.
            return readings
        for worker in old:
            try:
                readings[worker] = await self._runtime.reading_of(worker, backend)
            except SwitchError:
                continue  # it has just ended
        self._ledger.forget(present=(pid, *old))
        return readings

    def _revision_of(self, backend: str, server: str) -> int:
        slots = self._slots.get(backend)
        number = server.removeprefix(SLOT_NAME_PREFIX)
        if slots is None or not number.isdecimal() or not 1 <= int(number) <= len(slots):
            return 0
        return slots.at(int(number)).revision

"""Leave to be away for a while: asked for before a planned stop of the agent, given back after its start.

Meanwhile the leader takes nothing of this host for lost, and its lease lasts that long, so that its keeper
leaves fenced containers alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from agent.clock import Clock
from agent.follow.lease import HostLease
from cluster.commands import Outcome, Rejected
from cluster.commands.nodes import SetNodeMaintenance
from cluster.model.ids import NodeId
from cluster.model.node import Maintenance
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import Committed, tables

log = logging.getLogger(__name__)

RESTART_MS = 60_000
"""How long a restart of the agent, or its upgrade, may take."""
ASK_TIMEOUT_S = 2.0
GRANTED_LOOK_S = 0.05
RETRY_S = 0.5


class ProposesCommands(Protocol):
    async def propose(self, command: object) -> Outcome: ...
    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]: ...


class PlannedLeave:
    """This host's leave. `committed` is what the state says of it."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: ProposesCommands,
        committed: Callable[[], Maintenance | None],
        lease: HostLease,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._committed = committed
        self._lease = lease
        self._clock = clock
        self._from_before = committed()
        self._changed = asyncio.Event()

    async def ask(self) -> bool:
        """Ask for leave before the agent stops, and wait until the lease lasts; whether it does.

        Best effort, in bounded time: without it the agent stops all the same.
        """
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                if not self._has_leave():
                    command = SetNodeMaintenance(
                        node_id=self._node_id, duration_ms=RESTART_MS, reason="its agent restarts"
                    )
                    outcome = await self._state.propose(command)
                    if isinstance(outcome, Rejected):
                        log.warning("leave.refused", extra={"reason": outcome.reason})
                        return False
                while self._lease.lease.is_guarding and self._lease.left_ms < RESTART_MS // 2:
                    await self._clock.sleep(GRANTED_LOOK_S)
        except (TimeoutError, NotCommitted, OutcomeUnknown) as error:
            log.warning("leave.not_granted", extra={"reason": str(error) or "no answer in time"})
            return False
        log.info("leave.granted")
        return True

    async def run(self) -> None:
        """Give leave back when it is over: this agent is back, it was ended, or its time has come."""
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            while True:
                self._changed.clear()
                leave = self._committed()
                if leave is None:
                    self._from_before = None
                    await self._changed.wait()
                elif not self._is_over(leave):
                    left_ms = leave.left_ms(self._clock.now_ms())
                    await self._clock.wait(self._changed, max(RETRY_S, left_ms / 1000))
                elif not await self._give_back(leave):
                    await self._clock.sleep(RETRY_S)
        finally:
            unsubscribe()

    def _has_leave(self) -> bool:
        leave = self._committed()
        return leave is not None and leave.left_ms(self._clock.now_ms()) >= RESTART_MS // 2

    def _is_over(self, leave: Maintenance) -> bool:
        return leave == self._from_before or leave.left_ms(self._clock.now_ms()) == 0

    async def _give_back(self, leave: Maintenance) -> bool:
        if not self._lease.is_answered:
            # Not back yet: without an answer to come, the leave is what keeps containers running.
            return False
        # In this order: once it is committed, a next leader does not wait for a lease of that length.
        if not self._lease.give_back(leave):
            return False
        command = SetNodeMaintenance(node_id=self._node_id, duration_ms=0, is_given_back=True)
        try:
            outcome = await self._state.propose(command)
        except (NotCommitted, OutcomeUnknown) as error:
            log.info("leave.not_given_back", extra={"reason": str(error)})
            return False
        if isinstance(outcome, Rejected):
            log.warning("leave.not_given_back", extra={"reason": outcome.reason})
            return False
        return True

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(table == tables.NODES.name for table, _ in committed.changed):
            self._changed.set()

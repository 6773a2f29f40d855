"""What this host says of itself, committed when it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NoReturn, Protocol

from agent.clock import Clock
from cluster.commands import Outcome, Rejected
from cluster.commands.nodes import UpdateNodeFacts
from cluster.model.ids import NodeId
from cluster.model.node import NodeFacts
from cluster.raft.replicator import NotCommitted, OutcomeUnknown

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 60.0
RETRY_S = 2.0


class ProposesCommands(Protocol):
    async def propose(self, command: object) -> Outcome: ...


class FactsReporter:
    """Reads the facts every minute and proposes them when they differ from what is committed."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        read: Callable[[], NodeFacts],
        committed: Callable[[], NodeFacts | None],
        state: ProposesCommands,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._read = read
        self._committed = committed
        self._state = state
        self._clock = clock

    async def run(self) -> NoReturn:
        """Report for ever."""
        while True:
            is_current = await self._report()
            await self._clock.sleep(CHECK_INTERVAL_S if is_current else RETRY_S)

    async def _report(self) -> bool:
        committed = self._committed()
        if committed is None:
            return False
        facts = self._read()
        if facts == committed:
            return True
        try:
            outcome = await self._state.propose(UpdateNodeFacts(node_id=self._node_id, facts=facts))
        except (NotCommitted, OutcomeUnknown) as error:
            log.debug("facts.not_reported", extra={"reason": str(error)})
            return False
        if isinstance(outcome, Rejected):
            log.warning("facts.rejected", extra={"reason": outcome.reason})
        return True

"""What a new cluster's first node still has to commit, once it leads."""

from __future__ import annotations

import logging
from typing import Protocol

from agent.clock import Clock
from agent.node.directory import NodeDirectory
from agent.node.founding import read_first_steps
from cluster.commands import Code, Outcome, Rejected
from cluster.raft.replicator import NotCommitted, OutcomeUnknown

log = logging.getLogger(__name__)

RETRY_S = 0.5


class ProposesCommands(Protocol):
    async def propose(self, command: object) -> Outcome: ...


async def take_first_steps(directory: NodeDirectory, state: ProposesCommands, clock: Clock) -> None:
    """Commit them in order and forget them; each may be repeated. Returns at once when there are none."""
    for step in read_first_steps(directory):
        while True:
            try:
                outcome = await state.propose(step)
            except (NotCommitted, OutcomeUnknown) as error:
                log.info("first_steps.waiting", extra={"reason": str(error)})
                await clock.sleep(RETRY_S)
                continue
            if isinstance(outcome, Rejected) and outcome.code is not Code.ALREADY_EXISTS:
                log.error(
                    "first_steps.rejected", extra={"step": type(step).__name__, "reason": outcome.reason}
                )
            break
    directory.first_steps.unlink(missing_ok=True)

"""Whether the state here is no older than the start of this agent."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from agent.clock import Clock
from cluster.raft.replicator import ReadLevel, ReadPoint, ReadUnavailable

log = logging.getLogger(__name__)

RETRY_S = 0.2


class ReadsState(Protocol):
    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint: ...


class CaughtUp:
    """Waits for one read that a leader confirmed.

    Until then what is committed may say more than is known here: a host that comes back would start what has
    run elsewhere for an hour.
    """

    def __init__(self, state: ReadsState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._is_reached = asyncio.Event()

    async def run(self) -> None:
        """Return once it is."""
        while not self._is_reached.is_set():
            try:
                await self._state.point(ReadLevel.LINEARIZABLE)
            except ReadUnavailable as error:
                log.debug("state.not_caught_up", extra={"reason": str(error)})
                await self._clock.sleep(RETRY_S)
                continue
            self._is_reached.set()
            log.info("state.caught_up")

    async def wait(self) -> None:
        await self._is_reached.wait()

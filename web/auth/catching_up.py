"""Making sure that this node is not merely behind before it says "unknown".

A login made on one node a moment ago may not have been applied on this one. Asking the leader settles that,
but costs a round trip, and strangers could ask for many: so the callers of one moment share one.
"""

from __future__ import annotations

import asyncio

from cluster.raft.replicator import ReadLevel, ReadUnavailable
from web.ports import State

TIMEOUT_S = 2.0


class CatchingUp:
    """At most one question to the leader at a time, however many wait for its answer."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = asyncio.Lock()
        self._started = 0
        self._is_confirmed = False

    async def catch_up(self) -> bool:
        """Have everything committed before this call applied here; False when no leader confirms it."""
        started_before = self._started
        async with self._lock:
            # A question that was asked after we came, while we waited, answers for us too.
            if self._started > started_before:
                return self._is_confirmed
            self._started += 1
            try:
                await self._state.point(ReadLevel.LINEARIZABLE, timeout_s=TIMEOUT_S)
                self._is_confirmed = True
            except ReadUnavailable:
                self._is_confirmed = False
            return self._is_confirmed

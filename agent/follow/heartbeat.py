"""This host's sign of life to whoever leads. Liveness never goes through the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.peers.protocol import Beat, BeatAnswer
from cluster.model.inventory import HostRefused, HostUnavailable

log = logging.getLogger(__name__)

PERIOD_S = 0.5


class BeatClient(Protocol):
    async def beat(self, node_id: str, beat: Beat) -> BeatAnswer: ...


class Heartbeat:
    """Beats every half second, to itself while it leads. `confirmed_at_s` is when the last answered beat
    *left*.

    A lease that a host holds runs from then (CLOCK_BOOTTIME), never from when the answer came.
    """

    def __init__(
        self,
        *,
        node_id: str,
        leader_id: Callable[[], str | None],
        make_beat: Callable[[], Beat],
        answer_own: Callable[[Beat], BeatAnswer | None],
        client: BeatClient,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._leader_id = leader_id
        self._make_beat = make_beat
        self._answer_own = answer_own
        self._client = client
        self._clock = clock
        self._problem = ""
        self.confirmed_at_s: float | None = None

    async def run(self) -> NoReturn:
        """Beat for ever."""
        while True:
            began_s = self._clock.boottime_s()
            if await self._beat():
                self.confirmed_at_s = began_s
            await self._clock.sleep(PERIOD_S - (self._clock.boottime_s() - began_s))

    async def _beat(self) -> bool:
        leader = self._leader_id()
        if leader is None:
            self._note("no leader is known")
            return False
        beat = self._make_beat()
        if leader == self._node_id:
            is_answered = self._answer_own(beat) is not None
            self._note("" if is_answered else "this node leads without a quorum's lease")
            return is_answered
        try:
            await self._client.beat(leader, beat)
        except (HostUnavailable, HostRefused) as error:
            self._note(str(error))
            return False
        self._note("")
        return True

    def _note(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            if problem:
                log.warning("heartbeat.unanswered", extra={"reason": problem})
            else:
                log.info("heartbeat.answered")
        self._problem = problem

"""This host's sign of life to whoever leads, and its request for a lease. Neither goes through the log."""

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
    """Beats every half second, to itself while it leads, one beat after the other.

    `make_beat` and `on_answer` are given when the beat *left* (CLOCK_BOOTTIME): a lease runs from then, never
    from when the answer came. An answer that comes too late is not taken.
    """

    def __init__(
        self,
        *,
        node_id: str,
        leader_id: Callable[[], str | None],
        make_beat: Callable[[float], Beat],
        answer_own: Callable[[Beat], BeatAnswer | None],
        on_answer: Callable[[float, BeatAnswer], None],
        client: BeatClient,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._leader_id = leader_id
        self._make_beat = make_beat
        self._answer_own = answer_own
        self._on_answer = on_answer
        self._client = client
        self._clock = clock
        self._problem = ""

    async def run(self) -> NoReturn:
        """Beat for ever."""
        while True:
            began_s = self._clock.boottime_s()
            answer = await self._beat(began_s)
            if answer is not None:
                self._on_answer(began_s, answer)
            await self._clock.sleep(PERIOD_S - (self._clock.boottime_s() - began_s))

    async def _beat(self, began_s: float) -> BeatAnswer | None:
        leader = self._leader_id()
        if leader is None:
            self._note("no leader is known")
            return None
        beat = self._make_beat(began_s)
        if leader == self._node_id:
            own = self._answer_own(beat)
            self._note("" if own is not None else "this node leads without a quorum's lease")
            return own
        try:
            answer = await self._client.beat(leader, beat)
        except (HostUnavailable, HostRefused) as error:
            self._note(str(error))
            return None
        self._note("")
        return answer

    def _note(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            if problem:
                log.warning("heartbeat.unanswered", extra={"reason": problem})
            else:
                log.info("heartbeat.answered")
        self._problem = problem

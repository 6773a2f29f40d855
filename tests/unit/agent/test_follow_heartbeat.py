"""This host's sign of life: to whom it goes, when it counts, and what is said when it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from agent.follow.heartbeat import PERIOD_S, Heartbeat
from agent.peers.protocol import Beat, BeatAnswer
from cluster.model.inventory import HostUnavailable
from tests.support.fake_clock import FakeClock

ANSWER = BeatAnswer(leader_id="nd_2", term=3)


@dataclass
class World:
    """A host whose leader, and whose leader's answers, are the test's."""

    clock: FakeClock = field(default_factory=FakeClock)
    leader: str | None = "nd_2"
    took_s: float = 0.0
    failure: Exception | None = None
    own_answer: BeatAnswer | None = None
    sent: list[tuple[str, float]] = field(default_factory=list)
    answered: list[tuple[float, BeatAnswer]] = field(default_factory=list)

    async def beat(self, node_id: str, _beat: Beat) -> BeatAnswer:
        self.sent.append((node_id, self.clock.boottime_s()))
        await self.clock.sleep(self.took_s)
        if self.failure is not None:
            raise self.failure
        return ANSWER

    def answer_own(self, _beat: Beat) -> BeatAnswer | None:
        self.sent.append(("nd_1", self.clock.boottime_s()))
        return self.own_answer

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        heartbeat = Heartbeat(
            node_id="nd_1",
            leader_id=lambda: self.leader,
            make_beat=lambda left_s: Beat(
                node_id="nd_1", applied_index=1, is_engine_available=True, sent_ms=int(left_s * 1000)
            ),
            answer_own=self.answer_own,
            on_answer=lambda left_s, answer: self.answered.append((left_s, answer)),
            client=self,
            clock=self.clock,
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(heartbeat.run())
            await self.clock.settle()
            yield
            running.cancel()


async def test_a_beat_counts_from_when_it_left() -> None:
    world = World(took_s=0.2)
    began_s = world.clock.boottime_s()
    async with world.beating():
        assert world.answered == []
        await world.clock.advance(0.2)
        assert world.answered == [(began_s, ANSWER)]
        await world.clock.advance(PERIOD_S)
    assert world.sent == [("nd_2", began_s), ("nd_2", began_s + PERIOD_S)]


async def test_a_leader_answers_itself_while_it_surely_leads() -> None:
    world = World(leader="nd_1")
    async with world.beating():
        assert world.answered == []
        world.own_answer = ANSWER
        await world.clock.advance(PERIOD_S)
        assert world.answered == [(world.clock.boottime_s(), ANSWER)]


async def test_after_a_change_of_leader_the_next_beat_goes_to_the_new_one() -> None:
    world = World()
    async with world.beating():
        world.leader = "nd_3"
        await world.clock.advance(PERIOD_S)
    assert [node_id for node_id, _ in world.sent] == ["nd_2", "nd_3"]


async def test_silence_confirms_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(failure=HostUnavailable("no answer"))
    with caplog.at_level(logging.INFO):
        async with world.beating():
            await world.clock.advance(PERIOD_S * 3)
            world.leader = None
            await world.clock.advance(PERIOD_S)
            assert world.answered == []
            world.leader, world.failure = "nd_2", None
            await world.clock.advance(PERIOD_S)
            assert [answer for _, answer in world.answered] == [ANSWER]
    assert [record.message for record in caplog.records] == ["heartbeat.unanswered", "heartbeat.answered"]

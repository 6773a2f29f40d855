"""A leader's duties: once per term, only while it leads, and never half dead."""

from __future__ import annotations

import asyncio
import random

import pytest

from agent.ids import IdSource
from agent.leader import LeaderDuties, run_duties_while_leader
from agent.peers.protocol import Beat
from cluster.commands import Outcome
from cluster.model.ids import NodeId
from cluster.raft.leadership import Leadership, LeadershipView
from cluster.raft.replicator import NotCommitted
from cluster.store.records import LEADER_TERM
from tests.simulation.orchestration_leader import FakeRaft, LeaderState, LedWorld

N1 = NodeId("h1")


class Recorded:
    """Duties that write down when they began and ended."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.failure: Exception | None = None

    async def run(self, term: int) -> None:
        self.events.append(f"begin {term}")
        try:
            if self.failure is not None:
                raise self.failure
            await asyncio.Event().wait()
        finally:
            # A duty that takes a moment to end.
            await asyncio.sleep(0)
            self.events.append(f"end {term}")


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def leads(leadership: Leadership, term: int, is_leader: bool = True) -> None:
    leadership.publish(LeadershipView(term=term, is_leader=is_leader, leader_id="h1"))


async def test_duties_run_once_per_term_and_end_before_the_next_begin() -> None:
    leadership, duties = Leadership(), Recorded()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_duties_while_leader(leadership, duties))
        await turns()
        assert duties.events == []
        leads(leadership, 4)
        await turns()
        assert duties.events == ["begin 4"]
        leads(leadership, 5)
        await turns()
        assert duties.events == ["begin 4", "end 4", "begin 5"]
        leads(leadership, 5, is_leader=False)
        await turns()
        assert duties.events == ["begin 4", "end 4", "begin 5", "end 5"]
        running.cancel()


async def test_a_crash_of_a_duty_surfaces() -> None:
    leadership, duties = Leadership(), Recorded()
    duties.failure = ValueError("a bug")
    leads(leadership, 4)
    with pytest.raises(ExceptionGroup) as raised:
        await run_duties_while_leader(leadership, duties)
    assert raised.group_contains(ValueError, match="a bug")


class Stage:
    """The real duties of the first host of a pretended cluster."""

    def __init__(self, *more: object) -> None:
        self.led = LedWorld()
        self.world, self.clock = self.led.world, self.led.clock
        self.world.replica.term += 1
        self.term = self.world.replica.term
        self.state = LeaderState(self.led, N1)
        self.raft = FakeRaft(N1, self.world, self.clock)
        self.duties = LeaderDuties(
            node_id=N1,
            state=self.state,
            raft=self.raft,
            clock=self.clock,
            ids=IdSource(self.clock, random.Random(1).randbytes),
            more=lambda: more,  # type: ignore[arg-type, return-value]
        )

    def leader_term(self) -> int:
        with self.world.store.read() as txn:
            newest = LEADER_TERM.get(txn)
        return 0 if newest is None else newest.term


A_BEAT = Beat(node_id="h2", applied_index=1, is_engine_available=True)


async def test_the_first_act_of_a_leader_fences_the_one_before() -> None:
    stage = Stage()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.duties.run(stage.term))
        await stage.clock.settle()
        assert stage.leader_term() == stage.term
        running.cancel()


async def test_taking_up_the_duties_is_tried_until_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    propose, refusals = stage.state.propose, iter([True, True])

    async def refuse_twice(command: object, *, leader_term: int, timeout_s: float) -> Outcome:
        if next(refusals, False):
            raise NotCommitted("no leader is known here", may_retry=True)
        return await propose(command, leader_term=leader_term, timeout_s=timeout_s)

    monkeypatch.setattr(stage.state, "propose", refuse_twice)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.duties.run(stage.term))
        await stage.clock.advance(0.2)
        assert stage.leader_term() == stage.term
        running.cancel()


async def test_a_leader_of_an_older_term_gives_up_quietly() -> None:
    stage = Stage()
    stage.world.replica.lead("h2")
    stage.world.store.flush()
    await stage.duties.run(stage.term)
    assert stage.leader_term() == stage.term + 1
    assert stage.duties.on_beat(A_BEAT) is None


async def test_a_leader_that_is_replaced_while_it_works_gives_up_quietly() -> None:
    stage = Stage()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.duties.run(stage.term))
        await stage.clock.settle()
        stage.world.replica.lead("h2")
        stage.world.store.flush()
        # Nobody beats: the first thing it would commit is that a host is suspect.
        await stage.clock.advance(2)
        assert running.done()
    assert not running.cancelled()


async def test_beats_are_answered_only_with_a_lease_and_only_while_the_duties_run() -> None:
    stage = Stage()
    assert stage.duties.on_beat(A_BEAT) is None
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.duties.run(stage.term))
        await stage.clock.settle()
        answer = stage.duties.on_beat(A_BEAT)
        assert answer is not None
        assert (answer.leader_id, answer.term) == ("h1", stage.term)
        stage.raft.has_lease = False
        assert stage.duties.on_beat(A_BEAT) is None
        running.cancel()
    assert stage.duties.on_beat(A_BEAT) is None


async def test_further_duties_run_beside_the_others_and_end_with_the_term() -> None:
    more = Recorded()
    stage = Stage(more)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.duties.run(stage.term))
        await stage.clock.settle()
        assert more.events == [f"begin {stage.term}"]
        running.cancel()
    assert more.events == [f"begin {stage.term}", f"end {stage.term}"]


async def test_a_crash_of_a_further_duty_ends_them_all() -> None:
    more = Recorded()
    more.failure = ValueError("a bug")
    stage = Stage(more)
    with pytest.raises(ExceptionGroup) as raised:
        await stage.duties.run(stage.term)
    assert raised.group_contains(ValueError, match="a bug")

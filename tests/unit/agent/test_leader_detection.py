"""The failure detector's loop: what it hears, what it commits, and when it holds its tongue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.leader.detection import FailureDetection
from agent.leader.proposing import LeadershipOver
from cluster.commands import Outcome
from cluster.commands.settings import PutSetting
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.raft.replicator import NotCommitted
from cluster.store.records import NODES
from tests.simulation.orchestration_leader import FakeRaft, LeaderState, LedWorld

N1, N2, N3 = NodeId("h1"), NodeId("h2"), NodeId("h3")


class Detected:
    """A cluster of three whose first host leads and detects."""

    def __init__(self) -> None:
        self.led = LedWorld()
        self.clock = self.led.clock
        self.raft = FakeRaft(N1, self.led.world, self.clock)
        self.state = LeaderState(self.led, N1)
        self.detection = FailureDetection(
            term=self.led.world.replica.term,
            node_id=N1,
            state=self.state,
            raft=self.raft,
            clock=self.clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.detection.run())
            await self.clock.settle()
            yield
            task.cancel()

    async def beat_for(self, seconds: float, *nodes: NodeId) -> None:
        for _ in range(round(seconds / 0.5)):
            for node_id in nodes:
                self.detection.on_beat(node_id, is_engine_available=True)
            await self.clock.advance(0.5)

    def status(self, node_id: NodeId) -> NodeStatus:
        with self.led.world.store.read() as txn:
            node = NODES.get(txn, node_id)
        assert node is not None
        return node.status


async def test_a_host_that_falls_silent_is_suspect_and_then_down() -> None:
    it = Detected()
    async with it.running():
        await it.beat_for(2, N2, N3)
        await it.beat_for(1, N3)
        assert it.status(N2) is NodeStatus.UP
        await it.beat_for(0.5, N3)
        assert it.status(N2) is NodeStatus.SUSPECT
        await it.beat_for(1.5, N3)
        assert it.status(N2) is NodeStatus.DOWN
        assert it.status(N3) is NodeStatus.UP
        assert it.status(N1) is NodeStatus.UP


async def test_a_host_that_beats_again_three_times_is_up_at_once() -> None:
    it = Detected()
    async with it.running():
        await it.beat_for(4, N3)
        assert it.status(N2) is NodeStatus.DOWN
        await it.beat_for(1, N2, N3)
        assert it.status(N2) is NodeStatus.DOWN
        it.detection.on_beat(N2, is_engine_available=True)
        await it.clock.settle()
        assert it.status(N2) is NodeStatus.UP


async def test_without_the_lease_nobody_is_declared_anything() -> None:
    it = Detected()
    async with it.running():
        await it.beat_for(1, N2, N3)
        it.raft.has_lease = False
        await it.clock.advance(10)
        assert it.status(N2) is NodeStatus.UP
        it.raft.has_lease = True
        await it.clock.advance(1)
        assert it.status(N2) is NodeStatus.UP
        await it.clock.advance(2.5)
        assert it.status(N2) is NodeStatus.DOWN


async def test_a_lease_that_has_run_out_is_no_lease() -> None:
    it = Detected()
    assert it.detection.has_lease
    it.raft.has_lease = False
    assert not it.detection.has_lease


async def test_the_thresholds_follow_the_settings_and_bad_ones_do_not_stop_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = Detected()
    world = it.led.world
    async with it.running():
        world.must(PutSetting(key="cluster.node_down_after_ms", value="60000"), client="person")
        await it.clock.advance(5)
        assert it.status(N2) is NodeStatus.SUSPECT
        with caplog.at_level(logging.WARNING):
            world.must(PutSetting(key="cluster.node_down_after_ms", value="soon"), client="person")
            await it.clock.advance(0.3)
        assert "failover.settings_invalid" in caplog.text


async def test_a_change_that_was_not_committed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Detected()
    attempts: list[object] = []
    propose = it.state.propose

    async def fail_once(command: object, *, leader_term: int, timeout_s: float) -> Outcome:
        attempts.append(command)
        if len(attempts) == 1:
            raise NotCommitted("leadership is changing hands", may_retry=True)
        return await propose(command, leader_term=leader_term, timeout_s=timeout_s)

    monkeypatch.setattr(it.state, "propose", fail_once)
    async with it.running():
        await it.clock.advance(2)
        assert it.status(N2) is NodeStatus.SUSPECT
    assert len(attempts) > 1


async def test_a_replaced_leader_stops() -> None:
    it = Detected()
    it.led.world.replica.lead("h2")
    it.led.world.store.flush()
    with pytest.raises(ExceptionGroup) as raised:
        async with it.running():
            await it.clock.advance(5)
    assert raised.group_contains(LeadershipOver)
    assert it.status(N2) is NodeStatus.UP


async def test_hosts_without_an_engine_are_known_until_they_say_otherwise() -> None:
    it = Detected()
    it.detection.on_beat(N2, is_engine_available=False)
    assert it.detection.without_engine == {N2}
    it.detection.on_beat(N2, is_engine_available=True)
    assert it.detection.without_engine == frozenset()

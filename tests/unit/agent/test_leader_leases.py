"""The leases a leader grants with its answers to heartbeats, and when it takes one for over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.leader.detection import FailureDetection
from cluster.commands.nodes import RemoveNode, SetNodeMaintenance
from cluster.failover import LEASE_MS, LeaseRequest
from cluster.failover.fencing import MARGIN_MS
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.store.records import NODES
from tests.simulation.orchestration_leader import FakeRaft, LeaderState, LedWorld

N1, N2, N3 = NodeId("h1"), NodeId("h2"), NodeId("h3")
SPAN_S = (LEASE_MS + MARGIN_MS) / 1000 + 0.1


class Leading:
    """A cluster of three whose first host leads; the others beat when the test says so."""

    def __init__(self) -> None:
        self.led = LedWorld()
        self.clock = self.led.clock
        self.raft = FakeRaft(N1, self.led.world, self.clock)
        self.term = self.led.world.replica.term
        self.detection = FailureDetection(
            term=self.term,
            node_id=N1,
            state=LeaderState(self.led, N1),
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

    def beat(self, node_id: NodeId, *, held_ms: int = 0, behind: int = 0) -> int:
        with self.led.world.store.read() as txn:
            applied_index = txn.applied_index - behind
        return self.detection.on_beat(
            node_id,
            is_engine_available=True,
            request=LeaseRequest(
                sent_ms=int(self.clock.boottime_s() * 1000),
                held_ms=held_ms,
                answered_term=self.term,
                applied_index=applied_index,
            ),
        )

    async def beat_for(self, seconds: float, *nodes: NodeId, held_ms: int = LEASE_MS) -> int:
        granted_ms = 0
        for _ in range(round(seconds / 0.5)):
            for node_id in nodes:
                granted_ms = self.beat(node_id, held_ms=held_ms)
            await self.clock.advance(0.5)
        return granted_ms

    def status(self, node_id: NodeId) -> NodeStatus:
        with self.led.world.store.read() as txn:
            node = NODES.get(txn, node_id)
        assert node is not None
        return node.status


async def test_a_host_that_is_up_and_knows_what_was_decided_is_granted_a_lease() -> None:
    it = Leading()
    async with it.running():
        assert it.beat(N2) == LEASE_MS
        assert it.beat(N3, behind=1) == 0
        assert it.beat(N3) == LEASE_MS


async def test_without_the_quorums_lease_nothing_is_granted() -> None:
    it = Leading()
    async with it.running():
        it.raft.has_lease = False
        assert it.beat(N2) == 0


async def test_a_host_is_over_after_its_lease_and_not_before() -> None:
    it = Leading()
    async with it.running():
        await it.beat_for(2, N2, N3)
        silent_for_s = 0.5
        while N2 not in it.detection.leases.over:
            await it.beat_for(0.5, N3)
            silent_for_s += 0.5
            assert silent_for_s < 60
        assert silent_for_s >= LEASE_MS / 1000
        assert silent_for_s <= SPAN_S + 1
        assert it.status(N2) is NodeStatus.DOWN
        assert N3 in it.detection.leases.left_ms


async def test_a_new_leader_waits_as_if_it_had_just_heard_everybody() -> None:
    it = Leading()
    async with it.running():
        assert it.detection.leases.over == frozenset()
        assert set(it.detection.leases.left_ms) >= {N2, N3}
        await it.clock.advance(LEASE_MS / 1000)
        assert it.detection.leases.over == frozenset()
        await it.clock.advance(MARGIN_MS / 1000 + 0.1)
        assert it.detection.leases.over >= {N2, N3}


async def test_a_host_that_was_down_is_granted_nothing_before_that_is_taken_back() -> None:
    it = Leading()
    async with it.running():
        await it.beat_for(4, N3)
        assert it.status(N2) is NodeStatus.DOWN
        assert it.beat(N2) == 0
        await it.clock.advance(0.5)
        assert it.beat(N2) == 0
        await it.clock.advance(0.5)
        it.beat(N2)
        await it.clock.settle()
        assert it.status(N2) is NodeStatus.UP
        # It has to know that it is up again, and with it what was decided while it was not.
        assert it.beat(N2, behind=1) == 0
        assert it.beat(N2) == LEASE_MS


async def test_a_host_with_leave_is_not_lost_and_its_lease_lasts_as_long() -> None:
    it = Leading()
    async with it.running():
        await it.beat_for(1, N2, N3)
        it.led.world.must(SetNodeMaintenance(node_id=N2, duration_ms=60_000), client="n2")
        granted_ms = it.beat(N2)
        assert LEASE_MS < granted_ms <= 60_000
        await it.beat_for(50, N3)
        assert it.status(N2) is NodeStatus.SUSPECT
        assert N2 not in it.detection.leases.over
        await it.beat_for(10.5, N3)
        assert it.status(N2) is NodeStatus.DOWN
        await it.beat_for(2, N3)
        assert N2 in it.detection.leases.over


async def test_a_new_leader_waits_for_the_longest_lease_that_may_be_out() -> None:
    it = Leading()
    it.led.world.must(SetNodeMaintenance(node_id=N2, duration_ms=60_000), client="n2")
    it.led.world.must(SetNodeMaintenance(node_id=N2, duration_ms=0), client="n2")
    async with it.running():
        await it.beat_for(30, N3)
        assert it.status(N2) is NodeStatus.DOWN
        assert N2 not in it.detection.leases.over
        await it.beat_for(32, N3)
        assert N2 in it.detection.leases.over


async def test_a_host_that_has_left_may_hold_its_lease_to_the_end_and_gets_no_other() -> None:
    it = Leading()
    async with it.running():
        await it.beat_for(1, N2, N3)
        it.led.world.must(RemoveNode(node_id=N2, reason=""), client="n1")
        assert it.beat(N2, held_ms=9_000) == 0
        await it.beat_for(5, N3)
        assert N2 not in it.detection.leases.over
        await it.beat_for(7, N3)
        assert N2 in it.detection.leases.over

"""Leave to be away: asked for before a planned stop, given back when the host is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.follow.leave import RESTART_MS, PlannedLeave
from cluster.commands import Applied, Code, Outcome, Rejected
from cluster.commands.nodes import SetNodeMaintenance
from cluster.failover import LEASE_MS
from cluster.model.ids import NodeId
from cluster.model.node import Maintenance
from cluster.raft.replicator import NotCommitted
from cluster.store import Committed
from tests.support.fake_clock import FakeClock
from tests.support.lease_kit import MemoryKeeper, a_lease, an_answer

HERE = NodeId("n1")


class World:
    """A host whose proposals are applied to one record, unless `failure` or `refusal` is set."""

    def __init__(self, present: Maintenance | None = None, *, has_fenced: bool = True) -> None:
        self.clock = FakeClock()
        self.record = present
        self.proposed: list[SetNodeMaintenance] = []
        self.failure: Exception | None = None
        self.refusal = ""
        self.told: list[Callable[[Committed], None]] = []
        self.lease = a_lease(
            MemoryKeeper(), self.clock, leave=lambda: self.record, has_fenced=lambda: has_fenced
        )
        self.leave = PlannedLeave(
            node_id=HERE, state=self, committed=lambda: self.record, lease=self.lease, clock=self.clock
        )

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        self.told.append(callback)
        return lambda: self.told.remove(callback)

    async def propose(self, command: object) -> Outcome:
        assert isinstance(command, SetNodeMaintenance)
        self.proposed.append(command)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if self.refusal:
            return Rejected(self.refusal, Code.INVALID)
        self.commit(
            Maintenance(until_ms=self.clock.now_ms() + command.duration_ms, longest_ms=command.duration_ms)
            if command.duration_ms
            else None
        )
        return Applied()

    def commit(self, record: Maintenance | None) -> None:
        self.record = record
        for callback in self.told:
            callback(Committed(index=1, changed=frozenset(), is_everything=True))

    def beat(self) -> None:
        leave_ms = 0 if self.record is None else self.record.left_ms(self.clock.now_ms())
        self.lease.take(self.clock.boottime_s(), an_answer(max(LEASE_MS, leave_ms)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.leave.run())
            await self.clock.settle()
            yield
            task.cancel()


def a_leave(world: World, duration_ms: int = RESTART_MS) -> Maintenance:
    return Maintenance(until_ms=world.clock.now_ms() + duration_ms, longest_ms=duration_ms)


async def test_before_a_stop_the_lease_is_made_to_last() -> None:
    world = World()
    world.beat()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(world.leave.ask())
        await world.clock.advance(0.3)
        assert not asking.done()
        assert [command.duration_ms for command in world.proposed] == [RESTART_MS]
        world.beat()
        await world.clock.advance(0.1)
    assert asking.result()
    assert world.lease.left_ms > RESTART_MS - 1000


async def test_without_fenced_replicas_the_committed_leave_is_enough() -> None:
    world = World(has_fenced=False)
    world.beat()
    assert await world.leave.ask()
    assert len(world.proposed) == 1


async def test_leave_that_a_person_gave_is_not_shortened() -> None:
    world = World(has_fenced=False)
    world.record = a_leave(world, 30 * RESTART_MS)
    assert await world.leave.ask()
    assert world.proposed == []


async def test_a_cluster_that_does_not_answer_delays_a_stop_but_does_not_prevent_it() -> None:
    world = World()
    world.failure = NotCommitted("no leader")
    assert not await world.leave.ask()
    world.failure, world.refusal = None, "node 'n1' is down"
    assert not await world.leave.ask()


async def test_leave_from_before_is_given_back_with_the_first_answer() -> None:
    world = World(Maintenance(until_ms=2**50, longest_ms=RESTART_MS))
    async with world.running():
        await world.clock.advance(5)
        assert world.proposed == []
        world.beat()
        await world.clock.advance(1)
        assert [command.is_given_back for command in world.proposed] == [True]
        assert world.record is None
        assert world.lease.left_ms <= LEASE_MS


async def test_leave_given_while_the_agent_runs_lasts_until_it_ends() -> None:
    world = World()
    async with world.running():
        world.beat()
        world.commit(a_leave(world, 10 * RESTART_MS))
        await world.clock.advance(9 * RESTART_MS / 1000)
        assert world.proposed == []
        await world.clock.advance(RESTART_MS / 1000 + 1)
        assert [command.is_given_back for command in world.proposed] == [True]


async def test_leave_that_a_person_ends_is_given_back_at_once() -> None:
    world = World()
    async with world.running():
        world.beat()
        world.commit(Maintenance(until_ms=2**50, longest_ms=RESTART_MS, is_ended=True))
        await world.clock.advance(0.1)
        assert [command.is_given_back for command in world.proposed] == [True]


async def test_giving_back_is_tried_again_until_it_is_committed() -> None:
    world = World(Maintenance(until_ms=2**50, longest_ms=RESTART_MS))
    world.failure = NotCommitted("no leader")
    async with world.running():
        world.beat()
        await world.clock.advance(2)
        assert len(world.proposed) > 1
        world.failure = None
        await world.clock.advance(1)
        assert world.record is None

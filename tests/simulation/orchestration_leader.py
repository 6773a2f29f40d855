"""The leader's real duties over pretended hosts, and leaders that die at any step.

Everything runs on one event loop under the fake clock; a run is repeated exactly by its seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.ids import IdSource
from agent.leader import LeaderDuties
from agent.peers.protocol import Beat, TrafficReport
from cluster.commands import Applied, Outcome
from cluster.commands.services import CommitTransition
from cluster.model.ids import NodeId
from cluster.model.traffic import TrafficInterval
from cluster.raft.membership import MemberChange
from cluster.raft.types import EngineStatus, Role
from cluster.store import Committed, ReadTxn
from cluster.store.records import LEADER_TERM
from tests.simulation.orchestration import World
from tests.simulation.orchestration_promises import check_end, check_promises, check_room
from tests.support.fake_clock import FakeClock
from tests.support.state_builders import START_MS

STEP_MS = 100
BEAT_MS = 500
ELECTION_MS = 1_500


class Death(StrEnum):
    """How a leader dies at one of its proposals."""

    BEFORE = "before"
    """The proposal is lost with it."""
    AFTER = "after"
    """The proposal is applied, and the leader never learns of it."""
    LATE = "late"
    """The proposal arrives when the next leader has taken up its duties."""


@dataclass(frozen=True, slots=True)
class FakeStatus:
    engine: EngineStatus


class FakeRaft:
    """Raft of the leader: it has the lease, and everybody votes already."""

    def __init__(self, node_id: NodeId, world: World, clock: FakeClock) -> None:
        self.node_id = node_id
        self.has_lease = True
        self._world = world
        self._clock = clock

    def lease_until_s(self) -> float | None:
        return self._clock.boottime_s() + 0.5 if self.has_lease else None

    def status(self) -> FakeStatus:
        index = self._world.replica.index
        return FakeStatus(
            EngineStatus(
                node_id=self.node_id,
                role=Role.LEADER,
                term=self._world.replica.term,
                leader_id=self.node_id,
                commit_index=index,
                applied_index=index,
                last_index=index,
                first_index=1,
                log_bytes=0,
                voters={node_id: "" for node_id in self._world.hosts},
            )
        )

    async def change_members(self, change: MemberChange, *, timeout_s: float) -> None:
        raise AssertionError(change)

    async def transfer_leadership(self, target: str | None = None, *, timeout_s: float) -> None:
        raise AssertionError(target)


class LeaderState:
    """The state as one leader has it; `die_at` is the number of the proposal at which it dies."""

    def __init__(self, cluster: LedWorld, node_id: NodeId) -> None:
        self._cluster = cluster
        self._world = cluster.world
        self._client = f"{node_id}.{cluster.world.replica.term}"

    def read(self) -> AbstractContextManager[ReadTxn]:
        return self._world.store.read()

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        return self._world.store.subscribe(callback)

    async def propose(self, command: object, *, leader_term: int, timeout_s: float) -> Outcome:
        await asyncio.sleep(0)
        cluster = self._cluster
        cluster.proposals += 1
        if cluster.proposals == cluster.die_at:
            match cluster.death:
                case Death.AFTER:
                    self._apply(command, leader_term)
                case Death.LATE:
                    cluster.late.append(lambda: self._apply(command, leader_term))
                case Death.BEFORE:
                    pass
            cluster.died_in_term = self._world.replica.term
            cluster.has_died.set()
            await asyncio.Event().wait()
        outcome = self._apply(command, leader_term)
        await asyncio.sleep(0)
        return outcome

    def _apply(self, command: object, leader_term: int) -> Outcome:
        world = self._world
        before = world.view(command.service_id) if isinstance(command, CommitTransition) else None
        outcome = world.apply(command, leader_term=leader_term, client=self._client)
        if before is not None and isinstance(outcome, Applied):
            world.transitions += 1
            after = world.view(before.service.id)
            if after is not None:
                check_promises(before, after, world.now_ms)
                check_room(before, after, world.is_there)
                check_end(after, world.now_ms, world.is_there)
        return outcome


class LedWorld:
    """A world whose leader runs the real duties."""

    def __init__(
        self, hosts: tuple[str, ...] = ("h1", "h2", "h3"), *, seed: int = 0, has_routers: bool = True
    ) -> None:
        self.world = World(hosts, rng=random.Random(seed), is_led=False, has_routers=has_routers)
        self.clock = FakeClock(now_ms=START_MS)
        self.proposals = 0
        self.die_at = 0
        self.death = Death.BEFORE
        self.has_died = asyncio.Event()
        self.late: list[Callable[[], Outcome]] = []
        self.late_outcomes: list[Outcome] = []
        self.duties: LeaderDuties | None = None
        self.raft: FakeRaft | None = None
        self._leader = NodeId(hosts[0])
        self.died_in_term = 0
        self._random = random.Random(seed)
        self.world.on_traffic.append(self._tell_traffic)

    async def lead(self, scenario: Callable[[], None], *, until: Callable[[], bool], limit_ms: int) -> None:
        """Elect a leader, let `scenario` happen, and go on until `until`, through deaths of leaders."""
        deadline_ms = self.clock.now_ms() + limit_ms
        is_begun = False
        while True:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self._new_duties(), name="duties")
                if not is_begun:
                    is_begun = True
                    await self._pass(200)
                    scenario()
                while not (until() or self.has_died.is_set()):
                    assert self.clock.now_ms() < deadline_ms, self.world.describe()
                    await self._pass(STEP_MS)
                running.cancel()
            self.duties = None
            if not self.has_died.is_set():
                return
            self.has_died.clear()
            self.die_at = 0
            self._leader = next(
                host.node_id
                for host in self.world.hosts.values()
                if not host.is_cut and host.node_id != self._leader
            )
            await self._pass(ELECTION_MS)

    def _new_duties(self) -> Coroutine[Any, Any, None]:
        self.world.replica.term += 1
        self.raft = FakeRaft(self._leader, self.world, self.clock)
        self.duties = LeaderDuties(
            node_id=self._leader,
            state=LeaderState(self, self._leader),
            raft=self.raft,
            clock=self.clock,
            ids=IdSource(self.clock, self._random.randbytes),
        )
        return self.duties.run(self.world.replica.term)

    async def _pass(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, STEP_MS):
            await self.clock.advance(STEP_MS / 1000)
            self.world.run_until(self.clock.now_ms())
            if self.clock.now_ms() % BEAT_MS == 0:
                self._beat()
            if self.late and self._newest_leader_term() > self.died_in_term:
                self.late_outcomes += [arrive() for arrive in self.late]
                self.late.clear()

    def _tell_traffic(self, node_id: NodeId, intervals: tuple[TrafficInterval, ...]) -> None:
        if self.duties is not None:
            self.duties.on_traffic(TrafficReport(node_id=node_id, intervals=intervals))

    def _newest_leader_term(self) -> int:
        with self.world.store.read() as txn:
            newest = LEADER_TERM.get(txn)
        return 0 if newest is None else newest.term

    def _beat(self) -> None:
        for host in self.world.hosts.values():
            if self.duties is not None and not host.is_cut:
                beat = Beat(
                    node_id=host.node_id,
                    applied_index=self.world.replica.index,
                    is_engine_available=not host.is_hanging,
                )
                self.duties.on_beat(beat)

"""The rollout driver between the state and the decisions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent.ids import IdSource
from agent.leader.driver import IN_FLIGHT_MAX, RolloutDriver
from cluster.commands import Code, Outcome, Rejected
from cluster.commands.access import CreateUser
from cluster.commands.audit import RecordAudit
from cluster.commands.nodes import SetNodeLabels
from cluster.commands.services import CommitTransition
from cluster.model.access import Role
from cluster.model.audit import AuditEntry, AuditOutcome
from cluster.model.ids import NodeId, PrincipalId, ServiceId
from cluster.model.node import NodeStatus
from cluster.model.placing import PlacementRules, parse_constraint
from cluster.model.rollout import RolloutPhase
from cluster.model.service import PublishedPort, RolloutPolicy
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store.records import AUDIT
from tests.simulation.orchestration import Behaviour
from tests.simulation.orchestration_leader import LeaderState, LedWorld
from tests.support.state_builders import START_MS, a_spec

N1 = NodeId("h1")
WEB = ServiceId("shop.web")
QUICK = RolloutPolicy(monitor_ms=0)

Propose = Callable[[object], Outcome | None]
"""What becomes of a proposal before it is applied: an outcome instead, an exception, or None."""


class Driven:
    """A cluster whose first host drives rollouts and nothing else."""

    def __init__(self, hosts: tuple[str, ...] = ("h1", "h2", "h3")) -> None:
        self.led = LedWorld(hosts)
        self.world, self.clock = self.led.world, self.led.clock
        self.proposed: list[object] = []
        self.before: Propose = lambda command: None
        self.hold: asyncio.Event | None = None
        self.without_engine: frozenset[NodeId] = frozenset()

    async def propose(self, command: object, *, leader_term: int, timeout_s: float) -> Outcome:
        self.proposed.append(command)
        if self.hold is not None:
            await self.hold.wait()
        instead = self.before(command)
        if instead is not None:
            return instead
        return await self._state.propose(command, leader_term=leader_term, timeout_s=timeout_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._state = LeaderState(self.led, N1)
        state = LeaderState(self.led, N1)
        state.propose = self.propose  # type: ignore[method-assign]  # what a test puts in between
        driver = RolloutDriver(
            term=self.world.replica.term,
            node_id=N1,
            state=state,
            clock=self.clock,
            ids=IdSource(self.clock, random.Random(1).randbytes),
            without_engine=lambda: self.without_engine,
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(driver.run())
            await self.clock.settle()
            yield
            running.cancel()

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            await self.clock.advance(0.1)
            self.world.run_until(self.clock.now_ms())

    def phases(self) -> list[RolloutPhase]:
        return [rollout.phase for rollout in self.world.rollouts(WEB)]

    def closing_entries(self) -> list[AuditEntry]:
        with self.world.store.read() as txn:
            return [entry for entry in AUDIT.scan(txn) if entry.stamp.action.startswith("rollout.")]


async def test_a_deployment_is_rolled_out_and_its_end_is_in_the_audit() -> None:
    it = Driven()
    it.world.must(
        CreateUser(principal_id=PrincipalId("u1"), name="ann", role=Role.ADMIN, password_hash=None),
        client="person",
        leader_term=0,
    )
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    it.world.check_final()
    assert it.phases() == [RolloutPhase.SUCCEEDED]
    [entry] = it.closing_entries()
    [rollout] = it.world.rollouts(WEB)
    assert entry.stamp.principal == "u1"
    assert entry.stamp.principal_name == "ann"
    assert entry.stamp.action == "rollout.succeeded"
    assert entry.stamp.resource == "service:shop.web"
    assert entry.stamp.request_id == rollout.id
    assert entry.outcome is AuditOutcome.APPLIED
    assert entry.stamp.duration_ms == rollout.changed_at_ms - rollout.started_at_ms > 0


async def test_a_rollout_that_failed_says_so_in_the_audit() -> None:
    it = Driven()
    it.world.behaviours["bad"] = Behaviour(is_good=False)
    async with it.running():
        it.world.deploy(a_spec("bad"), policy=QUICK)
        await it.pass_time(60)
    assert it.phases() == [RolloutPhase.FAILED]
    [entry] = it.closing_entries()
    assert entry.outcome is AuditOutcome.FAILED
    assert "cannot open the database" in entry.stamp.reason


async def test_replicas_leave_a_host_whose_label_is_taken() -> None:
    it = Driven()

    def label(host: str, put: tuple[tuple[str, str], ...] = (), remove: tuple[str, ...] = ()) -> None:
        it.world.must(
            SetNodeLabels(node_id=NodeId(host), put=put, remove=remove), client="person", leader_term=0
        )

    def hosts() -> list[str]:
        return sorted(copy.node_id for copy in it.world.assignments())

    rules = PlacementRules(constraints=(parse_constraint("node.labels.zone==a"),))
    label("h1", (("zone", "a"),))
    label("h2", (("zone", "a"),))
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK, replicas=2, placement=rules)
        await it.pass_time(10)
        assert hosts() == ["h1", "h2"]
        label("h3", (("zone", "a"),))
        label("h2", remove=("zone",))
        await it.pass_time(10)
        assert hosts() == ["h1", "h3"]
    it.world.check_final()


async def test_transitions_carry_no_audit_stamp_of_their_own() -> None:
    it = Driven()
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    with it.world.store.read() as txn:
        assert [entry.command for entry in AUDIT.scan(txn)] == [""]


async def test_a_leader_that_died_before_the_closing_entry_leaves_it_to_the_next() -> None:
    it = Driven()

    def lose_audit(command: object) -> Outcome | None:
        if isinstance(command, RecordAudit):
            raise OutcomeUnknown("leadership was lost")
        return None

    it.before = lose_audit
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    assert it.closing_entries() == []
    it.before = lambda command: None
    for _ in range(2):
        it.world.replica.lead("h1")
        async with it.running():
            await it.pass_time(1)
        assert len(it.closing_entries()) == 1


async def test_a_decision_that_was_overtaken_is_made_again() -> None:
    it = Driven()
    conflicts = iter([True, True, True])

    def conflict(command: object) -> Outcome | None:
        if isinstance(command, CommitTransition) and next(conflicts, False):
            return Rejected("it changed meanwhile", Code.VERSION_CONFLICT)
        return None

    it.before = conflict
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    assert it.phases() == [RolloutPhase.SUCCEEDED]


async def test_what_could_not_be_committed_is_tried_again_without_hurry() -> None:
    it = Driven()

    def refuse(command: object) -> Outcome | None:
        raise NotCommitted("no leader is known here", may_retry=True)

    async with it.running():
        it.before = refuse
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.clock.advance(2)
        assert 2 <= len(it.proposed) <= 12
        it.before = lambda command: None
        await it.pass_time(10)
    assert it.phases() == [RolloutPhase.SUCCEEDED]


async def test_a_refusal_for_its_content_is_logged_and_not_hurried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = Driven()
    it.before = lambda command: Rejected("that is wrong", Code.INVALID)
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.clock.advance(11)
    assert 2 <= len(it.proposed) <= 4
    assert "rollout.rejected" in caplog.text


async def test_services_decided_at_the_same_moment_do_not_get_one_port() -> None:
    it = Driven(("h1", "h2"))
    spec = a_spec(ports=(PublishedPort(container_port=80, host_port=8080),))
    async with it.running():
        it.hold = asyncio.Event()
        for name in ("a", "b", "c"):
            it.world.deploy(spec, service=f"shop.{name}", replicas=1, policy=QUICK)
        await it.clock.settle()
        placed = [
            order.node_id
            for command in it.proposed
            if isinstance(command, CommitTransition)
            for order in command.orders
        ]
        assert sorted(placed) == ["h1", "h2"]
        it.hold.set()
        it.hold = None
        await it.pass_time(10)
    states = {view.service.id: view.service.stable_revision for view in it.world.views()}
    assert sorted(states.values()) == [0, 1, 1]


async def test_only_so_many_proposals_are_under_way_at_a_time() -> None:
    it = Driven()
    async with it.running():
        it.hold = asyncio.Event()
        for number in range(2 * IN_FLIGHT_MAX):
            it.world.deploy(a_spec("v1"), service=f"shop.s{number}", replicas=1, policy=QUICK)
        await it.clock.advance(1)
        assert len(it.proposed) == IN_FLIGHT_MAX
        it.hold.set()
        it.hold = None
        await it.pass_time(20)
    assert all(view.service.stable_revision == 1 for view in it.world.views())


async def test_a_lost_host_is_replaced_as_soon_as_that_is_committed() -> None:
    it = Driven()
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
        before = len(it.proposed)
        it.world.cut("h2")
        it.world.set_status(NodeId("h2"), NodeStatus.DOWN)
        await it.clock.settle()
        [command] = it.proposed[before:]
        assert isinstance(command, CommitTransition)
        assert {order.node_id for order in command.orders} > {"h2"}


async def test_a_host_whose_engine_does_not_answer_gets_nothing_new() -> None:
    it = Driven()
    it.without_engine = frozenset({N1})
    async with it.running():
        it.world.deploy(a_spec("v1"), replicas=2, policy=QUICK)
        await it.pass_time(10)
    assert {copy.node_id for copy in it.world.assignments()} == {"h2", "h3"}


async def test_a_deadline_passes_although_nothing_happens() -> None:
    it = Driven()
    it.world.behaviours["stuck"] = Behaviour(start_ms=10**9)
    async with it.running():
        it.world.deploy(a_spec("stuck"), replicas=1, policy=RolloutPolicy(retries=0, start_deadline_ms=5_000))
        await it.pass_time(4)
        assert it.phases() == [RolloutPhase.RUNNING]
        await it.pass_time(3)
    assert it.phases() == [RolloutPhase.FAILED]


async def test_time_goes_on_under_a_leader_whose_clock_is_behind() -> None:
    it = Driven()
    it.world.behaviours["stuck"] = Behaviour(start_ms=10**9)
    # The leader before had a clock one hour ahead, and the log's time never goes back.
    it.world.replica.now_ms = START_MS + 3_600_000
    policy = RolloutPolicy(retries=0, start_deadline_ms=5_000)
    it.world.deploy(a_spec("stuck"), replicas=1, policy=policy)
    async with it.running():
        for _ in range(200):
            await it.clock.advance(0.1)
            it.world.run(100)
    assert it.phases() == [RolloutPhase.FAILED]


async def test_everything_is_read_anew_when_it_is_not_known_what_changed() -> None:
    it = Driven()
    async with it.running():
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    source = it.world.store
    source.prepare_snapshot()
    snapshot = source.take_snapshot()
    assert snapshot is not None
    async with it.running():
        sink = source.begin_install(snapshot.index, snapshot.term, snapshot.size)
        sink.write(0, snapshot.read(0, snapshot.size))
        sink.finish(snapshot.sha256)
        await it.clock.settle()
        it.world.deploy(a_spec("v2"), policy=QUICK)
        await it.pass_time(20)
    assert it.phases() == [RolloutPhase.SUCCEEDED, RolloutPhase.SUCCEEDED]


async def test_a_removed_service_is_forgotten_whole() -> None:
    it = Driven()
    async with it.running():
        service_id = it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
        it.world.remove(service_id)
        await it.pass_time(10)
        assert it.world.view(service_id) is None
        assert it.world.assignments() == []
        # The name is free again.
        it.world.deploy(a_spec("v1"), policy=QUICK)
        await it.pass_time(10)
    it.world.check_final()

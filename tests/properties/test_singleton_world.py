"""A singleton in a cluster whose hosts are cut off, hang, crash, lag and lose power, under changing leaders.

Real are the log's state machine, the decisions and the granting of leases; the rest is time in steps of
250 ms. The hosts' half is as `agent.follow` and `agent.keeper` have it: start by a lease and the newest order
known, stop before the lease ends, also while the agent does nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.leader.views import command_of
from cluster.commands import Outcome, Rejected
from cluster.commands.nodes import SetNodeDraining, SetNodeMaintenance, SetNodeStatus
from cluster.commands.services import AssignmentReport, CommitTransition, ReportAssignments
from cluster.failover import (
    LEASE_MS,
    HostFence,
    LeaseRequest,
    LifeSigns,
    Listening,
    answer_request,
    begin_fence,
    heard,
    leases_at,
    listen,
    observe,
)
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.node import Node, NodeStatus
from cluster.model.service import (
    AssignmentKey,
    DesiredState,
    Fencing,
    Observation,
    ReplicaPhase,
    RolloutPolicy,
)
from cluster.model.settings import ClusterSettings
from cluster.rollout import NoHost, WantedReplica, decide
from cluster.store.records import ASSIGNMENTS, NODES
from cluster.survey import read_nodes, read_view
from tests.support.state_builders import START_MS, Replica, a_node, a_service, a_spec

STEP_MS = 250
KILL_BUDGET_MS = 3_000
START_LEFT_MS = 2_500
DB = ServiceId("shop.db")
HOSTS = tuple(NodeId(name) for name in ("h1", "h2", "h3"))
SETTINGS = ClusterSettings()
Orders = dict[AssignmentKey, tuple[int, DesiredState]]


@dataclass
class Host:
    """One host: what it knows of the log, what it holds, and what runs on it."""

    id: NodeId
    is_cut: bool = False
    is_hung: bool = False
    is_lagging: bool = False
    applied_index: int = 0
    deadline_ms: int = 0
    answered_term: int = 0
    renounced: bool = False
    running: AssignmentKey | None = None

    def left_ms(self, now_ms: int) -> int:
        return self.deadline_ms - KILL_BUDGET_MS - now_ms


@dataclass
class Leader:
    """What one term's leader remembers."""

    term: int
    fences: dict[NodeId, HostFence] = field(default_factory=dict)
    beats: dict[NodeId, LifeSigns] = field(default_factory=dict)
    listening: Listening | None = None
    is_deciding: bool = False


class World:
    """The cluster; unless `delay_of` says so, `seed` decides how long a proposal takes to be committed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.replica = Replica()
        self.replica.lead()
        for host in HOSTS:
            self.must(a_node(host))
        self.deploy(1)
        self.hosts = {host: Host(host) for host in HOSTS}
        self.leader = Leader(term=self.replica.term)
        self.on_its_way: list[tuple[int, int, Any, Callable[[Outcome], None]]] = []
        self.orders_at: list[tuple[int, dict[NodeId, Orders]]] = []
        self.most_running = 0
        self.delay_of: Callable[[Any], int] = lambda _: self.rng.choice([0, 0, 250, 1_000, 3_000])

    # ---- the log ----

    def must(self, command: Any) -> None:
        self.replica.must(command, client="people", leader_term=0)

    def deploy(self, version: int) -> None:
        self.must(
            a_service(
                DB,
                spec=a_spec(f"db:{version}", route=None, stop_grace_period_ms=0),
                replicas=1,
                fencing=Fencing.STRICT,
                policy=RolloutPolicy(monitor_ms=0, retries=100),
            )
        )

    def propose(self, command: Any, then: Callable[[Outcome], None]) -> None:
        """Have it committed a while later, in the name of the present leader."""
        due_ms = self.now_ms + self.delay_of(command)
        self.on_its_way.append((due_ms, self.leader.term, command, then))

    def commit_due(self) -> None:
        due = [each for each in self.on_its_way if each[0] <= self.now_ms]
        self.on_its_way = [each for each in self.on_its_way if each[0] > self.now_ms]
        for _, term, command, then in due:
            then(self.replica.apply(command, client="leader", leader_term=term))
        self.note_orders()

    def note_orders(self) -> None:
        if self.orders_at and self.orders_at[-1][0] == self.replica.index:
            return
        found: dict[NodeId, Orders] = {host: {} for host in HOSTS}
        for copy in ASSIGNMENTS.scan(self.replica.txn, DB):
            found[copy.node_id][copy.key] = (copy.token, copy.desired)
        self.orders_at.append((self.replica.index, found))

    def orders_of(self, host: Host) -> Orders:
        """What the host knows it is to run."""
        known: Orders = {}
        for index, orders in self.orders_at:
            if index > host.applied_index:
                break
            known = orders[host.id]
        return known

    # ---- the leader ----

    def lead(self) -> None:
        leader, txn = self.leader, self.replica.txn
        nodes = read_nodes(txn)
        for node in nodes.values():
            if node.id not in leader.fences:
                longest_ms = 0 if node.maintenance is None else node.maintenance.longest_ms
                leader.fences[node.id] = begin_fence(self.now_ms, longest_ms=longest_ms)
        leader.listening = listen(leader.listening, self.now_ms, has_lease=True)
        leave = {node.id: self.now_ms + self.leave_ms(node) for node in nodes.values() if self.leave_ms(node)}
        verdict = observe(
            nodes,
            leader.beats,
            self.now_ms,
            leader_id=NodeId("nobody"),
            listening=leader.listening,
            settings=SETTINGS,
            on_leave_until_ms=leave,
        )
        for change in verdict.changes:
            command = SetNodeStatus(node_id=change.node_id, status=change.status, reason="")
            if not any(command == each[2] for each in self.on_its_way):
                self.propose(command, lambda _: None)
        if not leader.is_deciding:
            self.decide(nodes)

    def leave_ms(self, node: Node) -> int:
        return 0 if node.maintenance is None else node.maintenance.left_ms(START_MS + self.now_ms)

    def decide(self, nodes: dict[NodeId, Node]) -> None:
        leader = self.leader
        view = read_view(self.replica.txn, DB, nodes, {})
        assert view is not None
        leases = leases_at(leader.fences, self.now_ms)
        now_ms = START_MS + self.now_ms
        view = replace(
            view,
            leases_over=leases.over,
            lease_ends_ms={host: now_ms + left_ms for host, left_ms in leases.left_ms.items()},
        )
        rollout_id = RolloutId(f"ro_{self.replica.index}")
        decision = decide(view, now_ms, rollout_id=rollout_id, choose=lambda wanted: choose(wanted, nodes))
        if decision.transition is not None:
            leader.is_deciding = True

            def settled(_: Outcome) -> None:
                leader.is_deciding = False

            self.propose(command_of(decision.transition), settled)

    def answer(self, request: LeaseRequest, host: NodeId) -> int:
        leader, txn = self.leader, self.replica.txn
        node = NODES.get(txn, host)
        assert node is not None
        leader.beats[host] = heard(leader.beats.get(host), self.now_ms, SETTINGS)
        fence = leader.fences.get(host) or begin_fence(self.now_ms, longest_ms=10 * LEASE_MS)
        leader.fences[host], granted_ms = answer_request(
            fence,
            request,
            self.now_ms,
            term=leader.term,
            applied_index=self.replica.index,
            may_grant=node.status is not NodeStatus.DOWN,
            leave_ms=self.leave_ms(node),
        )
        return granted_ms

    def elect(self) -> None:
        self.replica.lead()
        self.leader = Leader(term=self.replica.term)

    # ---- the hosts ----

    def follow(self, host: Host) -> None:
        if not host.is_cut and not host.is_lagging:
            host.applied_index = self.replica.index
        if not host.is_hung:
            if not host.is_cut and self.now_ms % 500 == 0:
                self.beat(host)
            self.work(host)
        # The keeper needs nobody.
        if host.left_ms(self.now_ms) <= 0:
            host.running = None

    def beat(self, host: Host) -> None:
        request = LeaseRequest(
            sent_ms=self.now_ms,
            held_ms=max(0, host.deadline_ms - self.now_ms),
            answered_term=host.answered_term,
            applied_index=host.applied_index,
        )
        granted_ms = self.answer(request, host.id)
        if self.rng.random() < 0.05:
            return  # the answer is lost
        host.answered_term = self.leader.term
        if granted_ms:
            node = NODES.get(self.replica.txn, host.id)
            has_leave = node is not None and node.maintenance is not None and not host.renounced
            host.deadline_ms = self.now_ms + (granted_ms if has_leave else min(granted_ms, LEASE_MS))

    def work(self, host: Host) -> None:
        orders = self.orders_of(host)
        if host.running is not None and orders.get(host.running, (0, DesiredState.REMOVED))[1] is (
            DesiredState.REMOVED
        ):
            host.running = None
        for key, (token, desired) in orders.items():
            if desired is DesiredState.REMOVED:
                if host.running != key:
                    self.report(host, key, token, ReplicaPhase.REMOVED)
                continue
            if host.running is None and host.left_ms(self.now_ms) > START_LEFT_MS:
                host.running = key
            phase = ReplicaPhase.HEALTHY if host.running == key else ReplicaPhase.PENDING
            self.report(host, key, token, phase)

    def report(self, host: Host, key: AssignmentKey, token: int, phase: ReplicaPhase) -> None:
        if host.is_cut:
            return
        present = ASSIGNMENTS.get(self.replica.txn, DB, key.revision, key.ordinal, key.node_id)
        if present is None or present.token != token or present.observed.phase is phase:
            return
        one = AssignmentReport(
            service_id=DB,
            revision=key.revision,
            ordinal=key.ordinal,
            token=token,
            observed=Observation(phase=phase),
        )
        self.must(ReportAssignments(node_id=host.id, reports=(one,)))
        self.note_orders()

    # ---- time ----

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, STEP_MS):
            self.now_ms += STEP_MS
            self.replica.now_ms = START_MS + self.now_ms
            self.commit_due()
            self.lead()
            for host in self.hosts.values():
                self.follow(host)
            running = sum(host.running is not None for host in self.hosts.values())
            self.most_running = max(self.most_running, running)

    def carry_out(self, action: tuple[Any, ...]) -> None:
        match action:
            case ("elect",):
                self.elect()
            case ("deploy", int(version)):
                self.deploy(version)
            case (str(verb), str(name)):
                self._to_host(verb, self.hosts[NodeId(name)])
        self.note_orders()

    def _to_host(self, verb: str, host: Host) -> None:
        match verb:
            case "cut":
                host.is_cut = True
            case "heal":
                host.is_cut = False
            case "hang":
                host.is_hung = True
            case "wake":
                host.is_hung = False
            case "lag":
                host.is_lagging = not host.is_lagging
            case "crash":
                host.answered_term = 0
            case "power":
                host.running, host.deadline_ms, host.answered_term = None, 0, 0
            case "drain":
                self.must(SetNodeDraining(node_id=host.id, is_draining=True))
            case "undrain":
                self.must(SetNodeDraining(node_id=host.id, is_draining=False))
            case "leave":
                command = SetNodeMaintenance(node_id=host.id, duration_ms=60_000)
                if not isinstance(self.replica.apply(command, client="people", leader_term=0), Rejected):
                    host.renounced = False
            case "back" if not host.is_cut and not host.is_hung:
                host.renounced = True
                host.deadline_ms = min(host.deadline_ms, self.now_ms + LEASE_MS)
                self.must(SetNodeMaintenance(node_id=host.id, duration_ms=0, is_given_back=True))

    def calm_down(self) -> None:
        for host in self.hosts.values():
            host.is_cut = host.is_hung = host.is_lagging = False
            self.must(SetNodeDraining(node_id=host.id, is_draining=False))
        self.run(120_000)


def choose(wanted: WantedReplica, nodes: dict[NodeId, Node]) -> NodeId | NoHost:
    usable = [host for host in HOSTS if host not in wanted.avoid and nodes[host].is_schedulable]
    return usable[0] if usable else NoHost("no host is left")


verbs = st.sampled_from(
    [
        "cut",
        "cut",
        "heal",
        "heal",
        "hang",
        "wake",
        "lag",
        "crash",
        "power",
        "drain",
        "undrain",
        "leave",
        "back",
    ]
)
actions = st.one_of(
    st.tuples(verbs, st.sampled_from(HOSTS)),
    st.tuples(verbs, st.just(HOSTS[0])),
    st.just(("elect",)),
    st.tuples(st.just("deploy"), st.integers(1, 4)),
)
scripts = st.lists(
    st.tuples(st.sampled_from([250, 1_000, 3_000, 8_000, 11_000, 12_000, 15_000]), actions), max_size=14
)


def play(script: list[tuple[int, tuple[Any, ...]]], seed: int) -> World:
    world = World(seed)
    world.run(5_000)
    for duration_ms, action in script:
        world.carry_out(action)
        world.run(duration_ms)
    return world


@settings(max_examples=settings.default.max_examples // 2)  # each plays minutes
@given(script=scripts, seed=st.integers(0, 2**32))
def test_a_singleton_never_runs_twice_and_runs_once_all_is_well(
    script: list[tuple[int, tuple[Any, ...]]], seed: int
) -> None:
    world = play(script, seed)
    assert world.most_running <= 1
    world.calm_down()
    assert world.most_running == 1
    assert sum(host.running is not None for host in world.hosts.values()) == 1


def test_a_lost_singleton_runs_elsewhere_within_fifteen_seconds() -> None:
    for seed in range(20):
        world = World(seed)
        world.run(10_000)
        [home] = [host for host in world.hosts.values() if host.running is not None]
        home.is_cut = True
        world.run(15_000)
        assert home.running is None
        assert sum(host.running is not None for host in world.hosts.values()) == 1


def test_a_host_that_returns_while_its_replica_is_being_moved_does_not_run_it_as_well() -> None:
    world = World(0)
    # Its return is committed at once; the decision to start elsewhere was made before, and takes its time.
    world.delay_of = lambda command: 5_000 if isinstance(command, CommitTransition) else 0
    world.run(30_000)
    [home] = [host for host in world.hosts.values() if host.running is not None]
    home.is_cut = True
    while not any(moves_elsewhere(each[2], home.id) for each in world.on_its_way):
        world.run(STEP_MS)
    assert home.running is None
    home.is_cut = False
    world.run(10_000)
    assert world.most_running == 1
    assert home.running is not None


def moves_elsewhere(command: object, home: NodeId) -> bool:
    return isinstance(command, CommitTransition) and any(
        order.desired is DesiredState.STARTED and order.node_id != home for order in command.orders
    )

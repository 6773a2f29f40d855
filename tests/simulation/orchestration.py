"""A cluster of pretended hosts over the real state machine: what the leader decides is carried out here.

Time, failures, lost, late and repeated reports come from a seeded generator; nothing here knows how decisions
are made. After every committed change the promises of a rollout are checked.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from agent.leader.views import command_of
from cluster.commands import Applied, Outcome
from cluster.commands.nodes import SetNodeDraining, SetNodeStatus, UpdateNodeFacts
from cluster.commands.services import (
    AssignmentReport,
    CommitTransition,
    PutService,
    RemoveService,
    ReportAssignments,
    ReportHook,
    RouterReport,
)
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.node import NodeFacts, NodeStatus
from cluster.model.placing import PlacementRules
from cluster.model.rollout import Rollout
from cluster.model.service import (
    Assignment,
    AssignmentKey,
    DesiredState,
    Observation,
    ReplicaPhase,
    RolloutPolicy,
    ServiceSpec,
    container_name,
)
from cluster.model.traffic import TrafficInterval
from cluster.placement import Landscape, amounts, direct_groups
from cluster.rollout import Decision, ServiceView, decide, resume
from cluster.rollout.view import is_healthy
from cluster.store import ReadTxn, Store
from cluster.store.records import ASSIGNMENTS, SERVICES, assignments_of_node, rollouts_of_service
from cluster.survey import chooser, occupants_of, oriented, read_nodes, read_routers, read_view
from tests.simulation.orchestration_hooks import Hooks, check_hooks
from tests.simulation.orchestration_promises import (
    BrokenPromise,
    check_end,
    check_promises,
    check_quiet,
    check_room,
    describe,
)
from tests.simulation.orchestration_traffic import INTERVAL_MS, Routed, Traffic
from tests.support.state_builders import Replica, a_node

_T = TypeVar("_T")
DOWN_AFTER_MS = 3_000
POLL_MS = 40
CHAIN_MAX = 200
"""Most transitions one service may need without anything happening in between."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How containers of an image behave. `phase`: what becomes of one that does not become healthy."""

    start_ms: int = 300
    is_good: bool = True
    phase: ReplicaPhase = ReplicaPhase.EXITED
    lasts_ms: int | None = None


@dataclass(slots=True)
class Container:
    """A pretended container."""

    id: str
    key: AssignmentKey
    phase: ReplicaPhase
    due_ms: int
    behaviour: Behaviour
    dies_at_ms: int | None = None


@dataclass(slots=True)
class Host:
    """One host: its containers, what it is about to send, and whether the cluster hears it."""

    node_id: NodeId
    is_cut: bool = False
    is_hanging: bool = False
    is_deaf: bool = False
    """Its router goes on as it is."""
    is_busy: bool = True
    seen_index: int = 0
    containers: dict[str, Container] = field(default_factory=dict)
    removing: dict[str, int] = field(default_factory=dict)
    pulls: dict[AssignmentKey, int] = field(default_factory=dict)
    routed_index: int = 0
    drained_index: int = 0
    unreached: set[ServiceId] = field(default_factory=set)
    """The services whose replicas its router cannot reach, unless it did before."""
    unrouted: set[int] = field(default_factory=set)
    routed: dict[ServiceId, Routed] = field(default_factory=dict)
    """What its router has in force."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the way, as chances."""

    lost: float = 0.0
    repeated: float = 0.0
    late: float = 0.0


class World:
    """Hosts, their engines and routers, and the replicated state.

    While `is_led`, a leader without a process of its own decides (`lead`) and declares hosts down and up.
    """

    def __init__(
        self,
        hosts: tuple[str, ...] = ("h1", "h2", "h3"),
        *,
        rng: random.Random | None = None,
        faults: Faults | None = None,
        is_led: bool = True,
        has_routers: bool = True,
        founder: str = "",
    ) -> None:
        self.rng = rng or random.Random(0)
        self.faults = faults or Faults()
        self.replica = Replica()
        self.store: Store = self.replica.store
        self.behaviours: dict[str, Behaviour] = {}
        self.traffic = Traffic(random.Random(0))
        self.hooks = Hooks()
        self.on_traffic: list[Callable[[NodeId, tuple[TrafficInterval, ...]], None]] = []
        self.on_commit: list[Callable[[Outcome], None]] = []
        self.is_led = is_led
        self.transitions = 0
        self._resumed: set[ServiceId] = set()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)
        self._has_routers = has_routers
        self._wake_at_ms: int | None = None
        self._led_index = 0
        self._read_index = -1
        self._decoded: dict[Hashable, Any] = {}
        self.hosts: dict[NodeId, Host] = {}
        self.replica.lead(founder or hosts[0])
        for host in hosts:
            self.add_host(host)

    # ---- time ----

    @property
    def now_ms(self) -> int:
        return self.replica.now_ms

    def at(self, at_ms: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_ms, next(self._order), event))

    def after(self, delay_ms: int, event: Callable[[], None]) -> None:
        self.at(self.now_ms + delay_ms, event)

    def run_until(self, until_ms: int) -> None:
        """Let time pass; the leader decides whenever something happened or its own time has come."""
        while True:
            due_ms = self._events[0][0] if self._events else until_ms + 1
            if self.is_led and self._wake_at_ms is not None:
                due_ms = min(due_ms, max(self._wake_at_ms, self.now_ms))
            if due_ms > until_ms:
                break
            self.replica.now_ms = max(self.now_ms, due_ms)
            while self._events and self._events[0][0] <= self.now_ms:
                heapq.heappop(self._events)[2]()
            is_due = self._wake_at_ms is not None and self._wake_at_ms <= self.now_ms
            if self.is_led and (is_due or self._led_index != self.replica.index):
                self.lead()
        self.replica.now_ms = max(self.now_ms, until_ms)

    def run(self, duration_ms: int) -> None:
        self.run_until(self.now_ms + duration_ms)

    # ---- the state ----

    def apply(self, command: object, **fields: Any) -> Outcome:
        outcome = self.replica.apply(command, **fields)
        self.store.flush()
        for told in self.on_commit:
            told(outcome)
        return outcome

    def must(self, command: object, **fields: Any) -> Any:
        outcome = self.apply(command, **fields)
        assert isinstance(outcome, Applied), outcome
        return outcome.result

    def view(self, service_id: ServiceId) -> ServiceView | None:
        return self._read(
            ("view", service_id), lambda txn: read_view(txn, service_id, read_nodes(txn), read_routers(txn))
        )

    def views(self) -> list[ServiceView]:
        ids = self._read("services", lambda txn: [service.id for service in SERVICES.scan(txn)])
        return [view for view in map(self.view, ids) if view is not None]

    def rollouts(self, service_id: ServiceId) -> list[Rollout]:
        """Newest first."""
        return list(self._read(("rollouts", service_id), lambda txn: rollouts_of_service(txn, service_id)))

    def assignments(self) -> list[Assignment]:
        return list(self._read("assignments", ASSIGNMENTS.scan))

    def _read(self, what: Hashable, read: Callable[[ReadTxn], _T]) -> _T:
        """What is committed, decoded once for each log index: most looks find nothing new since the last."""
        with self.store.read() as txn:
            if txn.applied_index != self._read_index:
                self._read_index = txn.applied_index
                self._decoded.clear()
            if what not in self._decoded:
                self._decoded[what] = read(txn)
        found: _T = self._decoded[what]
        return found

    # ---- what people do ----

    def deploy(
        self,
        spec: ServiceSpec,
        *,
        service: str = "shop.web",
        replicas: int = 3,
        policy: RolloutPolicy | None = None,
        placement: PlacementRules | None = None,
    ) -> ServiceId:
        project, _, name = service.partition(".")
        self.must(
            PutService(
                service_id=ServiceId(service),
                project=project,
                name=name,
                spec=spec,
                replicas=replicas,
                policy=policy or RolloutPolicy(),
                created_by="u1",
                placement=placement or PlacementRules(),
            ),
            client="person",
            leader_term=0,
        )
        self._touch()
        return ServiceId(service)

    def remove(self, service_id: ServiceId) -> None:
        self.must(RemoveService(service_id=service_id), client="person", leader_term=0)
        self._touch()

    def drain(self, host: str, is_draining: bool = True) -> None:
        self.must(
            SetNodeDraining(node_id=NodeId(host), is_draining=is_draining), client="person", leader_term=0
        )
        self._touch()

    def _touch(self) -> None:
        self._wake_at_ms = self.now_ms

    # ---- hosts ----

    def add_host(self, name: str, *, is_polling: bool = True) -> None:
        """A host joins and comes up; without `is_polling`, the test says what it does."""
        node_id = NodeId(name)
        self.must(a_node(name), client="join")
        self.must(UpdateNodeFacts(node_id=node_id, facts=NodeFacts(hostname=name)), client="join")
        self.hosts[node_id] = Host(node_id)
        if is_polling:
            self.after(self.rng.randrange(POLL_MS), lambda: self._poll(node_id))
            self.after(len(self.hosts) * 1_000 % INTERVAL_MS, lambda: self._count(node_id))

    def cut(self, host: str) -> None:
        """The host works on, but nobody hears it and it hears nobody."""
        node_id = NodeId(host)
        if self.hosts[node_id].is_cut:
            return
        self.hosts[node_id].is_cut = True
        if self.is_led:
            self.after(DOWN_AFTER_MS, lambda: self._declare(node_id))

    def heal(self, host: str) -> None:
        node_id = NodeId(host)
        self.hosts[node_id].is_cut = False
        if self.is_led:
            self.after(1_500, lambda: self._declare(node_id))

    def reboot(self, host: str) -> None:
        """Every container of the host is gone."""
        self.hosts[NodeId(host)].containers.clear()

    def _declare(self, node_id: NodeId) -> None:
        status = NodeStatus.DOWN if self.hosts[node_id].is_cut else NodeStatus.UP
        self.set_status(node_id, status)

    def set_status(self, node_id: NodeId, status: NodeStatus) -> None:
        self.must(SetNodeStatus(node_id=node_id, status=status, reason="test"), client="leader")

    def _poll(self, node_id: NodeId) -> None:
        host = self.hosts[node_id]
        self._live(host)
        if (
            not host.is_cut
            and not host.is_hanging
            and (host.is_busy or host.seen_index != self.replica.index)
        ):
            self._converge(host)
        if not host.is_cut and not host.is_hanging:
            self._run_hooks(host)
        self._route(host)
        self.after(POLL_MS + self.rng.randrange(POLL_MS), lambda: self._poll(node_id))

    def _live(self, host: Host) -> None:
        """Containers go their way whether or not anybody listens."""
        for container in host.containers.values():
            if container.phase is ReplicaPhase.STARTING and container.due_ms <= self.now_ms:
                good = container.behaviour.is_good
                container.phase = ReplicaPhase.HEALTHY if good else container.behaviour.phase
                if good and container.behaviour.lasts_ms is not None:
                    container.dies_at_ms = self.now_ms + container.behaviour.lasts_ms
            if container.dies_at_ms is not None and container.dies_at_ms <= self.now_ms:
                container.phase = container.behaviour.phase

    def _converge(self, host: Host) -> None:
        """One turn of a host's runner: what is wanted against what is there."""
        with self.store.read() as txn:
            wanted = assignments_of_node(txn, host.node_id)
        names = {assignment.container_name for assignment in wanted}
        for name in [name for name in host.containers if name not in names]:
            del host.containers[name]
        host.removing = {name: at_ms for name, at_ms in host.removing.items() if name in names}
        host.pulls = {key: at_ms for key, at_ms in host.pulls.items() if key in {each.key for each in wanted}}
        reports = []
        for assignment in wanted:
            observed = self._act(host, assignment)
            if observed != assignment.observed:
                reports.append((assignment, observed))
        host.seen_index = self.replica.index
        if reports:
            self._send(host, reports)
        host.is_busy = bool(reports or host.removing or host.pulls) or any(
            container.phase is ReplicaPhase.STARTING or container.dies_at_ms is not None
            for container in host.containers.values()
        )

    def _act(self, host: Host, assignment: Assignment) -> Observation:
        name, now_ms = assignment.container_name, self.now_ms
        container = host.containers.get(name)
        if assignment.desired is DesiredState.REMOVED:
            due_ms = host.removing.setdefault(name, now_ms + self.rng.randrange(20, 200))
            if container is not None and now_ms < due_ms:
                return assignment.observed
            host.containers.pop(name, None)
            host.pulls.pop(assignment.key, None)
            host.removing.pop(name, None)
            return Observation(phase=ReplicaPhase.REMOVED)
        host.removing.pop(name, None)
        if container is None:
            due_ms = host.pulls.setdefault(assignment.key, now_ms + self.rng.randrange(10, 300))
            if now_ms < due_ms:
                return Observation(phase=ReplicaPhase.PULLING)
            del host.pulls[assignment.key]
            container = self._create(host, assignment)
            if container is None:
                return Observation(phase=ReplicaPhase.FAILED, reason="no such image")
        has_ended = container.phase is ReplicaPhase.EXITED
        return Observation(
            phase=container.phase,
            container_id=container.id,
            address=str(host.node_id),
            port=0 if container.phase is ReplicaPhase.STARTING else 32768,
            reason="exit code 1: cannot open the database" if has_ended else "",
        )

    def _create(self, host: Host, assignment: Assignment) -> Container | None:
        view = self.view(assignment.service_id)
        assert view is not None
        spec = view.spec(assignment.revision)
        assert spec is not None
        behaviour = self.behaviours.get(spec.image, Behaviour())
        if not behaviour.is_good and behaviour.phase is ReplicaPhase.FAILED:
            return None
        self._check_ports(host, spec)
        container = Container(
            id=f"c{next(self._ids)}",
            key=assignment.key,
            phase=ReplicaPhase.STARTING,
            due_ms=self.now_ms + behaviour.start_ms,
            behaviour=behaviour,
        )
        host.containers[assignment.container_name] = container
        return container

    def _check_ports(self, host: Host, spec: ServiceSpec) -> None:
        taken = {port.host_port for port in spec.ports if port.host_port}
        for container in host.containers.values():
            view = self.view(container.key.service_id)
            other = None if view is None else view.spec(container.key.revision)
            if other is not None and taken & {port.host_port for port in other.ports if port.host_port}:
                raise BrokenPromise(f"two containers on {host.node_id} want one port: {sorted(taken)}")

    def _send(self, host: Host, reports: list[tuple[Assignment, Observation]]) -> None:
        command = ReportAssignments(
            node_id=host.node_id,
            reports=tuple(
                AssignmentReport(
                    service_id=assignment.service_id,
                    revision=assignment.revision,
                    ordinal=assignment.ordinal,
                    token=assignment.token,
                    observed=observed,
                )
                for assignment, observed in reports
            ),
        )
        if self.rng.random() < self.faults.lost:
            return
        if self.rng.random() < self.faults.late:
            self.after(self.rng.randrange(1, 3_000), lambda: self._deliver(command))
            return
        self._deliver(command)
        if self.rng.random() < self.faults.repeated:
            self.after(self.rng.randrange(1, 2_000), lambda: self._deliver(command))

    def _deliver(self, command: ReportAssignments) -> None:
        self.apply(command, client=f"host-{command.node_id}", leader_term=0)

    def _run_hooks(self, host: Host) -> None:
        under_way = [view.rollout for view in self.views() if view.rollout is not None]
        for command in self.hooks.look(host.node_id, under_way, self.now_ms):
            if self.rng.random() < self.faults.lost:
                continue
            self._tell_of_hook(command)
            if self.rng.random() < self.faults.repeated:
                self.after(self.rng.randrange(1, 2_000), lambda command=command: self._tell_of_hook(command))

    def _tell_of_hook(self, command: ReportHook) -> None:
        outcome = self.apply(command, client=f"host-{command.node_id}", leader_term=0)
        rollout = next(
            (view.rollout for view in self.views() if view.rollout and view.rollout.id == command.rollout_id),
            None,
        )
        if rollout is not None:
            self.hooks.note(command, outcome, rollout, self.now_ms)

    def _route(self, host: Host) -> None:
        if not self._has_routers or host.is_cut or host.is_deaf:
            return
        index = self.replica.index
        lagging = {
            copy.token
            for copy in self.assignments()
            if copy.service_id in host.unreached
            and copy.desired is DesiredState.SERVING
            and (copy.token > host.routed_index or copy.token in host.unrouted)
        }
        if index == host.drained_index and lagging == host.unrouted:
            return
        routed, drained, unrouted = host.routed_index, host.drained_index, host.unrouted
        if self.rng.random() < 0.7:
            host.routed_index = index
            self._bring_in_force(host)
        if self.rng.random() < 0.5:
            host.drained_index = host.routed_index
        host.unrouted = {token for token in lagging if token <= host.routed_index}
        if self._is_waited_for(routed, drained, unrouted - host.unrouted) or routed == 0:
            report = RouterReport(
                routed_index=host.routed_index,
                drained_index=host.drained_index,
                unrouted=tuple(sorted(host.unrouted)),
            )
            self._deliver(ReportAssignments(node_id=host.node_id, reports=(), router=report))

    def _bring_in_force(self, host: Host) -> None:
        for view in self.views():
            before = host.routed.get(view.service.id)
            known = {copy.key for copy in before.copies} if before is not None else set()
            is_blind = view.service.id in host.unreached
            host.routed[view.service.id] = Routed(
                view.service.split,
                tuple(
                    copy
                    for copy in view.assignments
                    if copy.desired is DesiredState.SERVING and (not is_blind or copy.key in known)
                ),
            )

    def _count(self, node_id: NodeId) -> None:
        """Close the interval of a host's router, which counts whether or not anybody hears it."""
        host = self.hosts[node_id]
        able = {
            name
            for each in self.hosts.values()
            if not each.is_cut
            for name, container in each.containers.items()
            if container.phase is ReplicaPhase.HEALTHY
        }
        for view in self.views() if self.traffic.requests_per_s else ():
            service_id = view.service.id
            if service_id not in self.traffic.requests_per_s or service_id not in host.routed or host.is_cut:
                continue
            images = {number: revision.spec.image for number, revision in view.revisions.items()}
            told = self.traffic.close(service_id, node_id, host.routed[service_id], images, able)
            for hear in self.on_traffic:
                hear(node_id, told)
            if view.rollout is not None and view.rollout.stage is not None:
                self._touch()
        self.after(INTERVAL_MS, lambda: self._count(node_id))

    def _is_waited_for(self, routed: int, drained: int, done: set[int]) -> bool:
        """A router tells of an index only when a change of wishes or shares came after the last it told of,
        or when one of its exceptions is `done`.
        """
        tokens = [copy.token for copy in self.assignments()]
        with self.store.read() as txn:
            tokens += [service.split.token for service in SERVICES.scan(txn)]
        return any(token > min(routed, drained) or token in done for token in tokens)

    # ---- the leader ----

    def elect(self, host: str) -> None:
        """A new leader, which knows only what is committed."""
        self.replica.lead(host)
        self.store.flush()
        self._resumed.clear()
        self._touch()

    def decide(self, view: ServiceView) -> Decision:
        """Decide as the driver does, and check that it is decided the same twice."""
        views = {each.service.id: each for each in self.views()}
        occupants = {service_id: occupants_of(each) for service_id, each in views.items()}
        specs = [
            (each.service.id, each.service.project, spec)
            for each in views.values()
            if (spec := each.spec(each.service.revision)) is not None
        ]
        rules = {each.service.id: (each.service.project, each.service.placement) for each in views.values()}
        sizes = {
            each.service.id: amounts([(spec, each.service.replicas)])
            for each in views.values()
            if (spec := each.spec(each.service.revision)) is not None
        }
        landscape = Landscape(view.nodes, occupants, direct_groups(specs), rules=rules, sizes=sizes)
        service = view.service
        view = replace(oriented(view, landscape, self.now_ms), traffic=self.traffic.of(service.id))
        rollout_id = RolloutId(f"ro_{self.replica.index:08d}")
        made = [
            decide(view, self.now_ms, rollout_id=rollout_id, choose=chooser(service, landscape))
            for _ in range(2)
        ]
        if made[0] != made[1]:
            raise BrokenPromise("two decisions on one view differ")
        return made[0]

    def lead(self) -> None:
        """Decide and commit until there is nothing to decide."""
        wake: list[int] = []
        for service_id in [view.service.id for view in self.views()]:
            for _ in range(CHAIN_MAX):
                view = self.view(service_id)
                if view is None:
                    break
                if service_id not in self._resumed:
                    self._resumed.add(service_id)
                    resumed = resume(view, self.now_ms)
                    if resumed is not None:
                        self.must(command_of(resumed), client="leader")
                        continue
                decision = self.decide(view)
                if decision.transition is None:
                    if decision.wake_at_ms is not None:
                        if decision.wake_at_ms <= self.now_ms:
                            raise BrokenPromise("a decision wakes in the past: it would be made for ever")
                        wake.append(decision.wake_at_ms)
                    check_quiet(view)
                    break
                self.commit(view, command_of(decision.transition))
            else:
                raise BrokenPromise(f"no end of transitions: {decision}")
        self._wake_at_ms = min(wake, default=None)
        self._led_index = self.replica.index

    def commit(self, before: ServiceView, command: CommitTransition) -> None:
        self.must(command, client="leader")
        self.transitions += 1
        after = self.view(before.service.id)
        if after is not None:
            check_promises(before, after, self.now_ms)
            check_room(before, after, self.is_there)
            check_end(after, self.now_ms, self.is_there)
            check_hooks(before, after)

    def is_there(self, copy: Assignment) -> bool:
        """Whether there is a container for it, whatever anybody says of it."""
        return copy.container_name in self.hosts[copy.node_id].containers

    # ---- how it ends ----

    def settle(self, limit_ms: int = 3 * 3_600_000) -> None:
        """Let time pass until nothing is left to do."""
        until_ms = self.now_ms + limit_ms
        while self.now_ms < until_ms:
            self.run(5_000)
            if self.is_at_rest():
                return
        raise BrokenPromise("it does not come to rest: " + "; ".join(self.describe()))

    def settle_rollouts(self, limit_ms: int = 3 * 3_600_000) -> None:
        """Let time pass until no rollout is under way, and then as long again as a repair takes."""
        until_ms = self.now_ms + limit_ms
        while any(view.rollout is not None and view.rollout.phase != "paused" for view in self.views()):
            if self.now_ms >= until_ms:
                raise BrokenPromise("a rollout does not end: " + "; ".join(self.describe()))
            self.run(5_000)
        self.run(30_000)

    def is_at_rest(self) -> bool:
        if any(view.rollout is not None and view.rollout.phase != "paused" for view in self.views()):
            return False
        return all(
            copy.desired is DesiredState.SERVING and is_healthy(copy) for copy in self.assignments()
        ) and all(self._is_whole(view) for view in self.views())

    def _is_whole(self, view: ServiceView) -> bool:
        if view.service.is_removed:
            return False
        if view.service.stable_revision == 0:
            return True
        return sorted(copy.ordinal for copy in view.assignments) == list(range(view.service.replicas))

    def check_final(self) -> None:
        """Exactly the wanted replicas serve, each in a container of its own, and nothing else is left."""
        for view in self.views():
            stable = view.service.stable_revision
            for copy in view.assignments:
                assert copy.revision == stable or stable == 0 or view.rollout is not None, copy
        there = {
            (host.node_id, name)
            for host in self.hosts.values()
            if not host.is_cut
            for name in host.containers
        }
        wanted = {
            (copy.node_id, container_name(copy.service_id, copy.revision, copy.ordinal))
            for copy in self.assignments()
        }
        if there != wanted:
            raise BrokenPromise(f"containers {sorted(there ^ wanted)} are there or wanted, not both")
        ids = [container.id for host in self.hosts.values() for container in host.containers.values()]
        assert len(ids) == len(set(ids))

    def describe(self) -> list[str]:
        return [describe(view) for view in self.views()]

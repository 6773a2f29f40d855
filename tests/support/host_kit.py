"""One host of a cluster without the cluster: the state as this host sees it, its engine, and its loops."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from agent.docker.watcher import InventoryWatcher
from agent.execute.fence import Fence
from agent.execute.files import ContainerFiles
from agent.execute.replica import Replica as HostReplica
from agent.follow.assignments import Assignments
from agent.follow.assignments_replica import Host
from agent.follow.assignments_reports import HostReports
from agent.follow.hooks import HookRuns
from agent.follow.lease import is_newest_order
from agent.follow.self_stop import SelfStop
from agent.keeper.policy import LABEL_FENCED
from agent.ports import ContainerDetail, ContainerSpec, ContainerState, EngineRefused, FilesRefused, Image
from cluster.commands import Outcome
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentRef,
    AssignmentReport,
    CommitTransition,
    PutService,
    RemoveService,
    ReportAssignments,
    StartExperiment,
)
from cluster.failover import LEASE_MS
from cluster.model.experiment import Experiment, Targeting
from cluster.model.ids import NodeId, ServiceId
from cluster.model.secrets import FileKind
from cluster.model.service import (
    Assignment,
    AssignmentKey,
    DesiredState,
    FileReference,
    Observation,
    ReplicaPhase,
    RouterState,
    ServiceSpec,
    container_name,
)
from cluster.model.strategy import Colour
from cluster.raft.replicator import ReadLevel, ReadPoint, ReadUnavailable
from cluster.store import Committed, ReadTxn
from cluster.store.records import ASSIGNMENTS, FILE_CONTENTS, REVISIONS, ROUTERS, SERVICES
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine
from tests.support.fake_files import FakeFiles
from tests.support.lease_kit import MemoryKeeper, a_lease, an_answer
from tests.support.state_builders import START_MS, Replica, a_node, a_service, a_spec

HERE = NodeId("n1")
WEB = ServiceId("shop.web")
IMAGE = "demo/web:1"
CLUSTER = "c1"
ADDRESS = "192.0.2.1"


class HostState:
    """The replicated state as one host has it (`agent.follow.assignments_reports.SharedState`).

    `before` may answer a proposal, or raise, in place of the state machine. While `is_cut`, nothing is
    confirmed. Commands of the leader are committed by `order`, `forget`, ...
    """

    def __init__(self, *hosts: str) -> None:
        self.replica = Replica()
        self.replica.lead()
        self.proposed: list[Any] = []
        self.points = 0
        self.is_cut = False
        self.before: Callable[[object], Outcome | None] = lambda command: None
        for host in hosts or (str(HERE),):
            self.replica.must(a_node(host), client="join", leader_term=0)
        self.replica.store.flush()

    # ---- the protocol -------------------------------------------------------------------------

    def read(self) -> AbstractContextManager[ReadTxn]:
        return self.replica.store.read()

    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint:
        self.points += 1
        await asyncio.sleep(0)
        if self.is_cut:
            raise ReadUnavailable("no leader is known here")
        return ReadPoint(applied_index=self.replica.index, age_ms=0, level=level)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        return self.replica.store.subscribe(callback)

    async def propose(self, command: object) -> Outcome:
        self.proposed.append(command)
        await asyncio.sleep(0)
        instead = self.before(command)
        if instead is not None:
            return instead
        outcome = self.replica.apply(command, client=f"host-{HERE}", leader_term=0)
        self.replica.store.flush()
        return outcome

    # ---- what people and the leader do --------------------------------------------------------

    def deploy(self, spec: ServiceSpec | None = None, service: str = WEB, **fields: Any) -> int:
        """Return the newest revision."""
        command: PutService = a_service(service, spec=spec or a_spec(IMAGE), **fields)
        revision, _ = self.replica.must(command, client="person", leader_term=0)
        self.replica.store.flush()
        return int(revision)

    def remove_service(self, service: str = WEB) -> None:
        self.replica.must(RemoveService(service_id=ServiceId(service)), client="person", leader_term=0)
        self.replica.store.flush()

    def order(
        self,
        *desired: DesiredState,
        service: str = WEB,
        revision: int = 1,
        ordinal: int = 0,
        node: NodeId = HERE,
        colour: Colour = Colour.BLUE,
        is_flushed: bool = True,
    ) -> int:
        """Commit a wish for one replica (several: one after the other); return its token."""
        for each in desired:
            order = AssignmentOrder(
                revision=revision, ordinal=ordinal, node_id=node, desired=each, colour=colour
            )
            self.transition(service, orders=(order,), is_flushed=is_flushed)
        return self.replica.index

    def forget(
        self,
        *,
        service: str = WEB,
        revision: int = 1,
        ordinal: int = 0,
        node: NodeId = HERE,
        is_flushed: bool = True,
    ) -> None:
        ref = AssignmentRef(revision=revision, ordinal=ordinal, node_id=node)
        self.transition(service, forget=(ref,), is_flushed=is_flushed)

    def share(self, green_permille: int, *, service: str = WEB, targeting: Targeting | None = None) -> int:
        """Commit how requests are shared; return the split's token."""
        self.transition(service, green_permille=green_permille, targeting=targeting)
        return self.replica.index

    def try_beside(self, spec: ServiceSpec, experiment: Experiment, service: str = WEB) -> None:
        """Have `spec` tried beside the first revision, which has run whole."""
        self.transition(service, stable_revision=1)
        command = StartExperiment(
            service_id=ServiceId(service), spec=spec, experiment=experiment, by="somebody"
        )
        self.replica.must(command, client="person", leader_term=0)
        self.replica.store.flush()

    def observe(self, observation: Observation, **which: Any) -> None:
        """Commit what some host saw of a replica."""
        present = self.assignment(**which)
        report = AssignmentReport(
            service_id=present.service_id,
            revision=present.revision,
            ordinal=present.ordinal,
            token=present.token,
            observed=observation,
        )
        command = ReportAssignments(node_id=present.node_id, reports=(report,))
        self.replica.must(command, client=f"of-{present.node_id}", leader_term=0)
        self.replica.store.flush()

    def transition(self, service: str = WEB, *, is_flushed: bool = True, **fields: Any) -> None:
        present = SERVICES.get(self.replica.txn, ServiceId(service))
        assert present is not None
        self.replica.must(
            CommitTransition(service_id=present.id, expected_version=present.version, **fields),
            client="leader",
        )
        if is_flushed:
            self.replica.store.flush()

    # ---- what is committed --------------------------------------------------------------------

    def assignment(
        self, *, service: str = WEB, revision: int = 1, ordinal: int = 0, node: NodeId = HERE
    ) -> Assignment:
        with self.read() as txn:
            found = ASSIGNMENTS.get(txn, ServiceId(service), revision, ordinal, node)
        assert found is not None
        return found

    def observed(self, **which: Any) -> Observation:
        return self.assignment(**which).observed

    def router(self) -> RouterState | None:
        with self.read() as txn:
            return ROUTERS.get(txn, HERE)

    @property
    def reports(self) -> list[ReportAssignments]:
        return [command for command in self.proposed if isinstance(command, ReportAssignments)]

    def spec(self, service: str = WEB, revision: int = 1) -> ServiceSpec:
        with self.read() as txn:
            found = REVISIONS.get(txn, ServiceId(service), revision)
        assert found is not None
        return found.spec


class HostEngine(FakeEngine):
    """Calls can be held and refused; `restart_policy` can be played by hand.

    `held` maps the beginning of a call ("pull demo/web:1") to the event it waits for, `refused` to the error
    it raises.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.held: dict[str, asyncio.Event] = {}
        self.refused: dict[str, Exception] = {}
        self.acting: defaultdict[str, int] = defaultdict(int)
        self.most_acting = 0
        self.signals: list[tuple[str, str]] = []

    async def kill(self, container: str, *, signal: str = "SIGKILL") -> None:
        self.signals.append((self._name_of(container), signal))
        await super().kill(container, signal=signal)

    async def _ask(self, call: str, container: str) -> None:
        self.acting[container] += 1
        self.most_acting = max(self.most_acting, self.acting[container])
        try:
            await asyncio.sleep(0)
            for start, event in tuple(self.held.items()):
                if call.startswith(start):
                    await event.wait()
            for start, error in tuple(self.refused.items()):
                if call.startswith(start):
                    raise error
        finally:
            self.acting[container] -= 1

    async def create(self, spec: ContainerSpec) -> str:
        await self._ask(f"create {spec.name}", spec.name)
        return await super().create(spec)

    async def start(self, container: str) -> None:
        await self._ask(f"start {self._name_of(container)}", self._name_of(container))
        await super().start(container)

    async def stop(self, container: str, *, grace_s: int | None = None) -> None:
        await self._ask(f"stop {self._name_of(container)}", self._name_of(container))
        await super().stop(container, grace_s=grace_s)

    async def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        await self._ask(f"remove {self._name_of(container)}", self._name_of(container))
        await super().remove(container, force=force, volumes=volumes)

    async def pull(self, ref: str, **options: Any) -> Image:
        await self._ask(f"pull {ref}", ref)
        return await super().pull(ref, **options)

    def keep_restarting(self, container: str, *, exit_code: int = 1) -> None:
        """Its process ended, and the engine waits before it starts it again."""
        self.crash(container, exit_code=exit_code)
        self._find(container).state = ContainerState.RESTARTING

    async def restart_by_policy(self, container: str) -> None:
        found = self._find(container)
        found.state = ContainerState.EXITED
        found.restart_count += 1
        await super().start(container)

    def count(self, call: str) -> int:
        return sum(each.startswith(call) for each in self.calls)

    def names(self) -> list[str]:
        return sorted(container.spec.name for container in self._containers.values())

    def running(self) -> list[str]:
        return sorted(
            container.spec.name
            for container in self._containers.values()
            if container.state is ContainerState.RUNNING
        )

    async def see(self, container: str) -> ContainerDetail:
        return await self.inspect(container)

    def _name_of(self, container: str) -> str:
        for found in self._containers.values():
            if container in (found.id, found.spec.name):
                return found.spec.name
        return container


class FakeProber:
    """Answers "" (well) unless `problem` says otherwise."""

    def __init__(self) -> None:
        self.problem = ""
        self.asked: list[tuple[str, int, str, str]] = []

    async def probe(self, address: str, port: int, *, path: str, host: str) -> str:
        self.asked.append((address, port, path, host))
        await asyncio.sleep(0)
        return self.problem


class FollowingHost:
    """The host's loops of assignments and reports, over everything fake.

    `is_caught_up` and `is_led` are what it waits for before it starts anything. `restart` is a restart of the
    agent: all it knew is gone, what is committed and what runs stays.
    """

    def __init__(self) -> None:
        self.clock = FakeClock(now_ms=START_MS)
        self.state = HostState()
        self.engine = HostEngine(self.clock)
        self.engine.publish(IMAGE)
        self.engine.add_image(IMAGE)
        self.prober = FakeProber()
        self.is_caught_up = asyncio.Event()
        self.is_led = asyncio.Event()
        self.is_caught_up.set()
        self.is_led.set()
        self.is_unrouted = asyncio.Event()
        self.is_unrouted.set()
        self.waited_for: list[tuple[str, str]] = []
        self.slots = 4
        self.files = FakeFiles()
        self.keeper = MemoryKeeper()

    def grant(self, lease_ms: int = LEASE_MS) -> None:
        """A heartbeat that leaves now is answered at once."""
        self.lease.take(self.clock.boottime_s(), an_answer(lease_ms))

    def open_file(self, kind: FileKind, reference: FileReference) -> bytes:
        """What is kept, without a seal."""
        with self.state.read() as txn:
            found = FILE_CONTENTS.get(
                txn, kind.value, reference.environment, reference.source, reference.version
            )
        if found is None:
            raise FilesRefused(f"{kind} {reference.source} has no version {reference.version} any more")
        return found.content

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Assignments]:
        async with asyncio.TaskGroup() as group:
            watcher = InventoryWatcher(self.engine, self.clock, random.Random(1))
            self.fence = Fence()
            self.reports = HostReports(node_id=HERE, state=self.state, clock=self.clock)
            self.lease = a_lease(
                self.keeper,
                self.clock,
                cluster_id=CLUSTER,
                has_fenced=lambda: any(
                    LABEL_FENCED in container.labels for container in watcher.current.containers
                ),
                is_ordered=lambda key, token: is_newest_order(self.state.read, key, token),
            )
            self_stop = SelfStop(lease=self.lease, engine=self.engine, clock=self.clock)
            self.host = Host(
                cluster_id=CLUSTER,
                engine=self.engine,
                prober=self.prober,
                reports=self.reports,
                files=ContainerFiles(self.files, self.open_file),
                clock=self.clock,
                fence=self.fence,
                fenced=self.lease,
                address=lambda: ADDRESS,
                until_engine=watcher.until_available,
                until_caught_up=self.is_caught_up.wait,
                until_led=self.is_led.wait,
                until_unrouted=self.until_unrouted,
                bring_up_slots=asyncio.Semaphore(self.slots),
            )
            self.hooks = HookRuns(node_id=HERE, state=self.state, host=self.host, watcher=watcher)
            assignments = Assignments(
                node_id=HERE,
                state=self.state,
                host=self.host,
                watcher=watcher,
                other_names=self.hooks.names,
            )
            tasks = [
                group.create_task(each)
                for each in (
                    watcher.run(),
                    self.reports.run(),
                    assignments.run(),
                    self.hooks.run(),
                    self_stop.run(),
                )  # type: ignore[list-item]
            ]
            await self.clock.settle()
            yield assignments
            for task in tasks:
                task.cancel()

    async def until_unrouted(self, service: str, replica: str) -> None:
        self.waited_for.append((service, replica))
        await self.is_unrouted.wait()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def until_phase(self, phase: ReplicaPhase, *, within_s: float = 10.0, **which: Any) -> None:
        """Let time pass until the phase is committed."""
        until_s = self.clock.monotonic_s() + within_s
        while self.state.observed(**which).phase is not phase:
            assert self.clock.monotonic_s() < until_s, self.state.observed(**which)
            await self.clock.advance(0.05)

    async def stranger(self, name: str, **fields: Any) -> str:
        """A running container that somebody made."""
        container = await FakeEngine.create(self.engine, ContainerSpec(name=name, image=IMAGE, **fields))
        await FakeEngine.start(self.engine, container)
        return container


def name_of(ordinal: int = 0, *, service: str = WEB, revision: int = 1) -> str:
    return container_name(ServiceId(service), revision, ordinal)


def a_replica(spec: ServiceSpec | None = None, ordinal: int = 0, **fields: Any) -> HostReplica:
    defaults: dict[str, Any] = {
        "key": AssignmentKey(service_id=WEB, revision=1, ordinal=ordinal, node_id=HERE),
        "cluster_id": CLUSTER,
        "project": "shop",
        "name": "web",
        "spec": spec or a_spec(IMAGE),
    }
    return HostReplica(**{**defaults, **fields})


def refusal(text: str = "no") -> EngineRefused:
    return EngineRefused(text, status=500)

"""What this host is to run: a worker for each replica it was ordered, and nothing that nobody asks for.

The loop: read this host's orders, hand each to its replica's worker, look for containers without an order.
It is level-triggered: whatever was missed while the agent was down is seen at the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, Protocol

from agent.docker.watcher import Inventory
from agent.execute.fence import Permit, Superseded
from agent.execute.removing import remove_container
from agent.execute.replica import Replica, ReplicaLabels, parse_labels
from agent.follow.assignments_replica import Host, ReplicaWorker
from agent.follow.assignments_reports import SharedState
from agent.ports import EngineError, EngineEvent, FilesRefused
from cluster.model.ids import NodeId, scope_in
from cluster.model.service import Assignment, AssignmentKey, DesiredState
from cluster.raft.replicator import ReadLevel, ReadUnavailable
from cluster.store import Committed, ReadTxn, tables
from cluster.store.records import ASSIGNMENTS, REVISIONS, SERVICES, assignments_of_node

log = logging.getLogger(__name__)

SWEEP_RETRY_S = 5.0


class Aim(StrEnum):
    """What a worker is at."""

    RUN = "run"
    REMOVE = "remove"


class Watcher(Protocol):
    """What is on this host's engine. `agent.docker.watcher.InventoryWatcher` fits."""

    @property
    def current(self) -> Inventory: ...
    def subscribe(self, listener: Callable[[Inventory], None]) -> Callable[[], None]: ...
    def subscribe_events(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker is to be at, and its leave."""

    aim: Aim
    replica: Replica
    permit: Permit


class _Lane:
    """One replica's worker and its newest order; None ends it."""

    def __init__(self, worker: ReplicaWorker, order: _Order) -> None:
        self.worker = worker
        self._order: _Order | None = order
        self._under_way: Aim | None = None
        self._changed = asyncio.Event()

    def turn(self, order: _Order | None) -> None:
        self._order = order
        if order is not None and order.aim is self._under_way:
            self.worker.renew(order.replica, order.permit)
        else:
            self._changed.set()

    async def run(self) -> None:
        while (order := self._order) is not None:
            self._changed.clear()
            self._under_way = order.aim
            self.worker.begin(order.replica, order.permit)
            async with asyncio.TaskGroup() as group:
                work = self.worker.keep_running() if order.aim is Aim.RUN else self.worker.take_down()
                name = f"{order.aim}-{order.replica.container_name}"
                working = group.create_task(work, name=name)
                while self._order is not None and self._order.aim is order.aim:
                    await self._changed.wait()
                    self._changed.clear()
                # What is being cancelled keeps its old leave. The group waits for its end: two aims never
                # act on one container at a time.
                self._under_way = None
                working.cancel()


class Assignments:
    """Carries out this host's part of the state, for one event loop."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: SharedState,
        host: Host,
        watcher: Watcher,
        other_names: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """`other_names` are containers that are no replica's, whose files are about to be needed."""
        self._node_id = node_id
        self._state = state
        self._host = host
        self._watcher = watcher
        self._other_names = other_names
        self._lanes: dict[AssignmentKey, _Lane] = {}
        self._by_name: dict[str, _Lane] = {}
        self._by_adopted_id: dict[str, _Lane] = {}
        self._has_orders = asyncio.Event()
        self._is_sweep_due = asyncio.Event()

    async def run(self) -> NoReturn:
        """Carry out what is ordered, for ever."""
        ends = (
            self._state.subscribe(self._on_committed),
            self._watcher.subscribe(lambda _: self._is_sweep_due.set()),
            self._watcher.subscribe_events(self._on_event),
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep(), name="sweep-containers")
                self._has_orders.set()
                while True:
                    await self._has_orders.wait()
                    self._has_orders.clear()
                    self._follow(group)
        finally:
            for end in ends:
                end()
        raise AssertionError("unreachable")

    # ---- what happens -------------------------------------------------------------------------

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything or any(
            table == tables.ASSIGNMENTS.name and ASSIGNMENTS.parts_of(key)[3] == self._node_id
            for table, key in committed.changed
        ):
            self._has_orders.set()

    def _on_event(self, event: EngineEvent) -> None:
        # Health checks of containers are exec events, several a second on a full host.
        if event.kind == "container" and not event.action.startswith("exec_"):
            lane = self._by_name.get(event.name) or self._by_adopted_id.get(event.id)
            if lane is not None:
                lane.worker.wake()

    # ---- orders -------------------------------------------------------------------------------

    def _follow(self, group: asyncio.TaskGroup) -> None:
        with self._state.read() as txn:
            orders = {each.key: each for each in assignments_of_node(txn, self._node_id)}
            replicas = {
                key: _replica(txn, order, self._host.cluster_id, orders.values())
                for key, order in orders.items()
            }
        for key in self._lanes.keys() - orders.keys():
            self._lanes[key].turn(None)
        for order in orders.values():
            self._carry_out(group, replicas[order.key], order)

    def _carry_out(self, group: asyncio.TaskGroup, replica: Replica, assignment: Assignment) -> None:
        try:
            permit = self._host.fence.permit(replica.container_name, assignment.token)
        except Superseded:
            return  # a snapshot of an older state was installed; the newer order comes again
        is_removal = assignment.desired is DesiredState.REMOVED
        order = _Order(Aim.REMOVE if is_removal else Aim.RUN, replica, permit)
        lane = self._lanes.get(replica.key)
        if lane is not None:
            lane.turn(order)
            return
        lane = _Lane(ReplicaWorker(self._host, replica, permit, observed=assignment.observed), order)
        self._lanes[replica.key] = self._by_name[replica.container_name] = lane
        if replica.adopted_id:
            self._by_adopted_id[replica.adopted_id] = lane
        group.create_task(self._drive(replica, lane), name=f"replica-{replica.container_name}")

    async def _drive(self, replica: Replica, lane: _Lane) -> None:
        await lane.run()
        # Nobody asks for the replica any more, in whatever state it is: what is left of it is swept.
        name = replica.container_name
        del self._lanes[replica.key], self._by_name[name]
        self._by_adopted_id.pop(replica.adopted_id, None)
        self._host.reports.forget(replica.key)
        self._host.fence.forget(name)
        self._host.fenced.release(replica.key)
        self._is_sweep_due.set()

    # ---- containers without an order ----------------------------------------------------------

    async def _sweep(self) -> NoReturn:
        """Remove the containers of this cluster that it does not ask this host for (any more)."""
        while True:
            await self._is_sweep_due.wait()
            self._is_sweep_due.clear()
            is_clean = await self._sweep_files()
            if self._strays():
                is_clean = await self._sweep_once() and is_clean
            if not is_clean:
                await self._host.clock.sleep(SWEEP_RETRY_S)
                self._is_sweep_due.set()

    async def _sweep_files(self) -> bool:
        inventory = self._watcher.current
        if not inventory.is_available:
            return True
        needed = (
            self._ordered() | self._other_names() | {container.name for container in inventory.containers}
        )
        try:
            await self._host.files.remove_all_but(needed)
        except FilesRefused as error:
            log.warning("stray.files_not_removed", extra={"reason": str(error)})
            return False
        return True

    async def _sweep_once(self) -> bool:
        try:
            # What is known here may be old, and a container newer than it.
            await self._state.point(ReadLevel.LINEARIZABLE)
        except ReadUnavailable as error:
            log.debug("stray.not_certain", extra={"reason": str(error)})
            return False
        is_clean = True
        for name, labels in self._strays().items():
            # Removing the ones before took its time.
            if name not in self._ordered():
                is_clean = await self._remove_stray(name, labels) and is_clean
        return is_clean

    async def _remove_stray(self, name: str, labels: ReplicaLabels) -> bool:
        fence = self._host.fence
        permit = fence.permit(name, max(fence.newest(name), labels.token))
        try:
            await remove_container(self._host.engine, name, permit, cluster_id=self._host.cluster_id)
            await self._host.files.remove(name)
        except (EngineError, FilesRefused, Superseded) as error:
            log.warning("stray.not_removed", extra={"container": name, "reason": str(error)})
            return False
        if fence.newest(name) == permit.token:
            fence.forget(name)
        log.info("stray.removed", extra={"container": name, "service_id": labels.service_id})
        return True

    def _strays(self) -> dict[str, ReplicaLabels]:
        inventory = self._watcher.current
        if not inventory.is_available:
            return {}
        ordered = self._ordered()
        return {
            container.name: labels
            for container in inventory.containers
            if container.name not in ordered
            and (labels := _own_labels(container.name, container.labels, self._host.cluster_id)) is not None
        }

    def _ordered(self) -> frozenset[str]:
        """The containers this host is asked for, or asked to remove."""
        with self._state.read() as txn:
            return frozenset(each.container_name for each in assignments_of_node(txn, self._node_id))


def _own_labels(name: str, labels: Mapping[str, str], cluster_id: str) -> ReplicaLabels | None:
    found = parse_labels(labels)
    is_own = found is not None and found.cluster_id == cluster_id and found.container_name == name
    return found if is_own else None


def _replica(txn: ReadTxn, order: Assignment, cluster_id: str, others: Iterable[Assignment]) -> Replica:
    service = SERVICES.get(txn, order.service_id)
    revision = REVISIONS.get(txn, order.service_id, order.revision)
    assert service is not None, f"{order.key} outlived its service"
    assert revision is not None, f"{order.key} outlived its revision"
    return Replica(
        key=order.key,
        cluster_id=cluster_id,
        project=service.scope,
        name=service.name,
        spec=revision.spec,
        rollout_id=service.rollout_id or "",
        pull_timeout_s=service.policy.pull_deadline_ms / 1000,
        adopted_id=order.adopted_id,
        beside=tuple(
            each.adopted_id
            for each in others
            if each.adopted_id and scope_in(each.service_id) == service.scope
        ),
    )

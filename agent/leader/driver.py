"""The rollout driver: for each service that changed, decide and commit, until there is nothing to decide.

Deciding is one synchronous piece on one consistent view; committing is not waited for by other services. What
is on its way to being committed counts as taken for everyone decided meanwhile. The state machine refuses a
decision made on a state that has moved on, and then it is made again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.clock import Clock
from agent.leader.closing import closed_lately, closing_entry, is_recent
from agent.leader.ports import Ids, State
from agent.leader.proposing import propose_as_leader
from agent.leader.traffic import TrafficBook
from agent.leader.views import command_of
from cluster.commands import Applied, Code, Rejected
from cluster.commands.audit import RecordAudit
from cluster.failover import Leases
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.metric_limits import CopySamples
from cluster.model.node import Node
from cluster.model.placing import PlacementRules
from cluster.model.rollout import Rollout
from cluster.model.service import RouterState, ServiceSpec
from cluster.model.traffic import TrafficInterval
from cluster.placement import Amounts, Landscape, Occupant, amounts, direct_groups
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.rollout import Decision, ServiceView, Transition, decide, resume
from cluster.store import Committed, ReadTxn
from cluster.store.records import ASSIGNMENTS, ENVIRONMENTS, NODES, ROUTERS, SERVICES
from cluster.survey import (
    chooser,
    occupants_of,
    ordered_occupants,
    oriented,
    read_nodes,
    read_routers,
    read_view,
)

log = logging.getLogger(__name__)

IN_FLIGHT_MAX = 16
DECISIONS_MAX = 32
"""Most decisions between two turns of the event loop."""
PROPOSE_TIMEOUT_S = 5.0
RETRY_S = 0.2
IDLE_S = 60.0
REFUSED_RETRY_S = 5.0
"""A decision the state machine refuses for its content is a mistake: it is logged, and not hurried."""


class RolloutDriver:
    """One term's driver.

    `without_engine` are hosts that cannot run anything new at the moment, `leases` whose replicas may still
    run out of sight.
    """

    def __init__(
        self,
        *,
        term: int,
        node_id: NodeId,
        state: State,
        clock: Clock,
        ids: Ids,
        without_engine: Callable[[], frozenset[NodeId]] = frozenset,
        leases: Callable[[], Leases] = Leases,
        traffic: TrafficBook | None = None,
    ) -> None:
        self._term = term
        self._node_id = node_id
        self._state = state
        self._clock = clock
        self._ids = ids
        self._without_engine = without_engine
        self._leases = leases
        self._traffic = TrafficBook() if traffic is None else traffic
        self._wake = asyncio.Event()
        self._due: dict[ServiceId, None] = {}
        self._busy: set[ServiceId] = set()
        self._not_before_s: dict[ServiceId, float] = {}
        self._wake_at_ms: dict[ServiceId, int] = {}
        self._awaiting_routers: set[ServiceId] = set()
        self._blocked: dict[ServiceId, tuple[str, ...]] = {}
        self._resumed: set[ServiceId] = set()
        self._closed: set[str] = set()
        self._offset_ms = 0

        self._nodes: dict[NodeId, Node] = {}
        self._routers: dict[NodeId, RouterState] = {}
        self._occupants: dict[ServiceId, tuple[Occupant, ...]] = {}
        self._newest: dict[ServiceId, tuple[str, ServiceSpec]] = {}
        self._rules: dict[ServiceId, tuple[str, PlacementRules]] = {}
        self._sizes: dict[ServiceId, Amounts] = {}
        self._is_stale = True
        self._has_stale_nodes = True
        self._has_stale_routers = True

    async def run(self) -> None:
        """Decide and commit until cancelled. Raises LeadershipOver."""
        unsubscribe = self._state.subscribe(self._on_committed)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._wake.clear()
                    self._decide_due(group)
                    await self._clock.wait(self._wake, self._pause_s())
        finally:
            unsubscribe()

    def on_traffic(
        self, node_id: NodeId, intervals: Sequence[TrafficInterval], samples: Sequence[CopySamples] = ()
    ) -> None:
        """Take what a host's router has counted and what it has measured, and look at the rollouts that are
        judged by it."""
        for service_id in self._traffic.note(node_id, intervals, samples):
            self._mark(service_id)
        self._wake.set()

    # ---- what there is to decide ----

    def _on_committed(self, committed: Committed) -> None:
        if committed.is_everything:
            self._is_stale = self._has_stale_nodes = self._has_stale_routers = True
        for table, key in committed.changed:
            if table == SERVICES.table.name:
                self._mark(ServiceId(str(SERVICES.parts_of(key)[0])))
            elif table == ASSIGNMENTS.table.name:
                self._mark(ServiceId(str(ASSIGNMENTS.parts_of(key)[0])))
            elif table == NODES.table.name:
                self._has_stale_nodes = True
            elif table == ENVIRONMENTS.table.name:
                # Which hosts it has decides where all of its services may be.
                self._is_stale = True
            elif table == ROUTERS.table.name:
                self._has_stale_routers = True
        self._wake.set()

    def _mark(self, service_id: ServiceId) -> None:
        self._due[service_id] = None

    def _mark_mates(self, service_id: ServiceId) -> None:
        """Where a service is decides where the ones it talks to belong."""
        for group in direct_groups(self._summaries()).values():
            if service_id in group:
                for mate in sorted(group - {service_id}):
                    self._mark(mate)

    def _summaries(self) -> list[tuple[ServiceId, str, ServiceSpec]]:
        return [(service_id, project, spec) for service_id, (project, spec) in self._newest.items()]

    def _refresh(self, txn: ReadTxn) -> None:
        if self._is_stale:
            self._is_stale = False
            self._load(txn)
        if self._has_stale_nodes:
            self._has_stale_nodes = False
            self._nodes = read_nodes(txn)
            for service_id in self._newest:
                self._mark(service_id)
        if self._has_stale_routers:
            self._has_stale_routers = False
            self._routers = read_routers(txn)
            for service_id in sorted(self._awaiting_routers):
                self._mark(service_id)

    def _load(self, txn: ReadTxn) -> None:
        """Everything anew: at the start of the term, and when it is not known what changed."""
        self._nodes, self._routers = read_nodes(txn), read_routers(txn)
        self._closed |= closed_lately(txn)
        self._occupants.clear()
        self._newest.clear()
        self._rules.clear()
        self._sizes.clear()
        for service in SERVICES.scan(txn):
            view = read_view(txn, service.id, self._nodes, self._routers)
            assert view is not None
            self._note_service(view)
            self._mark(service.id)

    def _note_service(self, view: ServiceView) -> None:
        service = view.service
        self._occupants[service.id] = occupants_of(view)
        rules = service.scope, service.placement
        if self._rules.get(service.id, rules) != rules:
            self._mark_mates(service.id)
        self._rules[service.id] = rules
        spec = view.spec(service.revision)
        if spec is None:
            return
        self._sizes[service.id] = amounts([(spec, service.replicas)])
        before = self._newest.get(service.id)
        self._newest[service.id] = (service.scope, spec)
        if before is None or (before[1].route is None) != (spec.route is None):
            self._mark_mates(service.id)

    def _drop_service(self, service_id: ServiceId) -> None:
        self._mark_mates(service_id)
        self._rules.pop(service_id, None)
        self._sizes.pop(service_id, None)
        for known in (self._occupants, self._newest, self._wake_at_ms, self._not_before_s, self._blocked):
            known.pop(service_id, None)
        self._awaiting_routers.discard(service_id)
        self._resumed.discard(service_id)

    # ---- deciding ----

    def _now_ms(self, log_time_ms: int) -> int:
        """This node's clock, moved ahead if the log's time, of an earlier leader's clock, is ahead of it.

        Moved, not clamped: deadlines must come even while the log's time stands still.
        """
        now_ms = self._clock.now_ms() + self._offset_ms
        if now_ms < log_time_ms:
            self._offset_ms += log_time_ms - now_ms
            return log_time_ms
        return now_ms

    def _pause_s(self) -> float:
        if any(service_id not in self._busy for service_id in self._ready()) and not self._is_full():
            return 0.0
        now_ms, now_s = self._clock.now_ms() + self._offset_ms, self._clock.monotonic_s()
        pauses = [(at_ms - now_ms) / 1000 for at_ms in self._wake_at_ms.values()]
        pauses += [at_s - now_s for service_id, at_s in self._not_before_s.items() if service_id in self._due]
        return max(0.0, min(pauses, default=IDLE_S))

    def _is_full(self) -> bool:
        return len(self._busy) >= IN_FLIGHT_MAX

    def _ready(self) -> list[ServiceId]:
        now_s = self._clock.monotonic_s()
        return [
            service_id
            for service_id in self._due
            if service_id not in self._busy and self._not_before_s.get(service_id, now_s) <= now_s
        ]

    def _decide_due(self, group: asyncio.TaskGroup) -> None:
        with self._state.read() as txn:
            self._refresh(txn)
            now_ms = self._now_ms(txn.log_time_ms)
            for service_id in [each for each, at_ms in self._wake_at_ms.items() if at_ms <= now_ms]:
                del self._wake_at_ms[service_id]
                self._mark(service_id)
            groups = direct_groups(self._summaries())
            troubled = dict.fromkeys(sorted(self._without_engine()), "has no container engine that answers")
            landscape = Landscape(self._nodes, self._occupants, groups, troubled, self._rules, self._sizes)
            for service_id in self._ready()[:DECISIONS_MAX]:
                if self._is_full():
                    return
                del self._due[service_id]
                self._not_before_s.pop(service_id, None)
                self._decide(txn, service_id, landscape, now_ms, group)

    def _decide(
        self,
        txn: ReadTxn,
        service_id: ServiceId,
        landscape: Landscape,
        now_ms: int,
        group: asyncio.TaskGroup,
    ) -> None:
        view = read_view(txn, service_id, self._nodes, self._routers)
        if view is None:
            self._drop_service(service_id)
            return
        before = self._occupants.get(service_id)
        self._note_service(view)
        if before != self._occupants[service_id]:
            self._mark_mates(service_id)
        service = view.service
        traffic: tuple[TrafficInterval, ...] = ()
        samples: tuple[CopySamples, ...] = ()
        if view.rollout is not None and view.rollout.stage is not None:
            traffic, samples = self._traffic.of(service_id), self._traffic.samples_of(service_id)
        else:
            self._traffic.forget(service_id)
        leases = self._leases()
        view = replace(
            oriented(view, landscape, now_ms),
            traffic=traffic,
            samples=samples,
            leases_over=leases.over,
            lease_ends_ms={host: now_ms + left_ms for host, left_ms in leases.left_ms.items()},
        )
        self._close_if_missed(txn, view, now_ms, group)
        decision = self._first_decision(view, now_ms)
        if decision is None:
            decision = decide(
                view,
                now_ms,
                rollout_id=RolloutId(self._ids.new_id("ro")),
                choose=chooser(service, landscape),
            )
        self._note_decision(service_id, decision)
        if decision.transition is None:
            return
        self._busy.add(service_id)
        ordered = ordered_occupants(view, decision.transition.orders)
        self._occupants[service_id] += ordered
        rollout = decision.transition.rollout
        closing = None
        if rollout is not None and rollout.phase.is_terminal:
            closing = self._closing_entry(txn, view, rollout, now_ms)
        group.create_task(
            self._commit(view, decision.transition, closing), name=f"commit-transition-{service_id}"
        )

    def _first_decision(self, view: ServiceView, now_ms: int) -> Decision | None:
        """Once a term: give a rollout that another leader began its time."""
        if view.service.id in self._resumed:
            return None
        self._resumed.add(view.service.id)
        transition = resume(view, now_ms)
        return None if transition is None else Decision(transition=transition)

    def _note_decision(self, service_id: ServiceId, decision: Decision) -> None:
        self._wake_at_ms.pop(service_id, None)
        self._awaiting_routers.discard(service_id)
        if decision.transition is None:
            if decision.wake_at_ms is not None:
                self._wake_at_ms[service_id] = decision.wake_at_ms
            if decision.awaits_routers:
                self._awaiting_routers.add(service_id)
        if decision.blocked != self._blocked.get(service_id, ()):
            self._blocked[service_id] = decision.blocked
            if decision.blocked:
                log.warning(
                    "rollout.blocked", extra={"service_id": service_id, "reasons": list(decision.blocked)}
                )

    # ---- committing ----

    async def _commit(self, view: ServiceView, transition: Transition, closing: RecordAudit | None) -> None:
        service_id = transition.service_id
        pause_s: float | None = None
        try:
            outcome = await propose_as_leader(
                self._state, command_of(transition), term=self._term, timeout_s=PROPOSE_TIMEOUT_S
            )
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning("rollout.not_committed", extra={"service_id": service_id, "error": str(error)})
            pause_s = RETRY_S
        else:
            match outcome:
                case Applied():
                    _log_transition(view, transition)
                    if closing is not None:
                        await self._close(closing)
                case Rejected(code=Code.VERSION_CONFLICT | Code.NOT_FOUND):
                    # It changed while this was on its way: decide on what it is now.
                    log.debug("rollout.overtaken", extra={"service_id": service_id})
                case Rejected(reason=reason):
                    log.error("rollout.rejected", extra={"service_id": service_id, "reason": reason})
                    pause_s = REFUSED_RETRY_S
        self._busy.discard(service_id)
        self._mark(service_id)
        if pause_s is not None:
            self._not_before_s[service_id] = self._clock.monotonic_s() + pause_s
        self._wake.set()

    def _closing_entry(self, txn: ReadTxn, view: ServiceView, rollout: Rollout, now_ms: int) -> RecordAudit:
        revision = view.revisions.get(rollout.to_revision)
        return closing_entry(txn, rollout, revision, node_id=self._node_id, now_ms=now_ms)

    def _close_if_missed(
        self, txn: ReadTxn, view: ServiceView, now_ms: int, group: asyncio.TaskGroup
    ) -> None:
        """A leader may die between the end of a rollout and its entry: the next one writes it."""
        rollout = view.last_rollout
        if rollout is None or rollout.id in self._closed or not is_recent(rollout, now_ms):
            return
        closing = self._closing_entry(txn, view, rollout, now_ms)
        self._closed.add(rollout.id)
        group.create_task(self._close(closing), name=f"close-{rollout.id}")

    async def _close(self, closing: RecordAudit) -> None:
        self._closed |= {record.stamp.request_id for record in closing.records}
        while True:
            try:
                outcome = await propose_as_leader(
                    self._state, closing, term=self._term, timeout_s=PROPOSE_TIMEOUT_S
                )
            except NotCommitted as error:
                log.warning("rollout.closing_not_committed", extra={"error": str(error)})
                await self._clock.sleep(RETRY_S)
                continue
            except OutcomeUnknown as error:
                # Once more might be twice; the next leader looks whether it is there.
                log.warning("rollout.closing_unknown", extra={"error": str(error)})
                return
            if isinstance(outcome, Rejected):
                log.error("rollout.closing_rejected", extra={"reason": outcome.reason})
            return


def _log_transition(view: ServiceView, transition: Transition) -> None:
    extra: dict[str, object] = {
        "service_id": transition.service_id,
        "version": transition.expected_version + 1,
        "orders": [
            f"{order.key.revision}/{order.key.ordinal}@{view.name_of(order.key.node_id)} {order.desired}"
            for order in transition.orders
        ],
    }
    rollout = transition.rollout
    if rollout is None:
        log.info("service.changed", extra=extra)
        return
    extra |= {"rollout_id": rollout.id, "phase": rollout.phase, "step": rollout.step}
    if rollout.phase.is_terminal:
        extra |= {"reason": rollout.reason, "duration_ms": rollout.changed_at_ms - rollout.started_at_ms}
    log.info("rollout.ended" if rollout.phase.is_terminal else "rollout.advanced", extra=extra)

"""Scaling services between their bounds: look at what hosts tell, decide, commit.

Of a term nothing is kept for the next one: `cluster.autoscale` waits a whole window before it takes away what
an earlier leader may have had a reason for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.leader.loads import LoadBook
from agent.leader.ports import AuditedState
from agent.leader.proposing import propose_audited
from agent.peers.protocol import TrafficReport
from cluster.autoscale import Decision, Memory, ReplicaLoad, Situation, bounded_by, decide
from cluster.commands import Code, Rejected
from cluster.commands.services import ScaleService
from cluster.model.audit import AuditStamp
from cluster.model.autoscaling import AUTOSCALING, AutoscalePolicy, MetricStanding, ScalingStanding
from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import NodeStatus
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, Resources, Service
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import ReadTxn
from cluster.store.records import ASSIGNMENTS, NODES, REVISIONS, SERVICES, find_environment
from cluster.survey import quota_of, used_in

log = logging.getLogger(__name__)

LOOK_S = 5.0
PROPOSE_TIMEOUT_S = 5.0
CORE_MILLIS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A change that was decided."""

    service: Service
    replicas: int
    reason: str


class Autoscaling:
    """The duty of one node, and what it tells others of it while it leads. For one event loop."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        state: AuditedState,
        clock: Clock,
        new_id: Callable[[str], str],
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._clock = clock
        self._new_id = new_id
        self._book = LoadBook()
        self._memories: dict[ServiceId, Memory] = {}
        self._standings: dict[ServiceId, ScalingStanding] = {}

    def on_report(self, report: TrafficReport) -> None:
        """Take what a host says."""
        self._book.note(report, self._clock.monotonic_s())

    def standing(self, service_id: str) -> ScalingStanding | None:
        """Return how this leader saw a service last; None while it does not lead or has not looked."""
        return self._standings.get(ServiceId(service_id))

    async def run(self, term: int) -> None:
        """Look every five seconds until cancelled. Raises LeadershipOver."""
        self._book = LoadBook()
        self._memories.clear()
        try:
            while True:
                await self._clock.sleep(LOOK_S)
                for step in self._look():
                    await self._commit(step, term)
        finally:
            self._standings.clear()

    def _look(self) -> list[_Step]:
        steps = []
        now_s = self._clock.monotonic_s()
        with self._state.read() as txn:
            scaled = {
                service.id: service
                for service in SERVICES.scan(txn)
                if service.autoscale is not None and not service.is_removed
            }
            self._book.keep_only(scaled.keys(), now_s)
            for service_id in (self._memories.keys() | self._standings.keys()) - scaled.keys():
                self._memories.pop(service_id, None)
                self._standings.pop(service_id, None)
            if not scaled:
                return []
            up = [node.id for node in NODES.scan(txn) if node.is_member and node.status is NodeStatus.UP]
            for service in scaled.values():
                decision = self._decide(txn, service, up, now_s)
                if decision.replicas is not None:
                    steps.append(_Step(service=service, replicas=decision.replicas, reason=decision.reason))
        return steps

    def _decide(self, txn: ReadTxn, service: Service, up: Sequence[NodeId], now_s: float) -> Decision:
        assert service.autoscale is not None, "it is scaled"
        policy = bounded_by(service.autoscale, find_environment(txn, service.environment))
        now_ms = max(self._clock.now_ms(), txn.log_time_ms)
        flow = self._book.flow(service.id, up, now_s) if policy.is_routed else None
        changed_ago_ms = None
        if service.scalings:
            changed_ago_ms = max(0, now_ms - service.scalings[-1].at_ms)
        situation = Situation(
            now_ms=round(now_s * 1000),
            current=service.replicas,
            replicas=self._loads(txn, service, up, now_s),
            changed_ago_ms=changed_ago_ms,
            busy=_busy(service),
            requests_per_s=None if flow is None else flow.requests_per_s,
            latency_p95_ms=None if flow is None else flow.latency_p95_ms,
            is_rate_complete=flow is None or flow.is_complete,
        )
        memory = self._memories.get(service.id, Memory())
        decision, self._memories[service.id] = decide(policy, situation, memory)
        decision = _within_quota(txn, service, decision)
        self._standings[service.id] = _standing(service, policy, decision, now_ms)
        return decision

    def _loads(
        self, txn: ReadTxn, service: Service, up: Collection[NodeId], now_s: float
    ) -> tuple[ReplicaLoad, ...]:
        """The replicas that are to serve, each once: one that is moving has the copy that serves."""
        revision = REVISIONS.get(txn, service.id, service.stable_revision)
        resources = Resources() if revision is None else revision.spec.resources
        best: dict[int, ReplicaLoad] = {}
        for copy in ASSIGNMENTS.scan(txn, service.id):
            is_wanted = copy.desired in (DesiredState.STARTED, DesiredState.SERVING)
            if not is_wanted or copy.node_id not in up or copy.ordinal >= service.replicas:
                continue
            load = self._load(copy, resources, now_s)
            if copy.ordinal not in best or load.is_ready:
                best[copy.ordinal] = load
        missing = max(0, service.replicas - len(best))
        return (*best.values(), *[ReplicaLoad(is_ready=False)] * missing)

    def _load(self, copy: Assignment, resources: Resources, now_s: float) -> ReplicaLoad:
        is_ready = copy.desired is DesiredState.SERVING and copy.observed.phase is ReplicaPhase.HEALTHY
        usage = self._book.usage(copy.service_id, (copy.node_id, copy.revision, copy.ordinal), now_s)
        if not is_ready or usage is None:
            return ReplicaLoad(is_ready=is_ready)
        cores = resources.cpu_limit_millis or resources.cpu_reservation_millis or CORE_MILLIS
        room = resources.memory_limit_bytes or resources.memory_reservation_bytes
        cpu, memory = usage.cpu_centipercent, usage.memory_bytes
        return ReplicaLoad(
            is_ready=True,
            cpu_percent=None if cpu is None else cpu / 100 * CORE_MILLIS / cores,
            memory_percent=None if memory is None or room is None else 100 * memory / room,
        )

    async def _commit(self, step: _Step, term: int) -> None:
        service = step.service
        command = ScaleService(
            service_id=service.id,
            replicas=step.replicas,
            expected_version=service.version,
            by=AUTOSCALING,
            reason=step.reason,
        )
        stamp = AuditStamp(
            principal="",
            principal_name=AUTOSCALING,
            action="service.scale",
            resource=f"service:{service.id}",
            is_allowed=True,
            reason=f"from {service.replicas} to {step.replicas} replicas: {step.reason}"[:1024],
            ip="",
            user_agent="",
            duration_ms=0,
            request_id=self._new_id("as"),
            node=self._node_id,
        )
        try:
            outcome = await propose_audited(
                self._state, command, term=term, timeout_s=PROPOSE_TIMEOUT_S, stamp=stamp
            )
        except (NotCommitted, OutcomeUnknown) as error:
            # The next look sees what became of it.
            log.warning("autoscaling.not_committed", extra={"service_id": service.id, "error": str(error)})
            return
        extra = {
            "service_id": service.id,
            "from": service.replicas,
            "to": step.replicas,
            "reason": step.reason,
        }
        match outcome:
            case Rejected(code=Code.VERSION_CONFLICT | Code.NOT_FOUND | Code.IN_USE):
                log.debug("autoscaling.overtaken", extra=extra)
            case Rejected(reason=reason):
                log.error("autoscaling.rejected", extra={**extra, "refused": reason})
            case _:
                log.info("autoscaling.scaled", extra=extra)


def _busy(service: Service) -> str:
    """Why the number of replicas must not change now."""
    if service.scale_held_by:
        return f"{service.scale_held_by} set the number by hand, until the next deployment"
    if service.rollout_id is not None:
        return f"rollout {service.rollout_id} is under way"
    if not service.stable_revision:
        return "no revision of it has run whole yet"
    return ""


def _within_quota(txn: ReadTxn, service: Service, decision: Decision) -> Decision:
    """No more than the environment has left for it."""
    environment = find_environment(txn, service.environment) if service.environment else None
    quota = None if environment is None else quota_of(environment)
    revision = REVISIONS.get(txn, service.id, service.stable_revision)
    if quota is None or revision is None or (decision.replicas or 0) <= service.replicas:
        return decision
    assert decision.replicas is not None
    others = used_in(txn, service.environment, besides=frozenset({service.id}))
    refused = ""
    for replicas in range(decision.replicas, service.replicas, -1):
        over = quota.refuse(others.plus(revision.spec, replicas), others=others)
        if not over:
            return decision if replicas == decision.replicas else replace(decision, replicas=replicas)
        refused = over
    return replace(decision, replicas=None, reason=f"{decision.reason}; {refused}")


def _standing(service: Service, policy: AutoscalePolicy, decision: Decision, now_ms: int) -> ScalingStanding:
    return ScalingStanding(
        service_id=service.id,
        replicas_min=policy.replicas_min,
        replicas_max=policy.replicas_max,
        replicas=service.replicas if decision.replicas is None else decision.replicas,
        metrics=tuple(
            MetricStanding(
                metric=each.target.metric,
                target=each.target.value,
                observed=None if each.observed is None else round(each.observed, 2),
                wanted=each.wanted,
            )
            for each in decision.recommendations
        ),
        wanted=decision.wanted,
        reason=decision.reason,
        at_ms=now_ms,
    )

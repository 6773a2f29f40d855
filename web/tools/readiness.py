"""Whether a deployment would go well: the facts, and what the checks make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.compose import ComposeService
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostUnavailable
from cluster.model.node import Node, NodeStatus
from cluster.model.readiness import HostQuestion, HostReadiness
from cluster.model.secrets import FileKind
from cluster.model.service import ReplicaPhase, Service, ServiceSpec
from cluster.placement import PlannedReplica, violations
from cluster.readiness import (
    Deploying,
    Host,
    Level,
    Note,
    ServiceForecast,
    Setting,
    forecast,
    question_for,
    review,
)
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from cluster.survey import rules_in
from web.auth.problems import FieldError, Problem
from web.tools.behaviour import behaviour_of
from web.tools.cluster import quorum_of
from web.tools.context import Context
from web.tools.deploy_plan import Present
from web.tools.nodes import lost_in, members
from web.tools.placement import intent_of, plan_hosts
from web.tools.placement_views import PlannedHost
from web.tools.preparing import Prepared
from web.tools.rollouts import on_live_hosts, ready_replicas

ASKING_TIMEOUT_S = 12.0
ERRORS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What was found, how each service would be rolled out, and where its replicas would be."""

    notes: tuple[Note, ...]
    plan: tuple[ServiceForecast, ...]
    hosts: tuple[PlannedHost, ...]
    names: Mapping[NodeId, str]

    @property
    def errors(self) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.level is Level.ERROR)

    @property
    def warnings(self) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.level is Level.WARNING)


async def look(context: Context, prepared: Prepared) -> Readiness:
    """Ask the hosts and hold what they say against what is to be deployed. Bounded in time; what is not
    answered is a warning.

    Only services that change are looked at: what runs and stays has nothing to go wrong.
    """
    surroundings = context.surroundings
    environment, scope = prepared.project.environment, prepared.project.scope
    with surroundings.state.read() as txn:
        intents = [intent_of(txn, scope, each) for each in prepared.services]
    planned = await plan_hosts(context, intents)
    nodes = {node.id: node for node in members(surroundings)}
    changing = [
        service for service, plan in zip(prepared.services, prepared.planned, strict=True) if plan.changed
    ]
    with surroundings.state.read() as txn:
        services = [
            _deploying(txn, each, prepared.present[each.service_id], scope, environment, planned, nodes)
            for each in changing
        ]
        routes = _routes(txn)
        certified = [host for each in records.ROUTE_CERTIFICATES.scan(txn) for host in each.hosts]
        certificates: dict[NodeId, int] = {}
        for certificate in records.CERTIFICATES.scan(txn):
            known = certificates.get(certificate.node_id, 0)
            certificates[certificate.node_id] = max(known, certificate.not_after_ms)
    quorum = quorum_of(list(nodes.values()), surroundings.cluster.status().engine)
    answers = await _ask(context, services, nodes)
    setting = Setting(
        hosts={node_id: _host(node, answers) for node_id, node in nodes.items()},
        routes=routes,
        certified=certified,
        can_lose=quorum.can_lose if quorum.healthy > quorum.voters // 2 else -1,
        advice=quorum.advice,
        certificates=certificates,
        now_ms=surroundings.clock.now_ms(),
    )
    names = {node_id: node.name for node_id, node in nodes.items()}
    return Readiness(
        notes=review(services, setting),
        plan=tuple(map(forecast, services)),
        hosts=tuple(_planned_host(each, names) for each in planned),
        names=names,
    )


def refuse_errors(readiness: Readiness, services: Sequence[ComposeService]) -> None:
    """Raises Problem (409) with everything that would make the deployment fail."""
    errors = readiness.errors
    if not errors:
        return
    fields: dict[str, str] = {each.service_id: f"services.{each.name}" for each in services}
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    raise Problem(
        "conflict",
        f"it would not go well, and nothing was changed: {errors[0].subject or 'the cluster'}:"
        f" {errors[0].rule}{more}",
        hint=errors[0].hint,
        errors=[
            FieldError(
                field=fields.get(note.subject, "cluster"),
                rule=f"{note.check}: {note.rule}",
                hint=note.hint,
            )
            for note in errors[:ERRORS_SHOWN]
        ],
    )


def _deploying(
    txn: ReadTxn,
    wanted: ComposeService,
    present: Present,
    scope: str,
    environment: str,
    planned: Sequence[PlannedReplica],
    nodes: Mapping[NodeId, Node],
) -> Deploying:
    service = present.service
    own = [each for each in planned if each.service_id == wanted.service_id]
    rules = rules_in(txn, environment, wanted.placement)
    before = _stable_spec(txn, service)
    copies = [] if service is None else on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost_in(txn))
    addresses: dict[NodeId, tuple[str, ...]] = {}
    for copy in copies:
        seen = copy.observed
        if seen.phase is ReplicaPhase.HEALTHY and seen.address and seen.port:
            host = f"[{seen.address}]" if ":" in seen.address else seen.address
            known = addresses.get(copy.node_id, ())
            addresses[copy.node_id] = (*known, f"{host}:{seen.port}")
    requests_per_s, p99_ms, failure_rate = _measured(txn, service)
    return Deploying(
        service_id=wanted.service_id,
        name=wanted.name,
        scope=scope,
        spec=wanted.spec,
        replicas=wanted.replicas,
        policy=wanted.policy,
        fencing=wanted.fencing,
        planned=tuple(each.node_id for each in own if each.is_new),
        reasons=tuple(each.reason for each in own if each.node_id is None),
        keeps=tuple(each.node_id for each in own if not each.is_new and each.node_id is not None),
        broken=tuple(
            f"{node.name}, which {', '.join(found)}"
            for each in own
            if not each.is_new
            and each.node_id is not None
            and (node := nodes.get(each.node_id)) is not None
            and (found := violations(node, [rules]))
        ),
        candidates=frozenset(
            node.id for node in nodes.values() if node.is_schedulable and not violations(node, [rules])
        ),
        before=before,
        ready=ready_replicas(copies, service.stable_revision) if service is not None else 0,
        moving=present.moving,
        lost_files=() if before is None else _lost_files(txn, before),
        requests_per_s=requests_per_s,
        p99_ms=p99_ms,
        failure_rate=failure_rate,
        addresses=addresses,
    )


def _stable_spec(txn: ReadTxn, service: Service | None) -> ServiceSpec | None:
    if service is None or service.is_removed or not service.stable_revision:
        return None
    revision = records.REVISIONS.get(txn, service.id, service.stable_revision)
    return None if revision is None else revision.spec


def _lost_files(txn: ReadTxn, spec: ServiceSpec) -> tuple[str, ...]:
    """The secrets and configs of a specification that are not kept any more."""
    lost = []
    for kind, references in ((FileKind.SECRET, spec.secrets), (FileKind.CONFIG, spec.configs)):
        for each in references:
            stored = records.FILES.get(txn, kind.value, each.environment, each.source)
            if stored is None or stored.version(each.version) is None:
                lost.append(f"version {each.version} of {kind} {each.source}")
    return tuple(lost)


def _measured(txn: ReadTxn, service: Service | None) -> tuple[float | None, float | None, float | None]:
    """Requests per second, the 99th percentile of their time and the share that failed, from the newest
    rollout that was judged."""
    if service is None:
        return None, None, None
    for rollout in rollouts_of_service(txn, service.id):
        behaviour = behaviour_of(rollout)
        seconds = (rollout.changed_at_ms - rollout.started_at_ms) / 1000
        if behaviour is None or seconds <= 0:
            continue
        requests = behaviour.old.requests + behaviour.new.requests
        kept = behaviour.new if behaviour.new.revision == service.stable_revision else behaviour.old
        p99_ms = None if kept.p99 is None else kept.p99.value_ms
        return requests / seconds, p99_ms, kept.failures.value if kept.requests else None
    return None, None, None


def _routes(txn: ReadTxn) -> list[tuple[str, str, ServiceId]]:
    found = []
    for service in records.SERVICES.scan(txn):
        revision = records.REVISIONS.get(txn, service.id, service.revision)
        if revision is not None and revision.spec.route is not None and not service.is_removed:
            found.append((revision.spec.route.host, revision.spec.route.path, service.id))
    return found


async def _ask(
    context: Context, services: Sequence[Deploying], nodes: Mapping[NodeId, Node]
) -> Mapping[str, HostReadiness | HostUnavailable]:
    questions: dict[str, HostQuestion] = {
        node_id: question_for(node_id, services)
        for node_id, node in nodes.items()
        if node.status is NodeStatus.UP
    }
    if not services:
        return {}
    try:
        async with asyncio.timeout(ASKING_TIMEOUT_S):
            return await context.surroundings.hosts.readiness(questions)
    except TimeoutError:
        late = HostUnavailable(f"the hosts did not answer within {ASKING_TIMEOUT_S:g} s")
        return dict.fromkeys(questions, late)


def _host(node: Node, answers: Mapping[str, HostReadiness | HostUnavailable]) -> Host:
    answer = answers.get(node.id)
    if isinstance(answer, HostReadiness):
        return Host(node_id=node.id, name=node.name, status=node.status, answer=answer)
    silence = "" if answer is None else str(answer)
    return Host(node_id=node.id, name=node.name, status=node.status, silence=silence)


def _planned_host(each: PlannedReplica, names: Mapping[NodeId, str]) -> PlannedHost:
    return PlannedHost(
        service_id=each.service_id,
        ordinal=each.ordinal,
        node_name=None if each.node_id is None else names.get(each.node_id, each.node_id),
        is_new=each.is_new,
        reason=each.reason,
    )

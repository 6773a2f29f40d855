"""What rules see of hosts, containers and certificates: the replicated state, and what hosts say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cluster.alerts import (
    ROLLOUT_SETTLE_MS,
    Circumstances,
    Finding,
    HostContainers,
    Look,
    Observation,
    Sight,
    observe_certificates,
    observe_containers,
    observe_hosts,
    observe_quorum,
    observe_replicas,
)
from cluster.model.alerts import AlertRule, AlertSubject, RuleKind
from cluster.model.container import RestartCondition
from cluster.model.environments import Environment
from cluster.model.ids import NodeId
from cluster.model.inventory import HostView
from cluster.model.node import Node, NodeStatus
from cluster.model.service import Assignment, ReplicaPhase, Service
from cluster.schedule import is_within
from cluster.store import ReadTxn
from cluster.store.records import (
    ASSIGNMENTS,
    CERTIFICATES,
    ENVIRONMENTS,
    NODES,
    REVISIONS,
    ROUTE_CERTIFICATES,
    SERVICES,
    SILENCES,
    WEB_CERTIFICATES,
    rollouts_of_service,
)

OF_CONTAINERS = frozenset({RuleKind.CONTAINER_DOWN, RuleKind.CONTAINER_UNHEALTHY})
KINDS = OF_CONTAINERS | {RuleKind.HOST_DOWN, RuleKind.QUORUM, RuleKind.CERTIFICATE}
INVENTORY_AGE_MAX_MS = 30_000
"""What a host said longer ago says nothing of now."""
ROLLOUT_EXPLAINS_MS = 30 * 60_000
"""A rollout that has not moved for so long explains nothing any more: it may wait for a person for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The replicated state of one moment, as far as rules see it."""

    now_ms: int
    nodes: Mapping[str, Node]
    services: Mapping[str, Service]
    around: Circumstances
    hosts: tuple[HostContainers, ...] | None
    """None: hosts were not asked this time."""

    @property
    def node_names(self) -> dict[str, str]:
        return {node.id: node.name for node in self.nodes.values()}

    def container_names(self, node_id: str) -> Collection[str] | None:
        """What a host says it has, by name; None where it does not say."""
        for host in self.hosts or ():
            if host.node_id == node_id and host.containers is not None:
                return {container.name for container in host.containers}
        return None


def read_facts(txn: ReadTxn, views: Sequence[HostView] | None, now_ms: int) -> Facts:
    """Return what is seen at a moment. `views`: what hosts say, where they were asked."""
    nodes: dict[str, Node] = {node.id: node for node in NODES.scan(txn)}
    services: dict[str, Service] = {service.id: service for service in SERVICES.scan(txn)}
    return Facts(
        now_ms=now_ms,
        nodes=nodes,
        services=services,
        around=Circumstances(
            silences=[
                each
                for each in SILENCES.scan(txn)
                if each.from_ms <= now_ms < each.until_ms
                and (each.span is None or is_within(each.span, now_ms))
            ],
            nodes=nodes,
            rollouts=_rollouts(txn, services, now_ms),
            quiet_environments={
                environment.name for environment in ENVIRONMENTS.scan(txn) if not _is_alerting(environment)
            },
        ),
        hosts=None if views is None else tuple(_containers(view, nodes) for view in views),
    )


def look_at_facts(txn: ReadTxn, rules: Sequence[AlertRule], facts: Facts) -> list[Look]:
    """Return what rules that need no numbers see."""
    is_of_copies = any(rule.kind in OF_CONTAINERS for rule in rules)
    # Read once for all rules: there are thousands.
    copies = ASSIGNMENTS.scan(txn) if is_of_copies else []
    may_end = _may_end(txn, copies)
    return [
        _look_at_containers(rule, facts, copies, may_end)
        if rule.kind in OF_CONTAINERS
        else _look(txn, rule, facts)
        for rule in rules
        if rule.kind in KINDS
    ]


def _look(txn: ReadTxn, rule: AlertRule, facts: Facts) -> Look:
    nodes = facts.nodes.values()
    missing: Callable[[AlertSubject], Finding | None] = _is_gone
    match rule.kind:
        case RuleKind.HOST_DOWN:
            found = observe_hosts(nodes, facts.now_ms)
        case RuleKind.QUORUM:
            found = observe_quorum(rule, nodes, facts.now_ms)
        case RuleKind.CERTIFICATE:
            names: dict[str, str] = {node.id: node.name for node in nodes if node.is_member}
            found = observe_certificates(
                rule,
                CERTIFICATES.scan(txn),
                ROUTE_CERTIFICATES.scan(txn),
                WEB_CERTIFICATES.scan(txn),
                node_names=names,
                now_ms=facts.now_ms,
            )
        case _:
            raise AssertionError(rule.kind)
    return Look(rule=rule, sights=[_sight(each) for each in found], missing=missing)


def _look_at_containers(
    rule: AlertRule, facts: Facts, copies: Sequence[Assignment], may_end: Collection[tuple[str, int]]
) -> Look:
    reachable = {node.id for node in facts.nodes.values() if node.status is NodeStatus.UP}
    names = {NodeId(node_id): name for node_id, name in facts.node_names.items()}
    found = [
        *observe_replicas(
            rule,
            facts.services,
            copies,
            node_names=names,
            reachable=reachable,
            may_end=may_end,
            now_ms=facts.now_ms,
        ),
        *observe_containers(rule, facts.hosts or (), facts.now_ms),
    ]

    def missing(subject: AlertSubject) -> Finding | None:
        if subject.service_id:
            return Finding.GONE
        if facts.hosts is None:
            return None
        node = facts.nodes.get(subject.node_id)
        if node is None or not node.is_member:
            return Finding.GONE
        return Finding.UNKNOWN if facts.container_names(subject.node_id) is None else Finding.GONE

    return Look(rule=rule, sights=[_sight(each) for each in found], missing=missing)


def _is_gone(_: AlertSubject) -> Finding:
    return Finding.GONE


def _sight(found: tuple[AlertSubject, Observation]) -> Sight:
    return Sight(subject=found[0], observations=(found[1],))


def _containers(view: HostView, nodes: Mapping[str, Node]) -> HostContainers:
    node = nodes.get(view.node_id)
    inventory = view.inventory
    is_known = (
        inventory is not None
        and not view.problem
        and not inventory.problem
        and (view.age_ms is None or view.age_ms <= INVENTORY_AGE_MAX_MS)
        and node is not None
        and node.status is NodeStatus.UP
    )
    return HostContainers(
        node_id=view.node_id,
        node_name=view.node_id if node is None else node.name,
        containers=inventory.containers if is_known and inventory is not None else None,
    )


def _may_end(txn: ReadTxn, copies: Sequence[Assignment]) -> set[tuple[str, int]]:
    """The revisions, of those that have ended somewhere, whose containers may end for good."""
    ended = {
        (copy.service_id, copy.revision) for copy in copies if copy.observed.phase is ReplicaPhase.EXITED
    }
    revisions = (REVISIONS.get(txn, *key) for key in ended)
    return {
        (revision.service_id, revision.number)
        for revision in revisions
        if revision is not None and revision.spec.options.restart.condition is not RestartCondition.ANY
    }


def _rollouts(txn: ReadTxn, services: Mapping[str, Service], now_ms: int) -> dict[str, str]:
    """The rollouts that explain what their services do now: under way, or ended just before."""
    found: dict[str, str] = {}
    for service_id in services:
        for rollout in rollouts_of_service(txn, service_id, limit=1):
            explains_ms = ROLLOUT_SETTLE_MS if rollout.phase.is_terminal else ROLLOUT_EXPLAINS_MS
            if now_ms - rollout.changed_at_ms < explains_ms:
                found[service_id] = rollout.id
    return found


def _is_alerting(environment: Environment) -> bool:
    return environment.is_alerting

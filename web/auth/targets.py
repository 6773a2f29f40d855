"""What services and rollouts are to permissions: their attributes from the records of this node."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from cluster.model.ids import ServiceId, environment_of, name_in, scope_in
from cluster.model.placing import Constraint, HostFact, PlacementRules
from cluster.model.service import Revision, Service
from cluster.placement import violations
from cluster.rbac import Resource, Target
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from cluster.survey import rules_in

_KEY_CHARACTERS_MAX = 128
_SERVICE_ID = re.compile(r"([a-z0-9-]{1,31}\.)?[a-z0-9_-]{1,31}\.[a-z0-9_-]{1,31}")


def service_target(
    txn: ReadTxn, service: Service, *, kind: Resource = Resource.SERVICE, revision: Revision | None = None
) -> Target:
    """Return what a service is to permissions; with a `revision`, what it would be with that.

    Its labels are those its containers get, and its own.
    """
    if revision is None:
        revision = records.REVISIONS.get(txn, service.id, service.stable_revision or service.revision)
    wanted = wanted_target(
        txn,
        service.id,
        labels=(*(() if revision is None else revision.spec.labels), *service.labels),
        placement=service.placement,
        kind=kind,
    )
    return replace(wanted, project=service.project, service=service.name)


def wanted_target(
    txn: ReadTxn,
    service_id: ServiceId,
    *,
    labels: Iterable[tuple[str, str]] = (),
    placement: PlacementRules | None = None,
    kind: Resource = Resource.SERVICE,
) -> Target:
    """Return what a service of that id is, or would be, to permissions. Later labels win."""
    environment = environment_of(service_id)
    return Target(
        kind=kind,
        id=service_id,
        name=service_id,
        project=scope_in(service_id).rpartition(".")[2],
        service=name_in(service_id),
        service_id=service_id,
        environment=environment,
        labels=dict(labels),
        hosts=None if placement is None else hosts_of(txn, environment, placement),
    )


def hosts_of(txn: ReadTxn, environment: str, rules: PlacementRules) -> tuple[tuple[str, str], ...] | None:
    """Return, by id and name, all hosts that rules leave; None where they leave any that may join."""
    bound = rules_in(txn, environment, rules)
    constraints = (*bound.within.constraints, *bound.constraints)
    if not (bound.pin_host or bound.within.names or any(map(_names_hosts, constraints))):
        return None
    return tuple((node.id, node.name) for node in records.NODES.scan(txn) if not violations(node, [bound]))


def _names_hosts(constraint: Constraint) -> bool:
    """Whether only hosts meet it that somebody named or labelled."""
    named = (HostFact.ID, HostFact.HOSTNAME, HostFact.LABEL)
    return constraint.is_equal and constraint.value != "" and constraint.attribute.fact in named


def is_service_id(text: str) -> bool:
    """Whether a service could have that id."""
    return _SERVICE_ID.fullmatch(text) is not None


def target_of(txn: ReadTxn, resource: str) -> Target:
    """Return what `<kind>:<reference>`, or the kind alone, means.

    A kind alone, and what is not known here, has no attributes."""
    kind, _, reference = resource.partition(":")
    found = Target(kind=kind, id=reference)
    if not (0 < len(reference) <= _KEY_CHARACTERS_MAX and reference.isascii() and reference.isprintable()):
        return found
    service: Service | None = None
    if kind == Resource.SERVICE:
        service = _service(txn, reference)
    elif kind == Resource.ROLLOUT:
        rollout = records.ROLLOUTS.get(txn, reference)
        service = _service(txn, reference if rollout is None else rollout.service_id)
        if rollout is None and service is not None and not rollouts_of_service(txn, service.id, limit=1):
            service = None
    elif kind == Resource.NODE:
        for node in records.NODES.scan(txn):
            if reference in (node.id, node.name):
                return Target(kind=kind, id=node.id, name=node.name, node_id=node.id, node_name=node.name)
    return found if service is None else service_target(txn, service, kind=Resource(kind))


def _service(txn: ReadTxn, reference: str) -> Service | None:
    service = records.SERVICES.get(txn, ServiceId(reference))
    if service is not None:
        return service
    named = [each for each in records.SERVICES.scan(txn) if each.name == reference]
    # Of several the caller is told so further in, and asked again for the one that is meant.
    return named[0] if len(named) == 1 else None

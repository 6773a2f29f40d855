"""What services and rollouts are to permissions: their attributes from the records of this node."""

from __future__ import annotations

from cluster.model.ids import ServiceId
from cluster.model.service import Service
from cluster.rbac import Resource, Target
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service

_KEY_CHARACTERS_MAX = 128


def service_target(txn: ReadTxn, service: Service, *, kind: Resource = Resource.SERVICE) -> Target:
    """Return what a service is to permissions. Its labels are those its containers get, and its own."""
    revision = records.REVISIONS.get(txn, service.id, service.stable_revision or service.revision)
    labels = {} if revision is None else dict(revision.spec.labels)
    return Target(
        kind=kind,
        id=service.id,
        name=service.id,
        project=service.project,
        service=service.name,
        service_id=service.id,
        environment=service.environment,
        labels={**labels, **dict(service.labels)},
    )


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

"""What alerts are about, with keys that are the same on every node and after every restart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cluster.model.alerts import KEY_BYTES_MAX, LABELS_MAX, AlertSubject
from cluster.model.events import clip
from cluster.model.ids import environment_of
from cluster.model.inventory import ContainerSummary
from cluster.model.metrics import Subject, SubjectKind
from cluster.model.node import Node
from cluster.model.service import Service

CLUSTER = AlertSubject(kind="cluster", key="cluster", name="the cluster")


def of_host(node: Node) -> AlertSubject:
    return AlertSubject(
        kind="host",
        key=_key("host", node.id),
        name=node.name,
        node_id=node.id,
        node_name=node.name,
        labels=_labels(node.effective_labels),
    )


def of_container(container: ContainerSummary, *, node_id: str, node_name: str) -> AlertSubject:
    """A container nobody manages here; its name is its key, since it is what survives its being made anew."""
    return AlertSubject(
        kind="container",
        key=_key("container", node_id, container.name),
        name=clip(container.name, 256),
        node_id=node_id,
        node_name=node_name,
        labels=_labels({"project": container.project, "service": container.service}),
    )


def of_replica(service: Service, ordinal: int, *, node_id: str, node_name: str) -> AlertSubject:
    """A replica of a service, wherever it is: it is the same one on another host and in another revision."""
    return AlertSubject(
        kind="container",
        key=_key("replica", service.id, str(ordinal)),
        name=f"{service.id} replica {ordinal}",
        node_id=node_id,
        node_name=node_name,
        service_id=service.id,
        environment=service.environment,
        labels=_labels({**dict(service.labels), "project": service.project, "service": service.name}),
    )


def of_series(subject: Subject, *, node_name: str) -> AlertSubject:
    """What has a history of numbers.

    A container is told by what stays when it is made anew: its service and place there, or its name.
    """
    definition = subject.definition
    labels = dict(definition.labels)
    # Only what is of a service of ours has a revision.
    service_id = labels.get("service", "") if "revision" in labels else ""
    key = _key(definition.kind.word, definition.node_id, definition.key)
    name = definition.name or definition.key or definition.kind.word
    if definition.kind is SubjectKind.HOST:
        key, name = _key("host", definition.node_id), node_name
    elif definition.kind is SubjectKind.CONTAINER and service_id:
        replica = labels.get("replica", "")
        key, name = _key("replica", service_id, replica), f"{service_id} replica {replica}"
    elif definition.kind is SubjectKind.CONTAINER:
        key = _key("container", definition.node_id, definition.name)
    return AlertSubject(
        kind=definition.kind.word,
        key=key,
        name=clip(name, 256),
        node_id=definition.node_id,
        node_name=node_name,
        service_id=service_id,
        environment=environment_of(service_id),
        labels=_labels(labels),
    )


def of_certificate(
    name: str, *, node_id: str = "", node_name: str = "", is_of_dashboard: bool = False
) -> AlertSubject:
    """A host's own, or one that was uploaded: routes and dashboard each have names of their own."""
    place = "dashboard" if is_of_dashboard else node_id
    return AlertSubject(
        kind="certificate",
        key=_key("certificate", place, name),
        name=clip(name, 256),
        node_id=node_id,
        node_name=node_name,
    )


def of_place(node_id: str, node_name: str, name: str) -> AlertSubject:
    """A container or service of a host, or with no name the host, where numbers are unusual together."""
    return AlertSubject(
        kind="container" if name else "host",
        key=_key("place", node_id, name),
        name=clip(name, 256) or node_name,
        node_id=node_id,
        node_name=node_name,
    )


def _key(*parts: str) -> str:
    key = clip(":".join(parts), 4096)
    data = key.encode()
    if len(data) <= KEY_BYTES_MAX:
        return key
    return f"{key[:40]}~{hashlib.sha256(data).hexdigest()}"


def _labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = sorted((clip(key, 256), clip(value, 256)) for key, value in labels.items() if key and value)
    return tuple(pairs[:LABELS_MAX])

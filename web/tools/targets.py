"""What the things that surfaces show are to permissions."""

from __future__ import annotations

from cluster.model.ids import environment_of, name_in
from cluster.rbac import Resource, Target
from cluster.store import ReadTxn, records
from web.auth.targets import service_target
from web.tools.views import ContainerView

_MEMBERSHIP = frozenset(
    {"tower.service", "tower.project", "com.docker.compose.project", "com.docker.compose.service"}
)
"""Labels that say what a container belongs to."""


def container_target(view: ContainerView, *, kind: Resource = Resource.CONTAINER) -> Target:
    """Return what a container is to permissions; with another `kind`, what is told of it (numbers, events).

    Labels of its image do not count, nor do a project and service that an image claims for it.
    """
    name = f"{view.node_name}/{view.name}"
    if view.image_labels is None:
        return Target(kind=kind, id=view.id, name=name, node_id=view.node_id, node_name=view.node_name)
    project, service, service_id, labels = view.project, view.service, view.service, view.labels
    if view.is_managed:
        service = name_in(view.service)
        # A host tells the project within its environment; to permissions both are attributes of their own.
        project = project.rpartition(".")[2]
    elif view.service:
        service_id = f"{view.project}.{view.service}"
    if view.image_labels:
        of_image = frozenset(view.image_labels)
        labels = {key: value for key, value in labels.items() if key not in of_image}
        if of_image & _MEMBERSHIP:
            project = service = service_id = ""
    return Target(
        kind=kind,
        id=view.id,
        name=name,
        project=project,
        service=service,
        service_id=service_id,
        environment=environment_of(service_id) if view.is_managed else "",
        node_id=view.node_id,
        node_name=view.node_name,
        labels=labels,
    )


def service_targets(txn: ReadTxn, *, kind: Resource = Resource.SERVICE) -> dict[str, Target]:
    """Return what every service is to permissions, by its id."""
    return {each.id: service_target(txn, each, kind=kind) for each in records.SERVICES.scan(txn)}


def node_target(node_id: str, node_name: str, *, kind: Resource = Resource.NODE) -> Target:
    """Return what a host is to permissions; with another `kind`, what is told of it as a whole."""
    return Target(kind=kind, id=node_id, name=node_name, node_id=node_id, node_name=node_name)

"""Hosts, and what is on them, for the tests of placement."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.model.service import ServiceSpec
from cluster.placement import Landscape, Occupant, Request
from tests.support.state_builders import a_spec

__all__ = ["a_request", "a_spec", "host", "hosts", "landscape", "on"]


def host(name: str, **fields: object) -> Node:
    node = Node(
        id=NodeId(name),
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.VOTER,
        status=NodeStatus.UP,
        status_at_ms=0,
        joined_at_ms=0,
    )
    return replace(node, **fields)  # type: ignore[arg-type]


def hosts(*nodes: Node) -> dict[NodeId, Node]:
    return {node.id: node for node in nodes}


def on(node: str, spec: ServiceSpec | None = None, service: str = "blog.web", **fields: object) -> Occupant:
    return Occupant(
        service_id=ServiceId(service),
        project=service.partition(".")[0],
        node_id=NodeId(node),
        spec=spec or a_spec(),
        **fields,  # type: ignore[arg-type]
    )


def landscape(nodes: dict[NodeId, Node], *occupants: Occupant, together: str = "") -> Landscape:
    by_service: dict[ServiceId, tuple[Occupant, ...]] = {}
    for occupant in occupants:
        by_service[occupant.service_id] = (*by_service.get(occupant.service_id, ()), occupant)
    groups = {"shop": frozenset(ServiceId(name) for name in together.split())} if together else {}
    return Landscape(nodes, by_service, groups)


def a_request(spec: ServiceSpec | None = None, service: str = "shop.web", **fields: object) -> Request:
    return Request(
        service_id=ServiceId(service),
        project=service.partition(".")[0],
        spec=spec or a_spec(),
        **fields,  # type: ignore[arg-type]
    )

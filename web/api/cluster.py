"""The cluster and its hosts."""

from __future__ import annotations

from http import HTTPStatus

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import DrainBody, MaintenanceBody, PageQuery, TransferBody
from web.middleware.routes import everybody, needs
from web.tools import cluster, maintenance, nodes
from web.tools.listing import Page, page_of
from web.tools.views import ClusterView, HealthView, NodeView


async def get_health(ask: Ask[None, Nothing]) -> HealthView:
    return await cluster.get_health(ask.context)


async def get_cluster(ask: Ask[None, Nothing]) -> ClusterView:
    return await cluster.get_cluster(ask.context, ask.call)


async def transfer_leadership(ask: Ask[TransferBody, Nothing]) -> ClusterView:
    await cluster.transfer_leadership(ask.context, ask.call, ask.body.node_id)
    return await cluster.read_cluster(ask.context)


async def list_nodes(ask: Ask[None, PageQuery]) -> Page[NodeView]:
    found = await nodes.list_nodes(ask.context, ask.call)
    return page_of(
        found, key=lambda view: (view.name, view.id), cursor=ask.query.cursor, limit=ask.query.limit
    )


async def get_node(ask: Ask[None, Nothing]) -> NodeView:
    return await nodes.get_node(ask.context, ask.call, ask.path["node"])


async def drain_node(ask: Ask[DrainBody, Nothing]) -> NodeView:
    return await nodes.drain_node(ask.context, ask.call, ask.path["node"], is_draining=ask.body.draining)


async def give_leave(ask: Ask[MaintenanceBody, Nothing]) -> NodeView:
    return await maintenance.give_leave(
        ask.context,
        ask.call,
        ask.path["node"],
        duration_ms=ask.body.duration_s * 1000,
        reason=ask.body.reason,
    )


async def confirm_fenced(ask: Ask[None, Nothing]) -> NodeView:
    return await maintenance.confirm_fenced(ask.context, ask.call, ask.path["node"])


async def remove_node(ask: Ask[None, Nothing]) -> None:
    await nodes.remove_node(ask.context, ask.call, ask.path["node"])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/health",
        also=("/api/health",),
        run=get_health,
        access=everybody(),
        summary="How the answering host is",
        tag="cluster",
        answer=HealthView,
    ),
    Endpoint(
        method="GET",
        path="/cluster",
        run=get_cluster,
        access=needs("cluster.read", lambda _: "cluster"),
        summary="The cluster: leader, log, quorum, hosts",
        tag="cluster",
        answer=ClusterView,
    ),
    Endpoint(
        method="POST",
        path="/cluster/transfer",
        run=transfer_leadership,
        access=needs("cluster.transfer-leadership", lambda _: "cluster"),
        summary="Have another host lead",
        tag="cluster",
        body=TransferBody,
        answer=ClusterView,
        problems=("not-found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path="/nodes",
        run=list_nodes,
        access=needs("node.read"),
        summary="The hosts, by name",
        tag="nodes",
        query=PageQuery,
        answer=Page[NodeView],
    ),
    Endpoint(
        method="GET",
        path="/nodes/{node}",
        run=get_node,
        access=needs("node.read"),
        summary="One host, by id or name",
        tag="nodes",
        answer=NodeView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/nodes/{node}/drain",
        run=drain_node,
        access=needs("node.drain"),
        summary="Empty a host of replicas, or end that",
        tag="nodes",
        body=DrainBody,
        answer=NodeView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/nodes/{node}/maintenance",
        run=give_leave,
        access=needs("node.maintain"),
        summary="Let a host be away for a while without anything being moved from it",
        tag="nodes",
        body=MaintenanceBody,
        answer=NodeView,
        problems=("not-found",),
    ),
    Endpoint(
        method="POST",
        path="/nodes/{node}/fence",
        run=confirm_fenced,
        access=needs("node.fence"),
        summary="Say that a host which is down runs nothing any more",
        tag="nodes",
        answer=NodeView,
        problems=("not-found",),
    ),
    Endpoint(
        method="DELETE",
        path="/nodes/{node}",
        run=remove_node,
        access=needs("node.remove"),
        summary="Take a host out of the cluster for good",
        tag="nodes",
        status=HTTPStatus.NO_CONTENT,
        problems=("not-found", "conflict"),
    ),
)

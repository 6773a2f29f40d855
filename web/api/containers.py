"""Containers of every host."""

from __future__ import annotations

from functools import partial

from cluster.model.inventory import ContainerAction
from web.api.endpoint import Ask, Endpoint
from web.api.schemas import ContainerQuery, ContainersQuery, RemoveContainerQuery
from web.middleware.routes import needs
from web.tools import containers
from web.tools.containers import ACTION_OF, ContainerFilter
from web.tools.row_rights import CONTAINER_ACTIONS, row_rights
from web.tools.views import ContainerActed, ContainerDetail, ContainerPage


async def list_containers(ask: Ask[None, ContainersQuery]) -> ContainerPage:
    query = ask.query
    wanted = ContainerFilter(
        node=query.node, project=query.project, service=query.service, state=query.state, text=query.q
    )
    return await containers.list_containers(
        ask.context, ask.call, wanted, cursor=query.cursor, limit=query.limit
    )


async def get_container(ask: Ask[None, ContainerQuery]) -> ContainerDetail:
    return await containers.get_container(ask.context, ask.call, ask.path["container"], node=ask.query.node)


async def act(action: ContainerAction, ask: Ask[None, ContainerQuery]) -> ContainerActed:
    return await containers.act_on_container(
        ask.context, ask.call, ask.path["container"], action, node=ask.query.node
    )


async def remove(ask: Ask[None, RemoveContainerQuery]) -> ContainerActed:
    return await containers.act_on_container(
        ask.context,
        ask.call,
        ask.path["container"],
        ContainerAction.REMOVE,
        node=ask.query.node,
        force=ask.query.force,
    )


def _seen_alike(ask: Ask[None, ContainersQuery]) -> object:
    """Return what the list depends on: what is wanted, what is seen of it, and what may be done to each."""
    sight = ask.context.authority.sight(ask.call, "container.read")
    is_same = sight.is_everything and row_rights(sight.powers, CONTAINER_ACTIONS) is None
    return ask.request.query_string, None if is_same else sight.powers.key


_PROBLEMS = ("not-found", "ambiguous", "conflict", "refused", "host-unavailable")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/containers",
        also=("/api/containers",),
        run=list_containers,
        access=needs("container.read"),
        summary="The containers of every host, by host and name",
        tag="containers",
        query=ContainersQuery,
        answer=ContainerPage,
        shared=_seen_alike,
        problems=("not-found",),
    ),
    Endpoint(
        method="GET",
        path="/containers/{container}",
        also=("/api/containers/{container}",),
        run=get_container,
        access=needs("container.read"),
        summary="One container, by id, beginning of an id, or name",
        tag="containers",
        query=ContainerQuery,
        answer=ContainerDetail,
        # Values of its environment.
        is_kept=False,
        problems=_PROBLEMS,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/containers/{{container}}/{action.value}",
            also=("/api/containers/{container}/restart",) if action is ContainerAction.RESTART else (),
            run=partial(act, action),
            access=needs(ACTION_OF[action]),
            summary=f"{action.value.capitalize()} a container",
            tag="containers",
            query=ContainerQuery,
            answer=ContainerActed,
            problems=_PROBLEMS,
        )
        for action in ContainerAction
        if action is not ContainerAction.REMOVE
    ),
    Endpoint(
        method="DELETE",
        path="/containers/{container}",
        run=remove,
        access=needs(ACTION_OF[ContainerAction.REMOVE]),
        summary="Remove a container",
        tag="containers",
        query=RemoveContainerQuery,
        answer=ContainerActed,
        problems=_PROBLEMS,
    ),
)

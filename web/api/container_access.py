"""One container from near: processes, the engine's description, numbers."""

from __future__ import annotations

from pydantic import Field

from web.api.endpoint import Ask, Endpoint
from web.api.schemas import ContainerQuery
from web.middleware.routes import needs
from web.tools import container_access
from web.tools.container_access import DocumentView, NumbersView, ProcessesView


class InspectQuery(ContainerQuery):
    """`reveal` shows what is hidden otherwise, which needs `container.reveal` and is recorded."""

    reveal: bool = Field(default=False, description="with the values of variables; recorded")


async def processes(ask: Ask[None, ContainerQuery]) -> ProcessesView:
    return await container_access.get_processes(
        ask.context, ask.call, ask.path["container"], node=ask.query.node
    )


async def inspect(ask: Ask[None, InspectQuery]) -> DocumentView:
    return await container_access.get_document(
        ask.context, ask.call, ask.path["container"], node=ask.query.node, reveal=ask.query.reveal
    )


async def stats(ask: Ask[None, ContainerQuery]) -> NumbersView:
    return await container_access.get_numbers(
        ask.context, ask.call, ask.path["container"], node=ask.query.node
    )


_PROBLEMS = ("not-found", "ambiguous", "conflict", "refused", "host-unavailable")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/containers/{container}/top",
        run=processes,
        access=needs("container.inspect"),
        summary="The processes of a container",
        tag="containers",
        query=ContainerQuery,
        answer=ProcessesView,
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/containers/{container}/inspect",
        run=inspect,
        access=needs("container.inspect"),
        summary="The engine's own description of a container",
        tag="containers",
        query=InspectQuery,
        answer=DocumentView,
        problems=(*_PROBLEMS, "audit-unavailable"),
    ),
    Endpoint(
        method="GET",
        path="/containers/{container}/stats",
        run=stats,
        access=needs("container.read"),
        summary="What a container uses now",
        tag="containers",
        query=ContainerQuery,
        answer=NumbersView,
        problems=("not-found", "ambiguous"),
    ),
)

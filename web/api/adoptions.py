"""Running containers as services."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from web.api.endpoint import Ask, Endpoint, Nothing
from web.api.schemas import Reference, Schema
from web.middleware.routes import needs
from web.tools import adopting

NAMES_MAX = 64
RouteText = Annotated[str, StringConstraints(min_length=3, max_length=300)]


class AdoptionBody(Schema):
    """Which Compose projects and containers (by name or id) become services, on all hosts or on one.

    `routes`: `host:port` by service, under "" that of the only service; `health_path` is asked there ("": a
    TCP connection is enough). `force` accepts what the next deployment takes away.
    """

    names: list[Reference] = Field(min_length=1, max_length=NAMES_MAX)
    node: Reference | None = None
    routes: dict[str, RouteText] = Field(default_factory=dict, max_length=NAMES_MAX)
    health_path: str = Field(default="", max_length=1024)
    dry_run: bool = False
    force: bool = False


async def adopt(ask: Ask[AdoptionBody, Nothing]) -> adopting.AdoptionView:
    body = ask.body
    request = adopting.AdoptRequest(
        names=tuple(body.names),
        node=body.node or "",
        routes=body.routes,
        health_path=body.health_path,
        is_dry_run=body.dry_run,
        is_forced=body.force,
    )
    return await adopting.adopt(ask.context, ask.call, request)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/adoptions",
        run=adopt,
        access=needs(adopting.ADOPT),
        summary="Make running containers services without touching them (only told with dry_run)",
        tag="services",
        body=AdoptionBody,
        answer=adopting.AdoptionView,
        problems=("not-found", "ambiguous", "conflict"),
    ),
)

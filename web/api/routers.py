"""Routers that somebody else runs: Traefik asks for its configuration, a balancer acknowledges its own."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, Field

from web.api.endpoint import Ask, Endpoint, Nothing
from web.auth.problems import FieldError, Problem
from web.middleware.routes import needs

VERSIONS = ("v2", "v3")


class AcknowledgementBody(BaseModel, extra="forbid"):
    """The mark that came with what is in force now."""

    mark: str = Field(min_length=1, max_length=128)


async def get_traefik_configuration(ask: Ask[None, Nothing]) -> web.Response:
    version = ask.path["version"]
    if version not in VERSIONS:
        raise Problem(
            "not-found",
            f"there is no configuration for Traefik {version[:40]}",
            hint="end the address of providers.http.endpoint with /v2 or /v3, as Traefik's own version is",
        )
    document = ask.context.surroundings.router.traefik_document(version, ask.call.ip)
    if document is None:
        # Anything but 200 leaves Traefik with what it has.
        raise Problem(
            "unavailable",
            "this agent does not know yet what is to be routed, or routes without Traefik",
            hint="set traefik.enabled = true in the configuration of this host's agent",
            retry_after_s=2,
        )
    return web.Response(body=document, content_type="application/json", headers={"Cache-Control": "no-store"})


async def acknowledge(ask: Ask[AcknowledgementBody, Nothing]) -> None:
    await ask.context.authority.require(ask.call, "service.deploy", "service")
    if not ask.context.surroundings.router.acknowledge(ask.body.mark):
        raise Problem(
            "invalid",
            "this host's router was never sent that mark",
            errors=(
                FieldError(
                    field="mark",
                    rule="a mark that was sent by this host since its agent was started",
                    value=ask.body.mark,
                    hint="send what stood in `mark` of the webhook's body, to the host that sent it",
                ),
            ),
        )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/router/traefik/{version}",
        run=get_traefik_configuration,
        access=needs("service.read", lambda _: "service", takes_cookies=False),
        summary="What this host's Traefik is to do (its HTTP provider asks)",
        tag="services",
        media_types=("application/json",),
        problems=("not-found", "unavailable"),
    ),
    Endpoint(
        method="POST",
        path="/router/acknowledgements",
        run=acknowledge,
        access=needs("service.deploy"),
        summary="Say that a balancer has what it was sent",
        tag="services",
        body=AcknowledgementBody,
        status=HTTPStatus.NO_CONTENT,
    ),
)

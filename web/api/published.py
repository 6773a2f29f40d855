"""Schemas that editors and pipelines fetch: nothing in them is a secret, and they have no login."""

from __future__ import annotations

import json

from aiohttp import web

from cluster.compose.schema import compose_schema
from web.middleware.answers import PUBLIC, Content, answer
from web.middleware.routes import API, Route, everybody

CONTENT_TYPE = "application/schema+json"


def routes() -> tuple[Route, ...]:
    """Return the routes of the schema of Compose files: one within the interface, and a short one."""
    content = Content(json.dumps(compose_schema(), sort_keys=True).encode(), media_type=CONTENT_TYPE)

    async def serve(request: web.Request) -> web.Response:
        return await answer(request, content, cache=PUBLIC)

    return tuple(
        Route(method="GET", path=path, handler=serve, access=everybody(), body_bytes_max=0, takes_head=True)
        for path in (f"{API}/schemas/compose.json", "/schemas/compose.json")
    )

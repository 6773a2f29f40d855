"""The interface to read: a page that draws the OpenAPI document, without anybody else's code."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from web.middleware.answers import PUBLIC, Content, answer
from web.middleware.routes import Route, everybody

DOCS = Path(__file__).parent / "docs"
PATH = "/api/docs"
_FILES = {
    "": ("index.html", "text/html"),
    "/": ("index.html", "text/html"),
    "/docs.css": ("docs.css", "text/css"),
    "/docs.js": ("docs.js", "application/javascript"),
}


def routes() -> tuple[Route, ...]:
    """Return the routes of the page and its files. They are read once, when they are first asked for."""
    return tuple(_route(f"{PATH}{path}", name, media_type) for path, (name, media_type) in _FILES.items())


def _route(path: str, name: str, media_type: str) -> Route:
    read: list[Content] = []

    async def serve(request: web.Request) -> web.Response:
        if not read:
            body = await asyncio.to_thread((DOCS / name).read_bytes)
            read.append(Content(body, media_type=f"{media_type}; charset=utf-8"))
        return await answer(request, read[0], cache=PUBLIC)

    return Route(
        method="GET", path=path, handler=serve, access=everybody(), body_bytes_max=0, takes_head=True
    )

"""OPTIONS: which methods an address takes, and nothing about other origins, which may do nothing here."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def answer_options(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer OPTIONS with the methods of the address (RFC 9110, 9.3.7).

    There are no CORS headers, so a browser refuses pages of other sites whatever they would ask.
    """
    refused = request.match_info.http_exception
    if request.method == "OPTIONS" and isinstance(refused, web.HTTPMethodNotAllowed):
        return web.Response(status=204, headers={"Allow": allowed(refused)})
    return await handler(request)


def allowed(refused: web.HTTPMethodNotAllowed) -> str:
    """Return the value of Allow for an address that was asked with another method."""
    return ", ".join(sorted({*refused.allowed_methods, "OPTIONS"}))

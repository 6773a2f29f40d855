"""Bodies: no larger than the route takes, and no slower than a minute."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from web.auth.problems import Problem
from web.middleware.keys import SURROUNDINGS
from web.middleware.routes import route_of

ARRIVAL_TIMEOUT_S = 30.0
_CHUNK_BYTES = 64 * 1024


@web.middleware
async def limit_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that says itself that it is too large, before anything else is done for it."""
    limit = _limit_of(request)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    return await handler(request)


async def read_body(request: web.Request) -> bytes:
    """Return the request's body.

    Raises Problem: 413 when it is larger than the route takes, 408 when it does not arrive.
    """
    limit = _limit_of(request)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
    except TimeoutError as error:
        raise Problem("too-slow", f"the body did not arrive within {ARRIVAL_TIMEOUT_S:g} s") from error
    except web.RequestPayloadError as error:
        raise Problem("bad-request", "the body broke off, or is not encoded as it says") from error
    return b"".join(parts)


def _limit_of(request: web.Request) -> int:
    route = route_of(request)
    overall = request.app[SURROUNDINGS].request_body_bytes_max
    return overall if route is None else min(overall, route.body_bytes_max)


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"the body is larger than the {limit} bytes this address takes")

"""Bodies: no larger than the route takes, and no slower than a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from web.auth.problems import Problem
from web.middleware.keys import BODY, SURROUNDINGS
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
    if BODY in request:
        return request[BODY]
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
    request[BODY] = body = b"".join(parts)
    return body


async def stream_body(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the request's body as it comes, for a route that holds it nowhere.

    Raises Problem as `read_body` does; 408 when nothing comes for a while.
    """
    limit = _limit_of(request)
    size = 0
    chunks = aiter(request.content.iter_chunked(_CHUNK_BYTES))
    while True:
        try:
            async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
                chunk = await anext(chunks, b"")
        except TimeoutError as error:
            raise Problem("too-slow", f"nothing of the body came for {ARRIVAL_TIMEOUT_S:g} s") from error
        except web.RequestPayloadError as error:
            raise Problem("bad-request", "the body broke off, or is not encoded as it says") from error
        if not chunk:
            return
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _limit_of(request: web.Request) -> int:
    route = route_of(request)
    overall = request.app[SURROUNDINGS].request_body_bytes_max
    if route is not None and route.is_streamed:
        return route.body_bytes_max
    return overall if route is None else min(overall, route.body_bytes_max)


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"the body is larger than the {limit} bytes this address takes")

"""A gateway that holds a token: for clients that can send none. It passes on all else as it comes."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

# Of one connection, or of the form in which a body comes.
_OWN = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_TIMEOUT = aiohttp.ClientTimeout(total=60)


@asynccontextmanager
async def gateway_to(target: str, *, token: str, tls: ssl.SSLContext) -> AsyncIterator[TestServer]:
    """Serve what `target` serves, on a local port and without TLS, in the name of `token`."""

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = request.headers.copy()
        for name in _OWN:
            headers.popall(name, None)
        headers["Authorization"] = f"Bearer {token}"
        address = f"{target}{request.raw_path}"
        async with client.request(
            request.method, address, headers=headers, data=await request.read()
        ) as answer:
            kept = answer.headers.copy()
            for name in _OWN:
                kept.popall(name, None)
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            await response.write_eof()
            return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls), timeout=_TIMEOUT, auto_decompress=False
    ) as client:
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        try:
            yield server
        finally:
            await server.close()

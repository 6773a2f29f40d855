"""A TLS listener of aiohttp with a bound on its connections, which aiohttp has none for."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import AsyncExitStack

from aiohttp import web

log = logging.getLogger(__name__)

BACKLOG = 256
HANDSHAKE_TIMEOUT_S = 10.0
SAY_INTERVAL_S = 10.0


class _Full(asyncio.Protocol):
    """Closes the connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def listen(
    stack: AsyncExitStack,
    runner: web.AppRunner,
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    connections_max: int,
) -> None:
    """Serve `runner` there until the stack is left. Connections beyond `connections_max` are closed at once.

    Raises OSError when the address cannot be used.
    """
    loop = asyncio.get_running_loop()
    server = runner.server
    assert server is not None, "the runner was not set up"
    said_at_s = float("-inf")

    def accept() -> asyncio.BaseProtocol:
        nonlocal said_at_s
        if len(server.connections) < connections_max:
            return server()
        if loop.time() - said_at_s >= SAY_INTERVAL_S:
            said_at_s = loop.time()
            log.warning("listener.full", extra={"port": port, "connections_max": connections_max})
        return _Full()

    listener = await loop.create_server(
        accept, host, port, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
    )
    stack.callback(listener.close)

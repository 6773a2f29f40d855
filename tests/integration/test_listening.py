"""A listener of the agent holds as many connections as its host allows, and takes new ones when some end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from agent.host.listening import listen
from tests.support.haproxy import free_port
from tests.support.raft_certificates import Authority

CONNECTIONS_MAX = 3
PATIENCE_S = 10.0


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("a")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(authority.ca_file))


@asynccontextmanager
async def a_listener(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    port = free_port()
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await listen(stack, runner, "127.0.0.1", port, context=context, connections_max=CONNECTIONS_MAX)
        yield port


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One request on a connection that is kept; nothing when it was closed instead."""
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        try:
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""
        assert b" 200 " in head
        return await reader.readexactly(5)


async def test_connections_beyond_the_bound_are_closed_until_others_end(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_listener(server) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port, ssl=client) for _ in range(CONNECTIONS_MAX)]
        assert [await ask(*each) for each in kept] == [b"hello"] * CONNECTIONS_MAX
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        assert await ask(reader, writer) == b""
        writer.close()
        kept[0][1].close()
        await kept[0][1].wait_closed()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
                if await ask(reader, writer) == b"hello":
                    break
                writer.close()
        for _, each in [*kept[1:], (reader, writer)]:
            each.close()

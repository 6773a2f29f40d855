"""A listener of the agent holds as many connections as its host allows, and takes new ones when some end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from agent.host.listening import ListenBounds, listen
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
async def a_listener(
    context: ssl.SSLContext,
    *,
    connections_max: int = CONNECTIONS_MAX,
    bounds: ListenBounds | None = None,
    head_timeout_s: float = PATIENCE_S,
) -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    port = free_port()
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, shutdown_timeout=0.1, keepalive_timeout=head_timeout_s)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await listen(
            stack,
            runner,
            "127.0.0.1",
            port,
            context=context,
            connections_max=connections_max,
            bounds=bounds,
        )
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
        assert not await is_served(port, client)
        kept[0][1].close()
        await kept[0][1].wait_closed()
        async with asyncio.timeout(PATIENCE_S):
            while not await is_served(port, client):
                pass
        for _, each in kept[1:]:
            each.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has closed the connection."""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionError, ssl.SSLError):
            while await reader.read(4096):
                pass
    return True


async def is_served(port: int, client: ssl.SSLContext) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
    except ConnectionError:
        return False
    answer = await ask(reader, writer)
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return answer == b"hello"


@pytest.mark.parametrize("connections_max", [4, 1000])
async def test_strangers_that_say_nothing_are_bounded_said_once_and_keep_nobody_out(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture, connections_max: int
) -> None:
    server, client = contexts
    bounds = ListenBounds(greeting_max=4, handshake_timeout_s=60.0)
    async with a_listener(server, connections_max=connections_max, bounds=bounds) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        assert await is_served(port, client)
        # The oldest went: 20 and the honest one, less the 4 that may be there.
        assert all([await ended(reader) for reader, _ in silent[:16]])
        for _, writer in silent:
            writer.close()
    assert [record.message for record in caplog.records].count("listener.turned_away") == 1


async def test_a_handshake_that_does_not_come_is_not_waited_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, _ = contexts
    async with a_listener(server, bounds=ListenBounds(handshake_timeout_s=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ended(reader)
        writer.close()


async def test_a_request_that_drips_in_is_not_waited_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_listener(server, head_timeout_s=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)

        async def drip() -> None:
            with suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\n")
                while not writer.is_closing():
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(drip())
            assert await ended(reader)
            dripping.cancel()
        writer.close()


async def test_running_out_of_descriptors_is_said_once_and_over_when_it_is(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, client = contexts
    loop = asyncio.get_running_loop()
    accept = loop.sock_accept
    failures = 3

    async def exhausted(listening: socket.socket) -> tuple[socket.socket, object]:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", exhausted)
    with caplog.at_level(logging.WARNING):
        async with a_listener(server, bounds=ListenBounds(accept_pause_s=0.01)) as port:
            assert await is_served(port, client)
    (said,) = [record for record in caplog.records if record.message == "listener.turned_away"]
    assert "Too many open files" in str(vars(said)["reason"])


async def test_a_taken_address_is_refused_and_leaves_nothing_open(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_listener(server) as port:
        # Not in a group: who starts the agent is told this error, and an earlier listener must not wrap it.
        with pytest.raises(OSError, match="in use"):
            await listen_at(free_port(), port, context=server)
        assert await is_served(port, client)


async def listen_at(*ports: int, context: ssl.SSLContext) -> None:
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(web.Application())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        for port in ports:
            await listen(stack, runner, "127.0.0.1", port, context=context, connections_max=1)

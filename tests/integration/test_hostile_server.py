"""Hostile connections against the server as it is run: TLS, the agent's listener, the whole application."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from agent.host.listening import listen
from cluster.model.access import Role
from tests.support.haproxy import free_port
from tests.support.raft_certificates import Authority
from tests.support.web_fakes import a_web_world
from web.middleware import bodies
from web.server import build_app

PATIENCE_S = 20.0
HEAD_TIMEOUT_S = 1.0
BODY_TIMEOUT_S = 1.0
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("a")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(authority.ca_file))


@asynccontextmanager
async def a_server(context: ssl.SSLContext, *, connections_max: int = 64) -> AsyncIterator[int]:
    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    port = free_port()
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(
            build_app(world.surroundings), shutdown_timeout=0.1, keepalive_timeout=HEAD_TIMEOUT_S
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await listen(stack, runner, "127.0.0.1", port, context=context, connections_max=connections_max)
        yield port


async def connect(port: int, client: ssl.SSLContext) -> Stream:
    return await asyncio.open_connection("127.0.0.1", port, ssl=client)


async def answer_of(stream: Stream, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the other side closes, or is quiet for a second."""
    reader, writer = stream
    received = b""
    with suppress(ConnectionError, ssl.SSLError, TimeoutError):
        writer.write(data)
        await writer.drain()
        while True:
            async with asyncio.timeout(2.0):
                part = await reader.read(65536)
            if not part:
                break
            received += part
    writer.close()
    return received


async def is_served(port: int, client: ssl.SSLContext) -> bool:
    answer = await answer_of(
        await connect(port, client), b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    return answer.startswith(b"HTTP/1.1 200")


async def drip(stream: Stream, data: bytes) -> bytes | None:
    """Send a byte every tenth of a second; return what the other side says to that before they are all sent,
    nothing where it just ends the connection, and None where it takes them all."""
    reader, writer = stream
    try:
        for byte in data:
            try:
                writer.write(bytes((byte,)))
                await writer.drain()
                async with asyncio.timeout(0.1):
                    return await reader.read(65536)
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                return b""
        return None
    finally:
        writer.close()


async def test_heads_that_come_byte_by_byte_are_cut_off_while_others_are_served(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_server(server) as port:
        slow = [await connect(port, client) for _ in range(20)]
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            dripping = [
                tasks.create_task(drip(each, b"GET /healthz HTTP/1.1\r\nX-Padding: " + b"a" * 400))
                for each in slow
            ]
            assert await is_served(port, client)
        assert None not in [task.result() for task in dripping]


async def test_bodies_that_come_byte_by_byte_are_answered_that_they_were_too_slow(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "ARRIVAL_TIMEOUT_S", BODY_TIMEOUT_S)
    server, client = contexts
    async with a_server(server) as port:
        stream = await connect(port, client)
        async with asyncio.timeout(PATIENCE_S):
            # The head is there at once: a slow one would be cut off before there is a body.
            stream[1].write(LOGIN + b"Content-Length: 4000\r\n\r\n")
            answer = await drip(stream, b" " * 400)
        assert answer is not None
        assert answer.startswith(b"HTTP/1.1 408 "), answer[:500]
        assert await is_served(port, client)


SMUGGLED = b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Smuggled: yes\r\n\r\n"
AMBIGUOUS = {
    "a length and chunks": LOGIN
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and a length": LOGIN
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two lengths": LOGIN + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + SMUGGLED,
    "a length that is a list": LOGIN + b"Content-Length: 0, 60\r\n\r\n" + SMUGGLED,
    "a length with a sign": LOGIN + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a folded header": LOGIN
    + b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "a space before the colon": LOGIN
    + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks twice": LOGIN + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks by another name": LOGIN
    + b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "a bare line feed": b"POST /api/v1/auth/login HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SMUGGLED,
    "a chunk size with a sign": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + SMUGGLED,
    "two hosts": b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\nHost: evil.example\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_request_that_proxies_could_read_otherwise_hides_no_second_one(
    name: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, client = contexts
    async with a_server(server) as port:
        async with asyncio.timeout(PATIENCE_S):
            answer = await answer_of(await connect(port, client), AMBIGUOUS[name])
        # One refusal, and not a second answer: nobody is logged in, so the hidden one would get a 401.
        assert re.findall(rb"HTTP/1\.\d (\d{3})", answer) == [b"400"], answer[:500]
        assert await is_served(port, client)


async def test_no_version_below_tls_1_3_is_spoken(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = contexts
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    async with a_server(server) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(port, client)

"""A real HAProxy on loopback ports, and small web servers behind it."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from agent.clock import SystemClock
from agent.execute.probing import NetworkProber
from agent.ports import Endpoint
from agent.router.haproxy.router import HaproxyRouter
from agent.router.protocol import replica_name
from tests.support.requirements import require_program

LOOPBACK = "127.0.0.1"
UPSTREAM = "127.0.0.2"
"""Where replicas are: not where unused slots point to, or nobody would see that an address is lost."""
PATIENCE_S = 15.0


class Upstream:
    """A web server of one replica.

    /up is its health, /hold answers when `release` was called, /error with an error, /hinted after a hint,
    /socket becomes a tunnel that sends everything back. With `answers` False it closes the connection
    instead.
    """

    def __init__(self, name: str, *, revision: int = 1) -> None:
        self.name = name
        self.revision = revision
        self.port = 0
        self.is_healthy = True
        self.answers = True
        self.last_head = ""
        """The head of its newest request, in small letters."""
        self.requests = 0
        self.held = 0
        self.is_held = asyncio.Event()
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            replica=replica_name(UPSTREAM, self.port),
            address=UPSTREAM,
            port=self.port,
            revision=self.revision,
        )

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, UPSTREAM, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As a container that is killed: the listener and every connection go at once."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def release(self) -> None:
        self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1]
                status = b"200 OK"
                if target == b"/up":
                    status = b"200 OK" if self.is_healthy else b"503 Not Fit"
                else:
                    self.requests += 1
                    self.last_head = head.decode("latin-1").lower()
                    if not self.answers:
                        break
                if target == b"/socket":
                    await _echo(reader, writer)
                    break
                if target == b"/hinted":
                    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
                if target == b"/error":
                    status = b"500 Oops"
                if target == b"/hold":
                    self.held += 1
                    self.is_held.set()
                    await self._released.wait()
                body = self.name.encode()
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n%b"
                    % (status, len(body), body)
                )
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()


@dataclass
class RunningRouter:
    """A HAProxy that runs, and the way to it."""

    router: HaproxyRouter
    directory: Path
    http_port: int
    client: aiohttp.ClientSession
    stop: Callable[[], Any]

    async def get(
        self,
        host: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and text of the answer. `cookies` are those of one person, and get what is set."""
        url = f"http://{LOOPBACK}:{self.http_port}{path}"
        sent = {"Host": host, **(headers or {})}
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        async with self.client.get(url, headers=sent) as answer:
            if cookies is not None:
                cookies.update({name: morsel.value for name, morsel in answer.cookies.items()})
            return answer.status, await answer.text()

    async def until_serving(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.router.condition.is_serving:
                await SystemClock().sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def short_directory() -> AsyncIterator[Path]:
    """A directory whose path leaves room for the name of a socket."""
    path = Path(tempfile.mkdtemp(prefix="tw-hap-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def running_router(
    directory: Path, *, http_port: int | None = None, **options: Any
) -> AsyncIterator[RunningRouter]:
    """A router whose `run` runs; ended with the block."""
    program = require_program("haproxy")
    port = free_port() if http_port is None else http_port
    options = {
        "prober": NetworkProber(),
        "reload_interval_s": 0.2,
        "drain_on_stop_s": 0.2,
        "bind_address": LOOPBACK,
        **options,
    }
    router = HaproxyRouter(
        directory=directory,
        program=program,
        http_port=port,
        clock=SystemClock(),
        rng=random.Random(1),
        **options,
    )
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(
            timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as client,
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(router.run())
        try:
            yield RunningRouter(router, directory, port, client, running.cancel)
        finally:
            if not running.cancelling():
                running.cancel()

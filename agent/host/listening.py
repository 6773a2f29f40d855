"""A TLS listener of aiohttp with bounds, which neither asyncio nor aiohttp has.

asyncio accepts without end and waits a minute for a handshake, aiohttp an hour for a request to begin.
Whoever only connects could use up the descriptors of the agent, those of Raft and the state included.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from agent.config import Network
from agent.host.proxy_protocol import NotAnnounced, announced

log = logging.getLogger(__name__)

HEAD_TIMEOUT_S = 30.0
"""For the runner's `keepalive_timeout`: how long the head of a connection's next request may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenBounds:
    """`greeting_max` connections may be in their TLS handshake, of all that are allowed."""

    greeting_max: int = 128
    handshake_timeout_s: float = 10.0
    backlog: int = 256
    accept_pause_s: float = 0.5
    say_interval_s: float = 60.0


async def listen(
    stack: AsyncExitStack,
    runner: web.AppRunner,
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    connections_max: int,
    bounds: ListenBounds | None = None,
    announced_by: tuple[Network, ...] = (),
) -> None:
    """Serve `runner` there until the stack is left.

    Connections of proxies in `announced_by` begin with the PROXY protocol, and are their clients'.

    Connections beyond `connections_max` are closed at once. Of too many in their handshake the oldest is
    closed: an honest client needs milliseconds for it. Both are logged, at most once a minute, with their
    number.

    Raises OSError when the address cannot be used.
    """
    listener = _Listener(runner, port, context, connections_max, bounds or ListenBounds(), announced_by)
    await listener.open(host)
    stack.callback(listener.close)
    tasks = await asyncio.TaskGroup().__aenter__()
    accepting = tasks.create_task(listener.run(), name=f"accept-{port}")

    async def end() -> None:
        accepting.cancel()
        # Whatever ended the stack is not this group's affair: it would come out wrapped in a group.
        await tasks.__aexit__(None, None, None)

    stack.push_async_callback(end)


class _Listener:
    def __init__(
        self,
        runner: web.AppRunner,
        port: int,
        context: ssl.SSLContext,
        connections_max: int,
        bounds: ListenBounds,
        announced_by: tuple[Network, ...],
    ) -> None:
        assert runner.server is not None, "the runner was not set up"
        self._server = runner.server
        self._port = port
        self._context = context
        self._connections_max = connections_max
        self._bounds = bounds
        self._announced_by = announced_by
        self._sockets: list[socket.socket] = []
        # In the order they came.
        self._greetings: dict[asyncio.Task[None], None] = {}
        self._turned_away = 0
        self._said_at_s = float("-inf")

    async def open(self, host: str) -> None:
        """Listen on every address of `host`. Raises OSError, with nothing left open."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                made = socket.socket(family, socket.SOCK_STREAM)
                self._sockets.append(made)
                made.setblocking(False)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.bind(address)
                made.listen(self._bounds.backlog)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Accept no more; what is open goes on."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    async def run(self) -> None:
        """Accept until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._sockets:
                tasks.create_task(self._accept(each, tasks))

    async def _accept(self, listening: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                # Out of descriptors or memory, mostly. The pause keeps this from spinning.
                self._say(f"a connection could not be accepted: {error.strerror}")
                await asyncio.sleep(self._bounds.accept_pause_s)
                continue
            if len(self._server.connections) + len(self._greetings) >= self._connections_max:
                if not self._greetings:
                    connection.close()
                    self._say(f"{self._connections_max} connections are open, which is all that are allowed")
                    continue
                self._drop_oldest_greeting()
            elif len(self._greetings) >= self._bounds.greeting_max:
                self._drop_oldest_greeting()
            greeting = tasks.create_task(self._greet(connection, str(peer[0])))
            self._greetings[greeting] = None
            greeting.add_done_callback(lambda done: self._greetings.pop(done, None))
            # What is waiting to be accepted is accepted without a wait: others are to have their turn too.
            await asyncio.sleep(0)

    def _drop_oldest_greeting(self) -> None:
        oldest = next(iter(self._greetings))
        del self._greetings[oldest]
        oldest.cancel()
        self._say("connections were begun and no TLS came, and there are too many of them")

    async def _greet(self, connection: socket.socket, peer: str) -> None:
        """Do the handshake and hand the connection to the application."""
        # No TLS, not in time, or without the certificate that is needed: it is closed, and that is all.
        with contextlib.suppress(OSError):
            if self._is_announced(peer):
                connection = await self._client_of(connection)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._server,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._bounds.handshake_timeout_s,
            )

    def _is_announced(self, peer: str) -> bool:
        if not self._announced_by:
            return False
        address = ipaddress.ip_address(peer.partition("%")[0])
        return any(address in network for network in self._announced_by)

    async def _client_of(self, connection: socket.socket) -> socket.socket:
        """Return a proxy's connection as its client's. Raises OSError, with the connection closed."""
        try:
            async with asyncio.timeout(self._bounds.handshake_timeout_s):
                return await announced(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, NotAnnounced):
                self._say(str(error))
            raise

    def _say(self, reason: str) -> None:
        self._turned_away += 1
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said_at_s >= self._bounds.say_interval_s:
            self._said_at_s = now_s
            extra = {"port": self._port, "reason": reason, "count": self._turned_away}
            log.warning("listener.turned_away", extra=extra)
            self._turned_away = 0

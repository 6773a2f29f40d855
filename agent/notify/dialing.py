"""Connections to where somebody's URL leads, and to nowhere else.

The address is checked where the socket is made, on the address that is then connected to. So it makes no
difference how it was come by: a name, a name that means something else now, or digits in the URL.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from cluster.model.outbound import why_refused

Networks = tuple[IPv4Network | IPv6Network, ...]

LOOKUPS_AT_ONCE = 8
"""Look-ups block a thread. With a pool of their own they keep nothing else of the agent waiting."""


class AddressRefused(OSError):
    """The address is one that may not be called."""


class Dialing:
    """Makes the connector of one client session. Made on a running event loop.

    `allowed` says which networks may be called that are not public; it is asked for every connection.
    """

    def __init__(self, allowed: Callable[[], Networks]) -> None:
        self._allowed = allowed
        self._resolver = _OwnThreadsResolver()

    def connector(self) -> aiohttp.TCPConnector:
        """Return one whose connections are used once: the next may be allowed no more."""
        return aiohttp.TCPConnector(
            limit=0,
            force_close=True,
            use_dns_cache=False,
            resolver=self._resolver,
            socket_factory=self._make_socket,
        )

    def shut_down(self) -> None:
        """Let no more look-ups begin."""
        self._resolver.shut_down()

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        reason = why_refused(address[0], self._allowed())
        if reason:
            raise AddressRefused(reason)
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made


def causes_of(error: BaseException) -> list[BaseException]:
    """Return the error and what led to it, those that were tried at the same time among them."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < 32:
        each = waiting.pop()
        if each is None or each in found:
            continue
        found.append(each)
        if isinstance(each, aiohttp.ClientConnectorError):
            waiting.append(each.os_error)
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend((each.__cause__, each.__context__))
    return found


class _OwnThreadsResolver(AbstractResolver):
    """The system's resolver, on a few threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="receiver-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=each,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """The session's connector asks for this; threads end with `shut_down`."""

    def shut_down(self) -> None:
        # A look-up that hangs ends by the resolver's own time-out; nobody waits for it here.
        self._threads.shutdown(wait=False, cancel_futures=True)

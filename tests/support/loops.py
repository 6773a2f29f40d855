"""Event loops that end with nothing left half closed."""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol, SSLProtocolState

TURNS = 10
"""In so many turns of its loop, a connection that was aborted comes to its end."""

_SAYING_GOODBYE = (SSLProtocolState.FLUSHING, SSLProtocolState.SHUTDOWN)


class TidyLoop(asyncio.SelectorEventLoop):
    """A loop that, when it is closed, cuts TLS connections that were closed and wait for the other's goodbye.

    Such a wait may last 30 s (`ssl_shutdown_timeout`), and nobody is there to see its end. Connections that
    nobody closed are left as they are, and told of by Python as what they are: leaks.
    """

    def close(self) -> None:
        if not self.is_closed() and not self.is_running():
            waiting = [each for each in open_transports(self) if _is_saying_goodbye(each)]
            for transport in waiting:
                transport.abort()
            if waiting:
                self.run_until_complete(_turn())
        super().close()


class TidyPolicy(asyncio.DefaultEventLoopPolicy):
    """Gives every thread that asks a tidy loop."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return TidyLoop()


def open_transports(loop: asyncio.AbstractEventLoop) -> list[asyncio.Transport]:
    """Return the connections of a loop, whoever made them."""
    return list(loop._transports.values())  # type: ignore[attr-defined]  # no public way


def _is_saying_goodbye(transport: asyncio.Transport) -> bool:
    protocol = transport.get_protocol()
    if not isinstance(protocol, SSLProtocol):
        return False
    return protocol._state in _SAYING_GOODBYE  # type: ignore[attr-defined]  # no public way


async def _turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)

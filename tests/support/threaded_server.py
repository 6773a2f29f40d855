"""A web server in a thread and loop of its own, beside a test that waits for a browser."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from aiohttp import web

from tests.support.loops import open_transports

TURNS = 10
"""In so many turns of its loop, a socket that was accepted or aborted comes to its end."""
STOP_TIMEOUT_S = 60.0

_Given = TypeVar("_Given")


async def _nothing() -> None:
    pass


@asynccontextmanager
async def listening(
    runner: web.AppRunner,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    leave: Callable[[], Awaitable[None]] = _nothing,
) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 while the block runs; gives the address.

    `leave` is called when nobody new is let in any more, before connections are cut.
    """
    await runner.setup()
    ports: set[int] = set()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
        await site.start()
        ports = {address[1] for address in runner.addresses}
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        await site.stop()
        # What was accepted just before becomes a connection in the next turns.
        await _turn()
        await leave()
        # The browser keeps its connections; a polite end of each would outlast this loop.
        _abort_connections(ports)
    finally:
        await runner.cleanup()
        await _turn()
        # Nobody else closes one that was accepted while the server ended.
        _abort_connections(ports)
        await _turn()


def _abort_connections(ports: set[int]) -> None:
    for transport in open_transports(asyncio.get_running_loop()):
        name = transport.get_extra_info("sockname")
        if isinstance(name, tuple) and name[1] in ports:
            transport.abort()


@contextmanager
def in_a_thread(
    serving: Callable[[], AbstractAsyncContextManager[_Given]], *, name: str, start_timeout_s: float
) -> Iterator[tuple[_Given, asyncio.AbstractEventLoop]]:
    """Have a thread with a loop of its own inside `serving` while the block runs.

    Gives what that gives, and the loop. What is raised in the thread is raised here.
    """
    started: Future[tuple[_Given, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    ended: Future[None] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        async with serving() as given:
            started.set_result((given, asyncio.get_running_loop(), stop))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except Exception as error:
            (ended if started.done() else started).set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    given, loop, stop = started.result(timeout=start_timeout_s)
    try:
        yield given, loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        ended.result(timeout=STOP_TIMEOUT_S)
        thread.join(timeout=STOP_TIMEOUT_S)


async def _turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)

"""The product's own web server over a world of fakes, for browsers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.support.raft_certificates import Authority
from tests.support.threaded_server import in_a_thread, listening
from tests.support.web_fakes import WebWorld
from web.server import STATIC, build_app
from web.tools.pace import Pace


@dataclass(slots=True, kw_only=True)
class Serving:
    """A running server; its world is touched through `change` alone, in the server's own thread."""

    world: WebWorld
    address: str
    loop: asyncio.AbstractEventLoop
    complaints: list[str] = field(default_factory=list)

    def change(self, change: Callable[[WebWorld], object]) -> None:
        async def apply() -> None:
            change(self.world)

        asyncio.run_coroutine_threadsafe(apply(), self.loop).result(timeout=10)

    def pass_time(self, seconds: float) -> None:
        """Let the world's clock go on."""
        asyncio.run_coroutine_threadsafe(self.world.clock.advance(seconds), self.loop).result(timeout=30)


@contextmanager
def serving(
    a_world: Callable[[], AbstractAsyncContextManager[WebWorld]],
    directory: Path,
    *,
    pace: Pace,
    port: int = 0,
    static: Path | None = None,
    start_timeout_s: float = 20.0,
) -> Iterator[Serving]:
    """Serve a world over TLS while the block runs. `a_world` is entered in the server's thread."""
    certificate, key = Authority(directory).issue("nd_1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    @asynccontextmanager
    async def serve() -> AsyncIterator[tuple[WebWorld, str]]:
        async with a_world() as world:
            app = build_app(world.surroundings, pace=pace, static=static or STATIC)
            runner = web.AppRunner(app, shutdown_timeout=1.0)
            async with listening(runner, port=port, tls=tls) as address:
                yield world, address

    with in_a_thread(serve, name="web-server", start_timeout_s=start_timeout_s) as ((world, address), loop):
        yield Serving(world=world, address=address, loop=loop)

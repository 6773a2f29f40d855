"""The MCP endpoints: /mcp (Streamable HTTP) and /sse with /messages (HTTP+SSE, deprecated by the protocol).

Each also as /mcp/readonly and /mcp/x/TOOLSETS, with the tools that the address asks for and no others.

Mounting costs nothing: the SDK (26 MB of memory, a second to import) is loaded by the first request that
needs it, in a worker thread, so that no other request waits for it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from web.mcp import resource_metadata
from web.mcp.resource_metadata import SSE, STREAMABLE_HTTP
from web.middleware.routes import Route, logged_in, register
from web.ports import Surroundings
from web.tools.context import CONTEXT
from web.tools.toolsets import READ_ONLY

if TYPE_CHECKING:
    from web.mcp.transports import Transports

TRANSPORTS = "web.mcp.transports"
BODY_BYTES_MAX = 4 * 1024 * 1024
FORMS = ("", f"/{READ_ONLY}", "/x/{toolsets}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def mount(app: web.Application) -> None:
    """Add the endpoints. A token is needed, whatever its role; a browser's login is not accepted.

    Only POST on /mcp: sessions are not kept, so that any host can answer any request, and there is no stream
    to GET or session to DELETE.
    """
    mcp = _Mcp(app)
    access = logged_in(takes_cookies=False, protected_resource=STREAMABLE_HTTP)
    sse_access = logged_in(takes_cookies=False, protected_resource=SSE)
    streamable_http = mcp.handler(lambda transports: transports.streamable_http)
    sse = mcp.handler(lambda transports: transports.sse)
    messages = mcp.handler(lambda transports: transports.messages)
    for form in FORMS:
        routes = (
            ("POST", f"{STREAMABLE_HTTP}{form}", streamable_http, BODY_BYTES_MAX, access),
            ("GET", f"{SSE}{form}", sse, 0, sse_access),
            # Messages of a stream come back under what the stream was opened with.
            ("POST", f"{form}/messages", messages, BODY_BYTES_MAX, sse_access),
        )
        register(
            app,
            tuple(
                Route(method=method, path=path, handler=handler, access=allowed, body_bytes_max=bytes_max)
                for method, path, handler, bytes_max, allowed in routes
            ),
        )
    register(app, resource_metadata.routes())
    app.cleanup_ctx.append(mcp.lifetime)
    app.on_shutdown.append(mcp.stop)


class _Mcp:
    """The transports, made when they are first asked for, and ended with the application."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._stopping = asyncio.Event()
        self._making = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._transports: Transports | None = None

    def handler(self, choose: Callable[[Transports], Handler]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await choose(await self._ready())(request)

        return handle

    async def lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            yield
            self._stopping.set()

    async def stop(self, _app: web.Application) -> None:
        """Before aiohttp waits for open requests: end the streams."""
        self._stopping.set()

    async def _ready(self) -> Transports:
        async with self._making:
            if self._transports is None:
                assert self._tasks is not None, "the application has started"
                module = await asyncio.to_thread(importlib.import_module, TRANSPORTS)
                context = self._app[CONTEXT]
                surroundings: Surroundings = context.surroundings
                transports: Transports = module.Transports(
                    context, version=surroundings.cluster.version, stopping=self._stopping
                )
                started = asyncio.Event()
                self._tasks.create_task(transports.run(started), name="mcp-sessions")
                await started.wait()
                self._transports = transports
        return self._transports

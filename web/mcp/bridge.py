"""Runs the SDK's ASGI transports inside aiohttp handlers: one port, one authentication, one audit for all
surfaces.

No lifespan and no WebSocket. After the request's body `receive` waits until the client is gone: a transport
that asks whether it is would otherwise spin for ever without yielding to the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

DISCONNECT_POLL_S = 0.25
"""aiohttp tells nobody that a peer is gone; its transport is asked this often while a handler waits."""

_HOP_BY_HOP = frozenset({b"connection", b"transfer-encoding", b"keep-alive"})


class AsgiBridge:
    """An aiohttp handler that is an ASGI application. `extend` adds to the scope what the application
    needs to know.
    """

    def __init__(
        self, app: AsgiApp, stopping: asyncio.Event, extend: Callable[[web.Request], dict[str, Any]]
    ) -> None:
        self._app = app
        self._stopping = stopping
        self._extend = extend

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        exchange = _Exchange(request, await request.read(), self._stopping)
        try:
            await self._app({**_scope(request), **self._extend(request)}, exchange.receive, exchange.send)
        except Exception:
            if exchange.response is None:
                raise
            # The status line is out: all that is left is to end the stream.
            log.exception("mcp.stream_failed")
        if exchange.response is None:
            return web.Response(status=500)
        return exchange.response


class _Exchange:
    """One request and its response."""

    def __init__(self, request: web.Request, body: bytes, stopping: asyncio.Event) -> None:
        self._request = request
        self._body: bytes | None = body
        self._stopping = stopping
        self._is_done = False
        self.response: web.StreamResponse | None = None

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not (self._is_done or self._stopping.is_set()):
            transport = self._request.transport
            if transport is None or transport.is_closing():
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_POLL_S):
                    await self._stopping.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Writes after the client has gone are dropped, as ASGI wants it."""
        if message["type"] == "http.response.start":
            headers = CIMultiDict(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message.get("headers", ())
                if name.lower() not in _HOP_BY_HOP
            )
            self.response = web.StreamResponse(status=message["status"], headers=headers)
            with contextlib.suppress(ConnectionError):
                await self.response.prepare(self._request)
        elif message["type"] == "http.response.body" and self.response is not None:
            with contextlib.suppress(ConnectionError):
                if message.get("body"):
                    await self.response.write(message["body"])
                if not message.get("more_body"):
                    self._is_done = True
                    await self.response.write_eof()


def _scope(request: web.Request) -> Message:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path.encode(),
        "query_string": request.query_string.encode(),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": tuple(peer[:2]) if peer else None,
        "server": None,
        "state": {},
    }

"""GET /api/v1/live/events: the topics of the WebSocket as server-sent events, for who has no WebSocket.

`topics` names them, and every other query parameter narrows those that know it. An event has its topic as
`event`, the message of the WebSocket as `data`, and as `id` where all topics together have come to: a browser
sends that again by itself (`Last-Event-ID`) when it comes back, and hears what it missed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from aiohttp import web

from web.auth.problems import FieldError, Problem, invalid
from web.live.client import Told
from web.live.connection import Connection, LoginOver, Stopping
from web.live.hub import HUB
from web.live.topics import FILTER_NAMES, FILTERS_OF, NAMES, Misunderstood, Wanted, listed, wanted
from web.middleware.keys import CALL, STOPPING, STREAMS
from web.middleware.routes import API, Route, logged_in
from web.tools.context import CONTEXT

ID_CHARACTERS_MAX = 8192
RETRY_MS = 2000


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer with events for as long as the connection lives. Raises Problem."""
    asked = _asked(request)
    hub = request.app[HUB]
    async with hub.connected(request[CALL]) as client:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                # Or a proxy keeps what is to be heard at once.
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        positions: dict[str, str] = {}

        async def send(told: Told) -> None:
            await response.write(_event(told, positions))

        connection = Connection(
            request.app[CONTEXT],
            hub,
            client,
            send=send,
            stopping=request.app[STOPPING],
            streams=request.app[STREAMS],
        )

        async def listen() -> NoReturn:
            for each in asked:
                await connection.subscribe(each)
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        last = ""
        try:
            await connection.live(listen)
        except* (LoginOver, Stopping) as group:
            last = str(group.exceptions[0])
        except* (ConnectionError, TimeoutError):
            # The reader is gone, or takes nothing any more.
            pass
        with suppress(ConnectionError):
            if last:
                await response.write(_event(Told(json.dumps({"ended": last})), positions))
            await response.write_eof()
    return response


def routes() -> tuple[Route, ...]:
    """Return the route of the stream."""
    return (
        Route(method="GET", path=f"{API}/live/events", handler=serve, access=logged_in(), body_bytes_max=0),
    )


def _asked(request: web.Request) -> tuple[Wanted, ...]:
    """Return what the query and the last event's id ask for. Raises Problem (422)."""
    query = {name: value for name, value in request.query.items()}
    names = dict.fromkeys(listed(query.pop("topics", "")))
    if not names or not all(name in NAMES for name in names):
        raise invalid("topics", f"several of {', '.join(NAMES)}, separated by commas")
    for key in query:
        if key not in FILTER_NAMES:
            raise Problem(
                "invalid",
                f"{key[:40]}: there is no such filter",
                errors=(FieldError(field=key[:40], rule=f"one of {', '.join(FILTER_NAMES)}"),),
            )
    positions = _positions(request.headers.get("Last-Event-ID", ""))
    try:
        return tuple(
            wanted(
                name,
                {key: value for key, value in query.items() if key in FILTERS_OF[NAMES[name]]},
                positions.get(name, ""),
            )
            for name in names
        )
    except Misunderstood as error:
        raise Problem("invalid", str(error)) from error


def _event(told: Told, positions: dict[str, str]) -> bytes:
    """Return one event. JSON holds no line breaks, so it is one line."""
    head = ""
    if told.name:
        positions[told.name] = told.position
        head = f"event: {told.name}\nid: {_id_of(positions)}\n"
    return f"{head}data: {told.text}\n\n".encode()


def _id_of(positions: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(positions, separators=(",", ":")).encode()).decode()


def _positions(text: str) -> dict[str, str]:
    """Return the positions an id holds; what cannot be read is begun anew."""
    if len(text) > ID_CHARACTERS_MAX:
        return {}
    try:
        value = json.loads(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: each for name, each in value.items() if isinstance(each, str)}

"""GET /api/v1/live: a WebSocket.

The client sends `{"subscribe": [...]}` and `{"unsubscribe": [names]}`. What is subscribed to is a topic's
name, or `{"topic": name, "filter": {...}, "position": text}`. The server sends per topic first
`{"topic", "position", "data"}` with everything, then what changes:

    alerts      {"topic", "position", "event", "new": [number], "changed": [AlertView], "removed": [number]}
    cluster     {..., "data": ClusterView}
    containers  {..., "changed": [ContainerView], "removed": [{node_id, id}], "problems": [HostProblem]}
    events      {..., "items": [EventView]}
    logs        {..., "lines": [{node_id, container_id, container, stream, at_ms, level, text}], "dropped"?}
    metrics     {..., "data": [HostLiveView with the moments from the last told one on]}
    rollouts    {..., "changed": [RolloutView], "removed": [id]}
    seconds     as metrics, of every second, for as long as anybody is subscribed
    metrics:update  as seconds, every five seconds
    services    {..., "changed": [ServiceView], "removed": [id], "rollouts": [RolloutView]}

and `{"heartbeat": now_ms}`, `{"error": text}`, `{"topic", "error": text}`, and after falling behind
`{"dropped": count}`, whereupon every topic begins anew. Who comes back gives the last `position` heard of a
topic: what was missed follows, or `"resumed": true` where that is nothing; and everything anew, with
`"gap": true`, where it is not known any more. `web.live.topics` has other names and the filters.

Closing codes: 4401 the login is over, 1001 the agent stops, 1008 the client misbehaves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import WSCloseCode, WSMsgType, web

from web.auth.problems import Problem
from web.live.client import Client, Told
from web.live.connection import Connection, LoginOver, Stopping
from web.live.hub import HUB
from web.live.topics import NAMES, Misunderstood, Wanted, wanted
from web.middleware.keys import CALL, STOPPING, STREAMS
from web.middleware.routes import API, Route, logged_in
from web.ports import Clock
from web.tools.context import CONTEXT

LOGIN_OVER = 4401
MESSAGE_BYTES_MAX = 16 * 1024
MESSAGES_PER_MINUTE_MAX = 120


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket for as long as it lives. Raises Problem for what is none."""
    context = request.app[CONTEXT]
    # Compressed would be compressed for each client by itself, and what is told is told to hundreds at once.
    socket = web.WebSocketResponse(
        heartbeat=context.pace.socket_heartbeat_s, max_msg_size=MESSAGE_BYTES_MAX, compress=False
    )
    if not socket.can_prepare(request).ok:
        raise Problem("bad-request", "this address is a WebSocket's", hint="connect with wss://")
    hub = request.app[HUB]
    async with hub.connected(request[CALL]) as client:
        await socket.prepare(request)

        async def send(told: Told) -> None:
            await socket.send_str(told.text)

        connection = Connection(
            context,
            hub,
            client,
            send=send,
            stopping=request.app[STOPPING],
            streams=request.app[STREAMS],
        )
        await _talk(socket, connection, client, context.surroundings.clock)
    return socket


def routes() -> tuple[Route, ...]:
    """Return the route of the socket."""
    return (Route(method="GET", path=f"{API}/live", handler=serve, access=logged_in(), body_bytes_max=0),)


class _Closed(Exception):
    """The connection is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def _talk(socket: web.WebSocketResponse, connection: Connection, client: Client, clock: Clock) -> None:
    """Return when the connection is closed, by whomever."""
    closing: list[_Closed] = []
    try:
        await connection.live(lambda: _listen(socket, connection, client, clock))
    except* _Closed as group:
        closing += [error for error in group.exceptions if isinstance(error, _Closed)]
    except* LoginOver as group:
        closing.append(_Closed(LOGIN_OVER, str(group.exceptions[0])))
    except* Stopping as group:
        closing.append(_Closed(WSCloseCode.GOING_AWAY, str(group.exceptions[0])))
    except* (ConnectionError, TimeoutError):
        # The client is gone, or takes nothing any more.
        pass
    if closing and not socket.closed:
        await socket.close(code=closing[0].code, message=closing[0].reason.encode()[:120])


async def _listen(
    socket: web.WebSocketResponse, connection: Connection, client: Client, clock: Clock
) -> NoReturn:
    """Do what the client says until it closes."""
    since_s, count = clock.monotonic_s(), 0
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            raise _Closed(WSCloseCode.UNSUPPORTED_DATA, "text is expected")
        if clock.monotonic_s() - since_s >= 60:
            since_s, count = clock.monotonic_s(), 0
        count += 1
        if count > MESSAGES_PER_MINUTE_MAX:
            raise _Closed(WSCloseCode.POLICY_VIOLATION, "too many messages")
        try:
            said = _parse(message.data)
        except Misunderstood as error:
            client.say(error=str(error))
            continue
        for name in said.unsubscribe:
            connection.unsubscribe(name)
        for each in said.subscribe:
            await connection.subscribe(each)
    raise _Closed(WSCloseCode.OK, "")


@dataclass(frozen=True, slots=True)
class _Said:
    subscribe: tuple[Wanted, ...]
    unsubscribe: tuple[str, ...]


def _parse(text: str) -> _Said:
    """Return what a message asks for. Raises Misunderstood with what is wrong with it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Misunderstood("the message is not JSON") from None
    if not isinstance(value, dict) or not value.keys() <= {"subscribe", "unsubscribe"}:
        raise Misunderstood('the message is {"subscribe": [topics]} or {"unsubscribe": [topics]}')
    for key, given in value.items():
        if not isinstance(given, list):
            raise Misunderstood(f"{key}: a list of {', '.join(NAMES)}")
    names = value.get("unsubscribe", [])
    if not all(isinstance(name, str) and name in NAMES for name in names):
        raise Misunderstood(f"unsubscribe: a list of {', '.join(NAMES)}")
    subscriptions = {each.name: each for each in map(_wanted, value.get("subscribe", []))}
    return _Said(tuple(subscriptions.values()), tuple(dict.fromkeys(names)))


def _wanted(item: object) -> Wanted:
    if isinstance(item, str):
        return wanted(item, {}, "")
    if not isinstance(item, dict) or not item.keys() <= {"topic", "filter", "position"}:
        raise Misunderstood('subscribe: names, or {"topic": name, "filter": {...}, "position": text}')
    return wanted(item.get("topic"), item.get("filter", {}), item.get("position", ""))

"""GET /api/v1/live: a WebSocket.

The client sends `{"subscribe": [topics]}` and `{"unsubscribe": [topics]}`. The server sends per topic first
`{"topic", "data"}` with everything, then what changes:

    cluster     {"topic", "data": ClusterView}
    services    {"topic", "changed": [ServiceView], "removed": [id], "rollouts": [RolloutView]}
    containers  {"topic", "changed": [ContainerView], "removed": [{node_id, id}], "problems": [HostProblem]}
    metrics     {"topic", "data": [HostLiveView with the moments from the last told one on]}
    seconds     the same of every second, for as long as anybody is subscribed

and `{"heartbeat": now_ms}`, `{"error": text}`, and after falling behind `{"dropped": count}`, whereupon every
topic begins anew. Closing codes: 4401 the login is over, 1001 the agent stops, 1008 the client misbehaves.
"""

from __future__ import annotations

import asyncio
import json
from typing import NoReturn

from aiohttp import WSCloseCode, WSMsgType, web

from web.auth.problems import Problem
from web.live.feeds import ACTION_OF, Topic
from web.live.hub import HUB, Client, LiveHub
from web.middleware.keys import CALL, STOPPING
from web.middleware.routes import API, Route, logged_in
from web.tools.context import CONTEXT, Context

LOGIN_OVER = 4401
MESSAGE_BYTES_MAX = 4096
MESSAGES_PER_MINUTE_MAX = 120
SEND_TIMEOUT_S = 20.0


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket for as long as it lives. Raises Problem for what is none."""
    socket = web.WebSocketResponse(
        heartbeat=request.app[CONTEXT].pace.socket_heartbeat_s, max_msg_size=MESSAGE_BYTES_MAX
    )
    if not socket.can_prepare(request).ok:
        raise Problem("bad-request", "this address is a WebSocket's", hint="connect with wss://")
    hub = request.app[HUB]
    async with hub.connected(request[CALL]) as client:
        await socket.prepare(request)
        connection = _Connection(request.app[CONTEXT], hub, client, socket, request.app[STOPPING])
        await connection.live()
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


class _Connection:
    """One connected client: what it says, what it is told, and whether it still may be."""

    def __init__(
        self,
        context: Context,
        hub: LiveHub,
        client: Client,
        socket: web.WebSocketResponse,
        stopping: asyncio.Event,
    ) -> None:
        self._context = context
        self._hub = hub
        self._client = client
        self._socket = socket
        self._stopping = stopping

    async def live(self) -> None:
        """Return when the connection is closed, by whomever."""
        closing: _Closed | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell(), name="live-tell")
                tasks.create_task(self._keep_alive(), name="live-pulse")
                await self._listen()
        except* _Closed as group:
            (closing, *_) = [error for error in group.exceptions if isinstance(error, _Closed)]
        except* (ConnectionError, TimeoutError):
            # The client is gone, or takes nothing any more.
            pass
        if closing is not None and not self._socket.closed:
            await self._socket.close(code=closing.code, message=closing.reason.encode()[:120])

    async def _listen(self) -> NoReturn:
        """Do what the client says until it closes."""
        clock = self._context.surroundings.clock
        since_s, count = clock.monotonic_s(), 0
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                raise _Closed(WSCloseCode.UNSUPPORTED_DATA, "text is expected")
            if clock.monotonic_s() - since_s >= 60:
                since_s, count = clock.monotonic_s(), 0
            count += 1
            if count > MESSAGES_PER_MINUTE_MAX:
                raise _Closed(WSCloseCode.POLICY_VIOLATION, "too many messages")
            await self._obey(message.data)
        raise _Closed(WSCloseCode.OK, "")

    async def _obey(self, text: str) -> None:
        wanted = _parse(text)
        if isinstance(wanted, str):
            self._client.offer(json.dumps({"error": wanted}))
            return
        subscribe, unsubscribe = wanted
        for topic in unsubscribe:
            self._hub.unsubscribe(self._client, topic)
        for topic in subscribe:
            action = ACTION_OF[topic]
            try:
                await self._context.authority.require(self._client.call, action, action.partition(".")[0])
            except Problem as problem:
                self._client.offer(json.dumps({"topic": topic, "error": problem.detail}))
                continue
            await self._hub.subscribe(self._client, topic)

    async def _tell(self) -> NoReturn:
        while True:
            text = await self._client.next()
            if text is not None:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send_str(text)
            elif self._client.ended is not None:
                raise _Closed(LOGIN_OVER, self._client.ended)
            else:
                await self._hub.catch_up(self._client)

    async def _keep_alive(self) -> NoReturn:
        while True:
            try:
                async with asyncio.timeout(self._context.pace.pulse_s):
                    await self._stopping.wait()
                raise _Closed(WSCloseCode.GOING_AWAY, "this host's agent is stopping")
            except TimeoutError:
                self._hub.recheck(self._client)
                self._client.offer(json.dumps({"heartbeat": self._context.surroundings.clock.now_ms()}))


def _parse(text: str) -> tuple[list[Topic], list[Topic]] | str:
    """Return the topics to subscribe to and those to leave, or what is wrong with the message."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "the message is not JSON"
    if not isinstance(value, dict) or not value.keys() <= {"subscribe", "unsubscribe"}:
        return 'the message is {"subscribe": [topics]} or {"unsubscribe": [topics]}'
    lists: list[list[Topic]] = []
    for key in ("subscribe", "unsubscribe"):
        names = value.get(key, [])
        if not isinstance(names, list) or not all(name in list(Topic) for name in names):
            return f"{key}: a list of {', '.join(Topic)}"
        lists.append([Topic(name) for name in dict.fromkeys(names)])
    return lists[0], lists[1]

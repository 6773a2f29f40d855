"""One connected client, by whatever means: what it asks for, what it is told, whether it still may be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from web.auth.problems import Problem
from web.live.client import Client, Subscription, Told
from web.live.hub import LiveHub
from web.live.log_lines import LogFollowing
from web.live.news import Wish
from web.live.topics import Topic, Wanted
from web.tools.context import Context

SEND_TIMEOUT_S = 20.0


class LoginOver(Exception):
    """The client may be told no more; the text says why."""


class Stopping(Exception):
    """This host's agent is stopping."""


class Connection:
    """Has a client told what it asked for. `send` delivers one message, or waits until it can."""

    def __init__(
        self,
        context: Context,
        hub: LiveHub,
        client: Client,
        *,
        send: Callable[[Told], Awaitable[None]],
        stopping: asyncio.Event,
        streams: asyncio.Semaphore,
    ) -> None:
        self._context = context
        self._hub = hub
        self._client = client
        self._send = send
        self._stopping = stopping
        self._streams = streams
        self._following: dict[str, tuple[Wanted, asyncio.Task[NoReturn]]] = {}
        self._powers = context.authority.powers(client.call).key

    async def live(self, listen: Callable[[], Awaitable[NoReturn]]) -> NoReturn:
        """Tell what there is until something ends it.

        Raises in a group: LoginOver, Stopping, ConnectionError, TimeoutError, and what `listen` raises.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._tell(), name="live-tell")
            tasks.create_task(self._keep_alive(), name="live-pulse")
            await listen()
        raise AssertionError("listening never ends by itself")

    async def subscribe(self, wanted: Wanted) -> None:
        """Begin a subscription, or tell the client why not."""
        try:
            if wanted.topic is Topic.LOGS:
                self._follow(wanted)
            else:
                await self._hub.subscribe(self._client, wanted)
        except Problem as problem:
            self._client.say(topic=wanted.name, error=problem.detail)

    def unsubscribe(self, name: str) -> None:
        """End a subscription."""
        following = self._following.pop(name, None)
        if following is not None:
            following[1].cancel()
        self._hub.unsubscribe(self._client, name)

    def _follow(self, wanted: Wanted) -> None:
        self.unsubscribe(wanted.name)
        subscription = Subscription(wanted.name, wanted.topic, Wish(filter=wanted.filter))
        lines = LogFollowing(self._context, self._client, subscription, self._streams, wanted.position)
        task = self._tasks.create_task(lines.run(), name="live-logs")
        self._following[wanted.name] = (wanted, task)

    def _follow_anew(self) -> None:
        """Where the caller may something else by now, every log is asked for again."""
        powers = self._context.authority.powers(self._client.call).key
        if powers != self._powers:
            self._powers = powers
            for wanted, _ in tuple(self._following.values()):
                self._follow(wanted)

    async def _tell(self) -> NoReturn:
        while True:
            told = await self._client.next()
            if told is not None:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._send(told)
            elif self._client.ended is not None:
                raise LoginOver(self._client.ended)
            else:
                await self._hub.catch_up(self._client)

    async def _keep_alive(self) -> NoReturn:
        while True:
            try:
                async with asyncio.timeout(self._context.pace.pulse_s):
                    await self._stopping.wait()
                raise Stopping("this host's agent is stopping")
            except TimeoutError:
                self._hub.recheck(self._client)
                self._follow_anew()
                self._client.say(heartbeat=self._context.surroundings.clock.now_ms())

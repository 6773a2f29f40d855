"""One look at each topic for all who watch it: read once, encoded once, given to everybody."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from cluster.store import Committed
from web.auth.call import Call
from web.auth.credentials import Authenticator
from web.auth.problems import Problem
from web.live.feeds import Feed, Topic, feeds_of
from web.tools.context import Context

log = logging.getLogger(__name__)

CLIENTS_OF_ACCOUNT_MAX = 32
QUEUE_MAX = 64
RELOOK_S = 10.0
"""How often a topic that is told of its changes is looked at all the same."""
_ACCESS_TABLES = frozenset({"principals", "logins", "api_tokens"})


class Client:
    """One connection's messages to be sent. When it falls behind they are dropped, and it begins anew."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.topics: set[Topic] = set()
        self.is_behind = False
        self.dropped = 0
        self.ended: str | None = None
        self._queue: deque[str] = deque()
        self._something = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many messages wait to be sent."""
        return len(self._queue)

    def offer(self, text: str) -> None:
        """Queue a message, unless the client is behind anyway."""
        if self.is_behind or len(self._queue) >= QUEUE_MAX:
            self.dropped += 1 + len(self._queue)
            self._queue.clear()
            self.is_behind = True
        else:
            self._queue.append(text)
        self._something.set()

    def end(self, reason: str) -> None:
        """Have the connection closed."""
        self.ended = reason
        self._something.set()

    async def next(self) -> str | None:
        """Return the next message; None when the client is behind or has ended."""
        while True:
            if self.ended is not None or self.is_behind:
                return None
            if self._queue:
                return self._queue.popleft()
            self._something.clear()
            await self._something.wait()


class _Watched:
    """A feed, who watches it, and the two events that wake it."""

    def __init__(self, feed: Feed, interval_s: float) -> None:
        self.feed = feed
        self.interval_s = interval_s
        self.clients: set[Client] = set()
        self.newcomers: set[Client] = set()
        """Those who could not be told everything yet."""
        self.wanted = asyncio.Event()
        self.news = asyncio.Event()
        self.looking = asyncio.Lock()


class LiveHub:
    """All clients of one node."""

    def __init__(self, context: Context, authenticator: Authenticator, *, clients_max: int) -> None:
        pace = context.pace
        intervals = {
            Topic.CONTAINERS: pace.containers_s,
            Topic.METRICS: pace.metrics_s,
            Topic.SECONDS: pace.seconds_s,
        }
        self._context = context
        self._authenticator = authenticator
        self._clients_max = clients_max
        self._watched = {
            topic: _Watched(feed, intervals.get(topic, min(RELOOK_S, pace.metrics_s)))
            for topic, feed in feeds_of(context).items()
        }
        self._clients: set[Client] = set()

    @property
    def depth(self) -> int:
        """How many messages wait to be sent to all of them; from any thread."""
        return sum(client.depth for client in tuple(self._clients))

    @asynccontextmanager
    async def connected(self, call: Call) -> AsyncIterator[Client]:
        """Keep a client for as long as its connection lives. Raises Problem when there are too many."""
        principal_id = call.known().principal_id
        of_account = sum(client.call.known().principal_id == principal_id for client in self._clients)
        if len(self._clients) >= self._clients_max or of_account >= CLIENTS_OF_ACCOUNT_MAX:
            raise Problem(
                "unavailable",
                f"{len(self._clients)} live connections are open here, {of_account} of them of this account",
                hint="ask another host, or raise api.live_clients_max",
                retry_after_s=30,
            )
        client = Client(call)
        self._clients.add(client)
        try:
            yield client
        finally:
            self._clients.discard(client)
            for watched in self._watched.values():
                self._leave(watched, client)

    async def subscribe(self, client: Client, topic: Topic) -> None:
        """Tell the client everything about a topic, and from then on what changes. Again: from the start."""
        watched = self._watched[topic]
        async with watched.looking:
            problem: Problem | None = None
            if len(watched.clients) == len(watched.newcomers):
                # Nobody watched: what the feed knows may be old.
                try:
                    await watched.feed.update()
                except Problem as error:
                    problem = error
            client.topics.add(topic)
            watched.clients.add(client)
            watched.wanted.set()
            if problem is None:
                client.offer(watched.feed.snapshot())
            else:
                watched.newcomers.add(client)
                client.offer(json.dumps({"topic": topic, "error": problem.detail}))

    def unsubscribe(self, client: Client, topic: Topic) -> None:
        """Tell the client no more of a topic."""
        client.topics.discard(topic)
        self._leave(self._watched[topic], client)

    async def catch_up(self, client: Client) -> None:
        """After messages were dropped: say how many, and begin every topic anew."""
        dropped, client.dropped, client.is_behind = client.dropped, 0, False
        client.offer(json.dumps({"dropped": dropped}))
        for topic in sorted(client.topics):
            await self.subscribe(client, topic)

    async def run(self) -> None:
        """Watch what is wanted. Never returns."""
        unsubscribe = self._context.surroundings.state.subscribe(self._committed)
        try:
            async with asyncio.TaskGroup() as tasks:
                for topic, watched in self._watched.items():
                    tasks.create_task(self._watch(watched), name=f"live-{topic}")
        finally:
            unsubscribe()

    def recheck(self, client: Client) -> None:
        """End the connection of somebody who logged out or was changed since."""
        refused = self._authenticator.recheck(client.call.known())
        if refused is not None:
            client.end(refused)

    def _committed(self, committed: Committed) -> None:
        tables = {table for table, _ in committed.changed}
        for watched in self._watched.values():
            if committed.is_everything or watched.feed.tables & tables:
                watched.news.set()
        if committed.is_everything or tables & _ACCESS_TABLES:
            for client in list(self._clients):
                self.recheck(client)

    async def _watch(self, watched: _Watched) -> None:
        pace = self._context.pace
        while True:
            await watched.wanted.wait()
            watched.news.clear()
            try:
                async with watched.looking:
                    self._tell(watched, await watched.feed.update())
            except Exception:
                # What is shown may fail; the agent must not end for it.
                log.exception("live.look_failed", extra={"topic": watched.feed.topic})
            await asyncio.sleep(pace.coalesce_s)
            try:
                async with asyncio.timeout(max(0.0, watched.interval_s - pace.coalesce_s)):
                    await watched.news.wait()
            except TimeoutError:
                continue

    @staticmethod
    def _tell(watched: _Watched, message: str | None) -> None:
        """Tell what changed, and everything to those who could not be told it before."""
        if message is not None:
            for client in watched.clients - watched.newcomers:
                client.offer(message)
        for client in watched.newcomers:
            client.offer(watched.feed.snapshot())
        watched.newcomers.clear()

    @staticmethod
    def _leave(watched: _Watched, client: Client) -> None:
        watched.clients.discard(client)
        watched.newcomers.discard(client)
        if not watched.clients:
            watched.wanted.clear()


HUB = web.AppKey("hub", LiveHub)

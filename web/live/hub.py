"""One look at each topic for all who watch it: read once, encoded once, given to everybody."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web

from cluster.store import Committed, records
from web.auth.call import Call
from web.auth.credentials import Authenticator
from web.auth.kept_records import TABLES as ACCESS_TABLES
from web.auth.problems import Problem
from web.live.client import Client, Subscription, Told
from web.live.feeds import Feed, feeds_of
from web.live.news import News, Wish
from web.live.topics import ACTION_OF, ANYTHING, NEW_ALERTS, Topic, Wanted
from web.tools.context import Context
from web.tools.nodes import find_node
from web.tools.visibility import sight_of

log = logging.getLogger(__name__)

CLIENTS_OF_ACCOUNT_MAX = 32
RELOOK_S = 10.0
"""How often a topic that is told of its changes is looked at all the same."""
_LOGINS = records.LOGINS.table.name


class _Watched:
    """A feed, who watches it, and the two events that wake it."""

    def __init__(self, feed: Feed, interval_s: float) -> None:
        self.feed = feed
        self.interval_s = interval_s
        self.watchers: dict[tuple[Client, str], Subscription] = {}
        """By client and name."""
        self.newcomers: set[tuple[Client, str]] = set()
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
            # Hosts measure every second only while they are asked to.
            Topic.UPDATES: pace.seconds_s,
        }
        self._context = context
        self._authenticator = authenticator
        self._clients_max = clients_max
        epoch = context.surroundings.ids.token_bytes(4).hex()
        self._watched = {
            topic: _Watched(feed, intervals.get(topic, min(RELOOK_S, pace.metrics_s)))
            for topic, feed in feeds_of(context, epoch).items()
        }
        self._clients: set[Client] = set()
        self._of_account: Counter[str] = Counter()

    @property
    def depth(self) -> int:
        """How many messages wait to be sent to all of them; from any thread."""
        return sum(client.depth for client in tuple(self._clients))

    @asynccontextmanager
    async def connected(self, call: Call) -> AsyncIterator[Client]:
        """Keep a client for as long as its connection lives. Raises Problem when there are too many."""
        principal_id = call.known().principal_id
        of_account = self._of_account[principal_id]
        if len(self._clients) >= self._clients_max or of_account >= CLIENTS_OF_ACCOUNT_MAX:
            raise Problem(
                "unavailable",
                f"{len(self._clients)} live connections are open here, {of_account} of them of this account",
                hint="ask another host, or raise api.live_clients_max",
                retry_after_s=30,
            )
        client = Client(call)
        self._clients.add(client)
        self._of_account[principal_id] += 1
        try:
            yield client
        finally:
            self._clients.discard(client)
            self._of_account[principal_id] -= 1
            if not self._of_account[principal_id]:
                del self._of_account[principal_id]
            for subscription in tuple(client.subscriptions.values()):
                self.unsubscribe(client, subscription.name)

    async def subscribe(self, client: Client, wanted: Wanted) -> None:
        """Tell the client everything about a topic, or what it missed since its position, and from then on
        what changes. Again under the same name: in place of the earlier subscription.

        Raises Problem when the caller may not, or when there is no such host.
        """
        action = ACTION_OF[wanted.topic]
        await self._context.authority.admit(client.call, action, action.partition(".")[0])
        self.unsubscribe(client, wanted.name)
        subscription = Subscription(wanted.name, wanted.topic, self._wish(client, wanted))
        watched = self._watched[wanted.topic]
        async with watched.looking:
            problem: Problem | None = None
            if len(watched.watchers) == len(watched.newcomers):
                # Nobody watched: what the feed knows may be old.
                try:
                    await watched.feed.update()
                except Problem as error:
                    problem = error
            client.subscriptions[wanted.name] = subscription
            watched.watchers[client, wanted.name] = subscription
            watched.wanted.set()
            if problem is None:
                self._begin(client, subscription, watched.feed, wanted.position)
            else:
                watched.newcomers.add((client, wanted.name))
                client.say(topic=wanted.name, error=problem.detail)

    def unsubscribe(self, client: Client, name: str) -> None:
        """Tell the client no more under this name."""
        subscription = client.subscriptions.pop(name, None)
        if subscription is None or subscription.topic not in self._watched:
            return
        watched = self._watched[subscription.topic]
        watched.watchers.pop((client, name), None)
        watched.newcomers.discard((client, name))
        if not watched.watchers:
            watched.wanted.clear()

    async def catch_up(self, client: Client) -> None:
        """After messages were dropped: say how many, and begin every topic anew."""
        dropped, client.dropped, client.is_behind = client.dropped, 0, False
        client.say(dropped=dropped)
        for name, subscription in sorted(client.subscriptions.items()):
            watched = self._watched.get(subscription.topic)
            if watched is not None:
                async with watched.looking:
                    self._begin(client, subscription, watched.feed, "")
                    watched.newcomers.discard((client, name))

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
        """End the connection of somebody who logged out or was changed since, and begin every topic anew for
        one who sees something else now: permissions were changed, or their hours began or ended."""
        refused = self._authenticator.recheck(client.call.known())
        if refused is not None:
            client.end(refused)
            return
        sight = sight_of(self._context, client.call)
        for name, subscription in tuple(client.subscriptions.items()):
            watched = self._watched.get(subscription.topic)
            if watched is None or subscription.wish.sight == sight:
                continue
            decision = self._context.authority.could(client.call, ACTION_OF[subscription.topic])
            if not decision.allowed:
                self.unsubscribe(client, name)
                client.say(topic=name, error=decision.reason)
                continue
            renewed = replace(subscription, wish=replace(subscription.wish, sight=sight))
            client.subscriptions[name] = watched.watchers[client, name] = renewed
            watched.newcomers.add((client, name))
            watched.news.set()

    def _wish(self, client: Client, wanted: Wanted) -> Wish:
        narrowed = wanted.filter
        if narrowed.node:
            narrowed = replace(narrowed, node=find_node(self._context.surroundings, narrowed.node).id)
        return Wish(
            filter=narrowed if narrowed != ANYTHING else ANYTHING,
            sight=sight_of(self._context, client.call),
            only_new=wanted.name == NEW_ALERTS,
        )

    @staticmethod
    def _begin(client: Client, subscription: Subscription, feed: Feed, position: str) -> None:
        missed = feed.since(position) if position else None
        if missed is None:
            whole = feed.snapshot()
            members = whole.members(subscription.wish)
            assert members is not None, "a whole message is never empty"
            client.tell(subscription, whole.position, members, has_gap=bool(position))
            return
        if not missed:
            # So that it knows that it is back, and missed nothing.
            client.tell(subscription, position, '"resumed":true')
        for news in missed:
            members = news.members(subscription.wish)
            client.tell(subscription, news.position, members or '"resumed":true')

    def _committed(self, committed: Committed) -> None:
        tables = {table for table, _ in committed.changed}
        for watched in self._watched.values():
            if committed.is_everything or watched.feed.tables & tables:
                watched.news.set()
        if not (committed.is_everything or tables & ACCESS_TABLES):
            return
        concerned = list(self._clients)
        if tables & ACCESS_TABLES == {_LOGINS}:
            # Each is renewed every few minutes, which says nothing of the others.
            logins = {records.LOGINS.parts_of(key)[0] for table, key in committed.changed if table == _LOGINS}
            concerned = [each for each in concerned if each.call.known().session_id in logins]
        for client in concerned:
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

    def _tell(self, watched: _Watched, news: News | None) -> None:
        """Tell what changed, and everything to those who could not be told it before."""
        if news is not None:
            for (client, name), subscription in watched.watchers.items():
                if (client, name) in watched.newcomers:
                    continue
                text = news.text(name, subscription.wish)
                if text is not None:
                    client.offer(Told(text, name, news.position))
        for client, name in watched.newcomers:
            self._begin(client, watched.watchers[client, name], watched.feed, "")
        watched.newcomers.clear()


HUB = web.AppKey("hub", LiveHub)

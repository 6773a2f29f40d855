"""One connection's side: what it is subscribed to, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass

from web.auth.call import Call
from web.live.news import Wish, text_of
from web.live.topics import Topic

QUEUE_MAX = 64


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client is told of a topic, and under which name."""

    name: str
    topic: Topic
    wish: Wish


@dataclass(frozen=True, slots=True)
class Told:
    """One message to be sent: the JSON `text`, and of what is about a topic its name and position."""

    text: str
    name: str = ""
    position: str = ""


class Client:
    """One connection's messages to be sent. When it falls behind they are dropped, and it begins anew."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.subscriptions: dict[str, Subscription] = {}
        """By name."""
        self.is_behind = False
        self.dropped = 0
        self.ended: str | None = None
        self._queue: deque[Told] = deque()
        self._something = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many messages wait to be sent."""
        return len(self._queue)

    def offer(self, told: Told) -> None:
        """Queue a message, unless the client is behind anyway."""
        if self.is_behind or len(self._queue) >= QUEUE_MAX:
            self.dropped += 1 + len(self._queue)
            self._queue.clear()
            self.is_behind = True
        else:
            self._queue.append(told)
        self._something.set()

    def say(self, **members: object) -> None:
        """Queue a message that is about no topic's content."""
        self.offer(Told(json.dumps(members)))

    def tell(self, subscription: Subscription, position: str, members: str, *, has_gap: bool = False) -> None:
        """Queue a message about a topic."""
        name = subscription.name
        self.offer(Told(text_of(name, position, members, has_gap=has_gap), name, position))

    def end(self, reason: str) -> None:
        """Have the connection closed."""
        self.ended = reason
        self._something.set()

    async def next(self) -> Told | None:
        """Return the next message; None when the client is behind or has ended."""
        while True:
            if self.ended is not None or self.is_behind:
                return None
            if self._queue:
                return self._queue.popleft()
            self._something.clear()
            await self._something.wait()

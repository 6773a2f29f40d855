"""Containers' lines as they are written, merged for one client.

Unlike the other topics this one is read for each client by itself. Lines are sent some together; a client
that takes them more slowly than they come loses the oldest, and is told how many.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from cluster.logs.levels import level_of
from cluster.model.inventory import HostRefused, HostUnavailable, LogLine, LogQuery
from web.auth.problems import Problem
from web.live.client import Client, Subscription
from web.live.topics import Filter, listed
from web.tools.containers import open_logs
from web.tools.context import Context
from web.tools.views import ContainerView

TAIL = 100
LINES_KEPT_MAX = 2000
CHARACTERS_KEPT_MAX = 2 * 1024 * 1024
LINES_AT_ONCE_MAX = 500
CLIENT_DEPTH_MAX = 8
"""While so many messages wait for the client, lines are kept back here."""
TOGETHER_S = 0.1
TRY_AGAIN_S = 2.0


@dataclass(slots=True)
class _Place:
    """How far a container's lines have come: the newest moment, and how many lines of it there were."""

    at_ms: int = 0
    lines: int = 0


@dataclass(slots=True)
class _Pending:
    lines: deque[str] = field(default_factory=deque)
    characters: int = 0
    dropped: int = 0
    something: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, line: str) -> None:
        """Keep a line; the oldest make room."""
        self.lines.append(line)
        self.characters += len(line)
        while len(self.lines) > LINES_KEPT_MAX or self.characters > CHARACTERS_KEPT_MAX:
            self.take()
            self.dropped += 1
        self.something.set()

    def take(self) -> str:
        """Return the oldest line, which is kept no more."""
        line = self.lines.popleft()
        self.characters -= len(line)
        return line


class LogFollowing:
    """The lines of a subscription's containers, until it is ended by cancelling `run`."""

    def __init__(
        self,
        context: Context,
        client: Client,
        subscription: Subscription,
        streams: asyncio.Semaphore,
        position: str,
    ) -> None:
        self._context = context
        self._client = client
        self._subscription = subscription
        self._streams = streams
        self._wanted: Filter = subscription.wish.filter
        self._levels = frozenset(listed(self._wanted.levels))
        self._outputs = frozenset(listed(self._wanted.streams))
        self._text = self._wanted.q.lower()
        self._places = _places(position)
        self._pending = _Pending()

    async def run(self) -> NoReturn:
        """Follow every container; one that ends is looked for again, by the name that was given."""
        async with asyncio.TaskGroup() as tasks:
            for reference in dict.fromkeys(listed(self._wanted.containers)):
                tasks.create_task(self._follow(reference), name="live-log")
            await self._tell()

    async def _follow(self, reference: str) -> NoReturn:
        told = ""
        while True:
            reason = await self._read(reference)
            if reason != told:
                self._client.say(topic=self._subscription.name, container=reference, ended=reason)
                told = reason
            await asyncio.sleep(TRY_AGAIN_S)

    async def _read(self, reference: str) -> str:
        """Read until there is no more, and return why."""
        if self._streams.locked():
            return "as many logs are followed here as this host allows; ask another host"
        async with self._streams:
            try:
                # What was found by its name may be another container by now.
                container, opening = await open_logs(
                    self._context,
                    self._client.call,
                    reference,
                    self._query(reference),
                    node=self._wanted.node,
                )
                place = self._places.setdefault(reference, _Place())
                seen = _Place(place.at_ms, 0)
                async with opening as lines:
                    async for line in lines:
                        if not self._is_repeated(line, place, seen):
                            self._keep(container, line)
            except (Problem, HostUnavailable, HostRefused) as error:
                return str(error)
        return "it writes no more"

    def _query(self, reference: str) -> LogQuery:
        place = self._places.get(reference)
        if place is not None and place.at_ms:
            return LogQuery(tail=None, since_ms=place.at_ms, is_following=True)
        return LogQuery(tail=int(self._wanted.tail or TAIL), is_following=True)

    @staticmethod
    def _is_repeated(line: LogLine, place: _Place, seen: _Place) -> bool:
        """Whether a line was told before the stream was opened anew; otherwise it is counted.

        `seen` is how many lines of the newest moment told earlier have come by again.
        """
        if seen.at_ms and line.at_ms < seen.at_ms:
            return True
        if seen.at_ms and line.at_ms == seen.at_ms and seen.lines < place.lines and place.at_ms == seen.at_ms:
            seen.lines += 1
            return True
        seen.at_ms = 0
        if line.at_ms == place.at_ms:
            place.lines += 1
        elif line.at_ms > place.at_ms:
            place.at_ms, place.lines = line.at_ms, 1
        return False

    def _keep(self, container: ContainerView, line: LogLine) -> None:
        if self._outputs and line.stream not in self._outputs:
            return
        if self._text and self._text not in line.text.lower():
            return
        level = level_of(line.text).name.lower()
        if self._levels and level not in self._levels:
            return
        self._pending.add(
            json.dumps(
                {
                    "node_id": container.node_id,
                    "container_id": container.id,
                    "container": container.name,
                    "stream": line.stream,
                    "at_ms": line.at_ms,
                    "level": level,
                    "text": line.text,
                },
                separators=(",", ":"),
            )
        )

    async def _tell(self) -> NoReturn:
        pending = self._pending
        while True:
            await pending.something.wait()
            await asyncio.sleep(TOGETHER_S)
            if self._client.depth >= CLIENT_DEPTH_MAX:
                continue
            count = min(len(pending.lines), LINES_AT_ONCE_MAX)
            lines = ",".join(pending.take() for _ in range(count))
            dropped = f',"dropped":{pending.dropped}' if pending.dropped else ""
            pending.dropped = 0
            if not pending.lines:
                pending.something.clear()
            self._client.tell(self._subscription, _position(self._places), f'"lines":[{lines}]{dropped}')


def _position(places: Mapping[str, _Place]) -> str:
    """Return the places as text. Names and ids of containers hold neither of the signs between."""
    return ",".join(f"{name}:{place.at_ms}:{place.lines}" for name, place in places.items() if place.at_ms)


def _places(position: str) -> dict[str, _Place]:
    """Return the places a text names; what cannot be read is begun anew."""
    places: dict[str, _Place] = {}
    for part in listed(position):
        name, _, rest = part.partition(":")
        at_ms, _, lines = rest.partition(":")
        if all(each.isascii() and each.isdigit() and len(each) < 16 for each in (at_ms, lines)):
            places[name] = _Place(int(at_ms), int(lines))
    return places

"""Lines of this host as they are taken in, for whoever follows them. For one event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster.model.log_history import FollowedLines, KeptLine

HELD_MAX = 10_000
HELD_CHARACTERS_MAX = 4 * 1024 * 1024
"""For one reader: beyond either the oldest are missed, and counted. Not more than a peer takes at once."""
BATCH_MAX = 1_000
GATHER_S = 0.05
"""Lines of so long go out together: at ten thousand a second a message each would be most of the work."""


class LogTap:
    """What one reader has still to be given."""

    def __init__(self) -> None:
        self._waiting: deque[KeptLine] = deque()
        self._characters = 0
        self._missed = 0
        self._has_any = asyncio.Event()

    def put(self, line: KeptLine) -> None:
        """Hold a line for the reader."""
        self._waiting.append(line)
        self._characters += len(line.text)
        while len(self._waiting) > HELD_MAX or self._characters > HELD_CHARACTERS_MAX:
            self._next()
            self._missed += 1
        self._has_any.set()

    async def take(self) -> FollowedLines:
        """Return what came since the last time, once there is something."""
        await self._has_any.wait()
        if len(self._waiting) < BATCH_MAX:
            await asyncio.sleep(GATHER_S)
        lines = tuple(self._next() for _ in range(min(BATCH_MAX, len(self._waiting))))
        missed, self._missed = self._missed, 0
        if not self._waiting:
            self._has_any.clear()
        return FollowedLines(lines=lines, missed=missed)

    def _next(self) -> KeptLine:
        line = self._waiting.popleft()
        self._characters -= len(line.text)
        return line


class LogTaps:
    """All readers, by the containers they follow."""

    def __init__(self) -> None:
        self._of: dict[str, list[LogTap]] = defaultdict(list)

    def put(self, line: KeptLine) -> None:
        """Give a line to those who follow its container."""
        for tap in self._of.get(line.container_id, ()):
            tap.put(line)

    @contextmanager
    def open(self, container_ids: Sequence[str]) -> Iterator[LogTap]:
        """A reader of these containers, inside the block."""
        tap = LogTap()
        for container_id in container_ids:
            self._of[container_id].append(tap)
        try:
            yield tap
        finally:
            for container_id in container_ids:
                self._of[container_id].remove(tap)
                if not self._of[container_id]:
                    del self._of[container_id]

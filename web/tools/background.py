"""Work that outlives the request that began it, and ends with the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiohttp import web

from web.auth.problems import Problem

AT_ONCE_MAX = 32
STOP_PATIENCE_S = 5.0


class Background:
    """Tasks of this node. A connection that breaks ends none of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    async def lifetime(self, _app: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            self._group = group
            yield
            self._group = None
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=STOP_PATIENCE_S)
                for task in late:
                    task.cancel()

    def check_room(self) -> None:
        """Raise Problem (503) when no more can be begun: before it is committed that something is."""
        if self._group is None:
            raise Problem("unavailable", "this host is stopping", hint="ask another host", retry_after_s=2)
        if len(self._tasks) >= AT_ONCE_MAX:
            raise Problem(
                "unavailable",
                f"{AT_ONCE_MAX} things are being done at this host, which is the most at once",
                hint="try again in a moment",
                retry_after_s=5,
            )

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Begin some work, which raises nothing."""
        assert self._group is not None, "there was room a moment ago, and nothing was awaited since"
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""What this host has of its containers' output: for its own surfaces, and for peers that ask.

Without a history (it is off) lines can still be followed, straight from the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import cast

from agent.follow.log_collector import Closable, LogCollector, LogEngine
from agent.follow.log_tap import LogTap, LogTaps
from agent.logbook.logbook import Logbook
from agent.ports.engine import EngineError, LogStream
from cluster.logs.levels import level_of
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.log_history import (
    FollowedLines,
    KeptLine,
    LineStream,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogPage,
    LogSearch,
    LogStanding,
    LogsUnavailable,
    PatternRefused,
)

OFF = "the history of container output is switched off on this host (logs.history)"
FOLLOWED_WITHOUT_HISTORY_MAX = 50


class LocalLogs:
    """For one event loop. `logbook` and `collector` are None where the history is off.

    Every call raises HostUnavailable or HostRefused.
    """

    def __init__(
        self,
        *,
        engine: LogEngine,
        taps: LogTaps,
        logbook: Logbook | None = None,
        collector: LogCollector | None = None,
    ) -> None:
        self._engine = engine
        self._taps = taps
        self._logbook = logbook
        self._collector = collector

    async def standing(self) -> LogStanding:
        """What is kept, of which containers, and why no more."""
        if self._logbook is None or self._collector is None:
            return LogStanding(problem=OFF)
        reading, problems = self._collector.reading, self._collector.problems
        standing = await self._logbook.standing()
        return replace(
            standing,
            sources=tuple(
                replace(
                    each,
                    is_live=each.source.container_id in reading,
                    problem=problems.get(each.source.container_id, ""),
                )
                for each in standing.sources
            ),
        )

    async def search(self, query: LogSearch) -> LogPage:
        try:
            return await self._kept().search(query)
        except LogsUnavailable as error:
            raise HostUnavailable(str(error)) from error
        except PatternRefused as error:
            raise HostRefused(f"pattern: {error}", code="refused") from error

    async def count(self, query: LogCountQuery) -> LogCounts:
        try:
            return await self._kept().count(query)
        except LogsUnavailable as error:
            raise HostUnavailable(str(error)) from error

    def _kept(self) -> Logbook:
        if self._logbook is None:
            raise HostUnavailable(OFF)
        return self._logbook

    @asynccontextmanager
    async def follow(self, wanted: LogFollow) -> AsyncIterator[AsyncIterator[FollowedLines]]:
        """Lines of these containers as they come; a container that ends is followed again when it starts."""
        if self._logbook is not None:
            with self._taps.open(wanted.container_ids) as tap:
                yield _taken(tap)
            return
        if len(wanted.container_ids) > FOLLOWED_WITHOUT_HISTORY_MAX:
            raise HostRefused(
                f"{len(wanted.container_ids)} containers: without a history at most "
                f"{FOLLOWED_WITHOUT_HISTORY_MAX} are followed at once",
                code="refused",
            )
        tap = LogTap()
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(self._read(container_id, wanted.tail, tap))
                for container_id in wanted.container_ids
            ]
            try:
                yield _taken(tap)
            finally:
                for task in reading:
                    task.cancel()

    async def _read(self, container_id: str, tail: int, tap: LogTap) -> None:
        lines = self._engine.logs(container_id, tail=tail, follow=True)
        ordinal = 0
        try:
            async with aclosing(cast("Closable", lines)):
                async for line in lines:
                    is_error = line.stream is LogStream.STDERR
                    tap.put(
                        KeptLine(
                            container_id=container_id,
                            at_us=(line.at_ns or 0) // 1000,
                            ordinal=ordinal,
                            stream=LineStream.STDERR if is_error else LineStream.STDOUT,
                            level=level_of(line.text),
                            text=line.text,
                            is_partial=line.is_partial,
                        )
                    )
                    ordinal += 1
        except EngineError as error:
            tap.put(
                KeptLine(
                    container_id=container_id,
                    at_us=0,
                    ordinal=ordinal,
                    stream=LineStream.EVENT,
                    level=0,
                    text=f"cannot be followed: {error}",
                )
            )


async def _taken(tap: LogTap) -> AsyncIterator[FollowedLines]:
    while True:
        yield await tap.take()

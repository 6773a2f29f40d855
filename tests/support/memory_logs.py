"""A `LogHistory` of lines in memory, with the real matching and the real order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cluster.logs.pattern import matcher
from cluster.model.inventory import HostUnavailable
from cluster.model.log_history import (
    FollowedLines,
    KeptLine,
    KeptSource,
    LogCountQuery,
    LogCounts,
    LogFollow,
    LogLevel,
    LogPage,
    LogSearch,
    LogSource,
    LogStanding,
)


@dataclass(slots=True)
class MemoryLogs:
    """Lines by host; those in `silent` do not answer. What is put into `coming` is followed."""

    now_us: int
    lines: dict[str, list[KeptLine]] = field(default_factory=dict)
    sources: dict[str, dict[str, LogSource]] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    skew_us: dict[str, int] = field(default_factory=dict)
    coming: asyncio.Queue[FollowedLines] = field(default_factory=asyncio.Queue)
    searched: list[LogSearch] = field(default_factory=list)

    def keep(self, node_id: str, source: LogSource, *lines: tuple[int, str], **fields: int) -> None:
        """Have a host keep lines: moments in microseconds, and texts."""
        kept = self.lines.setdefault(node_id, [])
        self.sources.setdefault(node_id, {})[source.container_id] = source
        for at_us, text in lines:
            ordinal = sum(line.container_id == source.container_id for line in kept)
            values = {"stream": 0, "level": 0, **fields}
            kept.append(
                KeptLine(container_id=source.container_id, at_us=at_us, ordinal=ordinal, text=text, **values)  # type: ignore[arg-type]  # its fields
            )

    async def standings(self) -> Mapping[str, LogStanding | HostUnavailable]:
        await asyncio.sleep(0)
        return {node_id: self._standing(node_id) for node_id in {*self.lines, *self.silent}}

    def _standing(self, node_id: str) -> LogStanding | HostUnavailable:
        if node_id in self.silent:
            return HostUnavailable(self.silent[node_id])
        return LogStanding(
            sources=tuple(
                KeptSource(
                    source=source,
                    start_us=min(line.at_us for line in self._of(node_id, source)),
                    end_us=max(line.at_us for line in self._of(node_id, source)),
                    lines=len(self._of(node_id, source)),
                )
                for source in self.sources[node_id].values()
            ),
            now_us=self.now_us + self.skew_us.get(node_id, 0),
        )

    def _of(self, node_id: str, source: LogSource) -> list[KeptLine]:
        return [line for line in self.lines[node_id] if line.container_id == source.container_id]

    async def search(self, queries: Mapping[str, LogSearch]) -> Mapping[str, LogPage | HostUnavailable]:
        await asyncio.sleep(0)
        self.searched += queries.values()
        return {node_id: self._page(node_id, query) for node_id, query in queries.items()}

    def _page(self, node_id: str, query: LogSearch) -> LogPage | HostUnavailable:
        if node_id in self.silent:
            return HostUnavailable(self.silent[node_id])
        fits = matcher(query.pattern, is_regex=query.is_regex, is_case_sensitive=query.is_case_sensitive)
        found = [
            line
            for line in self.lines.get(node_id, ())
            if line.container_id in query.container_ids
            and line.at_us >= query.start_us
            and (not query.end_us or line.at_us < query.end_us)
            and query.levels >> line.level & 1
            and query.streams >> line.stream & 1
            and (fits is None or fits(line.text))
        ]
        found.sort(key=lambda line: line.place, reverse=query.is_newest_first)
        if query.after is not None:
            after = query.after
            found = [
                line
                for line in found
                if (line.place < after if query.is_newest_first else line.place > after)
            ]
        page = tuple(found[: query.limit])
        return LogPage(lines=page, horizon=page[-1].place if len(found) > query.limit else None)

    async def count(self, queries: Mapping[str, LogCountQuery]) -> Mapping[str, LogCounts | HostUnavailable]:
        await asyncio.sleep(0)
        return {node_id: self._counts(node_id, query) for node_id, query in queries.items()}

    def _counts(self, node_id: str, query: LogCountQuery) -> LogCounts | HostUnavailable:
        if node_id in self.silent:
            return HostUnavailable(self.silent[node_id])
        counts = [[0] * len(LogLevel) for _ in range(-(-(query.end_us - query.start_us) // query.step_us))]
        for line in self.lines.get(node_id, ()):
            step = (line.at_us - query.start_us) // query.step_us
            if line.container_id in query.container_ids and 0 <= step < len(counts):
                counts[step][line.level] += 1
        return LogCounts(counts=tuple(map(tuple, counts)))

    @asynccontextmanager
    async def follow(self, node_id: str, wanted: LogFollow) -> AsyncIterator[AsyncIterator[FollowedLines]]:
        if node_id in self.silent:
            raise HostUnavailable(self.silent[node_id])

        async def read() -> AsyncIterator[FollowedLines]:
            while True:
                batch = await self.coming.get()
                lines = tuple(line for line in batch.lines if line.container_id in wanted.container_ids)
                yield FollowedLines(lines=lines, missed=batch.missed)

        yield read()

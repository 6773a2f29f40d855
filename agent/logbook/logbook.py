"""The history of this host: lines are added on the event loop, one thread writes them, processes search them.

What is not on disk yet is searched too. A store that cannot be written says why, is tried again, and takes
nothing in meanwhile: the engine still has what was written, and collecting goes on where the store ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent.logbook.buffers import Batch
from agent.logbook.searcher import Searcher
from agent.logbook.store import KeptOf, LogStore, SegmentRef, StoreFailed
from agent.logbook.worker import Result, Task
from cluster.logs.resuming import OVERLAP_US, Fingerprint
from cluster.model.log_history import (
    KeptLine,
    KeptSource,
    LogCountQuery,
    LogCounts,
    LogPage,
    LogSearch,
    LogSource,
    LogStanding,
    LogsUnavailable,
)

log = logging.getLogger(__name__)

HELD_BYTES_MAX = 8 * 1024 * 1024
FLUSH_AGE_US = 20_000_000
BUDGET_MS = 2_500
"""How long a search may look; it then says how far it came."""
_WRITES_WAITING_MAX = 8

_T = TypeVar("_T")


class Logbook:
    """For one event loop; nothing is there before `open`. `now_us` is the time of day."""

    def __init__(self, store: LogStore, *, searcher: Searcher, now_us: Callable[[], int]) -> None:
        self._store = store
        self._searcher = searcher
        self._now_us = now_us
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logbook")
        self._batches: dict[str, Batch] = {}
        self._kept: dict[str, KeptOf] = {}
        self._next_ordinal: dict[str, int] = {}
        self._writes = asyncio.Semaphore(_WRITES_WAITING_MAX)
        self._is_open = False
        self.problem = "the history of container output is being opened"
        """Why nothing is taken in now, for people; "" when it is."""

    # ---- its life -----------------------------------------------------------------------------

    async def open(self) -> bool:
        """Open it, or try again what failed of that; whether that went well."""
        try:
            if not self._is_open:
                await self._run(self._store.open)
                self._is_open = True
            await self.maintain()
        except StoreFailed as error:
            self._fail(str(error))
            return False
        return not self.problem

    async def close(self) -> None:
        """Write what is held, as far as that goes, and close the store."""
        if self._is_open:
            await self.flush()
            try:
                await self._run(self._store.close)
            except StoreFailed as error:
                log.warning("logs.not_closed", extra={"reason": str(error)})
        await self._searcher.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def maintain(self) -> None:
        """Let go of what is too much or too old, and see whether there is room. Raises StoreFailed."""

        def work() -> tuple[int, str, dict[str, KeptOf]]:
            freed = self._store.retain(self._now_us())
            self._store.sync()
            return freed, self._store.shortage(), self._store.kept()

        freed, shortage, self._kept = await self._run(work)
        for container_id, kept in self._kept.items():
            if self._next_ordinal.get(container_id) == kept.next_ordinal:
                # The store knows it. Here it would stay for every container there ever was.
                del self._next_ordinal[container_id]
        if freed:
            log.info("logs.let_go", extra={"freed_bytes": freed})
        if shortage:
            self._fail(shortage)
        else:
            self.problem = ""

    def _fail(self, reason: str) -> None:
        if self.problem != reason:
            log.warning("logs.not_kept", extra={"reason": reason})
        self.problem = reason

    # ---- writing ------------------------------------------------------------------------------

    async def last_of(self, container_id: str) -> list[Fingerprint]:
        """Return the lines of a container's last moments, those not on disk yet too. Raises StoreFailed."""
        batch = self._batches.get(container_id)
        held: list[Fingerprint] = []
        if batch is not None:
            held = [
                (at_us, kind & 3, text)
                for at_us, kind, text in zip(batch.moments_us, batch.kinds, batch.texts, strict=True)
            ]
        # The thread does one thing after the other, so what was handed to it before is in the store by then.
        last = await self._run(lambda: self._store.last_of(container_id)) + held
        newest_us = max((at_us for at_us, _, _ in last), default=0)
        return [each for each in last if each[0] >= newest_us - OVERLAP_US]

    def add(
        self, source: LogSource, at_us: int, stream: int, level: int, text: str, *, is_partial: bool = False
    ) -> KeptLine:
        """Take in a line, to be written soon; `settle` says when there are enough."""
        batch = self._batches.get(source.container_id)
        if batch is None:
            batch = self._batches[source.container_id] = Batch(
                source=source, first_ordinal=self._ordinal_of(source.container_id), since_us=self._now_us()
            )
        line = batch.add(at_us, stream, level, text, is_partial=is_partial)
        self._next_ordinal[source.container_id] = line.ordinal + 1
        return line

    def _ordinal_of(self, container_id: str) -> int:
        found = self._next_ordinal.get(container_id)
        if found is None:
            kept = self._kept.get(container_id)
            found = 0 if kept is None else kept.next_ordinal
        return found

    def is_full(self, container_id: str) -> bool:
        """Whether so much of a container is held that it is to be written before more is taken in."""
        batch = self._batches.get(container_id)
        return batch is not None and batch.is_full

    async def flush(self, container_id: str | None = None) -> None:
        """Write what is held of a container, or of all. What cannot be written is lost to the history, and
        `problem` says why; the engine still has it."""
        for wanted in [container_id] if container_id is not None else list(self._batches):
            batch = self._batches.pop(wanted, None)
            if batch is not None and batch.texts:
                async with self._writes:
                    await self._write(batch)

    async def flush_old(self) -> None:
        """Write what has been held for a while, and the largest while too much is held in all."""
        now_us = self._now_us()
        for container_id, batch in list(self._batches.items()):
            if now_us - batch.since_us >= FLUSH_AGE_US:
                await self.flush(container_id)
        while sum(batch.held_bytes for batch in self._batches.values()) > HELD_BYTES_MAX:
            await self.flush(max(self._batches, key=lambda each: self._batches[each].held_bytes))

    async def _write(self, batch: Batch) -> None:
        now_us = self._now_us()

        def work() -> None:
            self._store.append(
                batch.source,
                batch.first_ordinal,
                batch.moments_us,
                bytes(batch.kinds),
                batch.texts,
                now_us=now_us,
            )

        try:
            await self._run(work)
        except StoreFailed as error:
            self._fail(str(error))

    # ---- questions ----------------------------------------------------------------------------

    async def standing(self) -> LogStanding:
        """Return what is kept in all; the caller adds what is live."""

        def work() -> tuple[dict[str, KeptOf], int, int, int]:
            store = self._store
            return store.kept(), store.bytes_used, store.bytes_max, store.oldest_us

        held = [_held(batch) for batch in self._batches.values() if batch.texts]
        self._kept, used, most, oldest_us = await self._run(work)
        sources = {container_id: _of(kept) for container_id, kept in self._kept.items()}
        for each in held:
            before = sources.get(each.source.container_id)
            sources[each.source.container_id] = each if before is None else _joined(before, each)
        return LogStanding(
            sources=tuple(sources.values()),
            bytes_used=used,
            bytes_max=most,
            oldest_us=oldest_us or min((each.start_us for each in held), default=0),
            problem=self.problem,
            now_us=self._now_us(),
        )

    async def search(self, query: LogSearch) -> LogPage:
        """Return the next lines of those asked for. Raises LogsUnavailable or PatternRefused."""
        page = (await self._ask(query.container_ids, search=query)).page
        assert page is not None, "a search is answered with a page"
        return page

    async def count(self, query: LogCountQuery) -> LogCounts:
        """Return how many lines of each level each step has. Raises LogsUnavailable."""
        counts = (await self._ask(query.container_ids, count=query)).counts
        assert counts is not None, "a count is answered with counts"
        return counts

    async def end_idle(self) -> None:
        """End processes that nobody needs any more."""
        await self._searcher.end_idle()

    async def _ask(
        self,
        container_ids: Sequence[str],
        *,
        search: LogSearch | None = None,
        count: LogCountQuery | None = None,
    ) -> Result:
        if not self._is_open:
            raise LogsUnavailable(self.problem)
        held = [self._batches[each] for each in container_ids if each in self._batches]
        # They go on growing while the thread reads them: it is given what is there now.
        copies = [_copy(batch) for batch in held if batch.texts]

        def work() -> tuple[tuple[SegmentRef, ...], tuple[bytes, ...]]:
            return self._store.refs(container_ids), tuple(_records(copies))

        try:
            segments, extra = await self._run(work)
        except StoreFailed as error:
            raise LogsUnavailable(str(error)) from error
        return await self._searcher.ask(
            Task(segments=segments, extra=extra, budget_ms=BUDGET_MS, search=search, count=count)
        )

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _records(batches: Iterable[Batch]) -> Iterable[bytes]:
    for number, batch in enumerate(batches):
        yield from batch.records(number)


def _copy(batch: Batch) -> Batch:
    return Batch(
        source=batch.source,
        first_ordinal=batch.first_ordinal,
        since_us=batch.since_us,
        moments_us=batch.moments_us[:],
        kinds=batch.kinds[:],
        texts=batch.texts[:],
    )


def _held(batch: Batch) -> KeptSource:
    return KeptSource(
        source=batch.source,
        start_us=min(batch.moments_us),
        end_us=max(batch.moments_us),
        lines=len(batch.texts),
    )


def _of(kept: KeptOf) -> KeptSource:
    return KeptSource(source=kept.source, start_us=kept.start_us, end_us=kept.end_us, lines=kept.lines)


def _joined(before: KeptSource, after: KeptSource) -> KeptSource:
    return KeptSource(
        source=after.source,
        start_us=min(before.start_us, after.start_us),
        end_us=max(before.end_us, after.end_us),
        lines=before.lines + after.lines,
    )

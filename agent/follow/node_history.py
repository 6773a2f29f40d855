"""This node's metric history: one thread writes it, two answer questions to it.

The event loop never waits for the disk, and nobody who asks waits for the writer. Files are closed only when
no thread reads them any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from agent.peers.protocol import HistoryPage, HistoryQuestion
from cluster.history.errors import HistoryError
from cluster.history.keeping import HistoryWriter
from cluster.history.reading import HistoryReader, Samples
from cluster.history.transfer import Record, records, take
from cluster.metrics.query import HistoryStanding, RangeAnswer, RangeQuery, Selector
from cluster.metrics.retention import Retention
from cluster.model.metrics import METRICS, CommittedBatch, Subject

READERS = 2
READS_WAITING_MAX = 64
"""How many questions may wait for a thread: more are refused rather than kept in memory."""
RECORDS_MAX = 1024
"""How many records a page may have: packing and unpacking them is work of the loop."""

_T = TypeVar("_T")


class HistoryNotOpen(HistoryError):
    """The history is being opened, or cannot be; the text says why and what to do."""


class NodeHistory:
    """The history in `directory`. For one event loop; nothing is there before `open`.

    Every call may raise HistoryNotOpen and what the history itself raises.
    """

    def __init__(
        self, directory: Path, *, stagger: str, own_samples: Callable[[], tuple[int, int]] = lambda: (0, 0)
    ) -> None:
        """`own_samples` says how many blocks of this host's samples wait for the cluster, and are lost."""
        self._directory = directory
        self._own_samples = own_samples
        self._stagger = stagger
        self._writer: HistoryWriter | None = None
        self._reason = "this host's metric history is being opened: try again in a moment"
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="history-reader")
        self._waiting = 0
        # Nodes that join leave a thread to the people who ask.
        self._giving = asyncio.Lock()

    # ---- its life -----------------------------------------------------------------------------

    async def open(self) -> int:
        """Open it, anew if it is open, and return the log index up to which it has the batches.

        Raises HistoryUnusable or HistoryFailed.
        """
        await self._close_file()
        try:
            self._writer = await self._run(self._writing, self._open)
        except HistoryError as error:
            self._reason = f"this host's metric history cannot be used: {error}"
            raise
        return await self._write(lambda writer: writer.applied_index)

    def _open(self) -> HistoryWriter:
        return HistoryWriter(self._directory, stagger=self._stagger)

    async def close(self) -> None:
        """Close it for good; waits for what its threads are doing."""
        self._reason = "this host is stopping"
        await self._close_file()
        await asyncio.to_thread(self._writing.shutdown)
        await asyncio.to_thread(self._reading.shutdown)

    async def _close_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        reading, self._reading = (
            self._reading,
            ThreadPoolExecutor(READERS, thread_name_prefix="history-reader"),
        )
        await asyncio.to_thread(reading.shutdown)
        await self._run(self._writing, writer.close)

    # ---- writing ------------------------------------------------------------------------------

    async def ingest(self, batches: Sequence[CommittedBatch], subjects: Sequence[Subject]) -> None:
        """Keep batches in log order, and what their subjects are. Raises HistoryFull or HistoryFailed."""
        await self._write(lambda writer: writer.ingest(batches, subjects))

    async def maintain(self, now_ms: int, retention: Retention) -> bool:
        """Seal, compact or forget a little; True while there is more to do."""
        return await self._write(lambda writer: writer.maintain(now_ms, retention))

    async def mark_missing(self, start_ms: int, end_ms: int) -> None:
        """Note that [start_ms, end_ms) is not, or not wholly, here."""
        await self._write(lambda writer: writer.mark_missing(start_ms, end_ms))

    async def mark_filled(self, start_ms: int, end_ms: int) -> None:
        """Note that what others have of [start_ms, end_ms) was taken in."""
        await self._write(lambda writer: writer.mark_filled(start_ms, end_ms))

    async def take(self, given: Sequence[Record]) -> int:
        """Take in what another node gave; how much of it was new. Raises RecordDamaged."""
        return await self._write(lambda writer: take(writer, given))

    # ---- questions (web.ports.MetricHistory) --------------------------------------------------

    async def query(self, query: RangeQuery) -> RangeAnswer:
        """Answer from this node's own record. Raises ValueError for what cannot be asked so."""
        return await self._read(lambda reader: reader.query(query))

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        """What the selected series are of, also what is no more."""
        return await self._read(lambda reader: reader.subjects(selector))

    async def samples(self, subject: Subject, start_ms: int, end_ms: int) -> Sequence[tuple[int, Samples]]:
        """Return what was measured of a subject in [start_ms, end_ms), by the number of the metric."""

        def read(reader: HistoryReader) -> Sequence[tuple[int, Samples]]:
            numbers = (each.number for each in METRICS if subject.definition.kind in each.kinds)
            found = ((number, reader.raw(subject.number, number, start_ms, end_ms)) for number in numbers)
            return [(number, samples) for number, samples in found if len(samples.times_ms)]

        return await self._read(read)

    async def standing(self) -> HistoryStanding:
        """How much is kept, from when on, and what is missing."""
        waiting, lost = self._own_samples()
        standing = await self._read(lambda reader: reader.standing())
        return replace(standing, waiting=waiting, lost=lost)

    async def page(self, question: HistoryQuestion) -> HistoryPage:
        """Return the next pieces for another node. Raises ValueError for a wrong cursor."""

        def read(reader: HistoryReader) -> HistoryPage:
            standing = reader.standing()
            given = records(reader, question.start_ms, question.end_ms, after=question.after)
            return HistoryPage(
                records=tuple(islice(given, RECORDS_MAX)),
                missing=standing.missing,
                applied_index=standing.applied_index,
            )

        async with self._giving:
            return await self._read(read)

    # ---- threads ------------------------------------------------------------------------------

    async def _write(self, work: Callable[[HistoryWriter], _T]) -> _T:
        return await self._run(self._writing, partial(work, self._opened()))

    async def _read(self, work: Callable[[HistoryReader], _T]) -> _T:
        reader = self._opened().reader
        if self._waiting >= READS_WAITING_MAX:
            raise HistoryNotOpen(
                f"{READS_WAITING_MAX} questions to the metric history wait already: try again in a moment"
            )
        self._waiting += 1
        try:
            return await self._run(self._reading, partial(work, reader))
        finally:
            self._waiting -= 1

    def _opened(self) -> HistoryWriter:
        if self._writer is None:
            raise HistoryNotOpen(self._reason)
        return self._writer

    @staticmethod
    async def _run(threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

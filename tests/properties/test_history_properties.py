"""What is ingested is what is answered, whatever became of it on the way: sealed, compacted, merged, given to
another node, repeated, or cut off by a crash at any write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from cluster.history import HistoryWriter, records, take
from cluster.history.layout import Tables
from cluster.history.sealing import WORK_A_PIECE
from cluster.metrics.query import RangeQuery, Resolution, Selector, Statistic
from cluster.model.metrics import CommittedBatch
from tests.support.samples import (
    CPU,
    FOREVER,
    HOUR_MS,
    MEMORY,
    STEP_MS,
    T0,
    a_batch,
    a_subject,
)

SERIES = [(subject, metric) for subject in (1, 2) for metric in (CPU.number, MEMORY.number)]
SUBJECTS = [a_subject(1), a_subject(2)]
END = T0 + 60 * HOUR_MS

Model = dict[tuple[int, int], dict[int, int]]


class Crash(Exception):
    """The process ended here."""


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, int, dict[tuple[int, int], list[int | None]]]:
    """(start, step, rows): mostly of today, some late, some across hours, some of an import."""
    step_ms = draw(st.sampled_from([STEP_MS, STEP_MS, 60_000, HOUR_MS]))
    start = T0 + draw(st.integers(0, 47)) * HOUR_MS + draw(st.sampled_from([0, 0, 30, 59])) * 60_000
    start -= start % step_ms
    length = draw(st.integers(1, 8))
    values = st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=length, max_size=length)
    return start, step_ms, draw(st.dictionaries(st.sampled_from(SERIES), values, min_size=1, max_size=3))


STEPS = st.lists(
    st.one_of(
        batches().map(lambda batch: ("ingest", batch)),
        st.integers(0, 60).map(lambda hour: ("maintain", hour)),
        st.integers(0, 12).map(lambda writes: ("crash", writes)),
        st.just(("repeat", None)),
        st.just(("transfer", None)),
    ),
    max_size=12,
)


@contextmanager
def scratch() -> Iterator[Path]:
    # Thousands of flushed commits: what a power cut loses is not what is tried here.
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(dir=base))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class World:
    """A history beside a model of it: dictionaries."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.model: Model = {series: {} for series in SERIES}
        self.given: list[CommittedBatch] = []
        self.now_ms = T0
        self.generation = 0
        self.writer = self.open()

    def open(self) -> HistoryWriter:
        return HistoryWriter(self.directory / str(self.generation))

    def ingest(self, batch: tuple[int, int, dict[tuple[int, int], list[int | None]]]) -> None:
        start, step_ms, rows = batch
        index = len(self.given) + 1
        # Two sources that both know of both subjects: which of them counts is a matter of the log's order.
        made = a_batch(
            index,
            rows,
            start_ms=start,
            step_ms=step_ms,
            node=f"n{index % 2}",
            committed_ms=self.now_ms,
        )
        self.given.append(made)
        self.writer.ingest([made], SUBJECTS)
        for series, values in rows.items():
            for tick, value in enumerate(values):
                if value is not None:
                    self.model[series][start + tick * step_ms] = value

    def maintain(self, hour: int) -> None:
        self.now_ms = max(self.now_ms, T0 + hour * HOUR_MS) + 90_000
        for _ in range(hour % 7 + 1):
            self.writer.maintain(self.now_ms, FOREVER)

    def repeat(self, _: None) -> None:
        self.writer.ingest(self.given, SUBJECTS)

    def crash(self, writes: int) -> None:
        """Maintenance that ends at its `writes`th write, and an opening after it."""
        self.now_ms += 90_000
        left = [writes]
        put = Tables.put

        def counted(tables: Tables, *rest: bytes) -> None:
            if not left[0]:
                raise Crash
            left[0] -= 1
            put(tables, *rest)

        with patch.object(Tables, "put", counted):
            try:
                for _ in range(3):
                    self.writer.maintain(self.now_ms, FOREVER)
            except Crash:
                pass
        self.writer.close()
        self.writer = self.open()

    def transfer(self, _: None) -> None:
        """Go on with another node's history, which took all of this one, in pieces."""
        source = self.writer
        self.generation += 1
        self.writer = self.open()
        cursor = b""
        while given_records := list(records(source.reader, 0, 2**53, after=cursor, bytes_max=2000)):
            take(self.writer, given_records)
            cursor = given_records[-1].cursor
        source.close()
        # The log still has the newest, which then come a second time.
        self.writer.ingest(self.given[-3:], SUBJECTS)

    def check(self) -> None:
        for subject, metric in SERIES:
            samples = self.writer.reader.raw(subject, metric, 0, 2**53)
            found = dict(zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True))
            assert found == self.model[subject, metric]

    def check_rollups(self) -> None:
        """Of few series, of many and of very many, which are read in different ways."""
        for many, at_once in ((1000, 1000), (1, 1000), (1, 1)):
            with (
                patch("cluster.history.answering.MANY_SERIES", many),
                patch("cluster.history.answering.PASS_SERIES", at_once),
            ):
                self.check_counts()

    def check_counts(self) -> None:
        for resolution in Resolution:
            answer = self.writer.reader.query(
                RangeQuery(
                    selector=Selector(metrics=(MEMORY.name,)),
                    start_ms=T0,
                    end_ms=END,
                    points_max=1,
                    resolution=resolution,
                    statistic=Statistic.COUNT,
                )
            )
            counts = {series.subject: float(series.values[0]) for series in answer.series}
            expected = {
                subject: float(len(cells))
                for (subject, metric), cells in self.model.items()
                if metric == MEMORY.number and cells
            }
            assert counts == expected


@given(STEPS, st.sampled_from([1, 3, WORK_A_PIECE]))
def test_what_is_ingested_is_what_is_answered(steps: list[tuple[str, object]], work: int) -> None:
    """In pieces as small as they can be, too: samples then come, and crashes happen, within an hour."""
    with (
        patch("cluster.history.keeping.WORK_A_PIECE", work),
        patch("cluster.history.sealing.CHUNKS_A_PIECE", work),
        patch("cluster.history.sealing.GROUPED_BATCHES", work),
        scratch() as directory,
    ):
        world = World(directory)
        for name, argument in steps:
            getattr(world, name)(argument)
            world.check()
            world.check_rollups()
        world.now_ms = max(world.now_ms, END) + HOUR_MS
        for _ in range(2):
            world.now_ms += 90_000
            while world.writer.maintain(world.now_ms, FOREVER):
                pass
        world.check()
        world.check_rollups()
        world.writer.close()

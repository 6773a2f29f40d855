"""Questions to a node's history, from any thread."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lmdb
import numpy as np
from numpy.typing import NDArray

from cluster.encoding import codec, unpack
from cluster.metrics.block import BlockDamaged, decode_block
from cluster.metrics.query import HistoryStanding, RangeAnswer, RangeQuery, Resolution, ResultSeries, Selector
from cluster.model.metrics import BY_NAME, BY_NUMBER, STEP_MS, CommittedBatch, Subject

META, SUBJECTS, BATCHES = b"meta", b"subjects", b"batches"
_BATCH = codec(CommittedBatch)
_SUBJECT = codec(Subject)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The samples of one series as they were stored: moments, and whole numbers in the metric's scale."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.int64]


class HistoryReader:
    """Answers from this node's own record. Every call sees one state of it; no call waits for the writer."""

    def __init__(self, environment: lmdb.Environment, tables: Mapping[bytes, lmdb._Database]) -> None:
        self._environment = environment
        self._tables = tables

    def subjects(self, selector: Selector) -> Sequence[Subject]:
        """Return what is selected, by number; what is no more is among it."""
        with self._environment.begin(db=self._tables[SUBJECTS]) as txn:
            found = [_SUBJECT.decode(value) for _, value in txn.cursor()]
        return [subject for subject in found if _fits(selector, subject)]

    def standing(self) -> HistoryStanding:
        with self._environment.begin(db=self._tables[META]) as txn:
            applied = txn.get(b"applied")
        return HistoryStanding(
            bytes_used=0,
            bytes_max=0,
            applied_index=0 if applied is None else unpack(applied),
            subjects=len(self.subjects(Selector())),
            oldest_ms={each: None for each in Resolution},
        )

    def raw(self, subject: int, metric: int, start_ms: int, end_ms: int) -> Samples:
        """Return the samples in [start_ms, end_ms) of one series, in order of time; none where it is not
        known."""
        found: dict[int, int] = {}
        with self._environment.begin(db=self._tables[BATCHES]) as txn:
            for key, value in txn.cursor():
                if struct.unpack(">QQ", key)[0] >= end_ms:
                    break
                batch = _BATCH.decode(value)
                if batch.end_ms <= start_ms or subject not in batch.subjects:
                    continue
                try:
                    block = decode_block(
                        batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks
                    )
                except BlockDamaged:
                    continue
                place = batch.subjects.index(subject)
                for row in np.flatnonzero((block.positions == place) & (block.metrics == metric)):
                    for tick in np.flatnonzero(block.present[row]):
                        found[batch.start_ms + int(tick) * batch.step_ms] = int(block.values[row, tick])
        times = sorted(time for time in found if start_ms <= time < end_ms)
        return Samples(
            times_ms=np.array(times, dtype=np.int64),
            values=np.array([found[time] for time in times], dtype=np.int64),
        )

    def query(self, query: RangeQuery) -> RangeAnswer:
        """Answer `query`. Raises ValueError for what cannot be asked so."""
        step_ms = query.step_ms or max(
            STEP_MS, -(-(query.end_ms - query.start_ms) // query.points_max // STEP_MS) * STEP_MS
        )
        times = np.arange(query.start_ms, query.end_ms, step_ms, dtype=np.int64)
        series = []
        for subject in self.subjects(query.selector):
            for metric in BY_NUMBER.values():
                if query.selector.metrics and metric.name not in query.selector.metrics:
                    continue
                if subject.definition.kind not in metric.kinds:
                    continue
                samples = self.raw(subject.number, metric.number, query.start_ms, query.end_ms)
                if not len(samples.values):
                    continue
                place = (samples.times_ms - query.start_ms) // step_ms
                count = np.bincount(place, minlength=len(times))
                total = np.bincount(place, samples.values / metric.scale, minlength=len(times))
                values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
                series.append(
                    ResultSeries(
                        metric=metric.name,
                        unit=metric.unit,
                        labels=labels_of(subject),
                        values=values,
                        subject=subject.number,
                    )
                )
        return RangeAnswer(times_ms=times, step_ms=step_ms, resolution=Resolution.RAW, series=tuple(series))


def labels_of(subject: Subject) -> tuple[tuple[str, str], ...]:
    definition = subject.definition
    return tuple(
        sorted({**dict(definition.labels), "node": definition.node_id, "subject": definition.name}.items())
    )


def _fits(selector: Selector, subject: Subject) -> bool:
    definition = subject.definition
    return (
        (not selector.kinds or definition.kind in selector.kinds)
        and (not selector.node_ids or definition.node_id in selector.node_ids)
        and (not selector.subjects or subject.number in selector.subjects)
        and (not selector.keys or definition.key in selector.keys)
        and (not selector.names or definition.name in selector.names)
        and set(selector.labels) <= set(definition.labels)
    )


assert BY_NAME

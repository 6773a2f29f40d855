"""Questions to a node's history, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import lmdb
import numpy as np
from numpy.typing import NDArray

from cluster.encoding import EncodingError
from cluster.history.answering import answer
from cluster.history.damage import Damage
from cluster.history.file import reading
from cluster.history.forgetting import SUBJECT, shortened
from cluster.history.gathering import Gathering, moments_of
from cluster.history.layout import (
    APPLIED,
    BYTES_MAX,
    MISSING,
    SUBJECTS,
    SUBJECTS_VERSION,
    Handles,
    Tables,
    subject_key,
)
from cluster.history.missing import ranges
from cluster.history.oldest import oldest_ms
from cluster.history.open_hours import OpenHours
from cluster.metrics.query import HistoryStanding, RangeAnswer, RangeQuery, Selector
from cluster.model.metrics import STEP_MS, Subject


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The samples of one series as they were stored: moments, and whole numbers in the metric's scale."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.int64]


class HistoryReader:
    """Answers from this node's own record. Every call sees one state of it; no call waits for the writer.

    Raises HistoryFailed where the file cannot be read.
    """

    def __init__(self, environment: lmdb.Environment, handles: Handles, damage: Damage) -> None:
        self._environment = environment
        self._handles = handles
        self.damage = damage
        self._open_hours = OpenHours(damage)
        self._lock = threading.Lock()
        self._subjects: tuple[int, tuple[Subject, ...]] = (-1, ())

    def read(self) -> AbstractContextManager[Tables]:
        """A transaction: one state of everything."""
        return reading(self._environment, self._handles)

    def subjects(self, selector: Selector) -> Sequence[Subject]:
        """Return what is selected, by number; what is no more is among it."""
        with self.read() as tables:
            return self._selected(tables, selector)

    def standing(self) -> HistoryStanding:
        """Return how much is kept, from when on, and what is missing."""
        with self.read() as tables:
            return HistoryStanding(
                bytes_used=tables.bytes_used(),
                bytes_max=tables.number(BYTES_MAX),
                applied_index=tables.number(APPLIED),
                subjects=tables.txn.stat(self._handles[SUBJECTS])["entries"],
                oldest_ms=dict(oldest_ms(tables, ())),
                missing=tuple(ranges(tables.meta(MISSING))),
                damaged=len(self.damage),
                shortened_to_ms=dict(shortened(tables)),
            )

    def raw(self, subject: int, metric: int, start_ms: int, end_ms: int) -> Samples:
        """Return the samples in [start_ms, end_ms) of one series, in order of time; none where it is not
        known."""
        with self.read() as tables:
            known = self._gathering(tables)
            first, last = known.clamped(-(-start_ms // STEP_MS), -(-end_ms // STEP_MS))
            series = known.samples(subject, metric, first, last)
        return Samples(times_ms=moments_of(series, first), values=series.present_values())

    def query(self, query: RangeQuery) -> RangeAnswer:
        """Answer `query`. Raises ValueError, in words, for what cannot be asked so."""
        with self.read() as tables:
            subjects = self._selected(tables, query.selector)
            return answer(
                query, subjects, self._gathering(tables), oldest=lambda kinds: oldest_ms(tables, kinds)
            )

    def _gathering(self, tables: Tables) -> Gathering:
        return Gathering(tables, self._open_hours, self.damage)

    def _selected(self, tables: Tables, selector: Selector) -> Sequence[Subject]:
        if selector.subjects:
            found = [_subject(tables, number) for number in sorted(set(selector.subjects))]
            return [subject for subject in found if subject is not None and fits(selector, subject)]
        return [subject for subject in self._all(tables) if fits(selector, subject)]

    def _all(self, tables: Tables) -> tuple[Subject, ...]:
        """Return all subjects, decoded once for as long as none changes."""
        version = tables.number(SUBJECTS_VERSION)
        with self._lock:
            if self._subjects[0] == version:
                return self._subjects[1]
        found = tuple(SUBJECT.decode(value) for _, value in tables.rows(SUBJECTS))
        with self._lock:
            self._subjects = version, found
        return found


def fits(selector: Selector, subject: Subject) -> bool:
    """Whether a subject is selected; which metrics it has is not looked at."""
    definition = subject.definition
    return (
        (not selector.kinds or definition.kind in selector.kinds)
        and (not selector.node_ids or definition.node_id in selector.node_ids)
        and (not selector.subjects or subject.number in selector.subjects)
        and (not selector.keys or definition.key in selector.keys)
        and (not selector.names or definition.name in selector.names)
        and (not selector.labels or set(selector.labels) <= set(definition.labels))
    )


def _subject(tables: Tables, number: int) -> Subject | None:
    if not 0 <= number < 2**32:
        return None
    data = tables.get(SUBJECTS, subject_key(number))
    try:
        return None if data is None else SUBJECT.decode(data)
    except EncodingError:
        return None

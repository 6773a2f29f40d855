"""Hours that are not sealed, kept as grids so that not every question decodes an hour of batches.

They are kept by source: a question about one container decodes what its own host sent, not what all others
did. A question about very many series is answered from a grid of those alone, which is not kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.history.damage import Damage
from cluster.history.layout import OPEN_HOURS, Tables, time_of
from cluster.history.pending import Entry, Subjects, add_batch, entries_of, pending_keys
from cluster.metrics.chunk import Series
from cluster.metrics.grid import HOUR_MS, HourGrid, subject_and_metric, subjects_of

KEPT_BYTES = 32 * 1024**2

Sources = frozenset[str]


class _Line:
    """An hour for as long as it is only added to."""


@dataclass(frozen=True, slots=True, eq=False)
class _Books:
    """The batches of one hour, as one transaction saw them, in the order of the log."""

    line: _Line
    snapshot: int
    entries: Sequence[Entry]
    by_source: Mapping[str, Set[int]]


@dataclass(slots=True)
class _Kept:
    line: _Line
    grid: HourGrid
    seen: int = 0
    """How many of the hour's batches were looked at."""


class OpenHours:
    """What of open hours was asked for lately, for any thread; the oldest asked for is let go."""

    def __init__(self, damage: Damage, *, bytes_max: int = KEPT_BYTES) -> None:
        self.damage = damage
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._books: dict[int, _Books] = {}
        self._grids: OrderedDict[tuple[int, Sources], _Kept] = OrderedDict()

    def hour(self, tables: Tables, hour: int) -> OpenHour:
        """Return what is pending of `hour`, as this transaction, which only reads, sees it."""
        snapshot = tables.txn.id()
        with self._lock:
            books = self._books.get(hour)
        # Whoever reads series by series asks many times between two writes.
        if books is not None and books.snapshot == snapshot:
            return OpenHour(self, tables, hour, books)
        keys = pending_keys(tables, hour)
        # Only what was added since is read, unless something came in between or some of it was sealed.
        if books is None or [entry.key for entry in books.entries] != keys[: len(books.entries)]:
            books = _Books(_Line(), snapshot, (), {})
        news = entries_of(tables, keys[len(books.entries) :], self.damage)
        books = _Books(books.line, snapshot, (*books.entries, *news), _by_source(books.by_source, news))
        open_hours = {time_of(key) for key in tables.keys(OPEN_HOURS)}
        with self._lock:
            self._books[hour] = books
            for other in self._books.keys() - open_hours:
                del self._books[other]
            for place in [place for place in self._grids if place[0] not in open_hours]:
                del self._grids[place]
        return OpenHour(self, tables, hour, books)

    def copied(self, view: OpenHour, sources: Sources, name: int) -> Series | None:
        """Return a series out of the grid of these sources."""
        with self._lock:
            grid = self._grid(view, sources)
            row = grid.row(name)
            if row is None:
                return None
            return Series(
                values=grid.values[row].copy(), present=grid.present[row].copy(), step_s=int(grid.step_s[row])
            )

    def _grid(self, view: OpenHour, sources: Sources) -> HourGrid:
        place = view.hour, sources
        books = view.books
        kept = self._grids.pop(place, None)
        if kept is None or kept.line is not books.line or kept.seen > len(books.entries):
            kept = _Kept(books.line, HourGrid(view.hour * HOUR_MS))
        for entry in books.entries[kept.seen :]:
            if entry.source in sources:
                add_batch(view.tables, kept.grid, entry.key, self.damage)
        kept.seen = len(books.entries)
        self._grids[place] = kept
        size_bytes = sum(each.grid.size_bytes for each in self._grids.values())
        while len(self._grids) > 1 and size_bytes > self._bytes_max:
            size_bytes -= self._grids.popitem(last=False)[1].grid.size_bytes
        return kept.grid


class OpenHour:
    """What is pending of one hour, for one transaction."""

    def __init__(self, kept: OpenHours, tables: Tables, hour: int, books: _Books) -> None:
        self.tables = tables
        self.hour = hour
        self.books = books
        self._kept = kept
        self._some: HourGrid | None = None

    def read_only(self, names: NDArray[np.int64], start_ms: int, end_ms: int) -> None:
        """Read [start_ms, end_ms) of the series `names` (sorted) in one go: others are not asked for."""
        wanted: Subjects = frozenset(subjects_of(names))
        grid = HourGrid(self.hour * HOUR_MS, names=names)
        overlap: dict[int, bool] = {}
        for entry in self.books.entries:
            if entry.end_ms <= start_ms or end_ms <= entry.start_ms:
                continue
            which = id(entry.subjects)
            if which not in overlap:
                overlap[which] = not wanted.isdisjoint(entry.subjects)
            if overlap[which]:
                add_batch(self.tables, grid, entry.key, self._kept.damage, names=names)
        self._some = grid

    def series(self, name: int) -> Series | None:
        """Return a series (`series_name`), None where nothing of it is pending."""
        if self._some is not None:
            return _row(self._some, name)
        subject, _ = subject_and_metric(name)
        sources = frozenset(
            source for source, subjects in self.books.by_source.items() if subject in subjects
        )
        return self._kept.copied(self, sources, name) if sources else None


def _row(grid: HourGrid, name: int) -> Series | None:
    row = grid.row(name)
    if row is None or not grid.step_s[row]:
        return None
    return Series(values=grid.values[row], present=grid.present[row], step_s=int(grid.step_s[row]))


def _by_source(held: Mapping[str, Set[int]], news: Sequence[Entry]) -> Mapping[str, Set[int]]:
    found = dict(held)
    for entry in news:
        known = found.get(entry.source, frozenset())
        if not entry.subjects <= known:
            found[entry.source] = known | entry.subjects
    return found

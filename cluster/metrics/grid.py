"""One hour of series on the grid of the record, gathered from blocks.

The grid has a cell for each STEP_MS. A sample between its points (an import's) moves down to the one before
it; of several in one cell the newest counts, but counts of one block are added up. Of two blocks that speak
of one cell, the one that was added later counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.block import SampleBlock
from cluster.model.metrics import METRICS, STEP_MS, MetricType

HOUR_MS = 3_600_000
HOUR_CELLS = HOUR_MS // STEP_MS
DAY_MS = 24 * HOUR_MS
DAY_CELLS = DAY_MS // STEP_MS

_COUNTS = np.array([m.number for m in METRICS if m.type is MetricType.COUNT], dtype=np.int64)
_METRIC_BITS = 16


def series_name(subject: int, metric: int) -> int:
    """Return one number for a series; they sort by subject, then metric."""
    return subject << _METRIC_BITS | metric


def subject_and_metric(name: int) -> tuple[int, int]:
    return name >> _METRIC_BITS, name & 2**_METRIC_BITS - 1


def subjects_of(names: NDArray[np.int64]) -> list[int]:
    """Return the subjects of series names, each once, in order."""
    found: list[int] = np.unique(names >> _METRIC_BITS).tolist()
    return found


def are_in(names: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of `named` are among `names`, which are sorted."""
    if not len(names):
        return np.zeros(len(named), dtype=np.bool_)
    found: NDArray[np.bool_] = names[np.minimum(names.searchsorted(named), len(names) - 1)] == named
    return found


class HourGrid:
    """Series of one hour. `names` (int64, sorted) are `series_name`s; `values` (int64) and `present` (bool)
    are [names x HOUR_CELLS]; `step_s` is how long one sample of a series stands for.
    """

    __slots__ = ("names", "present", "start_ms", "step_s", "values")

    def __init__(self, start_ms: int, names: NDArray[np.int64] | None = None) -> None:
        self.start_ms = start_ms
        self.names = np.empty(0, dtype=np.int64) if names is None else names
        rows = len(self.names)
        self.values: NDArray[np.int64] = np.zeros((rows, HOUR_CELLS), dtype=np.int64)
        self.present: NDArray[np.bool_] = np.zeros((rows, HOUR_CELLS), dtype=np.bool_)
        self.step_s: NDArray[np.int32] = np.zeros(rows, dtype=np.int32)

    @property
    def size_bytes(self) -> int:
        return self.values.nbytes + self.present.nbytes + self.names.nbytes + self.step_s.nbytes

    def row(self, name: int) -> int | None:
        """Return where a series is, None where it is not."""
        at = int(np.searchsorted(self.names, name))
        return at if at < len(self.names) and self.names[at] == name else None

    def add(
        self, block: SampleBlock, subjects: Sequence[int], *, names: NDArray[np.int64] | None = None
    ) -> None:
        """Put what `block` has of this hour, of the series `names` (sorted) alone where they are given. Rows
        whose position `subjects` does not have are passed over."""
        numbers = np.asarray(subjects, dtype=np.int64)
        known = block.positions < len(numbers)
        named = numbers[block.positions[known]] << _METRIC_BITS | block.metrics[known].astype(np.int64)
        first, last = self._ticks(block)
        if first >= last or not len(named):
            return
        if names is not None:
            wanted = are_in(names, named)
            known[known] = wanted
            named = named[wanted]
            if not len(named):
                return
        values, present = block.values[known, first:last], block.present[known, first:last]
        has_any = present.any(axis=1)
        named, values, present = named[has_any], values[has_any], present[has_any]
        self._make_rows(named)
        rows = np.searchsorted(self.names, named)
        moments = block.start_ms - self.start_ms + np.arange(first, last, dtype=np.int64) * block.step_ms
        cells = moments // STEP_MS
        if block.step_ms < STEP_MS:
            cells, values, present = _thinned(cells, values, present, np.isin(named & 0xFFFF, _COUNTS))
        if len(cells) == cells[-1] - cells[0] + 1 and bool(present.all()):
            window = slice(int(cells[0]), int(cells[-1]) + 1)
            self.values[rows, window] = values
            self.present[rows, window] = True
        else:
            at_row, at_tick = np.nonzero(present)
            self.values[rows[at_row], cells[at_tick]] = values[at_row, at_tick]
            self.present[rows[at_row], cells[at_tick]] = True
        step_s = max(block.step_ms, STEP_MS) // 1000
        held = self.step_s[rows]
        self.step_s[rows] = np.where(held == 0, step_s, np.minimum(held, step_s))

    def _ticks(self, block: SampleBlock) -> tuple[int, int]:
        """Return which of the block's moments lie in this hour, as [first, last)."""
        first = max(0, -(-(self.start_ms - block.start_ms) // block.step_ms))
        last = min(block.ticks, -(-(self.start_ms + HOUR_MS - block.start_ms) // block.step_ms))
        return first, last

    def _make_rows(self, named: NDArray[np.int64]) -> None:
        # A block of series that are all there, as nearly every one is, must not cost a look at all others.
        if bool(are_in(self.names, named).all()):
            return
        names = np.union1d(self.names, named)
        old = np.searchsorted(names, self.names)
        values = np.zeros((len(names), HOUR_CELLS), dtype=np.int64)
        present = np.zeros((len(names), HOUR_CELLS), dtype=np.bool_)
        step_s = np.zeros(len(names), dtype=np.int32)
        values[old], present[old], step_s[old] = self.values, self.present, self.step_s
        self.names, self.values, self.present, self.step_s = names, values, present, step_s


def _thinned(
    cells: NDArray[np.int64],
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    is_count: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Make one value of those that fall into one cell: counts add up, of others the newest counts."""
    starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
    newest = np.maximum.reduceat(np.where(present, np.arange(len(cells)), -1), starts, axis=1)
    last = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    total = np.add.reduceat(np.where(present, values, 0), starts, axis=1)
    return cells[starts], np.where(is_count[:, None], total, last), newest >= 0

"""Steps of a query made of samples or of rollups: one number for each step, NaN where nothing was measured.

What is given is in order of time, and `bounds` says which of it lies in which step: step k has the items from
bounds[k] to bounds[k + 1]. Numbers are in the metric's scale; whoever asks divides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.query import Statistic
from cluster.metrics.rollup import Rollups

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]

DERIVED = (Statistic.COUNT, Statistic.PER_S)
"""What is not in the metric's own scale: a number of samples, and a number a second."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """`values` of each step; `low` and `high`, its least and greatest sample, where they were asked for."""

    values: Floats
    low: Floats | None = None
    high: Floats | None = None


def bounds_of(moments: Int64s, first_ms: int, step_ms: int, points: int) -> Int64s:
    """Return the `bounds` [points + 1] of sorted `moments` (ms) over steps from `first_ms` on."""
    edges = first_ms + step_ms * np.arange(points + 1, dtype=np.int64)
    return np.searchsorted(moments, edges)


def bounds_of_cells(
    present: NDArray[np.bool_], first_cell_ms: int, cell_ms: int, edges: tuple[int, int, int]
) -> Int64s:
    """Return the `bounds` of the samples of a grid of cells over steps (first ms, length in ms, points)."""
    first_ms, step_ms, points = edges
    moments = first_ms - first_cell_ms + step_ms * np.arange(points + 1, dtype=np.int64)
    cells = np.minimum(np.maximum(-(-moments // cell_ms), 0), len(present))
    if present.all():
        return cells
    before = np.zeros(len(present) + 1, dtype=np.int64)
    np.cumsum(present, out=before[1:])
    return before[cells]


def steps_of_samples(
    values: Int64s, bounds: Int64s, statistic: Statistic, *, step_s: int, with_band: bool = False
) -> Steps:
    """Return the steps of samples, each of which stands for `step_s` seconds."""
    starts, has_any, counts = _segments(bounds)
    cut = values[bounds[0] : bounds[-1]]
    if statistic is Statistic.LAST:
        found = values[bounds[1:][has_any] - 1].astype(np.float64)
    elif statistic is Statistic.COUNT:
        found = counts.astype(np.float64)
    elif statistic is Statistic.P95:
        found = _nearest_rank_95(cut, counts, starts)
    elif statistic in (Statistic.MIN, Statistic.MAX):
        found = _reduced(np.minimum if statistic is Statistic.MIN else np.maximum, cut, starts)
    else:
        total = _reduced(np.add, cut.astype(np.float64), starts)
        found = total / counts if statistic is Statistic.MEAN else total
        if statistic is Statistic.PER_S:
            found = total / (counts * max(step_s, 1))
    return Steps(
        values=_spread(found, has_any),
        low=_spread(_reduced(np.minimum, cut, starts), has_any) if with_band else None,
        high=_spread(_reduced(np.maximum, cut, starts), has_any) if with_band else None,
    )


def steps_of_rollups(
    rollups: Rollups, bounds: Int64s, statistic: Statistic, *, with_band: bool = False
) -> Steps:
    """Return the steps of rollups. All are exact but P95 of a step that has several of them: the mean of
    theirs, weighted by their counts."""
    starts, has_any, _ = _segments(bounds)
    cut = rollups.rows(slice(int(bounds[0]), int(bounds[-1])))
    counts = _reduced(np.add, cut.counts.astype(np.float64), starts)
    if statistic is Statistic.LAST:
        found = rollups.last[bounds[1:][has_any] - 1].astype(np.float64)
    elif statistic is Statistic.COUNT:
        found = counts
    elif statistic is Statistic.P95:
        found = _reduced(np.add, cut.p95.astype(np.float64) * cut.counts, starts) / counts
    elif statistic is Statistic.MIN:
        found = _reduced(np.minimum, cut.least, starts)
    elif statistic is Statistic.MAX:
        found = _reduced(np.maximum, cut.most, starts)
    else:
        total = _reduced(np.add, cut.totals, starts)
        found = total / counts if statistic is Statistic.MEAN else total
        if statistic is Statistic.PER_S:
            covered_s = _reduced(np.add, cut.covered_s.astype(np.float64), starts)
            found = total / np.maximum(covered_s, 1)
    return Steps(
        values=_spread(found, has_any),
        low=_spread(_reduced(np.minimum, cut.least, starts), has_any) if with_band else None,
        high=_spread(_reduced(np.maximum, cut.most, starts), has_any) if with_band else None,
    )


def _segments(bounds: Int64s) -> tuple[Int64s, NDArray[np.bool_], Int64s]:
    """Return where the steps that have anything begin (from the first item on), which they are, and how much
    each of them has."""
    counts = bounds[1:] - bounds[:-1]
    has_any = counts > 0
    return (bounds[:-1] - bounds[0])[has_any], has_any, counts[has_any]


def _reduced(how: np.ufunc, items: NDArray[np.float64] | Int64s, starts: Int64s) -> Floats:
    if not len(starts):
        return np.empty(0, dtype=np.float64)
    found: Floats = how.reduceat(items, starts).astype(np.float64)
    return found


def _nearest_rank_95(items: Int64s, counts: Int64s, starts: Int64s) -> Floats:
    """Return the smallest item of each segment that 95 of 100 of it do not exceed."""
    if not len(starts):
        return np.empty(0, dtype=np.float64)
    ranks = (counts * 95 + 99) // 100 - 1
    found = np.empty(len(starts), dtype=np.float64)
    inner = counts[1:-1]
    if len(inner) and bool((inner == inner[0]).all()):
        # A series without gaps: all steps but those at its ends are of one length.
        table = items[starts[1] : starts[-1]].reshape(len(inner), -1)
        rank = int(ranks[1])
        found[1:-1] = np.partition(table, rank, axis=1)[:, rank]
        for at in (0, -1):
            segment = items[starts[at] : starts[at] + counts[at]]
            found[at] = np.partition(segment, ranks[at])[ranks[at]]
        return found
    ordered = items[np.lexsort((items, np.repeat(np.arange(len(starts)), counts)))]
    found[:] = ordered[starts + ranks]
    return found


def _spread(found: Floats, has_any: NDArray[np.bool_]) -> Floats:
    if len(found) == len(has_any):
        return found
    whole = np.full(len(has_any), np.nan)
    whole[has_any] = found
    return whole

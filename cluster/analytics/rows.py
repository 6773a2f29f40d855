"""From samples as they come to rows of equal length, which detectors judge.

A row is `row_ms` long and numbered from the epoch, so that the same moment is in the same row for whoever
asks, and a day has a whole number of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.analytics.series import DAY_MS, SAMPLES_MAX, VALUE_MAX, Times, Values

ROW_MS = 300_000
"""Five minutes: long enough that a backup's burst is one row, short enough to be told in time."""
ROWS_MAX = 40_000
"""How many rows are looked at: the newest. Five months of five minutes."""
_ROWS_WANTED = 300
_SECOND = 1000
_LENGTHS_MS = tuple(
    seconds * _SECOND
    for seconds in (
        *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
        *(3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400),
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """float64[T] of the rows from `first` on, NaN where nothing was measured; T may be 0.

    `left_out` says how many samples could not be used: future-dated, not finite, absurdly large; `too_old`
    how many lie before the oldest row.
    """

    first: int
    row_ms: int
    values: Values
    left_out: int = 0
    too_old: int = 0

    @property
    def known(self) -> int:
        return int(np.count_nonzero(~np.isnan(self.values)))

    def times_ms(self) -> Times:
        return (self.first + np.arange(len(self.values), dtype=np.int64)) * self.row_ms


def row_length(times_ms: Times) -> int:
    """Return the length of rows for samples of these times (any order), ms: a divisor of a day.

    Five minutes where there are two days of them; less for a shorter time, so that there are about
    `_ROWS_WANTED` rows; never less than the typical distance of two samples.
    """
    if len(times_ms) < 2:
        return ROW_MS
    ordered = np.unique(times_ms)
    if len(ordered) < 2:
        return ROW_MS
    step = int(np.median(np.diff(ordered)))
    span = int(ordered[-1]) - int(ordered[0])
    wanted = ROW_MS if span >= 2 * DAY_MS else min(ROW_MS, span // _ROWS_WANTED)
    fitting = [length for length in _LENGTHS_MS if length <= max(wanted, _SECOND)]
    length = fitting[-1]
    if step <= length:
        return length
    return next((longer for longer in _LENGTHS_MS if longer >= step), DAY_MS)


def to_rows(
    times_ms: Times, values: Values, *, now_ms: int, row_ms: int | None = None, is_count: bool = False
) -> Rows:
    """Return the means, or of counts the sums, of rows from the first usable sample to the last.

    A row that `now_ms` is in counts: whoever wants whole rows ends before it.
    """
    length = max(len(times_ms), len(values))
    count = min(len(times_ms), len(values), SAMPLES_MAX)
    if not count:
        return Rows(0, row_ms or ROW_MS, np.empty(0), length)
    times = np.asarray(times_ms, np.int64)[-count:]
    numbers = np.asarray(values, np.float64)[-count:]
    measured = ~np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        usable = (times >= 0) & (times <= now_ms) & (np.abs(numbers) <= VALUE_MAX)
    left_out = int(np.count_nonzero(measured & ~usable))
    times, numbers = times[usable], numbers[usable]
    too_old = length - count
    row_ms = row_ms or row_length(times)
    if not len(times):
        return Rows(0, row_ms, np.empty(0), left_out, too_old)
    at = times // row_ms
    last = int(at.max())
    first = max(int(at.min()), last - ROWS_MAX + 1)
    recent = at >= first
    too_old += int(np.count_nonzero(~recent))
    at, numbers = at[recent] - first, numbers[recent]
    sums = np.bincount(at, weights=numbers, minlength=last - first + 1)
    counts = np.bincount(at, minlength=last - first + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = sums / counts
    if is_count:
        found = np.where(counts > 0, sums, np.nan)
    return Rows(first, row_ms, found, left_out, too_old)

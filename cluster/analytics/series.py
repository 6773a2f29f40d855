"""From samples as they come to a regular grid of hours and days that statistics can be made of.

Inputs are `times_ms` (int64[n], epoch milliseconds) and `values` (float64[n], NaN where nothing was
measured), in any order, at any step. Nothing here raises for what the numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Times: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOURS_PER_DAY = 24
HOURS_MAX = 400 * HOURS_PER_DAY
"""How far back anything is looked at: what bounds the work, whatever the clock of a sample says."""
VALUE_MAX = 1e30
"""Larger numbers are no measurements: their squares would no longer be numbers."""
SAMPLES_MAX = 5_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Hourly:
    """Means of consecutive hours, float64[k], NaN where nothing was measured; k may be 0.

    The last hour ends with the newest sample (`end_ms`, exclusive, a multiple of the step before), so that
    day windows counted from the end are whole however the clock stands. `left_out` says how many samples
    could not be used: future-dated, not finite, absurdly large.
    """

    end_ms: int
    values: Values
    left_out: int = 0

    @property
    def hours_known(self) -> int:
        return int(np.count_nonzero(np.isfinite(self.values)))

    def tail(self, hours: int) -> Hourly:
        """The last `hours` hours."""
        return self if len(self.values) <= hours else Hourly(self.end_ms, self.values[-hours:], self.left_out)

    def times_ms(self) -> Times:
        """The beginning of each hour, int64[k]."""
        count = len(self.values)
        return self.end_ms + HOUR_MS * np.arange(-count, 0, dtype=np.int64)


def to_hourly(times_ms: Times, values: Values, *, now_ms: int, hours: int = 30 * HOURS_PER_DAY) -> Hourly:
    """Return the means of the last `hours` hours up to the newest sample that is not after `now_ms`.

    A gap stays a gap: nothing is filled in. Without a single usable sample the result has no hours.
    """
    hours = min(hours, HOURS_MAX)
    count = min(len(times_ms), len(values), SAMPLES_MAX)
    if count == 0:
        return Hourly(now_ms, np.empty(0), max(len(times_ms), len(values)))
    times = np.asarray(times_ms[-count:], dtype=np.int64)
    numbers = np.asarray(values[-count:], dtype=np.float64)
    measured = ~np.isnan(numbers)
    usable = (times >= 0) & (times <= now_ms) & (np.abs(numbers) <= VALUE_MAX)
    left_out = int(np.count_nonzero(measured & ~usable))
    times, numbers = times[usable], numbers[usable]
    if not len(times):
        return Hourly(now_ms, np.empty(0), left_out)
    newest = int(times.max())
    # A sample on the hour is a rollup's, which carries its beginning; the window ends with its end.
    end_ms = newest + (HOUR_MS if newest % HOUR_MS == 0 else 1)
    ages = (end_ms - 1 - times) // HOUR_MS
    inside = ages < hours
    ages, numbers = ages[inside], numbers[inside]
    length = int(ages.max()) + 1
    sums = np.bincount(ages, weights=numbers, minlength=length)
    counts = np.bincount(ages, minlength=length)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
    return Hourly(end_ms, means[::-1].copy(), left_out)


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """One number for each 24 hours counted back from the end, float64[d], oldest first, NaN where a day is
    not known well enough."""

    values: Values

    @property
    def days_known(self) -> int:
        return int(np.count_nonzero(np.isfinite(self.values)))

    @property
    def ages(self) -> Values:
        """How many days before the end the middle of each day lies, float64[d]: ..., 1.5, 0.5."""
        return np.arange(len(self.values) - 1, -1, -1, dtype=np.float64) + 0.5


def day_windows(hourly: Hourly) -> Values:
    """Return the hours in rows of 24 counted back from the end, float64[d, 24]; the oldest may be partial."""
    days = -(-len(hourly.values) // HOURS_PER_DAY)
    padded = np.full(days * HOURS_PER_DAY, np.nan)
    if len(hourly.values):
        padded[-len(hourly.values) :] = hourly.values
    return padded.reshape(days, HOURS_PER_DAY)


def to_daily(hourly: Hourly, quantile: float = 0.5) -> Daily:
    """Return that quantile of each day's hours (by interpolation).

    A day counts with at least half of the hours that its fellows usually have: so a partial first day and a
    day of outage do not speak for whole ones, and a record of one value a day is one of whole days.
    """
    windows = day_windows(hourly)
    known = np.count_nonzero(np.isfinite(windows), axis=1)
    if not known.any():
        return Daily(np.empty(0))
    typical = float(np.median(known[known > 0]))
    values = quantiles(windows, quantile)
    values[known < max(1.0, typical / 2)] = np.nan
    first = int(np.argmax(np.isfinite(values)))
    return Daily(values[first:])


def quantiles(rows: Values, quantile: float | Values) -> Values:
    """Return a quantile along the last axis of what is finite, by linear interpolation; NaN without any.

    `quantile` may be one for each row.

    As `numpy.nanquantile`, which takes a Python loop for small rows.
    """
    ordered = np.sort(rows, axis=-1)  # NaN sorts last
    known = np.count_nonzero(np.isfinite(ordered), axis=-1)
    place = np.maximum(known - 1, 0) * quantile
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    below = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    above = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
    found = below + (above - below) * (place - low)
    return np.where(known > 0, found, np.nan)


def medians_without_each(rows: Values) -> Values:
    """Return for each finite value along the last axis the median of the others; NaN where there are none.

    From one sorting: without the value of some rank, those beyond it move down by one.
    """
    order = np.argsort(rows, axis=-1)  # NaN sorts last
    ranks = np.argsort(order, axis=-1)
    ordered = np.take_along_axis(rows, order, axis=-1)
    others = np.count_nonzero(np.isfinite(rows), axis=-1)[..., None] - 1

    def at(place: NDArray[np.int64]) -> Values:
        moved = place + (place >= ranks)
        return np.asarray(np.take_along_axis(ordered, np.clip(moved, 0, rows.shape[-1] - 1), axis=-1))

    found = (at((others - 1) // 2) + at(others // 2)) / 2
    return np.where(np.isfinite(rows) & (others > 0), found, np.nan)

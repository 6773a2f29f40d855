"""The next 24 hours, hour by hour: the median of five simple forecasts, which beats each of them.

Combining by the median is robust to the one that fails on a series (Petropoulos and Svetunkov, "A simple
combination of univariate models", 2020). All arrays have the series first, so that the past origins an
interval is made from are forecast in one go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.series import (
    HOUR_MS,
    HOURS_PER_DAY,
    Hourly,
    Times,
    Values,
    medians_without_each,
    quantiles,
)

HORIZON = 24
WINDOW_HOURS = 14 * HOURS_PER_DAY
HOURS_MIN = 24
COVERAGE = 0.9
ORIGINS_MAX = 48
ORIGINS_MIN = 12
_ORIGIN_STEP = 5
"""Hours between past origins: no divisor of a day, so that they stand at every hour of it."""
_ORIGIN_HISTORY = 3 * HOURS_PER_DAY
_ALPHAS = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
_DAMPING = 0.97
_SLOPE_SHARE = 0.25
_TREND_DAYS_MIN = 7
_Z_95 = 1.96


class PathLack(StrEnum):
    """What a path cannot say, and for want of what."""

    SAMPLES = "samples"
    DAY = "a day of samples"
    WEEK = "a week of samples, for how far off it may be"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HourlyPath:
    """Expected means of the next 24 hours, float64[24], in the unit of the series; empty when it `lacks` all.

    `times_ms` (int64[24]) are the beginnings of the hours. Each hour lies between `low` and `high` with
    `COVERAGE`; both are None where `lacking` says why.
    """

    times_ms: Times
    expected: Values
    low: Values | None
    high: Values | None
    lacking: PathLack | None


def forecast_day(hourly: Hourly, *, floor: float | None = None, ceiling: float | None = None) -> HourlyPath:
    """Forecast the 24 hours after the end of a series of hourly means, from its last 14 days.

    Intervals are split-conformal (Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005):
    quantiles, for each horizon and its neighbours, of how far off the same method was at up to 48 past
    origins of this series, with the correction for their number. `floor` and `ceiling` are values that cannot
    be passed.
    """
    values = hourly.values
    known = hourly.hours_known
    if known < HOURS_MIN:
        lack = PathLack.DAY if known else PathLack.SAMPLES
        return HourlyPath(
            times_ms=np.empty(0, np.int64), expected=np.empty(0), low=None, high=None, lacking=lack
        )
    origins = _origins(values)
    windows = np.full((len(origins) + 1, WINDOW_HOURS), np.nan)
    for row, back in enumerate((0, *origins)):
        part = values[max(0, len(values) - back - WINDOW_HOURS) : len(values) - back]
        windows[row, WINDOW_HOURS - len(part) :] = part
    paths = median_of_five(windows)
    expected = paths[0]
    misses = np.full((len(origins), HORIZON), np.nan)
    for row, back in enumerate(origins):
        start = len(values) - back
        misses[row] = values[start : start + HORIZON] - paths[row + 1]
    low, high = _interval(expected, misses)
    lowest = -np.inf if floor is None else floor
    highest = np.inf if ceiling is None else ceiling
    return HourlyPath(
        times_ms=hourly.end_ms + HOUR_MS * np.arange(HORIZON, dtype=np.int64),
        expected=np.clip(expected, lowest, highest),
        low=None if low is None else np.clip(low, lowest, highest),
        high=None if high is None else np.clip(high, lowest, highest),
        lacking=PathLack.WEEK if low is None else None,
    )


def _origins(values: Values) -> tuple[int, ...]:
    """How many hours before the end past forecasts are made."""
    furthest = min(len(values) - _ORIGIN_HISTORY, HORIZON + _ORIGIN_STEP * (ORIGINS_MAX - 1))
    backs = range(HORIZON, furthest + 1, _ORIGIN_STEP)
    known = np.isfinite(values)
    return tuple(
        back
        for back in backs
        if known[max(0, len(values) - back - WINDOW_HOURS) : len(values) - back].sum() >= HOURS_MIN
    )


def _interval(expected: Values, misses: Values) -> tuple[Values | None, Values | None]:
    counts = np.isfinite(misses).sum(axis=0)
    if not len(misses) or counts.min() < ORIGINS_MIN:
        return None, None
    beside = np.full((len(misses), 1), np.nan)
    padded = np.concatenate([beside, misses, beside], axis=1)
    around = np.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=0).T
    # Each side has half of what may lie outside; (n + 1) is the correction for n past misses.
    shares = np.minimum(1.0, (counts + 1) * (1 + COVERAGE) / 2 / counts)
    low, high = quantiles(around, 1 - shares), quantiles(around, shares)
    return expected + np.minimum(0.0, low), expected + np.maximum(0.0, high)


def median_of_five(windows: Values) -> Values:
    """Return the forecasts float64[s, 24] after windows float64[s, 336] of hourly means (NaN: not known).

    What grows for certain (Mann-Kendall on the daily medians, p < 0.05) is taken out at first and added at
    last. The five: the last value; the daily profile, as far as days follow it, on an exponentially smoothed
    level; the same with a quarter of the trend that is left; the full profile on the Theil-Sen line of the
    daily medians; the profile on a level that goes back to the usual one by 3 % an hour. A series without
    any value gives NaN.
    """
    slope = _certain_slopes(windows.reshape(len(windows), -1, HOURS_PER_DAY))
    back = np.arange(1 - windows.shape[1], 1) / HOURS_PER_DAY
    windows = windows - slope[:, None] * back
    days = windows.reshape(len(windows), -1, HOURS_PER_DAY)
    profile, followed = _daily_profile(days)
    shrunk = followed[:, None] * profile
    level = _smoothed_level(days - shrunk[:, None, :])
    usual = quantiles(windows, 0.5)
    rest_slope, at_end = _daily_lines(days)
    hours = np.arange(1, HORIZON + 1)
    rest = rest_slope[:, None] * hours / HOURS_PER_DAY
    on_level = shrunk + level[:, None]
    five = np.stack(
        [
            np.repeat(_last_value(windows)[:, None], HORIZON, axis=1),
            on_level,
            on_level + _SLOPE_SHARE * rest,
            profile + at_end[:, None] + rest,
            shrunk + usual[:, None] + (level - usual)[:, None] * _DAMPING**hours,
        ]
    )
    return quantiles(np.moveaxis(five, 0, -1), 0.5) + slope[:, None] * hours / HOURS_PER_DAY


def _certain_slopes(days: Values) -> Values:
    """The Theil-Sen slope of the daily medians a day, float64[s], 0 where it may be an accident.

    The test is Mann-Kendall's without correction for ties: many of them make it more careful.
    """
    medians = quantiles(days, 0.5)
    known = np.count_nonzero(np.isfinite(medians), axis=1)
    first, second = np.triu_indices(medians.shape[1], 1)
    score = np.nansum(np.sign(medians[:, second] - medians[:, first]), axis=1)
    spread = np.sqrt(known * (known - 1) * (2 * known + 5) / 18)
    is_certain = (known >= _TREND_DAYS_MIN) & (np.abs(score) - 1 > _Z_95 * spread)
    return np.where(is_certain, _daily_lines(days)[0], 0.0)


def _last_value(windows: Values) -> Values:
    known = np.isfinite(windows)
    last = windows.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.asarray(windows[np.arange(len(windows)), last])


def _daily_profile(days: Values) -> tuple[Values, Values]:
    """How each hour of the day usually differs, float64[s, 24], and by how much of that a further day does,
    float64[s], 0 to 1.

    The latter is the least-squares coefficient of a day's shape on that of the other days, leaving one out
    at a time; of these the median, so that one wild day says nothing.
    """
    profile = _centred(quantiles(np.swapaxes(days, 1, 2), 0.5))
    profile = np.where(np.isfinite(profile), profile, 0.0)
    shapes = days - quantiles(days, 0.5)[..., None]
    expected = np.swapaxes(medians_without_each(np.swapaxes(shapes, 1, 2)), 1, 2)
    both = np.isfinite(shapes) & np.isfinite(expected)
    shapes, expected = np.where(both, shapes, 0.0), np.where(both, expected, 0.0)
    power: Values = (expected**2).sum(axis=2)
    is_known = (power > 0) & (np.count_nonzero(both, axis=2) >= HOURS_PER_DAY // 2)
    along = (shapes * expected).sum(axis=2)
    found = np.where(is_known, along / np.where(is_known, power, 1.0), np.nan)
    # Without two days to hold beside each other an hour's own value would be its profile.
    followed = quantiles(found, 0.5)
    followed = np.clip(np.where(np.isfinite(followed), followed, 0.0), 0.0, 1.0)
    is_held = np.count_nonzero(np.isfinite(found), axis=1) > 0
    return np.where(is_held[:, None], profile, 0.0), followed


def _centred(profile: Values) -> Values:
    return profile - quantiles(profile, 0.5)[:, None]


def _smoothed_level(days: Values) -> Values:
    """The level by simple exponential smoothing at the end, with each series' best rate by one-step error.

    Without a loop over the hours: after m known values the level is (1 - a)^m (l0 + a sum x_k (1 - a)^-k).
    The terms grow towards the end, so the sum loses nothing; at most 0.2^-336, they stay numbers.
    """
    rest = days.reshape(len(days), -1)
    known = np.isfinite(rest)
    filled = np.where(known, rest, 0.0)
    start = quantiles(rest, 0.5)
    count = np.cumsum(known, axis=1)
    level = np.empty((len(_ALPHAS), len(rest)))
    missed = np.empty_like(level)
    for place, alpha in enumerate(_ALPHAS):
        fading = (1 - alpha) ** count
        levels = fading * (start[:, None] + alpha * np.cumsum(filled / fading, axis=1))
        before = np.concatenate([start[:, None], levels[:, :-1]], axis=1)
        missed[place] = np.where(known, np.abs(filled - before), 0.0).sum(axis=1)
        level[place] = levels[:, -1]
    best: NDArray[np.int64] = np.argmin(missed, axis=0)
    return np.asarray(level[best, np.arange(len(rest))])


def _daily_lines(days: Values) -> tuple[Values, Values]:
    """Theil-Sen through the daily medians: slope a day, float64[s], and the value at the end, float64[s]."""
    medians = quantiles(days, 0.5)
    count = medians.shape[1]
    first, second = np.triu_indices(count, 1)
    slope = quantiles((medians[:, second] - medians[:, first]) / (second - first), 0.5)
    slope = np.where(np.isfinite(slope), slope, 0.0)
    ages = np.arange(count - 1, -1, -1) + 0.5
    return slope, quantiles(medians + slope[:, None] * ages, 0.5)

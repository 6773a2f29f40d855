"""Where a level will be in a week or a month: the day's typical value, not its hours.

A week ahead, a path by the hour is worse than saying how high the day will be. The line through the daily
medians and the mean of the last seven days are about equally good; how much of each is taken depends on
how sure the trend is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from cluster.analytics.growth import Compound, find_compound
from cluster.analytics.pace import LINE_DAYS_MAX, find_pace
from cluster.analytics.rank_statistics import mann_kendall, significant_correlation, theil_sen
from cluster.analytics.series import Daily, Values

DAYS_MIN = 7
COVERAGE = 0.9
_Z = 1.645
"""Of a normal, 90 % lie within so many standard deviations."""
_ORIGINS_MIN = 3
_FIT_DAYS_MIN = 6
_FIT_KNOWN_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What a day's value is expected to be `days_ahead` days after the end, in the unit of the series.

    With `COVERAGE` it lies between `low` and `high`; None: too little is known to say how far off it may be.
    `is_full`: as much as there can be, and no more than that for this reason.
    """

    days_ahead: int
    expected: float
    low: float | None
    high: float | None
    is_full: bool = False


def forecast_levels(
    daily: Daily,
    days_ahead: tuple[int, ...] = (7, 30),
    *,
    floor: float | None = None,
    ceiling: float | None = None,
) -> tuple[Level, ...]:
    """Return the expected value of a day so many days ahead, from float64[d] daily values, oldest first.

    (1 - w) x the mean of the last seven days + w x the line of the last 30, w = 1 - p of Mann-Kendall's test.
    Growth that `pace` calls certain is followed on its line alone. The interval is
    empirical: how far off this was with Theil-Sen's line at earlier days of this series, carried to the
    horizon by the square root of time, and the uncertainty of the slope. Growth by a share of what there is
    (`growth`) is treated so in logarithms; its interval reaches down to growth by as much a day as now, since
    nothing grows by a share for ever. Fewer than `DAYS_MIN` known days give nothing. `floor` and `ceiling`
    are values that cannot be passed.
    """
    values = daily.values[-LINE_DAYS_MAX:]
    if int(np.count_nonzero(np.isfinite(values))) < DAYS_MIN:
        return ()
    compound = find_compound(values)
    fitted = values if compound is None else np.log(values)
    now = _fit(fitted, tested=True)
    if compound is None:
        now = _at_pace(now, values)
    earlier = _earlier_fits(fitted)
    found = []
    for ahead in days_ahead:
        half = _half_width(fitted, now, earlier, ahead)
        if compound is None:
            expected, low, high = _straight(now.at(ahead), half)
        else:
            expected, low, high = _compounding(compound, ahead, half)
        found.append(
            Level(
                days_ahead=ahead,
                expected=_within(expected, floor, ceiling),
                low=None if low is None else _within(low, floor, ceiling),
                high=None if high is None else _within(high, floor, ceiling),
                is_full=ceiling is not None and expected >= ceiling,
            )
        )
    return tuple(found)


_Range: TypeAlias = tuple[float, float | None, float | None]
"""What is expected, and between what."""


def _straight(expected: float, half: float | None) -> _Range:
    return (expected, None, None) if half is None else (expected, expected - half, expected + half)


def _compounding(growth: Compound, ahead: int, half: float | None) -> _Range:
    middle = ahead - 0.5
    expected = growth.at(middle)
    if half is None:
        return expected, None, None
    low = min(expected * math.exp(-half), growth.at_this_pace(middle))
    return expected, low, expected * math.exp(min(half, 700.0))


def _within(value: float, floor: float | None, ceiling: float | None) -> float:
    if floor is not None:
        value = max(floor, value)
    return value if ceiling is None else min(ceiling, value)


@dataclass(frozen=True, slots=True)
class _Fit:
    mean: float
    weight: float
    slope: float
    line_at_end: float
    slope_reach: float

    def at(self, ahead: float) -> float:
        """At the middle of the day that ends `ahead` days after the end."""
        line = self.line_at_end + self.slope * (ahead - 0.5)
        return (1 - self.weight) * self.mean + self.weight * line


def _fit(values: Values, *, tested: bool) -> _Fit:
    x = np.arange(-len(values), 0, dtype=np.float64) + 0.5
    line = theil_sen(x, values)
    correlation = significant_correlation(values) if tested else 0.0
    weight = 1.0 - mann_kendall(values, correlation=correlation).p_value
    recent = values[-7:]
    recent = recent[np.isfinite(recent)]
    mean = float(recent.mean()) if len(recent) else float(np.nanmedian(values))
    return _Fit(mean, weight, line.per_unit, line.at_zero, (line.high - line.low) / 2 * _Z / 1.96)


def _at_pace(fit: _Fit, values: Values) -> _Fit:
    """On the line that days until it is full are counted on, where there is growth for certain."""
    pace = find_pace(values)
    if not pace.is_certain or pace.tooth is not None:
        return fit
    return replace(fit, weight=1.0, slope=pace.slope, line_at_end=pace.level)


def _earlier_fits(values: Values) -> dict[int, _Fit]:
    """What the same method made of the days before each of these, by their number."""
    known = np.cumsum(np.isfinite(values))
    ends = range(_FIT_DAYS_MIN, len(values))
    return {end: _fit(values[:end], tested=False) for end in ends if known[end - 1] >= _FIT_KNOWN_MIN}


def _half_width(values: Values, now: _Fit, earlier: Mapping[int, _Fit], ahead: int) -> float | None:
    tried = min(ahead, max(1, (len(values) - _FIT_DAYS_MIN) // 3))
    misses = [
        float(actual) - fit.at(tried)
        for end, fit in earlier.items()
        if end + tried <= len(values) and np.isfinite(actual := values[end + tried - 1])
    ]
    if len(misses) < _ORIGINS_MIN:
        return None
    off = np.abs(np.asarray(misses))
    # Few and overlapping: the normal's share of their spread, no less than nearly all that was seen.
    spread = _Z * math.sqrt(float((off**2).mean())) * (1 + 1.5 / len(off))
    seen = float(np.quantile(off, COVERAGE))
    carried = max(spread, seen) * math.sqrt(ahead / tried)
    return math.hypot(carried, now.weight * now.slope_reach * max(0, ahead - tried))

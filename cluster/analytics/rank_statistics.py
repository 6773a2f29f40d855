"""Statistics by rank and median, which one odd hour cannot move: Theil-Sen, Mann-Kendall, Mann-Whitney.

Arguments are float64[n]; what is NaN is left out. Probabilities are two-sided and by normal approximation
with correction for ties and continuity. Nothing raises for what the numbers are: too few give p = 1 and
a slope of 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.series import Values

MAD_TO_SD = 1.4826
"""What turns the median absolute deviation of normal values into their standard deviation."""
_Z_95 = 1.959964


def normal_cdf(z: float) -> float:
    """Share of a standard normal below `z`."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _median(values: Values) -> float:
    """As `numpy.median` of what is finite and not empty, in a tenth of its time for some tens of values."""
    return _middle(np.sort(values))


def _middle(ordered: Values) -> float:
    count = len(ordered)
    return (float(ordered[(count - 1) // 2]) + float(ordered[count // 2])) / 2


def robust_sd(values: Values) -> float:
    """Return 1.4826 times the median absolute deviation; 0 without values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    return MAD_TO_SD * _median(np.abs(known - _median(known)))


@dataclass(frozen=True, slots=True)
class Slope:
    """A line by Theil-Sen: `per_unit` of x, its value at x = 0, and where the slope lies with 95 %."""

    per_unit: float
    at_zero: float
    low: float
    high: float
    pairs: int


def theil_sen(x: Values, y: Values) -> Slope:
    """Return the median of the slopes of all pairs, O(n^2) in time and space.

    The intercept is the median of y - slope x. The interval is Sen's, from the variance of Kendall's score
    with ties (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968).
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    first, second = _pairs(len(x))
    gaps = x[second] - x[first]
    apart = gaps != 0
    if not apart.any():
        at = float(np.median(y)) if len(y) else 0.0
        return Slope(0.0, at, 0.0, 0.0, 0)
    slopes = np.sort((y[second] - y[first])[apart] / gaps[apart])
    slope = _middle(slopes)
    reach = _Z_95 * math.sqrt(_score_variance(y))
    count = len(slopes)
    low = slopes[max(0, int((count - reach) / 2) - 1)]
    high = slopes[min(count - 1, int((count + reach) / 2))]
    return Slope(slope, _median(y - slope * x), float(low), float(high), count)


def seasonal_slope(y: Values, period: int) -> float | None:
    """Return the slope per step of evenly spaced y, from pairs whole periods apart; None without any.

    A saw-tooth of that period drops out (Hirsch, Slack, Smith, "Techniques of trend analysis for monthly
    water quality data", 1982).
    """
    slopes = [(y[lag:] - y[:-lag]) / lag for lag in range(period, len(y), period) if period > 0]
    found = np.concatenate(slopes) if slopes else np.empty(0)
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else None


@dataclass(frozen=True, slots=True)
class Tendency:
    """The Mann-Kendall test: Kendall's score S, and the probability of one as large without a trend."""

    score: int
    p_value: float


def mann_kendall(y: Values, *, correlation: float = 0.0) -> Tendency:
    """Test evenly spaced values, oldest first, for a monotonic trend.

    `correlation` of neighbouring values (AR(1), 0 <= r < 1) makes the score's variance larger, as fewer
    independent values would: by 1 + 2 sum (1 - k/n) r^k (Yue and Wang, "The Mann-Kendall test modified by
    effective sample size", 2004).
    """
    y = y[np.isfinite(y)]
    n = len(y)
    if n < 3:
        return Tendency(0, 1.0)
    first, second = _pairs(n)
    score = int(np.sign(y[second] - y[first]).sum())
    variance = _score_variance(y)
    if correlation > 0:
        lags = np.arange(1, n)
        variance *= 1 + 2 * float(((1 - lags / n) * min(correlation, 0.99) ** lags).sum())
    return Tendency(score, _two_sided(score, variance))


def lag_one_correlation(y: Values) -> float:
    """Return the correlation of neighbours in what is left of evenly spaced values beside their line.

    Corrected for the bias of short series, (1 + 4 r) / n (Kendall, 1954); 0 where fewer than 8 are known.
    """
    x = np.arange(len(y), dtype=np.float64)
    line = theil_sen(x, y)
    rest = y - line.at_zero - line.per_unit * x
    both = np.isfinite(rest[:-1]) & np.isfinite(rest[1:])
    n = int(np.count_nonzero(both))
    if n < 7:
        return 0.0
    rest = rest - np.nanmedian(rest)
    power = float(np.nansum(rest**2)) * n / max(1, int(np.count_nonzero(np.isfinite(rest))))
    if power <= 0:
        return 0.0
    found = float((rest[:-1][both] * rest[1:][both]).sum()) / power
    return min(0.99, max(-0.99, found + (1 + 4 * found) / n))


def significant_correlation(days: Values) -> float:
    """Return the correlation of neighbouring days beside their line where it is no accident, else 0."""
    found = lag_one_correlation(days)
    known = int(np.count_nonzero(np.isfinite(days)))
    return found if found > 1.645 / math.sqrt(max(1, known)) else 0.0


def mann_whitney(x: Values, y: Values) -> float:
    """Return the probability that two samples of one distribution rank as differently as these."""
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    n: int = len(x)
    m: int = len(y)
    if not n or not m:
        return 1.0
    together = np.concatenate((x, y))
    _, where, counts = np.unique(together, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    variance = n * m / 12.0 * (total + 1 - ties / float(total * (total - 1)))
    return _two_sided(u - n * m / 2, variance, correction=0.5)


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every two of so many, the earlier first. Made for few days, and for the same number again and again."""
    first, second = np.triu_indices(count, 1)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def _two_sided(score: float, variance: float, *, correction: float = 1.0) -> float:
    if variance <= 0 or score == 0:
        return 1.0
    z = max(0.0, abs(score) - correction) / math.sqrt(variance)
    return min(1.0, math.erfc(z / math.sqrt(2.0)))


def _score_variance(y: Values) -> float:
    """Var(S) of Kendall's score under no trend, with ties."""
    n = len(y)
    ordered = np.sort(y)
    ties = 0.0
    if (ordered[1:] == ordered[:-1]).any():
        _, counts = np.unique(ordered, return_counts=True)
        ties = float((counts * (counts - 1.0) * (2.0 * counts + 5)).sum())
    return max(0.0, (n * (n - 1.0) * (2 * n + 5) - ties) / 18)

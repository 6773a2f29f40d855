"""What else moved while something moved: series that were otherwise in a stretch than before it.

Whoever looks at a spike asks what it goes with. The stretch is held against the time before it by the
distance of Kolmogorov and Smirnov, which sees a level, a spread and a burst alike. Its probability is by as
many values as are independent, since a series that drifts is otherwise in any stretch; of all series those
are kept of which one in twenty is expected to be an accident (Benjamini and Hochberg, 1995).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.rank_statistics import robust_sd
from cluster.analytics.series import Values

BEFORE_TIMES = 4
"""So many times as long as the stretch is the time before it, which says what is usual."""
STRETCH_MIN = 5
BEFORE_MIN = 10
FALSE_SHARE_MAX = 0.05
SHARE_MIN = 0.10
"""What changed by less than a tenth, at its middle and at its edges, is of no interest."""
LAGS_MAX = 8
EFFECT_HALF = 3.0
_QUANTILES = (0.1, 0.5, 0.9)
_TERMS = 20


class Direction(StrEnum):
    """Where the middle of a series went; SPREAD: it stayed, and its values went apart or together."""

    RISE = "rise"
    FALL = "fall"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How one series moved. `place` is that in what was given.

    `distance` is of Kolmogorov and Smirnov, 0 to 1, `p_value` its probability by chance. `before` and
    `during` are medians, `effect` their difference in robust standard deviations of before. `follows` is the
    rank correlation with the series that is asked about, -1 to 1, when this one is `lag` steps later
    (negative: earlier); None without such a series. `score`, 0 to 1, is what they are ranked by.
    """

    place: int
    score: float
    distance: float
    p_value: float
    direction: Direction
    before: float
    during: float
    effect: float | None
    follows: float | None
    lag: int


def find_movements(
    rows: Sequence[Values], first: int, *, focus: Values | None = None, most: int = 50
) -> list[Movement]:
    """Return which of `rows` moved from place `first` on, the surest first; at most `most`.

    All rows, and `focus`, are float64[n] on one grid, NaN where nothing was measured. The score is the
    distance, which is 1 for all that moved clearly, times how far a row went beside what it usually does, and
    with a focus doubled by how closely it follows that: what only moved at the same time is further down.
    """
    found: list[tuple[int, float, float]] = []
    for place, row in enumerate(rows):
        before, during = _known(row[:first]), _known(row[first:])
        if len(during) < STRETCH_MIN or len(before) < BEFORE_MIN:
            continue
        distance = ks_distance(before, during)
        share = _independent_share(row[:first])
        p_value = ks_probability(distance, share * len(before), share * len(during))
        found.append((place, distance, p_value))
    sure = _beyond_chance([p_value for _, _, p_value in found])
    moved = []
    for (place, distance, p_value), is_sure in zip(found, sure, strict=True):
        row = rows[place]
        before, during = _known(row[:first]), _known(row[first:])
        if not is_sure or not _is_of_interest(before, during):
            continue
        follows, lag = (None, 0) if focus is None else best_lag(focus, row)
        middle, now = float(np.median(before)), float(np.median(during))
        spread = robust_sd(before)
        moved.append(
            Movement(
                place=place,
                score=distance
                * _size(before, during, spread)
                * (1.0 if follows is None else (1 + abs(follows)) / 2),
                distance=distance,
                p_value=p_value,
                direction=_direction(before, during),
                before=middle,
                during=now,
                effect=(now - middle) / spread if spread > 0 else None,
                follows=follows,
                lag=lag,
            )
        )
    moved.sort(key=lambda each: (-each.score, each.place))
    return moved[:most]


def ks_distance(x: Values, y: Values) -> float:
    """Return the largest difference of two samples' distributions, 0 to 1. Neither may be empty."""
    x, y = np.sort(x), np.sort(y)
    together = np.concatenate((x, y))
    below_x = np.searchsorted(x, together, side="right") / len(x)
    below_y = np.searchsorted(y, together, side="right") / len(y)
    return float(np.abs(below_x - below_y).max())


def ks_probability(distance: float, n: float, m: float) -> float:
    """Return how likely two samples of n and m independent values of one distribution are so far apart.

    The asymptotic series, with Stephens' correction for few values (M. A. Stephens, "Use of the
    Kolmogorov-Smirnov, Cramér-von Mises and related statistics", 1970).
    """
    root = math.sqrt(n * m / (n + m)) if n + m > 0 else 0.0
    reach = (root + 0.12 + (0.11 / root if root > 0 else 0.0)) * distance
    if reach < 0.2:
        # The series converges slowly there, to 1.
        return 1.0
    total = math.fsum(
        (-1.0 if k % 2 == 0 else 1.0) * math.exp(-2 * k * k * reach * reach) for k in range(1, _TERMS + 1)
    )
    return min(1.0, max(0.0, 2 * total))


def best_lag(focus: Values, row: Values) -> tuple[float, int]:
    """Return the rank correlation of two series at the lag where it is largest, and how many steps later
    `row` is then. (0, 0) where too little is known of both."""
    best, at = 0.0, 0
    reach = min(LAGS_MAX, len(focus) // 8)
    # The nearest first: a further one must be better.
    for lag in sorted(range(-reach, reach + 1), key=abs):
        one = focus[: len(focus) - lag] if lag >= 0 else focus[-lag:]
        other = row[lag:] if lag >= 0 else row[: len(row) + lag]
        found = rank_correlation(one, other)
        if abs(found) > abs(best) + 0.02:
            best, at = found, lag
    return best, at


def rank_correlation(x: Values, y: Values) -> float:
    """Return Spearman's coefficient of what is known of both; 0 where that is too little or constant."""
    both = np.isfinite(x) & np.isfinite(y)
    if np.count_nonzero(both) < BEFORE_MIN:
        return 0.0
    a, b = _ranks(x[both]), _ranks(y[both])
    a, b = a - a.mean(), b - b.mean()
    power = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / power if power > 0 else 0.0


def _ranks(values: Values) -> Values:
    """Ranks from 1; equal values share the mean of theirs."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return ranks[where]


def _known(values: Values) -> Values:
    return values[np.isfinite(values)]


def _independent_share(values: Values) -> float:
    """How much of a series' values are worth independent ones: (1 - r) / (1 + r) of neighbours that correlate
    by r (Bayley and Hammersley, 1946). Of ranks: whoever begins a stretch a little late leaves the beginning
    of what happened in the time before, and a few large values would look like a series that drifts."""
    both = np.isfinite(values[:-1]) & np.isfinite(values[1:])
    if np.count_nonzero(both) < BEFORE_MIN:
        return 1.0
    r = min(0.98, max(0.0, rank_correlation(values[:-1], values[1:])))
    return (1 - r) / (1 + r)


def _beyond_chance(p_values: Sequence[float]) -> list[bool]:
    """Which of many are kept, so that of them one in twenty is an accident."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    kept = 0
    for rank, place in enumerate(order, start=1):
        if p_values[place] <= FALSE_SHARE_MAX * rank / len(p_values):
            kept = rank
    chosen = set(order[:kept])
    return [place in chosen for place in range(len(p_values))]


def _shifts(before: Values, during: Values) -> Values:
    return np.quantile(during, _QUANTILES) - np.quantile(before, _QUANTILES)


def _is_of_interest(before: Values, during: Values) -> bool:
    usual = max(abs(float(np.median(before))), abs(float(np.median(during))))
    return (
        bool(np.abs(_shifts(before, during)).max() >= SHARE_MIN * usual) and usual + float(np.ptp(during)) > 0
    )


def _size(before: Values, during: Values, spread: float) -> float:
    """How far a row went, 0 to 1: a half when that is as far as `EFFECT_HALF` of its usual deviations."""
    reach = float(np.abs(_shifts(before, during)).max())
    return reach / (reach + EFFECT_HALF * spread) if reach > 0 else 0.0


def _direction(before: Values, during: Values) -> Direction:
    low, middle, high = _shifts(before, during)
    if low * high < 0 and abs(middle) < min(abs(low), abs(high)):
        return Direction.SPREAD
    total = low + middle + high
    return Direction.RISE if total > 0 else Direction.FALL

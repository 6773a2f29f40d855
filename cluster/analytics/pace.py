"""How much more there is each day, by the ways to tell, and what kind of growth makes them differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cluster.analytics.rank_statistics import (
    mann_kendall,
    robust_sd,
    seasonal_slope,
    significant_correlation,
    theil_sen,
)
from cluster.analytics.series import Values
from cluster.analytics.steps import find_steps

LINE_DAYS_MAX = 30
AGREEMENT = 0.3
"""Ways to tell agree when they differ by no more than this share of the smallest."""
P_MAX = 0.05
_SIMILAR = 0.5
_RETURNED = 0.3


class Shape(StrEnum):
    """What kind of growth it is, and so why a range may be wide."""

    STEADY = "steady"
    CLEANUP = "cleanup"
    JUMP = "jump"
    SAW_TOOTH = "saw-tooth"
    ACCELERATING = "accelerating"
    COMPOUND = "compound"
    SLOWING = "slowing"
    SUDDEN = "sudden"


@dataclass(frozen=True, slots=True)
class Pace:
    """Growth a day by the ways to tell, and what kind of growth that makes it."""

    slope: float
    slowest: float
    fastest: float
    level: float
    """At the end, on the way of `slope`."""
    shape: Shape
    is_certain: bool
    period: int | None = None
    tops_above: float = 0.0
    """How far the tops of a saw-tooth lie above `level`."""
    tooth: Values | None = None
    """How far each day of the last period lies above or below the line, float64[period], 0 for a gap."""


def find_pace(days: Values) -> Pace:
    """Return the pace of float64[d] daily values, oldest first, of which one at least is known.

    Days until something is full and the levels of a week and a month are both made of it, so that the two
    are on one line.
    """
    x = np.arange(len(days), dtype=np.float64)
    plain = theil_sen(x, days)
    steps = find_steps(days)
    period = _period(steps)
    if period is not None:
        return _saw_tooth(days, plain.per_unit, period)
    # As if what was added or taken away had always been so: the end stays where it is.
    smooth = days + (steps.sum() - np.concatenate(([0.0], np.cumsum(steps))))
    removed = theil_sen(x, smooth)
    is_certain = _is_certain(smooth, removed.per_unit)
    if steps.any():
        # Growth goes on as between the steps; with more of them, as all in all.
        shape = Shape.CLEANUP if steps.sum() < 0 else Shape.JUMP
        in_all = removed.per_unit + float(steps.sum()) / len(days)
        ways = (removed.per_unit, plain.per_unit, in_all)
        level = _level_now(smooth, removed.per_unit)
        if abs(steps.sum()) < _RETURNED * np.abs(steps).max():
            # It came and went.
            return Pace(removed.per_unit, removed.per_unit, removed.per_unit, level, Shape.STEADY, is_certain)
        return Pace(removed.per_unit, min(ways), max(ways), level, shape, is_certain)
    recent = theil_sen(x[-7:], days[-7:])
    slopes = (plain.per_unit, recent.per_unit)
    differs = max(slopes) > min(slopes) + AGREEMENT * abs(min(slopes))
    # The last week counts when the slope of all lies outside what its own days allow.
    if differs and not recent.low <= plain.per_unit <= recent.high:
        shape = Shape.ACCELERATING if recent.per_unit > plain.per_unit else Shape.SLOWING
        level = _level_now(days, recent.per_unit)
        return Pace(recent.per_unit, min(slopes), max(slopes), level, shape, is_certain)
    level = _level_now(days, plain.per_unit)
    return Pace(plain.per_unit, plain.per_unit, plain.per_unit, level, Shape.STEADY, is_certain)


def _saw_tooth(days: Values, plain: float, period: int) -> Pace:
    """Growth from period to period, certain when it is more than what equal days of periods differ by."""
    whole = seasonal_slope(days, period)
    slope = plain if whole is None else whole
    lagged = days[period:] - days[:-period]
    lagged = lagged[np.isfinite(lagged)]
    noise = max(robust_sd(lagged), 1e-9 * float(np.nanmax(np.abs(days))))
    is_certain = len(lagged) > 0 and abs(slope) * period > noise
    last = days[-period:]
    tooth = last[np.isfinite(last)]
    middle = float(tooth.mean()) if len(tooth) else float(np.nanmedian(days))
    level = middle + slope * period / 2
    ages = np.arange(len(last) - 1, -1, -1) + 0.5
    return Pace(
        slope=slope,
        slowest=slope,
        fastest=slope,
        level=level,
        shape=Shape.SAW_TOOTH,
        is_certain=is_certain,
        period=period,
        tops_above=float(tooth.max()) - middle if len(tooth) else 0.0,
        tooth=np.where(np.isfinite(last), last - (level - slope * ages), 0.0),
    )


def _is_certain(smooth: Values, slope: float) -> bool:
    """Whether growth is no accident: Mann-Kendall's test, and more growth than the days differ by beside it.

    A bend in the line looks like correlated days to the correction for those, so growth of four times that
    needs none.
    """
    x = np.arange(len(smooth), dtype=np.float64)
    spread = robust_sd(smooth - slope * x)
    growth = abs(slope) * len(smooth)
    if slope == 0 or growth <= spread or mann_kendall(smooth).p_value >= P_MAX:
        return False
    correlation = significant_correlation(smooth)
    return growth > 4 * spread or mann_kendall(smooth, correlation=correlation).p_value < P_MAX


def _period(steps: Values) -> int | None:
    """How many days apart falls of similar size recur; None where they do not."""
    at = np.flatnonzero(steps < 0)
    if len(at) < 2:
        return None
    # A clean-up that took place at noon is two half steps.
    joined: list[list[float]] = []
    for place in at:
        if joined and place - joined[-1][0] <= 1:
            joined[-1][1] += steps[place]
        else:
            joined.append([float(place), float(steps[place])])
    if len(joined) < 2:
        return None
    sizes = np.array([each[1] for each in joined])
    if abs(sizes).max() - abs(sizes).min() > _SIMILAR * abs(sizes).max():
        return None
    gaps = np.diff([each[0] for each in joined])
    if gaps.max() > 2 * gaps.min():
        return None
    return max(1, round(float(np.median(gaps))))


def _level_now(days: Values, slope: float) -> float:
    """The level at the end, from the last known days and the slope."""
    carried = days + slope * (np.arange(len(days) - 1, -1, -1) + 0.5)
    recent = carried[-4:]
    recent = recent[np.isfinite(recent)]
    if len(recent):
        return float(np.median(recent))
    return float(carried[np.flatnonzero(np.isfinite(carried))[-1]])

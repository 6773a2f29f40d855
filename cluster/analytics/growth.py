"""Growth by a share of what there is, where two weeks of days favour it over a line by a margin.

A cache that doubles, a data base whose users bring users: a line through such days is too low a week on, and
too late for a limit. The line is what is believed otherwise: growth by a share is the bolder claim, as it is
carried further every day.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cluster.analytics.rank_statistics import Slope, theil_sen
from cluster.analytics.series import Values
from cluster.analytics.steps import find_steps

DAYS_MIN = 14
_GROWN_MIN = math.log(1.15)
"""What grew by less is as well told by a line."""
_MARGIN = 0.8
"""How much smaller the errors have to be than those of a line."""
_ORIGIN_DAYS_MIN = 7
_AHEAD_MAX = 7
_RECENT = 7


@dataclass(frozen=True, slots=True)
class Compound:
    """`level` at the end of the series, in its unit, and the `rate` of growth a day, as a logarithm."""

    level: float
    rate: float

    def at(self, ahead: float) -> float:
        """The level so many days after the end."""
        return self.level * math.exp(min(self.rate * ahead, 700.0))

    def at_this_pace(self, ahead: float) -> float:
        """The level if it only goes on by as much a day as now."""
        return self.level * (1 + self.rate * ahead)

    def days_until(self, limit: float) -> float:
        return max(0.0, math.log(limit / self.level) / self.rate)


def find_compound(days: Values) -> Compound | None:
    """Return the growth of float64[d] daily values, oldest first, if it is by a share; None for a line.

    All of these have to hold: 14 days are known, all above 0; without steps; grown by 15 % and more; the
    Theil-Sen line of the logarithms misses these days by less than 0.8 of what a line does; and so it does
    up to a week ahead of earlier days, where the line of all days and that of the last seven are what it has
    to beat (growth that doubled once is no growth by a share).
    """
    known = days[np.isfinite(days)]
    if len(known) < DAYS_MIN or known.min() <= 0 or find_steps(days).any():
        return None
    x = np.arange(-len(days), 0, dtype=np.float64) + 0.5
    logs = np.log(days)
    line = theil_sen(x, logs)
    if line.low <= 0 or line.per_unit * len(days) < _GROWN_MIN:
        return None
    curved = np.exp(line.at_zero + line.per_unit * x)
    straight = _along(theil_sen(x, days), x)
    if _missed(days, curved) >= _MARGIN * _missed(days, straight):
        return None
    ahead = _missed_ahead(x, logs, days, np.exp, len(days))
    by_lines = (_missed_ahead(x, days, days, _same, count) for count in (len(days), _RECENT))
    if ahead >= _MARGIN * min(by_lines):
        return None
    return Compound(math.exp(line.at_zero), line.per_unit)


def _along(line: Slope, x: Values) -> Values:
    return line.at_zero + line.per_unit * x


def _same(values: Values) -> Values:
    return values


def _missed(days: Values, expected: Values) -> float:
    return float(np.nanmean(np.abs(days - expected)))


def _missed_ahead(
    x: Values, fitted: Values, days: Values, back: Callable[[Values], Values], count: int
) -> float:
    """How far off, on average, lines through the `count` days before each of the later days were up to a
    week ahead; `back` turns what was `fitted` into days."""
    missed = []
    for end in range(_ORIGIN_DAYS_MIN, len(days)):
        begin = max(0, end - count)
        ahead = slice(end, end + _AHEAD_MAX)
        expected = back(_along(theil_sen(x[begin:end], fitted[begin:end]), x[ahead]))
        missed.append(np.abs(days[ahead] - expected))
    return float(np.nanmean(np.concatenate(missed)))

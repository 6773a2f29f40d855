"""Does it rise, does it fall, or neither: said only when a test on whole days says so.

Samples of ten seconds or an hour depend on each other so much that a test on them calls every second
wandering series a trend; the medians of days are nearly independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cluster.analytics.levels import Level, forecast_levels
from cluster.analytics.pace import LINE_DAYS_MAX
from cluster.analytics.rank_statistics import (
    Slope,
    mann_kendall,
    normal_cdf,
    robust_sd,
    significant_correlation,
    theil_sen,
)
from cluster.analytics.series import Hourly, Values, to_daily

DAYS_MIN = 7
DAYS_CONVINCING = 14
P_MAX = 0.05
SHARE_PER_DAY_MIN = 0.005
"""A slope below half a per cent of the level a day is nobody's concern, however certain."""
_BEND_SDS = 4.0


class Verdict(StrEnum):
    INCREASING = "increasing"
    DECREASING = "decreasing"
    STABLE = "stable"
    INSUFFICIENT = "insufficient-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The trend of a series, in its unit. All but `days_known` is None when the data does not suffice.

    `per_day` is the Theil-Sen slope of the daily medians, `percent_per_day` the same of the `level`, the
    median of the last seven days (None for a level of 0). `percent_last_week` is by how much the level
    differs from that of a week ago. `confidence` is 0 to 1: of a trend, 1 - p; of none, how much of the
    slope's distribution lies below what counts; both scaled by days/14. `levels` are those in a week and a
    month. `days_needed` whole days are needed for a verdict. `newest` is the last day's median: where what
    moves is now, three days ahead of `level`.
    """

    verdict: Verdict
    days_known: int
    days_needed: int = DAYS_MIN
    level: float | None = None
    per_day: float | None = None
    percent_per_day: float | None = None
    percent_last_week: float | None = None
    p_value: float | None = None
    confidence: float | None = None
    levels: tuple[Level, ...] = ()
    newest: float | None = None


def find_trend(hourly: Hourly, *, floor: float | None = 0.0, ceiling: float | None = None) -> Trend:
    """Return the trend of the last 30 days of hourly means.

    Mann-Kendall on the daily medians (with Yue and Wang's correction where neighbouring days correlate
    beyond chance and it is no bend of the growth), p < 0.05, and a Theil-Sen slope of at least half a per
    cent of the level a day. `floor` and `ceiling` are the least and the most there can be.
    """
    daily = to_daily(hourly)
    days = daily.values[-LINE_DAYS_MAX:]
    known = int(np.count_nonzero(np.isfinite(days)))
    if known < DAYS_MIN:
        return Trend(verdict=Verdict.INSUFFICIENT, days_known=known)
    line = theil_sen(np.arange(len(days), dtype=np.float64), days)
    test = mann_kendall(days, correlation=_correlation(days, line))
    level = _recent(days, 7)
    least = SHARE_PER_DAY_MIN * max(abs(level), float(np.nanmedian(np.abs(days))))
    is_trend = test.p_value < P_MAX and abs(line.per_unit) >= least and line.per_unit != 0
    if is_trend:
        verdict = Verdict.INCREASING if line.per_unit > 0 else Verdict.DECREASING
        confidence = 1 - test.p_value
    else:
        verdict, confidence = Verdict.STABLE, _share_below(line, least)
    week_ago = _recent(days[:-7], 2) if len(days) > 8 else float("nan")
    return Trend(
        verdict=verdict,
        days_known=known,
        level=level,
        per_day=line.per_unit,
        percent_per_day=100 * line.per_unit / abs(level) if level else None,
        percent_last_week=_percent(_recent(days, 2), week_ago),
        p_value=test.p_value,
        confidence=confidence * min(1.0, known / DAYS_CONVINCING),
        levels=forecast_levels(daily, floor=floor, ceiling=ceiling),
        newest=_recent(days, 1),
    )


def _correlation(days: Values, line: Slope) -> float:
    """That of neighbouring days beside the line; 0 where the line grows by four times what they differ from
    it by: it is a bend in the growth then."""
    rest = days - line.per_unit * np.arange(len(days), dtype=np.float64)
    is_bend = abs(line.per_unit) * len(days) > _BEND_SDS * robust_sd(rest)
    return 0.0 if is_bend else max(0.0, significant_correlation(days))


def _recent(days: Values, count: int) -> float:
    """The median of the last known of so many days; of all that are known where none of them is."""
    for part in (days[-count:], days):
        known = part[np.isfinite(part)]
        if len(known):
            return float(np.median(known))
    return float("nan")


def _percent(now: float, before: float) -> float | None:
    return 100 * (now - before) / abs(before) if np.isfinite(before) and before else None


def _share_below(line: Slope, least: float) -> float:
    """How much of the slope's distribution lies within what does not count."""
    spread = (line.high - line.low) / (2 * 1.96)
    if spread <= 0:
        return 1.0 if abs(line.per_unit) <= least else 0.0
    return normal_cdf((least - line.per_unit) / spread) - normal_cdf((-least - line.per_unit) / spread)

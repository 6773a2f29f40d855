"""When something is full: one number where the ways to tell agree, else a range and why they differ.

What fills disks is not a straight line: clean-ups, log rotation, growth that speeds up. A line through all of
it is wrong by a factor of two and more, which is why alerts on such lines are switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from cluster.analytics.levels import LINE_DAYS_MAX, significant_correlation
from cluster.analytics.rank_statistics import (
    MAD_TO_SD,
    mann_kendall,
    robust_sd,
    seasonal_slope,
    theil_sen,
)
from cluster.analytics.series import HOURS_PER_DAY, Hourly, Values, day_windows, to_daily

DAYS_MIN = 7
HORIZON_DAYS = 365.0
AGREEMENT = 0.3
"""Ways to tell agree when they differ by no more than this share of the smallest."""
P_MAX = 0.05
_STEP_SDS = 6.0
_SIMILAR = 0.5
_RETURNED = 0.3
_SUDDEN_HOURS = 12
_SUDDEN_DAYS_MAX = 3.0


class Outlook(StrEnum):
    """What becomes of the room that is left."""

    FULL = "full"
    FILLING = "filling"
    FAR = "not-within-a-year"
    FLAT = "not-growing"
    SHRINKING = "shrinking"
    INSUFFICIENT = "insufficient-data"
    NO_LIMIT = "no-limit"


class Shape(StrEnum):
    """What kind of growth it is, and so why a range may be wide."""

    STEADY = "steady"
    CLEANUP = "cleanup"
    JUMP = "jump"
    SAW_TOOTH = "saw-tooth"
    ACCELERATING = "accelerating"
    SLOWING = "slowing"
    SUDDEN = "sudden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion:
    """When the limit is reached, in days from the end of the series, and how sure that is (0 to 1).

    `days` is the best guess, between `soonest_days` and `latest_days`; the three are equal where the ways to
    tell agree, and all None where it does not fill. `latest_days` None beside `days`: perhaps never.
    `peaks_days` is when the daily peaks reach it. `per_day` is the growth the guess is made with; `level`
    and `limit` are in the unit of the series. `period_days` is how often a saw-tooth falls.
    """

    outlook: Outlook
    limit: float | None
    level: float | None = None
    per_day: float | None = None
    days: float | None = None
    soonest_days: float | None = None
    latest_days: float | None = None
    peaks_days: float | None = None
    shape: Shape | None = None
    period_days: int | None = None
    confidence: float | None = None
    days_known: int = 0

    @property
    def is_range(self) -> bool:
        return self.days is not None and self.soonest_days != self.latest_days


def find_exhaustion(hourly: Hourly, limit: float | None) -> Exhaustion:
    """Return when the hourly means of the last 30 days will reach `limit`.

    Three slopes of the daily medians: Theil-Sen over all, over all without its steps (day-to-day differences
    beyond six robust standard deviations), and over the last seven days. Steps of similar size that recur
    are a saw-tooth, as log rotation makes it: there the slope is that of days whole periods apart, the guess
    is the first tooth that reaches the limit, and the range is from the line of the tops to that of the
    middle. Growth in the last twelve hours as there was none before is told apart from all of that.
    """
    daily = to_daily(hourly)
    days = daily.values[-LINE_DAYS_MAX:]
    known = int(np.count_nonzero(np.isfinite(days)))
    if limit is None or not np.isfinite(limit) or limit <= 0:
        return Exhaustion(outlook=Outlook.NO_LIMIT, limit=None, days_known=known)
    newest = hourly.values[np.isfinite(hourly.values)]
    if not len(newest):
        return Exhaustion(outlook=Outlook.INSUFFICIENT, limit=limit)
    if newest[-1] >= limit:
        level = float(newest[-1])
        return Exhaustion(
            outlook=Outlook.FULL, limit=limit, level=level, days=0.0, soonest_days=0.0, latest_days=0.0,
            peaks_days=0.0, shape=Shape.STEADY, confidence=1.0, days_known=known,
        )  # fmt: skip
    sudden = _sudden(hourly, limit)
    if known < DAYS_MIN:
        slow = Exhaustion(
            outlook=Outlook.INSUFFICIENT, limit=limit, level=float(newest[-1]), days_known=known
        )
    else:
        slow = _by_days(hourly, days, limit, known)
    return slow if sudden is None else _with_sudden(slow, sudden, limit, float(newest[-1]))


@dataclass(frozen=True, slots=True)
class _Ways:
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


def _by_days(hourly: Hourly, days: Values, limit: float, known: int) -> Exhaustion:
    ways = _ways(days)
    base = Exhaustion(
        outlook=Outlook.FLAT, limit=limit, level=ways.level, per_day=ways.slope, shape=ways.shape,
        period_days=ways.period, days_known=known,
    )  # fmt: skip
    if not ways.is_certain:
        return replace(base, confidence=min(1.0, known / 14) * 0.8)
    if ways.slope <= 0 and ways.fastest <= 0:
        return replace(base, outlook=Outlook.SHRINKING, confidence=min(1.0, known / 14) * 0.9)
    room = max(0.0, limit - ways.level)
    above = _peaks_above(hourly)
    if ways.tooth is None:
        soonest, guess = _days_until(room, ways.fastest), _days_until(room, ways.slope)
    else:
        soonest = _days_until(max(0.0, room - ways.tops_above - above), ways.fastest)
        guess = _next_top(ways, limit - above)
    latest = _days_until(room, ways.slowest)
    if soonest is None:
        return replace(base, outlook=Outlook.FAR, confidence=min(1.0, known / 14) * 0.9)
    agree = latest is not None and latest <= soonest * (1 + AGREEMENT)
    # Which tooth is the one that reaches it depends on little: the range stays.
    if agree and guess is not None and ways.tooth is None:
        soonest = latest = guess
    if guess is None:
        guess = soonest
    peaks = _days_until(max(0.0, room - above), ways.slope) if ways.tooth is None else None
    return replace(
        base,
        outlook=Outlook.FILLING,
        days=guess,
        soonest_days=min(soonest, guess),
        latest_days=latest,
        peaks_days=peaks if peaks is not None and peaks < guess * 0.9 else None,
        confidence=min(1.0, known / 14) * (0.9 if agree else 0.5),
    )


def _ways(days: Values) -> _Ways:
    x = np.arange(len(days), dtype=np.float64)
    plain = theil_sen(x, days)
    steps = _steps(days)
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
            return _Ways(
                removed.per_unit, removed.per_unit, removed.per_unit, level, Shape.STEADY, is_certain
            )
        return _Ways(removed.per_unit, min(ways), max(ways), level, shape, is_certain)
    recent = theil_sen(x[-7:], days[-7:])
    slopes = (plain.per_unit, recent.per_unit)
    differs = max(slopes) > min(slopes) + AGREEMENT * abs(min(slopes))
    # The last week counts when the slope of all lies outside what its own days allow.
    if differs and not recent.low <= plain.per_unit <= recent.high:
        shape = Shape.ACCELERATING if recent.per_unit > plain.per_unit else Shape.SLOWING
        level = _level_now(days, recent.per_unit)
        return _Ways(recent.per_unit, min(slopes), max(slopes), level, shape, is_certain)
    level = _level_now(days, plain.per_unit)
    return _Ways(plain.per_unit, plain.per_unit, plain.per_unit, level, Shape.STEADY, is_certain)


def _saw_tooth(days: Values, plain: float, period: int) -> _Ways:
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
    return _Ways(
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


def _next_top(ways: _Ways, limit: float) -> float | None:
    """In how many days a tooth reaches the limit, of its day's peaks: full is full, though it is emptied
    again."""
    assert ways.tooth is not None, "it is a saw-tooth"
    ahead = np.arange(int(HORIZON_DAYS)) + 0.5
    course = ways.level + ways.slope * ahead + np.resize(ways.tooth, len(ahead))
    reaching = np.flatnonzero(course >= limit)
    return float(ahead[reaching[0]]) if len(reaching) else None


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


def _steps(days: Values) -> Values:
    """The day-to-day differences that are steps, 0 elsewhere; float64[d-1]. Gaps are no steps."""
    differences = np.diff(days)
    finite = differences[np.isfinite(differences)]
    if len(finite) < 4:
        return np.zeros(len(differences))
    usual = float(np.median(finite))
    spread = float(MAD_TO_SD * np.median(np.abs(finite - usual)))
    # Of a line without noise every rounding error would be a step.
    least = max(_STEP_SDS * spread, 3 * abs(usual), 0.002 * float(np.nanmedian(np.abs(days))))
    is_step = np.isfinite(differences) & (np.abs(differences - usual) > least)
    return np.where(is_step, differences - usual, 0.0)


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


def _peaks_above(hourly: Hourly) -> float:
    """How far the day's highest hour usually lies above its median."""
    windows = day_windows(hourly.tail(14 * HOURS_PER_DAY))
    windows = windows[np.isfinite(windows).any(axis=1)]
    above = np.nanmax(windows, axis=1) - np.nanmedian(windows, axis=1)
    return float(np.median(above))


def _days_until(room: float, per_day: float) -> float | None:
    """None: not within the horizon."""
    if per_day <= 0 or room > per_day * HORIZON_DAYS:
        return None
    return room / per_day


@dataclass(frozen=True, slots=True)
class _Sudden:
    days: float
    per_day: float


def _sudden(hourly: Hourly, limit: float) -> _Sudden | None:
    """Growth over the last twelve hours, nearly every hour, that fills within days, and more than three times
    what any twelve hours before rose by; None without such growth."""
    values = hourly.values
    if len(values) < 2 * _SUDDEN_HOURS or not np.isfinite(values[-_SUDDEN_HOURS:]).all():
        return None
    recent = values[-_SUDDEN_HOURS:]
    line = theil_sen(np.arange(_SUDDEN_HOURS, dtype=np.float64), recent)
    per_day = line.per_unit * HOURS_PER_DAY
    days = _days_until(limit - float(recent[-1]), per_day)
    if days is None or days > _SUDDEN_DAYS_MAX or (np.diff(recent) > 0).mean() < 0.8:
        return None
    rises = values[_SUDDEN_HOURS - 1 :] - values[: 1 - _SUDDEN_HOURS]
    before = rises[: 1 - _SUDDEN_HOURS]
    before = before[np.isfinite(before)]
    if len(before) and rises[-1] <= 3 * max(0.0, float(before.max())):
        return None
    return _Sudden(days, per_day)


def _with_sudden(slow: Exhaustion, sudden: _Sudden, limit: float, level: float) -> Exhaustion:
    if slow.days is not None and slow.days <= sudden.days:
        return slow
    return Exhaustion(
        outlook=Outlook.FILLING,
        limit=limit,
        level=level,
        per_day=sudden.per_day,
        days=sudden.days,
        soonest_days=sudden.days,
        latest_days=slow.latest_days,
        shape=Shape.SUDDEN,
        confidence=0.5,
        days_known=slow.days_known,
    )

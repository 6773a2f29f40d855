"""When something is full: one number where the ways to tell agree, else a range and why they differ.

What fills disks is not a straight line: clean-ups, log rotation, growth that speeds up. A line through all of
it is wrong by a factor of two and more, which is why alerts on such lines are switched off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from cluster.analytics.growth import Compound, find_compound
from cluster.analytics.pace import AGREEMENT, LINE_DAYS_MAX, Pace, Shape, find_pace
from cluster.analytics.rank_statistics import theil_sen
from cluster.analytics.series import HOURS_PER_DAY, Hourly, Values, day_windows, to_daily

DAYS_MIN = 7
HORIZON_DAYS = 365.0
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
    middle. Growth by a share of what there is (`growth`) is followed as such. Growth in the last twelve hours
    as there was none before is told apart from all of that.
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
    compound = find_compound(days)
    if compound is not None:
        slow = _by_share(hourly, compound, limit, known)
    elif known < DAYS_MIN:
        slow = Exhaustion(
            outlook=Outlook.INSUFFICIENT, limit=limit, level=float(newest[-1]), days_known=known
        )
    else:
        slow = _by_days(hourly, days, limit, known)
    return slow if sudden is None else _with_sudden(slow, sudden, limit, float(newest[-1]))


def _by_share(hourly: Hourly, growth: Compound, limit: float, known: int) -> Exhaustion:
    """The same path that the levels of a week and a month are on. The latest is when it gets there if it only
    goes on by as much a day as now."""
    base = Exhaustion(
        outlook=Outlook.FILLING, limit=limit, level=growth.level, per_day=growth.rate * growth.level,
        shape=Shape.COMPOUND, days_known=known,
    )  # fmt: skip
    sure = min(1.0, known / 14) * 0.9
    guess = growth.days_until(limit)
    if guess > HORIZON_DAYS:
        return replace(base, outlook=Outlook.FAR, confidence=sure)
    latest = _days_until(max(0.0, limit - growth.level), growth.rate * growth.level)
    agree = latest is not None and latest <= guess * (1 + AGREEMENT)
    peaks = growth.days_until(max(growth.level, limit - _peaks_above(hourly)))
    return replace(
        base,
        days=guess,
        soonest_days=guess,
        latest_days=guess if agree else latest,
        peaks_days=peaks if peaks < guess * 0.9 else None,
        confidence=sure if agree else sure / 2,
    )


def _by_days(hourly: Hourly, days: Values, limit: float, known: int) -> Exhaustion:
    pace = find_pace(days)
    base = Exhaustion(
        outlook=Outlook.FLAT, limit=limit, level=pace.level, per_day=pace.slope, shape=pace.shape,
        period_days=pace.period, days_known=known,
    )  # fmt: skip
    if not pace.is_certain:
        return replace(base, confidence=min(1.0, known / 14) * 0.8)
    if pace.slope <= 0 and pace.fastest <= 0:
        return replace(base, outlook=Outlook.SHRINKING, confidence=min(1.0, known / 14) * 0.9)
    room = max(0.0, limit - pace.level)
    above = _peaks_above(hourly)
    if pace.tooth is None:
        soonest, guess = _days_until(room, pace.fastest), _days_until(room, pace.slope)
    else:
        soonest = _days_until(max(0.0, room - pace.tops_above - above), pace.fastest)
        guess = _next_top(pace, limit - above)
    latest = _days_until(room, pace.slowest)
    if soonest is None:
        return replace(base, outlook=Outlook.FAR, confidence=min(1.0, known / 14) * 0.9)
    agree = latest is not None and latest <= soonest * (1 + AGREEMENT)
    # Which tooth is the one that reaches it depends on little: the range stays.
    if agree and guess is not None and pace.tooth is None:
        soonest = latest = guess
    if guess is None:
        guess = soonest
    peaks = _days_until(max(0.0, room - above), pace.slope) if pace.tooth is None else None
    return replace(
        base,
        outlook=Outlook.FILLING,
        days=guess,
        soonest_days=min(soonest, guess),
        latest_days=latest,
        peaks_days=peaks if peaks is not None and peaks < guess * 0.9 else None,
        confidence=min(1.0, known / 14) * (0.9 if agree else 0.5),
    )


def _next_top(pace: Pace, limit: float) -> float | None:
    """In how many days a tooth reaches the limit, of its day's peaks: full is full, though it is emptied
    again."""
    assert pace.tooth is not None, "it is a saw-tooth"
    ahead = np.arange(int(HORIZON_DAYS)) + 0.5
    course = pace.level + pace.slope * ahead + np.resize(pace.tooth, len(ahead))
    reaching = np.flatnonzero(course >= limit)
    return float(ahead[reaching[0]]) if len(reaching) else None


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

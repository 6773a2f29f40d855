"""Is it otherwise than usual: a window against the same hours of the days before.

A test on samples calls four of five unchanged windows different, because neighbouring samples depend on each
other. So hours are compared with hours, of the same time of day, and a difference must also be large: beside
what those hours usually differ by, beside every one of the days before, and in practice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cluster.analytics.rank_statistics import mann_whitney, robust_sd
from cluster.analytics.series import HOURS_PER_DAY, Hourly, Values, quantiles

DAYS_MIN = 3
DAYS_MAX = 7
P_MAX = 0.05
SHARE_MIN = 0.10
"""A difference of less than a tenth is of no practical importance."""
_EFFECTS = ((3, 2.5), (12, 1.5))
_EFFECT_LONG = 0.75
_T_97 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}
"""Student's t below which 97.5 % lie, by degrees of freedom."""


class Difference(StrEnum):
    HIGHER = "higher"
    LOWER = "lower"
    SAME = "same"
    INSUFFICIENT = "insufficient-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The last `hours` hours against the same hours of `days` days before, in the unit of the series.

    `current` and `baseline` are medians over the hours; `effect` is their difference in robust standard
    deviations of what these hours usually differ by. All None when the data does not suffice.
    """

    difference: Difference
    hours: int
    days: int
    current: float | None = None
    baseline: float | None = None
    percent: float | None = None
    effect: float | None = None
    p_value: float | None = None
    confidence: float | None = None


def compare_with_usual(
    hourly: Hourly, *, hours: int = HOURS_PER_DAY, least: float = 0.0, days: int = DAYS_MAX
) -> Comparison:
    """Compare the last `hours` hours (1 to 168) of hourly values with the same hours of up to 7 days before.

    Different means all of: p < 0.05 of Mann-Whitney on the hours beside their hour's usual value (from three
    hours up; fewer cannot tell); an effect of 0.75 (from 12 hours up), 1.5 (from 3) or 2.5; further out than
    each of the days before, and than 95 % of further days would be by Student's prediction interval; and a
    tenth and `least` (in the unit) as the practical floor.
    """
    hours = max(1, min(hours, 7 * HOURS_PER_DAY))
    # Windows longer than a day are held against whole days before them.
    stride = HOURS_PER_DAY * -(-hours // HOURS_PER_DAY)
    values = hourly.values
    current = values[-hours:]
    past = _past_windows(values, hours, stride, days)
    enough = np.count_nonzero(np.isfinite(past), axis=1) >= max(1, hours // 2)
    past = past[enough]
    needed = DAYS_MIN if hours <= HOURS_PER_DAY else 1
    known = int(np.count_nonzero(np.isfinite(current)))
    if len(past) < needed or known < max(1, hours // 2):
        return Comparison(difference=Difference.INSUFFICIENT, hours=hours, days=len(past))
    usual = quantiles(past.T, 0.5)
    now_beside, past_beside = current - usual, past - usual
    shift = _median(now_beside)
    spread = max(robust_sd(past_beside.ravel()), 0.25 * float(np.nanstd(past_beside)))
    effect = shift / spread if spread > 0 else (0.0 if shift == 0 else np.copysign(1e6, shift))
    p_value = mann_whitney(now_beside, past_beside.ravel())
    baseline = _median(usual[np.isfinite(current)])
    is_different = (
        (p_value < P_MAX or known < 3)
        and abs(effect) >= _effect_min(hours)
        and _beyond_days(shift, past_beside)
        and abs(shift) >= max(least, SHARE_MIN * abs(baseline))
        and shift != 0
    )
    difference = Difference.SAME
    if is_different:
        difference = Difference.HIGHER if shift > 0 else Difference.LOWER
    certainty = (
        1 - p_value if is_different and known >= 3 else 0.8 if is_different else min(1.0, p_value + 0.5)
    )
    return Comparison(
        difference=difference,
        hours=hours,
        days=len(past),
        current=_median(current),
        baseline=baseline,
        percent=100 * shift / abs(baseline) if baseline else None,
        effect=float(np.clip(effect, -1e6, 1e6)),
        p_value=p_value,
        confidence=certainty * min(1.0, len(past) / DAYS_MAX if hours <= HOURS_PER_DAY else 1.0),
    )


def _past_windows(values: Values, hours: int, stride: int, days: int) -> Values:
    """The same hours of earlier days, float64[d, hours], NaN where the series does not reach."""
    wanted = max(1, min(days, DAYS_MAX) * HOURS_PER_DAY // stride)
    rows = np.full((wanted, hours), np.nan)
    for row in range(wanted):
        end = len(values) - stride * (row + 1)
        part = values[max(0, end - hours) : max(0, end)]
        if len(part):
            rows[row, hours - len(part) :] = part
    return rows


def _beyond_days(shift: float, past_beside: Values) -> bool:
    """Whether it lies out of what the days before, each as a whole, differ by: days are independent where
    hours are not."""
    days = quantiles(past_beside, 0.5)
    further = np.count_nonzero(days >= shift) if shift > 0 else np.count_nonzero(days <= shift)
    count = len(days)
    if int(further) or count < 2:
        return not int(further)
    reach = _T_97[max(2, count - 1)] * np.sqrt(1 + 1 / count) * float(days.std(ddof=1))
    return bool(abs(shift) >= reach)


def _effect_min(hours: int) -> float:
    return next((effect for below, effect in _EFFECTS if hours < below), _EFFECT_LONG)


def _median(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0

"""How a value compares with other days at the same time: whether it is worth waking up for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from cluster.alerts.wording import amount

HOURS_MIN = 5
"""Below so many other days nothing is said."""
HOUR_MS = 3_600_000
DAY_HOURS = 24


def same_hours(hourly: Sequence[float], *, last_hour: int | None = None) -> list[float]:
    """Return the values a whole number of days before the one at `last_hour` (the last), newest first.

    `hourly` has a value per hour in order; NaN, where nothing is known, is left out.
    """
    end = len(hourly) - 1 if last_hour is None else last_hour
    return [hourly[at] for at in range(end - DAY_HOURS, -1, -DAY_HOURS) if not math.isnan(hourly[at])]


def usual(value: float, same: Sequence[float], unit: str) -> str:
    """Return a sentence on what the value is at this hour on other days, "" when too few are known.

    The share is the empirical one, with the value itself counted in: (days below + 1/2) / (days + 1).
    """
    if len(same) < HOURS_MIN or math.isnan(value):
        return ""
    middle = median(same)
    below = sum(1 for other in same if other < value)
    above = sum(1 for other in same if other > value)
    of_days = f"of the last {len(same)} days"
    if below == len(same):
        rank = f"higher than on any {of_days}"
    elif above == len(same):
        rank = f"lower than on any {of_days}"
    else:
        rank = f"higher than on {below} {of_days}"
    return f"At this hour it is mostly {amount(middle, unit)}; this is {rank}."

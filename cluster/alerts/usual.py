"""How a value compares with other days at the same time: whether it is worth waking up for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from cluster.alerts.wording import Said, amount, say

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


def usual(value: float, same: Sequence[float], unit: str) -> Said:
    """Return a sentence on what the value is at this hour on other days, none when too few are known.

    The share is the empirical one, with the value itself counted in: (days below + 1/2) / (days + 1).
    """
    if len(same) < HOURS_MIN or math.isnan(value):
        return Said()
    middle = median(same)
    below = sum(1 for other in same if other < value)
    above = sum(1 for other in same if other > value)
    days = str(len(same))
    if below == len(same):
        rank = say(
            "higher than on any of the last {days} days",
            "più che in ognuno degli ultimi {days} giorni",
            days=days,
        )
    elif above == len(same):
        rank = say(
            "lower than on any of the last {days} days",
            "meno che in ognuno degli ultimi {days} giorni",
            days=days,
        )
    else:
        rank = say(
            "higher than on {below} of the last {days} days",
            "più che in {below} degli ultimi {days} giorni",
            below=str(below),
            days=days,
        )
    return say(
        "At this hour it is mostly {middle}; this is {rank}.",
        "A quest'ora è per lo più {middle}; questo è {rank}.",
        middle=amount(middle, unit),
        rank=rank,
    )

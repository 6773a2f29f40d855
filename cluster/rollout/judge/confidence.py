"""Intervals for rates and for their difference."""

from __future__ import annotations

import math

Z_ONE_SIDED_95 = 1.6449
Z_TWO_SIDED_95 = 1.9600
Z_ONE_SIDED_995 = 2.5758


def wilson(count: int, total: int, z: float) -> tuple[float, float]:
    """Return the score interval of a rate `count / total`, (0, 1) where there is nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if total <= 0:
        return 0.0, 1.0
    rate = count / total
    square = z * z / total
    middle = rate + square / 2
    reach = z * math.sqrt((rate * (1 - rate) + square / 4) / total)
    # At the ends the formula is exact but for rounding.
    low = 0.0 if count == 0 else max(0.0, (middle - reach) / (1 + square))
    high = 1.0 if count == total else min(1.0, (middle + reach) / (1 + square))
    return low, high


def newcombe(count: int, total: int, base_count: int, base_total: int, z: float) -> tuple[float, float]:
    """Return the interval of `count / total` less `base_count / base_total`; (-1, 1) where one has nothing.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17 (1998), method 10.
    """
    if total <= 0 or base_total <= 0:
        return -1.0, 1.0
    rate, base_rate = count / total, base_count / base_total
    low, high = wilson(count, total, z)
    base_low, base_high = wilson(base_count, base_total, z)
    difference = rate - base_rate
    return (
        difference - math.hypot(rate - low, base_high - base_rate),
        difference + math.hypot(high - rate, base_rate - base_low),
    )


def normal_tail(z: float) -> float:
    """Return the probability that a standard normal variable is above `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2))

"""Intervals that hold at every look: 95 % of experiments have the truth in theirs at all times together.

A common interval holds at one look that was fixed before; who looks each day and stops when he likes what he
sees is wrong more often than not. These are made of e-processes instead: a bettor against a value of the
truth, whose capital begins with 1 and would grow above 1/alpha with a probability of at most alpha if that
value were true, however often it is looked at (J. Ville 1939). Values that made nobody rich stay in the
interval.

Events come in bunches, which makes evidence of independent ones too strong. So logarithms of capital are
divided by the measured `dispersion` (1: they are independent), as the judge does.

Price: about twice as wide as an interval for one look, which means some four times the requests; for a
difference of rates as high as a half, two and a half times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cluster.model.traffic import BUCKETS_MAX, latency_bound_ms

ALPHA = 0.05
_BETS = 14
"""Stakes of a bettor, each half the one before: the last one is good for some 10^8 requests."""
_STAKE_MAX = 0.9
"""Of what may be staked at most: with all of it, one event that was thought impossible is ruin."""
_STEPS = 50
QUANTILE_PRIOR = 400.0
"""As if so many requests had been seen around the quantile: best at a few thousand requests."""

Histogram = Sequence[tuple[int, int]]


class Interval(NamedTuple):
    """From `low` to `high`; infinite where nothing is known."""

    low: float
    high: float


# ---- rates -----------------------------------------------------------------------------------------------


def rate(count: int, total: int, *, dispersion: float = 1.0) -> Interval:
    """Return the interval of a rate of which `count` of `total` were seen; (0, 1) without any.

    Mixture over all rates with Jeffreys' prior (H. Robbins, "Statistical methods related to the law of the
    iterated logarithm", Annals of Mathematical Statistics 41, 1970).
    """
    if not total:
        return Interval(0.0, 1.0)
    needed = dispersion * -math.log(ALPHA)
    seen = count / total

    def is_refuted(value: float) -> bool:
        return _log_mixture(count, total, value, 0.5, 0.5) >= needed

    low = 0.0 if not count else _boundary(is_refuted, seen, 0.0)
    high = 1.0 if count == total else _boundary(is_refuted, seen, 1.0)
    return Interval(low, high)


def rate_difference(
    count: int, total: int, base_count: int, base_total: int, *, dispersion: float = 1.0
) -> Interval:
    """Return the interval of the rate `count / total` less `base_count / base_total`; (-1, 1) where one is
    without any.

    Each request is one of the observations x = 1/s of an event in the first group, -1/(1 - s) of one in the
    other, and 0 of none, where s is the first group's share; their mean is the difference. Two bettors stake
    on it being greater and on it being smaller, half of alpha each, mixed over stakes (I. Waudby-Smith and
    A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86, 2024, section 4). It
    holds for groups drawn by chance, and for given groups whose shares do not change.
    """
    if not (total and base_total):
        return Interval(-1.0, 1.0)
    share = total / (total + base_total)
    gain, loss = 1 / share, -1 / (1 - share)
    rest = total + base_total - count - base_count
    needed = -math.log(ALPHA / 2)
    seen = count / total - base_count / base_total

    def log_capital(difference: float, stakes: Sequence[float]) -> float:
        return _log_mean_exp(
            [
                (
                    count * math.log1p(stake * (gain - difference))
                    + base_count * math.log1p(stake * (loss - difference))
                    + rest * math.log1p(-stake * difference)
                )
                / dispersion
                for stake in stakes
            ]
        )

    up = _stakes(1 / (1 - loss))
    down = [-stake for stake in _stakes(1 / (1 + gain))]
    low = _boundary(lambda value: log_capital(value, up) >= needed, seen, -1.0)
    high = _boundary(lambda value: log_capital(value, down) >= needed, seen, 1.0)
    return Interval(low, high)


# ---- quantiles -------------------------------------------------------------------------------------------


def quantile(latencies: Histogram, share: float, *, dispersion: float = 1.0) -> Interval:
    """Return the interval of the `share` quantile in milliseconds; (0, inf) without any.

    Of the requests at or below the true quantile the share is known, so a bettor can stake on it being
    another one (S. R. Howard and A. Ramdas, "Sequential estimation of quantiles with applications to A/B
    testing and best-arm identification", Bernoulli 28, 2022), here by a mixture around the known share. A
    histogram says of a value only in which bucket it is, so whole buckets are in the interval or not.
    """
    needed = -math.log(ALPHA)
    evidence = _evidence_by_bucket(latencies, share, dispersion)
    possible = [bucket for bucket, log_e in enumerate(evidence) if log_e < needed]
    return Interval(_edge_ms(possible[0]), _edge_ms(possible[-1] + 1))


def quantile_difference(
    latencies: Histogram, base: Histogram, share: float, *, dispersion: float = 1.0
) -> Interval:
    """Return the interval of the `share` quantile of one histogram less that of another, in milliseconds.

    The two bettors' capital is multiplied: what of all pairs of quantiles the product has not refuted is
    projected on the difference. Narrower than the difference of two intervals, and as certain.
    """
    needed = -math.log(ALPHA)
    evidence = _evidence_by_bucket(latencies, share, dispersion)
    base_evidence = _evidence_by_bucket(base, share, dispersion)
    # By symmetry of the product only the extreme partners of each bucket matter.
    low, high = math.inf, -math.inf
    for bucket, log_e in enumerate(evidence):
        partners = [other for other, log_other in enumerate(base_evidence) if log_e + log_other < needed]
        if partners:
            low = min(low, _less(_edge_ms(bucket), _edge_ms(partners[-1] + 1)))
            high = max(high, _less(_edge_ms(bucket + 1), _edge_ms(partners[0])))
    return Interval(low, high)


def _evidence_by_bucket(latencies: Histogram, share: float, dispersion: float) -> list[float]:
    """Return the logarithm of the capital against the quantile being in each bucket, and above all.

    How many of a bucket's own requests are at or below it is not known: the number that speaks least against
    it counts.
    """
    counts = dict(latencies)
    total = sum(counts.values())
    prior, rest = QUANTILE_PRIOR * share, QUANTILE_PRIOR * (1 - share)

    def log_e(below: float) -> float:
        return _log_mixture(below, total, share, prior, rest) / dispersion

    evidence = []
    below = 0
    expected = share * total
    for bucket in range(BUCKETS_MAX):
        reached = below + counts.get(bucket, 0)
        evidence.append(log_e(min(max(expected, below), reached)))
        below = reached
    evidence.append(log_e(total))
    return evidence


def _edge_ms(bucket: int) -> float:
    """The lower end of a bucket: 0 of the first, none of what is beyond the last."""
    if not bucket:
        return 0.0
    return latency_bound_ms(bucket - 1) if bucket <= BUCKETS_MAX else math.inf


def _less(one: float, other: float) -> float:
    """One less the other, where the two may be infinite: then nothing is known of it."""
    return one - other if math.isfinite(one) or math.isfinite(other) else -math.inf


# ---- bets ------------------------------------------------------------------------------------------------


def _log_mixture(count: float, total: float, value: float, prior: float, rest: float) -> float:
    """Return the logarithm of the likelihood under a Beta(`prior`, `rest`) mixture over that at `value`."""
    return (
        _log_beta(prior + count, rest + total - count)
        - _log_beta(prior, rest)
        - _times_log(count, value)
        - _times_log(total - count, 1 - value)
    )


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


def _times_log(count: float, value: float) -> float:
    if not count:
        return 0.0
    return count * math.log(value) if value > 0 else -math.inf


def _stakes(bound: float) -> list[float]:
    return [_STAKE_MAX * bound / 2**number for number in range(_BETS)]


def _log_mean_exp(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(sum(math.exp(each - most) for each in logs) / len(logs))


def _boundary(is_refuted: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where refutation begins between what was seen and the farthest value; that, if nowhere."""
    if not is_refuted(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if is_refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside

"""Latency histograms: (bucket, count) in order of buckets, as in `cluster.model.traffic`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cluster.model.traffic import latency_bound_ms
from cluster.rollout.judge.confidence import normal_tail

Histogram = tuple[tuple[int, int], ...]


def merged(histograms: Iterable[Histogram]) -> Histogram:
    counts: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram:
            counts[bucket] = counts.get(bucket, 0) + count
    return tuple(sorted(counts.items()))


def total(histogram: Histogram) -> int:
    return sum(count for _, count in histogram)


def above(histogram: Histogram, bucket: int) -> int:
    """Return how many lie in buckets above `bucket`."""
    return sum(count for each, count in histogram if each > bucket)


def quantile_bucket(histogram: Histogram, share: float) -> int | None:
    """Return the first bucket up to which at least `share` of all lie, None for an empty histogram."""
    wanted = share * total(histogram)
    reached = 0
    for bucket, count in histogram:
        reached += count
        if reached >= wanted:
            return bucket
    return None


def quantile_ms(histogram: Histogram, share: float) -> float | None:
    """Return the quantile in milliseconds, at most one bucket (9 %) too high."""
    bucket = quantile_bucket(histogram, share)
    return None if bucket is None else latency_bound_ms(bucket)


def median_ms(histogram: Histogram) -> float | None:
    """Return the median, interpolated within its bucket on the logarithmic scale.

    The bucket's end would do for people, but a shift of one tenth is a single bucket.
    """
    bucket = quantile_bucket(histogram, 0.5)
    if bucket is None:
        return None
    below = sum(count for each, count in histogram if each < bucket)
    inside = dict(histogram)[bucket]
    within = (total(histogram) / 2 - below) / inside
    high_ms = latency_bound_ms(bucket)
    low_ms = latency_bound_ms(bucket - 1)
    return float(low_ms * (high_ms / low_ms) ** within)


def mann_whitney(new: Histogram, old: Histogram, dispersion: float) -> tuple[float, float]:
    """Return the probability that a request of `new` takes longer than one of `old` (ties count half), and
    the p-value of it being so by chance.

    Normal approximation with correction for ties (H. B. Mann, D. R. Whitney, Annals of Mathematical
    Statistics 18, 1947); neighbouring requests are alike, so the variance is multiplied by `dispersion`.
    Returns (0.5, 1.0) where one is empty.
    """
    new_total, old_total = total(new), total(old)
    if not new_total or not old_total:
        return 0.5, 1.0
    olds = dict(old)
    news = dict(new)
    wins = 0.0
    old_below = 0
    ties = 0
    for bucket in sorted(olds.keys() | news.keys()):
        here_old, here_new = olds.get(bucket, 0), news.get(bucket, 0)
        wins += here_new * (old_below + here_old / 2)
        old_below += here_old
        both = here_old + here_new
        ties += both**3 - both
    everything = new_total + old_total
    probability = wins / (new_total * old_total)
    variance = new_total * old_total / 12 * (everything + 1 - ties / (everything * (everything - 1)))
    if variance <= 0:
        return probability, 1.0
    z = (wins - new_total * old_total / 2) / math.sqrt(variance * dispersion)
    return probability, normal_tail(z)

"""How often the truth is outside an interval that is looked at again and again: in 5 of 100 at most.

Each run is one experiment, looked at while it grows; it counts as wrong when it is at any look.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from cluster.model.traffic import latency_bound_ms, latency_bucket
from cluster.rollout.judge import always_valid
from cluster.rollout.judge.confidence import Z_TWO_SIDED_95, newcombe

SEED = 20_261_130
LOOKS = (25, 50, 100, 200, 400, 800, 1600, 3200)
"""Requests of both variants together at each look."""

Experiment = Callable[[random.Random], Iterator[bool]]
"""Whether the truth was inside, look by look."""


def wrong(experiment: Experiment, runs: int) -> int:
    """How many runs were wrong at any look."""
    return sum(not all(experiment(random.Random(SEED + run))) for run in range(runs))


def counts(rng: random.Random, rates: tuple[float, float], share: float) -> Iterator[list[list[int]]]:
    """[events, requests] of both at each look; each request goes to b with probability `share`."""
    arms = [[0, 0], [0, 0]]
    for before, look in itertools.pairwise((0, *LOOKS)):
        for _ in range(look - before):
            arm = rng.random() < share
            arms[arm][1] += 1
            arms[arm][0] += rng.random() < rates[arm]
        yield arms


def difference_of(rates: tuple[float, float], share: float) -> Experiment:
    def run(rng: random.Random) -> Iterator[bool]:
        for (a, of_a), (b, of_b) in counts(rng, rates, share):
            low, high = always_valid.rate_difference(b, of_b, a, of_a)
            yield low <= rates[1] - rates[0] <= high

    return run


def rate_of(rate: float) -> Experiment:
    def run(rng: random.Random) -> Iterator[bool]:
        for _, (count, total) in counts(rng, (rate, rate), 1.0):
            low, high = always_valid.rate(count, total)
            yield low <= rate <= high

    return run


def quantile_of(share: float, *, slower: float | None) -> Experiment:
    """Of lognormal latencies, and with `slower` of the difference to ones that many times as long."""

    def run(rng: random.Random) -> Iterator[bool]:
        sigma = 0.5
        truth = 20.0 * _lognormal_quantile(share, sigma)
        seen: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        for before, look in itertools.pairwise((0, *LOOKS)):
            for _ in range(look - before):
                for arm, factor in enumerate((1.0, slower or 1.0)):
                    seen[arm][latency_bucket(20.0 * factor * rng.lognormvariate(0.0, sigma))] += 1
            a, b = (sorted(each.items()) for each in seen)
            if slower is None:
                low, high = always_valid.quantile(a, share)
                yield low <= truth <= high
            else:
                low, high = always_valid.quantile_difference(b, a, share)
                yield low <= truth * slower - truth <= high

    return run


def _lognormal_quantile(share: float, sigma: float) -> float:
    normal = {0.5: 0.0, 0.95: 1.6448536}
    return float(2.718281828459045 ** (sigma * normal[share]))


CASES: dict[str, Experiment] = {
    "a difference of none, half each": difference_of((0.02, 0.02), 0.5),
    "a difference of none, a tenth": difference_of((0.05, 0.05), 0.1),
    "a difference, a fifth": difference_of((0.02, 0.06), 0.2),
    "a rate that is small": rate_of(0.005),
    "a rate that is not": rate_of(0.3),
    "a median": quantile_of(0.5, slower=None),
    "a 95th percentile": quantile_of(0.95, slower=None),
    "a difference of medians": quantile_of(0.5, slower=1.2),
    "a difference of 95th percentiles": quantile_of(0.95, slower=1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_inside_at_all_looks_together(name: str) -> None:
    runs = 60
    assert wrong(CASES[name], runs) <= 0.05 * runs


@pytest.mark.verify
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_inside_at_all_looks_of_a_thousand_experiments(name: str) -> None:
    runs = 1000
    assert wrong(CASES[name], runs) <= 0.05 * runs


def test_a_common_interval_looked_at_so_often_is_wrong_too_often() -> None:
    """What all this is for."""

    def run(rng: random.Random) -> Iterator[bool]:
        for (a, of_a), (b, of_b) in counts(rng, (0.05, 0.05), 0.5):
            low, high = newcombe(b, of_b, a, of_a, Z_TWO_SIDED_95)
            yield low <= 0.0 <= high

    runs = 200
    assert wrong(run, runs) > 0.1 * runs


def test_a_real_difference_is_found() -> None:
    found = 0
    for run in range(20):
        *_, ((a, of_a), (b, of_b)) = counts(random.Random(SEED + run), (0.02, 0.08), 0.5)
        found += always_valid.rate_difference(b, of_b, a, of_a).low > 0
    assert found >= 18


@pytest.mark.parametrize("requests", [0, 1, 10, 1000, 10**8])
def test_intervals_hold_what_was_seen(requests: int) -> None:
    half = requests // 2
    low, high = always_valid.rate(half, requests)
    assert 0.0 <= low <= (half / requests if requests else 0.5) <= high <= 1.0
    low, high = always_valid.rate_difference(half, requests, half, requests)
    assert -1.0 <= low <= 0.0 <= high <= 1.0


@pytest.mark.parametrize("rate", [0.05, 0.005])
@pytest.mark.parametrize("requests", [1000, 10**5, 10**8])
def test_the_price_at_small_rates_is_twice_the_width_of_an_interval_for_one_look(
    requests: int, rate: float
) -> None:
    count = round(rate * requests)
    once = newcombe(count, requests, count, requests, Z_TWO_SIDED_95)[1]
    assert once < always_valid.rate_difference(count, requests, count, requests).high < 2.5 * once


def test_evidence_in_bunches_gives_wider_intervals() -> None:
    plain = always_valid.rate_difference(60, 2000, 20, 2000)
    bunched = always_valid.rate_difference(60, 2000, 20, 2000, dispersion=4.0)
    assert bunched.low < plain.low < plain.high < bunched.high
    latencies = ((40, 500), (41, 1000), (42, 500))
    wide, narrow = (always_valid.quantile(latencies, 0.5, dispersion=each) for each in (16.0, 1.0))
    assert wide.low <= narrow.low < narrow.high <= wide.high


def test_a_quantile_is_within_the_buckets_that_could_hold_it() -> None:
    latencies = [(latency_bucket(10.0), 5000), (latency_bucket(100.0), 5000)]
    low, high = always_valid.quantile(latencies, 0.95)
    bounds = [latency_bound_ms(bucket) for bucket in range(latency_bucket(100.0) + 1)]
    assert low == bounds[bisect.bisect_left(bounds, 100.0) - 1]
    assert high == bounds[-1]

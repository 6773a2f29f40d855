"""What else moved: a stretch against the time before it, over many series at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cluster.analytics.correlation import (
    Direction,
    best_lag,
    find_movements,
    ks_distance,
    ks_probability,
    rank_correlation,
)
from cluster.analytics.series import Values

FIRST = 120
LENGTH = 150


def steady(seed: int, level: float = 100.0, noise: float = 2.0) -> Values:
    return np.asarray(level + noise * np.random.default_rng(seed).standard_normal(LENGTH))


def moved(seed: int, by: float, *, later: int = 0) -> Values:
    values = steady(seed)
    values[FIRST + later :] += by
    return values


def wandering(seed: int) -> Values:
    return np.asarray(100 + np.cumsum(np.random.default_rng(seed).standard_normal(LENGTH)))


def test_what_rose_with_the_stretch_is_found_and_what_did_not_is_not() -> None:
    rows = [steady(1), moved(2, 40.0), steady(3), moved(4, -30.0)]
    found = find_movements(rows, FIRST)
    assert sorted(each.place for each in found) == [1, 3]
    by_place = {each.place: each for each in found}
    assert by_place[1].direction is Direction.RISE
    assert by_place[3].direction is Direction.FALL
    assert by_place[1].before == pytest.approx(100, abs=2)
    assert by_place[1].during == pytest.approx(140, abs=2)


def test_of_many_series_that_did_nothing_hardly_any_is_named() -> None:
    named = [len(find_movements([steady(100 * run + row) for row in range(60)], FIRST)) for run in range(20)]
    assert sum(named) <= 3


def test_a_series_that_only_wanders_did_not_move_with_the_stretch() -> None:
    found = find_movements([wandering(seed) for seed in range(200)], FIRST)
    assert len(found) <= 10


def test_a_stretch_that_was_chosen_a_little_late_still_finds_what_moved_most() -> None:
    values = steady(1)
    values[FIRST - 3 :] += 500
    [found] = find_movements([values, *(steady(seed) for seed in range(2, 40))], FIRST)
    assert found.place == 0


def test_what_follows_the_focus_is_above_what_moved_by_itself() -> None:
    focus = steady(1)
    rng = np.random.default_rng(5)
    focus[FIRST:] += 40 + 20 * np.sin(np.arange(LENGTH - FIRST))
    follower = 3 * focus + rng.standard_normal(LENGTH)
    other = steady(8)
    other[FIRST:] += 40 + 20 * rng.standard_normal(LENGTH - FIRST)
    first, second = find_movements([other, follower], FIRST, focus=focus)
    assert (first.place, second.place) == (1, 0)
    assert first.follows == pytest.approx(1, abs=0.05)


def test_of_what_moved_clearly_that_which_went_furthest_is_first() -> None:
    found = find_movements([moved(1, 12.0), moved(2, 400.0), moved(3, 30.0)], FIRST)
    assert [each.place for each in found] == [1, 2, 0]
    assert {each.distance for each in found} == {1.0}


def test_how_much_later_it_followed_is_told_in_steps() -> None:
    rng = np.random.default_rng(3)
    focus = np.asarray(rng.standard_normal(LENGTH))
    row = np.roll(focus, 3) + 0.1 * rng.standard_normal(LENGTH)
    follows, lag = best_lag(focus, row)
    assert lag == 3
    assert follows > 0.9
    assert best_lag(row, focus)[1] == -3


def test_what_goes_the_other_way_follows_too() -> None:
    focus = moved(1, 40.0)
    [found] = find_movements([moved(2, -40.0)], FIRST, focus=focus)
    assert found.follows is not None
    assert found.follows < 0
    assert found.score > found.distance / 2


def test_values_that_went_apart_around_the_same_middle_have_spread() -> None:
    values = steady(1)
    values[FIRST:] = 100 + 30 * np.random.default_rng(2).standard_normal(LENGTH - FIRST)
    [found] = find_movements([values], FIRST)
    assert found.direction is Direction.SPREAD


def test_a_change_that_is_sure_and_tiny_is_of_no_interest() -> None:
    values = steady(1, noise=0.01)
    values[FIRST:] += 1.0
    assert find_movements([values], FIRST) == []


def test_gaps_are_passed_over_and_too_little_is_no_evidence() -> None:
    gappy = moved(1, 40.0)
    gappy[::3] = np.nan
    silent = np.full(LENGTH, np.nan)
    young = moved(2, 40.0)
    young[: FIRST - 5] = np.nan
    assert [each.place for each in find_movements([silent, gappy, young], FIRST)] == [1]


def test_something_that_was_constant_and_is_not_any_more_is_found() -> None:
    values = np.zeros(LENGTH)
    values[FIRST:] = 5.0
    [found] = find_movements([values, np.zeros(LENGTH)], FIRST)
    assert (found.place, found.distance, found.effect) == (0, 1.0, None)


def test_only_so_many_are_told_the_surest_first() -> None:
    rows = [moved(seed, float(5 * seed)) for seed in range(1, 20)]
    found = find_movements(rows, FIRST, most=5)
    assert len(found) == 5
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_and_its_probability_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(400), rng.standard_normal(300) + 0.1 * seed
    theirs = stats.ks_2samp(x, y, method="asymp")
    assert ks_distance(x, y) == pytest.approx(theirs.statistic)
    assert ks_probability(ks_distance(x, y), 400, 300) == pytest.approx(theirs.pvalue, abs=0.02)
    assert rank_correlation(x[:300], y) == pytest.approx(stats.spearmanr(x[:300], y).statistic)

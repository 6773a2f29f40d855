"""Rank statistics against scipy's, and series brought to hours and days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from scipy import stats

from cluster.analytics.rank_statistics import (
    lag_one_correlation,
    mann_kendall,
    mann_whitney,
    normal_cdf,
    robust_sd,
    seasonal_slope,
    theil_sen,
)
from cluster.analytics.series import DAY_MS, HOUR_MS, medians_without_each, quantiles, to_daily, to_hourly
from tests.support.series_kit import END_MS, hourly, wandering

WITH_TIES = of_numpy.arrays(np.float64, st.integers(3, 40), elements=st.integers(-6, 6).map(float))
PAIRS = st.tuples(WITH_TIES, WITH_TIES)


@pytest.mark.parametrize("seed", range(5))
def test_theil_sen_gives_the_slope_intercept_and_interval_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(25.0)
    y = 0.3 * x + rng.normal(size=25)
    line = theil_sen(x, y)
    expected = stats.theilslopes(y, x)
    assert line.per_unit == pytest.approx(expected.slope)
    # scipy's intercept is median(y) - slope median(x); ours is the median of what is left.
    assert line.at_zero == pytest.approx(np.median(y - expected.slope * x))
    spacing = np.ptp((y[:, None] - y[None, :])[np.triu_indices(25, 1)]) / 100
    assert line.low == pytest.approx(expected.low_slope, abs=spacing)
    assert line.high == pytest.approx(expected.high_slope, abs=spacing)


@given(WITH_TIES)
@settings(max_examples=60, deadline=None)
def test_mann_kendall_counts_as_kendalls_tau_does_and_corrects_for_ties(y: np.ndarray) -> None:
    tau = stats.kendalltau(np.arange(len(y)), y, variant="c")
    pairs = [np.sign(y[j] - y[i]) for i in range(len(y)) for j in range(i + 1, len(y))]
    found = mann_kendall(y)
    assert found.score == sum(pairs)
    assert 0 <= found.p_value <= 1
    if not np.isnan(tau.statistic):
        assert np.sign(found.score) == np.sign(round(tau.statistic, 12))


@pytest.mark.parametrize("seed", range(5))
def test_mann_kendall_without_ties_is_kendalls_asymptotic_test(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=60).cumsum()
    found = mann_kendall(y)
    n = len(y)
    deviation = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    expected = 2 * stats.norm.sf((abs(found.score) - 1) / deviation)
    assert found.p_value == pytest.approx(expected)
    # Without the correction for continuity that is scipy's own.
    asymptotic = stats.kendalltau(np.arange(n), y, method="asymptotic").pvalue
    assert 2 * stats.norm.sf(abs(found.score) / deviation) == pytest.approx(asymptotic)


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_mann_whitney_is_scipys_with_ties_and_continuity(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    expected = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=True).pvalue
    found = mann_whitney(x, y)
    if np.isnan(expected):
        assert found == 1.0
    else:
        assert found == pytest.approx(expected)


def test_the_robust_spread_is_scipys() -> None:
    values = np.random.default_rng(1).normal(size=501)
    expected = stats.median_abs_deviation(values, scale="normal")
    assert robust_sd(values) == pytest.approx(expected, rel=1e-4)
    assert normal_cdf(1.2) == pytest.approx(stats.norm.cdf(1.2))


def test_the_correlation_of_neighbours_is_found_in_long_series() -> None:
    rng = np.random.default_rng(2)
    found = [lag_one_correlation(wandering(rng, 200, 0.6)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(0.6, abs=0.05)


def test_a_saw_tooth_has_the_slope_of_its_days_whole_periods_apart() -> None:
    days = np.arange(28.0)
    assert seasonal_slope(0.3 * days + 5 * (days % 7), 7) == pytest.approx(0.3)
    assert seasonal_slope(days[:5], 7) is None


@given(
    of_numpy.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 9)),
        elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))),
    ),
    st.sampled_from([0.0, 0.25, 0.5, 0.95, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_are_numpys_of_what_is_known(rows: np.ndarray, quantile: float) -> None:
    found = quantiles(rows, quantile)
    for row, value in zip(rows, found, strict=True):
        known = row[np.isfinite(row)]
        if len(known):
            assert value == pytest.approx(np.quantile(known, quantile), abs=1e-6)
        else:
            assert np.isnan(value)


@given(
    of_numpy.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 8)),
        elements=st.one_of(st.integers(-5, 5).map(float), st.just(float("nan"))),
    )
)
@settings(max_examples=60, deadline=None)
def test_medians_without_each_are_those_of_what_is_left(rows: np.ndarray) -> None:
    found = medians_without_each(rows)
    for (row, place), value in np.ndenumerate(rows):
        others = np.delete(rows[row], place)
        others = others[np.isfinite(others)]
        expected = np.median(others) if np.isfinite(value) and len(others) else np.nan
        assert found[row, place] == pytest.approx(expected, nan_ok=True)


def test_samples_become_means_of_hours_and_a_gap_stays_a_gap() -> None:
    times = END_MS - np.array([30, 20, 10]) * 60_000 - np.array([2, 0, 0]) * HOUR_MS
    found = to_hourly(times, np.array([4.0, 1.0, 3.0]), now_ms=END_MS)
    assert found.values.tolist()[0] == 4.0
    assert np.isnan(found.values[1])
    assert found.values[2] == 2.0


def test_an_hourly_record_keeps_its_hours() -> None:
    times = END_MS - HOUR_MS * np.arange(48, 0, -1)
    values = np.arange(48.0)
    found = to_hourly(times, values, now_ms=END_MS)
    assert found.end_ms == END_MS
    assert found.values.tolist() == values.tolist()
    assert found.times_ms().tolist() == times.tolist()


def test_what_cannot_have_been_measured_is_left_out_and_counted() -> None:
    times = np.array([END_MS - HOUR_MS, END_MS - 2, END_MS + DAY_MS, -5])
    found = to_hourly(times, np.array([1.0, 1e300, 7.0, 7.0]), now_ms=END_MS)
    assert found.values.tolist() == [1.0]
    assert found.left_out == 3


@pytest.mark.parametrize("hours", [0, 1, 24])
def test_nothing_measured_gives_no_hours(hours: int) -> None:
    times = END_MS - HOUR_MS * np.arange(hours, 0, -1)
    found = to_hourly(times, np.full(hours, np.nan), now_ms=END_MS)
    assert found.hours_known == 0
    assert to_daily(found).days_known == 0


def test_a_clock_of_years_ago_does_not_make_an_endless_series() -> None:
    times = np.array([0, END_MS - 1])
    found = to_hourly(times, np.array([1.0, 2.0]), now_ms=END_MS)
    assert found.values.tolist() == [2.0]


def test_a_day_of_outage_does_not_speak_for_a_whole_one() -> None:
    values = np.ones(5 * 24)
    values[48:72] = np.nan
    values[50] = 900.0
    days = to_daily(hourly(values)).values
    assert np.isnan(days[2])
    assert days[[0, 1, 3, 4]].tolist() == [1.0] * 4

"""Trends, levels and the time until something is full."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from cluster.analytics.exhaustion import Outlook, find_exhaustion
from cluster.analytics.growth import find_compound
from cluster.analytics.levels import forecast_levels
from cluster.analytics.pace import Shape
from cluster.analytics.series import Values, to_daily
from cluster.analytics.trend import Verdict, find_trend
from tests.support.series_kit import daily_wave, days_of, filling, hourly, wandering

ANYTHING = of_numpy.arrays(
    np.float64,
    st.integers(0, 24 * 12),
    elements=st.one_of(st.floats(-1e30, 1e30), st.just(float("nan")), st.integers(0, 3).map(float)),
)


def test_growth_of_one_per_cent_a_day_is_increasing_after_two_weeks() -> None:
    rng = np.random.default_rng(1)
    grown = daily_wave(rng, 14) * (1 + 0.01 * days_of(14))
    trend = find_trend(hourly(grown))
    assert trend.verdict is Verdict.INCREASING
    assert trend.percent_per_day == pytest.approx(0.9, abs=0.3)
    assert trend.percent_last_week == pytest.approx(7, abs=3)
    assert trend.confidence is not None
    assert trend.confidence > 0.95


@pytest.mark.parametrize("phi", [0.7, 0.95])
@pytest.mark.parametrize(("days", "count"), [(7, 150), (14, 80), (30, 30)])
def test_a_series_that_only_wanders_is_rarely_called_a_trend(phi: float, days: int, count: int) -> None:
    rng = np.random.default_rng([days, 5])
    verdicts = [find_trend(hourly(daily_wave(rng, days, phi=phi))).verdict for _ in range(count)]
    false = sum(verdict in (Verdict.INCREASING, Verdict.DECREASING) for verdict in verdicts)
    assert false / count <= 0.10


def test_a_slope_that_is_certain_but_tiny_is_stable() -> None:
    trend = find_trend(hourly(1000 + 0.5 * days_of(30)))
    assert trend.verdict is Verdict.STABLE
    assert trend.p_value is not None
    assert trend.p_value < 0.001


def test_a_constant_series_is_stable_and_will_be() -> None:
    trend = find_trend(hourly(np.full(14 * 24, 7.0)))
    assert trend.verdict is Verdict.STABLE
    assert trend.confidence == 1.0
    assert [(level.days_ahead, level.expected, level.low, level.high) for level in trend.levels] == [
        (7, 7.0, 7.0, 7.0),
        (30, 7.0, 7.0, 7.0),
    ]


@pytest.mark.parametrize("hours", [0, 1, 24, 6 * 24])
def test_less_than_a_week_gives_no_verdict_and_says_how_much_is_known(hours: int) -> None:
    trend = find_trend(hourly(np.arange(float(hours))))
    assert trend.verdict is Verdict.INSUFFICIENT
    assert trend.days_known == hours // 24 + (hours == 1)
    assert trend.per_day is None
    assert trend.levels == ()


def test_the_level_of_next_week_follows_a_line_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(40):
        values = filling(rng, 44)
        before, after = values[: 37 * 24], values[37 * 24 :]
        (week, _) = forecast_levels(to_daily(hourly(before)))
        assert week.low is not None
        assert week.high is not None
        hits.append(week.low <= float(np.median(after[-24:])) <= week.high)
    assert np.mean(hits) >= 0.85


def _compounding(rng: np.random.Generator, days: int, percent_a_week: float) -> Values:
    at = days_of(days)
    noise = 1 + 0.002 * rng.normal(size=len(at)) + 0.05 * np.sin(2 * np.pi * at)
    return np.asarray(10 * (1 + percent_a_week / 100) ** (at / 7) * noise)


@pytest.mark.parametrize("days", [14, 28])
@pytest.mark.parametrize("percent_a_week", [15, 30, 100])
def test_growth_by_a_share_is_followed_as_such_by_the_level_and_the_day_it_is_full(
    percent_a_week: float, days: int
) -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(20):
        values = _compounding(rng, days + 7, percent_a_week)
        before, in_a_week = hourly(values[: -7 * 24]), float(np.median(values[-24:]))
        (week, month) = forecast_levels(to_daily(before))
        assert week.expected == pytest.approx(in_a_week, rel=0.01)
        assert week.low is not None
        assert week.high is not None
        hits += week.low <= in_a_week <= week.high
        assert month.low is not None
        assert month.low < 0.97 * month.expected, "it may go on by as much a day as now"
        found = find_exhaustion(before, float(10 * (1 + percent_a_week / 100) ** ((days + 4) / 7)))
        assert found.shape is Shape.COMPOUND
        assert found.days == pytest.approx(4, abs=0.3)
    assert hits >= 17


def test_of_growth_by_a_share_the_latest_day_is_that_of_the_present_pace() -> None:
    values = _compounding(np.random.default_rng(1), 28, 30)
    found = find_exhaustion(hourly(values), 10 * 1.3**8)
    assert found.days == pytest.approx(28, rel=0.03)
    assert found.soonest_days == found.days
    assert found.latest_days == pytest.approx((1.3**4 - 1) / (np.log(1.3) / 7), rel=0.05)


@pytest.mark.parametrize("per_day", [0.3, 1.0])
@pytest.mark.parametrize("days", [14, 28])
def test_what_grows_on_a_line_is_not_taken_for_growth_by_a_share(days: int, per_day: float) -> None:
    rng = np.random.default_rng(11)
    taken = 0
    for _ in range(40):
        at = days_of(days)
        values = (10 + per_day * at) * (1 + 0.02 * wandering(rng, len(at), 0.9))
        taken += find_compound(to_daily(hourly(values)).values) is not None
    assert taken <= 2


@pytest.mark.parametrize("gap", [np.nan, 0.0, -1.0])
def test_growth_by_a_share_is_of_two_weeks_of_what_is_more_than_nothing(gap: float) -> None:
    days = 10 * 1.05 ** np.arange(14.0)
    assert find_compound(days) is not None
    days[3] = gap
    assert find_compound(days) is None


@pytest.mark.parametrize("kind", ["line", "faster", "clean-up", "share"])
def test_the_level_of_a_week_is_reached_in_a_week(kind: str) -> None:
    rng = np.random.default_rng(2)
    make: dict[str, Callable[[], Values]] = {
        "line": lambda: _plain(rng)[0],
        "faster": lambda: _accelerating(rng)[0],
        "clean-up": lambda: _cleanup(rng)[0],
        "share": lambda: _compounding(rng, 14, 20),
    }
    for _ in range(5):
        series = hourly(make[kind]())
        (week, _) = forecast_levels(to_daily(series))
        found = find_exhaustion(series, week.expected)
        assert found.days == pytest.approx(6.5, abs=0.3)


def test_a_level_ends_where_there_is_no_more_and_says_so() -> None:
    week, month = find_trend(hourly(50 + days_of(14)), ceiling=84).levels
    assert (week.is_full, month.is_full) == (False, True)
    assert month.expected == 84
    assert month.high == 84


def test_a_level_never_goes_below_what_the_unit_allows() -> None:
    falling = np.maximum(0.5, 30 - 2.1 * days_of(14))
    for level in find_trend(hourly(falling)).levels:
        assert level.expected >= 0
        assert level.low is None or level.low >= 0


@given(ANYTHING)
@settings(max_examples=30, deadline=None)
def test_whatever_was_measured_a_trend_is_an_answer(values: Values) -> None:
    trend = find_trend(hourly(values))
    numbers = (trend.level, trend.per_day, trend.percent_per_day, trend.p_value, trend.confidence)
    assert all(number is None or np.isfinite(number) for number in numbers)
    assert trend.confidence is None or 0 <= trend.confidence <= 1


# ---- until it is full


def _plain(rng: np.random.Generator) -> tuple[Values, float, float]:
    return filling(rng, 14), 30 + 14 + 20, 20


def _cleanup(rng: np.random.Generator) -> tuple[Values, float, float]:
    return filling(rng, 14) - 8 * (days_of(14) > rng.uniform(4, 11)), 30 + 14 - 8 + 20, 20


def _burst(rng: np.random.Generator) -> tuple[Values, float, float]:
    begin = rng.uniform(3, 11)
    return filling(rng, 14) + 15 * ((days_of(14) > begin) & (days_of(14) < begin + 0.5)), 30 + 14 + 20, 20


def _accelerating(rng: np.random.Generator) -> tuple[Values, float, float]:
    at = days_of(30)
    grown = np.where(at < 18, at, 18 + 2 * (at - 18))
    return filling(rng, 30, per_day=0) + grown, 30 + float(grown[-1]) + 20, 10


@pytest.mark.parametrize(
    ("make", "within_percent", "shape"),
    [
        (_plain, 3, Shape.STEADY),
        (_cleanup, 8, Shape.CLEANUP),
        (_burst, 5, Shape.STEADY),
        (_accelerating, 5, Shape.ACCELERATING),
    ],
)
def test_the_day_it_is_full_is_found_whatever_the_shape(
    make: Callable[[np.random.Generator], tuple[Values, float, float]], within_percent: float, shape: Shape
) -> None:
    rng = np.random.default_rng(5)
    errors, shapes = [], []
    for _ in range(25):
        values, limit, true_days = make(rng)
        found = find_exhaustion(hourly(values), limit)
        assert found.outlook is Outlook.FILLING
        assert found.days is not None
        errors.append(100 * abs(found.days - true_days) / true_days)
        shapes.append(found.shape)
    assert np.median(errors) <= within_percent
    assert shapes.count(shape) >= 23


def test_log_rotation_is_told_as_such_and_the_tooth_that_reaches_the_limit_is_found() -> None:
    at = days_of(28)
    saw = 30 + 0.3 * at + 0.7 * (at % 7) + 0.02 * np.random.default_rng(1).normal(size=len(at))
    found = find_exhaustion(hourly(saw), 30 + 0.3 * 28 + 0.7 * 7 + 6)
    assert found.shape is Shape.SAW_TOOTH
    assert found.period_days == 7
    ahead = np.arange(60 * 24) / 24
    reaches = 30 + 0.3 * (28 + ahead) + 0.7 * ((28 + ahead) % 7) >= 30 + 0.3 * 28 + 0.7 * 7 + 6
    true_days = float(ahead[np.argmax(reaches)])
    assert found.days == pytest.approx(true_days, abs=1.1)
    assert found.is_range
    assert found.soonest_days is not None
    assert found.latest_days is not None
    assert found.soonest_days <= true_days <= found.latest_days


def test_growth_that_begins_tonight_is_not_hidden_by_a_quiet_month() -> None:
    values = np.concatenate([np.full(27 * 24, 40.0), 40 + 2 * np.arange(1, 13.0)])
    found = find_exhaustion(hourly(values), 100)
    assert found.shape is Shape.SUDDEN
    assert found.days == pytest.approx(36 / 48, rel=0.05)
    assert found.latest_days is None


@pytest.mark.parametrize(
    ("values", "limit", "outlook"),
    [
        ([], 10.0, Outlook.INSUFFICIENT),
        ([1.0], 10.0, Outlook.INSUFFICIENT),
        ([float("nan")] * 300, 10.0, Outlook.INSUFFICIENT),
        ([5.0] * 24 * 10, 10.0, Outlook.FLAT),
        ([5.0] * 24 * 10, None, Outlook.NO_LIMIT),
        ([5.0] * 24 * 10, float("nan"), Outlook.NO_LIMIT),
        ([5.0] * 24 * 10, 0.0, Outlook.NO_LIMIT),
        ([5.0] * 24 * 10, 4.0, Outlook.FULL),
        (list(np.linspace(9, 3, 240)), 10.0, Outlook.SHRINKING),
        (list(np.linspace(3, 9, 240)), 1e9, Outlook.FAR),
    ],
)
def test_what_does_not_fill_or_is_not_known_is_told(
    values: list[float], limit: float | None, outlook: Outlook
) -> None:
    found = find_exhaustion(hourly(values), limit)
    assert found.outlook is outlook
    assert (found.days is None) == (outlook is not Outlook.FULL)


@given(ANYTHING, st.one_of(st.none(), st.floats(allow_nan=True)))
@settings(max_examples=30, deadline=None)
def test_whatever_was_measured_the_range_holds_the_guess(values: Values, limit: float | None) -> None:
    found = find_exhaustion(hourly(values), limit)
    if found.days is not None:
        assert found.soonest_days is not None
        assert 0 <= found.soonest_days <= found.days <= 365
        assert found.latest_days is None or found.latest_days >= found.days * 0.999

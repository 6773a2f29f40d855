"""The next day by the hour, comparisons with the usual, profiles and capacity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from cluster.analytics.capacity import Amount, Change, HostRoom, after_changes, in_all, worst_use
from cluster.analytics.comparison import Difference, compare_with_usual
from cluster.analytics.forecast import HORIZON, PathLack, forecast_day
from cluster.analytics.profile import (
    Impact,
    Resource,
    Symptom,
    find_bottlenecks,
    percent_of,
    snapshot,
)
from cluster.analytics.series import HOUR_MS, Values
from tests.support.series_kit import END_MS, daily_wave, days_of, hourly, wandering

ANYTHING = of_numpy.arrays(
    np.float64,
    st.integers(0, 24 * 12),
    elements=st.one_of(st.floats(-1e30, 1e30), st.just(float("nan")), st.integers(0, 3).map(float)),
)


def test_the_next_day_is_closer_than_yesterdays_and_its_interval_holds() -> None:
    rng = np.random.default_rng(4)
    ratios, inside = [], []
    for _ in range(30):
        values = daily_wave(rng, 22, phi=0.9, noise=0.08)
        before, after = values[:-24], values[-24:]
        path = forecast_day(hourly(before))
        assert path.low is not None
        assert path.high is not None
        ratios.append(np.abs(after - path.expected).mean() / np.abs(after - before[-24:]).mean())
        inside.append(float(((after >= path.low) & (after <= path.high)).mean()))
    assert np.median(ratios) < 0.9
    assert 0.85 <= np.mean(inside) <= 0.97


def test_what_grows_goes_on_growing_through_the_next_day() -> None:
    at = days_of(15)
    grown = 100 + 2 * at + 3 * np.sin(2 * np.pi * at)
    path = forecast_day(hourly(grown[:-24]))
    assert np.abs(path.expected - grown[-24:]).max() < 0.5


def test_a_shape_that_no_two_days_share_is_not_expected_of_the_next() -> None:
    rng = np.random.default_rng(6)
    days = [100 + 30 * np.sin(2 * np.pi * (days_of(1) + rng.uniform())) for _ in range(14)]
    path = forecast_day(hourly(np.concatenate(days)))
    assert np.ptp(path.expected) < 15


def test_one_wild_day_does_not_change_the_expected_shape() -> None:
    calm = daily_wave(np.random.default_rng(7), 14)
    wild = calm.copy()
    wild[5 * 24 : 6 * 24] *= 20
    before, after = forecast_day(hourly(calm)).expected, forecast_day(hourly(wild)).expected
    assert np.abs(after - before).max() < 6


def test_the_hours_of_a_path_follow_the_newest() -> None:
    path = forecast_day(hourly(daily_wave(np.random.default_rng(1), 10)))
    assert path.times_ms.tolist() == [END_MS + HOUR_MS * hour for hour in range(HORIZON)]


@pytest.mark.parametrize(
    ("values", "lacking", "hours"),
    [
        ([], PathLack.SAMPLES, 0),
        ([float("nan")] * 40, PathLack.SAMPLES, 0),
        ([3.0], PathLack.DAY, 0),
        ([3.0] * 30, PathLack.WEEK, 24),
        ([3.0] * 24 * 14, None, 24),
    ],
)
def test_a_path_says_what_it_lacks(values: list[float], lacking: PathLack | None, hours: int) -> None:
    path = forecast_day(hourly(values))
    assert path.lacking is lacking
    assert len(path.expected) == hours
    assert (path.low is None) == (lacking is not None)


def test_a_constant_stays_and_is_sure() -> None:
    path = forecast_day(hourly([3.0] * 24 * 14))
    assert path.low is not None
    assert path.high is not None
    assert path.low.tolist() == path.expected.tolist() == path.high.tolist() == [3.0] * 24


@given(ANYTHING)
@settings(max_examples=25, deadline=None)
def test_whatever_was_measured_the_interval_holds_the_path(values: Values) -> None:
    path = forecast_day(hourly(values), floor=0.0)
    if path.low is not None and path.high is not None:
        assert np.isfinite(path.expected).all()
        assert (path.low <= path.expected).all()
        assert (path.expected <= path.high).all()
        assert (path.low >= 0).all()


# ---- with the usual


def test_a_day_a_third_higher_than_usual_is_higher() -> None:
    values = daily_wave(np.random.default_rng(2), 9)
    values[-24:] *= 1.33
    found = compare_with_usual(hourly(values))
    assert found.difference is Difference.HIGHER
    assert found.percent == pytest.approx(33, abs=6)
    assert found.days == 7


def test_the_usual_evening_is_not_taken_for_a_rise() -> None:
    values = daily_wave(np.random.default_rng(2), 9)
    found = compare_with_usual(hourly(values[: 8 * 24 + 6]), hours=3)
    assert found.difference is Difference.SAME


@pytest.mark.parametrize("phi", [0.7, 0.95])
@pytest.mark.parametrize("hours", [1, 24])
def test_what_only_wanders_is_rarely_called_different(phi: float, hours: int) -> None:
    rng = np.random.default_rng(7)
    found = [
        compare_with_usual(hourly(100 * (1 + 0.1 * wandering(rng, 9 * 24, phi))), hours=hours).difference
        for _ in range(100)
    ]
    assert sum(each is not Difference.SAME for each in found) <= 15


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 48, [float("nan")] * 300])
def test_too_few_days_give_no_comparison(values: list[float]) -> None:
    found = compare_with_usual(hourly(values))
    assert found.difference is Difference.INSUFFICIENT
    assert found.current is None


def test_a_change_from_nothing_has_no_per_cent() -> None:
    found = compare_with_usual(hourly([0.0] * 24 * 8 + [5.0] * 24))
    assert found.difference is Difference.HIGHER
    assert found.percent is None


@given(ANYTHING, st.integers(-3, 400))
@settings(max_examples=40, deadline=None)
def test_whatever_was_measured_a_comparison_is_finite(values: Values, hours: int) -> None:
    found = compare_with_usual(hourly(values), hours=hours)
    numbers = (found.current, found.baseline, found.effect, found.p_value, found.confidence)
    assert all(number is None or np.isfinite(number) for number in numbers)


# ---- profiles


def test_what_is_throttled_is_held_up_by_its_processor() -> None:
    (found,) = find_bottlenecks({"throttled_percent": hourly([0.0] * 100 + [40.0] * 24)})
    assert (found.symptom, found.resource, found.impact) == (Symptom.THROTTLED, Resource.CPU, Impact.HIGH)
    assert found.share_of_time == 1.0


def test_a_kill_explains_the_memory_near_its_limit() -> None:
    found = find_bottlenecks({"oom_kills": hourly([0.0] * 23 + [2.0]), "memory_percent": hourly([97.0] * 24)})
    assert [each.symptom for each in found] == [Symptom.OOM_KILLED]
    assert found[0].value == 2


def test_a_busy_processor_that_nobody_waits_for_is_not_yet_a_bottleneck() -> None:
    assert find_bottlenecks({"host_cpu_percent": hourly([75.0] * 48)}) == ()


def test_slow_answers_without_a_shortage_here_point_elsewhere() -> None:
    latency = 40 + np.abs(np.random.default_rng(1).normal(size=24 * 9))
    latency[-24:] *= 3
    (found,) = find_bottlenecks({"latency_p95_ms": hourly(latency)})
    assert (found.symptom, found.resource, found.impact) == (Symptom.SLOW, Resource.NETWORK, Impact.MEDIUM)


def test_what_was_not_measured_is_not_judged() -> None:
    assert find_bottlenecks({}) == ()
    assert find_bottlenecks({"oom_kills": hourly([]), "disk_percent": hourly([float("nan")] * 24)}) == ()


def test_a_snapshot_holds_the_window_beside_its_usual_hours() -> None:
    values = daily_wave(np.random.default_rng(3), 9)
    found = snapshot("cpu_percent", hourly(values), hours=24)
    assert found.current == pytest.approx(values[-24:].mean())
    assert found.current_p95 == pytest.approx(np.quantile(values[-24:], 0.95))
    assert found.baseline == pytest.approx(100, abs=5)


def test_shares_are_made_from_the_newest_hours_back() -> None:
    found = percent_of(hourly([1.0, 2.0, 3.0]), hourly([0.0, 4.0]))
    assert np.isnan(found.values[0])
    assert found.values[1] == 75.0


# ---- capacity


def _host(name: str, *, cores: float = 4, used: float = 1, reserved: float = 2) -> HostRoom:
    return HostRoom(
        node_id=name,
        name=name,
        size=Amount(cpu_cores=cores, memory_bytes=100.0),
        used=Amount(cpu_cores=used, memory_bytes=40.0),
        reserved=Amount(cpu_cores=reserved, memory_bytes=None),
    )


def test_what_is_free_is_the_size_less_the_larger_of_used_and_reserved() -> None:
    assert _host("a", used=3, reserved=2).free == Amount(cpu_cores=1.0, memory_bytes=60.0)
    assert _host("a", used=1, reserved=2).free.cpu_cores == 2.0
    assert _host("a", used=9).free.cpu_cores == 0.0


def test_a_replica_that_moves_takes_its_use_along() -> None:
    before = (_host("a"), _host("b"))
    move = Change(service_id="shop.web", from_node="a", to_node="b")
    use = {"shop.web": Amount(cpu_cores=0.5, memory_bytes=30.0)}
    after = {room.node_id: room for room in after_changes(before, [move], use, {})}
    assert after["a"].used == Amount(cpu_cores=0.5, memory_bytes=10.0)
    assert after["b"].used == Amount(cpu_cores=1.5, memory_bytes=70.0)
    assert in_all(tuple(after.values())).used == in_all(before).used


def test_a_replica_nobody_measured_counts_with_what_it_reserves() -> None:
    change = Change(service_id="shop.new", to_node="a")
    (after,) = after_changes([_host("a")], [change], {}, {"shop.new": Amount(cpu_cores=1.5)})
    assert after.used.cpu_cores == 2.5
    assert after.reserved.cpu_cores == 3.5


def test_a_host_beyond_85_per_cent_is_not_comfortable() -> None:
    assert _host("a", used=3.3).is_comfortable
    assert not _host("a", used=3.6).is_comfortable


def test_the_worst_use_is_the_95th_percentile_of_the_last_week() -> None:
    values = np.concatenate([np.full(500, 90.0), np.arange(168.0)])
    assert worst_use(hourly(values)) == pytest.approx(np.quantile(np.arange(168.0), 0.95))
    assert worst_use(hourly([])) is None

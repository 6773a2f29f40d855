"""Anomalies of one series: found, told apart, and what could not be concluded."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.analytics.anomalies import AnomalyKind, Method, Severity
from cluster.analytics.detection import Detection, detect, detect_many
from cluster.analytics.rows import ROW_MS, ROWS_MAX, row_length, to_rows
from cluster.analytics.watch import SeriesWatch

START_MS = 1_767_571_200_000
DAY = 288
ONLY_STATISTICS = (Method.CALIBRATED, Method.IQR)


def times(rows: int, step_ms: int = ROW_MS) -> NDArray[np.int64]:
    return START_MS + step_ms * np.arange(rows, dtype=np.int64)


def a_daily_course(days: int = 7, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    at = np.arange(days * DAY)
    return np.asarray(25 + 5 * np.sin(2 * np.pi * at / DAY) + rng.normal(0, 1, len(at)))


def found_in(
    values: NDArray[np.float64], *, method: Method = Method.CALIBRATED, metric: str = "", since: int = 0
) -> Detection:
    at = times(len(values))
    now_ms = int(at[-1]) + ROW_MS
    return detect(at, values, now_ms=now_ms, method=method, metric=metric, since_ms=since)


@pytest.mark.parametrize("method", list(Method))
def test_every_method_finds_a_spike_with_what_was_expected(method: Method) -> None:
    values = a_daily_course()
    values[1800:1806] = 90
    [anomaly] = [each for each in found_in(values, method=method).anomalies if each.at_ms >= times(1801)[-1]]
    assert anomaly.kind is AnomalyKind.SPIKE
    assert anomaly.at_ms == times(1801)[-1]
    assert anomaly.severity >= Severity.WARNING
    assert anomaly.current == 90
    assert 15 < anomaly.expected < 35
    assert anomaly.low <= anomaly.expected <= anomaly.high
    assert anomaly.deviation > 8
    assert anomaly.confidence > 0.3


def test_what_stops_is_a_drop_and_what_leaves_its_time_of_day_a_changed_pattern() -> None:
    stopped = a_daily_course()
    stopped[1800:1830] = 0
    [drop, *_] = [each for each in found_in(stopped).anomalies if each.at_ms >= times(1801)[-1]]
    assert (drop.kind, drop.at_ms) == (AnomalyKind.DROP, times(1801)[-1])
    assert drop.until_ms == times(1831)[-1]
    shifted = a_daily_course()
    shifted[1700:1900] = 25 + 1.2 * (np.roll(shifted, 144)[1700:1900] - 25)
    kinds = {each.kind for each in found_in(shifted).anomalies if each.at_ms >= times(1701)[-1]}
    assert AnomalyKind.PATTERN_CHANGE in kinds


def test_a_difference_that_is_of_no_interest_for_the_metric_is_none() -> None:
    values = np.full(7 * DAY, 1.0) + np.random.default_rng(1).normal(0, 0.01, 7 * DAY)
    values[1800] = 4.0
    assert found_in(values).anomalies
    assert not found_in(values, metric="cpu_percent").anomalies


def test_less_of_what_is_bad_is_no_anomaly() -> None:
    values = a_daily_course() * 10
    values[1800:1830] = 0
    assert found_in(values, metric="requests").anomalies
    assert not found_in(values, metric="latency_p95_ms").anomalies


def test_a_disk_is_judged_by_how_it_grows_and_not_by_being_fuller_than_ever() -> None:
    grows = 1e10 + np.cumsum(np.random.default_rng(1).gamma(2, 5e6, 7 * DAY))
    assert not found_in(grows, metric="disk_used_bytes").anomalies
    grows[1800:] += np.minimum(np.arange(len(grows) - 1800), 50) * 4e8
    detection = found_in(grows, metric="disk_used_bytes")
    assert detection.is_growth
    assert [each.at_ms for each in detection.anomalies] == [times(1802)[-1]]


def test_a_job_at_the_same_time_every_day_is_usual_from_the_third_day_on() -> None:
    values = a_daily_course()
    for day in range(7):
        values[day * DAY + 40 : day * DAY + 46] += 60
    late = [each for each in found_in(values).anomalies if each.at_ms >= times(3 * DAY)[-1]]
    assert late == []


def test_what_goes_on_is_told_once() -> None:
    values = a_daily_course()
    values[1700:1900] = 90
    told = [each.at_ms for each in found_in(values).anomalies if each.at_ms >= times(1701)[-1]]
    assert told[:1] == [times(1701)[-1]]
    assert len(told) <= 3


def test_only_what_was_since_the_time_asked_for_is_told_and_all_before_is_learned_from() -> None:
    values = a_daily_course()
    values[1000:1003] = 60
    values[1800:1803] = 120
    assert len(found_in(values).anomalies) > 1
    detection = found_in(values, since=int(times(1801)[-1]))
    assert [each.at_ms for each in detection.anomalies] == [times(1801)[-1]]
    assert detection.notes == ()


@pytest.mark.parametrize("method", ONLY_STATISTICS)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.empty(0), "nothing was measured in this time"),
        (np.full(500, np.nan), "nothing was measured in this time"),
        (np.array([5.0]), "only 1 of the 100 rows"),
        (a_daily_course()[:99], "only 99 of the 100 rows"),
        (a_daily_course()[:400], "what happens every day is not known yet"),
        (np.full(7 * DAY, 3.0), "it never changed"),
        (np.where(np.arange(7 * DAY) // DAY % 2, np.nan, a_daily_course()), "43% of the time nothing was"),
        (np.full(7 * DAY, np.inf), "2016 samples could not be used"),
        (np.full(7 * DAY, 1e300), "2016 samples could not be used"),
    ],
)
def test_what_cannot_be_concluded_is_said(method: Method, values: NDArray[np.float64], said: str) -> None:
    at = times(len(values))
    detection = detect(at, values, now_ms=START_MS + 30 * DAY * ROW_MS, method=method)
    assert any(said in note for note in detection.notes), detection.notes
    assert all(np.isfinite(each.score) and np.isfinite(each.confidence) for each in detection.anomalies)


def test_before_two_days_are_known_nothing_is_more_than_information() -> None:
    values = a_daily_course(days=2)[:500]
    values[450:455] = 200
    [anomaly] = [each for each in found_in(values).anomalies if each.at_ms == times(451)[-1]]
    assert anomaly.severity is Severity.INFO
    assert anomaly.confidence <= 0.5


def test_samples_from_the_future_are_left_out_and_counted() -> None:
    values = a_daily_course()
    at = times(len(values))
    detection = detect(at, values, now_ms=int(at[-11]))
    assert len(detection.times_ms) == len(values) - 10
    assert detection.notes[0].startswith("10 samples could not be used")


def test_an_enormous_series_is_looked_at_by_its_newest_rows() -> None:
    count = ROWS_MAX + 5_000
    rows = to_rows(times(count), np.zeros(count), now_ms=START_MS * 2, row_ms=ROW_MS)
    assert len(rows.values) == ROWS_MAX
    assert rows.too_old == 5_000
    assert rows.times_ms()[-1] == times(count)[-1]


def test_a_constant_series_that_changes_is_an_anomaly_of_a_bounded_deviation() -> None:
    values = np.full(7 * DAY, 3.0)
    values[1800:1803] = 4.0
    [anomaly, *_] = found_in(values).anomalies
    assert (anomaly.kind, anomaly.deviation, anomaly.expected) == (AnomalyKind.SPIKE, 99, 3)


def test_many_series_together_give_what_each_gives_alone() -> None:
    series = []
    for seed in range(5):
        values = a_daily_course(seed=seed)
        values[1800 + seed : 1804 + seed] = 80
        rows = to_rows(times(len(values)), values, now_ms=START_MS * 2)
        series.append(("cpu_percent", rows))
    together = detect_many(series)
    alone = [
        detect(rows.times_ms(), rows.values, now_ms=START_MS * 2, metric=metric).anomalies
        for metric, rows in series
    ]
    assert together == alone
    assert all(together)


@pytest.mark.parametrize(
    ("count", "step_s", "row_s"),
    [
        (60_480, 10, 300),
        (2_160, 10, 60),
        (2_700, 1, 5),
        (4_032, 300, 300),
        (5_000, 420, 600),
        (1_000, 1800, 1800),
        (1_000, 3600, 3600),
        (100, 86_400, 86_400),
        (1, 10, 300),
    ],
)
def test_rows_are_as_long_as_the_samples_and_their_time_make_sensible(
    count: int, step_s: int, row_s: int
) -> None:
    assert row_length(times(count, step_s * 1000)) == row_s * 1000


def test_rows_are_means_and_of_counts_sums_and_gaps_stay_gaps() -> None:
    at = np.array([0, 10_000, 600_000], np.int64)
    values = np.array([1.0, 3.0, 5.0])
    means = to_rows(at, values, now_ms=10**9, row_ms=ROW_MS)
    assert np.array_equal(means.values, [2.0, np.nan, 5.0], equal_nan=True)
    sums = to_rows(at, values, now_ms=10**9, row_ms=ROW_MS, is_count=True)
    assert np.array_equal(sums.values, [4.0, np.nan, 5.0], equal_nan=True)


def test_a_watch_of_nothing_goes_on_with_the_rows_it_was_given() -> None:
    watch = SeriesWatch()
    assert watch.push(1000, (), 2 * DAY) == ()
    assert watch.push(1000 + 2 * DAY, (), 1) == ()
    assert watch.next_row == 1001 + 2 * DAY

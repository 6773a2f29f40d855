"""Questions over a range: steps, records, statistics, groups, the largest, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cluster.history import HistoryWriter
from cluster.metrics.query import (
    POINTS_MAX,
    Aggregation,
    RangeAnswer,
    RangeQuery,
    Resolution,
    ResultSeries,
    Selector,
    Statistic,
)
from cluster.metrics.retention import Keep, Retention
from cluster.model.metrics import SubjectKind
from tests.support.samples import (
    CPU,
    DAY_MS,
    HOUR_MS,
    MEMORY,
    OOM_KILLS,
    STATE,
    T0,
    a_batch,
    a_history,
    a_subject,
    tidy,
)


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryWriter]:
    """Containers 1 (web, of shop) and 2 (db, of shop), and host 3: an hour's values are the hour's number
    times 1, 2 and 3, and each hour's last sample is 100 more; ten days, the tenth not ended."""
    history = a_history(tmp_path_factory.mktemp("ten-days"))
    subjects = [
        a_subject(1, name="web", project="shop", service="web"),
        a_subject(2, name="db", project="shop", service="db", node="n2"),
        a_subject(3, kind=SubjectKind.HOST, name="host"),
    ]
    batches = []
    for hour in range(9 * 24 + 12):
        rows: dict[tuple[int, int], list[int | None]] = {
            (number, CPU.number): [100 * hour * number] * 359 + [100 * (hour * number + 100)]
            for number in (1, 2, 3)
        }
        rows[1, OOM_KILLS.number] = [1] * 36
        rows[1, STATE.number] = [1] * 359 + [3]
        batches.append(a_batch(hour + 1, rows, start_ms=T0 + hour * HOUR_MS))
    history.ingest(batches, subjects)
    tidy(history, T0 + 9 * DAY_MS + 12 * HOUR_MS)
    yield history
    history.close()


def ask(writer: HistoryWriter, metric: str = CPU.name, **given: Any) -> RangeAnswer:
    fields: dict[str, Any] = {
        "selector": Selector(metrics=(metric,), subjects=(1,)),
        "start_ms": T0,
        "end_ms": T0 + DAY_MS,
        "step_ms": HOUR_MS,
        **given,
    }
    return writer.reader.query(RangeQuery(**fields))


def only(answer: RangeAnswer) -> list[float]:
    (series,) = answer.series
    return [float(value) for value in series.values]


@pytest.mark.parametrize("resolution", [Resolution.RAW, Resolution.HOURLY])
@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        (Statistic.MEAN, [100 / 360, 1 + 100 / 360, 2 + 100 / 360]),
        (Statistic.MIN, [0.0, 1.0, 2.0]),
        (Statistic.MAX, [100.0, 101.0, 102.0]),
        (Statistic.P95, [0.0, 1.0, 2.0]),
        (Statistic.LAST, [100.0, 101.0, 102.0]),
        (Statistic.COUNT, [360.0, 360.0, 360.0]),
        (None, [100 / 360, 1 + 100 / 360, 2 + 100 / 360]),
    ],
)
def test_each_statistic_is_the_same_of_samples_and_of_rollups(
    ten_days: HistoryWriter, resolution: Resolution, statistic: Statistic | None, expected: list[float]
) -> None:
    answer = ask(ten_days, statistic=statistic, resolution=resolution, end_ms=T0 + 3 * HOUR_MS)
    assert answer.resolution is resolution
    assert only(answer) == pytest.approx(expected)


@pytest.mark.parametrize("resolution", list(Resolution))
def test_the_band_is_the_least_and_the_greatest_sample(
    ten_days: HistoryWriter, resolution: Resolution
) -> None:
    answer = ask(ten_days, resolution=resolution, step_ms=DAY_MS, with_band=True)
    (series,) = answer.series
    assert series.low is not None
    assert series.high is not None
    assert (series.low.tolist(), series.high.tolist()) == ([0.0], [123.0])


def test_a_count_is_a_rate_by_itself_and_a_sum_where_asked(ten_days: HistoryWriter) -> None:
    answer = ask(ten_days, OOM_KILLS.name, end_ms=T0 + 2 * HOUR_MS)
    assert only(answer) == pytest.approx([0.1, 0.1])
    assert answer.series[0].unit == "1/s"
    for resolution in (Resolution.RAW, Resolution.HOURLY):
        summed = ask(ten_days, OOM_KILLS.name, statistic=Statistic.SUM, resolution=resolution)
        assert only(summed) == [36.0] * 24


def test_the_rate_is_over_the_time_that_was_measured_not_over_the_step(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(1, {(1, OOM_KILLS.number): [5, None, None, 5]})], [a_subject(1)])
    assert only(ask(writer, OOM_KILLS.name, end_ms=T0 + HOUR_MS)) == pytest.approx([0.5])


def test_a_state_is_its_last_one(ten_days: HistoryWriter) -> None:
    assert only(ask(ten_days, STATE.name, end_ms=T0 + HOUR_MS)) == [3.0]


def test_what_was_not_measured_is_not_a_number(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): [100, None, None, 400]})], [a_subject(1)])
    found = only(ask(writer, step_ms=10_000, end_ms=T0 + 50_000))
    assert found[0] == 1.0
    assert found[3] == 4.0
    assert all(math.isnan(found[at]) for at in (1, 2, 4))


@pytest.mark.parametrize("points", [1, 2, 3, 10, 16, 17, 100, 300, 1000, 5000])
@pytest.mark.parametrize("length_ms", [10_000, HOUR_MS + 30_000, DAY_MS, 9 * DAY_MS + 7])
def test_there_are_never_more_points_than_asked(ten_days: HistoryWriter, points: int, length_ms: int) -> None:
    start = T0 + 12_345
    answer = ask(ten_days, step_ms=None, points_max=points, start_ms=start, end_ms=start + length_ms)
    assert 1 <= len(answer.times_ms) <= points
    assert answer.times_ms[0] <= start
    assert answer.times_ms[-1] + answer.step_ms >= start + length_ms
    assert all(len(series.values) == len(answer.times_ms) for series in answer.series)


def test_steps_lie_on_multiples_so_that_a_moving_range_does_not_flicker(ten_days: HistoryWriter) -> None:
    first = ask(ten_days, step_ms=None, points_max=300, start_ms=T0 + 10_000, end_ms=T0 + DAY_MS + 10_000)
    later = ask(ten_days, step_ms=None, points_max=300, start_ms=T0 + 20_000, end_ms=T0 + DAY_MS + 20_000)
    assert first.step_ms == later.step_ms
    assert first.times_ms[0] % first.step_ms == 0
    assert only(first)[5:200] == only(later)[5:200]


def test_a_long_range_is_answered_of_the_coarser_record(ten_days: HistoryWriter) -> None:
    assert ask(ten_days, step_ms=None, points_max=300).resolution is Resolution.RAW
    assert ask(ten_days, step_ms=None, points_max=50, end_ms=T0 + 9 * DAY_MS).resolution is Resolution.HOURLY
    daily = ask(ten_days, step_ms=DAY_MS, end_ms=T0 + 10 * DAY_MS)
    assert daily.resolution is Resolution.DAILY
    assert only(daily)[0] == pytest.approx(sum(range(24)) / 24 + 100 / 360)
    assert only(daily)[9] == pytest.approx(sum(range(216, 228)) / 12 + 100 / 360), "the day is not over"


@pytest.mark.parametrize("resolution", list(Resolution))
def test_what_is_not_sealed_is_in_every_record(writer: HistoryWriter, resolution: Resolution) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): [100, 300]})], [a_subject(1)])
    assert only(ask(writer, resolution=resolution, step_ms=DAY_MS)) == [2.0]


def test_groups_of_equal_labels_become_one_series(ten_days: HistoryWriter) -> None:
    found = ask(
        ten_days,
        selector=Selector(metrics=(CPU.name,), kinds=(SubjectKind.CONTAINER,)),
        statistic=Statistic.MIN,
        aggregation=Aggregation.SUM,
        group_by=("project",),
        end_ms=T0 + 3 * HOUR_MS,
    )
    assert only(found) == [0.0, 3.0, 6.0]
    assert found.series[0].labels == (("project", "shop"),)


@pytest.mark.parametrize(
    ("aggregation", "quantile", "expected"),
    [
        (Aggregation.MEAN, None, 2.0),
        (Aggregation.MIN, None, 1.0),
        (Aggregation.MAX, None, 3.0),
        (Aggregation.QUANTILE, 0.5, 2.0),
        (Aggregation.QUANTILE, 1.0, 3.0),
    ],
)
def test_all_series_become_one_without_a_group(
    ten_days: HistoryWriter, aggregation: Aggregation, quantile: float | None, expected: float
) -> None:
    found = ask(
        ten_days,
        selector=Selector(metrics=(CPU.name,)),
        statistic=Statistic.MIN,
        aggregation=aggregation,
        quantile=quantile,
        start_ms=T0 + HOUR_MS,
        end_ms=T0 + 2 * HOUR_MS,
    )
    assert only(found) == [expected]
    assert found.series[0].labels == ()


def test_the_largest_come_first_and_the_others_are_counted(ten_days: HistoryWriter) -> None:
    found = ask(ten_days, selector=Selector(metrics=(CPU.name,)), top=2)
    assert [series.subject for series in found.series] == [3, 2]
    assert found.series_left_out == 1


def test_a_selector_takes_what_fits_all_of_it(ten_days: HistoryWriter) -> None:
    def numbers(**given: Any) -> list[int]:
        return [each.number for each in ten_days.reader.subjects(Selector(**given))]

    assert numbers() == [1, 2, 3]
    assert numbers(kinds=(SubjectKind.CONTAINER,)) == [1, 2]
    assert numbers(node_ids=("n2",)) == [2]
    assert numbers(labels=(("project", "shop"), ("service", "web"))) == [1]
    assert numbers(names=("web", "host")) == [1, 3]
    assert numbers(keys=("key-3",)) == [3]
    assert numbers(subjects=(2, 99, 2**40, -1)) == [2]


def test_labels_of_a_series_say_what_it_is_of(ten_days: HistoryWriter) -> None:
    (series,) = ask(ten_days).series
    assert {key: series.label(key) for key in ("node", "subject", "kind", "service")} == {
        "node": "n1",
        "subject": "web",
        "kind": "container",
        "service": "web",
    }
    assert series.label("image") == ""


def test_a_series_outlives_its_container(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): [100] * 360})], [a_subject(1)])
    tidy(writer, T0 + 200 * DAY_MS)
    (subject,) = writer.reader.subjects(Selector())
    assert subject.definition.name == "web-1"
    assert ask(writer, step_ms=None, end_ms=T0 + 200 * DAY_MS).series[0].label("subject") == "web-1"


def test_a_record_that_begins_later_than_the_range_is_said(writer: HistoryWriter) -> None:
    for day in range(4):
        start = T0 + day * DAY_MS
        writer.ingest([a_batch(day + 1, {(1, CPU.number): [100]}, start_ms=start)], [a_subject(1)])
        tidy(writer, start)
    retention = Retention(default=Keep(raw_days=1))
    tidy(writer, T0 + 5 * DAY_MS, retention)
    tidy(writer, T0 + 5 * DAY_MS + HOUR_MS, retention)
    found = ask(writer, step_ms=60_000, start_ms=T0 + 3 * DAY_MS, end_ms=T0 + 5 * DAY_MS)
    assert found.series == ()
    assert "only a coarser one has" in found.notes[0]
    coarse = ask(writer, step_ms=None, end_ms=T0 + 5 * DAY_MS)
    assert coarse.resolution is Resolution.HOURLY
    assert np.nansum(coarse.series[0].values) == 4.0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"end_ms": T0}, "must be after start"),
        ({"start_ms": -1}, "ms since 1970"),
        ({"end_ms": 2**60}, "ms since 1970"),
        ({"points_max": 0}, "points"),
        ({"points_max": POINTS_MAX + 1}, "points"),
        ({"step_ms": 5}, "step 5 ms: at least 10000"),
        ({"top": 0}, "top"),
        ({"quantile": 0.5}, "quantile: goes with"),
        ({"aggregation": Aggregation.QUANTILE, "quantile": 1.5}, "quantile 1.5"),
        ({"aggregation": Aggregation.QUANTILE}, "quantile: goes with"),
        ({"group_by": ("colour",), "aggregation": Aggregation.SUM}, "group by 'colour'"),
        ({"group_by": ("node",)}, "group by: goes with an aggregation"),
        ({"step_ms": 10_000, "end_ms": T0 + 10 * DAY_MS}, "at most 5000; use a step of at least"),
        ({"step_ms": 60_000, "resolution": Resolution.HOURLY}, "hourly record a multiple of 3600000 ms"),
        ({"statistic": Statistic.SUM}, "cpu_percent is a level"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    ten_days: HistoryWriter, given: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask(ten_days, **given)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"metric 'cpu': not known; use one of .*cpu_percent"):
        Selector(metrics=("cpu",))


def test_a_question_that_would_read_everything_is_refused(
    ten_days: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.history.answering.VALUES_MAX", 1000)
    with pytest.raises(ValueError, match="more than one question may read"):
        ask(ten_days, step_ms=600_000)


def test_all_time_may_be_asked_for(ten_days: HistoryWriter) -> None:
    found = ask(ten_days, start_ms=0, end_ms=2**53, step_ms=None, points_max=1)
    assert only(found) == pytest.approx([sum(range(228)) / 228 + 100 / 360])


def test_enormous_values_are_summed_without_turning_round(writer: HistoryWriter) -> None:
    huge = 2**63 - 1
    writer.ingest([a_batch(1, {(1, MEMORY.number): [huge] * 360})], [a_subject(1)])
    for resolution in Resolution:
        assert only(ask(writer, MEMORY.name, step_ms=DAY_MS, resolution=resolution)) == [float(huge)]


def test_groups_and_quantiles_of_more_values_than_there_is_room_for_are_refused(
    ten_days: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.metrics.combining.VALUES_KEPT_MAX", 2 * 24)
    every = Selector(metrics=(CPU.name,))
    with pytest.raises(ValueError, match="3 groups of 24 points: more than 48 values; ask for fewer points"):
        ask(ten_days, selector=every, aggregation=Aggregation.SUM, group_by=("subject",))
    with pytest.raises(ValueError, match="3 series of a quantile of 24 points: more than 48 values"):
        ask(ten_days, selector=every, aggregation=Aggregation.QUANTILE, quantile=0.5)
    assert len(ask(ten_days, selector=every, aggregation=Aggregation.SUM).series) == 1


def test_very_many_series_of_an_open_hour_are_read_host_by_host(
    writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.history.answering.PASS_SERIES", 2)
    subjects = [a_subject(number, node=f"n{number % 2}") for number in range(1, 8)]
    for host in range(2):
        rows = {(number, CPU.number): [number * 100] * 6 for number in range(1, 8) if number % 2 == host}
        writer.ingest([a_batch(host + 1, rows, node=f"n{host}")], subjects)
    every = {"selector": Selector(metrics=(CPU.name,)), "end_ms": T0 + HOUR_MS}
    found = ask(writer, top=3, **every)
    assert [(series.subject, only_value(series)) for series in found.series] == [(7, 7), (6, 6), (5, 5)]
    assert found.series_left_out == 4
    total = ask(writer, aggregation=Aggregation.SUM, group_by=("node",), **every)
    assert {series.label("node"): only_value(series) for series in total.series} == {"n0": 12, "n1": 16}


def test_a_question_about_many_series_finds_those_that_an_hour_has_none_of_elsewhere(
    writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.history.answering.MANY_SERIES", 1)
    monkeypatch.setattr("cluster.history.keeping.WORK_A_PIECE", 1)
    others = {(number, MEMORY.number): [number] for number in (1, 2, 3)}
    writer.ingest([a_batch(1, others)], [a_subject(number) for number in (1, 2, 3)])
    writer.ingest([a_batch(2, {(2, CPU.number): [500]}, start_ms=T0 + HOUR_MS)], [])
    tidy(writer, T0 + 4 * HOUR_MS)
    found = ask(writer, selector=Selector(metrics=(CPU.name,)), resolution=Resolution.HOURLY)
    (series,) = found.series
    assert series.subject == 2
    assert float(np.nansum(series.values)) == 5


def only_value(series: ResultSeries) -> float:
    (value,) = series.values
    return float(value)

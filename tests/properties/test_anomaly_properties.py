"""What holds of anomaly scores whatever the series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cluster.analytics.anomalies import Anomaly, AnomalyKind, Finding, Method, Severity
from cluster.analytics.detection import detect
from cluster.analytics.grouping import group
from cluster.analytics.lineage import Line, joined, key_of
from cluster.analytics.rows import ROW_MS
from cluster.analytics.scoring import ScoreStream
from cluster.analytics.watch import SeriesWatch
from cluster.model.ids import NodeId
from cluster.model.metrics import Subject, SubjectDefinition, SubjectKind

SLOTS = 24
METHODS = (Method.CALIBRATED, Method.ZSCORE, Method.IQR, Method.SEASONAL)
START_ROW = 5_891_904
QUICK = settings(max_examples=10, deadline=None)


@st.composite
def matrices(draw: st.DrawFn, *, rows: int = 400, series: int = 3) -> NDArray[np.float64]:
    """Series of different characters, with gaps and faults."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    at = np.arange(rows)
    made = []
    for _ in range(series):
        kind = draw(st.sampled_from(("noise", "bursts", "daily", "constant", "walk")))
        values = {
            "noise": rng.normal(10, 1, rows),
            "bursts": np.exp(rng.normal(0, 1.5, rows)),
            "daily": 5 + np.sin(2 * np.pi * at / SLOTS) + 0.1 * rng.normal(size=rows),
            "constant": np.full(rows, 7.0),
            "walk": np.cumsum(rng.normal(size=rows)),
        }[kind]
        begin = draw(st.integers(0, rows - 1))
        values[begin : begin + draw(st.integers(0, 30))] += draw(st.sampled_from((-50.0, 5.0, 100.0)))
        gap = draw(st.integers(0, rows - 1))
        values[gap : gap + draw(st.integers(0, 40))] = np.nan
        made.append(values)
    return np.stack(made)


def a_stream(series: int, method: Method) -> ScoreStream:
    return ScoreStream(
        slots=SLOTS, floors=np.zeros(series), only_up=np.zeros(series, np.bool_), method=method
    )


@QUICK
@given(values=matrices(), method=st.sampled_from(METHODS), cuts=st.lists(st.integers(1, 399), max_size=6))
def test_rows_get_the_same_scores_however_they_are_cut_so_none_looks_ahead(
    values: NDArray[np.float64], method: Method, cuts: list[int]
) -> None:
    whole = a_stream(len(values), method).push(START_ROW, values)
    stream = a_stream(len(values), method)
    ends = [*sorted(set(cuts)), values.shape[1]]
    begin = 0
    for end in ends:
        part = stream.push(START_ROW + begin, values[:, begin:end])
        assert np.array_equal(part.emitted, whole.emitted[:, begin:end])
        assert np.array_equal(part.judged.expected, whole.judged.expected[:, begin:end], equal_nan=True)
        begin = end


@QUICK
@given(values=matrices(), method=st.sampled_from(METHODS), after=st.integers(100, 399))
def test_what_comes_later_changes_nothing_of_what_was_said(
    values: NDArray[np.float64], method: Method, after: int
) -> None:
    changed = values.copy()
    changed[:, after:] = -changed[:, after:] * 3 + 17
    said = a_stream(len(values), method).push(START_ROW, values).emitted[:, :after]
    assert np.array_equal(
        said, a_stream(len(values), method).push(START_ROW, changed).emitted[:, :after], equal_nan=True
    )


@QUICK
@given(
    values=matrices(series=1),
    method=st.sampled_from(METHODS),
    power=st.integers(-20, 20),
    shift=st.sampled_from((0.0, 1024.0, -(2.0**20))),
)
def test_neither_the_unit_nor_the_zero_of_a_series_matters(
    values: NDArray[np.float64], method: Method, power: int, shift: float
) -> None:
    # To 2^-10, so that moving it loses no digit.
    values = np.round(values * 1024) / 1024
    plain = a_stream(1, method).push(START_ROW, values)
    other = a_stream(1, method).push(START_ROW, (values + shift) * 2.0**power)
    assert np.allclose(plain.emitted, other.emitted, atol=1e-6)


@QUICK
@given(values=matrices(), method=st.sampled_from(METHODS), order=st.permutations(range(3)))
def test_a_series_does_not_depend_on_its_company(
    values: NDArray[np.float64], method: Method, order: list[int]
) -> None:
    plain = a_stream(3, method).push(START_ROW, values).emitted
    moved = a_stream(3, method).push(START_ROW, values[order]).emitted
    assert np.array_equal(plain[order], moved)
    alone = a_stream(1, method).push(START_ROW, values[:1]).emitted
    assert np.array_equal(plain[:1], alone)


@QUICK
@given(
    values=st.lists(
        st.one_of(st.floats(), st.sampled_from([float("nan"), 0.0, 1e308, -1e308, 5e-324])), max_size=300
    ),
    step_ms=st.integers(1, 10**7),
    now_ms=st.integers(0, 2 * 10**12),
    method=st.sampled_from(list(Method)),
)
def test_no_numbers_are_too_strange_for_an_answer(
    values: list[float], step_ms: int, now_ms: int, method: Method
) -> None:
    at = 10**12 + step_ms * np.arange(len(values), dtype=np.int64)
    detection = detect(at, np.array(values, np.float64), now_ms=now_ms, method=method)
    assert np.isfinite(detection.scores).all()
    assert ((detection.scores >= 0) & (detection.scores < 1)).all()
    assert all(0 <= each.confidence <= 1 and abs(each.deviation) <= 99 for each in detection.anomalies)


# ---- the watch


def a_subject(number: int, *, replica: str = "") -> Subject:
    labels = (("replica", replica), ("service", "shop.web")) if replica else ()
    definition = SubjectDefinition(
        kind=SubjectKind.CONTAINER,
        node_id=NodeId("nd_1"),
        key=f"{number}",
        name=f"web-{number}",
        labels=labels,
    )
    return Subject(number=number, definition=definition, created_ms=0, seen_ms=0)


def lines_of(values: NDArray[np.float64], begin: int, end: int) -> list[Line]:
    metrics = ("cpu_percent", "disk_used_bytes", "requests")
    return [
        Line(
            key=key_of(a_subject(place + 1), metrics[place]),
            metric=metrics[place],
            subject=a_subject(place + 1),
            values=values[place, begin:end] * 1e9,
        )
        for place in range(len(values))
        if np.isfinite(values[place, begin:end]).any()
    ]


@QUICK
@given(
    values=matrices(),
    cuts=st.lists(st.integers(1, 399), max_size=8),
    restarts=st.sets(st.integers(0, 8)),
)
def test_a_watch_that_is_stopped_and_carried_on_finds_what_one_that_ran_through_does(
    values: NDArray[np.float64], cuts: list[int], restarts: set[int]
) -> None:
    through = SeriesWatch()
    through.push(START_ROW, lines_of(values, 0, 400), 400)
    watch = SeriesWatch()
    begin = 0
    for number, end in enumerate([*sorted(set(cuts)), 400]):
        # The last rows again, as after a crash before the state was written.
        again = max(0, begin - 3)
        watch.push(START_ROW + again, lines_of(values, again, end), end - again)
        if number in restarts:
            watch = SeriesWatch.from_bytes(watch.to_bytes())
        begin = end
    assert watch.findings(0) == through.findings(0)
    assert watch.to_bytes() == SeriesWatch.from_bytes(watch.to_bytes()).to_bytes()


@QUICK
@given(order=st.permutations(range(4)))
def test_series_of_one_line_join_the_same_in_any_order(order: list[int]) -> None:
    given_ = [
        (a_subject(1, replica="1"), "cpu_percent", np.array([1.0, 2.0, np.nan])),
        (a_subject(2, replica="1"), "cpu_percent", np.array([np.nan, 9.0, np.nan])),
        (a_subject(1, replica="1"), "requests", np.array([1.0, 2.0, np.nan])),
        (a_subject(2, replica="1"), "requests", np.array([np.nan, 9.0, np.nan])),
    ]
    lines = {line.metric: line for line in joined(given_[place] for place in order)}
    assert np.array_equal(lines["cpu_percent"].values, [1, 9, np.nan], equal_nan=True)
    assert np.array_equal(lines["requests"].values, [1, 11, np.nan], equal_nan=True)
    assert {line.subject.number for line in lines.values()} == {2}


# ---- grouping

FINDINGS = st.builds(
    lambda metric, row, length, node, name, kind: Finding(
        subject=1,
        subject_kind=kind,
        node_id=node,
        name=name,
        metric=metric,
        anomaly=Anomaly(
            kind=AnomalyKind.SPIKE,
            severity=Severity.INFO,
            at_ms=row * ROW_MS,
            row_ms=ROW_MS,
            until_ms=(row + length) * ROW_MS,
            current=1.0,
            expected=0.0,
            low=0.0,
            high=0.0,
            deviation=5.0,
            score=0.7,
            confidence=0.5,
        ),
    ),
    st.sampled_from(("cpu_percent", "load_1", "memory_bytes", "tx_bytes_per_s")),
    st.integers(0, 40),
    st.integers(1, 10),
    st.sampled_from(("nd_1", "nd_2")),
    st.sampled_from(("web", "db", "cache", "queue")),
    st.sampled_from((SubjectKind.CONTAINER, SubjectKind.HOST)),
)


@QUICK
@given(findings=st.lists(FINDINGS, max_size=20), data=st.data())
def test_incidents_do_not_depend_on_the_order_and_lose_nothing_and_are_never_of_one_metric(
    findings: list[Finding], data: st.DataObject
) -> None:
    findings = [replace(each, subject=number) for number, each in enumerate(findings)]
    incidents = group(findings)
    assert group(data.draw(st.permutations(findings))) == incidents
    assert sorted(each.subject for incident in incidents for each in incident.findings) == list(
        range(len(findings))
    )
    for incident in incidents:
        if incident.is_alertable:
            assert len({each.metric for each in incident.findings}) > 1 or len(incident.children) >= 3
    assert len({incident.key for incident in incidents}) == len(incidents)

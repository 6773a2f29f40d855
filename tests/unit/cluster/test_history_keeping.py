"""What is ingested is what is answered, wherever it has got to meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from cluster.history import HistoryWriter
from cluster.history.layout import HOURS, OPEN_HOURS, PENDING
from cluster.history.sealing import WORK_A_PIECE
from cluster.metrics.query import RangeQuery, Resolution, Selector
from tests.support.samples import (
    CPU,
    DAY_MS,
    FOREVER,
    HOUR_MS,
    MEMORY,
    T0,
    a_batch,
    a_history,
    a_subject,
    tidy,
)

INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)


def values(writer: HistoryWriter, *, subject: int = 1, metric: int = CPU.number) -> list[int]:
    return writer.reader.raw(subject, metric, 0, 2**53).values.tolist()


def times(writer: HistoryWriter, *, subject: int = 1, metric: int = CPU.number) -> list[int]:
    return writer.reader.raw(subject, metric, 0, 2**53).times_ms.tolist()


def test_a_new_history_has_nothing_and_says_so(writer: HistoryWriter) -> None:
    standing = writer.reader.standing()
    assert (writer.applied_index, standing.subjects, standing.damaged) == (0, 0, 0)
    assert standing.oldest_ms == dict.fromkeys(Resolution)
    answer = writer.reader.query(RangeQuery(selector=Selector(), start_ms=T0, end_ms=T0 + DAY_MS))
    assert answer.series == ()
    assert answer.notes == ("nothing that is selected has any of these metrics",)


def test_what_was_ingested_is_read_back_with_its_moments(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(5, {(1, CPU.number): [10, 20, None, 40]})], [a_subject(1)])
    assert values(writer) == [10, 20, 40]
    assert times(writer) == [T0, T0 + 10_000, T0 + 30_000]
    assert writer.applied_index == 5


def test_a_batch_that_is_ingested_again_changes_nothing(writer: HistoryWriter) -> None:
    batch = a_batch(5, {(1, CPU.number): [10]})
    writer.ingest([batch], [a_subject(1)])
    before = writer.reader.standing()
    writer.ingest([batch, a_batch(4, {(1, CPU.number): [99]})], [])
    assert writer.reader.standing() == before
    assert values(writer) == [10]


def test_what_was_ingested_is_there_after_opening_anew(tmp_path: Path) -> None:
    first = a_history(tmp_path)
    first.ingest([a_batch(7, {(1, CPU.number): [1, 2]})], [a_subject(1)])
    first.close()
    second = a_history(tmp_path)
    assert (second.applied_index, values(second)) == (7, [1, 2])
    second.close()


def test_a_sealed_hour_reads_as_it_did_and_is_no_longer_pending(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): list(range(360))})], [a_subject(1)])
    assert tidy(writer, T0 + HOUR_MS) == 0, "an hour is not sealed as it ends"
    assert tidy(writer, T0 + 2 * HOUR_MS) > 0
    with writer.reader.read() as tables:
        assert tables.first(b"pending") is None
        assert tables.first(b"hours") is not None
    assert values(writer) == list(range(360))


def test_a_compacted_day_reads_as_it_did_and_has_no_hours(writer: HistoryWriter) -> None:
    for hour in range(24):
        rows = {(1, CPU.number): [hour] * 360, (1, MEMORY.number): list(range(hour, hour + 360))}
        writer.ingest([a_batch(hour + 1, rows, start_ms=T0 + hour * HOUR_MS)], [a_subject(1)])
        tidy(writer, T0 + (hour + 2) * HOUR_MS)
    tidy(writer, T0 + 2 * DAY_MS)
    with writer.reader.read() as tables:
        assert tables.first(b"hours") is None
        assert len(list(tables.keys(b"days"))) == 1
    assert values(writer) == [hour for hour in range(24) for _ in range(360)]
    assert values(writer, metric=MEMORY.number) == [h + k for h in range(24) for k in range(360)]


@pytest.mark.parametrize("age_ms", [0, 3 * HOUR_MS, 3 * DAY_MS], ids=["pending", "sealed", "compacted"])
def test_late_samples_are_merged_into_what_is_there(writer: HistoryWriter, age_ms: int) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): [1, None, 3, 4]})], [a_subject(1)])
    tidy(writer, T0 + age_ms)
    writer.ingest([a_batch(2, {(1, CPU.number): [None, 20, None, 40]})], [])
    assert values(writer) == [1, 20, 3, 40]
    of_its_day = writer.reader.raw(1, CPU.number, T0, T0 + DAY_MS)
    assert of_its_day.values.tolist() == [1, 20, 3, 40]
    tidy(writer, T0 + age_ms + 2 * DAY_MS)
    assert values(writer) == [1, 20, 3, 40]
    assert hourly_mean(writer) == 16 / CPU.scale


def hourly_mean(writer: HistoryWriter) -> float:
    answer = writer.reader.query(
        RangeQuery(
            selector=Selector(metrics=(CPU.name,)),
            start_ms=T0,
            end_ms=T0 + HOUR_MS,
            step_ms=HOUR_MS,
            resolution=Resolution.HOURLY,
        )
    )
    return float(answer.series[0].values[0])


def test_samples_that_come_while_their_day_is_compacted_are_not_lost(writer: HistoryWriter) -> None:
    rows = {(number, CPU.number): [number] for number in range(1, 101)}
    writer.ingest([a_batch(1, rows)], [a_subject(number) for number in range(1, 101)])
    now_ms = T0 + 3 * DAY_MS
    assert writer.maintain(now_ms, FOREVER)  # seals
    assert writer.maintain(now_ms + 60_000, FOREVER)  # compacts the first subjects
    writer.ingest([a_batch(2, {(1, CPU.number): [None, 77]}, committed_ms=now_ms - 60_000)], [])
    tidy(writer, now_ms + 60_000)
    tidy(writer, now_ms + 180_000)
    assert values(writer) == [1, 77]
    assert all(values(writer, subject=number) == [number] for number in range(2, 101))
    with writer.reader.read() as tables:
        assert tables.first(b"hours") is None


def test_a_batch_across_hours_is_answered_from_both(writer: HistoryWriter) -> None:
    start = T0 + HOUR_MS - 20_000
    writer.ingest([a_batch(1, {(1, CPU.number): [1, 2, 3, 4]}, start_ms=start)], [a_subject(1)])
    assert values(writer) == [1, 2, 3, 4]
    tidy(writer, T0 + 2 * HOUR_MS)
    assert times(writer) == [start, start + 10_000, start + 20_000, start + 30_000]


def test_an_import_of_a_value_a_day_is_kept_by_days(writer: HistoryWriter) -> None:
    batch = a_batch(1, {(1, CPU.number): list(range(30))}, step_ms=DAY_MS, committed_ms=T0 + 31 * DAY_MS)
    writer.ingest([batch], [a_subject(1)])
    assert times(writer) == [T0 + day * DAY_MS for day in range(30)]
    assert values(writer) == list(range(30))


EXTREMES = {
    "one sample": [5],
    "constant": [7] * 360,
    "all zero": [0] * 360,
    "gaps": [k if k % 7 else None for k in range(360)],
    "only the last": [None] * 359 + [3],
    "the largest": [INT64_MAX] * 10,
    "from one end to the other": [INT64_MIN, INT64_MAX, INT64_MIN, 0, INT64_MAX, -1],
    "nothing": [None, None],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_values_of_any_kind_survive_sealing_and_compaction(writer: HistoryWriter, name: str) -> None:
    given = EXTREMES[name]
    writer.ingest([a_batch(1, {(1, CPU.number): given})], [a_subject(1)])
    expected = [value for value in given if value is not None]
    assert values(writer) == expected
    tidy(writer, T0 + 3 * HOUR_MS)
    assert values(writer) == expected
    tidy(writer, T0 + 3 * DAY_MS)
    assert values(writer) == expected


def test_a_batch_without_any_row_only_moves_the_index(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(3, {})], [])
    tidy(writer, T0 + 3 * DAY_MS)
    assert writer.applied_index == 3
    assert values(writer) == []


def test_samples_of_the_future_are_kept_where_they_say(writer: HistoryWriter) -> None:
    start = T0 + 365 * DAY_MS
    writer.ingest([a_batch(1, {(1, CPU.number): [1]}, start_ms=start, committed_ms=T0)], [a_subject(1)])
    assert tidy(writer, T0 + DAY_MS) == 0, "an hour that has not ended is not sealed"
    assert times(writer) == [start]


def test_a_payload_that_is_no_block_is_left_out_counted_and_asked_for_again(writer: HistoryWriter) -> None:
    good = a_batch(1, {(1, CPU.number): [1]})
    bad = a_batch(2, {(1, CPU.number): [2]}, start_ms=T0 + 10_000)
    broken = bytearray(bad.payload)
    broken[-1] ^= 1
    writer.ingest([good, replace(bad, payload=bytes(broken))], [a_subject(1)])
    tidy(writer, T0 + 2 * HOUR_MS)
    assert values(writer) == [1]
    standing = writer.reader.standing()
    assert (writer.applied_index, standing.damaged) == (2, 1)
    writer.maintain(T0 + 2 * HOUR_MS, FOREVER)
    assert writer.reader.standing().missing == ((T0, T0 + HOUR_MS),)


def test_what_is_missing_is_remembered_until_it_is_filled(tmp_path: Path) -> None:
    writer = a_history(tmp_path)
    writer.mark_missing(T0, T0 + DAY_MS)
    writer.mark_missing(T0 + HOUR_MS, T0 + 2 * DAY_MS)
    writer.mark_filled(T0 + HOUR_MS, T0 + 2 * HOUR_MS)
    writer.close()
    writer = a_history(tmp_path)
    assert writer.reader.standing().missing == (
        (T0, T0 + HOUR_MS),
        (T0 + 2 * HOUR_MS, T0 + 2 * DAY_MS),
    )
    writer.mark_filled(T0, T0 + 3 * DAY_MS)
    assert writer.reader.standing().missing == ()
    writer.close()


def counts(writer: HistoryWriter) -> dict[bytes, int]:
    with writer.reader.read() as tables:
        return {name: len(list(tables.keys(name))) for name in (PENDING, HOURS, OPEN_HOURS)}


def two_hosts_of_many_series(writer: HistoryWriter) -> int:
    """More series of each of two hosts than one piece seals, in one hour."""
    each = WORK_A_PIECE + 10
    for host in range(2):
        rows = {(host * each + number, CPU.number): [number, -number] for number in range(1, each + 1)}
        subjects = [a_subject(number, node=f"n{host}") for number, _ in rows]
        writer.ingest([a_batch(host + 1, rows, node=f"n{host}")], subjects)
    return each


def test_an_hour_is_sealed_in_pieces_and_its_batches_go_with_the_last_of_a_host(
    writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.history.sealing.GROUPED_BATCHES", 2)
    each = two_hosts_of_many_series(writer)
    seen = []
    while writer.maintain(T0 + 3 * HOUR_MS, FOREVER):
        seen.append(counts(writer))
        assert values(writer) == [1, -1]
        assert values(writer, subject=2 * each) == [each, -each]
    chunks = [0, *(count[HOURS] for count in seen)]
    assert max(after - before for before, after in pairwise(chunks)) <= WORK_A_PIECE
    assert chunks[-1] == 2 * each
    assert {count[PENDING] for count in seen} == {2, 1, 0}
    assert seen[0] == {PENDING: 2, HOURS: chunks[1], OPEN_HOURS: 1}
    assert seen[-1] == {PENDING: 0, HOURS: 2 * each, OPEN_HOURS: 0}


def test_what_comes_between_two_pieces_of_sealing_keeps_the_hour_open_until_it_is_sealed_too(
    writer: HistoryWriter,
) -> None:
    each = two_hosts_of_many_series(writer)
    now_ms = T0 + 3 * HOUR_MS
    assert writer.maintain(now_ms, FOREVER)
    late = a_batch(9, {(1, CPU.number): [7], (2 * each, CPU.number): [8]}, committed_ms=now_ms)
    writer.ingest([late], [])
    while writer.maintain(now_ms, FOREVER):
        assert (values(writer), values(writer, subject=2 * each)) == ([7, -1], [8, -each])
    assert counts(writer)[PENDING] == 1
    assert counts(writer)[OPEN_HOURS] == 1
    tidy(writer, now_ms + HOUR_MS)
    assert counts(writer) == {PENDING: 0, HOURS: 2 * each, OPEN_HOURS: 0}
    assert (values(writer), values(writer, subject=2 * each)) == ([7, -1], [8, -each])


def test_sealing_that_was_broken_off_begins_anew_and_comes_to_the_same(tmp_path: Path) -> None:
    first = a_history(tmp_path)
    each = two_hosts_of_many_series(first)
    assert first.maintain(T0 + 3 * HOUR_MS, FOREVER)
    first.close()
    second = a_history(tmp_path)
    tidy(second, T0 + 3 * HOUR_MS)
    assert counts(second) == {PENDING: 0, HOURS: 2 * each, OPEN_HOURS: 0}
    assert values(second, subject=2 * each) == [each, -each]
    second.close()

"""What goes when it is old, and when there is too much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.history import HistoryWriter
from cluster.metrics.query import RangeQuery, Resolution, Selector
from cluster.metrics.retention import BYTES_MIN, Keep, Retention
from cluster.model.metrics import SubjectKind
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


def fill(writer: HistoryWriter, days: int, *, retention: Retention = FOREVER, first_index: int = 1) -> int:
    """Four samples a day of a container (1) and a host (2); the moment after the last day."""
    subjects = [a_subject(1), a_subject(2, kind=SubjectKind.HOST)]
    batches = [
        a_batch(
            first_index + day,
            {(number, CPU.number): [100 * day] * 4 for number in (1, 2)},
            start_ms=T0 + day * DAY_MS,
            step_ms=6 * HOUR_MS,
        )
        for day in range(days)
    ]
    writer.ingest(batches, subjects)
    end_ms = T0 + days * DAY_MS
    tidy(writer, end_ms + 4 * HOUR_MS, retention)
    return end_ms + 4 * HOUR_MS


def days_of(writer: HistoryWriter, resolution: Resolution, subject: int = 1) -> list[int]:
    """The days since T0 of which the record has anything."""
    answer = writer.reader.query(
        RangeQuery(
            selector=Selector(subjects=(subject,), metrics=(CPU.name,)),
            start_ms=T0,
            end_ms=T0 + 400 * DAY_MS,
            step_ms=DAY_MS,
            resolution=resolution,
        )
    )
    return np.flatnonzero(~np.isnan(answer.series[0].values)).tolist() if answer.series else []


def test_each_record_is_kept_for_its_own_time(writer: HistoryWriter) -> None:
    fill(writer, 12, retention=Retention(default=Keep(raw_days=2, hourly_days=5, daily_days=396)))
    assert days_of(writer, Resolution.RAW) == [10, 11]
    assert days_of(writer, Resolution.HOURLY) == [7, 8, 9, 10, 11]
    assert days_of(writer, Resolution.DAILY) == list(range(12))


def test_days_go_by_spans_once_all_of_one_is_old(writer: HistoryWriter) -> None:
    rows = {(1, CPU.number): [100] * 100}
    writer.ingest([a_batch(1, rows, step_ms=DAY_MS)], [a_subject(1)])
    now_ms = T0 + 101 * DAY_MS
    tidy(writer, now_ms, Retention(default=Keep(daily_days=40)))
    oldest = writer.reader.standing().oldest_ms[Resolution.DAILY]
    assert oldest is not None
    assert 40 * DAY_MS <= now_ms - oldest <= (40 + 33) * DAY_MS


def test_kinds_of_subjects_are_kept_for_different_times(writer: HistoryWriter) -> None:
    hosts = (SubjectKind.HOST, Keep(raw_days=6))
    fill(writer, 8, retention=Retention(default=Keep(raw_days=2), by_kind=(hosts,)))
    assert days_of(writer, Resolution.RAW, subject=1) == [6, 7]
    assert days_of(writer, Resolution.RAW, subject=2) == [2, 3, 4, 5, 6, 7]


def test_the_record_is_chosen_by_what_the_kinds_asked_for_still_have(writer: HistoryWriter) -> None:
    hosts = (SubjectKind.HOST, Keep(raw_days=30))
    now_ms = fill(writer, 8, retention=Retention(default=Keep(raw_days=2), by_kind=(hosts,)))

    def resolution(subject: int) -> Resolution:
        selector = Selector(subjects=(subject,), metrics=(CPU.name,))
        query = RangeQuery(selector=selector, start_ms=T0, end_ms=now_ms, points_max=1000)
        return writer.reader.query(query).resolution

    assert resolution(2) is Resolution.RAW
    assert resolution(1) is Resolution.HOURLY


def test_samples_go_only_once_the_rollups_have_them(writer: HistoryWriter) -> None:
    fill(writer, 3, retention=Retention(default=Keep(raw_days=0, hourly_days=0)))
    assert days_of(writer, Resolution.RAW) == []
    assert days_of(writer, Resolution.DAILY) == [0, 1, 2]


def test_samples_of_a_day_whose_samples_are_gone_do_not_replace_its_rollups(writer: HistoryWriter) -> None:
    retention = Retention(default=Keep(raw_days=1))
    now_ms = fill(writer, 4, retention=retention)
    late = a_batch(50, {(1, CPU.number): [99_900]}, start_ms=T0, committed_ms=now_ms)
    writer.ingest([late], [])
    tidy(writer, now_ms + 3 * HOUR_MS, retention)
    answer = writer.reader.query(
        RangeQuery(selector=Selector(subjects=(1,)), start_ms=T0, end_ms=T0 + DAY_MS, step_ms=DAY_MS)
    )
    assert answer.series[0].values.tolist() == [0.0]


def test_a_subject_is_forgotten_once_nothing_of_it_is_kept(writer: HistoryWriter) -> None:
    writer.ingest([a_batch(1, {(1, CPU.number): [1]})], [a_subject(1)])
    tidy(writer, T0 + 390 * DAY_MS, Retention())
    assert [subject.number for subject in writer.reader.subjects(Selector())] == [1]
    tidy(writer, T0 + 440 * DAY_MS, Retention())
    assert writer.reader.subjects(Selector()) == []


def noise(seed: int, count: int) -> list[int]:
    return np.random.default_rng(seed).integers(0, 2**62, count).tolist()


def test_what_is_too_much_goes_oldest_samples_first_and_is_told(writer: HistoryWriter) -> None:
    batches = [
        a_batch(
            day + 1,
            {(number, MEMORY.number): noise(day * 1000 + number, 360) for number in range(1, 9)},
            start_ms=T0 + day * DAY_MS,
            step_ms=10_000,
        )
        for day in range(8)
    ]
    writer.ingest(batches, [a_subject(number) for number in range(1, 9)])
    end_ms = T0 + 8 * DAY_MS + 4 * HOUR_MS
    tidy(writer, end_ms)
    used = writer.reader.standing().bytes_used
    # The least there may be is more than what these tests may take: the limit is set below what is used.
    small = Retention(default=FOREVER.default)
    object.__setattr__(small, "bytes_max", used * 3 // 4)
    tidy(writer, end_ms, small)
    standing = writer.reader.standing()
    assert standing.bytes_used <= small.bytes_max == standing.bytes_max
    oldest = standing.oldest_ms[Resolution.RAW]
    assert oldest is not None
    assert T0 + DAY_MS <= oldest < T0 + 7 * DAY_MS
    assert standing.oldest_ms[Resolution.HOURLY] == T0
    assert standing.shortened_to_ms == {Resolution.RAW: oldest}


def test_however_small_the_limit_the_newest_of_each_record_stay(writer: HistoryWriter) -> None:
    now_ms = fill(writer, 12)
    tiny = Retention(default=FOREVER.default)
    object.__setattr__(tiny, "bytes_max", 1)
    tidy(writer, now_ms, tiny)
    assert days_of(writer, Resolution.RAW) == [11]
    assert days_of(writer, Resolution.HOURLY) == list(range(5, 12))
    assert days_of(writer, Resolution.DAILY) == list(range(12))


def test_a_limit_too_small_to_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match=f"history size 5 bytes: at least {BYTES_MIN}"):
        Retention(bytes_max=5)


def test_the_file_does_not_grow_once_as_much_goes_as_comes(tmp_path: Path) -> None:
    writer = a_history(tmp_path)
    retention = Retention(default=Keep(raw_days=2, hourly_days=2, daily_days=2))
    sizes = []
    for day in range(14):
        rows = {(number, MEMORY.number): noise(day * 10 + number, 360) for number in range(1, 11)}
        start = T0 + day * DAY_MS
        writer.ingest(
            [a_batch(day + 1, rows, start_ms=start)], [a_subject(number) for number in range(1, 11)]
        )
        tidy(writer, start + DAY_MS + 4 * HOUR_MS, retention)
        sizes.append((tmp_path / "history" / "data.mdb").stat().st_size)
    writer.close()
    assert sizes[-1] <= sizes[6]

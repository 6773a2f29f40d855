"""The history on disk: what is kept comes back, a crash costs no whole record, the oldest goes first."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.logbook.searching import Segments, count, search
from agent.logbook.segment import INDEX_SUFFIX, SEGMENT_SUFFIX
from agent.logbook.store import LogStore, StoreFailed
from cluster.logs.block import kind_of
from cluster.model.log_history import (
    KeptLine,
    LogCountQuery,
    LogLevel,
    LogPage,
    LogPlace,
    LogSearch,
    LogSource,
    PatternRefused,
    levels_from,
)

WEB = LogSource(container_id="aa" * 32, name="web", image="web:1")
JOB = LogSource(container_id="bb" * 32, name="job", image="job:1")
BOTH = (WEB.container_id, JOB.container_id)
NOW_US = 1_796_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    made = a_store(tmp_path)
    yield made
    made.close()


def a_store(directory: Path, *, bytes_max: int = 0, reserve_bytes: int = 0) -> LogStore:
    made = LogStore(directory / "logbook", bytes_max=bytes_max, age_max_d=14, reserve_bytes=reserve_bytes)
    made.open()
    return made


def keep(
    store: LogStore,
    source: LogSource,
    texts: list[str],
    *,
    at_us: int = NOW_US,
    first: int = 0,
    level: LogLevel = LogLevel.UNKNOWN,
    now_us: int = NOW_US,
) -> None:
    moments = [at_us + number for number in range(len(texts))]
    store.append(
        source, first, moments, bytes([kind_of(stream=0, level=level)]) * len(texts), texts, now_us=now_us
    )


def found(store: LogStore, query: LogSearch, *, is_out_of_time: bool = False) -> LogPage:
    segments = Segments()
    try:
        return search(segments, store.refs(query.container_ids), (), query, lambda: is_out_of_time)
    finally:
        segments.close()


def every_line(store: LogStore, query: LogSearch, *, is_out_of_time: bool = False) -> list[KeptLine]:
    lines: list[KeptLine] = []
    after: LogPlace | None = None
    while True:
        page = found(store, _after(query, after), is_out_of_time=is_out_of_time)
        lines += page.lines
        if page.horizon is None:
            return lines
        assert page.horizon != after, "it comes no further"
        after = page.horizon


def _after(query: LogSearch, after: LogPlace | None) -> LogSearch:
    from dataclasses import replace

    return replace(query, after=after)


def test_what_was_kept_is_there_after_a_restart_with_its_numbers(tmp_path: Path) -> None:
    before = a_store(tmp_path)
    keep(before, WEB, ["one", "two"])
    keep(before, JOB, ["three"], at_us=NOW_US + 10)
    before.close()
    after = a_store(tmp_path)
    kept = after.kept()
    assert (kept[WEB.container_id].lines, kept[WEB.container_id].next_ordinal) == (2, 2)
    assert kept[JOB.container_id].source == JOB
    assert [line.text for line in every_line(after, LogSearch(container_ids=BOTH))] == ["three", "two", "one"]
    assert after.last_of(WEB.container_id) == [(NOW_US, 0, "one"), (NOW_US + 1, 0, "two")]
    after.close()


def test_what_is_opened_once_more_after_a_failure_is_counted_once(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    keep(store, WEB, ["one", "two"])
    store.close()
    used = store.bytes_used
    store.open()
    assert (store.kept()[WEB.container_id].lines, store.bytes_used) == (2, used)


def test_a_record_that_a_crash_tore_is_cut_off_and_all_before_it_is_kept(tmp_path: Path) -> None:
    before = a_store(tmp_path)
    keep(before, WEB, ["whole"])
    whole = before.bytes_used
    keep(before, WEB, ["torn"], at_us=NOW_US + 10, first=1)
    (segment,) = (tmp_path / "logbook").glob(f"*{SEGMENT_SUFFIX}")
    for size in range(whole, before.bytes_used):
        directory = tmp_path / f"cut-{size}"
        (directory / "logbook").mkdir(parents=True)
        (directory / "logbook" / segment.name).write_bytes(segment.read_bytes()[:size])
        after = a_store(directory)
        assert [line.text for line in every_line(after, LogSearch(container_ids=BOTH))] == ["whole"]
        keep(after, WEB, ["again"], at_us=NOW_US + 10, first=1)
        assert [line.text for line in every_line(after, LogSearch(container_ids=BOTH))] == ["again", "whole"]
        after.close()
    before.close()


def test_a_damaged_index_is_made_anew_from_its_segment(tmp_path: Path) -> None:
    before = a_store(tmp_path)
    keep(before, WEB, ["one"])
    before.close()
    (index,) = (tmp_path / "logbook").glob(f"*{INDEX_SUFFIX}")
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    after = a_store(tmp_path)
    assert [line.text for line in every_line(after, LogSearch(container_ids=BOTH))] == ["one"]
    after.close()


def test_the_oldest_segments_go_when_there_is_too_much_or_they_are_too_old(tmp_path: Path) -> None:
    day_us = 86_400_000_000
    store = a_store(tmp_path, bytes_max=16 * 1024 * 1024)
    for day in range(20):
        now_us = NOW_US + day * day_us
        keep(store, WEB, [f"day {day}"], at_us=now_us, first=day, now_us=now_us)
    assert store.retain(NOW_US + 19 * day_us) > 0
    kept = [line.text for line in every_line(store, LogSearch(container_ids=BOTH, is_newest_first=False))]
    assert kept == [f"day {day}" for day in range(5, 20)]
    store.close()


def test_a_disk_that_others_filled_says_so_and_gives_its_own_back_first(tmp_path: Path) -> None:
    store = a_store(tmp_path, reserve_bytes=2**60)
    keep(store, WEB, ["one"])
    store.close()
    store.open()
    assert store.retain(NOW_US) > 0
    assert store.kept() == {}
    assert "stay free for everything else" in store.shortage()


def test_a_write_that_fails_keeps_nothing_and_later_ones_are_read(
    store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, WEB, ["one"])
    write, calls = os.write, iter([5, None])

    def full(descriptor: int, data: bytes) -> int:
        part = next(calls)
        if part is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data)[:part])

    monkeypatch.setattr("agent.logbook.store.os.write", full)
    with pytest.raises(StoreFailed, match="No space left on device"):
        keep(store, WEB, ["lost"], at_us=NOW_US + 5, first=1)
    monkeypatch.undo()
    keep(store, WEB, ["two"], at_us=NOW_US + 10, first=2)
    assert [line.text for line in every_line(store, LogSearch(container_ids=BOTH))] == ["two", "one"]


# ---- searching -----------------------------------------------------------------------------------


def filled(store: LogStore) -> list[str]:
    texts: list[str] = []
    for number in range(30):
        source = (WEB, JOB)[number % 2]
        lines = [f"{source.name} {number}.{line} {'fail' if line % 4 == 0 else 'ok'}" for line in range(7)]
        keep(
            store,
            source,
            lines,
            at_us=NOW_US + number * 5,
            first=number // 2 * 7,
            level=LogLevel.ERROR if number % 3 == 0 else LogLevel.INFO,
        )
        texts += lines
    return texts


@pytest.mark.parametrize("is_newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 50, 500])
@pytest.mark.parametrize("is_out_of_time", [False, True])
def test_pages_give_every_line_once_in_order_however_short_the_time(
    store: LogStore, is_newest_first: bool, limit: int, is_out_of_time: bool
) -> None:
    texts = filled(store)
    query = LogSearch(container_ids=BOTH, is_newest_first=is_newest_first, limit=limit)
    lines = every_line(store, query, is_out_of_time=is_out_of_time)
    places = [line.place for line in lines]
    assert places == sorted(places, reverse=is_newest_first)
    assert sorted(line.text for line in lines) == sorted(texts)


def test_lines_are_chosen_by_container_time_level_and_text(store: LogStore) -> None:
    texts = filled(store)

    def texts_of(**wanted: object) -> set[str]:
        return {line.text for line in every_line(store, LogSearch(container_ids=BOTH, **wanted))}  # type: ignore[arg-type]  # its fields

    assert texts_of(pattern="FAIL") == {text for text in texts if "fail" in text}
    assert texts_of(pattern="FAIL", is_case_sensitive=True) == set()
    assert texts_of(pattern="fail", is_case_sensitive=True) == {text for text in texts if "fail" in text}
    assert texts_of(pattern=r"^web 4\.[0-3] ok$", is_regex=True) == {f"web 4.{n} ok" for n in (1, 2, 3)}
    assert texts_of(levels=levels_from(LogLevel.ERROR)) == {
        text for text in texts if int(text.split()[1].partition(".")[0]) % 3 == 0
    }
    assert texts_of(start_us=NOW_US + 10, end_us=NOW_US + 12) == {
        *(f"web 0.{n}" for n in ()),
        *(f"job 1.{n} {'fail' if n % 4 == 0 else 'ok'}" for n in (5, 6)),
        *(f"web 2.{n} {'fail' if n % 4 == 0 else 'ok'}" for n in (0, 1)),
    }
    only_web = LogSearch(container_ids=(WEB.container_id,))
    assert all(line.text.startswith("web") for line in every_line(store, only_web))


def test_lines_around_a_match_are_given_also_over_the_ends_of_records(store: LogStore) -> None:
    keep(store, WEB, ["a", "b"])
    keep(store, JOB, ["x"], at_us=NOW_US + 2)
    keep(store, WEB, ["needle", "c"], at_us=NOW_US + 3, first=2)
    keep(store, WEB, ["d", "e"], at_us=NOW_US + 6, first=4)
    page = found(store, LogSearch(container_ids=BOTH, pattern="needle", context=2, is_newest_first=False))
    assert [(line.text, line.is_match) for line in page.lines] == [
        ("a", False),
        ("b", False),
        ("needle", True),
        ("c", False),
        ("d", False),
    ]


def test_a_pattern_that_is_none_is_refused_with_the_reason(store: LogStore) -> None:
    with pytest.raises(PatternRefused, match="not a regular expression: missing"):
        found(store, LogSearch(container_ids=BOTH, pattern="(", is_regex=True))


def test_lines_are_counted_by_level_and_time(store: LogStore) -> None:
    texts = filled(store)
    segments = Segments()
    query = LogCountQuery(container_ids=BOTH, start_us=NOW_US, end_us=NOW_US + 160, step_us=20)
    counts = count(segments, store.refs(BOTH), (), query, lambda: False).counts
    segments.close()
    assert len(counts) == 8
    assert sum(map(sum, counts)) == len(texts)
    assert sum(row[LogLevel.ERROR] for row in counts) == 70
    # Records 0 to 3 begin within the first step; all of 0, 1 and 2 and five lines of 3 are in it.
    assert sum(counts[0]) == 26

"""The bytes lines are kept as, what is let go of, how reading goes on, and how pages of hosts become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.logs.block import (
    HEADER_BYTES,
    RecordDamaged,
    check,
    decode_columns,
    decode_source,
    decode_texts,
    encode_lines,
    encode_source,
    kind_of,
    line_at,
    split_texts,
)
from cluster.logs.flood import FloodGate
from cluster.logs.merging import merge
from cluster.logs.pattern import literal_of, matcher
from cluster.logs.resuming import OVERLAP_US, Resumption
from cluster.logs.retention import GIB, Bounds, SegmentSize, bounds_for, to_drop
from cluster.model.log_history import KeptLine, LogPage, LogSource

CONTAINER = "ab" * 32
LINE_TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=60)
LINES = st.lists(
    st.tuples(st.integers(0, 2**52), st.integers(0, 2), st.integers(0, 6), st.booleans(), LINE_TEXTS),
    min_size=1,
    max_size=60,
)


def decoded(record: bytes) -> list[KeptLine]:
    header = check(record)
    body = record[HEADER_BYTES:]
    columns = decode_columns(header, body[: header.columns_bytes])
    texts = split_texts(header, decode_texts(header, body[header.columns_bytes :]))
    return [line_at(header, columns, texts, index, container_id=CONTAINER) for index in range(header.lines)]


def record_of(lines: list[tuple[int, int, int, bool, str]], *, first_ordinal: int = 7) -> bytes:
    kinds = bytes(kind_of(stream=stream, level=level, is_partial=part) for _, stream, level, part, _ in lines)
    return encode_lines(3, first_ordinal, [line[0] for line in lines], kinds, [line[4] for line in lines])


@given(LINES, st.integers(0, 2**40))
def test_lines_come_back_as_they_were_kept(lines: list[tuple[int, int, int, bool, str]], first: int) -> None:
    back = decoded(record_of(lines, first_ordinal=first))
    assert [(each.at_us, each.stream, each.level, each.is_partial, each.text) for each in back] == lines
    assert [each.ordinal for each in back] == list(range(first, first + len(lines)))


@given(LINES)
def test_a_header_says_of_when_and_of_what_its_lines_are(
    lines: list[tuple[int, int, int, bool, str]],
) -> None:
    header = check(record_of(lines))
    assert (header.start_us, header.end_us) == (min(x[0] for x in lines), max(x[0] for x in lines))
    assert {level for level in range(8) if header.levels >> level & 1} == {line[2] for line in lines}
    assert {stream for stream in range(3) if header.streams >> stream & 1} == {line[1] for line in lines}


@given(LINES, st.data())
def test_a_record_that_was_changed_or_cut_is_told(
    lines: list[tuple[int, int, int, bool, str]], data: st.DataObject
) -> None:
    record = record_of(lines)
    position = data.draw(st.integers(0, len(record) - 1))
    flipped = bytes([*record[:position], record[position] ^ 0x40, *record[position + 1 :]])
    with pytest.raises(RecordDamaged):
        check(flipped)
    with pytest.raises(RecordDamaged):
        check(record[:position])


def test_a_source_comes_back() -> None:
    source = LogSource(container_id=CONTAINER, name="web-1", image="web:1", project="shop", revision=4)
    record = encode_source(9, source)
    header = check(record)
    assert (header.source, decode_source(header, record[HEADER_BYTES:])) == (9, source)


# ---- retention -----------------------------------------------------------------------------------

SEGMENTS = st.lists(
    st.builds(lambda size, end: (size, end), st.integers(1, 1000), st.integers(0, 1000)), max_size=20
).map(
    lambda sizes: [
        SegmentSize(number=number, end_us=end, bytes=size) for number, (size, end) in enumerate(sizes)
    ]
)


@given(SEGMENTS, st.integers(0, 5000), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 500))
def test_what_is_kept_is_within_every_bound_and_nothing_goes_without_need(
    segments: list[SegmentSize], bytes_max: int, free: int, reserve: int, age_us: int
) -> None:
    bounds = Bounds(bytes_max=bytes_max, age_max_us=age_us, reserve_bytes=reserve)
    dropped = to_drop(segments, bounds, now_us=1000, open_bytes=10, free_bytes=free)
    assert dropped == [segment.number for segment in segments[: len(dropped)]]
    kept = segments[len(dropped) :]
    freed = sum(segment.bytes for segment in segments) - sum(segment.bytes for segment in kept)
    if kept:
        assert 10 + sum(segment.bytes for segment in kept) <= bytes_max
        assert free + freed >= reserve
        assert kept[0].end_us >= 1000 - age_us
    if dropped:
        last = segments[len(dropped) - 1]
        assert (
            last.end_us < 1000 - age_us
            or 10 + sum(each.bytes for each in kept) + last.bytes > bytes_max
            or free + freed - last.bytes < reserve
        )


def test_by_itself_the_history_takes_a_twentieth_of_the_disk_at_most_2_gib() -> None:
    assert bounds_for(bytes_max=0, age_max_d=14, disk_bytes=20 * GIB).bytes_max == GIB
    assert bounds_for(bytes_max=0, age_max_d=14, disk_bytes=1000 * GIB).bytes_max == 2 * GIB
    assert bounds_for(bytes_max=7 * GIB, age_max_d=14, disk_bytes=20 * GIB).bytes_max == 7 * GIB


# ---- going on ------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * OVERLAP_US), st.integers(0, 1), st.sampled_from("abc")), max_size=40
    ),
    st.data(),
)
def test_reading_again_gives_each_line_once(
    given_lines: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    # The engine's order: by time, but for neighbours that were stamped before they were written.
    lines = sorted(given_lines)
    for index in data.draw(st.lists(st.integers(0, max(0, len(lines) - 2)), max_size=5)):
        if index + 1 < len(lines) and lines[index + 1][0] - lines[index][0] < OVERLAP_US // 4:
            lines[index : index + 2] = reversed(lines[index : index + 2])
    cut = data.draw(st.integers(0, len(lines)))
    kept = lines[:cut]
    newest = max((line[0] for line in kept), default=0)
    resumption = Resumption([line for line in kept if line[0] >= newest - OVERLAP_US])
    again = [line for line in lines if line[0] >= resumption.from_us]
    assert kept + [line for line in again if resumption.is_new(line)] == lines


# ---- floods --------------------------------------------------------------------------------------


def test_a_container_that_writes_as_much_as_is_allowed_loses_nothing() -> None:
    gate = FloodGate(lines_per_s=1000, burst_s=1)
    assert all(gate.lets_in(at_us) for at_us in range(0, 60_000_000, 1000))
    assert gate.dropped == 0


@given(st.integers(1, 1000), st.integers(1, 20))
def test_a_flood_is_held_to_the_rate_and_every_line_left_out_is_counted(rate: int, seconds: int) -> None:
    gate = FloodGate(lines_per_s=rate, burst_s=1)
    written = rate * 3 * seconds
    kept = sum(gate.lets_in(number * seconds * 1_000_000 // written) for number in range(written))
    assert kept + gate.dropped == written
    assert rate * seconds - 1 <= kept <= rate * (seconds + 1) + 1


def test_what_was_dropped_is_told_once_with_when_it_began() -> None:
    gate = FloodGate(lines_per_s=1, burst_s=1)
    assert [gate.lets_in(at_us) for at_us in (5, 6, 7)] == [True, False, False]
    assert gate.take_dropped() == (2, 6)
    assert gate.take_dropped()[0] == 0


# ---- looking for a text -------------------------------------------------------------------------


@given(
    st.lists(st.text(alphabet="abAB.\rİ ", max_size=8), min_size=1, max_size=20),
    st.text(alphabet="abAB. ", min_size=1, max_size=3),
    st.booleans(),
)
def test_a_text_is_found_in_the_same_lines_at_once_as_one_by_one(
    lines: list[str], wanted: str, is_case_sensitive: bool
) -> None:
    literal = literal_of(wanted, is_regex=False, is_case_sensitive=is_case_sensitive)
    fits = matcher(wanted, is_regex=False, is_case_sensitive=is_case_sensitive)
    assert literal is not None
    assert fits is not None
    assert literal.lines_of("\n".join(lines)) == [n for n, line in enumerate(lines) if fits(line)]


# ---- pages of hosts ------------------------------------------------------------------------------


def a_line(at_us: int, host: int, ordinal: int) -> KeptLine:
    return KeptLine(
        container_id=f"{host:064x}", at_us=at_us, ordinal=ordinal, stream=0, level=0, text=f"{host}/{ordinal}"
    )


def page_of(lines: list[KeptLine], limit: int, *, is_newest_first: bool, after: object) -> LogPage:
    ordered = sorted(lines, key=lambda line: line.place, reverse=is_newest_first)
    if after is not None:
        ordered = [
            line for line in ordered if (line.place < after if is_newest_first else line.place > after)
        ]
    cut = ordered[:limit]
    return LogPage(lines=tuple(cut), horizon=cut[-1].place if len(ordered) > limit else None)


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=30), min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
    st.integers(1, 9),
    st.booleans(),
)
def test_pages_of_hosts_give_every_line_once_and_in_order(
    moments: list[list[int]], limits: list[int], limit: int, is_newest_first: bool
) -> None:
    hosts = [
        [a_line(at_us, host, ordinal) for ordinal, at_us in enumerate(each)]
        for host, each in enumerate(moments)
    ]
    told: list[KeptLine] = []
    after = None
    while True:
        pages = [
            page_of(lines, limits[host], is_newest_first=is_newest_first, after=after)
            for host, lines in enumerate(hosts)
        ]
        page = merge(pages, limit=limit, is_newest_first=is_newest_first)
        assert len(page.lines) <= limit
        told += page.lines
        if page.horizon is None:
            break
        assert page.horizon != after
        after = page.horizon
    every = sorted((line for lines in hosts for line in lines), key=lambda each: each.place)
    assert told == (every[::-1] if is_newest_first else every)

"""A history that is given to another node, whole or in parts, and to one that has some of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.history import HistoryWriter, Record, RecordDamaged, records, take
from cluster.metrics.query import RangeQuery, Resolution, Selector
from tests.support.samples import (
    CPU,
    DAY_MS,
    HOUR_MS,
    MEMORY,
    T0,
    a_batch,
    a_history,
    a_subject,
    tidy,
)

END = T0 + 3 * DAY_MS + 3 * HOUR_MS + 60_000


@pytest.fixture(scope="module")
def giver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryWriter]:
    """Two compacted days, one of sealed hours, and two hours that are pending."""
    history = a_history(tmp_path_factory.mktemp("giver"))
    hours = [*range(0, 48, 2), *range(48, 75)]
    batches = [
        a_batch(
            place + 1,
            {(number, metric): [hour, number] for number in (1, 2) for metric in (CPU.number, MEMORY.number)},
            start_ms=T0 + hour * HOUR_MS,
        )
        for place, hour in enumerate(hours)
    ]
    history.ingest(batches[:-2], [a_subject(1), a_subject(2)])
    tidy(history, T0 + 3 * DAY_MS + HOUR_MS + 10 * 60_000)
    history.ingest(batches[-2:], [])
    yield history
    history.close()


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[HistoryWriter]:
    history = a_history(tmp_path / "taker")
    yield history
    history.close()


def all_records(writer: HistoryWriter, start_ms: int = 0, end_ms: int = END, **given: int) -> list[Record]:
    found: list[Record] = []
    while True:
        after = found[-1].cursor if found else b""
        more = list(records(writer.reader, start_ms, end_ms, after=after, **given))
        if not more:
            return found
        found += more


def everything(writer: HistoryWriter) -> dict[object, object]:
    found: dict[object, object] = {}
    for number in (1, 2):
        for metric in (CPU.number, MEMORY.number):
            samples = writer.reader.raw(number, metric, 0, END)
            found[number, metric] = list(zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True))
    for resolution in (Resolution.HOURLY, Resolution.DAILY):
        answer = writer.reader.query(
            RangeQuery(selector=Selector(), start_ms=T0, end_ms=END, resolution=resolution, with_band=True)
        )
        found[resolution] = [(each.labels, each.metric, str(each.values)) for each in answer.series]
    return found


@pytest.mark.parametrize("bytes_max", [1, 500, 1024 * 1024])
def test_an_empty_node_that_took_everything_answers_alike(
    giver: HistoryWriter, taker: HistoryWriter, bytes_max: int
) -> None:
    given = all_records(giver, bytes_max=bytes_max)
    assert take(taker, given) == len(given)
    assert everything(taker) == everything(giver)
    standing = taker.reader.standing()
    assert standing.oldest_ms == giver.reader.standing().oldest_ms
    assert standing.applied_index == 0, "what was not in the log's order does not count as applied"


def test_taking_the_same_again_changes_nothing(giver: HistoryWriter, taker: HistoryWriter) -> None:
    given = all_records(giver)
    take(taker, given)
    before = everything(taker)
    assert take(taker, given) == 0
    assert everything(taker) == before


def test_two_halves_of_samples_become_the_whole(giver: HistoryWriter, taker: HistoryWriter) -> None:
    rows = {(1, CPU.number): [None, None, 7, 8]}
    batches = [a_batch(hour + 1, rows, start_ms=T0 + hour * HOUR_MS) for hour in range(4)]
    taker.ingest(batches, [a_subject(1)])
    tidy(taker, T0 + 3 * DAY_MS)
    take(taker, all_records(giver))
    tidy(taker, END + DAY_MS)
    first_hour = taker.reader.raw(1, CPU.number, T0, T0 + HOUR_MS)
    assert first_hour.values.tolist() == [0, 1, 7, 8]
    answer = taker.reader.query(
        RangeQuery(
            selector=Selector(subjects=(1,), metrics=(CPU.name,)),
            start_ms=T0,
            end_ms=T0 + HOUR_MS,
            step_ms=HOUR_MS,
            resolution=Resolution.HOURLY,
        )
    )
    assert answer.series[0].values.tolist() == pytest.approx([16 / 4 / CPU.scale])


def test_what_a_node_has_itself_stays(giver: HistoryWriter, taker: HistoryWriter) -> None:
    taker.ingest([a_batch(1, {(1, CPU.number): [5000]})], [a_subject(1, name="own")])
    tidy(taker, T0 + 2 * DAY_MS)
    take(taker, all_records(giver))
    assert taker.reader.raw(1, CPU.number, T0, T0 + 20_000).values.tolist() == [5000, 1]
    assert taker.reader.subjects(Selector(subjects=(1,)))[0].definition.name == "own"


def test_only_what_was_asked_for_is_given(giver: HistoryWriter) -> None:
    given = all_records(giver, T0 + DAY_MS, T0 + 2 * DAY_MS)
    assert {record.table for record in given} == {"subjects", "days", "hourly", "daily"}
    assert [record.key[4:] for record in given if record.table == "days"] == [b"\0\0\0\x01", b"\0\0\0\x02"]


@pytest.mark.parametrize("table", ["subjects", "pending", "hours", "days", "hourly", "daily"])
def test_a_record_that_was_changed_on_its_way_is_refused_and_nothing_taken(
    giver: HistoryWriter, taker: HistoryWriter, table: str
) -> None:
    given = all_records(giver)
    at = next(place for place, record in enumerate(given) if record.table == table)
    value = bytearray(given[at].value)
    value[len(value) // 2] ^= 1
    given[at] = replace(given[at], value=bytes(value))
    with pytest.raises(RecordDamaged):
        take(taker, given)
    assert all_records(taker) == []


@pytest.mark.parametrize("table", ["subjects", "pending", "hours", "days", "hourly", "daily"])
def test_a_record_that_is_damaged_at_its_giver_is_passed_over(
    giver: HistoryWriter, taker: HistoryWriter, table: str
) -> None:
    given = all_records(giver)
    at = next(place for place, record in enumerate(given) if record.table == table)
    value = given[at].value[:-1]
    given[at] = replace(given[at], value=value, crc32=zlib.crc32(given[at].key + value))
    assert take(taker, given) == len(given) - 1


@pytest.mark.parametrize("table", ["meta", "nonsense", "open_days"])
def test_a_record_of_another_table_is_refused(taker: HistoryWriter, table: str) -> None:
    record = Record(table=table, key=b"applied", value=b"\x05", crc32=zlib.crc32(b"applied\x05"), cursor=b"")
    with pytest.raises(RecordDamaged):
        take(taker, [record])
    assert taker.applied_index == 0

"""A history whose file is broken, in parts or as a whole, or whose disk is full."""

from __future__ import annotations

from pathlib import Path

import lmdb
import numpy as np
import pytest

from cluster.encoding import pack
from cluster.history import HistoryError, HistoryFull, HistoryUnusable, HistoryWriter, records, take
from cluster.history.answering import MANY_SERIES
from cluster.history.file import SCHEMA, open_history
from cluster.history.layout import META, SCHEMA_VERSION, Tables
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


def two_hours(writer: HistoryWriter) -> None:
    for hour in range(2):
        rows = {(1, CPU.number): list(range(hour, hour + 9)), (1, MEMORY.number): [hour] * 9}
        writer.ingest([a_batch(hour + 1, rows, start_ms=T0 + hour * HOUR_MS)], [a_subject(1)])


def break_first(writer: HistoryWriter, table: bytes) -> None:
    """Flip the last bit of the first row."""
    with writer.write() as tables:
        key, value = next(iter(tables.rows(table)))
        tables.put(table, key, value[:-1] + bytes([value[-1] ^ 1]))


def cpu(writer: HistoryWriter) -> list[int]:
    return writer.reader.raw(1, CPU.number, 0, 2**53).values.tolist()


def test_a_damaged_chunk_is_left_out_of_the_answer_which_says_so(writer: HistoryWriter) -> None:
    two_hours(writer)
    tidy(writer, T0 + 4 * HOUR_MS)
    break_first(writer, b"hours")
    assert cpu(writer) == list(range(1, 10)), "the other hour is whole"
    answer = writer.reader.query(
        RangeQuery(selector=Selector(metrics=(CPU.name,)), start_ms=T0, end_ms=T0 + 2 * HOUR_MS)
    )
    assert "damaged" in answer.notes[0]
    assert writer.reader.standing().damaged == 1


def test_one_metrics_damage_leaves_the_others_of_its_day(writer: HistoryWriter) -> None:
    two_hours(writer)
    tidy(writer, T0 + 3 * DAY_MS)
    break_first(writer, b"days")
    assert cpu(writer) == [*range(9), *range(1, 10)]
    assert writer.reader.raw(1, MEMORY.number, 0, 2**53).values.tolist() == []


def test_what_was_damaged_comes_back_from_another_node(writer: HistoryWriter, tmp_path: Path) -> None:
    other = a_history(tmp_path / "other")
    for history in (writer, other):
        two_hours(history)
        tidy(history, T0 + 3 * DAY_MS)
    break_first(writer, b"days")
    assert writer.reader.raw(1, MEMORY.number, 0, 2**53).values.tolist() == []
    writer.maintain(T0 + 3 * DAY_MS, FOREVER)
    ((start_ms, end_ms),) = writer.reader.standing().missing
    take(writer, list(records(other.reader, start_ms, end_ms)))
    assert writer.reader.raw(1, MEMORY.number, 0, 2**53).values.tolist() == [0] * 9 + [1] * 9
    other.close()


def test_rollups_that_cannot_be_read_are_left_out(writer: HistoryWriter) -> None:
    two_hours(writer)
    tidy(writer, T0 + 3 * DAY_MS)
    break_first(writer, b"daily")
    query = RangeQuery(selector=Selector(), start_ms=T0, end_ms=T0 + DAY_MS, step_ms=DAY_MS)
    answer = writer.reader.query(query)
    assert answer.series == ()
    assert "damaged" in answer.notes[0]


def test_a_file_cut_short_is_set_aside_and_an_empty_one_begun(tmp_path: Path) -> None:
    writer = a_history(tmp_path)
    two_hours(writer)
    writer.close()
    data = tmp_path / "history" / "data.mdb"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    writer = a_history(tmp_path)
    assert writer.applied_index == 0
    assert (tmp_path / "history" / "data.mdb.damaged").exists()
    two_hours(writer)
    assert len(cpu(writer)) == 18
    writer.close()


def test_a_file_that_is_no_lmdb_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "data.mdb").write_bytes(b"not a history" * 1000)
    writer = a_history(tmp_path)
    assert writer.applied_index == 0
    writer.close()


def test_a_file_of_a_later_schema_is_set_aside_not_misread(tmp_path: Path) -> None:
    directory = tmp_path / "history"
    environment, handles = open_history(directory)
    with environment.begin(write=True) as txn:
        Tables(txn, handles).set_meta(SCHEMA_VERSION, 99)
    environment.close()
    writer = a_history(tmp_path)
    with writer.reader.read() as tables:
        assert tables.get(META, SCHEMA_VERSION) == pack(SCHEMA)
    assert (directory / "data.mdb.damaged").exists()
    writer.close()


def test_a_place_that_cannot_be_a_directory_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("a file")
    with pytest.raises(HistoryUnusable, match=str(tmp_path / "history")):
        a_history(tmp_path)


def test_a_full_file_refuses_the_batch_whole_and_takes_the_next_once_there_is_room(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path / "history", map_bytes=256 * 1024)
    writer.ingest([a_batch(1, {(1, CPU.number): [1]})], [a_subject(1)])
    many = {(1, CPU.number): np.random.default_rng(1).integers(0, 2**62, 360).tolist()}
    too_many = [a_batch(index, many, start_ms=T0 + index * HOUR_MS) for index in range(2, 500)]
    with pytest.raises(HistoryFull):
        writer.ingest(too_many, [])
    applied = writer.applied_index
    assert applied == 1
    assert cpu(writer) == [1], "reading goes on"
    writer.close()
    writer = HistoryWriter(tmp_path / "history", map_bytes=64 * 1024**2)
    writer.ingest([a_batch(applied + 1, many, start_ms=T0 + (applied + 1) * HOUR_MS)], [])
    assert writer.applied_index == applied + 1
    writer.close()


def test_lmdbs_errors_do_not_come_out(writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lmdb.Error("mdb_put: something new")

    monkeypatch.setattr(Tables, "set_meta", fail)
    with pytest.raises(HistoryError, match="the disk failed while metrics were written"):
        writer.ingest([a_batch(1, {(1, CPU.number): [1]})], [])


def test_a_damaged_table_of_an_hours_rollups_is_made_again_of_its_chunks(writer: HistoryWriter) -> None:
    numbers = range(1, MANY_SERIES + 2)
    rows = {(number, CPU.number): [number * 100, number * 300] for number in numbers}
    writer.ingest([a_batch(1, rows)], [a_subject(number) for number in numbers])
    tidy(writer, T0 + 3 * HOUR_MS)

    def means() -> list[float]:
        query = RangeQuery(
            selector=Selector(),
            start_ms=T0,
            end_ms=T0 + HOUR_MS,
            step_ms=HOUR_MS,
            resolution=Resolution.HOURLY,
        )
        return [float(series.values[0]) for series in writer.reader.query(query).series]

    assert means() == [number * 2.0 for number in numbers]
    break_first(writer, b"sealed")
    assert means() == [number * 2.0 for number in numbers]
    assert writer.reader.standing().damaged == 1

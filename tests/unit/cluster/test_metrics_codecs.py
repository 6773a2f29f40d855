"""How small samples become, and what the codecs say of bytes that are not theirs."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from cluster.metrics.block import (
    CELLS_MAX,
    BlockBuilder,
    BlockDamaged,
    SampleBlock,
    decode_block,
    encode_block,
)
from cluster.metrics.chunk import ChunkDamaged, Series, SubjectDay, decode_chunk, encode_chunk, encode_day
from cluster.metrics.grid import DAY_CELLS, HOUR_CELLS, HOUR_MS, HourGrid, series_name
from cluster.model.metrics import SUBJECTS_MAX, TICKS_MAX
from tests.support.samples import CPU, MEMORY, OOM_KILLS

RANDOM = np.random.default_rng(7)


def series(values: list[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Series:
    held = np.asarray(values, dtype=np.int64)
    return Series(values=held, present=np.ones(len(held), dtype=np.bool_), step_s=10)


def walk(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum(RANDOM.integers(-50, 51, count)).astype(np.int64) + 5000


def test_an_hour_of_one_value_takes_a_few_bytes() -> None:
    assert len(encode_chunk(series([4_200] * HOUR_CELLS))) <= 20


def test_a_gap_adds_no_more_than_its_bits() -> None:
    whole = series(walk(HOUR_CELLS))
    present = whole.present.copy()
    present[100:200] = False
    values = whole.values.copy()
    values[~present] = 0
    with_gap = encode_chunk(Series(values=values, present=present, step_s=10))
    assert len(with_gap) <= len(encode_chunk(whole)) + HOUR_CELLS // 8


def test_the_gaps_of_a_day_are_written_once_for_all_metrics() -> None:
    present = RANDOM.random(DAY_CELLS) < 0.9
    values = np.where(present, walk(DAY_CELLS), 0)
    one = Series(values=values, present=present, step_s=10)
    single, many = len(encode_day({1: one})), len(encode_day({metric: one for metric in range(1, 9)}))
    values_alone = len(encode_chunk(one, shared=present))
    assert values_alone + 500 < len(encode_chunk(one))
    assert many - single <= 7 * (values_alone + 8)


def test_a_minute_of_a_host_takes_less_than_the_log_may_spend() -> None:
    builder = BlockBuilder(start_ms=0, step_ms=10_000, ticks=6)
    for position in range(20):
        for metric, scale in ((CPU.number, 300), (MEMORY.number, 2**20), (OOM_KILLS.number, 1), (5, 5000)):
            first = int(RANDOM.integers(0, scale * 100))
            for tick in range(6):
                builder.put(position, metric, tick, first + int(RANDOM.integers(0, scale)) // 4096 * 4096)
    block = builder.build()
    assert len(encode_block(block)) <= 2.5 * block.samples


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ((SUBJECTS_MAX, 1, 0, 1), "position 4096"),
        ((-1, 1, 0, 1), "position -1"),
        ((0, 65_536, 0, 1), "metric number 65536"),
        ((0, 1, 6, 1), "tick 6"),
        ((0, 1, 0, 2**63), "does not fit into 64 bits"),
        ((0, 1, 0, -(2**63) - 1), "does not fit into 64 bits"),
    ],
)
def test_what_a_block_cannot_hold_is_refused_by_name(place: tuple[int, int, int, int], sentence: str) -> None:
    builder = BlockBuilder(start_ms=0, step_ms=10_000, ticks=6)
    with pytest.raises(ValueError, match=sentence):
        builder.put(*place)
    assert len(builder) == 0


@pytest.mark.parametrize("ticks", [0, TICKS_MAX + 1])
def test_a_block_of_no_time_or_too_much_is_refused(ticks: int) -> None:
    with pytest.raises(ValueError, match=f"ticks {ticks}"):
        BlockBuilder(start_ms=0, step_ms=10_000, ticks=ticks)


def a_block(rows: int, ticks: int) -> SampleBlock:
    return SampleBlock(
        start_ms=0,
        step_ms=10_000,
        ticks=ticks,
        positions=(np.arange(rows) % SUBJECTS_MAX).astype(np.uint16),
        metrics=(np.arange(rows) // SUBJECTS_MAX).astype(np.uint16),
        values=np.zeros((rows, ticks), dtype=np.int64),
        present=np.ones((rows, ticks), dtype=np.bool_),
    )


def test_a_block_too_large_for_its_reader_is_not_written() -> None:
    with pytest.raises(ValueError, match=f"at most {CELLS_MAX} cells"):
        encode_block(a_block(CELLS_MAX // 360 + 1, 360))


def test_a_block_that_names_a_series_twice_is_not_written() -> None:
    block = a_block(2, 3)
    block.positions[1] = 0
    with pytest.raises(ValueError, match="one series comes twice"):
        encode_block(block)


def test_a_small_payload_cannot_claim_room_it_does_not_fill() -> None:
    payload = bytearray(encode_block(a_block(1, 1)))
    payload[5:9] = (2**31).to_bytes(4, "little")
    with pytest.raises(BlockDamaged):
        decode_block(bytes(payload), start_ms=0, step_ms=10_000, ticks=1)


def test_a_block_read_as_one_of_other_moments_is_refused() -> None:
    payload = encode_block(a_block(1, 6))
    with pytest.raises(BlockDamaged, match="it is of 6 moments, its batch of 5"):
        decode_block(payload, start_ms=0, step_ms=10_000, ticks=5)


def test_a_chunk_of_a_codec_of_another_version_is_damaged_not_guessed() -> None:
    chunk = bytearray(encode_chunk(series([1, 2, 3])))
    chunk[0] = chunk[0] & 0xF0 | 9
    chunk[1:5] = zlib.crc32(chunk[:1] + chunk[5:]).to_bytes(4, "little")
    with pytest.raises(ChunkDamaged, match="codec 9: this version reads"):
        decode_chunk(bytes(chunk), 3)


def test_a_damaged_metric_of_a_day_takes_no_other_along() -> None:
    data = bytearray(encode_day({1: series(walk(50)), 2: series(walk(50))}))
    data[-1] ^= 1
    day = SubjectDay(bytes(data), 50)
    first = day.series(1)
    assert first is not None
    assert first.present.all()
    with pytest.raises(ChunkDamaged):
        day.series(2)


def grid_of(step_ms: int, start_ms: int, metric: int, values: list[int | None]) -> HourGrid:
    builder = BlockBuilder(start_ms=start_ms, step_ms=step_ms, ticks=len(values))
    for tick, value in enumerate(values):
        if value is not None:
            builder.put(0, metric, tick, value)
    grid = HourGrid(0)
    grid.add(builder.build(), [5])
    return grid


def cells(grid: HourGrid, metric: int) -> dict[int, int]:
    row = grid.row(series_name(5, metric))
    if row is None:
        return {}
    return {int(at): int(grid.values[row, at]) for at in np.flatnonzero(grid.present[row])}


def test_of_values_finer_than_the_grid_the_newest_of_each_cell_counts() -> None:
    grid = grid_of(2_000, 0, CPU.number, [1, 2, 3, 4, None, 6, 7, None, None, None])
    assert cells(grid, CPU.number) == {0: 4, 1: 7}


def test_counts_finer_than_the_grid_add_up() -> None:
    grid = grid_of(2_000, 0, OOM_KILLS.number, [1, 2, 3, 4, None, 6, 7])
    assert cells(grid, OOM_KILLS.number) == {0: 10, 1: 13}


def test_an_hour_takes_only_what_lies_in_it() -> None:
    grid = grid_of(10_000, HOUR_MS - 20_000, CPU.number, [1, 2, 3, 4])
    assert cells(grid, CPU.number) == {358: 1, 359: 2}
    before = grid_of(10_000, -20_000, CPU.number, [1, 2, 3, 4])
    assert cells(before, CPU.number) == {0: 3, 1: 4}


def test_a_row_of_an_unknown_subject_is_passed_over() -> None:
    builder = BlockBuilder(start_ms=0, step_ms=10_000, ticks=1)
    builder.put(0, CPU.number, 0, 1)
    builder.put(3, CPU.number, 0, 9)
    grid = HourGrid(0)
    grid.add(builder.build(), [5])
    assert grid.names.tolist() == [series_name(5, CPU.number)]

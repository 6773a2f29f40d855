"""The bytes of samples: whatever is put in comes out, and other bytes are refused."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from cluster.metrics.block import BlockBuilder, BlockDamaged, SampleBlock, decode_block, encode_block
from cluster.metrics.chunk import (
    ChunkDamaged,
    Series,
    SubjectDay,
    decode_chunk,
    encode_chunk,
    encode_day,
)
from cluster.metrics.grid import HOUR_CELLS, HourGrid, series_name
from cluster.metrics.query import Statistic
from cluster.metrics.resample import bounds_of, steps_of_rollups, steps_of_samples
from cluster.metrics.rollup import Rollups, decode_rollups, encode_rollups, roll_up

INT64 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(-5, 5)
STEP_MS = 10_000

Cells = dict[tuple[int, int, int], int]


@st.composite
def cells(draw: st.DrawFn, *, ticks: int = 8) -> Cells:
    """(position, metric, tick) -> value."""
    place = st.tuples(
        st.sampled_from([0, 1, 300, 4095]), st.sampled_from([0, 1, 65_535]), st.integers(0, ticks - 1)
    )
    return draw(st.dictionaries(place, INT64 | NEAR, max_size=30))


@st.composite
def series(draw: st.DrawFn, length: int) -> Series:
    values = draw(drawn.arrays(np.int64, length, elements=draw(st.sampled_from([INT64, NEAR]))))
    present = draw(drawn.arrays(np.bool_, length) | st.just(np.ones(length, dtype=np.bool_)))
    present = present.copy()
    if not present.any():
        present[draw(st.integers(0, length - 1))] = True
    values[~present] = 0
    return Series(values=values, present=present, step_s=draw(st.integers(1, 86_400)))


def block_of(found: Cells, ticks: int = 8) -> SampleBlock:
    builder = BlockBuilder(start_ms=0, step_ms=STEP_MS, ticks=ticks)
    for (position, metric, tick), value in found.items():
        builder.put(position, metric, tick, value)
    return builder.build()


def cells_of(block: SampleBlock) -> Cells:
    return {
        (int(block.positions[row]), int(block.metrics[row]), int(tick)): int(block.values[row, tick])
        for row in range(block.rows)
        for tick in np.flatnonzero(block.present[row])
    }


@given(cells())
def test_a_block_comes_back_as_it_was(found: Cells) -> None:
    payload = encode_block(block_of(found))
    assert cells_of(decode_block(payload, start_ms=0, step_ms=STEP_MS, ticks=8)) == found


@given(cells(), st.randoms(use_true_random=False))
def test_equal_blocks_have_equal_bytes(found: Cells, random: Random) -> None:
    items = list(found.items())
    random.shuffle(items)
    assert encode_block(block_of(found)) == encode_block(block_of(dict(items)))


@given(cells(), st.data())
def test_a_block_with_any_byte_changed_is_refused(found: Cells, data: st.DataObject) -> None:
    payload = bytearray(encode_block(block_of(found)))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BlockDamaged):
        decode_block(bytes(payload), start_ms=0, step_ms=STEP_MS, ticks=8)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_block_are_refused(payload: bytes) -> None:
    with pytest.raises(BlockDamaged):
        decode_block(payload, start_ms=0, step_ms=STEP_MS, ticks=8)


@given(cells(), st.integers(0, 7), st.integers(1, 8))
def test_the_part_of_a_block_has_what_is_in_it(found: Cells, first: int, length: int) -> None:
    end = min(8, first + length)
    part = block_of(found).part(first, end)
    assert cells_of(part) == {
        (position, metric, tick - first): value
        for (position, metric, tick), value in found.items()
        if first <= tick < end
    }


@given(st.integers(1, 60).flatmap(lambda length: series(length)))
def test_a_chunk_comes_back_as_it_was(one: Series) -> None:
    back = decode_chunk(encode_chunk(one), one.cells)
    assert back.values.tolist() == one.values.tolist()
    assert back.present.tolist() == one.present.tolist()
    assert back.step_s == one.step_s


@given(st.integers(1, 60).flatmap(lambda length: series(length)), st.data())
def test_a_chunk_with_any_byte_changed_is_refused(one: Series, data: st.DataObject) -> None:
    chunk = bytearray(encode_chunk(one))
    at = data.draw(st.integers(0, len(chunk) - 1))
    chunk[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ChunkDamaged):
        decode_chunk(bytes(chunk), one.cells)


@given(st.binary(max_size=200), st.integers(1, 400))
def test_bytes_that_are_no_chunk_day_or_rollups_are_refused(data: bytes, length: int) -> None:
    with pytest.raises(ChunkDamaged):
        decode_chunk(data, length)
    with pytest.raises(ChunkDamaged):
        SubjectDay(data, length)
    with pytest.raises(ChunkDamaged):
        decode_rollups(data)


@given(st.dictionaries(st.integers(0, 65_535), series(40), min_size=1, max_size=6))
def test_each_series_of_a_day_comes_back_by_itself(by_metric: dict[int, Series]) -> None:
    day = SubjectDay(encode_day(by_metric), 40)
    assert set(day.metrics) == set(by_metric)
    for metric, one in by_metric.items():
        back = day.series(metric)
        assert back is not None
        assert back.values.tolist() == one.values.tolist()
        assert back.present.tolist() == one.present.tolist()
    assert day.series(70_000) is None


@given(st.dictionaries(st.integers(0, 65_535), series(20), min_size=1, max_size=4), st.data())
def test_a_day_with_any_byte_changed_gives_no_wrong_value(
    by_metric: dict[int, Series], data: st.DataObject
) -> None:
    whole = bytearray(encode_day(by_metric))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        day = SubjectDay(bytes(whole), 20)
        found = {metric: day.series(metric) for metric in day.metrics}
    except ChunkDamaged:
        return
    pytest.fail(f"a changed byte was not noticed: {found}")


@given(st.lists(series(12), min_size=1, max_size=5))
def test_rollups_are_what_exact_arithmetic_says(rows: list[Series]) -> None:
    made = roll_up(
        np.stack([row.values for row in rows]),
        np.stack([row.present for row in rows]),
        np.array([row.step_s for row in rows]),
    )
    for at, row in enumerate(rows):
        samples = [int(value) for value in row.values[row.present]]
        count = len(samples)
        assert int(made.counts[at]) == count
        assert int(made.means[at]) * count + int(made.remainders[at]) == sum(samples)
        assert 0 <= int(made.remainders[at]) < count
        assert (int(made.least[at]), int(made.most[at])) == (min(samples), max(samples))
        assert int(made.last[at]) == samples[-1]
        assert int(made.p95[at]) == sorted(samples)[-(-count * 95 // 100) - 1]
        assert int(made.covered_s[at]) == count * row.step_s


@given(st.dictionaries(st.integers(0, 65_535), st.lists(series(5), min_size=1, max_size=32), max_size=4))
def test_rollups_come_back_as_they_were(by_metric: dict[int, list[Series]]) -> None:
    given_rollups = {
        metric: roll_up(
            np.stack([row.values for row in rows]),
            np.stack([row.present for row in rows]),
            np.array([row.step_s for row in rows]),
        )
        for metric, rows in by_metric.items()
    }
    back = decode_rollups(encode_rollups(given_rollups))
    assert set(back) == set(given_rollups)
    for metric, rollups in given_rollups.items():
        assert columns(back[metric]) == columns(rollups)


def columns(rollups: Rollups) -> list[list[int]]:
    names = ("slots", "counts", "covered_s", "least", "most", "means", "remainders", "p95", "last")
    return [getattr(rollups, name).tolist() for name in names]


@given(
    st.lists(
        st.tuples(st.integers(0, HOUR_CELLS - 1), st.lists(st.none() | NEAR, min_size=1, max_size=9)),
        max_size=6,
    )
)
def test_of_blocks_that_overlap_the_later_counts(blocks: list[tuple[int, list[int | None]]]) -> None:
    grid = HourGrid(0)
    expected: dict[int, int] = {}
    for first, values in blocks:
        found = {(0, 1, tick): value for tick, value in enumerate(values) if value is not None}
        builder = BlockBuilder(start_ms=first * STEP_MS, step_ms=STEP_MS, ticks=len(values))
        for (position, metric, tick), value in found.items():
            builder.put(position, metric, tick, value)
        grid.add(builder.build(), [7])
        expected |= {
            first + tick: value for (_, _, tick), value in found.items() if first + tick < HOUR_CELLS
        }
    row = grid.row(series_name(7, 1))
    if row is None:
        assert expected == {}
        return
    held = np.flatnonzero(grid.present[row])
    assert dict(zip(held.tolist(), grid.values[row, held].tolist(), strict=True)) == expected


@given(series(48), st.integers(1, 60), st.sampled_from(list(Statistic)))
def test_steps_of_samples_and_of_their_rollups_agree(one: Series, step: int, statistic: Statistic) -> None:
    moments = np.flatnonzero(one.present).astype(np.int64)
    samples = one.values[one.present]
    points = -(-48 // step)
    of_samples = steps_of_samples(
        samples, bounds_of(moments, 0, step, points), statistic, step_s=one.step_s, with_band=True
    )
    expected = [(samples[(moments >= k * step) & (moments < (k + 1) * step)]).tolist() for k in range(points)]
    assert np.isnan(of_samples.values).tolist() == [not part for part in expected]
    assert of_samples.low is not None
    assert [value for value in of_samples.low if not np.isnan(value)] == [
        float(min(p)) for p in expected if p
    ]
    if statistic is Statistic.P95:
        ranked = [float(sorted(part)[-(-len(part) * 95 // 100) - 1]) for part in expected if part]
        assert of_samples.values[~np.isnan(of_samples.values)].tolist() == ranked
        return
    # Each sample a rollup of its own.
    single = roll_up(one.values[:, None], one.present[:, None], np.full(48, one.step_s))
    of_rollups = steps_of_rollups(single, bounds_of(single.slots, 0, step, points), statistic)
    # Sums of int64 extremes cancel out in floats.
    tolerance = 1e-9 * max(1.0, float(np.abs(samples.astype(np.float64)).max())) * 48
    assert np.allclose(of_samples.values, of_rollups.values, rtol=1e-9, atol=tolerance, equal_nan=True)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collect.live_window import HOST, LiveWindow, Metric, SeriesKey

CPU = SeriesKey(HOST, Metric.CPU_PERCENT)
T0 = 1_700_000_000_000


def a_window(n_slots: int = 6, slot_s: int = 10, series_min: int = 2) -> LiveWindow:
    return LiveWindow(slot_s=slot_s, n_slots=n_slots, series_min=series_min)


def values(window: LiveWindow, key: SeriesKey = CPU) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in window.read([key]).values[0]]


def test_an_empty_window_has_no_samples() -> None:
    window = a_window()
    assert window.keys() == ()
    assert window.newest_ms is None
    assert values(window) == [None] * 6
    assert window.latest(CPU) is None


def test_samples_come_back_oldest_first_with_their_times() -> None:
    window = a_window()
    for step in range(8):
        window.put(T0 + step * 10_000, {CPU: step})
    read = window.read([CPU])
    assert values(window) == [2, 3, 4, 5, 6, 7]
    assert list(read.times_ms) == [T0 + step * 10_000 for step in range(2, 8)]
    assert (read.values.dtype, read.times_ms.dtype) == (np.float32, np.int64)
    assert window.latest(CPU) == 7


def test_only_the_newest_slots_are_read_when_so_many_are_asked_for() -> None:
    window = LiveWindow(slot_s=1, n_slots=4)
    key = SeriesKey(HOST, Metric.LOAD_1)
    for second in range(6):
        window.put(second * 1000, {key: float(second)})
    newest = window.read(newest=2)
    assert newest.times_ms.tolist() == [4000, 5000]
    assert newest.values.tolist() == [[4.0, 5.0]]
    assert window.read(newest=99).times_ms.tolist() == [2000, 3000, 4000, 5000]


def test_a_slot_without_a_sample_is_a_gap() -> None:
    window = a_window()
    window.put(T0, {CPU: 1})
    window.put(T0 + 30_000, {CPU: 4})
    assert values(window) == [None, None, 1, None, None, 4]


def test_the_last_sample_of_a_slot_stands() -> None:
    window = a_window()
    window.put(T0, {CPU: 1})
    window.put(T0 + 9_999, {CPU: 2})
    assert values(window)[-1] == 2


def test_after_a_long_silence_the_window_begins_anew() -> None:
    window = a_window()
    window.put(T0, {CPU: 1})
    window.put(T0 + 60_000, {CPU: 2})
    assert values(window) == [None] * 5 + [2]


def test_when_the_clock_is_set_back_the_future_is_dropped() -> None:
    window = a_window()
    for step in range(4):
        window.put(T0 + step * 10_000, {CPU: step})
    window.put(T0 + 10_000, {CPU: 9})
    assert values(window) == [None, None, None, None, 0, 9]
    window.put(T0 + 20_000, {})
    assert values(window)[-1] is None
    window.put(T0 - 10_000_000, {CPU: 5})
    assert values(window) == [None] * 5 + [5]


def test_a_series_that_fell_silent_is_forgotten_and_its_row_used_again() -> None:
    window = a_window(series_min=2)
    gone = SeriesKey("gone", Metric.CPU_PERCENT)
    window.put(T0, {CPU: 1, gone: 1})
    for step in range(1, 7):
        window.put(T0 + step * 10_000, {CPU: 1})
    assert window.keys() == (CPU,)
    new = SeriesKey("new", Metric.CPU_PERCENT)
    window.put(T0 + 70_000, {CPU: 1, new: 5})
    assert values(window, new) == [None] * 5 + [5]


def test_more_series_than_expected_find_room() -> None:
    window = a_window(series_min=2)
    keys = [SeriesKey(f"c{number}", Metric.PIDS) for number in range(100)]
    window.put(T0, {key: number for number, key in enumerate(keys)})
    assert [window.latest(key) for key in keys] == list(range(100))
    assert window.read().values.shape == (100, 6)


def test_what_is_read_is_a_copy() -> None:
    window = a_window()
    window.put(T0, {CPU: 1})
    window.read([CPU]).values[:] = 7
    assert window.latest(CPU) == 1


def test_ten_minutes_take_240_bytes_a_series() -> None:
    assert LiveWindow(slot_s=10, n_slots=60, series_min=1)._values.nbytes == 240


@pytest.mark.parametrize("series_min", [1, 4])
@given(
    puts=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 1000), max_size=3),
        ),
        max_size=25,
    )
)
def test_a_window_is_a_dictionary_of_the_last_slots(
    series_min: int, puts: list[tuple[int, dict[str, int]]]
) -> None:
    window = a_window(n_slots=5, series_min=series_min)
    model: dict[tuple[str, int], int] = {}
    for slot, samples in puts:
        window.put(T0 + slot * 10_000, {SeriesKey(s, Metric.PIDS): v for s, v in samples.items()})
        model = {(s, at): v for (s, at), v in model.items() if at <= slot}
        model.update({(s, slot): v for s, v in samples.items()})
        model = {(s, at): v for (s, at), v in model.items() if at > slot - 5}
        for subject in "abc":
            expected = [model.get((subject, at)) for at in range(slot - 4, slot + 1)]
            assert values(window, SeriesKey(subject, Metric.PIDS)) == expected

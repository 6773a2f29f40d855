"""Ranges of time that are missing, as sets of moments."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster.history.missing import RANGES_MAX, covered, ranges, uncovered

RANGE = st.tuples(st.integers(0, 60), st.integers(0, 60))


def moments(held: list[tuple[int, int]]) -> set[int]:
    return {moment for start, end in held for moment in range(start, end)}


@given(st.lists(st.tuples(st.booleans(), RANGE), max_size=20))
def test_marking_and_filling_are_adding_and_taking_away(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    held: list[tuple[int, int]] = []
    expected: set[int] = set()
    for is_missing, (start, end) in steps:
        change = covered if is_missing else uncovered
        held = change(held, start, end)
        expected = expected | set(range(start, end)) if is_missing else expected - set(range(start, end))
        assert moments(held) == expected
        assert held == sorted(held)
        assert all(before[1] < after[0] for before, after in pairwise(held))


def test_too_many_ranges_become_fewer_and_none_is_left_out() -> None:
    held: list[tuple[int, int]] = []
    for number in range(RANGES_MAX + 20):
        held = covered(held, number * 1000, number * 1000 + (5 if number != 7 else 990))
    assert len(held) == RANGES_MAX
    assert {number * 1000 for number in range(RANGES_MAX + 20)} <= moments(held)


def test_a_cut_that_would_make_one_too_many_leaves_no_more_than_there_may_be() -> None:
    held = [(number * 1000, number * 1000 + 500) for number in range(RANGES_MAX)]
    assert len(uncovered(held, 100, 200)) == RANGES_MAX


def test_what_is_no_list_of_ranges_is_none() -> None:
    assert ranges(None) == []
    assert ranges("nonsense") == []
    assert ranges(((1, 2),)) == [(1, 2)]

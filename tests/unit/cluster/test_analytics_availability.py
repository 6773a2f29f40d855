"""In which share of the time something of a group answered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cluster.analytics.availability import availability_of, is_up

NAN = float("nan")


def test_a_group_is_up_while_one_of_its_containers_runs_and_is_not_unhealthy() -> None:
    states = np.array([[1, 1, 0, 1, NAN], [0, 0, 0, NAN, NAN]])
    healths = np.array([[2, 3, 0, 1, NAN], [0, 0, 0, NAN, NAN]])

    np.testing.assert_array_equal(is_up(states, healths), [1, 0, 0, 1, NAN])


def test_a_restarting_or_paused_container_serves_nobody() -> None:
    np.testing.assert_array_equal(is_up(np.array([[3.0, 2.0]]), np.array([[0.0, 0.0]])), [0, 0])


def test_time_in_which_nothing_was_measured_counts_neither_way() -> None:
    found = availability_of(np.array([1, 1, NAN, NAN, 0, 1, 1, 1]), stretches=4)

    assert found.up == pytest.approx(5 / 6)
    assert found.known == pytest.approx(6 / 8)
    np.testing.assert_array_equal(found.course, [1, NAN, 0.5, 1])


def test_a_group_nothing_is_known_of_has_no_availability() -> None:
    found = availability_of(np.full(4, NAN), stretches=2)

    assert np.isnan(found.up)
    assert found.known == 0


def test_more_stretches_than_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="stretches 3: 1 to 2"):
        availability_of(np.ones(2), stretches=3)


_states = st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN])


@given(
    states=arrays(float, (3, 12), elements=_states),
    healths=arrays(float, (3, 12), elements=_states),
    stretches=st.integers(1, 12),
)
def test_another_container_never_makes_a_group_less_available_where_it_was_known(
    states: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    healths: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    stretches: int,
) -> None:
    fewer, all_of_them = is_up(states[:2], healths[:2]), is_up(states, healths)

    known = np.isfinite(fewer)
    assert (all_of_them[known] >= fewer[known]).all()
    found = availability_of(all_of_them, stretches=stretches)
    assert np.isnan(found.up) or 0 <= found.up <= 1
    assert found.course.shape == (stretches,)

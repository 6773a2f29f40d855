"""Whether limits and reservations fit what worst hours need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.analytics.sizing import LIMIT_MARGIN, MIB, Advice, Sizing, size_memory

GIB = 1024.0 * MIB


def sized(worst: float | None, limit: float | None, reserved: float | None, hours: int = 168) -> Sizing:
    return size_memory(worst, limit=limit, reserved=reserved, hours_known=hours)


def test_a_limit_that_is_nearly_reached_is_to_be_raised_by_a_third_beyond_the_need() -> None:
    found = sized(1.9 * GIB, 2 * GIB, 2 * GIB)
    assert found.advice is Advice.RAISE
    assert found.limit is not None
    assert 1.9 * GIB * LIMIT_MARGIN <= found.limit <= 1.9 * GIB * LIMIT_MARGIN + 64 * MIB
    assert found.reservation is None


def test_who_reserves_nothing_and_uses_much_is_to_reserve_it() -> None:
    found = sized(600 * MIB, 2 * GIB, None)
    assert found == Sizing(advice=Advice.RESERVE, reservation=608 * MIB)


def test_what_is_reserved_and_never_used_is_to_be_given_back() -> None:
    found = sized(200 * MIB, 4 * GIB, 2 * GIB)
    assert found.advice is Advice.LOWER
    assert (found.limit, found.reservation) == (320 * MIB, 224 * MIB)
    assert found.idle == 2 * GIB - 224 * MIB


def test_a_limit_alone_that_is_far_away_takes_nothing_from_anybody() -> None:
    found = sized(500 * MIB, 8 * GIB, 512 * MIB)
    assert (found.advice, found.reservation, found.idle) == (Advice.LOWER, None, 0.0)


def test_what_fits_is_left_alone_with_or_without_a_limit() -> None:
    assert sized(900 * MIB, 1.3 * GIB, GIB).advice is Advice.FINE
    assert sized(900 * MIB, None, GIB).advice is Advice.FINE
    assert sized(20 * MIB, None, None).advice is Advice.FINE


@pytest.mark.parametrize(("worst", "hours"), [(None, 168), (GIB, 23)])
def test_a_few_hours_are_no_ground_for_advice(worst: float | None, hours: int) -> None:
    assert sized(worst, GIB, GIB, hours=hours) == Sizing(advice=Advice.UNKNOWN)


@given(
    worst=st.floats(1, 1e12),
    limit=st.none() | st.floats(1, 1e13),
    reserved=st.none() | st.floats(1, 1e13),
)
def test_advice_that_was_taken_asks_for_nothing_more(
    worst: float, limit: float | None, reserved: float | None
) -> None:
    first = sized(worst, limit, reserved)
    again = sized(worst, first.limit or limit, first.reservation or reserved)
    # A limit may be raised first, and what is reserved looked at then.
    third = sized(
        worst, again.limit or first.limit or limit, again.reservation or first.reservation or reserved
    )
    assert third.advice is Advice.FINE

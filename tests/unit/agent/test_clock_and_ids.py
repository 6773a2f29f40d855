from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Clock, SystemClock
from agent.ids import IdSource, new_id
from tests.support.fake_clock import FakeClock


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_of_a_later_millisecond_sort_later(one: int, other: int, random: bytes) -> None:
    ids = [new_id("ro", now_ms=now_ms, entropy=lambda count: random[:count]) for now_ms in (one, other)]
    assert (ids[0] < ids[1]) == (one < other)
    assert all(len(made) == len("ro_") + 26 for made in ids)


def test_ids_differ_by_their_random_part_alone() -> None:
    clock = FakeClock()
    source = IdSource(clock)
    ids = {source.new_id("ro") for _ in range(1000)}
    assert len(ids) == 1000
    assert {made[:13] for made in ids} == {next(iter(ids))[:13]}


def test_an_id_has_no_letters_that_are_taken_for_digits() -> None:
    made = new_id("x", now_ms=2**48 - 1, entropy=lambda count: b"\xff" * count)
    assert made == "x_7zzzzzzzzzzzzzzzzzzzzzzzzz"
    assert not set("ilou") & set(made.partition("_")[2])


def test_injected_randomness_makes_everything_repeatable() -> None:
    sources = [IdSource(FakeClock(), entropy=lambda count: b"\x05" * count) for _ in range(2)]
    assert sources[0].new_id("ro") == sources[1].new_id("ro")
    assert sources[0].new_random().uniform(0, 1) == sources[1].new_random().uniform(0, 1)
    assert sources[0].token_bytes(3) == b"\x05\x05\x05"


def test_the_system_clocks_go_forward() -> None:
    clock: Clock = SystemClock()
    assert clock.monotonic_s() <= clock.monotonic_s()
    assert clock.boottime_s() <= clock.boottime_s()
    assert clock.now_ms() > 1_700_000_000_000


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()])
async def test_waiting_for_an_event_that_is_there_takes_no_time(clock: Clock) -> None:
    event = asyncio.Event()
    event.set()
    assert await clock.wait(event, 1000)


async def test_waiting_for_an_event_that_does_not_come_ends() -> None:
    assert not await SystemClock().wait(asyncio.Event(), 0.01)
    assert not await SystemClock().wait(asyncio.Event(), -1)
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(clock.wait(asyncio.Event(), 10))
        await clock.advance(9.9)
        assert not waiting.done()
        await clock.advance(0.2)
        assert not waiting.result()


async def test_the_fake_clock_wakes_sleepers_in_order_at_their_moments() -> None:
    clock = FakeClock(now_ms=1000)
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now_ms()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("at once", 0.0)):
            group.create_task(sleep(name, seconds))
        await clock.advance(5)
    assert woken == [("at once", 1000), ("early", 2000), ("late", 4000)]
    clock.set_now_ms(50)
    assert (clock.now_ms(), clock.monotonic_s(), clock.sleepers) == (50, 5.0, 0)

"""Something slow that several want: asked once, and waited for only so long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.fake_clock import FakeClock
from web.auth.problems import Problem
from web.tools.shared_reading import SharedReading


class Slow:
    """A question whose answer comes when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        self.was_asked.set()
        number = self.asked
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return number


@asynccontextmanager
async def running(reading: SharedReading[int]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reading.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


async def test_those_who_come_at_the_same_time_share_one_question() -> None:
    slow = Slow()
    slow.may_answer.set()
    reading = SharedReading(slow.ask, clock=FakeClock())
    async with running(reading), asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(reading.read(patience_s=5)) for _ in range(5)]
    assert {task.result() for task in both} == {1}
    assert slow.asked == 1


async def test_an_answer_begun_before_one_came_is_not_taken_for_the_newest() -> None:
    slow = Slow()
    reading = SharedReading(slow.ask, clock=FakeClock())
    async with running(reading), asyncio.TaskGroup() as tasks:
        early = tasks.create_task(reading.read(patience_s=5))
        await slow.was_asked.wait()
        late = tasks.create_task(reading.read(patience_s=5))
        await asyncio.sleep(0)
        slow.may_answer.set()
    assert early.result() >= 1
    assert late.result() == 2


async def test_who_has_waited_long_enough_gets_what_was_known() -> None:
    slow = Slow()
    slow.may_answer.set()
    reading = SharedReading(slow.ask, clock=FakeClock())
    async with running(reading):
        first = await reading.read(patience_s=5)
        slow.may_answer.clear()
        again = await reading.read(patience_s=0.01)
        slow.may_answer.set()
        later = await reading.read(patience_s=5)
    assert (first, again) == (1, 1)
    assert later > 1


async def test_a_fresh_answer_is_given_again() -> None:
    slow, clock = Slow(), FakeClock()
    slow.may_answer.set()
    reading = SharedReading(slow.ask, clock=clock, fresh_s=2)
    async with running(reading):
        first = await reading.read(patience_s=5)
        again = await reading.read(patience_s=5)
        await clock.advance(2)
        later = await reading.read(patience_s=5)
    assert (first, again, later) == (1, 1, 2)


async def test_a_question_that_fails_leaves_what_was_known() -> None:
    slow = Slow()
    slow.may_answer.set()
    reading = SharedReading(slow.ask, clock=FakeClock())
    async with running(reading):
        assert await reading.read(patience_s=5) == 1
        slow.failure = RuntimeError("a defect")
        assert await reading.read(patience_s=5) == 1
        slow.failure = None
        assert await reading.read(patience_s=5) == 3


async def test_without_any_answer_ever_the_caller_is_told() -> None:
    slow = Slow()
    slow.may_answer.set()
    slow.failure = RuntimeError("a defect")
    reading = SharedReading(slow.ask, clock=FakeClock())
    async with running(reading):
        with pytest.raises(Problem, match="cannot be asked now"):
            await reading.read(patience_s=5)

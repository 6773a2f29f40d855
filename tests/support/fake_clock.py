"""A clock that moves when the test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools

# Enough turns for a chain of tasks to come to rest after one of them was woken.
_TURNS = 50


class FakeClock:
    """An `agent.clock.Clock` whose three clocks stand still until `advance`."""

    def __init__(self, *, now_ms: int = 1_700_000_000_000, boottime_s: float = 1000.0) -> None:
        self._elapsed_s = 0.0
        self._epoch_ms = now_ms
        self._boottime_s = boottime_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def boottime_s(self) -> float:
        return self._boottime_s + self._elapsed_s

    def now_ms(self) -> int:
        return self._epoch_ms + round(self._elapsed_s * 1000)

    def set_now_ms(self, now_ms: int) -> None:
        """Set the wall clock, as an administrator or a time server does; the others do not notice."""
        self._epoch_ms = now_ms - round(self._elapsed_s * 1000)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, next(self._order), woken))
        await woken

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(event.wait())
            sleeping = group.create_task(self.sleep(seconds))
            await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            sleeping.cancel()
        return event.is_set()

    @property
    def sleepers(self) -> int:
        """How many tasks sleep."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking each sleeper at its moment, in order, and let everything settle."""
        until_s = self._elapsed_s + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until_s:
            due_s, _, woken = heapq.heappop(self._sleepers)
            self._elapsed_s = max(self._elapsed_s, due_s)
            if not woken.done():
                woken.set_result(None)
                await self.settle()
        self._elapsed_s = until_s
        await self.settle()

    async def settle(self) -> None:
        """Let every task that can run do so."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

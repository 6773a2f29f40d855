"""Something slow to ask for, asked once for all who want it, and waited for only so long.

A host that was cut off takes its peers two seconds to give up on, each time. Who lists hosts should not wait
that long for what the others do not even change; so the last known answer is given when the new one is late,
which arrives for the next one who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from web.auth.problems import Problem
from web.ports import Clock

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class SharedReading(Generic[_Answer]):
    """One question at a time. `run` must be running for a wait to be cut short.

    An answer younger than `fresh_s` is given again; otherwise the question is asked anew, after the caller
    came.
    """

    def __init__(self, ask: Callable[[], Awaitable[_Answer]], *, clock: Clock, fresh_s: float = 0.0) -> None:
        self._ask = ask
        self._clock = clock
        self._fresh_s = fresh_s
        self._known: _Answer | None = None
        self._known_at_s = float("-inf")
        self._begun = 0
        self._answered = 0
        self._wanted = asyncio.Event()
        self._answers = asyncio.Condition()
        self._is_running = False

    async def run(self) -> None:
        """Ask whenever somebody waits. Never returns."""
        self._is_running = True
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    await self._ask_now()
                except Exception:
                    # Lists may be old; the agent must not end for it.
                    log.exception("shared_reading.failed")
        finally:
            self._is_running = False

    async def read(self, *, patience_s: float) -> _Answer:
        """Return the answer, or after `patience_s` the last one known; the very first is waited for.

        Raises Problem when there has never been one.
        """
        known = self._known
        if known is not None and self._clock.monotonic_s() - self._known_at_s < self._fresh_s:
            return known
        if not self._is_running:
            return await self._ask_now()
        number = self._begun + 1
        self._wanted.set()
        try:
            async with asyncio.timeout(None if known is None else patience_s), self._answers:
                await self._answers.wait_for(lambda: self._answered >= number)
        except TimeoutError:
            pass
        if self._known is None:
            raise Problem("unavailable", "the hosts cannot be asked now", retry_after_s=2)
        return self._known

    async def _ask_now(self) -> _Answer:
        self._begun += 1
        number = self._begun
        try:
            answer = await self._ask()
            self._known, self._known_at_s = answer, self._clock.monotonic_s()
        finally:
            async with self._answers:
                self._answered = max(self._answered, number)
                self._answers.notify_all()
        return answer

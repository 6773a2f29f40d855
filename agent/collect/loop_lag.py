"""How late the event loop is: whatever holds it up makes everybody wait, and shows nowhere else."""

from __future__ import annotations

from typing import NoReturn

from agent.clock import Clock

PROBE_S = 0.5
"""A hold-up is seen for the part of it after the next probe was due. Two wake-ups a second cost nothing."""


class LoopLag:
    """Sleeps a while again and again, and notes how late it was woken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._worst_s = 0.0

    async def run(self) -> NoReturn:
        """Do so for ever."""
        while True:
            due_s = self._clock.monotonic_s() + PROBE_S
            await self._clock.sleep(PROBE_S)
            self._worst_s = max(self._worst_s, self._clock.monotonic_s() - due_s)

    def take_worst_ms(self) -> float:
        """Return the worst since it was asked before, in milliseconds."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return 1000 * worst_s

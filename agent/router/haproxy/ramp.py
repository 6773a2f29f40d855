"""Slow start: a new replica's share of requests grows in steps, so that it can warm up.

By the agent, because HAProxy's own `slowstart` is broken before 3.0 (commit 0797e05d9).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from agent.clock import Clock
from agent.ports import SwitchError

log = logging.getLogger(__name__)

STEPS = ((0.0, 0.10), (1 / 3, 0.25), (2 / 3, 0.50), (1.0, 1.0))
"""From this part of the slow start on, this part of the whole weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The slow start of one replica. `set_weight` returns whether the replica is still there to have one."""

    weight: int
    began_s: float
    duration_s: float
    set_weight: Callable[[int], Awaitable[bool]]


def weight_at(weight: int, elapsed_s: float, duration_s: float) -> int:
    """Return the part of `weight` that is due; at least 1, for 0 gets no requests at all."""
    part = max(part for begin, part in STEPS if elapsed_s >= begin * duration_s or begin == 0.0)
    return max(1, round(weight * part))


def next_step_s(elapsed_s: float, duration_s: float) -> float | None:
    """Return when the next step is due after the beginning; None after the last."""
    return next((begin * duration_s for begin, _ in STEPS if begin * duration_s > elapsed_s), None)


class Ramps:
    """The slow starts under way, by server."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ramps: dict[str, Ramp] = {}
        self._is_changed = asyncio.Event()

    def begin(self, server: str, ramp: Ramp) -> None:
        """Raise the weight of `server` step by step from its first, which the caller has set."""
        self._ramps[server] = ramp
        self._is_changed.set()

    async def run(self) -> NoReturn:
        """Take the steps as they are due, until cancelled."""
        while True:
            self._is_changed.clear()
            due_s = self._due_s()
            if due_s is None:
                await self._is_changed.wait()
            elif not await self._clock.wait(self._is_changed, due_s - self._clock.monotonic_s()):
                await self._step()

    def _due_s(self) -> float | None:
        now_s = self._clock.monotonic_s()
        dues = []
        for ramp in self._ramps.values():
            step_s = next_step_s(now_s - ramp.began_s, ramp.duration_s)
            dues.append(now_s if step_s is None else ramp.began_s + step_s)
        return min(dues, default=None)

    async def _step(self) -> None:
        for server, ramp in list(self._ramps.items()):
            elapsed_s = self._clock.monotonic_s() - ramp.began_s
            try:
                is_there = await ramp.set_weight(weight_at(ramp.weight, elapsed_s, ramp.duration_s))
            except SwitchError as error:
                # HAProxy was started anew, which gives every server its whole weight.
                log.info("router.slow_start_ended", extra={"server": server, "reason": str(error)})
                is_there = False
            if (elapsed_s >= ramp.duration_s or not is_there) and self._ramps.get(server) is ramp:
                del self._ramps[server]

"""How much room images and volumes take: counted when somebody looks, and not again for a while.

An engine walks through every file of its volumes to count them: minutes of disk work on a large host. So it
is counted by a loop of its own, once at a time, however many look and however soon they lose patience.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from agent.clock import Clock
from agent.ports.engine import ContainerEngine, EngineDiskUsage, EngineError

log = logging.getLogger(__name__)

FRESH_S = 120.0


class SizeCounter:
    """`run` must be running for anything to be counted."""

    def __init__(self, engine: ContainerEngine, clock: Clock, *, fresh_s: float = FRESH_S) -> None:
        self._engine = engine
        self._clock = clock
        self._fresh_s = fresh_s
        self._usage: EngineDiskUsage | None = None
        self._counted_at_s = float("-inf")
        self._problem = ""
        self._wanted = asyncio.Event()
        self._counted = asyncio.Event()

    @property
    def usage(self) -> EngineDiskUsage | None:
        """What was counted last, None before the first time."""
        return self._usage

    @property
    def age_ms(self) -> int:
        """How long ago that was; 0 before the first time."""
        return 0 if self._usage is None else int((self._clock.monotonic_s() - self._counted_at_s) * 1000)

    @property
    def problem(self) -> str:
        """Why counting failed last, "" when it did not."""
        return self._problem

    def forget(self) -> None:
        """Have the next look count anew: something went."""
        self._counted_at_s = min(self._counted_at_s, self._clock.monotonic_s() - self._fresh_s)

    async def wait(self, *, patience_s: float) -> None:
        """Return once it was counted lately, or after `patience_s`."""
        if self._clock.monotonic_s() - self._counted_at_s < self._fresh_s:
            return
        counted = self._counted
        self._wanted.set()
        try:
            async with asyncio.timeout(patience_s):
                await counted.wait()
        except TimeoutError:
            log.info("sizes.late", extra={"patience_s": patience_s})

    async def run(self) -> NoReturn:
        """Count whenever somebody waits."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            begun_s = self._clock.monotonic_s()
            try:
                self._usage = await self._engine.disk_usage()
                self._counted_at_s = begun_s
                self._problem = ""
            except EngineError as error:
                self._problem = str(error)
                log.info("sizes.unknown", extra={"reason": str(error)})
            self._counted.set()
            self._counted = asyncio.Event()

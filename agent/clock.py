"""Time, as something handed in: the one module that reads the clocks and sleeps."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The three clocks of a host, and waiting on them.

    Durations and time-outs use `monotonic_s`. Leases use `boottime_s`, because a lease must also
    run out while the machine is suspended. Records use `now_ms`, which may jump.
    """

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary point; never goes back, stands still while suspended."""
        ...

    def boottime_s(self) -> float:
        """Seconds since boot, suspended time included (CLOCK_BOOTTIME)."""
        ...

    def now_ms(self) -> int:
        """Unix epoch milliseconds, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once (but after one turn of the loop) when not positive."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for `event` for at most `seconds`; true when it is set."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def boottime_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

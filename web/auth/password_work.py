"""Hashing passwords beside the event loop, a few at a time.

One hash takes tens of milliseconds and 19 MiB. Two threads keep that bounded, and so does a short queue:
beyond it a login is told to come back, instead of every login becoming slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cluster.identity.passwords import (
    CURRENT_COST,
    Argon2Cost,
    PasswordCheck,
    hash_password,
    verify_password,
)
from web.auth.problems import Problem

THREADS = 2
WAITING_MAX = 16

_Result = TypeVar("_Result")


class PasswordWork:
    """The threads that hash, for as long as the server lives."""

    def __init__(self, cost: Argon2Cost = CURRENT_COST) -> None:
        self._cost = cost
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._under_way = 0

    async def verify(self, password: str, stored: str | None) -> PasswordCheck:
        """Return whether `password` is the one kept; as slow for an unknown account. Raises Problem (503)."""
        return await self._run(lambda: verify_password(password, stored, today=self._cost))

    async def hash(self, password: str, *, salt: bytes) -> str:
        """Return the hash to keep. Raises Problem (503) when too many wait."""
        return await self._run(lambda: hash_password(password, salt=salt, cost=self._cost))

    def close(self) -> None:
        """Let no more begin."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        if self._under_way >= THREADS + WAITING_MAX:
            raise Problem("unavailable", "too many logins at the same moment", retry_after_s=2)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._under_way -= 1

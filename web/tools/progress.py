"""How far a tool is, told to whoever called it while it still runs, where they want to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

Reporter = Callable[[float, float | None, str | None], Awaitable[None]]

REPORTER: ContextVar[Reporter | None] = ContextVar("progress_reporter", default=None)
"""Set by the surface that a call came through, for the time of the call."""


async def report(done: float, total: float, words: str) -> None:
    """Say that `done` of `total` is behind us; nothing when nobody listens."""
    reporter = REPORTER.get()
    if reporter is not None:
        await reporter(done, total, words)

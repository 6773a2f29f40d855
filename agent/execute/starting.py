"""A replica's container from stopped to running."""

from __future__ import annotations

from collections.abc import Callable

from agent.execute.fence import Permit
from agent.ports import ContainerEngine


class NotLeased(Exception):
    """A replica that must never run twice may not be started now; the text says why."""


async def ensure_started(
    engine: ContainerEngine, container: str, permit: Permit, *, check_leave: Callable[[], None] = lambda: None
) -> None:
    """Start it; one that runs is left alone. `check_leave` raises NotLeased.

    Raises PortTaken, Superseded, NotLeased and what the engine says.
    """
    permit.check()
    check_leave()
    await engine.start(container)

"""A replica's container from stopped to running."""

from __future__ import annotations

from agent.execute.fence import Permit
from agent.ports import ContainerEngine


async def ensure_started(engine: ContainerEngine, container: str, permit: Permit) -> None:
    """Start it; one that runs is left alone. Raises PortTaken, Superseded and what the engine says."""
    permit.check()
    await engine.start(container)

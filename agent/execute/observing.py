"""Looking at a replica's container."""

from __future__ import annotations

import asyncio
from collections import deque

from agent.execute.health import exit_words
from agent.ports import ContainerDetail, ContainerEngine, EngineError

LINES = 20
TIMEOUT_S = 5.0


async def why_it_ended(engine: ContainerEngine, detail: ContainerDetail) -> str:
    """Say why a container ended, with the last lines it printed where the engine still has them."""
    lines: deque[str] = deque(maxlen=LINES)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            async for line in engine.logs(detail.id, tail=LINES):
                lines.append(line.text)
    except (EngineError, TimeoutError):
        # The exit code is worth telling without them.
        lines.clear()
    return exit_words(detail, "\n".join(lines))

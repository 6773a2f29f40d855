"""The hosts' last minutes, asked for once for all who want them at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cluster.model.inventory import HostLive
from web.ports import Surroundings

FRESH_S = 2.0
HOST = "host"
"""The subject of a host's own series."""


class LiveNumbers:
    """What `Hosts.live` last said, asked again when it is older than two seconds."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._asking = asyncio.Lock()
        self._known: Sequence[HostLive] = ()
        self._asked_s = float("-inf")

    async def read(self) -> Sequence[HostLive]:
        """Return every host's series; a host that does not answer is left out."""
        async with self._asking:
            now_s = self._surroundings.clock.monotonic_s()
            if now_s - self._asked_s >= FRESH_S:
                self._known = await self._surroundings.hosts.live()
                self._asked_s = now_s
            return self._known


def newest(live: HostLive, metric: str, subject: str = HOST) -> float | None:
    """Return the newest sample of a series, None without one."""
    for series in live.series:
        if series.subject == subject and series.metric == metric:
            return next((value for value in reversed(series.values) if value is not None), None)
    return None

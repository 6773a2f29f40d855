"""Fetches from other hosts what this node's history has not got: a node that joins, or was away for long.

Time is asked for in slices, newest first, since that is what people look at, and each slice is done for good
when it is done. A transfer that breaks off begins again with its slice, at any host.
"""

from __future__ import annotations

import logging
import zlib
from asyncio import Event
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, Protocol

from agent.clock import Clock
from agent.follow.node_history import NodeHistory
from agent.peers.protocol import HistoryPage
from cluster.history.errors import HistoryError
from cluster.history.transfer import RecordDamaged
from cluster.model.ids import NodeId
from cluster.model.inventory import HostRefused, HostUnavailable

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
RETRY_MAX_S = 600.0
PAUSE_SHARE = 1
"""After a page, so many times as long as it took: people's questions to the giver come in between."""
PAGES_MAX = 4096
DAY_MS = 86_400_000
FINE_DAYS = 8
"""So many days are asked for one by one; before them are rollups alone, which are small."""
COARSE_DAYS = 32

Slice = tuple[int, int]


class GivesHistory(Protocol):
    """Other hosts (`agent.peers.client.PeerClient`)."""

    async def history(self, node_id: str, start_ms: int, end_ms: int, *, after: bytes) -> HistoryPage:
        """Raises HostUnavailable or HostRefused."""
        ...


class HistoryFilling:
    """Fills what is missing while `run` runs.

    `passed_index` is the newest entry with samples that the state has let go of: who is not so far yet is not
    asked. `missed` is set when there is something new to look for.
    """

    def __init__(
        self,
        *,
        node_id: NodeId,
        history: NodeHistory,
        client: GivesHistory,
        node_ids: Callable[[], Sequence[NodeId]],
        passed_index: Callable[[], int],
        missed: Event,
        clock: Clock,
    ) -> None:
        self._node_id = node_id
        self._history = history
        self._client = client
        self._node_ids = node_ids
        self._passed_index = passed_index
        self._missed = missed
        self._clock = clock
        self._had: dict[Slice, set[NodeId]] = {}
        self._subjects_cursor = b""

    async def run(self) -> NoReturn:
        """Fill for ever. Hosts that may have something and are silent are asked more and more seldom."""
        pause_s = LOOK_EVERY_S
        while True:
            await self._clock.wait(self._missed, pause_s)
            self._missed.clear()
            try:
                is_whole = await self.fill()
            except HistoryError as error:
                log.debug("history.not_filled", extra={"reason": str(error)})
                is_whole = False
            pause_s = LOOK_EVERY_S if is_whole else min(RETRY_MAX_S, 2 * pause_s)

    async def fill(self) -> bool:
        """Fetch what is missing; whether nothing is any more. Raises HistoryError."""
        missing = (await self._history.standing()).missing
        if not missing:
            self._had.clear()
            return True
        newest_ms = max(end for _, end in missing)
        is_whole = True
        for start_ms, end_ms in sorted(missing, reverse=True):
            for part in slices(start_ms, end_ms, newest_ms):
                is_whole &= await self._fill_slice(part)
        return is_whole

    async def _fill_slice(self, part: Slice) -> bool:
        """Fetch a slice from whoever has it; false when somebody who may have it did not answer."""
        had = self._had.setdefault(part, set())
        others = [node_id for node_id in self._node_ids() if node_id != self._node_id]
        for node_id in sorted(others, key=lambda each: zlib.crc32(f"{self._node_id}{each}".encode())):
            if node_id in had:
                continue
            try:
                left = await self._take_all(node_id, part)
            except (HostUnavailable, HostRefused, RecordDamaged) as error:
                log.info("history.not_given", extra={"node_id": node_id, "reason": str(error)})
                continue
            had.add(node_id)
            for start_ms, end_ms in without(part, left):
                await self._history.mark_filled(start_ms, end_ms)
            if not left:
                self._had.pop(part, None)
                return True
        if had >= set(others):
            log.warning("history.nobody_has", extra={"start_ms": part[0], "end_ms": part[1]})
            await self._history.mark_filled(*part)
            self._had.pop(part, None)
            return True
        return False

    async def _take_all(self, node_id: NodeId, part: Slice) -> list[Slice]:
        """Take in all that a host has of a slice; what of it that host misses too."""
        after = self._subjects_cursor
        for _ in range(PAGES_MAX):
            began_s = self._clock.monotonic_s()
            page = await self._client.history(node_id, *part, after=after)
            if page.applied_index < self._passed_index():
                raise HostUnavailable(f"{node_id} has not caught up itself")
            if not page.records:
                return [each for each in page.missing if each[0] < part[1] and part[0] < each[1]]
            await self._history.take(page.records)
            after = page.records[-1].cursor
            # Numbers mean the same on every host: what one has named needs no naming by the next.
            self._subjects_cursor = max(
                (record.cursor for record in page.records if record.table == "subjects"),
                default=self._subjects_cursor,
            )
            await self._clock.sleep(PAUSE_SHARE * (self._clock.monotonic_s() - began_s))
        raise HostUnavailable(f"{node_id} gives without end")


def slices(start_ms: int, end_ms: int, newest_ms: int) -> Iterator[Slice]:
    """Yield parts of [start_ms, end_ms), newest first: days near `newest_ms`, longer ones before.

    They end where days do, so that the same times are the same slices when they are asked for again.
    """
    fine_from_ms = (newest_ms // DAY_MS - FINE_DAYS) * DAY_MS
    while start_ms < end_ms:
        length_ms = DAY_MS if end_ms > fine_from_ms else COARSE_DAYS * DAY_MS
        low_ms = max(start_ms, (end_ms - 1) // length_ms * length_ms)
        yield low_ms, end_ms
        end_ms = low_ms


def without(part: Slice, left: Sequence[Slice]) -> list[Slice]:
    """Return `part` without what of it is in `left`."""
    found: list[Slice] = []
    start_ms, end_ms = part
    for low_ms, high_ms in sorted(left):
        if low_ms > start_ms:
            found.append((start_ms, min(low_ms, end_ms)))
        start_ms = max(start_ms, high_ms)
    if start_ms < end_ms:
        found.append((start_ms, end_ms))
    return found

"""Pages of several hosts made into one, by time. Pure.

Each host gives lines in order up to its horizon. Behind the nearest horizon another host's lines could still
belong between, so the page ends there, and the next one begins there.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from cluster.model.log_history import KeptLine, LogPage, LogPlace


def merge(pages: Sequence[LogPage], *, limit: int, is_newest_first: bool) -> LogPage:
    """Return the first `limit` matches of all pages, with the lines around them, and how far that goes."""

    def order(line: KeptLine) -> tuple[int, str, int]:
        return (line.at_us, line.container_id, line.ordinal)

    horizons = [page.horizon for page in pages if page.horizon is not None]
    horizon = (max(horizons) if is_newest_first else min(horizons)) if horizons else None
    merged: list[KeptLine] = []
    matches = 0
    seen: set[LogPlace] = set()
    for line in heapq.merge(*(page.lines for page in pages), key=order, reverse=is_newest_first):
        place = line.place
        if matches >= limit and line.is_match:
            horizon = _last_match(merged)
            break
        if horizon is not None and line.is_match:
            is_behind = place < horizon if is_newest_first else place > horizon
            if is_behind:
                break
        if place in seen:
            continue
        seen.add(place)
        merged.append(line)
        matches += line.is_match
    return LogPage(lines=tuple(merged), horizon=horizon, scanned=sum(page.scanned for page in pages))


def _last_match(lines: Sequence[KeptLine]) -> LogPlace | None:
    return next((line.place for line in reversed(lines) if line.is_match), None)

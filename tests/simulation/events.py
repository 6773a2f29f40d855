"""Simulated time: a heap of what happens when."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Events:
    """Runs callbacks in order of time, and of insertion where times are equal."""

    def __init__(self) -> None:
        self.now = 0.0
        self.count = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, time: float, callback: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self._heap, (max(time, self.now), self.count, callback))

    def after(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.at(self.now + delay_s, callback)

    def run_until(self, time: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= time:
            self.now, _, callback = heapq.heappop(heap)
            callback()
        self.now = time

"""Holding a container that floods to a rate, by the moments of its own lines. Pure.

Not by when they are read: what is caught up with after a pause is no flood.
"""

from __future__ import annotations


class FloodGate:
    """A token bucket: `lines_per_s` for long, and `burst_s` seconds' worth at once."""

    def __init__(self, *, lines_per_s: int, burst_s: int = 10) -> None:
        self._per_us = lines_per_s / 1_000_000
        self._most = float(lines_per_s * burst_s)
        self._left = self._most
        self._at_us = 0
        self._dropped = 0
        self._dropped_from_us = 0

    @property
    def dropped(self) -> int:
        """How many were dropped since that was last told of."""
        return self._dropped

    def lets_in(self, at_us: int) -> bool:
        """Whether a line of that moment is kept; counts it when not."""
        passed_us = at_us - self._at_us
        if passed_us > 0:
            self._left = min(self._most, self._left + passed_us * self._per_us)
            self._at_us = at_us
        if self._left >= 1:
            self._left -= 1
            return True
        if self._dropped == 0:
            self._dropped_from_us = at_us
        self._dropped += 1
        return False

    def take_dropped(self) -> tuple[int, int]:
        """Return how many were dropped and from which moment on, and begin anew."""
        taken = self._dropped, self._dropped_from_us
        self._dropped = 0
        return taken

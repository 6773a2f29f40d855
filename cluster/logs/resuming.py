"""Going on where the store ended, with no line twice and none left out. Pure.

An engine gives lines from a moment on. Standard output and error are stamped before they are written one
after the other, so a line may be a little older than the one before it: what is kept of the last moments is
known line by line, and what comes is compared with that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

OVERLAP_US = 2_000_000
"""How far back is read again."""

Fingerprint = tuple[int, int, str]
"""Moment, stream and text."""


class Resumption:
    """What was kept of the last moments; each of those lines is passed over once when it comes again."""

    def __init__(self, kept: Iterable[Fingerprint]) -> None:
        self._kept = Counter(kept)
        self._end_us = max((at_us for at_us, _, _ in self._kept), default=0)

    @property
    def from_us(self) -> int:
        """From when on lines are to be read; 0: from the beginning."""
        return max(0, self._end_us - OVERLAP_US)

    @property
    def is_over(self) -> bool:
        return not self._kept

    def is_new(self, fingerprint: Fingerprint) -> bool:
        """Whether a line that comes is not among what was kept."""
        if not self._kept:
            return True
        if fingerprint[0] > self._end_us + OVERLAP_US:
            self._kept.clear()
            return True
        if self._kept[fingerprint] == 0:
            return True
        self._kept[fingerprint] -= 1
        if self._kept[fingerprint] == 0:
            del self._kept[fingerprint]
        return False

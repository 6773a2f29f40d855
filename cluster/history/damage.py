"""What could not be read: named once, counted, and asked of other nodes."""

from __future__ import annotations

import logging
import threading

KEPT_MAX = 1000
"""How many damaged pieces are told apart; more of them are one and the same trouble."""

log = logging.getLogger(__name__)


class Damage:
    """The damaged pieces found since the file was opened, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[bytes, bytes], str] = {}
        self._untold: list[tuple[int, int]] = []

    def note(self, table: bytes, key: bytes, start_ms: int, end_ms: int, reason: str) -> None:
        """Remember a piece of [start_ms, end_ms) that was left out; logged the first time."""
        with self._lock:
            if (table, key) in self._found or len(self._found) >= KEPT_MAX:
                return
            self._found[table, key] = reason
            self._untold.append((start_ms, end_ms))
        log.warning(
            "history.damaged",
            extra={
                "table": table.decode(),
                "key": key.hex(),
                "start_ms": start_ms,
                "end_ms": end_ms,
                "reason": reason,
            },
        )

    def __len__(self) -> int:
        return len(self._found)

    def take_untold(self) -> list[tuple[int, int]]:
        """Return the ranges of time of pieces found since the last call."""
        with self._lock:
            found, self._untold = self._untold, []
            return found

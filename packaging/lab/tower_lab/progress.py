"""What the lab is doing, one line a step, with the seconds since it began."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class TextStream(Protocol):
    """What progress lines are written to."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class Progress:
    """Lines for a person who waits. Safe to use from several threads: a line is one write."""

    def __init__(self, stream: TextStream | None) -> None:
        """Write to `stream`; None is silence."""
        self._stream = stream
        self._began_s = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """One line now."""
        if self._stream is None:
            return
        with self._lock:
            self._stream.write(f"{time.monotonic() - self._began_s:6.2f} s  {text}\n")
            self._stream.flush()

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One line when the block is done, with how long it took; none when it raises."""
        started_s = time.monotonic()
        yield
        self.say(f"{text} ({time.monotonic() - started_s:.2f} s)")

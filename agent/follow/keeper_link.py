"""The agent's side of the keeper: the lease file, and having a keeper that is awake."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from agent.keeper.lease_file import Lease, LeaseUnreadable, read_lease, write_lease
from agent.keeper.presence import is_awake, start_detached

log = logging.getLogger(__name__)

START_EVERY_MS = 5_000


class DirectoryKeeper:
    """The keeper of one directory. One that a service manager runs (`is_supervised`) is not started here."""

    def __init__(
        self,
        directory: Path,
        *,
        is_supervised: bool,
        now_ms: Callable[[], int],
        start: Callable[[Path], None] = start_detached,
    ) -> None:
        """Raises OSError when the directory cannot be made."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._is_supervised = is_supervised
        self._now_ms = now_ms
        self._start = start
        self._started_at_ms: int | None = None

    def read(self) -> Lease | None:
        try:
            return read_lease(self._directory)
        except LeaseUnreadable as error:
            log.warning("lease.unreadable", extra={"reason": str(error)})
            return None

    def write(self, lease: Lease) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_lease(self._directory, lease)

    def why_not_awake(self) -> str:
        now_ms = self._now_ms()
        if is_awake(self._directory, now_ms):
            return ""
        if self._is_supervised:
            return "its keeper does not run on this host: systemctl start tower-keeper"
        if self._started_at_ms is None or now_ms - self._started_at_ms >= START_EVERY_MS:
            self._started_at_ms = now_ms
            try:
                self._start(self._directory)
            except OSError as error:
                return f"its keeper cannot be started: {error.strerror}"
        return "waits for this host's keeper to start"

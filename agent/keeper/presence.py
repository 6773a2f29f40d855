"""One keeper per directory, and whether it is awake."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import agent

ALIVE_MAX_MS = 3_000
"""One that has not said so for longer is not awake."""
_LOCK = "keeper.lock"
_ALIVE = "keeper.alive"


class AlreadyKept(Exception):
    """Another keeper has the directory."""


class Presence:
    """This process as the keeper of a directory, for as long as it lives. Raises AlreadyKept, OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyKept(f"another keeper looks after {directory}") from None
        self._alive = os.open(directory / _ALIVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def is_wanted(self) -> bool:
        """Whether the directory is still the one that is locked: it goes with the host's membership."""
        with suppress(OSError):
            return os.stat(self._directory / _LOCK).st_ino == os.fstat(self._lock).st_ino
        return False

    def say_alive(self, now_ms: int) -> None:
        # A full disk is no reason to stop.
        with suppress(OSError):
            os.pwrite(self._alive, f"{now_ms:020d}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._alive)
        os.close(self._lock)


def is_awake(directory: Path, now_ms: int) -> bool:
    """Whether a keeper looks after the directory at the moment (`now_ms` of CLOCK_BOOTTIME)."""
    with suppress(OSError, ValueError):
        said_ms = int((directory / _ALIVE).read_text(encoding="ascii"))
        # Later than now: of another boot.
        return 0 <= now_ms - said_ms <= ALIVE_MAX_MS
    return False


def start_detached(directory: Path) -> None:
    """Start a keeper that outlives this process; a second one ends by itself. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "keeper.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "agent.keeper", str(directory), "--until-removed"],
            cwd=Path(agent.__file__).resolve().parents[1],
            env={"PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

"""`python -m agent.keeper DIRECTORY`: look after the lease in that directory until told to stop."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from agent.keeper.keeper import TICK_MS, Keeper
from agent.keeper.lease_file import boottime_ms, current_boot_id
from agent.keeper.presence import AlreadyKept, Presence

log = logging.getLogger("keeper")

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_OOM_SCORE_ADJ = Path("/proc/self/oom_score_adj")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="keeper", description="Stops fenced containers whose lease ran out."
    )
    parser.add_argument("directory", type=Path, help="where the agent hands the lease over")
    parser.add_argument("--until-removed", action="store_true", help="end when the directory is removed")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        presence = Presence(options.directory)
    except AlreadyKept as kept:
        log.info("%s", kept)
        return 0
    except OSError as error:
        parser.exit(1, f"keeper: {options.directory} cannot be used: {error.strerror}\n")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _stay_in_memory()
    _notify("READY=1\nSTATUS=looks after the lease of this host")
    log.info("looks after the lease in %s", options.directory)
    _keep(options.directory, presence, stopping, is_until_removed=options.until_removed)
    _notify("STOPPING=1")
    return 0


def _keep(directory: Path, presence: Presence, stopping: threading.Event, *, is_until_removed: bool) -> None:
    keeper = Keeper(directory, now_ms=boottime_ms, boot_id=current_boot_id())
    try:
        while not stopping.wait(TICK_MS / 1000):
            if is_until_removed and not presence.is_wanted:
                log.info("%s is gone: nothing is left to look after", directory)
                return
            keeper.tick()
            presence.say_alive(boottime_ms())
            _notify("WATCHDOG=1")
    finally:
        keeper.close()
        presence.close()


def _stay_in_memory() -> None:
    """As well as is allowed: a host that swaps or runs out of memory is when a keeper is needed."""
    with suppress(OSError):
        _OOM_SCORE_ADJ.write_text("-1000")
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        # With a limit, a later allocation would fail.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE)


def _notify(message: str) -> None:
    """Tell systemd (sd_notify(3)), where it listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path:
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(message.encode(), f"\0{path[1:]}" if path.startswith("@") else path)


if __name__ == "__main__":
    sys.exit(main())

"""Ending a command inside a container, for which the engine has no call.

From inside, by a mark in its environment, which what it started has too; where there is no shell that could
do that, by its process on this host. That one is held by a descriptor, which can mean no other one, and is
touched only when it is surely of the container: its number comes from the engine, which may count in a
namespace that is not ours.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

HANG_UP_S = 2.0
"""How long a command may take to end after its terminal is gone, before it is killed."""


MARK = "TOWER_EXEC"
"""The variable that a command and all it starts have in their environment."""

_SCRIPT = f"""
end() {{
  for each in /proc/[0-9]*; do
    if grep -q "{MARK}=$2" "$each/environ" 2>/dev/null; then kill -"$1" "${{each#/proc/}}" 2>/dev/null; fi
  done
}}
end HUP "$1"
sleep 1
end KILL "$1"
"""


def ending_command(mark: str) -> tuple[str, ...]:
    """Return what ends, from inside, everything that has the mark."""
    return ("sh", "-c", _SCRIPT, "sh", mark)


async def end_process(running_pid: Callable[[], Awaitable[int]], container: str) -> bool:
    """End the command whose process `running_pid` tells (0: it has ended); whether it was ended here.

    `container` is the full id. Raises what `running_pid` raises.
    """
    pid = await running_pid()
    if pid <= 0:
        return False
    descriptor = await asyncio.to_thread(_hold, pid, container)
    if descriptor is None:
        return False
    try:
        # The number may have become another process's of the same container before it was opened.
        if await running_pid() != pid:
            return False
        await asyncio.to_thread(_end, descriptor)
        return True
    finally:
        os.close(descriptor)


def _hold(pid: int, container: str, proc: Path = Path("/proc")) -> int | None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    with suppress(OSError):
        # Every engine and cgroup driver has the whole id in the name of the container's control group.
        if container in (proc / str(pid) / "cgroup").read_text():
            return descriptor
    os.close(descriptor)
    return None


def _end(descriptor: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        # As when a terminal's line is cut: shells pass it on to what they started.
        signal.pidfd_send_signal(descriptor, signal.SIGHUP)
        readable, _, _ = select.select([descriptor], [], [], HANG_UP_S)
        if not readable:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)

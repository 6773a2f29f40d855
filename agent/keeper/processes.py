"""Holding on to the processes of containers, so that they can be killed while no engine answers."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from agent.keeper.docker_api import Running


class HeldProcesses:
    """The first processes of containers, each by a descriptor that can mean no other process."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._held: dict[str, tuple[int, int]] = {}

    def hold(self, running: list[Running]) -> None:
        """Hold exactly these. One whose process is not seen from here is left to the engine."""
        wanted = {each.id: each.pid for each in running}
        for container in [each for each, (pid, _) in self._held.items() if wanted.get(each) != pid]:
            os.close(self._held.pop(container)[1])
        for container, pid in wanted.items():
            if container in self._held:
                continue
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue
            # The number may have become another process's before it was opened.
            if self._is_of(pid, container):
                self._held[container] = (pid, descriptor)
            else:
                os.close(descriptor)

    def kill(self) -> list[str]:
        """Kill all that are held and still there; returns their containers."""
        killed = []
        for container, (_, descriptor) in self._held.items():
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                killed.append(container)
        return killed

    def close(self) -> None:
        for _, descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _is_of(self, pid: int, container: str) -> bool:
        # Every engine and cgroup driver has the whole id in the name of the container's control group.
        with suppress(OSError):
            return container in (self._proc / str(pid) / "cgroup").read_text()
        return False

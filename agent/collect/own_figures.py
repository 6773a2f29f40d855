"""What the agent takes of its host, and how it is doing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.collect.loop_lag import LoopLag
from agent.collect.samples import AgentReading
from cluster.raft.types import EngineStatus, Role


class OwnFigures:
    """Reads them when called, in well under a millisecond, from any thread.

    `queues` are what waits in the agent, by name. `directories` are those of the state and of the history.
    """

    def __init__(
        self,
        *,
        status: Callable[[], EngineStatus],
        loop_lag: LoopLag,
        queues: Mapping[str, Callable[[], int]],
        state_directory: Path,
        history_directory: Path,
        statm: Path = Path("/proc/self/statm"),
    ) -> None:
        self._status = status
        self._loop_lag = loop_lag
        self._queues = queues
        self._state_directory = state_directory
        self._history_directory = history_directory
        self._statm = statm
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def __call__(self) -> AgentReading:
        """Return this moment's figures."""
        status = self._status()
        return AgentReading(
            cpu_s=time.process_time(),
            memory_bytes=self._private_bytes(),
            loop_lag_ms=self._loop_lag.take_worst_ms(),
            raft_term=status.term,
            commit_index=status.commit_index,
            applied_index=status.applied_index,
            is_leader=status.role is Role.LEADER,
            has_leader=status.leader_id is not None,
            queues={name: depth() for name, depth in self._queues.items()},
            state_bytes=stored_bytes(self._state_directory),
            log_bytes=status.log_bytes,
            history_bytes=stored_bytes(self._history_directory),
        )

    def _private_bytes(self) -> int | None:
        # Resident less what files back: what goes when the agent goes. smaps_rollup tells more exactly, at
        # some milliseconds of the kernel's time.
        try:
            pages: Sequence[str] = self._statm.read_text(encoding="ascii").split()
            return (int(pages[1]) - int(pages[2])) * self._page_bytes
        except (OSError, ValueError, IndexError):
            return None


def stored_bytes(directory: Path) -> int | None:
    """Return what the files below a directory take up on disk; None without it.

    Blocks, not lengths: the files of a store are as long as it may become.
    """
    if not directory.is_dir():
        return None
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total

"""What processes cost, from /proc: processor time, and the memory that is theirs alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def cpu_s(pids: Iterable[int], proc: Path = Path("/proc")) -> float:
    """Seconds of processor time that processes have used; those that have ended count nothing."""
    ticks = 0
    for pid in pids:
        try:
            text = (proc / str(pid) / "stat").read_text()
        except OSError:
            continue
        # The name is in parentheses and may hold spaces and parentheses itself (proc(5): utime, stime).
        fields = text.rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def private_mib(pids: Iterable[int], proc: Path = Path("/proc")) -> float:
    """MiB of memory no other process shares (Private_* of smaps_rollup); what has ended counts nothing."""
    kilobytes = 0
    for pid in pids:
        try:
            text = (proc / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes += sum(
            int(line.split()[1])
            for line in text.splitlines()
            if line.startswith(("Private_Clean:", "Private_Dirty:"))
        )
    return kilobytes / 1024


def with_descendants(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """A process and all that it and its children started and that have not been adopted by another."""
    children: dict[int, list[int]] = {}
    for entry in proc.glob("[0-9]*"):
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found

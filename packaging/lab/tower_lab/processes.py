"""Which process is which: a pid alone may have been given to another process since it was noted.

A process is identified by its pid and its start time (clock ticks since boot, field 22 of /proc/PID/stat,
proc(5)), and signalled through a pidfd, so that no signal of the lab reaches a process it did not start.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tower_lab.errors import LabError

_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for as long as this machine is up. `start_ticks` is in clock ticks since boot."""

    pid: int
    start_ticks: int

    @property
    def is_alive(self) -> bool:
        """True while it runs; a zombie has ended."""
        found = _stat(self.pid)
        return found is not None and found.start_ticks == self.start_ticks and found.state not in "ZX"

    def signal(self, number: int) -> bool:
        """Send a signal; False when it had ended already. Never reaches another process with its pid."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor names one process for good, so a look after opening it decides.
            if not self.is_alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    start_ticks: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), start_ticks=int(fields[19]))


def identify(pid: int) -> Identity | None:
    """The process that has `pid` now, or None."""
    found = _stat(pid)
    return None if found is None else Identity(pid, found.start_ticks)


def read_record(path: Path) -> Identity | None:
    """The identity a process wrote down about itself ("PID TICKS"); None where none can be read."""
    try:
        pid, start_ticks = path.read_text().split()
        return Identity(int(pid), int(start_ticks))
    except (OSError, ValueError):
        return None


def command_line(pid: int) -> tuple[str, ...]:
    """The arguments of a process; empty when it has ended or is the kernel's."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(raw.decode(errors="replace").rstrip("\0").split("\0")) if raw else ()


def name(pid: int) -> str:
    """The kernel's short name of a process (15 characters at most); empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def parent(pid: int) -> int | None:
    """The pid of its parent, or None when it has ended."""
    found = _stat(pid)
    return None if found is None else found.parent


def all_pids() -> Iterator[int]:
    """Every process of the machine."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            yield int(entry)


def in_namespace(kind: str, file: Path) -> list[int]:
    """The processes whose `kind` of namespace (net, pid, mnt, uts) is the one that `file` names."""
    try:
        wanted = file.stat()
    except OSError:
        return []
    found = []
    for pid in all_pids():
        try:
            held = os.stat(f"/proc/{pid}/ns/{kind}")
        except OSError:
            continue
        if (held.st_dev, held.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(pid)
    return found


def only_child(pid: int) -> int | None:
    """The first child of `pid`, or None while it has none."""
    for candidate in all_pids():
        if parent(candidate) == pid:
            return candidate
    return None


def proportional_bytes(pid: int) -> int:
    """Proportional set size of a process (shared pages counted by their share), 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def kill_all(find: Callable[[], list[int]], what: str, *, timeout_s: float = 10.0) -> int:
    """SIGKILL whatever `find` returns until it returns nothing; how many there were.

    Raises:
        LabError: some were still there after `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    killed: set[Identity] = set()
    while True:
        alive = [found for pid in find() if (found := identify(pid)) is not None and found.is_alive]
        if not alive:
            return len(killed)
        for process in alive:
            process.signal(signal.SIGKILL)
            killed.add(process)
        if time.monotonic() > deadline_s:
            names = ", ".join(f"{process.pid} ({name(process.pid)})" for process in alive)
            raise LabError(f"{what}: still running {timeout_s:g} s after SIGKILL: {names}")
        time.sleep(_POLL_S)


def wait_until(condition: Callable[[], bool], *, timeout_s: float, poll_s: float = _POLL_S) -> bool:
    """Wait for `condition`; False when it did not come true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(poll_s)
    return True

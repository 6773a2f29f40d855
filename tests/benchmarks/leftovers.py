"""A scratch directory per benchmark, and an end to what a killed run left running in one.

The directory's name says whose it is. Programs of a benchmark have its path among their arguments or in their
environment, so what a killed run left is found without guessing and nothing else is touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.lab import Identity, identify

_PREFIX = "tower-bench"
_NAME = re.compile(rf"{_PREFIX}-(?P<pid>\d+)-(?P<ticks>\d+)-.+")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on this machine's disk, removed at the end; what killed runs left is removed first."""
    remove_abandoned_scratch()
    owner = identify(os.getpid())
    assert owner is not None, "this process runs"
    prefix = f"{_PREFIX}-{owner.pid}-{owner.start_ticks}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def remove_abandoned_scratch() -> None:
    """Kill what still runs in directories whose owner has ended, and remove those."""
    for directory in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*")):
        owner = owner_of(directory.name)
        if owner is None or owner.is_alive:
            continue
        for process in _users_of(directory):
            process.signal(signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def owner_of(name: str) -> Identity | None:
    """The process that a scratch directory's name says made it; None when it is no such name."""
    match = _NAME.fullmatch(name)
    return None if match is None else Identity(int(match["pid"]), int(match["ticks"]))


def _users_of(directory: Path) -> Iterator[Identity]:
    wanted = str(directory).encode() + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        found = identify(pid) if wanted in told and pid != os.getpid() else None
        if found is not None:
            yield found

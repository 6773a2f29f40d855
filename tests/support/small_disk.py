"""A file system that can be full. Needs root on Linux; the test is skipped elsewhere."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.requirements import require_program, require_root


@contextlib.contextmanager
def a_small_disk(at: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own at `at`, of so many bytes, until the block ends."""
    require_root()
    mount, umount = require_program("mount"), require_program("umount")
    at.mkdir()
    subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", at], check=True, timeout=10)
    try:
        yield at
    finally:
        # What a test left open must not keep the rest of its clean-up from being done.
        subprocess.run([umount, "--lazy", at], check=True, timeout=10)


def fill(disk: Path) -> Path:
    """Take all the room that is left; returns the file to delete for room again."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\xff" * 65_536):
            pass
    assert os.statvfs(disk).f_bavail == 0
    return filler

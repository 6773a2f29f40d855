"""The files of the project: what is tracked, and what is about to be."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "cluster", "web")


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file git tracks or would add; in an unpacked archive, every file outside hidden directories."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if listing.returncode == 0:
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") and part != ".ci" for part in path.relative_to(ROOT).parts)
        ]
    return tuple(sorted({path for path in paths if path.is_file()}))


def python_files(*directories: str) -> tuple[Path, ...]:
    """The Python files under the given directories of the project."""
    roots = [ROOT / directory for directory in directories]
    return tuple(
        path for path in files() if path.suffix == ".py" and any(path.is_relative_to(root) for root in roots)
    )

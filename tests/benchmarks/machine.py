"""The machine a benchmark ran on, in words that name neither it nor a place on it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path


class Missing(Exception):
    """A benchmark, or its anchor, cannot run here; the text says what is missing and how to get it."""


def description() -> str:
    """Cores, processor, memory, kernel, Python, Docker."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    parts = [
        f"{os.cpu_count()} cores of {_processor()}",
        f"{memory_gib:.0f} GiB",
        # Without a distributor's or a machine's own suffix.
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"Python {platform.python_version()}",
        docker_version(),
    ]
    return ", ".join(parts)


def load_average() -> float:
    """Processes that ran or wanted to, on average over the last minute."""
    return os.getloadavg()[0]


def date() -> str:
    """Now, UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def program(name: str) -> str | None:
    """Where a program is, administrators' directories included."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def docker_version() -> str:
    """The Docker Engine's version, as its own program says."""
    return version_of("dockerd", "--version", word=2, name="Docker")


def version_of(program_name: str, argument: str, *, word: int, name: str) -> str:
    """The version that a program prints as the `word`th word of its first line, after its `name`."""
    path = program(program_name)
    if path is None:
        return f"no {name}"
    done = subprocess.run([path, argument], capture_output=True, text=True, check=False, timeout=20)
    words = done.stdout.splitlines()[0].split() if done.stdout else []
    return f"{name} {words[word].strip(',')}" if len(words) > word else name


def require_lab() -> None:
    """Nothing, where Docker hosts can be made on this machine. Raises Missing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Missing("Docker hosts on this machine need Linux and root")
    if program("dockerd") is None:
        raise Missing("no dockerd; run: packaging/bootstrap.sh lab")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()

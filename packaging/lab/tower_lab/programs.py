"""Runs the programs the lab is made with, each with a timeout, and says what they said when they fail."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tower_lab.errors import LabError, ProgramFailed

TIMEOUT_S = 30.0
# Administrators' programs are not on every user's PATH.
SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def tool_environment() -> dict[str, str]:
    """The environment of programs and daemons the lab starts: nothing of the caller but its PATH.

    A proxy, a DOCKER_HOST or a locale of the caller's would change what daemons do or what programs print.
    """
    return {"PATH": SEARCH_PATH, "HOME": "/root", "LC_ALL": "C"}


def run(argv: list[str], *, stdin: str | None = None, timeout_s: float = TIMEOUT_S) -> str:
    """Run `argv` and return its standard output.

    Raises:
        ProgramFailed: it ended with another status than 0.
        LabError: it is not installed, or did not end in `timeout_s`.
    """
    completed = attempt(argv, stdin=stdin, timeout_s=timeout_s)
    if completed.returncode != 0:
        raise ProgramFailed(argv, completed.returncode, completed.stderr or completed.stdout)
    return completed.stdout


def attempt(
    argv: list[str], *, stdin: str | None = None, timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run `argv` and return how it ended, whatever its status."""
    try:
        return subprocess.run(
            argv,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=tool_environment(),
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(
            f"the program {argv[0]!r} is not installed; `tower lab up --install` installs it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)}: did not end within {timeout_s:g} s") from error


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message; empty when there is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])

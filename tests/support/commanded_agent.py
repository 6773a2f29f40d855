"""Agents as processes whose commands are run and read as a person does: status, words, log."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.agent_process import AgentProcess, wait_until

DONE, REFUSED, USAGE = 0, 1, 2

Call = tuple[Callable[[], tuple[int, str]], int, str]
"""A command to run, the exit status it must have, and words it must say."""

# `tower run` where the clock goes ahead: what has expired is seen without waiting for it.
RUN_AHEAD = """
import sys
import agent.clock
from agent.cli.main import main
real = agent.clock.SystemClock.now_ms
agent.clock.SystemClock.now_ms = lambda self: real(self) + {ahead_ms}
sys.exit(main(["run"]))
"""


class CommandedAgent(AgentProcess):
    """An agent with further settings, which may live in the future."""

    def __init__(self, directory: Path, name: str, **options: str) -> None:
        super().__init__(directory, name, **options)
        self.settings: dict[str, str] = {"XDG_CONFIG_HOME": str(directory / f"{name}-config")}

    def start_ahead(self, ahead_s: int) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN_AHEAD.format(ahead_ms=ahead_s * 1000)],
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        wait_until(f"{self.name} is ready", lambda: self.status("/readyz") == 200, self.tail)

    def cli(self, *words: str, stdin: str = "", **environment: str) -> tuple[int, str]:
        """Exit status and all that was said by a command that asks this agent, which never is a traceback."""
        target = {"TOWER_SERVER": self.url, "TOWER_CA": str(self.ca)}
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", *words],
            env={**self._environment(), **target, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        return done.returncode, said

    def events(self) -> list[dict[str, Any]]:
        """What it has logged. A line that is none of its own fails the test."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), **getattr(self, "settings", {})}


@contextlib.contextmanager
def running(directory: Path, *names: str, **options: str) -> Iterator[list[CommandedAgent]]:
    """Agents that are killed at the end, whatever happened."""
    made = [CommandedAgent(directory, name, **options) for name in names]
    try:
        yield made
    finally:
        for agent in made:
            agent.kill()


def differing(calls: list[Call]) -> list[str]:
    """Make the calls, two at a time, and return what is not as each expects: nothing when all is well."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda call: call[0](), calls))
    return [
        f"expected {status} with {words!r}, got {answer[0]}: {answer[1]}"
        for (_, status, words), answer in zip(calls, answers, strict=True)
        if answer[0] != status or words not in answer[1]
    ]

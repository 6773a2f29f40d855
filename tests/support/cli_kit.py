"""The command line in this process, against a server that answers as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.support.stub_api import StubApi, stub_api

Tower = Callable[..., tuple[int, str, str]]
"""Runs `tower` with these words: its status, what it printed, what it complained of."""


@contextmanager
def served_cli(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    """A server that `tower` talks to by what its environment says, with no configuration of its own."""
    with stub_api(directory / "api") as made:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(directory / "config"))
        monkeypatch.setenv("TOWER_SERVER", made.url)
        monkeypatch.setenv("TOWER_CA", str(made.ca_file))
        monkeypatch.setenv("TOWER_TOKEN", "t0")
        yield made


def captured_cli(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    """`tower` as it is called by a test; what it prints need not be text."""

    def run(*words: str) -> tuple[int, str, str]:
        capsysbinary.readouterr()
        status = main(words)
        captured = capsysbinary.readouterr()
        return status, captured.out.decode(errors="surrogateescape"), captured.err.decode()

    return run

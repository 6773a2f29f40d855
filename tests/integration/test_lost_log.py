"""A host whose log directory is gone may not go on as the member it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.agent_process import AgentProcess


@pytest.mark.parametrize("command", [("run",), ("recover", "--yes-lose-unreplicated-writes")])
def test_a_member_without_its_log_does_not_start_an_empty_one(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    agent = AgentProcess(tmp_path, "n1")
    agent.init()
    shutil.rmtree(agent.directory / "log")
    refused = agent.tower(*command, check=False)
    assert refused.returncode == 1
    assert "entries and vote are lost" in refused.stderr
    assert not (agent.directory / "log").exists()

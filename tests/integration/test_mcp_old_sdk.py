"""MCP as programs of the SDK's 1.x line see it, over every transport, against a running agent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_process import AgentProcess, agents
from tests.support.requirements import require_old_sdk
from tests.support.tool_names import tools_of

PATHS = {"streamable-http": "/mcp", "sse": "/sse", "stdio": ""}
DEPLOYMENT = "name: x\nservices: {a: {image: b}}"
UNREADABLE = "name: x\nservices:\n  web:\n    imag: nginx\n"


@dataclass(frozen=True, slots=True)
class OldClient:
    """A program of the old line, with an agent to call and a file with a token of each role."""

    python: str
    script: str
    agent: AgentProcess
    tokens: dict[str, Path]

    def ask(self, transport: str, role: str, *calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        """Return what one session came to: the protocol, the tools and the result of each call."""
        server = ["--server", self.agent.url, "--ca", str(self.agent.ca)]
        task = {
            "transport": transport,
            "url": f"{self.agent.url}{PATHS[transport]}",
            "ca": str(self.agent.ca),
            "token": self.tokens[role].read_text(),
            "program": [
                sys.executable, "-m", "agent.cli", "mcp", *server, "--token", f"@{self.tokens[role]}"
            ],
            "calls": calls,
        }  # fmt: skip
        done = subprocess.run(
            [self.python, self.script],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldClient]:
    python, script = require_old_sdk()
    directory = tmp_path_factory.mktemp("old")
    with agents(directory, "alpha") as (one,):
        one.init()
        one.start()
        admin = one.login()
        tokens = {}
        for role in ("viewer", "operator"):
            body = {"name": role, "role": role, "ttl_s": 3600}
            status, answer = one.request("POST", "/api/v1/tokens", body, token=admin)
            assert status == 201, answer
            tokens[role] = directory / f"{role}.token"
            tokens[role].write_text(answer["token"])
        yield OldClient(python, script, one, tokens)


@pytest.mark.parametrize("transport", PATHS)
def test_an_old_program_lists_and_calls_and_is_refused_in_words(old: OldClient, transport: str) -> None:
    answer = old.ask(
        transport, "viewer", ("get-cluster-status", {}), ("deploy-rolling", {"compose": DEPLOYMENT})
    )
    assert answer["protocol"] == "2025-11-25"
    assert answer["tools"] == tools_of("viewer")
    status, refused = answer["results"]
    assert not status["isError"]
    assert status["structuredContent"]["leader"] == "alpha"
    assert json.loads(status["content"][0]["text"]) == status["structuredContent"]
    assert refused["isError"]
    assert "allowed" in refused["content"][0]["text"].lower()


def test_an_old_program_is_told_the_line_of_a_wrong_compose_file(old: OldClient) -> None:
    answer = old.ask("streamable-http", "operator", ("deploy-rolling", {"compose": UNREADABLE}))
    assert answer["tools"] == tools_of("operator")
    (refused,) = answer["results"]
    assert refused["isError"]
    assert "line 4" in refused["content"][0]["text"]
    assert "nothing was changed" in refused["content"][0]["text"]

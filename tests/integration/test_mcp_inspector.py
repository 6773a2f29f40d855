"""MCP as the Inspector's command line sees it: a client not written in Python, against a running agent."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_process import AgentProcess, agents
from tests.support.requirements import require_inspector
from tests.support.tool_names import tools_of

ROLES = ("viewer", "operator", "admin")
# The Inspector's exit statuses (its README, "Exit codes").
NOT_ALLOWED, UNREACHABLE, TOOL_FAILED = 3, 4, 5


@dataclass(frozen=True, slots=True)
class Inspector:
    """The Inspector's command line, with an agent to call and a token of each role."""

    node: str
    script: str
    home: Path
    agent: AgentProcess
    tokens: dict[str, str]

    def run(
        self, transport: str, token: str, method: str, *options: str, trusted: Path | None
    ) -> subprocess.CompletedProcess[str]:
        """Run one method over `transport`. `trusted` is the CA that Node is told of."""
        path = {"http": "/mcp", "sse": "/sse"}[transport]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "NODE_COMPILE_CACHE": str(self.home / "compiled"),
        }
        if trusted is not None:
            environment["NODE_EXTRA_CA_CERTS"] = str(trusted)
        where = [f"{self.agent.url}{path}", "--transport", transport]
        who = ["--header", f"Authorization: Bearer {token}", "--stored-auth-only"]
        return subprocess.run(
            [self.node, self.script, "--cli", *where, *who, "--format", "json", "--method", method, *options],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, transport: str, role: str, method: str, *options: str) -> Any:
        """Return the result of one method that is expected to do well."""
        done = self.run(transport, self.tokens[role], method, *options, trusted=self.agent.ca)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["result"]

    def refused(
        self, transport: str, token: str, method: str, *options: str, trusted: Path | None
    ) -> tuple[int, str]:
        """Return the exit status and the words of one method that is expected to be refused."""
        done = self.run(transport, token, method, *options, trusted=trusted)
        return done.returncode, done.stderr


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspector]:
    node, script = require_inspector()
    with agents(tmp_path_factory.mktemp("inspected"), "alpha") as (one,):
        one.init()
        one.start()
        admin = one.login()
        tokens = {}
        for role in ROLES:
            body = {"name": role, "role": role, "ttl_s": 3600}
            status, answer = one.request("POST", "/api/v1/tokens", body, token=admin)
            assert status == 201, answer
            tokens[role] = answer["token"]
        yield Inspector(node, script, tmp_path_factory.mktemp("home"), one, tokens)


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("role", ROLES)
def test_a_token_of_each_role_lists_and_calls_its_tools(
    inspector: Inspector, transport: str, role: str
) -> None:
    def call() -> Any:
        options = ("--tool-name", "get-cluster-status", "--tool-args-json", "{}")
        return inspector.ask(transport, role, "tools/call", *options)

    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        listed = inspector.ask(transport, role, "tools/list", "--strict")
        called = calling.result()
    assert [tool["name"] for tool in listed["tools"]] == tools_of(role)
    assert called["structuredContent"]["leader"] == "alpha"
    assert json.loads(called["content"][0]["text"]) == called["structuredContent"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_both_eras_of_the_protocol_are_spoken(inspector: Inspector, era: str) -> None:
    options = ("--protocol-era", era, "--tool-name", "list-nodes", "--tool-args-json", "{}")
    called = inspector.ask("http", "viewer", "tools/call", *options)
    assert [node["name"] for node in called["structuredContent"]["nodes"]] == ["alpha"]


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_viewer_s_deployment_is_refused_in_words(inspector: Inspector, transport: str) -> None:
    arguments = json.dumps({"compose": "name: x\nservices: {a: {image: b}}"})
    options = ("--tool-name", "deploy-rolling", "--tool-args-json", arguments)
    token = inspector.tokens["viewer"]
    status, words = inspector.refused(transport, token, "tools/call", *options, trusted=inspector.agent.ca)
    # The Inspector looks the tool up first, and a viewer's list has it not.
    assert (status, "Tool 'deploy-rolling' not found" in words) == (TOOL_FAILED, True), words


def test_a_refused_deployment_comes_back_with_line_and_rule(inspector: Inspector) -> None:
    arguments = json.dumps({"compose": "name: x\nservices:\n  web:\n    imag: nginx\n"})
    options = ("--tool-name", "deploy-rolling", "--tool-args-json", arguments)
    done = inspector.run(
        "http", inspector.tokens["operator"], "tools/call", *options, trusted=inspector.agent.ca
    )
    assert done.returncode == TOOL_FAILED
    assert "line 4" in done.stdout + done.stderr
    assert "nothing was changed" in done.stdout + done.stderr


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_wrong_token_is_told_from_a_host_that_does_not_answer(inspector: Inspector, transport: str) -> None:
    status, words = inspector.refused(transport, "tower_wrong", "tools/list", trusted=inspector.agent.ca)
    assert (status, "401" in words or "Not logged in" in words) == (NOT_ALLOWED, True), words


def test_without_the_cluster_s_ca_nothing_is_sent(inspector: Inspector) -> None:
    status, words = inspector.refused("http", inspector.tokens["admin"], "tools/list", trusted=None)
    assert (status, "unable to verify" in words) == (UNREACHABLE, True), words

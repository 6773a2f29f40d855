"""MCP as a client sees it: the official SDK's client against a running agent, over every transport."""

from __future__ import annotations

import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.support.agent_process import AgentProcess, agents
from tests.support.tool_names import tools_of

ROLES = ("viewer", "operator", "admin")
TRANSPORTS = ("streamable-http", "sse", "stdio")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    with agents(tmp_path_factory.mktemp("mcp"), "alpha") as (one,):
        one.init()
        one.start()
        yield one


@pytest.fixture(scope="module")
def tokens(agent: AgentProcess) -> dict[str, str]:
    admin = agent.login()
    made = {}
    for role in ROLES:
        body = {"name": role, "role": role, "ttl_s": 3600}
        status, answer = agent.request("POST", "/api/v1/tokens", body, token=admin)
        assert status in (200, 201), answer
        made[role] = answer["token"]
    return made


@cache
def trusting(ca: str) -> ssl.SSLContext:
    """One for all sessions: making it takes a tenth of a second."""
    return ssl.create_default_context(cafile=ca)


@asynccontextmanager
async def connected(
    agent: AgentProcess, transport: str, token: str, tmp_path: Path, *, bounds: str = ""
) -> AsyncIterator[ClientSession]:
    """A session over one transport; `bounds` is the end of the address, as "/readonly"."""
    context = trusting(str(agent.ca))
    headers = {"Authorization": f"Bearer {token}"}
    if transport == "streamable-http":
        async with (
            httpx2.AsyncClient(verify=context, headers=headers, timeout=30) as http,
            streamable_http_client(f"{agent.url}/mcp{bounds}", http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            yield session
    elif transport == "sse":

        def client(**given: Any) -> httpx2.AsyncClient:
            return httpx2.AsyncClient(
                verify=context, headers=given.get("headers"), timeout=given.get("timeout")
            )

        async with (
            sse_client(f"{agent.url}/sse{bounds}", headers=headers, httpx_client_factory=client) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            yield session
    else:
        token_file = tmp_path / "token"
        token_file.write_text(token)
        options = ["--server", agent.url, "--ca", str(agent.ca), "--token", f"@{token_file}"]
        program = StdioServerParameters(
            command=sys.executable, args=["-m", "agent.cli", "mcp", *options], env=dict(os.environ)
        )
        async with stdio_client(program) as streams, ClientSession(streams[0], streams[1]) as session:
            await session.initialize()
            yield session


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("role", ROLES)
async def test_each_role_sees_and_calls_its_tools_over_each_transport(
    agent: AgentProcess, tokens: dict[str, str], transport: str, role: str, tmp_path: Path
) -> None:
    async with connected(agent, transport, tokens[role], tmp_path) as session:
        names = [tool.name for tool in (await session.list_tools()).tools]
        assert names == tools_of(role)
        assert ("deploy-rolling" in names) is (role != "viewer")
        status = await session.call_tool("get-cluster-status", {})
        assert not status.is_error
        assert status.structured_content is not None
        assert status.structured_content["leader"] == "alpha"


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_an_address_bounds_the_tools_of_its_whole_session(
    agent: AgentProcess, tokens: dict[str, str], transport: str, tmp_path: Path
) -> None:
    async with connected(agent, transport, tokens["admin"], tmp_path, bounds="/x/deploy,readonly") as session:
        names = {tool.name for tool in (await session.list_tools()).tools}
        assert "get-deploy-status" in names
        assert not {"deploy-rolling", "list-nodes"} & names
        hidden = await session.call_tool("list-nodes", {})
        assert hidden.is_error
        assert "not among the toolsets" in hidden.content[0].text


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_resources_prompts_and_completions_reach_the_client(
    agent: AgentProcess, tokens: dict[str, str], transport: str, tmp_path: Path
) -> None:
    async with connected(agent, transport, tokens["viewer"], tmp_path) as session:
        listed = await session.list_resources()
        assert "tower://health" in [str(each.uri) for each in listed.resources]
        health = json.loads((await session.read_resource("tower://health")).contents[0].text)
        assert [host["name"] for host in health["hosts"]] == ["alpha"]
        assert len((await session.list_resource_templates()).resource_templates) > 3
        assert "capacity-review" in [each.name for each in (await session.list_prompts()).prompts]
        filled = await session.get_prompt("why-is-it-slow", {"subject": "alpha"})
        assert "why alpha is slow" in filled.messages[0].content.text
        reference = types.ResourceTemplateReference(type="ref/resource", uri="tower://services/{service}")
        completed = await session.complete(reference, {"name": "node", "value": "al"})
        assert completed.completion.values == ["alpha"]


async def test_a_tool_of_a_higher_role_is_refused_in_words(
    agent: AgentProcess, tokens: dict[str, str], tmp_path: Path
) -> None:
    async with connected(agent, "streamable-http", tokens["viewer"], tmp_path) as session:
        refused = await session.call_tool("deploy-rolling", {"compose": "name: x\nservices: {a: {image: b}}"})
        assert refused.is_error
        assert "allowed" in refused.content[0].text.lower()


async def test_a_wrong_compose_file_comes_back_with_line_and_rule(
    agent: AgentProcess, tokens: dict[str, str], tmp_path: Path
) -> None:
    async with connected(agent, "streamable-http", tokens["operator"], tmp_path) as session:
        text = "name: x\nservices:\n  web:\n    imag: nginx\n"
        refused = await session.call_tool("deploy-rolling", {"compose": text})
        assert refused.is_error
        assert "line 4" in refused.content[0].text
        assert "nothing was changed" in refused.content[0].text


@pytest.mark.parametrize("token", ["", "tower_wrong", "Bearer"])
async def test_a_stranger_is_turned_away(agent: AgentProcess, token: str) -> None:
    for method, path in (("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages")):
        status, answer = agent.request(method, path, None if method == "GET" else {}, token=token)
        assert status == 401, answer


@pytest.mark.parametrize("body", ["not an object", 7, [], {"jsonrpc": "1.0"}, {"method": "x" * 10_000}])
async def test_a_malformed_message_is_a_client_s_error(
    agent: AgentProcess, tokens: dict[str, str], body: object
) -> None:
    status, _ = agent.request("POST", "/mcp", body, token=tokens["viewer"])
    assert 400 <= status < 500


async def test_a_stream_takes_messages_of_whose_it_is_alone_and_as_long_as_its_token_holds(
    agent: AgentProcess,
) -> None:
    admin = agent.login()
    eve = {"name": "eve", "password": "blue-otter-umbrella-42"}
    assert agent.request("POST", "/api/v1/users", {**eve, "role": "admin"}, token=admin)[0] in (200, 201)
    status, login = agent.request("POST", "/api/v1/auth/login", {**eve, "mode": "token"})
    assert status == 200, login
    body = {"name": "streaming", "role": "operator", "ttl_s": 3600}
    made = agent.request("POST", "/api/v1/tokens", body, token=admin)[1]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with (
        httpx2.AsyncClient(verify=trusting(str(agent.ca)), timeout=30) as http,
        http.stream(
            "GET", f"{agent.url}/sse", headers={"Authorization": f"Bearer {made['token']}"}
        ) as stream,
    ):
        lines = stream.aiter_lines()
        messages = ""
        while not messages:
            messages = (await anext(lines)).partition("data: ")[2]
        assert messages.startswith("/messages?session_id=")

        async def post(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return (await http.post(f"{agent.url}{messages}", json=ping, headers=headers)).status_code

        assert await post(made["token"]) == 202
        # Also to an administrator it is as if there were no such stream.
        assert await post(login["access_token"]) == 404
        assert await post("") == 401
        status, answer = agent.request("DELETE", f"/api/v1/tokens/{made['prefix']}", token=admin)
        assert status in (200, 204), answer
        assert await post(made["token"]) == 401

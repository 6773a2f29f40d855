"""Sessions of the official SDK's client with the servers that the benchmark `mcp` asks, by each transport."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.benchmarks.process_figures import private_mib
from tests.support.lab import Host, LabAgents, url_of

ANCHOR = "mcp-server-docker"
ANCHOR_PROGRAM = Path(__file__).parent / "mcp_server_docker/.venv/bin/mcp-server-docker"
LEGACY = "legacy"
TIMEOUT_S = 30.0
TOKEN_CHARACTERS = 4

# The shell notes its process number, which stays the same when it becomes the program.
_NOTED = ("/bin/sh", "-c", 'echo $$ >"$0"; exec "$@"')


class Refused(Exception):
    """A server answered a call with an error; the text is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much a model reads: so many things, as this text."""

    count: int
    text: str

    @property
    def tokens(self) -> float:
        """As by the rule of thumb: four characters each."""
        return len(self.text) / TOKEN_CHARACTERS

    @property
    def bytes(self) -> int:
        return len(self.text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session, and how its server's tool is called that lists containers.

    `key` is where the answer holds them. `pid_file` names the program that the client started, if it did.
    """

    client: Client
    tool: str = "list-containers"
    key: str = "containers"
    pid_file: Path | None = None

    @property
    def program_mib(self) -> float:
        """Private memory of the program that the client started."""
        assert self.pid_file is not None, "it started one"
        return private_mib([int(self.pid_file.read_text())])

    async def list_tools(self) -> Size:
        """Ask for the tools. What was not sent is not counted."""
        tools = (await self.client.list_tools(cache_mode="bypass")).tools
        sent = [tool.model_dump(mode="json", by_alias=True, exclude_unset=True) for tool in tools]
        return Size(count=len(sent), text=json.dumps(sent, separators=(",", ":"), ensure_ascii=False))

    async def list_containers(self) -> Size:
        """Ask for the containers. Raises Refused."""
        result = await self.call()
        assert result.structured_content is not None, "both servers answer with data as well"
        return Size(count=len(result.structured_content[self.key]), text=_text_of(result))

    async def call(self) -> CallToolResult:
        """Call the tool. Raises Refused."""
        result = await self.client.call_tool(self.tool, {})
        if result.is_error:
            raise Refused(f"{self.tool}: {_text_of(result)[:500]}")
        return result


@asynccontextmanager
async def over_streamable_http(agents: LabAgents, host: Host, *, mode: str) -> AsyncIterator[Session]:
    """With the agent of a host. `mode` is a version of the protocol, or LEGACY: the last with a handshake."""
    async with _http(agents, headers=_headers(agents)) as http:
        transport = streamable_http_client(f"{url_of(host)}/mcp", http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=TIMEOUT_S) as client:
            yield Session(client=client)


@asynccontextmanager
async def over_sse(agents: LabAgents, host: Host) -> AsyncIterator[Session]:
    """With the agent of a host, over HTTP+SSE."""

    def http(**given: Any) -> httpx2.AsyncClient:
        return _http(agents, headers=given["headers"])

    transport = sse_client(f"{url_of(host)}/sse", headers=_headers(agents), httpx_client_factory=http)
    async with Client(transport, mode=LEGACY, read_timeout_seconds=TIMEOUT_S) as client:
        yield Session(client=client)


@asynccontextmanager
async def with_tower(agents: LabAgents, host: Host, directory: Path) -> AsyncIterator[Session]:
    """With `tower mcp`, which passes everything on to the agent of a host."""
    pid_file = directory / "tower.pid"
    async with _started(_tower_mcp(agents, host, directory), pid_file, {}) as client:
        yield Session(client=client, pid_file=pid_file)


@asynccontextmanager
async def with_anchor(host: Host, directory: Path) -> AsyncIterator[Session]:
    """With the other server, on the Docker of a host."""
    pid_file = directory / "anchor.pid"
    async with _started([str(ANCHOR_PROGRAM)], pid_file, {"DOCKER_HOST": host.docker_host}) as client:
        yield Session(client=client, tool="list_containers", key="result", pid_file=pid_file)


def _tower_mcp(agents: LabAgents, host: Host, directory: Path) -> list[str]:
    token, ca = directory / "token", directory / "ca.pem"
    token.touch(mode=0o600)
    token.write_text(agents.token)
    ca.write_text(agents.ca_pem)
    options = ["--server", url_of(host), "--ca", str(ca), "--token", f"@{token}"]
    return [sys.executable, "-m", "agent.cli", "mcp", *options]


@asynccontextmanager
async def _started(
    argv: Sequence[str], pid_file: Path, environment: Mapping[str, str]
) -> AsyncIterator[Client]:
    command, *arguments = [*_NOTED, str(pid_file), *argv]
    program = StdioServerParameters(command=command, args=arguments, env={**environment})
    with pid_file.with_suffix(".log").open("w") as log:
        async with Client(stdio_client(program, errlog=log), read_timeout_seconds=TIMEOUT_S) as client:
            yield client


def _http(agents: LabAgents, *, headers: Mapping[str, str]) -> httpx2.AsyncClient:
    trusted = ssl.create_default_context(cadata=agents.ca_pem)
    return httpx2.AsyncClient(verify=trusted, headers=headers, timeout=TIMEOUT_S)


def _headers(agents: LabAgents) -> dict[str, str]:
    return {"Authorization": f"Bearer {agents.token}"}


def _text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))

"""A hundred MCP clients of one agent at once, and clients that are killed while they wait."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import web
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from cluster.model.access import Role
from cluster.model.inventory import Caller
from tests.support.agent_process import AgentProcess, agents, wait_until
from tests.support.tool_names import tools_of
from tests.support.web_fakes import FakeHosts, WebWorld, a_container, a_web_world, put_containers
from web.server import build_app

SESSIONS_EACH = 50
GROWTH_BYTES_MAX = 8 << 20
"""Of a second hundred sessions: each that were not given back would cost a tenth of a megabyte and more."""
PATIENCE_S = 60.0


# ---- a hundred at once


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    with agents(tmp_path_factory.mktemp("crowded"), "alpha") as (one,):
        one.init()
        one.start()
        yield one


@asynccontextmanager
async def connected(
    transport: str, url: str, token: str, tls: ssl.SSLContext
) -> AsyncIterator[ClientSession]:
    headers = {"Authorization": f"Bearer {token}"}

    def client(**given: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(verify=tls, headers=given.get("headers"), timeout=PATIENCE_S)

    if transport == "sse":
        async with (
            sse_client(
                f"{url}/sse", headers=headers, timeout=PATIENCE_S, httpx_client_factory=client
            ) as streams,
            ClientSession(*streams) as session,
        ):
            yield session
        return
    async with (
        client(headers=headers) as http,
        streamable_http_client(f"{url}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        yield session


async def a_hundred_sessions(agent: AgentProcess, token: str) -> list[tuple[int, str]]:
    """Open all, then have each list and call, then close all. Returns how many tools and which leader each
    saw."""
    tls = ssl.create_default_context(cafile=str(agent.ca))
    all_are = asyncio.Barrier(2 * SESSIONS_EACH)
    seen: list[tuple[int, str]] = []

    async def one(transport: str) -> None:
        async with connected(transport, agent.url, token, tls) as session:
            await session.initialize()
            await all_are.wait()
            tools = await session.list_tools()
            status = await session.call_tool("get-cluster-status", {})
            assert status.structured_content is not None, status.content
            seen.append((len(tools.tools), status.structured_content["leader"]))
            await all_are.wait()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for _ in range(SESSIONS_EACH):
            group.create_task(one("sse"))
            group.create_task(one("streamable-http"))
    return seen


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def open_sockets(pid: int) -> int:
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # One may be closed while we look.
        with contextlib.suppress(FileNotFoundError):
            found += str(each.readlink()).startswith("socket:")
    return found


async def test_a_hundred_sessions_at_once_are_served_and_leave_nothing_behind(agent: AgentProcess) -> None:
    admin = await asyncio.to_thread(agent.login)
    body = {"name": "crowd", "role": "viewer", "ttl_s": 3600}
    status, made = await asyncio.to_thread(agent.request, "POST", "/api/v1/tokens", body, token=admin)
    assert status == 201, made
    sockets = open_sockets(agent.pid)
    resident = []
    for _ in range(2):
        seen = await a_hundred_sessions(agent, made["token"])
        assert seen == [(len(tools_of("viewer")), "alpha")] * (2 * SESSIONS_EACH)
        await asyncio.to_thread(
            wait_until, "its connections are closed", lambda: open_sockets(agent.pid) <= sockets, agent.tail
        )
        resident.append(resident_bytes(agent.pid))
    # The first hundred pay for the SDK and for what lasts.
    assert resident[1] - resident[0] < GROWTH_BYTES_MAX, resident


# ---- killed while they wait


class StillHosts(FakeHosts):
    """Hosts that never say what a container is."""

    def __init__(self, world: WebWorld) -> None:
        super().__init__(inventories=world.hosts.inventories, now_ms=world.clock.now_ms)
        self.asked: asyncio.Queue[None] = asyncio.Queue(maxsize=1)
        self.left: asyncio.Queue[None] = asyncio.Queue(maxsize=1)

    async def inspect(self, node_id: str, container_id: str, *, caller: Caller) -> Mapping[str, object]:
        await self.asked.put(None)
        try:
            await asyncio.Event().wait()
        finally:
            self.left.put_nowait(None)
        raise AssertionError("nothing ends the wait")


class Socket:
    """One connection, as of a program that can be killed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await self._writer.drain()

    async def until(self, part: str) -> str:
        """Return the line that has `part`."""
        async with asyncio.timeout(30):
            while part not in (line := (await self._reader.readline()).decode()):
                assert line, "the connection was closed"
            return line

    def abort(self) -> None:
        self._writer.transport.abort()


def a_call(era: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What one sends to look at a container: headers and message."""
    params: dict[str, Any] = {"name": "get-container", "arguments": {"container": "web"}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
    }
    if era == "2026-07-28":
        key = "io.modelcontextprotocol"
        params["_meta"] = {
            f"{key}/protocolVersion": era,
            f"{key}/clientInfo": {"name": "mortal", "version": "1"},
            f"{key}/clientCapabilities": {},
        }
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "get-container"}
    return headers, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}


async def kill_while_waiting(wire: str, port: int, hosts: StillHosts, authorization: dict[str, str]) -> None:
    """Return once a client was killed that waited for an answer, and nobody looks for it any more."""
    sockets = [Socket(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
    calling, stream = sockets
    headers, call = a_call("2025-11-25" if wire == "sse" else wire)
    path = "/mcp"
    if wire == "sse":
        await stream.send("GET", "/sse", {**authorization, "Accept": "text/event-stream"})
        path = (await stream.until("data: ")).removeprefix("data: ").strip()
        client = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "m", "version": "1"},
        }
        begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
        for message in (begin, {"jsonrpc": "2.0", "method": "notifications/initialized"}):
            await calling.send("POST", path, {**authorization, **headers}, message)
            await calling.until("202 Accepted")
        await stream.until("serverInfo")
    await calling.send("POST", path, {**authorization, **headers}, call)
    async with asyncio.timeout(30):
        await hosts.asked.get()
        for each in sockets:
            each.abort()
        await hosts.left.get()


@asynccontextmanager
async def served_as_by_an_agent(world: WebWorld) -> AsyncIterator[int]:
    """The port of a server that, as an agent's and unlike a test's, does not cancel whoever is not read."""
    runner = web.AppRunner(build_app(world.surroundings), shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def begun_since(before: set[asyncio.Task[Any]]) -> list[str]:
    """The tasks that were not there, but for what lasts: the manager of sessions, and a watcher of the
    process's end, which sse-starlette keeps one of for each thread."""
    begun = asyncio.all_tasks() - before
    told = [f"{task.get_name()}: {task.get_coro()}" for task in begun if task.get_name() != "mcp-sessions"]
    return [each for each in told if "_shutdown_watcher" not in each]


# The SDK leaves the streams between its tasks to the garbage collector when it is cancelled.
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
@pytest.mark.parametrize("wire", ["sse", "2025-11-25", "2026-07-28"])
async def test_a_client_that_is_killed_while_it_waits_leaves_nothing_running(wire: str) -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web"))
    authorization = {"Authorization": f"Bearer {world.add_api_token(world.add_user('ann', Role.ADMIN))}"}
    hosts = world.hosts = StillHosts(world)
    async with served_as_by_an_agent(world) as port:
        before = asyncio.all_tasks()
        for _ in range(5):
            await kill_while_waiting(wire, port, hosts, authorization)
        until_s = time.monotonic() + 30
        while left := begun_since(before):
            assert time.monotonic() < until_s, left
            await asyncio.sleep(0.02)
    gc.collect()

"""MCP's own conformance suite: all of it against the bridge, and against an agent what it is known to lack.

The suite asks for tools, prompts and resources of certain names. A server that has them, behind our bridge,
shows that the bridge loses nothing; an agent has its own, and `baseline-ERA.yml` says of each check that
fails there why. The suite itself fails on what fails and is not listed, and on what is listed and passes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from tests.support import conformance
from tests.support.agent_process import AgentProcess, agents
from tests.support.conformance.everything_server import Events, everything_server
from tests.support.gateway import gateway_to
from tests.support.requirements import require_conformance
from web.mcp.bridge import AsgiBridge

ERAS = ("2025-11-25", "2026-07-28")
SCENARIOS = {"2025-11-25": 33, "2026-07-28": 40}
"""How many the suite has for a server: none is left out unseen."""
BASELINES = Path(conformance.__file__).parent
SCENARIO_LIMIT_MS = 30_000
SUITE_LIMIT_S = 110.0

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
"""What 2026-07-28 deprecates is served to clients of before."""


async def run_suite(era: str, server: TestServer, directory: Path, *options: str) -> tuple[int, str]:
    """Return the suite's exit status and what it said."""
    node, script = require_conformance()
    process = await asyncio.create_subprocess_exec(
        node,
        script,
        "server",
        *("--url", str(server.make_url("/mcp"))),
        *("--suite", "all", "--spec-version", era),
        *("--timeout", str(SCENARIO_LIMIT_MS), "-o", str(directory)),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SUITE_LIMIT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, re.sub(r"\x1b\[[0-9;]*m", "", said.decode())


def summary_of(said: str) -> str:
    return said.partition("=== SUMMARY ===")[2]


@asynccontextmanager
async def everything() -> AsyncIterator[TestServer]:
    """The server that has all the suite asks for, with sessions, behind the bridge."""
    local = TransportSecuritySettings(allowed_hosts=["127.0.0.1:*"], allowed_origins=["http://127.0.0.1:*"])
    manager = StreamableHTTPSessionManager(
        everything_server(), event_store=Events(), retry_interval=100, security_settings=local
    )
    stopping = asyncio.Event()
    app = web.Application()
    bridge = AsgiBridge(manager.handle_request, stopping, lambda _request: {})
    app.router.add_route("*", "/mcp", bridge.__call__)
    server = TestServer(app, host="127.0.0.1")
    async with manager.run():
        await server.start_server()
        try:
            yield server
        finally:
            stopping.set()
            await server.close()


@pytest.mark.parametrize("era", ERAS)
async def test_the_bridge_loses_nothing_of_the_protocol(era: str, tmp_path: Path) -> None:
    async with everything() as server:
        status, said = await run_suite(era, server, tmp_path)
    summary = summary_of(said)
    assert (status, ", 0 failed" in summary.splitlines()[-1]) == (0, True), summary
    # The last ", 0 failed" is that of the total.
    assert summary.count(", 0 failed") == SCENARIOS[era] + 1, summary


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    require_conformance()
    with agents(tmp_path_factory.mktemp("conforming"), "alpha") as (one,):
        one.init()
        one.start()
        yield one


@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_fails_what_its_baseline_says_and_nothing_else(
    agent: AgentProcess, era: str, tmp_path: Path
) -> None:
    token = await asyncio.to_thread(agent.login)
    baseline = BASELINES / f"baseline-{era}.yml"
    tls = ssl.create_default_context(cafile=str(agent.ca))
    async with gateway_to(agent.url, token=token, tls=tls) as gateway:
        status, said = await run_suite(era, gateway, tmp_path, "--expected-failures", str(baseline))
    assert status == 0, summary_of(said)


@pytest.mark.parametrize("era", ERAS)
def test_every_expected_failure_stands_under_its_reason(era: str) -> None:
    lines = (BASELINES / f"baseline-{era}.yml").read_text().splitlines()
    entries = lines[lines.index("server:") + 1 :]
    assert entries[0].startswith("  # ")
    assert all(re.fullmatch(r"  # \w.{20,}|  - [a-z0-9-]+:[a-z0-9-]+", line) for line in entries)

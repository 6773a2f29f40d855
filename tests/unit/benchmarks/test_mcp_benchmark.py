"""The benchmark `mcp`: what it counts of an answer, and what it says with the other server and without."""

from __future__ import annotations

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from tests.benchmarks.mcp_endpoint import Found, Memory, Server, finding
from tests.benchmarks.mcp_sessions import Refused, Session, Size

OURS = {"/mcp, 2026-07-28": (2.0, 4.0), "stdio": (6.0, 8.0)}


def a_server(version: str, times_ms: dict[str, tuple[float, ...]]) -> Server:
    return Server(
        version=version,
        listed=Size(count=2, text="x" * 400),
        answered=Size(count=20, text="ü" * 40),
        times_ms=times_ms,
        program_mib=50.0,
    )


def a_found(anchor: Server | None) -> Found:
    return Found(
        first_ms=900.0,
        memory=Memory(before_mib=60.0, first_mib=85.5, after_mib=88.0, unasked_mib=0.5),
        ours=a_server("1", OURS),
        anchor=anchor,
    )


def test_the_other_server_stands_beside_the_transport_that_it_has() -> None:
    told = finding(a_found(a_server("0.3.0", {"stdio": (30.0, 50.0)})), rounds=2)
    rows = {row.what: (row.ours, row.anchor) for row in told.rows}
    assert rows["call over /mcp, 2026-07-28, p50"] == ("2.0 ms", "")
    assert rows["call over stdio, p95"] == ("8.0 ms", "50.0 ms")
    assert rows["answer of a call"] == ("10 tokens, 80 bytes", "10 tokens, 80 bytes")
    assert any("mcp-server-docker 0.3.0" in note for note in told.notes)


def test_what_the_endpoint_added_to_the_agent_is_told_by_the_calls_that_were_made() -> None:
    rows = {row.what: row.ours for row in finding(a_found(None), rounds=2).rows}
    assert rows["agent before the first request"] == "60 MiB"
    assert rows["added to it after the first session"] == "25.5 MiB"
    assert rows["added to it after 4 calls"] == "28.0 MiB"


def test_without_the_other_server_ours_is_told_and_how_to_get_it() -> None:
    told = finding(a_found(None), rounds=2)
    assert {row.anchor for row in told.rows} == {""}
    assert any("packaging/bootstrap.sh python bench" in note for note in told.notes)


async def test_tools_are_counted_as_they_were_sent_and_a_refusal_ends_the_measurement() -> None:
    server = MCPServer("other")

    @server.tool(name="list-containers")
    def list_containers() -> list[str]:
        """All of them."""
        raise ToolError("no Docker here")

    async with Client(server) as client:
        session = Session(client=client)
        listed = await session.list_tools()
        assert listed.count == 1
        assert listed.text.startswith('[{"name":"list-containers"')
        assert "null" not in listed.text
        with pytest.raises(Refused, match="no Docker here"):
            await session.list_containers()

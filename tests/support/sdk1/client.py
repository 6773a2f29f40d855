"""One session of the SDK's 1.x line, in a program of its own: the two lines do not live in one environment.

Reads what to do from standard input as JSON: `transport`, `url`, `token`, `ca` or, over standard input and
output, the `program` to start, and the `calls` to make. Writes what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


@asynccontextmanager
async def connected(task: dict[str, Any]) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of one connection."""
    if task["transport"] == "stdio":
        program, *arguments = task["program"]
        async with stdio_client(StdioServerParameters(command=program, args=arguments)) as streams:
            yield streams
        return
    context = ssl.create_default_context(cafile=task["ca"])
    headers = {"Authorization": f"Bearer {task['token']}"}
    if task["transport"] == "sse":

        def client(**given: Any) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                verify=context, headers=given.get("headers"), timeout=given.get("timeout")
            )

        async with sse_client(task["url"], headers=headers, httpx_client_factory=client) as streams:
            yield streams
        return
    async with (
        httpx.AsyncClient(verify=context, headers=headers, timeout=30) as http,
        streamable_http_client(task["url"], http_client=http) as (incoming, outgoing, _),
    ):
        yield incoming, outgoing


async def carry_out(task: dict[str, Any]) -> dict[str, Any]:
    async with connected(task) as (incoming, outgoing), ClientSession(incoming, outgoing) as session:
        greeting = await session.initialize()
        tools = await session.list_tools()
        results = [await session.call_tool(name, arguments) for name, arguments in task["calls"]]
        return {
            "protocol": greeting.protocolVersion,
            "tools": [tool.name for tool in tools.tools],
            "results": [result.model_dump(mode="json", by_alias=True) for result in results],
        }


if __name__ == "__main__":
    json.dump(asyncio.run(carry_out(json.load(sys.stdin))), sys.stdout)

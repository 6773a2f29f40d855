"""`tower mcp`: the cluster's MCP endpoint on standard input and output, for clients that start a program."""

from __future__ import annotations

import argparse
import os
from typing import Any

from agent.cli.client import tls_context
from agent.cli.connection import chosen_context, resolve_target
from agent.cli.context import load_contexts
from agent.cli.failures import DONE, CommandFailed
from agent.cli.parsing import Verbs

_NAME = "control-tower"
_ANSWER_TIMEOUT_S = 120.0


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    verbs.add_parser(
        "mcp",
        help="the cluster's MCP tools on standard input and output",
        description="Speak MCP on standard input and output, and pass all of it on to the cluster's /mcp with"
        " the role of the token. For assistants that start a program instead of calling an address.",
    )


def run(args: argparse.Namespace) -> int:
    target = resolve_target(args, chosen_context(args, load_contexts(), os.environ), os.environ)
    if not target.access_token:
        raise CommandFailed(
            "there is no token to act with", hint="give --token @FILE, or log in: tower login"
        )
    import asyncio

    # Any host answers; the first that can be reached is as good as another.
    failures = []
    for server in target.servers:
        try:
            asyncio.run(_serve(server, target.ca_pem, target.access_token))
        except* (OSError, TimeoutError) as errors:
            failures.append(f"{server}: {_first(errors)}")
        else:
            return DONE
    raise CommandFailed("no host of the cluster can be reached: " + "; ".join(failures))


async def _serve(server_url: str, ca_pem: str, token: str) -> None:
    import httpx2
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    http = httpx2.AsyncClient(
        verify=tls_context(ca_pem),
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx2.Timeout(_ANSWER_TIMEOUT_S, connect=5.0),
    )
    async with (
        http,
        streamable_http_client(f"{server_url}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        greeting = await session.initialize()

        async def list_tools(_ctx: Any, _params: Any) -> Any:
            return await session.list_tools()

        async def call_tool(_ctx: Any, params: Any) -> Any:
            return await session.call_tool(params.name, params.arguments or {})

        server: Server[Any] = Server(
            _NAME,
            version=greeting.server_info.version,
            instructions=greeting.instructions,
            on_list_tools=list_tools,
            on_call_tool=call_tool,
        )
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

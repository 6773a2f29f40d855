"""`tower mcp`: the cluster's MCP endpoint on standard input and output, for clients that start a program."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from typing import Any

from agent.cli.client import Client, tls_context
from agent.cli.connection import connect
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
    client = connect(args)
    if not client.access_token:
        raise CommandFailed(
            "there is no token to act with", hint="give --token @FILE, or log in: tower login"
        )
    # In the words of every other command: whether a host is there, is trusted, and takes the token.
    client.get("/auth/me")
    import asyncio

    import httpx2
    from mcp import MCPError

    try:
        asyncio.run(_serve(client))
    except* (OSError, TimeoutError, httpx2.TransportError, MCPError) as errors:
        error = _first(errors)
        raise CommandFailed(
            f"{client.server} does not answer any more: {str(error) or type(error).__name__}",
            hint="let the assistant start this program again: it takes the next host that answers",
        ) from errors
    return DONE


async def _serve(client: Client) -> None:
    import asyncio

    import httpx2
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    class Bearer(httpx2.Auth):
        """The token of the moment: a login's lives ten minutes, an assistant's session longer."""

        async def async_auth_flow(
            self, request: httpx2.Request
        ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
            used = client.access_token
            request.headers["Authorization"] = f"Bearer {used}"
            response = yield request
            if response.status_code == httpx2.codes.UNAUTHORIZED:
                await asyncio.to_thread(_renew, client)
                if client.access_token != used:
                    request.headers["Authorization"] = f"Bearer {client.access_token}"
                    yield request

    http = httpx2.AsyncClient(
        verify=tls_context(client.ca_pem),
        auth=Bearer(),
        timeout=httpx2.Timeout(_ANSWER_TIMEOUT_S, connect=5.0),
    )
    async with (
        http,
        streamable_http_client(f"{client.server}/mcp", http_client=http) as streams,
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


def _renew(client: Client) -> None:
    """Let the client renew its login, as it does for every request that is refused for its age."""
    try:
        client.get("/auth/me")
    except CommandFailed:
        # The refusal that is being answered already says it.
        return


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

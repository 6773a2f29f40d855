"""Who may what at the MCP endpoints: every tool under every role, and nobody under the name of another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.commands.access import RemoveUser, RevokeApiToken
from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.store import records
from tests.support.deployments import deployed
from tests.support.tool_names import tools_of
from tests.support.web_fakes import (
    ORIGIN,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from tests.unit.web.test_web_hostile import MANY, tampered_tokens
from tests.unit.web.test_web_plans import QUICK
from tests.unit.web.test_web_toolsets import ARGUMENTS, Served
from web.tools.catalog import REGISTRY

ENDPOINTS = (("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages"), ("POST", "/mcp/readonly"))
TOKEN_LIFE_MS = 60_000
NOT_ALLOWED = "Not allowed"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
EVERY_TOOL = [tool.name for tool in REGISTRY.tools]


def a_world() -> WebWorld:
    """A cluster with something for every tool's sample to be about."""
    world = a_web_world()
    deployed(world, "nd_1")
    put_containers(world, "nd_1", a_container("web"))
    return world


@asynccontextmanager
async def served(role: Role = Role.OPERATOR) -> AsyncIterator[tuple[Served, dict[str, str]]]:
    """A server, and what a program of ann's sends."""
    world = a_world()
    until_ms = world.clock.now_ms() + TOKEN_LIFE_MS
    token = world.add_api_token(world.add_user("ann", role), role, expires_at_ms=until_ms)
    async with serving(world, pace=QUICK, limits=MANY) as client:
        yield Served(world, client, await log_in(client, "ann")), {"Authorization": f"Bearer {token}"}


async def said(server: Served, path: str, token: dict[str, str], tool: str) -> str:
    """What a call of a tool by its name is answered with."""
    arguments = ARGUMENTS.get(tool, {})
    result = (await server.ask(path, token, "tools/call", name=tool, arguments=arguments))["result"]
    words = str(result["content"][0]["text"])
    assert result["isError"] or not words.startswith(NOT_ALLOWED), words
    return words


# ---- roles


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
async def test_each_role_is_answered_by_its_tools_and_refused_by_all_others_though_it_knows_their_names(
    role: Role,
) -> None:
    async with served(role) as (server, token):
        listed = await server.names("/mcp", token)
        assert listed == tools_of(role)
        answered = []
        for tool in EVERY_TOOL:
            words = await said(server, "/mcp", token, tool)
            if not words.startswith(NOT_ALLOWED):
                answered.append(tool)
        assert answered == listed


async def test_what_an_address_hides_is_refused_by_name_also_to_an_administrator() -> None:
    changing = [tool.name for tool in REGISTRY.tools if not tool.is_read_only]
    async with served(Role.ADMIN) as (server, token):
        for tool in changing:
            assert "only reads" in await said(server, "/mcp/readonly", token, tool), tool
        assert server.world.hosts.acted == []
        with server.world.state.read() as txn:
            assert records.PLANS.scan(txn) == []


# ---- credentials


@pytest.mark.parametrize("what", ["expired", "revoked", "removed"])
async def test_a_token_that_holds_no_more_is_refused_at_every_endpoint(what: str) -> None:
    async with served() as (server, token):
        assert await server.names("/mcp", token)
        match what:
            case "expired":
                await server.world.clock.advance(TOKEN_LIFE_MS / 1000 + 1)
            case "revoked":
                with server.world.state.read() as txn:
                    (record,) = records.API_TOKENS.scan(txn)
                server.world.state.must(RevokeApiToken(prefix=record.prefix))
            case "removed":
                server.world.state.must(RemoveUser(principal_id=PrincipalId("us_ann")))
        await assert_turned_away(server, token, what)


async def test_no_token_is_taken_that_was_made_for_others_or_by_others() -> None:
    async with served() as (server, _):
        good = server.admin["Authorization"].removeprefix("Bearer ")
        for what, text in tampered_tokens(good).items():
            await assert_turned_away(server, {"Authorization": f"Bearer {text}"}, what)


async def test_a_browser_s_cookie_opens_nothing() -> None:
    async with served() as (server, _):
        text = server.admin["Authorization"].removeprefix("Bearer ")
        cookie = {"Cookie": f"__Host-tower_access={text}", "Origin": ORIGIN}
        await assert_turned_away(server, cookie, "cookie")


async def assert_turned_away(server: Served, headers: dict[str, str], what: str) -> None:
    for method, path in ENDPOINTS:
        body = PING if method == "POST" else None
        async with server.client.request(method, path, json=body, headers=headers) as response:
            assert response.status == 401, (what, path)
            assert "WWW-Authenticate" in response.headers, (what, path)


# ---- pages of others


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "file://"])
async def test_a_page_of_another_site_is_refused_even_with_a_good_token(origin: str) -> None:
    async with served() as (server, token):
        for method, path in ENDPOINTS:
            body = PING if method == "POST" else None
            sent = {**token, "Origin": origin}
            async with server.client.request(method, path, json=body, headers=sent) as response:
                assert response.status == 403, path
        assert await server.names("/mcp", {**token, "Origin": ORIGIN})


async def test_a_page_under_a_name_that_may_have_been_rebound_is_refused_even_with_a_good_token() -> None:
    async with served() as (server, token):
        rebound = {**token, "Host": "evil.example", "Origin": "https://evil.example"}
        for method, path in ENDPOINTS:
            body = PING if method == "POST" else None
            async with server.client.request(method, path, json=body, headers=rebound) as response:
                assert response.status == 403, path


async def test_a_name_that_was_rebound_to_this_address_brings_no_token_and_gets_nothing() -> None:
    async with served() as (server, _):
        rebound = {"Host": "evil.example", "Origin": "https://evil.example"}
        await assert_turned_away(server, rebound, "rebound")

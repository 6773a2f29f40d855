"""Which tools a program sees and may call: by role, by its token, by the address it uses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cluster.model.access import Role
from cluster.rbac import ACTIONS
from tests.support.tool_names import tools_of
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from tests.unit.web.test_web_tools import COMPOSE, a_call, a_context
from web.auth.call import Call
from web.auth.problems import Problem
from web.auth.tool_bounds import EVERY_TOOL, ToolBounds
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.toolsets import EVERYWHERE, TOOLSET_OF, Toolset, bounds_of_path, why_outside

LIST_TOKENS_MAX = 9_000
ROLES = (Role.NONE, Role.VIEWER, Role.OPERATOR, Role.ADMIN)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "acknowledge-alert": {"alert": 1},
    "adopt-containers": {"names": ["shop"]},
    "compare-baseline": {"subject": "h1"},
    "compare-deployments": {"service": "shop.web"},
    "deploy-blue-green": {"compose": COMPOSE, "dry_run": True},
    "deploy-canary": {"compose": COMPOSE, "dry_run": True},
    "deploy-rolling": {"compose": COMPOSE, "dry_run": True},
    "drain-node": {"node": "h1", "dry_run": True},
    "end-ab-test": {"service": "shop.web", "keep": "a"},
    "explain-service": {"service": "shop.web"},
    "generate-secret": {"name": "s"},
    "get-config": {"name": "c"},
    "get-container": {"container": "web"},
    "get-container-logs": {"container": "web"},
    "get-deployment-history": {"service": "shop.web"},
    "get-performance-profile": {"subject": "h1"},
    "get-plan": {"plan": "pl_1"},
    "get-trend-analysis": {"subject": "h1"},
    "predict-resource-needs": {"subject": "h1"},
    "promote-environment": {"what": "shop.web", "to": "production", "dry_run": True},
    "put-config": {"name": "c", "content": "x"},
    "remove-schedule": {"schedule": "sc_1"},
    "remove-service": {"service": "shop.web"},
    "restart-container": {"container": "web"},
    "restart-service": {"service": "shop.web"},
    "rollback-deploy": {"service": "shop.web"},
    "scale-service": {"service": "shop.web", "replicas": 1},
    "schedule-deploy": {"compose": COMPOSE, "cron": "0 3 * * *"},
    "silence-alerts": {"comment": "c", "node": "h1"},
    "start-ab-test": {"service": "shop.web", "image": "x"},
    "start-container": {"container": "web"},
    "steer-rollout": {"rollout": "shop.web", "action": "pause"},
    "stop-container": {"container": "web"},
    "switch-traffic": {"service": "shop.web"},
    "test-webhook": {"webhook": "w"},
    "validate-deployment": {"compose": COMPOSE},
    "withdraw-plan": {"plan": "pl_1"},
}
"""What each tool needs at least; a tool that is not here needs nothing."""


async def test_every_tool_is_refused_to_every_role_below_its_own_and_to_no_other() -> None:
    world = a_web_world()
    put_containers(world, "nd_1", a_container("web"))
    context = a_context(world)
    for role in ROLES:
        call = a_call(world, role)
        visible = {tool.name for tool in REGISTRY.visible_to(context, call)}
        for tool in REGISTRY.tools:
            least = min((ACTIONS[action].role for action in tool.actions), key=ROLES.index)
            is_allowed = ROLES.index(role) >= ROLES.index(least)
            assert (tool.name in visible) is is_allowed, (tool.name, role)
            problem = await refused(context, call, tool.name)
            if not is_allowed:
                assert problem is not None, (tool.name, role)
                assert problem.kind == "forbidden", (tool.name, role)
            elif problem is not None:
                # There is nothing of what they name; but they are understood, and nothing breaks.
                assert problem.kind not in ("internal", "unexpected"), (tool.name, role, problem.detail)


async def refused(context: Context, call: Call, name: str) -> Problem | None:
    try:
        await REGISTRY.call(context, call, name, ARGUMENTS.get(name, {}))
    except Problem as problem:
        return problem
    return None


def test_every_tool_is_in_one_toolset() -> None:
    names = {tool.name for tool in REGISTRY.tools}
    assert names == set(TOOLSET_OF) | EVERYWHERE
    assert not set(TOOLSET_OF) & EVERYWHERE


@pytest.mark.parametrize(
    ("path", "bounds"),
    [
        ("", EVERY_TOOL),
        ("readonly", ToolBounds(is_read_only=True)),
        ("observe", ToolBounds(toolsets=frozenset({"observe"}))),
        ("deploy,observe,readonly", ToolBounds(is_read_only=True, toolsets=frozenset({"deploy", "observe"}))),
    ],
)
def test_an_address_says_which_tools_it_is_for(path: str, bounds: ToolBounds) -> None:
    assert bounds_of_path(path) == bounds


def test_a_toolset_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(Problem, match="no toolset 'everything'") as raised:
        bounds_of_path("observe,everything")
    assert raised.value.kind == "not-found"
    assert "containers" in raised.value.hint


def test_address_and_token_together_let_through_what_both_do() -> None:
    deploy = ToolBounds(toolsets=frozenset({"deploy", "observe"}))
    observe = ToolBounds(is_read_only=True, toolsets=frozenset({"observe", "cluster"}))
    assert deploy.within(observe) == ToolBounds(is_read_only=True, toolsets=frozenset({"observe"}))
    assert deploy.within(ToolBounds(toolsets=frozenset({"admin"}))) is None
    assert deploy.within(EVERY_TOOL) == EVERY_TOOL.within(deploy) == deploy
    assert why_outside(None, "list-nodes", is_read_only=True) is not None


async def test_a_hidden_tool_is_refused_when_it_is_called_by_name_and_that_is_recorded() -> None:
    world = a_web_world()
    context = a_context(world)
    call = replace(a_call(world, Role.ADMIN), tools=ToolBounds(toolsets=frozenset({"observe"})))
    assert {tool.name for tool in REGISTRY.visible_to(context, call)} == {
        *(name for name, toolset in TOOLSET_OF.items() if toolset is Toolset.OBSERVE), *EVERYWHERE
    }  # fmt: skip
    with pytest.raises(Problem, match="not among the toolsets") as raised:
        await REGISTRY.call(context, call, "list-nodes", {})
    assert raised.value.kind == "forbidden"
    assert world.state.audit()[-1].stamp.action == "node.read"


@dataclass(frozen=True, slots=True)
class Served:
    """A server in memory, and what one sends to it."""

    world: WebWorld
    client: Any
    admin: dict[str, str]

    async def token(self, **fields: object) -> dict[str, str]:
        body = {"name": "ai", "role": "operator", "ttl_s": 3600, **fields}
        response = await self.client.post("/api/v1/tokens", json=body, headers=self.admin)
        answer = await response.json()
        assert response.status == 201, answer
        return {"Authorization": f"Bearer {answer['token']}"}

    async def ask(self, path: str, headers: dict[str, str], method: str, **params: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        response = await self.client.post(path, json=message, headers={**headers, **accept})
        text = await response.text()
        if response.content_type == "text/event-stream":
            text = next(line for line in text.splitlines() if line.startswith("data: "))[len("data: ") :]
            return json.loads(text)
        return await response.json()

    async def names(self, path: str, headers: dict[str, str]) -> list[str]:
        answer = await self.ask(path, headers, "tools/list")
        return [tool["name"] for tool in answer["result"]["tools"]]


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    async with serving(world) as client:
        yield Served(world, client, await log_in(client, "ann"))


async def test_addresses_and_tokens_bound_the_tools_of_a_real_server() -> None:
    async with served() as server:
        token = await server.token()
        everything = await server.names("/mcp", token)
        assert everything == tools_of("operator")
        reading = await server.names("/mcp/readonly", token)
        assert reading == [name for name in everything if (tool := REGISTRY.get(name)) and tool.is_read_only]
        observing = await server.names("/mcp/x/observe,readonly", token)
        assert "run-diagnosis" in observing
        assert not {"acknowledge-alert", "list-nodes", "deploy-rolling"} & set(observing)
        bound = await server.token(name="bound", read_only=True, toolsets=["deploy"])
        listed = await server.names("/mcp", bound)
        assert listed == await server.names("/mcp/x/deploy", bound)
        assert (
            set(listed) <= {name for name, toolset in TOOLSET_OF.items() if toolset == "deploy"} | EVERYWHERE
        )
        assert await server.names("/mcp/x/cluster", bound) == []
        hidden = await server.ask("/mcp", bound, "tools/call", name="list-nodes", arguments={})
        assert hidden["result"]["isError"]
        assert "not among the toolsets" in hidden["result"]["content"][0]["text"]
        unknown = await server.ask("/mcp/x/nothing", token, "tools/list")
        assert (unknown["status"], "no toolset" in unknown["detail"]) == (404, True)


async def test_a_token_that_only_reads_changes_nothing_over_rest_either() -> None:
    async with served() as server:
        reads = await server.token(read_only=True)
        assert (await server.client.get("/api/v1/nodes", headers=reads)).status == 200
        response = await server.client.post("/api/v1/nodes/h1/drain", headers=reads)
        answer = await response.json()
        assert response.status == 403
        assert "only reads" in answer["detail"]
        tokens = await (await server.client.get("/api/v1/tokens", headers=server.admin)).json()
        assert [(each["read_only"], each["toolsets"]) for each in tokens["items"]] == [(True, [])]


async def test_a_token_for_a_toolset_there_is_not_is_refused() -> None:
    async with served() as server:
        body = {"name": "ai", "role": "viewer", "toolsets": ["everything"]}
        response = await server.client.post("/api/v1/tokens", json=body, headers=server.admin)
        assert response.status == 422
        assert "toolsets" in (await response.json())["errors"][0]["field"]


async def test_the_whole_list_of_tools_is_small_and_says_four_things_of_each() -> None:
    async with served() as server:
        token = await server.token(role="admin")
        answer = await server.ask("/mcp", token, "tools/list")
        tools = answer["result"]["tools"]
        assert [tool["name"] for tool in tools] == [tool.name for tool in REGISTRY.tools]
        assert len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False)) / 4 <= LIST_TOKENS_MAX
        for tool in tools:
            assert set(tool["annotations"]) == {
                "readOnlyHint",
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
            }
            assert tool["inputSchema"]["additionalProperties"] is False

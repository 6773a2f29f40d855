"""Leave for hosts to be away, and what people say of lost ones, over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.commands.nodes import SetNodeStatus
from cluster.model.access import Role
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from tests.support.deployments import lead
from tests.support.identity_builders import NOW_MS
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role) -> AsyncIterator[tuple[Client, dict[str, str]]]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield client, await log_in(client, "ann")


async def ask(api: tuple[Client, dict[str, str]], path: str, body: object = None) -> tuple[int, Any]:
    client, headers = api
    response = await client.post(f"/api/v1/nodes/{path}", json=body, headers=headers)
    return response.status, await response.json()


def down(world: WebWorld, node_id: str) -> None:
    lead(world)
    world.state.must(SetNodeStatus(node_id=NodeId(node_id), status=NodeStatus.DOWN, reason="silent"))


async def test_a_host_gets_leave_and_it_is_ended() -> None:
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        status, given = await ask(api, "h2/maintenance", {"duration_s": 600, "reason": "kernel"})
        assert (status, given["maintenance_until_ms"]) == (200, NOW_MS + 600_000)
        status, ended = await ask(api, "h2/maintenance", {"duration_s": 0})
        assert (status, ended["maintenance_until_ms"]) == (200, None)
    actions = [entry.stamp.action for entry in world.state.audit()]
    assert actions[-2:] == ["node.maintain", "node.end-maintenance"]


async def test_leave_has_a_longest_time_and_a_host_that_is_down_gets_none() -> None:
    world = a_web_world()
    down(world, "nd_2")
    async with logged_in(world, Role.OPERATOR) as api:
        assert (await ask(api, "h3/maintenance", {"duration_s": 1801}))[0] == 422
        status, problem = await ask(api, "h2/maintenance", {"duration_s": 60})
    assert status == 422
    assert "is down" in problem["detail"]


async def test_a_lost_host_is_said_to_be_off_by_an_administrator() -> None:
    world = a_web_world()
    down(world, "nd_2")
    async with logged_in(world, Role.ADMIN) as api:
        status, node = await ask(api, "h2/fence")
        refused, problem = await ask(api, "h3/fence")
    assert (status, node["is_fenced"]) == (200, True)
    assert refused == 422
    assert "not down" in problem["detail"]
    assert "node.fence" in [entry.stamp.action for entry in world.state.audit()]


async def test_an_operator_may_not_say_so() -> None:
    world = a_web_world()
    down(world, "nd_2")
    async with logged_in(world, Role.OPERATOR) as api:
        assert (await ask(api, "h2/fence"))[0] == 403

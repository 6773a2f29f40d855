"""Every route for every role: who may not is refused before anything is read, and the refusal is recorded."""

from __future__ import annotations

import re

import pytest
from aiohttp import web

from cluster.model.access import Role
from cluster.rbac import ACTIONS
from tests.support.web_fakes import a_web_world, log_in, serving
from web.api.endpoint import Endpoint
from web.api.routes import ENDPOINTS
from web.middleware.rate_limit import Limits, Quota
from web.middleware.routes import Audience, Route, everybody, needs, register
from web.server import build_app
from web.tools.pace import Pace

QUICK = Pace(rollout_wait_s=0.01, drain_wait_s=0.01)


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    return "/api/v1" + re.sub(r"\{\w+\}", "nothing-of-that-name", endpoint.path)


def is_allowed(endpoint: Endpoint, role: Role | None) -> bool:
    match endpoint.access.audience:
        case Audience.EVERYBODY:
            return True
        case Audience.LOGGED_IN:
            return role is not None
        case Audience.ALLOWED:
            return role is not None and role.includes(ACTIONS[endpoint.access.action].role)


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role or "stranger")
async def test_each_role_gets_as_far_as_it_may(role: Role | None) -> None:
    world = a_web_world()
    # There are more endpoints than a stranger may try in one go; each is tried after a login.
    limits = Limits(stranger=Quota(burst=2 * len(ENDPOINTS), per_minute=600))
    async with serving(world, pace=QUICK, limits=limits) as client:
        for endpoint in ENDPOINTS:
            headers = {}
            if role is not None:
                # Anew for each: some of these end logins.
                name = f"{role}-{world.ids.new_id('x')}"[:60]
                world.add_user(name, role)
                headers = await log_in(client, name)
            before = len(world.state.audit())
            response = await client.request(endpoint.method, path_of(endpoint), headers=headers, json={})
            refusals = [entry for entry in world.state.audit()[before:] if not entry.stamp.is_allowed]
            if endpoint.access.audience is not Audience.ALLOWED and is_allowed(endpoint, role):
                # What somebody may do there depends on whose it is, and is decided further in.
                assert response.status != 500, name_of(endpoint)
            elif is_allowed(endpoint, role):
                assert response.status not in (401, 403, 500), name_of(endpoint)
                assert not refusals, name_of(endpoint)
            elif role is None:
                assert response.status == 401, name_of(endpoint)
                assert not refusals, "strangers are counted, not recorded one by one"
            else:
                assert response.status == 403, name_of(endpoint)
                assert [entry.stamp.action for entry in refusals] == [endpoint.access.action]
                assert endpoint.access.action in (await response.json())["detail"]


def test_every_action_that_changes_something_is_asked_for_with_a_method_that_says_so() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.access.audience is Audience.ALLOWED and endpoint.method == "GET":
            assert not ACTIONS[endpoint.access.action].changes_state, name_of(endpoint)


def test_no_route_is_declared_twice() -> None:
    names = [name_of(endpoint) for endpoint in ENDPOINTS]
    assert len(set(names)) == len(names)


async def test_a_route_that_does_not_say_who_may_use_it_keeps_the_server_from_starting() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="secrets")

    app = build_app(a_web_world().surroundings)
    app.router.add_get("/secrets", handler)
    runner = web.AppRunner(app)
    with pytest.raises(AssertionError, match="does not say who may use it"):
        await runner.setup()
    await runner.cleanup()


def test_an_action_nobody_knows_cannot_be_declared() -> None:
    with pytest.raises(AssertionError, match="no action"):
        needs("cluster.destroy")


async def test_a_route_added_by_another_surface_is_protected_like_ours() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="audit")

    app = build_app(a_web_world().surroundings)
    register(app, [Route(method="POST", path="/x", handler=handler, access=needs("audit.read"))])
    register(app, [Route(method="POST", path="/y", handler=handler, access=everybody())])
    from aiohttp.test_utils import TestClient, TestServer

    async with TestClient(TestServer(app)) as client:
        assert (await client.post("/x")).status == 401
        assert (await client.post("/y")).status == 200

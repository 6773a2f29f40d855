"""Accounts that may something with part of the cluster: what they see, do and are refused."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.model.access import Role
from cluster.model.ids import PrincipalId
from cluster.model.permissions import AccessScope, Hours
from cluster.model.service import Route
from cluster.rbac import Decision, Target, built_in, grants_of
from tests.support.deployments import deployed
from tests.support.permission_kit import (
    SHOP,
    a_binding,
    a_scoped_account,
    allow,
    bind,
    deny,
    put_role,
    two_projects,
)
from tests.support.state_builders import a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from web.api.routes import ENDPOINTS
from web.auth.call import Call, Credential, Identity
from web.auth.powers import Powers
from web.auth.problems import Problem
from web.middleware.rate_limit import Limits, Quota
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.row_rights import CONTAINER_ACTIONS, row_rights

Client = TestClient[web.Request, web.Application]


async def names_of(client: Client, headers: dict[str, str], query: str = "") -> list[str]:
    response = await client.get(f"/api/v1/containers{query}", headers=headers)
    assert response.status == 200, await response.text()
    return [item["name"] for item in (await response.json())["items"]]


def a_shop_world(role: str = "operator", scope: AccessScope = SHOP) -> WebWorld:
    world = a_web_world()
    two_projects(world)
    a_scoped_account(world, role, scope)
    return world


async def test_a_list_holds_what_the_account_may_see() -> None:
    async with serving(a_shop_world()) as client:
        headers = await log_in(client, "ann")
        assert await names_of(client, headers) == ["shop-web"]
        assert await names_of(client, headers, "?q=payroll") == []


async def test_what_is_out_of_sight_is_not_there() -> None:
    world = a_shop_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        hidden = await client.get("/api/v1/containers/payroll-db", headers=headers)
        absent = await client.get("/api/v1/containers/payroll-xy", headers=headers)
        assert (hidden.status, absent.status) == (404, 404)
        told = [(await each.json())["detail"] for each in (hidden, absent)]
        assert told[0].replace("payroll-db", "payroll-xy") == told[1]
        assert (await client.get("/api/v1/logs/payroll-db", headers=headers)).status == 404


@pytest.mark.parametrize(
    ("role", "action", "status"),
    [("operator", "restart", 200), ("viewer", "restart", 403), ("admin", "restart", 200)],
)
async def test_the_bound_role_says_what_may_be_done(role: str, action: str, status: int) -> None:
    world = a_shop_world(role)
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        response = await client.post(f"/api/v1/containers/shop-web/{action}", headers=headers)
        assert response.status == status, await response.text()
        other = await client.post(f"/api/v1/containers/payroll-db/{action}", headers=headers)
        assert other.status == (404 if status == 200 else 403)


async def test_a_container_says_what_may_be_done_to_it() -> None:
    world = a_shop_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        told = await (await client.get("/api/v1/containers/shop-web", headers=headers)).json()
    assert {"container.restart", "container.logs"} <= set(told["can"])
    assert not {"container.exec", "container.remove"} & set(told["can"])


async def test_an_action_names_the_rule_that_allowed_it() -> None:
    world = a_shop_world()
    async with serving(world) as client:
        await client.post("/api/v1/containers/shop-web/restart", headers=await log_in(client, "ann"))
    entry = world.state.audit()[-1]
    assert entry.stamp.action == "container.restart"
    assert "binding:" in entry.stamp.reason
    assert "project shop" in entry.stamp.reason


async def test_labels_of_an_image_do_not_put_a_container_into_a_scope() -> None:
    world = a_web_world()
    put_containers(
        world,
        "nd_1",
        a_container("spoofed", labels=(("team", "web"),), image_labels=("team",)),
        a_container("set-by-us", labels=(("team", "web"),)),
        a_container("unknown-image", labels=(("team", "web"),), image_labels=None),
        a_container(
            "claims-a-project",
            project="shop",
            labels=(("com.docker.compose.project", "shop"),),
            image_labels=("com.docker.compose.project",),
        ),
    )
    principal_id = world.add_user("ann", Role.NONE)
    bind(world, principal_id, scope=AccessScope(labels=("team=web",)))
    bind(world, principal_id, scope=SHOP)
    async with serving(world) as client:
        assert await names_of(client, await log_in(client, "ann")) == ["set-by-us"]


async def test_a_denial_wins_over_the_role_of_the_whole_cluster() -> None:
    world = a_web_world()
    two_projects(world)
    put_role(world, "not-payroll", deny("*", scope=AccessScope(projects=("payroll",))))
    bind(world, world.add_user("bob", Role.OPERATOR), "not-payroll")
    async with serving(world) as client:
        headers = await log_in(client, "bob")
        assert await names_of(client, headers) == ["shop-web"]
        assert (await client.post("/api/v1/containers/payroll-db/stop", headers=headers)).status == 404


async def test_a_role_of_ones_own_gives_no_more_than_it_says() -> None:
    world = a_shop_world()
    put_role(world, "restarter", allow("container.read", "container.restart"))
    bind(world, world.add_user("cy", Role.NONE), "restarter", scope=SHOP)
    async with serving(world) as client:
        headers = await log_in(client, "cy")
        assert (await client.post("/api/v1/containers/shop-web/restart", headers=headers)).status == 200
        for verb in ("stop", "kill", "pause"):
            assert (await client.post(f"/api/v1/containers/shop-web/{verb}", headers=headers)).status == 403
        assert (await client.get("/api/v1/logs/shop-web", headers=headers)).status == 403


async def test_permissions_end_with_their_hours() -> None:
    world = a_web_world()
    two_projects(world)
    hour = f"{(world.clock.now_ms() // 3_600_000) % 24:02d}"
    principal_id = world.add_user("ann", Role.NONE)
    bind(world, principal_id, scope=SHOP, hours=(Hours(start=f"{hour}:00", end=f"{hour}:59"),))
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        assert await names_of(client, headers) == ["shop-web"]
        await world.clock.advance(3600)
        headers = await log_in(client, "ann")
        response = await client.get("/api/v1/containers", headers=headers)
        assert response.status == 403
        assert "at this time" in (await response.json())["detail"]


async def test_a_removed_binding_ends_access_with_the_next_request() -> None:
    world = a_shop_world()
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        ann, root = await log_in(client, "ann"), await log_in(client, "root")
        listed = await (await client.get("/api/v1/bindings?user=ann", headers=root)).json()
        (binding,) = listed["items"]
        response = await client.delete(f"/api/v1/bindings/{binding['id']}", headers=root)
        assert response.status == 204, await response.text()
        assert (await client.get("/api/v1/containers", headers=ann)).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/audit",
        "/users",
        "/roles",
        "/settings",
        "/secrets",
        "/webhooks",
        "/join-tokens",
        "/analytics/report",
        "/environments",
    ],
)
async def test_what_is_of_the_whole_cluster_is_closed_to_a_scoped_account(path: str) -> None:
    world = a_shop_world("admin")
    async with serving(world) as client:
        response = await client.get(f"/api/v1{path}", headers=await log_in(client, "ann"))
        assert response.status in (403, 404), f"{path}: {response.status}"
        assert response.status == 403 or "not-found" in await response.text()


async def test_what_breaks_out_of_a_scope_is_never_in_it() -> None:
    world = a_shop_world("admin")
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        allowed = (await (await client.get("/api/v1/auth/me", headers=headers)).json())["permissions"]
        assert "container.exec" in allowed
        assert not {"service.deploy-host-access", "service.adopt", "container.recreate"} & set(allowed)


# ---- giving permissions -----------------------------------------------------------------------


async def given(client: Client, headers: dict[str, str], **body: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post("/api/v1/bindings", headers=headers, json=body)
    return response.status, await response.json()


async def test_an_administrator_binds_a_role_and_the_account_has_it() -> None:
    world = a_web_world()
    two_projects(world)
    world.add_user("root", Role.ADMIN)
    world.add_user("ann", Role.NONE)
    async with serving(world) as client:
        root = await log_in(client, "root")
        status, made = await given(
            client, root, user="ann", role="operator", scope={"labels": ["team=web"]}, note="the web team"
        )
        assert status == 201, made
        assert made["holder_name"] == "ann"
        assert made["scope"]["text"] == "label team=web"
        ann = await log_in(client, "ann")
        assert await names_of(client, ann) == ["shop-web"]
        own = await (await client.get("/api/v1/bindings?user=me", headers=ann)).json()
        assert [each["id"] for each in own["items"]] == [made["id"]]
    assert any(
        entry.stamp.action == "binding.put" and "label team=web" in entry.stamp.reason
        for entry in world.state.audit()
    )


async def test_nobody_binds_what_they_do_not_hold_there() -> None:
    world = a_shop_world()
    put_role(world, "delegate", allow("binding.*", "role.*", "user.*", "account.*"))
    principal_id = world.add_user("bob", Role.NONE)
    bind(world, principal_id, "delegate")
    bind(world, principal_id, "operator", scope=SHOP)
    async with serving(world) as client:
        bob = await log_in(client, "bob")
        for role, scope, expected in (
            ("operator", {"projects": ["shop"]}, 201),
            ("operator", {"projects": ["shop"], "labels": ["team=web"]}, 201),
            ("operator", {"projects": ["shop", "payroll"]}, 403),
            ("operator", {}, 403),
            ("admin", {"projects": ["shop"]}, 403),
        ):
            status, told = await given(client, bob, user="bob", role=role, scope=scope)
            assert status == expected, (role, scope, told)
        for changed in ("admin", "operator"):
            response = await client.post("/api/v1/users/bob/role", headers=bob, json={"role": changed})
            assert response.status in (403, 422), changed
    denials = [entry for entry in world.state.audit() if entry.stamp.action == "binding.put"]
    assert sum(not entry.stamp.is_allowed for entry in denials) == 3


async def test_nobody_takes_over_an_account_that_may_more() -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    put_role(world, "helpdesk", allow("user.*"))
    bind(world, world.add_user("bob", Role.NONE), "helpdesk")
    async with serving(world) as client:
        bob = await log_in(client, "bob")
        body = {"password": "four other very quiet words"}
        response = await client.post("/api/v1/users/root/password", headers=bob, json=body)
        assert response.status == 403, await response.text()
        assert (await client.delete("/api/v1/users/root", headers=bob)).status == 403


async def test_a_denial_is_lifted_only_by_who_holds_what_it_denies() -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    put_role(world, "no-shell", deny("container.exec"))
    bound = bind(world, world.add_user("bob", Role.ADMIN), "no-shell")
    async with serving(world) as client:
        bob, root = await log_in(client, "bob"), await log_in(client, "root")
        assert (await client.delete(f"/api/v1/bindings/{bound.id}", headers=bob)).status == 403
        made = await client.post(
            "/api/v1/users",
            headers=bob,
            json={"name": "me2", "role": "admin", "password": "quiet words x4 y"},
        )
        assert made.status == 403, await made.text()
        assert (await client.delete(f"/api/v1/bindings/{bound.id}", headers=root)).status == 204


async def test_the_last_administrator_keeps_everything() -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    put_role(world, "no-shell", deny("container.exec"))
    async with serving(world) as client:
        root = await log_in(client, "root")
        status, told = await given(client, root, user="root", role="no-shell")
        assert status == 409, told
        assert "last administrator" in told["detail"]


async def test_a_token_may_no_more_than_its_owner_in_its_scope() -> None:
    world = a_web_world()
    two_projects(world)
    principal_id = world.add_user("ann", Role.NONE)
    bind(world, principal_id, "operator", scope=SHOP)
    token = world.add_api_token(principal_id, Role.OPERATOR)
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(world) as client:
        assert await names_of(client, headers) == ["shop-web"]
        assert (await client.post("/api/v1/containers/shop-web/restart", headers=headers)).status == 200
        assert (await client.post("/api/v1/containers/payroll-db/restart", headers=headers)).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "ann", "role": "operator", "scope": {"tags": ["x"]}}, "scope.tags"),
        ({"user": "ann", "role": "operator", "hours": [{"tz": "Mars/Olympus"}]}, "hours.tz"),
        ({"user": "ann", "role": "operator", "hours": [{"days": ["funday"]}]}, "hours"),
        ({"user": "ann", "role": "operator", "hours": [{"start": "25:00"}]}, "hours"),
        ({"role": "operator"}, "user"),
        ({"user": "ann", "role": "nobody-made"}, "role"),
    ],
)
async def test_what_is_wrong_with_a_binding_is_named(body: dict[str, Any], field: str) -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    world.add_user("ann", Role.NONE)
    async with serving(world) as client:
        status, told = await given(client, await log_in(client, "root"), **body)
        assert status in (404, 422), told
        assert field in [error["field"] for error in told["errors"]]


async def test_roles_are_made_listed_and_kept_while_bound() -> None:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    ann = world.add_user("ann", Role.NONE)
    body = {"permissions": [{"actions": ["container.*"], "scope": {"projects": ["shop"]}}], "note": "shop"}
    async with serving(world) as client:
        root = await log_in(client, "root")
        put = await client.put("/api/v1/roles/shopkeeper", headers=root, json=body)
        assert put.status == 200, await put.text()
        roles = await (await client.get("/api/v1/roles", headers=root)).json()
        assert [role["name"] for role in roles] == ["viewer", "operator", "admin", "shopkeeper"]
        assert "container.exec" in roles[-1]["actions"]
        bind(world, ann, "shopkeeper")
        refused = await client.delete("/api/v1/roles/shopkeeper", headers=root)
        assert refused.status == 409
        built_in = await client.put("/api/v1/roles/viewer", headers=root, json=body)
        assert built_in.status == 422
        unknown = {"permissions": [{"actions": ["container.explode"]}]}
        assert (await client.put("/api/v1/roles/x", headers=root, json=unknown)).status == 422


# ---- explaining -------------------------------------------------------------------------------


async def explained(client: Client, headers: dict[str, str], query: str) -> dict[str, Any]:
    response = await client.get(f"/api/v1/authz/explain?{query}", headers=headers)
    assert response.status == 200, await response.text()
    told: dict[str, Any] = await response.json()
    return told


async def test_a_decision_is_explained_with_its_rule_and_what_it_looked_at() -> None:
    world = a_shop_world()
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        root = await log_in(client, "root")
        yes = await explained(
            client, root, "principal=ann&action=container.restart&resource=container:shop-web"
        )
        assert yes["allowed"]
        assert yes["rule"].startswith("binding:")
        assert (yes["project"], yes["service"], yes["node"]) == ("shop", "shop.web", "h1")
        assert yes["labels"] == {"team": "web"}
        no = await explained(
            client, root, "principal=ann&action=container.restart&resource=container:payroll-db"
        )
        assert not no["allowed"]
        assert "project shop" in no["reason"]
        as_role = await explained(client, root, "principal=role:viewer&action=container.restart")
        assert as_role["reason"] == "container.restart needs role operator; yours is viewer"


async def test_everybody_has_themselves_explained_and_nobody_else() -> None:
    world = a_shop_world()
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        ann = await log_in(client, "ann")
        own = await explained(client, ann, "action=container.restart&resource=container:shop-web")
        assert own["allowed"]
        for query in ("principal=root&action=user.read", "principal=token:x&action=user.read"):
            response = await client.get(f"/api/v1/authz/explain?{query}", headers=ann)
            assert response.status == 403
        hidden = "action=container.restart&resource=container:payroll-db"
        assert (await client.get(f"/api/v1/authz/explain?{hidden}", headers=ann)).status == 404


async def test_a_preview_says_what_a_binding_would_reach() -> None:
    world = a_web_world()
    two_projects(world)
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        body = {"role": "viewer", "scope": {"projects": ["shop"]}}
        response = await client.post(
            "/api/v1/bindings/preview", headers=await log_in(client, "root"), json=body
        )
        told = await response.json()
    assert told["containers"] == ["h1/shop-web"]
    assert (told["container_count"], told["containers_of_all"]) == (1, 2)
    assert "container.logs" in told["actions"]
    assert "container.restart" not in told["actions"]


# ---- live -------------------------------------------------------------------------------------


async def test_the_live_connection_tells_what_the_account_sees_and_no_more() -> None:
    world = a_shop_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            await socket.send_json({"subscribe": ["containers"]})
            message = await socket.receive_json()
            while message.get("topic") != "containers":
                message = await socket.receive_json()
            assert [each["name"] for each in message["data"]["items"]] == ["shop-web"]


async def test_a_live_connection_follows_a_change_of_permissions() -> None:
    world = a_shop_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            await socket.send_json({"subscribe": ["containers"]})
            names: list[str] = []
            while "shop-web" not in names:
                message = await socket.receive_json(timeout=10)
                names = [each["name"] for each in (message.get("data") or {}).get("items", [])]
            bind(world, PrincipalId("us_ann"), "viewer", scope=AccessScope(projects=("payroll",)))
            while "payroll-db" not in names:
                message = await socket.receive_json(timeout=10)
                names = [each["name"] for each in (message.get("data") or {}).get("items", [])]
            assert sorted(names) == ["payroll-db", "shop-web"]


# ---- nothing of the rest shows ----------------------------------------------------------------

MARK = "hidden-from-ann"
"""Is in everything that is of the project payroll."""


def a_full_world() -> WebWorld:
    """Return a cluster with a project that ann operates and one that she is not to know of."""
    world = a_web_world()
    put_containers(
        world,
        "nd_1",
        a_container("shop-web", project="shop", service="web"),
        a_container(
            f"payroll-{MARK}",
            project="payroll",
            service="db",
            image=f"registry.example/{MARK}:1",
            labels=(("team", MARK),),
        ),
    )
    deployed(world, "nd_1")
    deployed(
        world,
        "nd_1",
        service="payroll.db",
        spec=a_spec(f"registry.example/{MARK}:1", route=Route(host=f"{MARK}.example", port=80)),
    )
    a_scoped_account(world, "admin")
    return world


async def test_no_list_says_a_word_of_what_is_out_of_sight() -> None:
    world = a_full_world()
    limits = Limits(account=Quota(burst=100_000, per_minute=100_000))
    async with serving(world, limits=limits) as client:
        headers = await log_in(client, "ann")
        told: list[str] = []
        for endpoint in ENDPOINTS:
            if endpoint.method != "GET" or "{" in endpoint.path:
                continue
            async with client.get(f"/api/v1{endpoint.path}", headers=headers) as response:
                text = (await response.content.read(4_000_000)).decode(errors="replace")
                assert MARK not in text, f"{endpoint.path}: {text[:300]}"
                if response.status == 200:
                    told.append(endpoint.path)
    assert {"/containers", "/services", "/nodes", "/cluster", "/rollouts", "/alerts", "/events"} <= set(told)


@pytest.mark.parametrize(
    "path",
    [
        "/services/payroll.db",
        "/services/payroll.db/history",
        "/services/db",
        "/rollouts/payroll.db",
        f"/containers/payroll-{MARK}",
        f"/logs/payroll-{MARK}",
        f"/containers/payroll-{MARK}/files?path=/",
        f"/containers/payroll-{MARK}/top",
    ],
)
async def test_what_is_out_of_sight_cannot_be_told_from_what_is_not_there(path: str) -> None:
    world = a_full_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        hidden = await client.get(f"/api/v1{path}", headers=headers)
        words = (
            path.replace(MARK, "none")
            .replace("payroll.db", "payroll.xx")
            .replace("services/db", "services/xx")
        )
        absent = await client.get(f"/api/v1{words}", headers=headers)
        assert hidden.status == absent.status == 404, await hidden.text()
        assert (await hidden.json())["title"] == (await absent.json())["title"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/services/payroll.db/scale", {"replicas": 3}),
        ("POST", "/services/payroll.db/restart", {}),
        ("POST", "/services/payroll.db/rollback", {}),
        ("DELETE", "/services/payroll.db", None),
        ("POST", f"/containers/payroll-{MARK}/stop", None),
        ("DELETE", f"/containers/payroll-{MARK}", None),
    ],
)
async def test_nothing_is_done_to_what_is_out_of_sight(method: str, path: str, body: Any) -> None:
    world = a_full_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        before = [each for each in world.state.proposed if type(each).__name__ != "RecordAudit"]
        response = await client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert response.status in (403, 404), await response.text()
        after = [each for each in world.state.proposed if type(each).__name__ != "RecordAudit"]
        assert [each for each in after[len(before) :] if type(each).__name__ != "StartLogin"] == []
    assert any(not entry.stamp.is_allowed for entry in world.state.audit()) or response.status == 404


async def test_tools_tell_and_do_no_more_than_the_interface() -> None:
    world = a_full_world()
    app = build_app(world.surroundings)
    context, registry = app[CONTEXT], REGISTRY
    call = Call(
        identity=Identity(
            principal_id=PrincipalId("us_ann"),
            name="ann",
            role=Role.NONE,
            credential=Credential.ACCESS_TOKEN,
            epoch=1,
        ),
        request_id="rq_1",
        ip="192.0.2.1",
        user_agent="test",
        started_s=0.0,
        via="mcp",
    )
    visible = registry.visible_to(context, call)
    assert visible
    for tool in visible:
        if tool.is_read_only and not tool.input_model.model_json_schema().get("required"):
            told = ""
            try:
                told = (await registry.call(context, call, tool.name, {})).text
            except Problem as problem:
                told = f"{problem.detail} {problem.hint}"
            assert MARK not in told, f"{tool.name}: {told[:300]}"


# ---- what a list offers -----------------------------------------------------------------------


def a_mixed_world() -> WebWorld:
    """A cluster that ann sees all of, and of which she operates the project shop."""
    world = a_web_world()
    two_projects(world)
    deployed(world, "nd_1")
    deployed(world, "nd_1", service="payroll.db")
    bind(world, world.add_user("ann", Role.VIEWER), "operator", scope=SHOP)
    return world


async def test_rows_say_what_may_be_done_to_each_where_that_differs() -> None:
    world = a_mixed_world()
    world.add_user("bob", Role.OPERATOR)
    async with serving(world) as client:
        ann, bob = await log_in(client, "ann"), await log_in(client, "bob")
        for path, name, action, reading in (
            ("/containers", "name", "container.restart", "container.read"),
            ("/services", "id", "service.scale", "service.read"),
        ):
            told = await (await client.get(f"/api/v1{path}", headers=ann)).json()
            can = {each[name]: each["can"] for each in told["items"]}
            shop, payroll = sorted(can, reverse=True)
            assert action in can[shop]
            assert action not in can[payroll]
            assert reading in can[payroll]
            same = await (await client.get(f"/api/v1{path}", headers=bob)).json()
            assert [each["can"] for each in same["items"]] == [None, None], "as much with all of them"
        projects = await (await client.get("/api/v1/projects", headers=ann)).json()
        may = {each["name"]: "container.stop" in each["can"] for each in projects["items"]}
        assert may == {"payroll": False, "shop": True}
        one = await (await client.get("/api/v1/services/payroll.db", headers=ann)).json()
        assert "rollout.read" in one["can"]
        assert "rollout.abort" not in one["can"]


async def test_the_live_connection_says_what_may_be_done_to_each() -> None:
    async with serving(a_mixed_world()) as client:
        headers = await log_in(client, "ann")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            await socket.send_json({"subscribe": ["containers", "services"]})
            can: dict[str, list[str]] = {}
            while len(can) < 4:
                message = await socket.receive_json(timeout=10)
                items = (message.get("data") or {}).get("items", [])
                if message.get("topic") in ("containers", "services"):
                    can |= {
                        each["name" if message["topic"] == "containers" else "id"]: each["can"]
                        for each in items
                    }
    assert "container.stop" in can["shop-web"]
    assert "container.stop" not in can["payroll-db"]
    assert "service.deploy" in can["shop.web"]
    assert "service.deploy" not in can["payroll.db"]


def test_a_thousand_rows_are_as_many_questions_as_scopes_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    grants = grants_of(Role.VIEWER, (a_binding(scope=AccessScope(labels=("team=web",))),), ())
    powers = Powers(parts=(grants,), scopes=frozenset(), token_prefix=None, now_ms=0)
    decide = Powers.decide

    def counted(self: Powers, action: str, target: Target) -> Decision:
        asked.append(action)
        return decide(self, action, target)

    monkeypatch.setattr(Powers, "decide", counted)
    rights = row_rights(powers, CONTAINER_ACTIONS)
    assert rights is not None
    rows = [
        Target(
            kind="container",
            id=f"c{number}",
            name=f"h1/c{number}",
            project="shop",
            service_id=f"shop.s{number % 10}",
            node_id="nd_1",
            labels={"team": "web" if number % 10 < 5 else "ops", "number": str(number)},
        )
        for number in range(1000)
    ]
    found = [rights.of(row) for row in rows]
    assert len(asked) == 2 * len(CONTAINER_ACTIONS)
    assert "container.stop" in found[0]
    assert "container.stop" not in found[9]
    assert (
        row_rights(
            Powers(parts=(built_in(Role.ADMIN),), scopes=frozenset(), token_prefix=None, now_ms=0),
            CONTAINER_ACTIONS,
        )
        is None
    )

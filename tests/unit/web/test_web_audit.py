"""Every change and every refusal leaves its record, and no secret does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.commands.audit import RecordAudit
from cluster.model.access import Role
from cluster.model.audit import AuditOutcome
from cluster.model.ids import TokenPrefix
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.rbac import ACTIONS
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world, log_in, serving
from web.api.routes import ENDPOINTS
from web.auth.authority import Authority, Permit
from web.auth.call import Call, Credential, Identity
from web.auth.problems import Problem
from web.auth.strangers import KINDS_MAX, StrangerCounts
from web.middleware.keys import AUTHORITY
from web.middleware.routes import Audience
from web.server import build_app
from web.tools.pace import Pace


def a_call(world: WebWorld, role: Role | None = Role.ADMIN, **fields: Any) -> Call:
    identity = None
    if role is not None:
        identity = Identity(
            principal_id=world.add_user("ann", role),
            name="ann",
            role=role,
            credential=Credential.COOKIE,
            epoch=1,
        )
    defaults: dict[str, Any] = {
        "identity": identity,
        "request_id": "rq_1",
        "ip": "192.0.2.1",
        "user_agent": "test",
        "started_s": 0.0,
    }
    return Call(**{**defaults, **fields})


async def test_a_change_and_its_record_are_one() -> None:
    world = a_web_world()
    world.add_user("ann", Role.OPERATOR)
    async with serving(world) as client:
        headers = {
            **await log_in(client, "ann"),
            "User-Agent": "tower/1 é",
            "X-Request-ID": "the-request",
        }
        await client.post("/api/v1/nodes/h2/drain", json={"draining": True}, headers=headers)
    entry = world.state.audit()[-1]
    stamp = entry.stamp
    assert (stamp.principal, stamp.principal_name, stamp.action) == ("us_ann", "ann", "node.drain")
    assert (stamp.resource, stamp.is_allowed, stamp.node) == ("node:nd_2", True, "nd_1")
    assert (stamp.ip, stamp.request_id) == ("127.0.0.1", "the-request")
    assert stamp.user_agent.startswith("tower/1 ")
    assert stamp.reason == "role operator includes node.drain"
    assert (entry.command, entry.outcome) == ("set-node-draining", AuditOutcome.APPLIED)


async def test_the_end_of_a_drain_is_recorded_as_that() -> None:
    world = a_web_world()
    world.add_user("ann", Role.OPERATOR)
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        for draining in (True, False):
            await client.post("/api/v1/nodes/h2/drain", json={"draining": draining}, headers=headers)
    assert [entry.stamp.action for entry in world.state.audit()[-2:]] == ["node.drain", "node.resume"]


async def test_a_rejected_change_is_recorded_as_rejected() -> None:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        response = await client.post("/api/v1/users/ann/role", json={"role": "viewer"}, headers=headers)
    assert response.status == 409
    assert world.state.audit()[-1].outcome is AuditOutcome.REJECTED


async def test_the_time_from_the_request_to_the_proposal_is_in_the_record() -> None:
    world = a_web_world()
    authority = Authority(world.surroundings)
    call = a_call(world)
    await world.clock.advance(0.25)

    async def change(permit: Permit) -> None:
        assert permit.stamp().duration_ms == 250

    await authority.perform(call, "node.drain", "node:nd_1", change)


async def test_what_changes_something_without_a_record_is_a_defect() -> None:
    world = a_web_world()

    async def change(permit: Permit) -> None:
        return None

    with pytest.raises(AssertionError, match="without an entry"):
        await Authority(world.surroundings).perform(a_call(world), "node.drain", "node:nd_1", change)


async def test_a_refusal_that_cannot_be_written_now_is_written_later() -> None:
    world = a_web_world()
    authority = Authority(world.surroundings)
    world.state.audit_failures = [NotCommitted("no leader"), OutcomeUnknown("gone")]
    with pytest.raises(Problem) as refused:
        await authority.require(a_call(world, Role.VIEWER), "node.drain", "node:nd_1")
    assert refused.value.kind == "forbidden"
    with pytest.raises(OutcomeUnknown):
        await authority.flush()
    assert world.state.audit() == []
    await authority.flush()
    (entry,) = world.state.audit()
    assert (entry.stamp.action, entry.outcome) == ("node.drain", AuditOutcome.DENIED)


async def test_strangers_are_counted_by_reason_and_written_as_one_record_each() -> None:
    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        for _ in range(3):
            await client.get("/api/v1/nodes")
        await client.get("/api/v1/nodes", headers={"Authorization": "Bearer nonsense"})
        for name in ("ann", "nobody", "nobody-else"):
            await client.post("/api/v1/auth/login", json={"name": name, "password": "wrong", "mode": "token"})
        before = len(world.state.audit())
        await client.app[AUTHORITY].flush()
    written = {
        (entry.stamp.action, entry.stamp.resource, entry.stamp.reason): entry.count
        for entry in world.state.audit()[before:]
    }
    assert written == {
        ("node.read", "node", "no login and no token"): 3,
        ("node.read", "node", "access token malformed"): 1,
        ("account.start-login", "account:us_ann", "the name or the password is wrong"): 1,
        ("account.start-login", "account", "the name or the password is wrong"): 2,
    }


async def test_counts_of_strangers_are_written_by_themselves_and_at_the_end() -> None:
    world = a_web_world()
    async with serving(world, pace=Pace(audit_flush_s=0.01)) as client:
        await client.get("/api/v1/nodes")
        async with asyncio.timeout(5):
            await world.state.until_proposed(RecordAudit)
    assert world.state.audit()
    world = a_web_world()
    async with serving(world) as client:
        await client.get("/api/v1/nodes")
        assert world.state.audit() == []
    assert len(world.state.audit()) == 1


def test_a_flood_of_kinds_is_one_kind() -> None:
    counts = StrangerCounts()
    for number in range(10_000):
        counts.count("account.start-login", f"account:{number}", "wrong")
    records = counts.take(node_id="nd_1", request_id="rq_1", now_ms=0)
    assert len(records) <= KINDS_MAX + 1
    assert sum(record.count for record in records) == 10_000
    assert counts.take(node_id="nd_1", request_id="rq_2", now_ms=0) == []


async def test_the_audit_is_read_newest_first_by_actor_and_action() -> None:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    world.add_user("bob", Role.OPERATOR)
    async with serving(world) as client:
        ann, bob = await log_in(client, "ann"), await log_in(client, "bob")
        for host in ("h1", "h2", "h3"):
            await client.post(f"/api/v1/nodes/{host}/drain", json={"draining": True}, headers=bob)
        await client.delete("/api/v1/nodes/h3", headers=bob)

        async def read(**query: str) -> Any:
            response = await client.get("/api/v1/audit", params=query, headers=ann)
            assert response.status == 200
            return await response.json()

        first = await read(limit="2")
        rest = await read(cursor=first["next_cursor"])
        drains = await read(action="node.drain")
        nodes = await read(action="node.", actor="bob")
        nobody = await read(actor="nobody")
    assert [item["action"] for item in first["items"]] == ["node.remove", "node.drain"]
    refused = first["items"][0]
    assert (refused["actor"], refused["decision"], refused["outcome"]) == ("bob", "denied", "denied")
    assert first["items"][-1]["sequence"] == rest["items"][0]["sequence"] + 1
    assert rest["items"][-1]["sequence"] == 0
    assert rest["next_cursor"] is None
    assert [item["resource"] for item in drains["items"]] == ["node:nd_3", "node:nd_2", "node:nd_1"]
    assert len(nodes["items"]) == 4
    assert nobody["items"] == []


async def test_many_entries_that_do_not_fit_do_not_make_one_request_long() -> None:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    app = build_app(world.surroundings)
    authority = app[AUTHORITY]
    for number in range(600):
        authority.strangers.count("x", "account", f"r{number % 7}")
        await authority.flush()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        found: list[int] = []
        cursor: str | None = None
        for _ in range(20):
            query = {"action": "x", "limit": "100", **({} if cursor is None else {"cursor": cursor})}
            page = await (await client.get("/api/v1/audit", params=query, headers=headers)).json()
            found += [item["sequence"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert found == sorted(set(found), reverse=True)
    assert len(found) == 600


async def test_no_secret_of_a_request_is_in_the_audit() -> None:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    secrets = [PASSWORD, "hunter2-in-compose", "another fine long password"]
    async with serving(world, pace=Pace(rollout_wait_s=0.01)) as client:
        headers = await log_in(client, "ann")
        await client.post(
            "/api/v1/users", json={"name": "bob", "password": secrets[2], "role": "viewer"}, headers=headers
        )
        compose = "name: a\nservices: {web: {image: x:1, environment: {P: hunter2-in-compose}}}"
        await client.post("/api/v1/deployments", json={"compose": compose}, headers=headers)
        made = await (
            await client.post("/api/v1/tokens", json={"name": "t", "role": "viewer"}, headers=headers)
        ).json()
        joined = await (await client.post("/api/v1/join-tokens", json={}, headers=headers)).json()
    secrets += [made["token"].split("_")[2], joined["token"].split("-")[3], headers["Authorization"][7:]]
    text = str(world.state.audit())
    assert len(world.state.audit()) >= 5
    for secret in secrets:
        assert secret not in text


# What is asked about, a file or a whole rule, is too large for an address.
ASKED_WITH_A_BODY = frozenset({"/validations", "/alert-rules/{rule}/test", "/bindings/preview"})


def test_every_mutation_of_the_interface_has_an_action_of_its_own() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method != "GET" and endpoint.access.audience is Audience.ALLOWED:
            changes_state = ACTIONS[endpoint.access.action].changes_state
            assert changes_state is (endpoint.path not in ASKED_WITH_A_BODY), endpoint.path


async def test_a_refusal_names_the_token_that_holds_less_than_its_owner() -> None:
    world = a_web_world()
    authority = Authority(world.surroundings)
    identity = Identity(
        principal_id=world.add_user("bob", Role.ADMIN),
        name="bob",
        role=Role.VIEWER,
        credential=Credential.API_TOKEN,
        epoch=1,
        token_prefix=TokenPrefix("abcd2345"),
    )
    with pytest.raises(Problem):
        await authority.require(a_call(world, identity=identity), "node.drain", "node:nd_1")
    (entry,) = world.state.audit()
    reason = "node.drain needs role operator; yours is viewer; API token abcd2345"
    assert (entry.stamp.principal_name, entry.stamp.reason) == ("bob", reason)

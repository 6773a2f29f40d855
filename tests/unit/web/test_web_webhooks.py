"""Webhooks and events over HTTP: secrets are shown once and never again, and not taken along elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands.nodes import SetNodeDraining
from cluster.commands.webhooks import AttemptResult, PingWebhook, RecordAttempts
from cluster.identity.stored_secrets import open_webhook_secret
from cluster.model.access import Role
from cluster.model.ids import NodeId
from cluster.model.webhooks import Attempt, FailureKind
from cluster.store import records
from cluster.store.tables import ALL_TABLES
from tests.support.api_caller import ApiCaller
from tests.support.deployments import lead
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

TOKEN = "xoxb-a-token-nobody-may-see"
NETWORKS = "/settings/outbound.allowed_networks"
URL = "https://hooks.example.com/in?key=shown-to-nobody"


class Api(ApiCaller):
    async def put(self, name: str = "pager", **fields: Any) -> tuple[int, Any]:
        body = {"url": URL, "events": ["node:*"], **fields}
        return await self.ask("PUT", f"/webhooks/{name}", json=body)


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "ann"))


def the_secret(world: WebWorld, name: str = "pager", number: int = 0) -> bytes:
    with world.state.read() as txn:
        webhook = records.WEBHOOKS.get(txn, name)
    assert webhook is not None
    sealed = webhook.secrets[number].sealed
    return open_webhook_secret(sealed, world.cluster.keyring(), webhook_id=name, url=webhook.url)


def attempt(world: WebWorld, sequence: int, *, status: int, number: int = 1) -> None:
    """Have the leader try a delivery."""
    lead(world)
    failure = FailureKind.NONE if status < 300 else FailureKind.STATUS
    made = Attempt(number=number, at_ms=1, duration_ms=12, status=status, failure=failure, detail="said")
    world.state.must(
        RecordAttempts(results=(AttemptResult(webhook_id="pager", sequence=sequence, attempt=made),))
    )


def drain(world: WebWorld) -> int:
    """Have an event; returns its sequence."""
    world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True))
    with world.state.read() as txn:
        return records.EVENTS.scan(txn, limit=1, reverse=True)[0].sequence


async def test_a_secret_that_is_made_is_shown_once_and_kept_sealed() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, answer = await api.put()
        assert status == 200
        secret = answer["secret"]
        assert secret.startswith("whsec_")
        assert base64.b64decode(secret.removeprefix("whsec_")) == the_secret(world)
        assert answer["webhook"]["url"] == "https://hooks.example.com/in?key=…"
        status, again = await api.put(events=["*"])
        assert (status, again["secret"]) == (200, None)
        assert again["webhook"]["events"] == ["*"]
        _, shown = await api.ask("GET", "/webhooks")
        assert secret not in json.dumps(shown)
        assert "shown-to-nobody" not in json.dumps(shown)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    with world.state.read() as txn:
        stored = [value for table in ALL_TABLES for _, value in txn.scan(table)]
    assert not any(key in value for value in stored)


async def test_a_token_is_not_sent_to_another_host_by_who_does_not_know_it() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        assert (await api.put(auth="bearer", secret=TOKEN))[0] == 200
        assert the_secret(world) == TOKEN.encode()
        assert (await api.put(auth="bearer", url="https://hooks.example.com/elsewhere"))[0] == 200
        status, problem = await api.put(auth="bearer", url="https://evil.example.com/in")
        assert status == 422
        assert "given for https://hooks.example.com:443" in problem["errors"][0]["rule"]
        assert TOKEN not in json.dumps(problem)
        status, _ = await api.put(auth="bearer", url="https://new.example.com/in", secret=TOKEN)
        assert status == 200


async def test_while_a_secret_is_rotated_the_one_before_is_kept_as_well() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        _, first = await api.put()
        old = the_secret(world)
        status, second = await api.ask("POST", "/webhooks/pager/rotate", json={"keep_old_s": 3600})
        assert status == 200
        assert second["secret"] not in (None, first["secret"])
        assert the_secret(world, number=1) == old
        assert second["webhook"]["old_secret_until_ms"] == world.clock.now_ms() + 3_600_000
        _, third = await api.ask("POST", "/webhooks/pager/rotate", json={"keep_old_s": 0})
        assert third["webhook"]["old_secret_until_ms"] is None
        await api.put("chat", auth="none")
        status, problem = await api.ask("POST", "/webhooks/chat/rotate", json={})
        assert (status, problem["errors"][0]["field"]) == (422, "auth")


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"url": "ftp://hooks.example.com/"}, "url"),
    ({"url": "https:///in"}, "url"),
    ({"url": "https://ann:pw@hooks.example.com/"}, "url"),
    ({"url": "https://hooks.example.com/#part"}, "url"),
    ({"url": "https://hooks.example.com:99999/"}, "url"),
    ({"events": ["alerts:*"]}, "events"),
    ({"events": ["rollout:exploded"]}, "events"),
    ({"events": []}, "events"),
    ({"auth": "bearer"}, "secret"),
    ({"auth": "bearer", "secret": "two words"}, "secret"),
    ({"auth": "basic", "secret": "pw"}, "username"),
    ({"auth": "basic", "secret": "pw", "username": "a:b"}, "username"),
    ({"auth": "none", "secret": "pw"}, "secret"),
    ({"auth": "hmac", "secret": "whsec_c2hvcnQ="}, "secret"),
    ({"attempts": 0}, "attempts"),
    ({"base_s": 60, "max_s": 1}, "retry"),
    ({"timeout_s": 0.1}, "timeout_s"),
)


async def test_what_is_wrong_is_named() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        for fields, field in WRONG:
            status, problem = await api.put(**fields)
            assert status == 422, (fields, problem)
            assert problem["errors"][0]["field"].startswith(field), (fields, problem)
            assert "pw" not in json.dumps(problem), fields


async def test_deliveries_are_listed_newest_first_and_what_was_given_up_is_replayed() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put(attempts=1, events=["node:draining"])
        first = drain(world)
        attempt(world, first, status=503)
        _, page = await api.ask("GET", "/webhooks/pager/deliveries?state=dead")
        (dead,) = page["items"]
        assert (dead["sequence"], dead["kind"], dead["attempts"]) == (first, "node:draining", 1)
        assert dead["log"][0] == {
            "number": 1,
            "at_ms": 1,
            "duration_ms": 12,
            "status": 503,
            "failure": "status",
            "detail": "said",
            "node_id": "",
        }
        _, view = await api.ask("GET", "/webhooks/pager")
        assert (view["dead"], view["waiting"], view["failing_since_ms"] is not None) == (1, 0, True)
        assert await api.ask("POST", "/webhooks/pager/replay", json={}) == (200, {"replayed": 1})
        attempt(world, first, status=204)
        _, view = await api.ask("GET", "/webhooks/pager")
        assert (view["delivered"], view["waiting"], view["failing_since_ms"]) == (1, 0, None)
        status, problem = await api.ask("POST", "/webhooks/pager/replay", json={"first": 9, "last": 2})
        assert (status, problem["errors"][0]["field"]) == (422, "last")


async def test_pages_of_deliveries_and_events_go_on_where_the_one_before_ended() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put()
        for _ in range(3):
            world.state.must(PingWebhook(webhook_id="pager", by="ann"))
        for path in ("/webhooks/pager/deliveries", "/events"):
            seen, cursor = [], ""
            for _ in range(20):
                _, page = await api.ask("GET", f"{path}?limit=1{cursor}")
                seen += [item["sequence"] for item in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            assert len(seen) >= 3
            assert seen == sorted(set(seen), reverse=True)


async def test_who_tries_a_webhook_hears_what_came_of_it() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put()
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(api.ask("POST", "/webhooks/pager/ping"))
            await world.state.until_proposed(PingWebhook)
            with world.state.read() as txn:
                (delivery,) = records.DELIVERIES.scan(txn, "pager")
            attempt(world, delivery.event.sequence, status=200)
        status, view = asking.result()
        assert (status, view["state"], view["kind"]) == (200, "delivered", "webhook:test")
        _, events = await api.ask("GET", "/events?kinds=webhook:*")
        assert events["items"] == [], "a test is no news of the cluster"


async def test_events_are_filtered_by_kind_severity_and_time() -> None:
    world = a_web_world()
    async with logged_in(world, Role.VIEWER) as api:
        drain(world)
        _, page = await api.ask("GET", "/events?kinds=node:draining")
        (event,) = page["items"]
        assert (event["summary"], event["subject"]["node_name"]) == ("Host h2 is being emptied", "h2")
        _, page = await api.ask("GET", "/events?min_severity=critical")
        assert page["items"] == []
        _, page = await api.ask("GET", f"/events?since_ms={world.clock.now_ms() + 1}")
        assert page["items"] == []
        status, problem = await api.ask("GET", "/events?kinds=hosts:*")
        assert (status, problem["errors"][0]["field"]) == (422, "kinds")


async def test_roles_are_asked_and_what_is_not_there_is_said() -> None:
    world = a_web_world()
    async with logged_in(world, Role.VIEWER) as api:
        assert (await api.ask("GET", "/webhooks"))[0] == 403
    world = a_web_world()
    async with logged_in(world, Role.OPERATOR) as api:
        assert (await api.ask("GET", "/webhooks"))[0] == 200
        assert (await api.put())[0] == 403
        for method, path in (("GET", ""), ("POST", "/ping"), ("POST", "/replay"), ("GET", "/deliveries")):
            status, problem = await api.ask(method, f"/webhooks/pager{path}", json={})
            assert (status, problem["hint"]) == (404, "`tower webhook list` lists them"), path


async def test_every_change_is_in_the_audit_and_no_secret_is() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put(auth="bearer", secret=TOKEN)
        await api.ask("POST", "/webhooks/pager/rotate", json={"secret": TOKEN + "2"})
        await api.ask("DELETE", "/webhooks/pager")
    entries = [entry for entry in world.state.audit() if entry.stamp.action.startswith("webhook.")]
    assert [entry.stamp.action for entry in entries] == ["webhook.put", "webhook.put", "webhook.remove"]
    assert {entry.stamp.resource for entry in entries} == {"webhook:pager"}
    assert not any(TOKEN in repr(entry) or "hooks.example.com" in repr(entry) for entry in entries)


async def test_the_networks_that_may_be_called_are_checked_when_they_are_set() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        assert (await api.ask("PUT", NETWORKS, json={"value": "10.0.5.0/24"}))[0] == 200
        status, problem = await api.ask("PUT", NETWORKS, json={"value": "10.0.5.1/24"})
        assert (status, problem["errors"][0]["field"]) == (422, "value")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.6.1", "[::1]", "169.254.169.254"])
async def test_an_address_that_would_never_be_called_is_refused_when_it_is_given(host: str) -> None:
    world = a_web_world()
    url = f"https://{host}/in"
    async with logged_in(world) as api:
        assert (await api.ask("PUT", NETWORKS, json={"value": "10.0.5.0/24"}))[0] == 200
        for path, body in (
            ("/webhooks/near", {"url": url, "events": ["*"]}),
            ("/exports/near", {"url": url, "kind": "prometheus"}),
        ):
            status, problem = await api.ask("PUT", path, json=body)
            assert status == 422, problem
            assert problem["errors"][0]["field"] == "url"
            assert "tower webhook networks --set" in problem["errors"][0]["hint"]
        assert (await api.put(url="https://10.0.5.7/in"))[0] in (200, 201)

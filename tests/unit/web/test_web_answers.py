"""Tags, conditions, compressed forms, and doing once what is asked for twice."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import brotli
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.commands.nodes import SetNodeDraining
from cluster.model.access import Role
from cluster.model.inventory import HostUnavailable
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from tests.support.web_fakes import (
    FakeHosts,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.middleware.answers import Content, coding_of, tags_in
from web.middleware.idempotency import KEPT_S, request_id_of
from web.tools.pace import Pace

Client = TestClient[web.Request, web.Application]


def a_world(role: Role = Role.ADMIN) -> WebWorld:
    world = a_web_world()
    world.add_user("ann", role)
    return world


def many(count: int) -> list[Any]:
    return [a_container(f"web-{number}") for number in range(count)]


# Tags and conditions.


async def test_what_did_not_change_is_not_sent_again() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        first = await client.get("/api/v1/environments", headers=headers)
        again = await client.get(
            "/api/v1/environments", headers={**headers, "If-None-Match": first.headers["ETag"]}
        )
        weak = await client.get(
            "/api/v1/environments", headers={**headers, "If-None-Match": f'"x", W/{first.headers["ETag"]}'}
        )
        other = await client.get("/api/v1/environments", headers={**headers, "If-None-Match": '"x"'})
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (weak.status, other.status) == (304, 200)
        assert first.headers["Cache-Control"] == "private, no-cache"


async def test_what_changed_is_sent_under_another_tag() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        first = await client.get("/api/v1/settings", headers=headers)
        await put_setting(client, headers, "60000")
        again = await client.get(
            "/api/v1/settings", headers={**headers, "If-None-Match": first.headers["ETag"]}
        )
    assert again.status == 200
    assert again.headers["ETag"] != first.headers["ETag"]


async def put_setting(client: Client, headers: dict[str, str], value: str, **more: str) -> Any:
    return await client.put(
        "/api/v1/settings/cluster.node_down_after_ms",
        json={"value": value},
        headers={**headers, **{name.replace("_", "-"): text for name, text in more.items()}},
    )


async def test_a_setting_is_changed_only_if_it_is_as_it_was_read() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        read = await client.get("/api/v1/settings/cluster.node_down_after_ms", headers=headers)
        changed = await put_setting(client, headers, "60000", If_Match=read.headers["ETag"])
        late = await put_setting(client, headers, "70000", If_Match=read.headers["ETag"])
        problem = await late.json()
        followed = await put_setting(client, headers, "80000", If_Match=changed.headers["ETag"])
    assert (changed.status, late.status, followed.status) == (200, 412, 200)
    assert problem["type"] == "urn:tower:problem:changed"
    assert "at version 1 now" in problem["detail"]
    assert "send its new ETag" in problem["hint"]


async def test_what_is_to_be_new_is_not_made_where_there_is_one() -> None:
    world = a_world()
    body = {"url": "https://chat.example/hook", "events": ["*"], "auth": "none"}
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        new = {**headers, "If-None-Match": "*"}
        made = await client.put("/api/v1/webhooks/chat", json=body, headers=new)
        again = await client.put("/api/v1/webhooks/chat", json=body, headers=new)
        gone = await client.put("/api/v1/webhooks/other", json=body, headers={**headers, "If-Match": "*"})
    assert (made.status, again.status, gone.status) == (200, 412, 412)


async def test_what_has_no_version_is_compared_by_what_it_says() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        made = await client.put("/api/v1/environments/qa", json={}, headers=headers)
        assert made.status == 200, await made.text()
        tag = (await client.get("/api/v1/environments/qa", headers=headers)).headers["ETag"]
        stale = await client.delete("/api/v1/environments/qa", headers={**headers, "If-Match": '"0123"'})
        fresh = await client.delete("/api/v1/environments/qa", headers={**headers, "If-Match": tag})
    assert stale.status == 412
    assert fresh.status < 300


async def test_a_condition_on_what_nobody_reads_is_refused_rather_than_ignored() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        refused = await client.delete("/api/v1/freezes/x", headers={**headers, "If-Match": '"1"'})
    assert refused.status == 412


def test_only_strong_tags_are_for_changes() -> None:
    digest = "ab" * 12
    assert tags_in(f'"{digest}", W/"{digest}", "3-{digest}-br", "7", nonsense') == [
        (None, digest),
        (3, digest),
        (7, ""),
    ]


# Compressed forms.


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("br;q=0, gzip;q=0", ""),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity", ""),
        ("gzip;q=x", ""),
    ],
)
def test_the_coding_is_the_best_that_is_taken(accepted: str, coding: str) -> None:
    assert coding_of(accepted) == coding


@pytest.mark.parametrize(("coding", "plain"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
async def test_long_answers_are_compressed_as_is_asked_for_and_hold_the_same(coding: str, plain: Any) -> None:
    world = a_world()
    put_containers(world, "nd_1", *many(300))
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        url = f"http://127.0.0.1:{client.port}/api/v1/containers"
        whole = await client.get("/api/v1/containers", headers={**headers, "Accept-Encoding": "identity"})
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(
            f"GET {url} HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n"
            f"Accept-Encoding: {coding}\r\nConnection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert f"Content-Encoding: {coding}".encode() in head
        assert b"Vary: Accept-Encoding" in head
        assert plain(body) == await whole.read()
        assert len(body) < len(await whole.read()) / 5


async def test_short_answers_and_streams_are_sent_as_they_are() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = {**await log_in(client, "ann"), "Accept-Encoding": "br"}
        put_containers(world, "nd_1", a_container("web"))
        short = await client.get("/api/v1/health", headers=headers)
        logs = await client.get("/api/v1/logs/web?follow=false", headers=headers)
        assert "Content-Encoding" not in short.headers
        assert "Content-Encoding" not in logs.headers


async def test_answers_with_secrets_are_kept_by_nobody() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        detail = await client.get("/api/v1/containers/web", headers=headers)
        me = await client.get("/api/v1/auth/me", headers=headers)
    assert (detail.headers["Cache-Control"], me.headers["Cache-Control"]) == ("no-store", "no-store")


def test_a_tag_is_of_one_form_and_known_by_every_form() -> None:
    content = Content(b"x" * 100, version=3)
    assert content.tag() != content.tag("br")
    assert content.is_known(content.tag("br"))
    assert content.is_known(f"W/{content.tag()}")
    assert not content.is_known(Content(b"y").tag())


# Lists that many ask for.


async def test_a_list_is_made_once_for_all_who_ask_in_the_same_moment() -> None:
    world = a_world()
    world.add_user("vera", Role.VIEWER)
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world, pace=Pace(answers_fresh_s=0.25)) as client:
        headers = [await log_in(client, name) for name in ("ann", "vera")]
        first = await (await client.get("/api/v1/containers", headers=headers[0])).json()
        put_containers(world, "nd_1", a_container("web"), a_container("db"))
        shared = await (await client.get("/api/v1/containers", headers=headers[1])).json()
        await world.clock.advance(0.3)
        later = await (await client.get("/api/v1/containers", headers=headers[1])).json()
    assert (len(first["items"]), len(shared["items"]), len(later["items"])) == (1, 1, 2)


async def test_who_changed_something_sees_it_in_the_next_list() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world, pace=Pace(answers_fresh_s=60.0)) as client:
        headers = await log_in(client, "ann")
        await client.get("/api/v1/containers", headers=headers)
        put_containers(world, "nd_1", a_container("web", state="exited"))
        await client.post("/api/v1/containers/web/stop", headers=headers)
        page = await (await client.get("/api/v1/containers", headers=headers)).json()
    assert [item["state"] for item in page["items"]] == ["exited"]


# Doing once what is asked for twice.


async def drain(client: Client, headers: dict[str, str], key: str, *, draining: bool = True) -> Any:
    return await client.post(
        "/api/v1/nodes/h2/drain",
        json={"draining": draining},
        headers={**headers, "Idempotency-Key": key},
    )


def drains(world: WebWorld) -> int:
    return sum(isinstance(command, SetNodeDraining) for command in world.state.proposed)


async def test_the_same_request_with_the_same_key_is_carried_out_once_and_answered_alike() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        first = await drain(client, headers, "deploy-4711")
        again = await drain(client, headers, '"deploy-4711"')
        assert await first.json() == await again.json()
        assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
        other = await drain(client, headers, "deploy-4712")
        assert "Idempotency-Replayed" not in other.headers
    assert drains(world) == 2


async def test_another_request_under_the_same_key_is_refused() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        await drain(client, headers, "k-1")
        refused = await drain(client, headers, "k-1", draining=False)
        problem = await refused.json()
    assert (refused.status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert drains(world) == 1


async def test_a_key_is_its_accounts_own() -> None:
    world = a_world()
    world.add_user("bob", Role.ADMIN)
    async with serving(world) as client:
        await drain(client, await log_in(client, "ann"), "k-1")
        second = await drain(client, await log_in(client, "bob"), "k-1")
    assert "Idempotency-Replayed" not in second.headers
    assert drains(world) == 2


async def test_while_the_first_is_carried_out_its_repeat_is_told_to_wait() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    class SlowHosts(FakeHosts):
        async def act(self, *args: Any, **named: Any) -> None:
            begun.set()
            await go_on.wait()
            await super().act(*args, **named)

    world.hosts = SlowHosts(inventories=world.hosts.inventories)
    async with serving(world) as client, asyncio.TaskGroup() as tasks:
        headers = {**await log_in(client, "ann"), "Idempotency-Key": "k-1"}
        first = tasks.create_task(client.post("/api/v1/containers/web/stop", headers=headers))
        await begun.wait()
        second = await client.post("/api/v1/containers/web/stop", headers=headers)
        go_on.set()
        assert (second.status, (await first).status) == (409, 200)
        assert second.headers["Retry-After"] == "1"
        third = await client.post("/api/v1/containers/web/stop", headers=headers)
        assert third.status == 200
    assert len(world.hosts.acted) == 1


async def test_what_was_not_done_may_be_tried_again_under_its_key() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world) as client:
        headers = {**await log_in(client, "ann"), "Idempotency-Key": "k-1"}
        world.state.failures = [NotCommitted("no quorum")]
        assert (await drain(client, headers, "k-2")).status == 503
        assert (await drain(client, headers, "k-2")).status == 200
        world.hosts.failure = HostUnavailable("h1 does not answer")
        assert (await client.post("/api/v1/containers/web/stop", headers=headers)).status == 503
        assert (await client.post("/api/v1/containers/web/stop", headers=headers)).status == 200


async def test_what_may_have_been_done_is_not_done_again() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        world.state.failures = [OutcomeUnknown("the leader did not answer")]
        first = await drain(client, headers, "k-1")
        again = await drain(client, headers, "k-1")
        assert (first.status, again.status) == (504, 504)
        assert (await again.json())["type"] == "urn:tower:problem:outcome-unknown"
    assert drains(world) == 0


async def test_what_was_done_through_another_host_is_not_done_again_here() -> None:
    world = a_world()
    async with serving(world) as client:
        assert (await drain(client, await log_in(client, "ann"), "k-1")).status == 200
    async with serving(world) as another:
        again = await drain(another, await log_in(another, "ann"), "k-1")
        problem = await again.json()
    assert (again.status, problem["type"]) == (409, "urn:tower:problem:done-before")
    assert "node.drain of node:nd_2 was done under this key" in problem["detail"]
    assert drains(world) == 1


async def test_an_outcome_is_remembered_for_an_hour() -> None:
    world = a_world()
    async with serving(world) as client:
        await drain(client, await log_in(client, "ann"), "k-1")
        await world.clock.advance(KEPT_S + 1)
        again = await drain(client, await log_in(client, "ann"), "k-1")
    # What was changed is known for longer, from the audit.
    assert again.status == 409
    assert any(entry.stamp.request_id == request_id_of("us_ann", "k-1") for entry in world.state.audit())


@pytest.mark.parametrize("key", ["a b", "x" * 300, "é"])
async def test_what_is_no_key_is_refused(key: str) -> None:
    async with serving(a_world()) as client:
        refused = await drain(client, await log_in(client, "ann"), key)
        assert refused.status == 422


async def test_viewing_needs_no_key_and_takes_none() -> None:
    async with serving(a_world()) as client:
        headers = {**await log_in(client, "ann"), "Idempotency-Key": "k-1"}
        first = await client.get("/api/v1/nodes", headers=headers)
        assert json.loads(await first.read())["items"]
        assert "Idempotency-Replayed" not in first.headers

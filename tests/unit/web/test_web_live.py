"""The WebSocket: everything at first, then what changes, and nothing for those who may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from cluster.commands.access import EndLogin, SetRole
from cluster.commands.nodes import SetNodeDraining
from cluster.model.access import Role
from cluster.model.ids import LoginId, NodeId
from cluster.model.inventory import HostInventory, HostLive, LiveSeries
from cluster.store import records
from tests.support.state_builders import a_service
from tests.support.web_fakes import (
    ORIGIN,
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.auth.call import Call, Credential, Identity
from web.live.client import QUEUE_MAX, Client
from web.live.hub import HUB, LiveHub
from web.live.topics import Topic, Wanted
from web.middleware.rate_limit import Limits
from web.tools.pace import Pace

QUICK = Pace(coalesce_s=0.01, containers_s=0.02, metrics_s=0.02, seconds_s=0.02, pulse_s=0.05)


class Watcher:
    """A connected client that keeps what it was told."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def subscribe(self, *topics: str) -> None:
        await self.socket.send_json({"subscribe": list(topics)})

    async def ask(self, topic: str, position: str = "", **narrowed: str) -> None:
        """Subscribe to a part of a topic, or go on where one was."""
        wanted = {"topic": topic, "filter": narrowed, "position": position}
        await self.socket.send_json({"subscribe": [wanted]})

    async def told(self, topic: str) -> dict[str, Any]:
        """Return the next message about a topic."""
        while True:
            message = await self.message()
            if message.get("topic") == topic:
                return message

    async def message(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            received = await self.socket.receive()
        assert received.type is WSMsgType.TEXT, received
        value = json.loads(received.data)
        assert isinstance(value, dict)
        return value

    async def closed(self) -> int | None:
        """Return the code the server closes with."""
        async with asyncio.timeout(5):
            while True:
                received = await self.socket.receive()
                if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
                    return self.socket.close_code


@asynccontextmanager
async def watching(world: WebWorld, name: str = "vera", pace: Pace = QUICK) -> AsyncIterator[Watcher]:
    async with serving(world, pace=pace) as client:
        headers = await log_in(client, name)
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            yield Watcher(socket)


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("vera", Role.VIEWER)
    return world


async def test_the_cluster_is_told_whole_and_again_when_it_changes() -> None:
    world = a_world()
    async with watching(world) as watcher:
        await watcher.subscribe("cluster")
        first = await watcher.told("cluster")
        world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True))
        second = await watcher.told("cluster")
    assert [node["is_draining"] for node in first["data"]["nodes"]] == [False, False, False]
    assert [node["is_draining"] for node in second["data"]["nodes"]] == [False, True, False]


async def test_services_are_told_one_by_one_after_the_first_time() -> None:
    world = a_world()
    world.state.must(a_service("shop.api"))
    async with watching(world) as watcher:
        await watcher.subscribe("services")
        first = await watcher.told("services")
        world.state.must(a_service("shop.web"))
        second = await watcher.told("services")
    assert [service["id"] for service in first["data"]["items"]] == ["shop.api"]
    assert [service["id"] for service in second["changed"]] == ["shop.web"]
    assert second["removed"] == []


async def test_many_changes_at_once_are_told_once() -> None:
    world = a_world()
    async with watching(world, pace=Pace(coalesce_s=0.2)) as watcher:
        await watcher.subscribe("services")
        await watcher.told("services")
        for number in range(20):
            world.state.must(a_service(f"shop.s{number}"))
        told = await watcher.told("services")
        if len(told["changed"]) < 20:
            told["changed"] += (await watcher.told("services"))["changed"]
    assert len(told["changed"]) == 20


async def test_containers_that_come_change_and_go() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with watching(world) as watcher:
        await watcher.subscribe("containers")
        first = await watcher.told("containers")
        put_containers(world, "nd_1", a_container("web", state="exited"))
        second = await watcher.told("containers")
        put_containers(world, "nd_1")
        third = await watcher.told("containers")
    assert [item["name"] for item in first["data"]["items"]] == ["web"]
    assert [(item["name"], item["state"]) for item in second["changed"]] == [("web", "exited")]
    assert third["removed"] == [{"node_id": "nd_1", "id": a_container("web").id}]


async def test_a_container_whose_numbers_alone_move_is_no_news() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web", cpu_percent=1.0))
    async with watching(world) as watcher:
        await watcher.subscribe("containers")
        await watcher.told("containers")
        put_containers(world, "nd_1", a_container("web", cpu_percent=50.0))
        beats = 0
        while beats < 2:
            message = await watcher.message()
            assert message.get("topic") != "containers", message
            beats += "heartbeat" in message


def the_numbers(*values: float | None) -> HostLive:
    return HostLive(
        node_id=NodeId("nd_1"),
        times_ms=tuple(10_000 * place for place in range(len(values))),
        series=(LiveSeries(subject="host", metric="cpu_percent", values=values),),
    )


async def test_metrics_are_told_from_the_last_moment_on() -> None:
    world = a_world()
    world.hosts.numbers["nd_1"] = the_numbers(1.0, 2.0, 3.0)
    async with watching(world) as watcher:
        await watcher.subscribe("metrics")
        first = await watcher.told("metrics")
        world.hosts.numbers["nd_1"] = the_numbers(1.0, 2.0, 3.5, 4.0)
        await world.clock.advance(5)
        second = await watcher.told("metrics")
    assert first["data"][0]["times_ms"] == [0, 10_000, 20_000]
    assert second["data"][0]["times_ms"] == [20_000, 30_000]
    assert second["data"][0]["series"][0]["values"] == [3.5, 4.0]


async def test_hosts_are_watched_every_second_only_while_somebody_is_subscribed() -> None:
    world = a_world()
    world.hosts.seconds["nd_1"] = the_numbers(*map(float, range(9)))
    async with watching(world) as watcher:
        await watcher.subscribe("metrics")
        await watcher.told("metrics")
        assert world.hosts.watched == 0
        await watcher.subscribe("seconds")
        first = await watcher.told("seconds")
        assert first["data"][0]["times_ms"] == [40_000, 50_000, 60_000, 70_000, 80_000]
        world.hosts.seconds["nd_1"] = the_numbers(*map(float, range(11)))
        second = await watcher.told("seconds")
        assert second["data"][0]["times_ms"] == [80_000, 90_000, 100_000]
        await watcher.socket.send_json({"unsubscribe": ["seconds"]})
        await watcher.subscribe("cluster")
        await watcher.told("cluster")
        asked = world.hosts.watched
        for _ in range(3):
            while "heartbeat" not in await watcher.message():
                pass
        assert world.hosts.watched <= asked + 1


async def test_a_logout_closes_the_connection() -> None:
    world = a_world()
    async with watching(world) as watcher:
        await watcher.subscribe("cluster")
        await watcher.told("cluster")
        with world.state.read() as txn:
            (login,) = records.LOGINS.scan(txn)
        world.state.must(EndLogin(login_id=LoginId(login.id)))
        assert await watcher.closed() == 4401


async def test_the_end_of_a_login_is_told_to_its_own_connections_alone_and_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str] = []
    recheck = LiveHub.recheck

    def noted(hub: LiveHub, client: Client) -> None:
        looked_at.append(client.call.known().name)
        recheck(hub, client)

    monkeypatch.setattr(LiveHub, "recheck", noted)
    world = a_world()
    world.add_user("otto", Role.VIEWER)
    async with serving(world, pace=replace(QUICK, pulse_s=60.0)) as client, AsyncExitStack() as stack:
        watchers = {}
        for name in ("vera", "otto"):
            headers = await log_in(client, name)
            socket = await stack.enter_async_context(client.ws_connect("/api/v1/live", headers=headers))
            watchers[name] = Watcher(socket)
            await watchers[name].subscribe("cluster")
            await watchers[name].told("cluster")
        with world.state.read() as txn:
            vera = records.principal_by_name(txn, "vera")
            assert vera is not None
            (login,) = (each for each in records.LOGINS.scan(txn) if each.principal_id == vera.id)
        looked_at.clear()
        world.state.must(EndLogin(login_id=LoginId(login.id)))
        assert await watchers["vera"].closed() == 4401
    assert looked_at == ["vera"]


async def test_a_changed_role_closes_the_connection() -> None:
    world = a_world()
    async with watching(world) as watcher:
        await watcher.subscribe("cluster")
        await watcher.told("cluster")
        with world.state.read() as txn:
            principal = records.principal_by_name(txn, "vera")
        assert principal is not None
        world.state.must(SetRole(principal_id=principal.id, role=Role.OPERATOR))
        assert await watcher.closed() == 4401


async def test_a_stopping_server_closes_the_connections_before_it_waits_for_them() -> None:
    world = a_world()
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "vera")
        socket = await client.ws_connect("/api/v1/live", headers=headers)
        watcher = Watcher(socket)
        await watcher.subscribe("cluster")
        await watcher.told("cluster")
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(client.server.close())
            assert await watcher.closed() == 1001
            await stopping


async def test_the_server_shows_that_it_lives() -> None:
    world = a_world()
    async with watching(world) as watcher:
        while "heartbeat" not in (message := await watcher.message()):
            pass
    assert message["heartbeat"] == world.clock.now_ms()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"x"', '{"subscribe": "cluster"}', '{"subscribe": ["secrets"]}', '{"x": 1}', "[" * 2000],
)
async def test_a_message_that_makes_no_sense_is_answered_and_forgiven(text: str) -> None:
    world = a_world()
    async with watching(world) as watcher:
        await watcher.socket.send_str(text)
        while "error" not in (message := await watcher.message()):
            pass
        await watcher.subscribe("cluster")
        assert (await watcher.told("cluster"))["data"]["name"] == "prod"
    assert message["error"]


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async with watching(a_world()) as watcher:
        await watcher.socket.send_str("x" * 20_000)
        assert await watcher.closed() == 1009


async def test_bytes_end_the_connection() -> None:
    async with watching(a_world()) as watcher:
        await watcher.socket.send_bytes(b"\x00\x01")
        assert await watcher.closed() == 1003


async def test_who_talks_too_much_is_cut_off() -> None:
    async with watching(a_world()) as watcher:
        for _ in range(130):
            await watcher.socket.send_json({"unsubscribe": ["cluster"]})
        assert await watcher.closed() == 1008


async def test_more_connections_than_a_host_allows_are_refused() -> None:
    world = a_world()
    async with serving(world, limits=Limits(live_clients=1)) as client:
        headers = await log_in(client, "vera")
        async with client.ws_connect("/api/v1/live", headers=headers):
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect("/api/v1/live", headers=headers)
        assert refused.value.status == 503


async def test_a_stranger_gets_no_connection() -> None:
    async with serving(a_world()) as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/api/v1/live")
    assert refused.value.status == 401


async def test_a_browser_on_another_sites_page_gets_no_connection() -> None:
    world = a_world()
    async with serving(world) as client:
        answer = await client.post(
            "/api/v1/auth/login",
            json={"name": "vera", "password": PASSWORD, "mode": "cookie"},
            headers={"Origin": ORIGIN},
        )
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(
                "/api/v1/live", headers={"Cookie": cookie, "Origin": "https://evil.example"}
            )
        assert refused.value.status == 403
        async with client.ws_connect("/api/v1/live", headers={"Cookie": cookie, "Origin": ORIGIN}) as socket:
            assert not socket.closed


async def test_a_plain_request_is_told_that_this_is_a_socket() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "vera")
        response = await client.get("/api/v1/live", headers=headers)
        assert response.status == 400
        assert "WebSocket" in (await response.json())["detail"]


def a_client() -> Client:
    identity = Identity(
        principal_id=world_user(), name="vera", role=Role.VIEWER, credential=Credential.COOKIE, epoch=1
    )
    return Client(Call(identity=identity, request_id="rq_1", ip="", user_agent="", started_s=0.0))


def world_user() -> Any:
    return "us_vera"


async def heard(client: Client) -> Any:
    """Return the next message of a client that is not behind."""
    told = await client.next()
    assert told is not None
    return json.loads(told.text)


async def test_a_client_that_falls_behind_is_told_how_much_it_missed() -> None:
    client = a_client()
    for number in range(QUEUE_MAX + 10):
        client.say(number=number)
    assert await client.next() is None
    assert client.is_behind
    assert client.dropped == QUEUE_MAX + 10


async def test_a_client_that_keeps_up_is_told_everything_in_order() -> None:
    client = a_client()
    told = []
    for number in range(3 * QUEUE_MAX):
        client.say(number=number)
        next_one = await client.next()
        assert next_one is not None
        told.append(json.loads(next_one.text)["number"])
    assert told == list(range(3 * QUEUE_MAX))
    assert client.dropped == 0


async def test_a_slow_client_misses_news_and_hears_so_while_a_quick_one_misses_none() -> None:
    world = a_world()
    async with serving(world, pace=QUICK) as http:
        assert http.server is not None
        hub = http.server.app[HUB]
        async with hub.connected(a_client().call) as slow, hub.connected(a_client().call) as quick:
            for client in (slow, quick):
                await hub.subscribe(client, Wanted(name="cluster", topic=Topic.CLUSTER))
            first = await heard(quick)
            is_draining = first["data"]["nodes"][1]["is_draining"]
            for _ in range(QUEUE_MAX + 5):
                is_draining = not is_draining
                world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=is_draining))
                async with asyncio.timeout(5):
                    told = await heard(quick)
                assert told["data"]["nodes"][1]["is_draining"] is is_draining
            assert (quick.dropped, slow.is_behind) == (0, True)

            await hub.catch_up(slow)
            missed, anew = await heard(slow), await heard(slow)
    assert missed["dropped"] > QUEUE_MAX
    assert anew["data"]["nodes"][1]["is_draining"] is is_draining


class Unreadable(dict[str, HostInventory]):
    """What hosts say when it makes no sense."""

    def items(self) -> Any:
        raise ValueError("these are no inventories")


async def test_who_cannot_be_told_everything_yet_is_told_as_soon_as_it_is_known() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    known, world.hosts.inventories = world.hosts.inventories, Unreadable()
    async with watching(world) as watcher:
        await watcher.subscribe("containers")
        first = await watcher.told("containers")
        world.hosts.inventories = known
        second = await watcher.told("containers")
    assert first["error"] == "the hosts cannot be asked now"
    assert [item["name"] for item in second["data"]["items"]] == ["web"]

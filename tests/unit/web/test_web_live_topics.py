"""Parts of topics, coming back after a broken connection, containers' lines, and the same as events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientResponse
from hypothesis import given
from hypothesis import strategies as st

from cluster.commands.nodes import SetNodeDraining
from cluster.model.access import Role
from cluster.model.ids import NodeId
from cluster.model.inventory import LogLine
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from tests.unit.web.test_web_live import QUICK, Watcher, a_world, the_numbers, watching
from web.auth.call import Call
from web.live import hub
from web.live.changes import KEPT_MAX, Recently, change_between
from web.live.log_lines import CHARACTERS_KEPT_MAX, LINES_KEPT_MAX, _Pending
from web.tools.context import Context
from web.tools.views import ContainerView
from web.tools.visibility import Sight


async def test_who_asks_for_a_project_is_told_of_its_containers_alone() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web", project="shop"), a_container("db", project="blog"))
    async with watching(world) as watcher:
        await watcher.ask("containers", project="shop")
        first = await watcher.told("containers")
        put_containers(
            world,
            "nd_1",
            a_container("web", project="shop", state="exited"),
            a_container("new", project="blog"),
        )
        second = await watcher.told("containers")
    assert [item["name"] for item in first["data"]["items"]] == ["web"]
    assert [(item["name"], item["state"]) for item in second["changed"]] == [("web", "exited")]
    assert second["removed"] == []


async def test_what_fits_no_longer_has_gone_for_who_asked_so() -> None:
    world = a_world()
    put_containers(world, "nd_2", a_container("web"))
    async with watching(world) as watcher:
        await watcher.ask("containers", node="h2", state="running")
        await watcher.told("containers")
        put_containers(world, "nd_2", a_container("web", state="exited"))
        told = await watcher.told("containers")
    assert (told["changed"], [gone["id"] for gone in told["removed"]]) == ([], [a_container("web").id])


async def test_a_part_of_the_metrics_is_one_series() -> None:
    world = a_world()
    world.hosts.numbers["nd_1"] = the_numbers(1.0, 2.0)
    async with watching(world) as watcher:
        await watcher.ask("metrics:update", node="h1", subject="host", metric="cpu_percent")
        told = await watcher.told("metrics:update")
        await watcher.ask("metrics", metric="load_1")
        nothing = await watcher.told("metrics")
    assert [series["values"] for series in told["data"][0]["series"]] == [[1.0, 2.0]]
    assert nothing["data"] == []


@pytest.mark.parametrize(
    ("topic", "narrowed", "said"),
    [
        ("containers", {"project": 7}, "text"),
        ("containers", {"colour": "red"}, "narrowed by node, project, service, state, q"),
        ("cluster", {"node": "h1"}, "narrowed by nothing"),
        ("events", {"kinds": "party:*"}, "kinds"),
        ("events", {"min_severity": "dire"}, "info, warning, critical"),
        ("logs", {}, "1 to 20 containers"),
        ("logs", {"containers": "web", "levels": "loud"}, "none of"),
        ("logs", {"containers": "web", "tail": "99999"}, "from 0 to"),
        ("containers", {"node": "h9"}, "h9"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_answered_with_the_next_step(
    topic: str, narrowed: dict[str, Any], said: str
) -> None:
    async with watching(a_world()) as watcher:
        await watcher.ask(topic, **narrowed)
        while "error" not in (message := await watcher.message()):
            pass
    assert said in message["error"]


async def test_updates_come_every_five_seconds_with_every_second_of_them() -> None:
    world = a_world()
    world.hosts.numbers["nd_1"] = the_numbers(1.0, 2.0)
    async with watching(world, pace=replace(QUICK, metrics_s=5.0)) as watcher:
        await watcher.subscribe("metrics:update")
        first = await watcher.told("metrics:update")
        world.hosts.seconds["nd_1"] = seconds = replace(
            the_numbers(*map(float, range(7))), times_ms=tuple(range(9_000, 16_000, 1_000))
        )
        await world.clock.advance(5)
        second = await watcher.told("metrics:update")
        world.hosts.seconds["nd_1"] = replace(seconds, times_ms=tuple(range(14_000, 21_000, 1_000)))
        await world.clock.advance(5)
        third = await watcher.told("metrics:update")
    assert first["data"][0]["times_ms"] == [0, 10_000]
    assert second["data"][0]["times_ms"] == list(range(10_000, 16_000, 1_000))
    assert third["data"][0]["times_ms"] == list(range(15_000, 21_000, 1_000))


async def test_events_are_told_from_the_newest_on_and_narrowed_by_kind() -> None:
    world = a_world()
    world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True))
    async with watching(world) as watcher:
        await watcher.ask("events", kinds="node:draining-ended")
        first = await watcher.told("events")
        world.state.must(SetNodeDraining(node_id=NodeId("nd_3"), is_draining=True))
        world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=False))
        second = await watcher.told("events")
    assert first["data"]["items"] == []
    assert [(item["kind"], item["subject"]["node_id"]) for item in second["items"]] == [
        ("node:draining-ended", "nd_2")
    ]


async def test_who_comes_back_hears_every_event_since_and_no_other() -> None:
    world = a_world()
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "vera")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            watcher = Watcher(socket)
            await watcher.subscribe("events")
            position = (await watcher.told("events"))["position"]
        for is_draining in (True, False, True):
            world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=is_draining))
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            watcher = Watcher(socket)
            await watcher.ask("events", position)
            told = await watcher.told("events")
    assert [item["kind"] for item in told["items"]] == [
        "node:draining",
        "node:draining-ended",
        "node:draining",
    ]
    assert "gap" not in told


async def test_who_comes_back_hears_the_changes_it_missed_one_by_one() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "vera")
        async with client.ws_connect("/api/v1/live", headers=headers) as staying:
            stayer = Watcher(staying)
            await stayer.subscribe("containers")
            position = (await stayer.told("containers"))["position"]
            put_containers(world, "nd_1", a_container("web"), a_container("db"))
            newest = (await stayer.told("containers"))["position"]
            async with client.ws_connect("/api/v1/live", headers=headers) as socket:
                watcher = Watcher(socket)
                await watcher.ask("containers", position)
                missed = await watcher.told("containers")
                await watcher.ask("containers", newest)
                nothing = await watcher.told("containers")
    assert ([item["name"] for item in missed["changed"]], missed["position"]) == (["db"], newest)
    assert nothing == {"topic": "containers", "position": newest, "resumed": True}


async def test_a_position_that_is_not_known_any_more_begins_anew_and_says_so() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with watching(world) as watcher:
        await watcher.ask("containers", "of-another-host.3")
        told = await watcher.told("containers")
        await watcher.ask("events", "4711")
        ahead = await watcher.told("events")
    assert told["gap"] is True
    assert [item["name"] for item in told["data"]["items"]] == ["web"]
    assert ahead["gap"] is True


async def test_rollouts_are_a_topic_of_their_own() -> None:
    world = a_world()
    world.state.must(a_service("shop.web"))
    async with watching(world) as watcher:
        await watcher.ask("rollout:status", service="shop.web")
        told = await watcher.told("rollout:status")
    assert told["data"]["items"] == []


async def test_lines_of_several_containers_come_merged_with_their_level() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"), a_container("db"))
    world.hosts.lines = [
        LogLine(stream="stdout", at_ms=1, text="INFO all well"),
        LogLine(stream="stderr", at_ms=2, text="ERROR no disk"),
    ]
    async with watching(world) as watcher:
        await watcher.ask("logs:stream", containers="web,db", levels="error")
        lines: list[dict[str, Any]] = []
        while len(lines) < 2:
            lines += (await watcher.told("logs:stream")).get("lines", [])
    assert {(line["container"], line["text"], line["level"]) for line in lines} == {
        ("web", "ERROR no disk", "error"),
        ("db", "ERROR no disk", "error"),
    }


async def test_who_comes_back_is_told_no_line_twice() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    world.hosts.lines = [LogLine(stream="stdout", at_ms=5, text=text) for text in ("one", "two")]
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "vera")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            watcher = Watcher(socket)
            await watcher.ask("logs", containers="web")
            position = (await watcher.told("logs"))["position"]
        world.hosts.lines.append(LogLine(stream="stdout", at_ms=5, text="three"))
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            watcher = Watcher(socket)
            await watcher.ask("logs", position, containers="web")
            told = await watcher.told("logs")
    assert [line["text"] for line in told["lines"]] == ["three"]
    assert world.hosts.log_queries[-1].since_ms == 5


def test_of_lines_that_nobody_takes_the_oldest_go_by_their_length_and_by_their_number() -> None:
    pending = _Pending()
    for number in range(6):
        pending.add(f"{number}" * (CHARACTERS_KEPT_MAX // 4))
    assert ([line[0] for line in pending.lines], pending.dropped) == (["2", "3", "4", "5"], 2)
    for _ in range(LINES_KEPT_MAX + 4):
        pending.add("x")
    assert (len(pending.lines), pending.dropped) == (LINES_KEPT_MAX, 10)
    assert pending.characters == LINES_KEPT_MAX


async def test_a_container_there_is_none_of_is_said_to_have_ended() -> None:
    async with watching(a_world()) as watcher:
        await watcher.ask("logs", containers="nobody")
        told = await watcher.told("logs")
    assert told["container"] == "nobody"
    assert "no container" in told["ended"]


async def test_who_does_not_see_a_container_is_told_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def half_blind(context: Context, call: Call) -> Sight:
        def sees(view: ContainerView) -> bool:
            return view.project == "shop"

        return Sight(key="shop only", sees=sees, measures=sees)

    monkeypatch.setattr(hub, "sight_of", half_blind)
    world = a_world()
    seen, hidden = a_container("web", project="shop"), a_container("db", project="blog")
    put_containers(world, "nd_1", seen, hidden)
    numbers = the_numbers(1.0)
    world.hosts.numbers["nd_1"] = numbers.__class__(
        node_id=numbers.node_id,
        times_ms=numbers.times_ms,
        series=tuple(
            series.__class__(subject=each.id, metric="cpu_percent", values=(1.0,))
            for each in (seen, hidden)
            for series in numbers.series
        ),
    )
    async with watching(world) as watcher:
        await watcher.subscribe("containers", "metrics")
        containers = await watcher.told("containers")
        metrics = await watcher.told("metrics")
    assert [item["name"] for item in containers["data"]["items"]] == ["web"]
    assert [series["subject"] for series in metrics["data"][0]["series"]] == [seen.id]


@given(told=st.integers(0, 3 * KEPT_MAX), heard=st.integers(0, 3 * KEPT_MAX))
def test_a_position_gives_all_that_followed_it_or_nothing_at_all(told: int, heard: int) -> None:
    recently = Recently("ab")
    for _ in range(told):
        recently.add(lambda _: '"n":1')
    missed = recently.since(f"ab.{heard}")
    if missed is None:
        assert heard > told or told - heard > KEPT_MAX
    else:
        assert [news.position for news in missed] == [f"ab.{number}" for number in range(heard + 1, told + 1)]


@pytest.mark.parametrize("position", ["", "ab", "ab.", "ab.x", "ab.-1", "cd.0", "ab.²", "ab." + "9" * 30])
def test_what_is_no_position_of_this_agent_is_not_known(position: str) -> None:
    assert Recently("ab").since(position) is None


@given(
    before=st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
    now=st.dictionaries(st.integers(0, 5), st.integers(0, 3)),
    limit=st.integers(0, 4),
)
def test_a_narrowed_change_takes_the_narrowed_list_to_the_next(
    before: dict[int, int], now: dict[int, int], limit: int
) -> None:
    def fits(value: int) -> bool:
        return value < limit

    # Who is told values knows their keys from them, as views have their id.
    pairs_before = {key: (key, value) for key, value in before.items()}
    pairs_now = {key: (key, value) for key, value in now.items()}
    changed, removed = change_between(pairs_before, pairs_now).narrowed(lambda pair: fits(pair[1]))
    known = {key: pair for key, pair in pairs_before.items() if fits(pair[1])}
    known.update({pair[0]: pair for pair in changed})
    for key in removed:
        del known[key]
    assert known == {key: pair for key, pair in pairs_now.items() if fits(pair[1])}


class Events:
    """A connected reader of server-sent events."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> dict[str, str]:
        """Return the fields of the next event that is about a topic."""
        while True:
            fields: dict[str, str] = {}
            async with asyncio.timeout(5):
                while line := (await self.response.content.readline()).decode().rstrip("\n"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
            if "event" in fields:
                return fields


@asynccontextmanager
async def reading(world: WebWorld, query: str, **more: str) -> AsyncIterator[Events]:
    async with serving(world, pace=QUICK) as client:
        headers = {**await log_in(client, "vera"), **more}
        async with client.get(f"/api/v1/live/events?{query}", headers=headers) as response:
            assert response.status == 200, await response.text()
            yield Events(response)


async def test_the_topics_are_there_as_server_sent_events_too() -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web", project="shop"), a_container("db", project="blog"))
    async with reading(world, "topics=containers,cluster&project=shop") as events:
        first, second = await events.next(), await events.next()
        assert events.response.content_type == "text/event-stream"
        assert events.response.headers["X-Accel-Buffering"] == "no"
    assert (first["event"], second["event"]) == ("containers", "cluster")
    assert [item["name"] for item in json.loads(first["data"])["data"]["items"]] == ["web"]


async def test_the_last_events_id_takes_up_every_topic_where_it_was() -> None:
    world = a_world()
    async with serving(world, pace=QUICK) as client:
        headers = await log_in(client, "vera")
        async with client.get("/api/v1/live/events?topics=events,cluster", headers=headers) as response:
            events = Events(response)
            await events.next()
            last = (await events.next())["id"]
        world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True))
        headers["Last-Event-ID"] = last
        async with client.get("/api/v1/live/events?topics=events", headers=headers) as response:
            told = json.loads((await Events(response).next())["data"])
    assert [item["kind"] for item in told["items"]] == ["node:draining"]


@pytest.mark.parametrize("query", ["", "topics=", "topics=secrets", "topics=cluster&colour=red"])
async def test_a_stream_of_nothing_known_is_refused(query: str) -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "vera")
        response = await client.get(f"/api/v1/live/events?{query}", headers=headers)
        assert response.status == 422
        assert (await response.json())["detail"]


async def test_the_stream_is_for_those_who_may_and_is_ended_with_their_login() -> None:
    world = a_web_world()
    world.add_user("vera", Role.VIEWER)
    async with serving(world, pace=QUICK) as client:
        assert (await client.get("/api/v1/live/events?topics=cluster")).status == 401
        headers = await log_in(client, "vera")
        async with client.get("/api/v1/live/events?topics=cluster", headers=headers) as response:
            await Events(response).next()
            await client.post("/api/v1/auth/logout", headers=headers)
            async with asyncio.timeout(5):
                rest = await response.content.read()
    assert b"session" in rest

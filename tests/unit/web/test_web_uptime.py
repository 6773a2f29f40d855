"""How available projects were, over REST and the recorded history."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cluster.model.access import Role
from cluster.model.metrics import SubjectKind
from tests.support.history_loader import DAY_MS, Generated, a_history, a_subject, load
from tests.support.web_fakes import a_web_world, log_in, serving

STEP_MS = 60_000
MINUTES = DAY_MS // STEP_MS


def container(name: str, states: list[float], **labels: str) -> list[Generated]:
    """A container that was in these states, each for the same part of a day, and said to be healthy."""
    subject = a_subject(SubjectKind.CONTAINER, "nd_1", name, key=name.ljust(64, "0"), **labels)
    return [
        Generated(subject=subject, metric="state", values=np.repeat(states, MINUTES // len(states))),
        Generated(subject=subject, metric="health", values=np.full(MINUTES, 2.0)),
    ]


@asynccontextmanager
async def asked(directory: Path, generated: list[Generated], query: str = "") -> AsyncIterator[Any]:
    """The answer about the last day, of which this is the record."""
    world = a_web_world()
    start_ms = world.clock.now_ms() // STEP_MS * STEP_MS - DAY_MS
    async with a_history(directory) as history:
        await load(generated, state=world.state, history=history, start_ms=start_ms, step_ms=STEP_MS)
        world.history = history
        world.add_user("ann", Role.VIEWER)
        async with serving(world) as client:
            answer = await client.get(f"/api/v1/uptime{query}", headers=await log_in(client, "ann"))
            yield answer.status, json.loads(await answer.text())


async def test_a_project_is_up_while_one_of_its_containers_is(tmp_path: Path) -> None:
    generated = [
        *container("shop-web-1", [1, 1, 0, 0], project="shop"),
        *container("shop-web-2", [0, 1, 1, 0], project="shop"),
    ]
    async with asked(tmp_path, generated, "?stretches=4") as (status, answer):
        [group] = answer["groups"]

    assert status == 200
    assert (group["kind"], group["name"]) == ("project", "shop")
    assert abs(group["up"] - 0.75) < 0.01
    assert [round(each) for each in group["course"]] == [1, 1, 1, 0]


async def test_containers_of_no_project_are_told_by_their_host(tmp_path: Path) -> None:
    async with asked(tmp_path, container("lonely", [1])) as (_, answer):
        [group] = answer["groups"]

    assert (group["kind"], group["name"], round(group["up"], 2)) == ("host", "h1", 1.0)


async def test_a_span_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    async with asked(tmp_path, container("web", [1]), "?span=90d") as (status, answer):
        pass

    assert status == 422
    assert answer["errors"][0]["field"] == "span"
    assert "seven days" in answer["errors"][0]["rule"]


class Counted:
    """A history that counts what it is asked."""

    def __init__(self, history: Any) -> None:
        self._history = history
        self.queries = 0

    async def query(self, query: Any) -> Any:
        self.queries += 1
        return await self._history.query(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)


async def test_the_last_day_is_read_once_a_minute_however_many_dashboards_are_open(tmp_path: Path) -> None:
    world = a_web_world()
    start_ms = world.clock.now_ms() // STEP_MS * STEP_MS - DAY_MS
    async with a_history(tmp_path) as history:
        generated = container("web", [1], project="shop")
        await load(generated, state=world.state, history=history, start_ms=start_ms, step_ms=STEP_MS)
        world.history = counted = Counted(history)
        world.add_user("ann", Role.VIEWER)
        world.add_user("bob", Role.VIEWER)
        async with serving(world) as client:
            alike = [
                await (await client.get("/api/v1/uptime", headers=await log_in(client, name))).json()
                for name in ("ann", "bob")
            ]
            assert counted.queries == 1
            await world.clock.advance(60)
            later = await (await client.get("/api/v1/uptime", headers=await log_in(client, "ann"))).json()
    assert alike[0] == alike[1]
    assert counted.queries == 2
    assert later["end_ms"] == alike[0]["end_ms"] + 60_000

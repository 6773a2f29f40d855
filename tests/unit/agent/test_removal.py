"""The end of a membership: which containers are taken down, and when."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from agent.follow.removal import LOOK_S, take_down_replicas, wait_until_removed
from agent.ports import ContainerSpec
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine

OURS = {
    "tower.cluster": "cl_1",
    "tower.service": "shop.web",
    "tower.revision": "3",
    "tower.ordinal": "1",
    "tower.token": "17",
}
REPLICA = ContainerSpec(name="tower-shop.web-3-1", image="web:1", labels=OURS)


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_image("web:1")
    return engine


async def _run(engine: FakeEngine, *specs: ContainerSpec) -> None:
    for spec in specs:
        await engine.start(await engine.create(spec))


async def _names(engine: FakeEngine) -> list[str]:
    return [container.name for container in await engine.containers()]


async def test_only_this_clusters_replicas_are_taken_down(engine: FakeEngine) -> None:
    others = replace(
        REPLICA, name="tower-shop.web-3-2", labels={**OURS, "tower.cluster": "cl_2", "tower.ordinal": "2"}
    )
    await _run(engine, REPLICA, others, ContainerSpec(name="mine", image="web:1"))
    await take_down_replicas(engine, cluster_id="cl_1")
    assert await _names(engine) == ["mine", "tower-shop.web-3-2"]


async def test_a_container_that_only_bears_a_replicas_labels_is_left(engine: FakeEngine) -> None:
    await _run(engine, replace(REPLICA, name="copied"))
    await take_down_replicas(engine, cluster_id="cl_1")
    assert await _names(engine) == ["copied"]


async def test_without_an_engine_the_replicas_are_left_and_that_is_said(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    await _run(engine, REPLICA)
    engine.go_away("Docker is not running")
    with caplog.at_level(logging.WARNING):
        await take_down_replicas(engine, cluster_id="cl_1")
    assert [record.message for record in caplog.records] == ["removal.replicas_left"]
    engine.come_back()
    assert await _names(engine) == ["tower-shop.web-3-1"]


async def test_the_end_is_noticed_once_a_member_has_said_so() -> None:
    clock = FakeClock()
    said: list[bool] = []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_until_removed(lambda: bool(said), clock))
        await clock.advance(LOOK_S * 3)
        assert not waiting.done()
        said.append(True)
        await clock.advance(LOOK_S)
        assert waiting.done()

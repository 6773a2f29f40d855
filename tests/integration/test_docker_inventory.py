"""The inventory of a real Docker host: containers come and go, and so does the engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from agent.clock import SystemClock
from agent.docker.engine import DockerEngine
from agent.docker.watcher import Inventory, InventoryWatcher
from agent.ports import ContainerSpec, ContainerState
from tests.support.lab import Lab, lab

__all__ = ["lab"]

pytestmark = pytest.mark.lab

IMAGE = "demo/busybox:1"
PATIENCE_S = 30.0


@pytest.fixture
async def engine(lab: Lab) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(str(lab.host("h1").docker_socket))
    await made.pull(IMAGE)
    yield made
    await made.close()


@pytest.fixture
async def watcher(engine: DockerEngine) -> AsyncIterator[InventoryWatcher]:
    made = InventoryWatcher(engine, SystemClock(), random.Random(1), backoff_max_s=1.0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        yield made
        running.cancel()


async def until(watcher: InventoryWatcher, wanted: Callable[[Inventory], bool]) -> Inventory:
    async with asyncio.timeout(PATIENCE_S):
        inventory = watcher.current
        while not wanted(inventory):
            inventory = await watcher.newer_than(inventory.version)
        return inventory


async def test_a_container_made_by_others_is_seen(engine: DockerEngine, watcher: InventoryWatcher) -> None:
    await until(watcher, lambda inventory: inventory.is_available)
    made = await engine.create(ContainerSpec(name="seen", image=IMAGE, command=("sleep", "600")))
    await engine.start(made)
    inventory = await until(
        watcher, lambda i: (c := i.container(made)) is not None and c.state is ContainerState.RUNNING
    )
    assert inventory.engine is not None
    assert IMAGE in [tag for image in inventory.images for tag in image.tags]
    await engine.remove(made, force=True)
    assert (await until(watcher, lambda i: i.container(made) is None)).is_available


async def test_an_engine_that_dies_is_a_state_and_its_return_is_noticed(
    lab: Lab, engine: DockerEngine, watcher: InventoryWatcher
) -> None:
    await until(watcher, lambda inventory: inventory.is_available)
    before = watcher.current.images
    await asyncio.to_thread(lab.kill, "h1")
    gone = await until(watcher, lambda inventory: not inventory.is_available)
    assert gone.unavailable_reason
    assert gone.images == before
    await asyncio.to_thread(lab.start, "h1")
    back = await until(watcher, lambda inventory: inventory.is_available)
    assert back.images == before

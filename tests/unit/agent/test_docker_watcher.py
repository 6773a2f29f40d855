"""The inventory's loop, over a fake engine and a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.docker.watcher import Inventory, InventoryWatcher
from agent.ports import ContainerSpec, ContainerState, EngineRefused, EngineUnavailable, Health, Image
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine


class CountingEngine(FakeEngine):
    """Counts the lists asked of it, and can refuse one kind."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.lists = 0
        self.image_lists = 0
        self.refusal: EngineRefused | None = None
        self.list_s = 0.0
        self.still_running: set[str] = set()
        """Ids of ended containers that are not cleaned up: lists show them running."""
        self._clock = clock

    async def containers(self):  # type: ignore[no-untyped-def]  # as the parent's
        self.lists += 1
        if self.list_s:
            await self._clock.sleep(self.list_s)
        return tuple(
            replace(each, state=ContainerState.RUNNING) if each.id in self.still_running else each
            for each in await super().containers()
        )

    async def images(self) -> tuple[Image, ...]:
        self.image_lists += 1
        if self.refusal is not None:
            raise self.refusal
        return await super().images()


@asynccontextmanager
async def watching(engine: FakeEngine, clock: FakeClock, **options: float) -> AsyncIterator[InventoryWatcher]:
    watcher = InventoryWatcher(engine, clock, random.Random(1), **options)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watcher.run())
        await clock.settle()
        yield watcher
        running.cancel()


def an_engine(clock: FakeClock) -> CountingEngine:
    engine = CountingEngine(clock)
    engine.add_image("demo/web:1")
    return engine


async def a_container(engine: FakeEngine, name: str = "web") -> str:
    container = await engine.create(ContainerSpec(name=name, image="demo/web:1"))
    await engine.start(container)
    return container


def test_before_the_first_list_nothing_is_known() -> None:
    inventory = Inventory()
    assert not inventory.is_available
    assert inventory.age_s(100.0) is None


async def test_everything_is_listed_on_connecting() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    container = await a_container(engine)
    async with watching(engine, clock) as watcher:
        inventory = watcher.current
        assert inventory.is_available
        assert inventory.engine is not None
        assert [each.id for each in inventory.containers] == [container]
        assert [image.tags for image in inventory.images] == [("demo/web:1",)]
        assert "bridge" in [network.name for network in inventory.networks]


async def test_an_event_lists_what_it_touched_a_moment_later() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock, debounce_s=0.1) as watcher:
        await clock.advance(1.5)
        image_lists = engine.image_lists
        container = await a_container(engine)
        await clock.advance(0.05)
        assert watcher.current.containers == ()
        await clock.advance(0.06)
        found = watcher.current.container(container)
        assert found is not None
        assert found.state is ContainerState.RUNNING
        assert engine.image_lists == image_lists


async def test_a_burst_of_events_costs_one_list() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock) as watcher:
        await clock.advance(1.5)
        lists = engine.lists
        for number in range(20):
            await a_container(engine, f"web-{number}")
        await clock.advance(1.0)
        assert len(watcher.current.containers) == 20
        assert engine.lists == lists + 1


async def test_however_slow_lists_are_an_event_is_followed_by_one_within_seconds() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock) as watcher:
        engine.list_s = 5.0
        watcher.refresh()
        await clock.advance(6)
        engine.list_s = 0.0
        container = await a_container(engine)
        await clock.advance(2.5)
        assert watcher.current.container(container) is not None


@asynccontextmanager
async def watching_one() -> AsyncIterator[tuple[FakeClock, CountingEngine, str, InventoryWatcher]]:
    """With one container that runs, and nothing of it left to be listed."""
    clock = FakeClock()
    engine = an_engine(clock)
    container = await a_container(engine)
    async with watching(engine, clock) as watcher:
        await clock.advance(1.5)
        yield clock, engine, container, watcher


def state_in(watcher: InventoryWatcher, container: str) -> ContainerState:
    found = watcher.current.container(container)
    assert found is not None
    return found.state


async def test_an_end_the_engine_tells_of_before_it_shows_it_is_seen_when_it_does() -> None:
    async with watching_one() as (clock, engine, container, watcher):
        engine.still_running.add(container)
        await engine.kill(container)
        await clock.advance(5)
        assert state_in(watcher, container) is ContainerState.RUNNING
        engine.still_running.clear()
        await clock.advance(2.1)
        assert state_in(watcher, container) is ContainerState.EXITED
        lists = engine.lists
        await clock.advance(50)
        assert engine.lists == lists


async def test_one_that_was_started_again_is_not_waited_for_to_end() -> None:
    async with watching_one() as (clock, engine, container, watcher):
        await engine.kill(container)
        await engine.start(container)
        await clock.advance(1)
        assert state_in(watcher, container) is ContainerState.RUNNING
        lists = engine.lists
        await clock.advance(10)
        assert engine.lists == lists


async def test_an_end_that_no_list_ever_shows_is_let_be_after_a_minute() -> None:
    async with watching_one() as (clock, engine, container, watcher):
        engine.still_running.add(container)
        await engine.kill(container)
        await clock.advance(65)
        assert state_in(watcher, container) is ContainerState.RUNNING
        lists = engine.lists
        await clock.advance(50)
        assert engine.lists <= lists + 1


async def test_everything_is_listed_again_now_and_then() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock, relist_interval_s=60) as watcher:
        await clock.advance(2)
        lists = engine.image_lists
        await clock.advance(59)
        assert engine.image_lists == lists + 1
        age_s = watcher.current.age_s(clock.boottime_s())
        assert age_s is not None
        assert age_s <= 60


async def test_a_refresh_lists_everything_soon() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock) as watcher:
        await clock.advance(2)
        lists = engine.image_lists
        watcher.refresh()
        await clock.advance(0.2)
        assert engine.image_lists == lists + 1


async def test_what_was_done_is_in_the_list_that_is_waited_for() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock) as watcher, asyncio.TaskGroup() as group:
        await clock.advance(2)
        container = await a_container(engine)
        waiting = group.create_task(watcher.relisted())
        await clock.settle()
        assert not waiting.done()
        await clock.advance(0.2)
        assert waiting.done()
        assert watcher.current.container(container) is not None


async def test_an_engine_that_goes_away_leaves_the_last_lists_and_a_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    container = await a_container(engine)
    async with watching(engine, clock) as watcher:
        with caplog.at_level(logging.INFO):
            engine.go_away("Docker is not running")
            await clock.advance(40)
            gone = watcher.current
            assert gone.unavailable_reason == "Docker is not running"
            assert gone.container(container) is not None
            age_s = gone.age_s(clock.boottime_s())
            assert age_s is not None
            assert age_s >= 40
            engine.come_back()
            await clock.advance(15)
        assert watcher.current.is_available
    # One line each, however often it was tried.
    events = [record.getMessage() for record in caplog.records if record.name == "agent.docker.watcher"]
    assert events == ["engine.unavailable", "engine.available"]


async def test_an_engine_that_is_not_there_at_the_start_is_waited_for() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    engine.go_away("there is no Docker socket")
    async with watching(engine, clock) as watcher:
        assert watcher.current.unavailable_reason == "there is no Docker socket"
        assert watcher.current.listed_at_s is None
        engine.come_back()
        await clock.advance(15)
        assert watcher.current.is_available


async def test_pauses_between_attempts_grow_to_a_bound() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    attempts: list[float] = []

    class Failing(FakeEngine):
        async def info(self):  # type: ignore[no-untyped-def]  # never returns
            attempts.append(clock.monotonic_s())
            raise EngineUnavailable("no")

    async with watching(Failing(clock), clock, backoff_min_s=0.5, backoff_max_s=8):
        await clock.advance(120)
    assert engine.lists == 0
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert 0.25 <= pauses[0] <= 0.5
    assert all(4 <= pause <= 8 for pause in pauses[6:])
    assert len({round(pause, 3) for pause in pauses[6:]}) > 3


async def test_a_refusal_is_a_reason_as_well() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    engine.refusal = EngineRefused("Docker 19.03 is too old", status=0)
    async with watching(engine, clock) as watcher:
        assert watcher.current.unavailable_reason == "Docker 19.03 is too old"


async def test_listeners_hear_every_change_until_they_leave() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    heard: list[int] = []
    actions: list[str] = []
    async with watching(engine, clock) as watcher:
        await clock.advance(2)
        leave = watcher.subscribe(lambda inventory: heard.append(inventory.version))
        leave_events = watcher.subscribe_events(lambda event: actions.append(event.action))
        container = await a_container(engine)
        engine.set_health(container, Health.UNHEALTHY)
        await clock.advance(1)
        assert heard == [watcher.current.version]
        assert actions == ["create", "start", "health_status"]
        leave()
        leave_events()
        await engine.remove(container, force=True)
        await clock.advance(1)
        assert len(heard) == 1
        assert len(actions) == 3


async def test_a_newer_inventory_can_be_waited_for() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    async with watching(engine, clock) as watcher, asyncio.TaskGroup() as group:
        await clock.advance(2)
        waiting = group.create_task(watcher.newer_than(watcher.current.version))
        await clock.settle()
        assert not waiting.done()
        await a_container(engine)
        await clock.advance(1)
        assert len((await waiting).containers) == 1


async def test_a_container_is_found_by_name_id_or_the_start_of_its_id() -> None:
    clock = FakeClock()
    engine = an_engine(clock)
    container = await a_container(engine)
    async with watching(engine, clock) as watcher:
        for reference in ("web", container, container[:12]):
            found = watcher.current.container(reference)
            assert found is not None
            assert found.id == container
        assert watcher.current.container(container[:4]) is None

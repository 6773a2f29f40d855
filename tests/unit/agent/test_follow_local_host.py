"""What a host says it runs: made once for all who ask at a time, never older than what is known."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.collect.live_window import LiveWindow, Metric, SeriesKey
from agent.docker.watcher import InventoryWatcher
from agent.follow.local_host import LocalHost
from agent.ports import Container, ContainerSpec, ContainerState
from cluster.model.ids import NodeId
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine


@asynccontextmanager
async def a_host(clock: FakeClock, engine: FakeEngine, window: LiveWindow) -> AsyncIterator[LocalHost]:
    watcher = InventoryWatcher(engine, clock, random.Random(1))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watcher.run())
        await clock.settle()
        yield LocalHost(
            node_id=NodeId("nd_1"),
            engine=engine,
            watcher=watcher,
            window=window,
            applied_index=lambda: 7,
            router_problem=lambda: "",
            clock=clock,
        )
        running.cancel()


class WordedEngine(FakeEngine):
    """Says for how long a container has been up, as Docker does."""

    async def containers(self) -> tuple[Container, ...]:
        return tuple(
            replace(each, status="Up 5 seconds") if each.state is ContainerState.RUNNING else each
            for each in await super().containers()
        )


async def an_engine(clock: FakeClock) -> tuple[FakeEngine, str]:
    engine = WordedEngine(clock)
    engine.add_image("demo/web:1")
    container = await engine.create(ContainerSpec(name="web", image="demo/web:1"))
    await engine.start(container)
    return engine, container


async def test_who_asks_at_the_same_time_is_told_what_was_made_once() -> None:
    clock = FakeClock()
    engine, _ = await an_engine(clock)
    async with a_host(clock, engine, LiveWindow(slot_s=1, n_slots=10)) as host:
        assert host.inventory().containers is host.inventory().containers


async def test_a_new_figure_a_new_list_and_a_second_gone_by_are_told_at_once() -> None:
    clock = FakeClock()
    engine, container = await an_engine(clock)
    window = LiveWindow(slot_s=1, n_slots=10)
    async with a_host(clock, engine, window) as host:
        await clock.advance(1)  # for what the engine told of at first to be listed
        (before,) = host.inventory().containers
        assert before.cpu_percent is None

        window.put(clock.now_ms(), {SeriesKey(container, Metric.CPU_PERCENT): 12.5})
        (measured,) = host.inventory().containers
        assert measured.cpu_percent == 12.5

        await clock.advance(3)
        (later,) = host.inventory().containers
        assert (measured.status, later.status) == ("Up 5 seconds", "Up 8 seconds")

        await engine.kill(container)
        await clock.advance(0.5)
        (ended,) = host.inventory().containers
        assert ended.state == "exited"

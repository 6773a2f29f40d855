"""Figures of real containers, from the control group files of this machine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.collect.collector import Collector
from agent.collect.container_files import ContainerFileOpener
from agent.collect.live_window import HOST, Metric, SeriesKey
from agent.collect.samples import SampleBatch
from agent.docker.engine import DockerEngine
from agent.docker.watcher import InventoryWatcher
from agent.host.probe import ProcHostProbe
from agent.ports import ContainerSpec, ContainerState
from tests.support.lab import Host, Lab, lab

__all__ = ["lab"]

pytestmark = pytest.mark.lab

IMAGE = "demo/busybox:1"
PATIENCE_S = 30.0
AT_MS = 1_700_000_000_000
BUSY = "while true; do :; done"
GREEDY = "tail /dev/zero"
"""Takes all memory there is: the line has no end."""


@pytest.fixture
async def engine(lab: Lab) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(str(lab.host("h1").docker_socket))
    await made.pull(IMAGE)
    yield made
    await made.close()


class OnTheGrid(SystemClock):
    """A clock on which every sample of a test is in time."""

    at_ms = AT_MS

    def now_ms(self) -> int:
        return self.at_ms


class Sampling:
    """A collector whose next sample a test takes when it likes, ten seconds after the one before."""

    def __init__(self, collector: Collector, clock: OnTheGrid) -> None:
        self._collector = collector
        self._clock = clock
        self.batches: list[SampleBatch] = []
        collector.subscribe(self.batches.append)

    async def next(self) -> SampleBatch:
        await self._collector.sample(self._clock.at_ms)
        self._clock.at_ms += 10_000
        return self.batches[-1]

    async def until(self, holds: Callable[[SampleBatch], bool]) -> SampleBatch:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                batch = await self.next()
                if holds(batch):
                    return batch
                await asyncio.sleep(0.1)

    def counted(self, container: str, what: str) -> int:
        """The sum of a count over all samples."""
        return sum(
            getattr(standing, what)
            for batch in self.batches
            for standing in batch.standings
            if standing.id == container
        )


@asynccontextmanager
async def sampling(host: Host, engine: DockerEngine) -> AsyncIterator[Sampling]:
    """A collector of `host` that hears of the engine's events."""
    async with collecting(host, engine) as (collector, _):
        clock = collector._clock
        assert isinstance(clock, OnTheGrid)
        yield Sampling(collector, clock)


@asynccontextmanager
async def collecting(host: Host, engine: DockerEngine) -> AsyncIterator[tuple[Collector, InventoryWatcher]]:
    """A collector of `host` as its agent would see it, though this process counts pids otherwise."""
    assert host.init is not None
    proc = Path(f"/proc/{host.init.pid}/root/proc")
    watcher = InventoryWatcher(engine, SystemClock(), random.Random(1))
    collector = Collector(
        inventory=lambda: watcher.current,
        engine=engine,
        probe=ProcHostProbe(proc),
        opener=ContainerFileOpener(proc),
        clock=OnTheGrid(),
    )
    watcher.subscribe_events(collector.on_event)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watcher.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await watcher.newer_than(0)
            yield collector, watcher
        finally:
            collector.close()
            watching.cancel()


async def started(engine: DockerEngine, name: str, script: str, **fields: object) -> str:
    spec = ContainerSpec(name=name, image=IMAGE, command=("sh", "-c", script), **fields)  # type: ignore[arg-type]  # fields of ContainerSpec
    container = await engine.create(spec)
    await engine.start(container)
    return container


def states(batch: SampleBatch) -> dict[str, ContainerState]:
    return {standing.id: standing.state for standing in batch.standings}


async def test_a_busy_container_is_told_from_an_idle_one(lab: Lab, engine: DockerEngine) -> None:
    busy = await started(engine, "busy", BUSY, cpu_limit=0.2)
    idle = await started(engine, "idle", "sleep 600", memory_limit_bytes=64 << 20)
    batches: list[SampleBatch] = []
    async with collecting(lab.host("h1"), engine) as (collector, _):
        collector.subscribe(batches.append)
        await collector.sample(AT_MS)
        # As long as it takes the busy one to use measurable time, which its own counter tells.
        async with asyncio.timeout(PATIENCE_S):
            while ((await engine.usage(busy)).cpu_ns or 0) < 300_000_000:
                pass
        await collector.sample(AT_MS + 10_000)
        assert collector.window.latest(SeriesKey(HOST, Metric.CPU_PERCENT)) is not None
    last = batches[-1].containers
    assert last[busy].cpu_percent is not None
    assert last[idle].cpu_percent is not None
    assert last[busy].cpu_percent > 5
    assert last[idle].cpu_percent < 2
    assert last[idle].usage.memory_limit_bytes == 64 << 20
    assert last[busy].usage.memory_limit_bytes is None
    assert last[idle].usage.pids == 1


async def test_files_agree_with_the_engines_own_figures(lab: Lab, engine: DockerEngine) -> None:
    container = await started(engine, "same", "dd if=/dev/zero of=/f bs=1M count=4; sleep 600")
    batches: list[SampleBatch] = []
    async with collecting(lab.host("h1"), engine) as (collector, _):
        collector.subscribe(batches.append)
        told_before = await engine.usage(container)
        await collector.sample(AT_MS)
        told_after = await engine.usage(container)
    read = batches[-1].containers[container].usage
    assert told_before.cpu_ns is not None
    assert read.cpu_ns is not None
    assert told_after.cpu_ns is not None
    assert told_before.cpu_ns <= read.cpu_ns <= told_after.cpu_ns
    assert read.rx_bytes is not None
    assert (told_before.rx_bytes or 0) <= read.rx_bytes <= (told_after.rx_bytes or 0)
    assert read.memory_bytes == pytest.approx(told_after.memory_bytes, abs=2 << 20)


async def test_a_restarted_container_begins_anew(lab: Lab, engine: DockerEngine) -> None:
    container = await started(engine, "again", "sleep 600")
    batches: list[SampleBatch] = []
    async with collecting(lab.host("h1"), engine) as (collector, _):
        collector.subscribe(batches.append)
        await collector.sample(AT_MS)
        await engine.restart(container, grace_s=0)
        # A sample finds the old files gone; one after the engine told of the start opens the new ones.
        at_ms = AT_MS + 10_000
        await collector.sample(at_ms)
        assert container not in batches[-1].containers
        async with asyncio.timeout(PATIENCE_S):
            while container not in batches[-1].containers:
                at_ms += 10_000
                await collector.sample(at_ms)
        assert batches[-1].containers[container].cpu_percent is None
        await collector.sample(at_ms + 10_000)
        assert batches[-1].containers[container].cpu_percent is not None


async def test_every_restart_and_every_kill_is_counted_once(lab: Lab, engine: DockerEngine) -> None:
    async with sampling(lab.host("h1"), engine) as sampled:
        # Children are killed and the container lives on.
        greedy = await started(
            engine, "greedy", f"({GREEDY}); ({GREEDY}); sleep 600", memory_limit_bytes=32 << 20
        )
        loop = await started(engine, "loop", "sleep 0.3; exit 1", restart_policy="always")
        still = await started(engine, "still", "sleep 600")
        await sampled.until(lambda _: sampled.counted(greedy, "oom_kills") >= 2)
        await sampled.until(lambda _: sampled.counted(loop, "restarts") >= 3)
        await engine.stop(loop, grace_s=0)
        batch = await sampled.until(lambda batch: states(batch)[loop] is ContainerState.EXITED)
        assert sampled.counted(loop, "restarts") == (await engine.inspect(loop)).restart_count
        assert sampled.counted(greedy, "oom_kills") == 2
        assert sampled.counted(still, "restarts") == sampled.counted(still, "oom_kills") == 0
        assert states(batch)[still] is ContainerState.RUNNING


async def test_a_container_that_came_and_was_killed_between_two_samples_is_told_of(
    lab: Lab, engine: DockerEngine
) -> None:
    async with sampling(lab.host("h1"), engine) as sampled:
        await sampled.next()
        job = await started(
            engine, "job", f"exec {GREEDY}", memory_limit_bytes=16 << 20, labels={"team": "ops"}
        )
        async with asyncio.timeout(PATIENCE_S):
            while (await engine.inspect(job)).finished_at_ms is None:
                pass
        await engine.remove(job, force=True)
        await sampled.until(lambda _: sampled.counted(job, "oom_kills") > 0)
        (told,) = [each for each in sampled.batches[-1].standings if each.id == job]
        assert (told.name, told.labels["team"], told.oom_kills) == ("job", "ops", 1)
        assert job not in states(await sampled.until(lambda batch: job not in states(batch)))


async def test_a_throttled_container_goes_on_under_its_new_name(lab: Lab, engine: DockerEngine) -> None:
    async with sampling(lab.host("h1"), engine) as sampled:
        busy = await started(engine, "before", BUSY, cpu_limit=0.1)
        await sampled.next()
        done = await asyncio.to_thread(lab.host("h1").exec, ["docker", "rename", "before", "after"])
        assert done.returncode == 0, done.stderr

        def is_throttled_under_its_new_name(batch: SampleBatch) -> bool:
            sample = batch.containers.get(busy)
            names = {each.name for each in batch.standings if each.id == busy}
            return names == {"after"} and sample is not None and (sample.throttled_percent or 0) > 0

        batch = await sampled.until(is_throttled_under_its_new_name)
        assert batch.containers[busy].usage.pids == 1


async def test_host_networked_containers_do_not_show_the_hosts_traffic(
    lab: Lab, engine: DockerEngine
) -> None:
    bridged = await started(engine, "bridged", "sleep 600")
    hosted = await started(engine, "hosted", "sleep 600", network_mode="host")
    shared = await started(engine, "shared", "sleep 600", network_mode=f"container:{bridged}")
    batches: list[SampleBatch] = []
    async with collecting(lab.host("h1"), engine) as (collector, _):
        collector.subscribe(batches.append)
        await collector.sample(AT_MS)
    last = batches[-1].containers
    assert last[hosted].usage.rx_bytes is None
    with_network = [each for each in (bridged, shared) if last[each].usage.rx_bytes is not None]
    assert len(with_network) == 1


async def test_a_container_without_reachable_files_is_asked_of_the_engine(
    lab: Lab, engine: DockerEngine, tmp_path: Path
) -> None:
    container = await started(engine, "far", "sleep 600")
    batches: list[SampleBatch] = []
    async with collecting(lab.host("h1"), engine) as (collector, watcher):
        host = lab.host("h1")
        assert host.init is not None
        proc = Path(f"/proc/{host.init.pid}/root/proc")
        blind = Collector(
            inventory=lambda: watcher.current,
            engine=engine,
            probe=ProcHostProbe(proc),
            opener=ContainerFileOpener(proc, cgroup_root=tmp_path),
            clock=SystemClock(),
        )
        blind.subscribe(batches.append)
        await blind.sample(AT_MS)
        blind.close()
        collector.close()
    assert batches[-1].containers[container].usage.cpu_ns is not None

"""The grid, the baselines and the subscribers of the collector, over fakes."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.collect.collector import WATCH_S, Collector
from agent.collect.container_files import ContainerFileOpener, ContainerFiles, ContainerGone
from agent.collect.live_window import HOST, Metric, SeriesKey
from agent.collect.samples import AgentReading, ContainerStanding, SampleBatch
from agent.docker.watcher import Inventory
from agent.ports import (
    ContainerSpec,
    ContainerUsage,
    DiskUsage,
    EngineEvent,
    HostFacts,
    HostLevels,
    HostReading,
    SensorReading,
    SwitchError,
)
from agent.router.protocol import RevisionTraffic
from cluster.model.traffic import latency_bucket
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine

T0 = 1_700_000_000_000


class FakeFiles(ContainerFiles):
    """One container's figures, as the test sets them."""

    def __init__(self, namespace: int) -> None:
        super().__init__((), None, namespace)
        self.usage = ContainerUsage(cpu_ns=0, memory_bytes=100, memory_limit_bytes=None, rx_bytes=0)
        self.gone = False
        self.closed = False

    def read(self, is_stacked: Callable[[str], bool], *, with_network: bool) -> ContainerUsage:
        if self.gone:
            raise ContainerGone("gone")
        return self.usage if with_network else replace(self.usage, rx_bytes=None)

    def close(self) -> None:
        self.closed = True


class FakeOpener(ContainerFileOpener):
    """Opens FakeFiles; for ids in `unreachable` there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: dict[str, FakeFiles] = {}
        self.unreachable: set[str] = set()
        self.namespaces: dict[str, int] = {}

    def open(self, container_id: str, pid: int) -> ContainerFiles | None:
        if container_id in self.unreachable:
            return None
        files = FakeFiles(self.namespaces.get(container_id, pid))
        self.opened[container_id] = files
        return files

    def own_network_namespace(self) -> int | None:
        return 1


class FakeProbe:
    """A host that is a quarter busy."""

    def __init__(self) -> None:
        self.reads = 0
        self.closed = False
        self.host_levels = HostLevels()

    def facts(self) -> HostFacts:
        raise NotImplementedError

    def read(self) -> HostReading:
        self.reads += 1
        fields: dict[str, Any] = {
            field.name: None
            for field in dataclasses.fields(HostReading)
            if field.default is field.default_factory is dataclasses.MISSING
        }
        ticks = {"cpu_busy_ticks": 25 * self.reads, "cpu_total_ticks": 100 * self.reads, "cpu_count": 1}
        return HostReading(**{**fields, **ticks})

    def levels(self) -> HostLevels:
        return self.host_levels

    def close(self) -> None:
        self.closed = True


class World:
    """A collector and everything it asks."""

    def __init__(self) -> None:
        self.clock = FakeClock(now_ms=T0)
        self.engine = FakeEngine(self.clock)
        self.engine.add_image("demo/web:1")
        self.opener = FakeOpener()
        self.probe = FakeProbe()
        self.inventory = Inventory(unavailable_reason="")
        self.batches: list[SampleBatch] = []
        self.traffic: list[RevisionTraffic] | SwitchError = []
        self.own = AgentReading()
        self.collector = Collector(
            inventory=lambda: self.inventory,
            engine=self.engine,
            probe=self.probe,
            opener=self.opener,
            clock=self.clock,
            routes=self.routes,
            own_figures=lambda: self.own,
        )
        self.collector.subscribe(self.batches.append)

    async def routes(self) -> Sequence[RevisionTraffic]:
        if isinstance(self.traffic, SwitchError):
            raise self.traffic
        return list(self.traffic)

    def standing(self, container_id: str) -> ContainerStanding:
        (found,) = [each for each in self.batches[-1].standings if each.id == container_id]
        return found

    async def a_container(self, name: str = "web") -> str:
        container = await self.engine.create(ContainerSpec(name=name, image="demo/web:1"))
        await self.engine.start(container)
        await self.relist()
        return container

    async def relist(self) -> None:
        self.inventory = replace(self.inventory, containers=await self.engine.containers())

    async def sample(self, seconds: float, **usage: int) -> SampleBatch:
        """Take the base sample `seconds` after T0, with these figures for every container."""
        for files in self.opener.opened.values():
            files.usage = replace(files.usage, **usage)
        await self.clock.advance(T0 / 1000 + seconds - self.clock.now_ms() / 1000)
        await self.collector.sample(T0 + round(seconds * 1000))
        return self.batches[-1]


async def test_rates_are_over_the_time_between_readings() -> None:
    world = World()
    web = await world.a_container()
    first = await world.sample(0)
    assert first.containers[web].cpu_percent is None
    assert first.containers[web].usage.memory_bytes == 100
    second = await world.sample(10, cpu_ns=5_000_000_000, rx_bytes=1000)
    assert second.containers[web].cpu_percent == pytest.approx(50.0)
    assert second.containers[web].rx_bytes_per_s == pytest.approx(100.0)
    assert second.host.cpu_percent == 25.0
    assert second.is_base
    assert world.collector.window.latest(SeriesKey(web, Metric.CPU_PERCENT)) == pytest.approx(50.0)
    assert world.collector.window.latest(SeriesKey(HOST, Metric.CPU_PERCENT)) == 25.0


async def test_a_counter_that_goes_back_is_a_new_baseline() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0, cpu_ns=9_000_000_000)
    await world.sample(10, cpu_ns=9_500_000_000)
    reset = await world.sample(20, cpu_ns=1_000_000_000)
    assert reset.containers[web].cpu_percent is None
    after = await world.sample(30, cpu_ns=2_000_000_000)
    assert after.containers[web].cpu_percent == pytest.approx(10.0)


async def test_a_restarted_container_is_opened_again_without_a_false_rate() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    await world.sample(10, cpu_ns=1_000_000_000)
    old = world.opener.opened[web]
    old.gone = True
    assert web not in (await world.sample(20)).containers
    assert old.closed
    again = await world.sample(30)
    assert again.containers[web].cpu_percent is None


async def test_a_container_that_ended_is_closed_and_leaves_the_batch() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    await world.engine.stop(web)
    await world.relist()
    assert (await world.sample(10)).containers == {}
    assert world.opener.opened[web].closed


async def test_files_stay_open_while_the_engine_is_away() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    world.engine.go_away()
    world.inventory = replace(world.inventory, unavailable_reason="away")
    batch = await world.sample(10, cpu_ns=1_000_000_000)
    assert batch.containers[web].cpu_percent == pytest.approx(10.0)


async def test_where_files_are_out_of_reach_the_engine_is_asked_on_the_base_grid_only() -> None:
    world = World()
    web = await world.a_container()
    world.opener.unreachable.add(web)
    batch = await world.sample(0)
    assert batch.containers[web].usage.cpu_ns == 1_000_000
    world.collector.watch()
    await world.sample(1)
    assert world.batches[-1].containers == {}
    await world.engine.remove(web, force=True)
    assert (await world.sample(10)).containers == {}


async def test_what_shares_a_network_shows_no_bytes_of_it_either_where_the_engine_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    own = await world.a_container("own")
    modes = {"host": "host", "joined": f"container:{own}"}
    ids = {
        name: await world.engine.create(ContainerSpec(name=name, image="demo/web:1", network_mode=mode))
        for name, mode in modes.items()
    }
    for container in ids.values():
        await world.engine.start(container)
    await world.relist()
    world.opener.unreachable |= {own, *ids.values()}

    async def usage(_: str) -> ContainerUsage:
        return ContainerUsage(cpu_ns=1, memory_bytes=1, memory_limit_bytes=None, rx_bytes=7)

    monkeypatch.setattr(world.engine, "usage", usage)
    batch = await world.sample(0)
    assert {each: batch.containers[each].usage.rx_bytes for each in (own, *ids.values())} == {
        own: 7,
        ids["host"]: None,
        ids["joined"]: None,
    }


async def test_network_bytes_count_once_per_namespace_and_never_the_hosts() -> None:
    world = World()
    ids = {name: await world.a_container(name) for name in ("own", "host", "one", "other")}
    world.opener.namespaces = {ids["own"]: 50, ids["host"]: 1, ids["one"]: 60, ids["other"]: 60}
    batch = await world.sample(0)
    counted = {name: batch.containers[ids[name]].usage.rx_bytes is not None for name in ids}
    assert counted["own"]
    assert not counted["host"]
    assert [counted["one"], counted["other"]].count(True) == 1


async def test_whoever_watches_gets_every_second_and_the_record_stays_on_its_grid() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    for second in range(1, 11):
        world.collector.watch()
        await world.sample(second, cpu_ns=second * 100_000_000)
    fine = [batch for batch in world.batches if not batch.is_base]
    base = [batch for batch in world.batches if batch.is_base]
    assert [batch.at_ms for batch in base] == [T0, T0 + 10_000]
    assert [batch.at_ms for batch in fine] == [T0 + second * 1000 for second in range(1, 11)]
    assert all(batch.containers[web].cpu_percent == pytest.approx(10.0) for batch in fine)
    assert base[-1].containers[web].cpu_percent == pytest.approx(10.0)
    assert (base[-1].interval_s, fine[-1].interval_s) == (10, 1)
    watched = world.collector.watch()
    assert watched is not None
    assert watched.latest(SeriesKey(web, Metric.CPU_PERCENT)) == pytest.approx(10.0)


async def test_the_fine_window_is_dropped_ten_minutes_after_the_last_watcher() -> None:
    world = World()
    await world.sample(0)
    assert world.collector.watch() is None
    await world.sample(1)
    await world.sample(600)
    assert world.collector.watch() is not None
    await world.clock.advance(WATCH_S)
    await world.sample(610)
    assert world.collector.watch() is None


async def test_samples_fall_on_the_grid_and_a_watcher_does_not_wait_for_it() -> None:
    world = World()
    moments: list[int] = []
    taken = asyncio.Event()

    async def note(at_ms: int) -> None:
        moments.append(at_ms - T0)
        taken.set()

    world.collector.sample = note  # type: ignore[method-assign]  # only the grid is looked at
    await world.clock.advance(3.2)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(world.collector.run())
        await world.clock.advance(6.7)
        assert moments == []
        await world.clock.advance(10.2)
        assert moments == [10_000, 20_000]
        world.collector.watch()
        await world.clock.advance(2.0)
        assert moments == [10_000, 20_000, 21_000, 22_000]
        # Nobody looks again: the wait that had begun on the fine grid ends there, and then it is over.
        await world.clock.advance(WATCH_S + 3.0)
        assert moments[4:] == [23_000, 24_000, 25_000, 26_000, 30_000]
        running.cancel()
    assert world.probe.closed


def an_event(container_id: str, action: str, *, at_s: float, **attributes: str) -> EngineEvent:
    return EngineEvent(
        kind="container",
        action=action,
        id=container_id,
        name=attributes.get("name", ""),
        at_ns=T0 * 10**6 + round(at_s * 10**9),
        attributes=attributes,
    )


async def test_starts_and_kills_between_two_moments_are_counted() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    for at_s in (2.0, 5.0):
        world.collector.on_event(an_event(web, "oom", at_s=at_s))
        world.collector.on_event(an_event(web, "start", at_s=at_s + 0.1))
    await world.sample(10)
    assert (world.standing(web).restarts, world.standing(web).oom_kills) == (2, 2)
    await world.sample(20)
    assert (world.standing(web).restarts, world.standing(web).restarts_total) == (0, 2)


async def test_kills_that_only_the_kernel_counts_are_told_of_too() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    await world.sample(10, oom_kills=1)
    await world.sample(20, oom_kills=3)
    assert world.standing(web).oom_kills == 2


async def test_a_container_that_was_killed_before_any_list_showed_it_is_told_of_once() -> None:
    world = World()
    await world.sample(0)
    job = "d" * 64
    labels = {"name": "job", "image": "demo/web:1", "com.docker.compose.project": "batch"}
    world.collector.on_event(an_event(job, "start", at_s=3, **labels))
    world.collector.on_event(an_event(job, "oom", at_s=4, **labels))
    world.collector.on_event(an_event("e" * 64, "start", at_s=5, name="quiet"))
    await world.sample(10)
    (told,) = world.batches[-1].standings
    assert (told.name, told.image, told.oom_kills) == ("job", "demo/web:1", 1)
    assert told.labels == {"com.docker.compose.project": "batch"}
    await world.sample(20)
    assert world.batches[-1].standings == ()


async def test_a_renamed_container_goes_on_under_its_new_name() -> None:
    world = World()
    web = await world.a_container("web")
    await world.sample(0, cpu_ns=0)
    (listed,) = world.inventory.containers
    world.inventory = replace(world.inventory, containers=(replace(listed, name="shop"),))
    batch = await world.sample(10, cpu_ns=1_000_000_000)
    assert world.standing(web).name == "shop"
    assert batch.containers[web].cpu_percent == pytest.approx(10.0)


async def test_a_sample_that_comes_too_late_is_shown_but_dropped_and_counted() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    world.collector.on_event(an_event(web, "start", at_s=8))
    await world.clock.advance(16)
    await world.collector.sample(T0 + 10_000)
    late = world.batches[-1]
    assert late.is_late
    assert late.standings == ()
    assert late.host.cpu_percent == 25.0
    batch = await world.sample(20)
    assert not batch.is_late
    assert (batch.agent.samples_late, batch.agent.samples_late_total) == (1, 1)
    # What was counted meanwhile waited for a moment that is kept.
    assert world.standing(web).restarts == 1
    assert (await world.sample(30)).agent.samples_late == 0


async def test_after_the_clock_was_set_back_no_moment_is_recorded_twice() -> None:
    world = World()
    await world.sample(0)
    await world.sample(10)
    world.clock.set_now_ms(T0)
    await world.collector.sample(T0)
    assert world.batches[-1].is_late
    await world.sample(20)
    assert not world.batches[-1].is_late
    kept = [batch.at_ms for batch in world.batches if not batch.is_late]
    assert kept == sorted(set(kept))


async def test_a_clock_that_is_set_back_while_waiting_moves_the_grid_with_it() -> None:
    world = World()
    moments: list[int] = []

    async def note(at_ms: int) -> None:
        moments.append(at_ms - T0)

    world.collector.sample = note  # type: ignore[method-assign]  # only the grid is looked at
    async with asyncio.TaskGroup() as group:
        running = group.create_task(world.collector.run())
        await world.clock.settle()
        world.clock.set_now_ms(T0 - 27_000)
        # The moment that was waited for is still to come.
        await world.clock.advance(16.9)
        assert moments == []
        await world.clock.advance(0.2)
        assert moments == [-10_000]
        running.cancel()


async def test_requests_are_counted_between_kept_moments_by_revision() -> None:
    world = World()
    fast, slow = latency_bucket(2.0), latency_bucket(500.0)
    world.traffic = [RevisionTraffic(service="shop.web", revision=1, requests=10, latencies={fast: 10})]
    await world.sample(0)
    assert world.batches[-1].routes == ()
    world.traffic = [
        RevisionTraffic(
            service="shop.web", revision=1, requests=110, failures=3, lost=1, latencies={fast: 100, slow: 10}
        ),
        RevisionTraffic(service="shop.web", revision=2, requests=4),
    ]
    await world.sample(10)
    old, new = world.batches[-1].routes
    assert (old.requests, old.errors, old.lost, old.requests_total) == (100, 3, 1, 110)
    assert old.latency_p50_ms == pytest.approx(2.0, rel=0.1)
    assert old.latency_p99_ms == pytest.approx(500.0, rel=0.1)
    assert (new.revision, new.requests, new.latency_p50_ms) == (2, 4, None)


async def test_while_the_router_does_not_answer_nothing_is_said_and_nothing_lost() -> None:
    world = World()
    world.traffic = [RevisionTraffic(service="shop.web", revision=1, requests=10)]
    await world.sample(0)
    world.traffic = SwitchError("it restarts")
    assert (await world.sample(10)).routes == ()
    world.traffic = [RevisionTraffic(service="shop.web", revision=1, requests=35)]
    assert (await world.sample(20)).routes[0].requests == 25
    # Another router begins at zero.
    world.traffic = [RevisionTraffic(service="shop.web", revision=1, requests=5)]
    assert (await world.sample(30)).routes[0].requests == 5


async def test_base_samples_have_disks_temperatures_and_the_agents_own_figures() -> None:
    world = World()

    def a_disk(written: int) -> DiskUsage:
        return DiskUsage(path="/", total_bytes=9, used_bytes=4, available_bytes=5, write_bytes=written)

    temperature = SensorReading(name="cpu", celsius=41.0)
    world.probe.host_levels = HostLevels(disks=(a_disk(1000),), sensors=(temperature,))
    world.own = AgentReading(cpu_s=1.0, commit_index=100, applied_index=100, queues={"proposals": 2})
    first = await world.sample(0)
    assert first.disks[0].write_bytes_per_s is None
    assert first.agent.cpu_percent is None
    world.probe.host_levels = HostLevels(disks=(a_disk(6000),), sensors=(temperature,))
    world.own = AgentReading(
        cpu_s=1.5, commit_index=130, applied_index=127, queues={"proposals": 2, "live": 5}
    )
    second = await world.sample(10)
    assert second.disks[0].write_bytes_per_s == pytest.approx(500.0)
    assert second.sensors == (temperature,)
    assert second.agent.cpu_percent == pytest.approx(5.0)
    assert second.agent.raft_entries == 30
    assert (second.agent.reading.apply_lag_entries, second.agent.reading.queue_depth) == (3, 7)


async def test_a_disk_that_does_not_answer_holds_nothing_else_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    answers = threading.Event()

    def levels() -> HostLevels:
        answers.wait(10)
        return HostLevels(sensors=(SensorReading(name="cpu", celsius=41.0),))

    monkeypatch.setattr(world.probe, "levels", levels)
    monkeypatch.setattr("agent.collect.collector.LEVELS_TIMEOUT_S", 0.01)
    try:
        assert (await world.sample(0)).sensors == ()
    finally:
        answers.set()
    monkeypatch.setattr("agent.collect.collector.LEVELS_TIMEOUT_S", 10)
    assert len((await world.sample(10)).sensors) == 1


async def test_accounting_that_is_off_is_said_and_not_shown_as_zero() -> None:
    world = World()
    await world.a_container()
    batch = await world.sample(0)
    assert any("memory accounting is off" in note for note in batch.notes)


async def test_a_subscriber_that_left_hears_nothing_more() -> None:
    world = World()
    heard: list[int] = []
    leave = world.collector.subscribe(lambda batch: heard.append(batch.at_ms))
    await world.sample(0)
    leave()
    await world.sample(10)
    assert heard == [T0]


async def test_closing_closes_every_file() -> None:
    world = World()
    web = await world.a_container()
    await world.sample(0)
    world.collector.close()
    assert world.opener.opened[web].closed
    assert world.probe.closed


def test_the_real_opener_is_what_the_fake_stands_for(tmp_path: Path) -> None:
    with pytest.raises(ContainerGone):
        ContainerFileOpener(proc=tmp_path).open("a", 1)

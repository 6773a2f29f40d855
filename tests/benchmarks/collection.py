"""What measuring a container costs: by control group files, and by the engine's statistics API."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from agent.clock import SystemClock
from agent.collect.collector import Collector
from agent.collect.container_files import ContainerFileOpener
from agent.collect.reading import ContainerReader
from agent.collect.recording import rows_of
from agent.collect.standings import Standings
from agent.docker.engine import DockerEngine
from agent.docker.watcher import Inventory, InventoryWatcher
from agent.host.probe import ProcHostProbe
from cluster.model.ids import NodeId
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.process_figures import cpu_s, with_descendants
from tests.benchmarks.results import Finding, Row
from tests.support.lab import Host

COUNTS = (20, 100)
IMAGE = "demo/busybox:1"
SAMPLES = 100
API_ROUNDS = 10
IDLE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one container sample, in microseconds of processor time; `round_ms` is how long all took."""

    ours_us: float
    docker_us: float
    round_ms: float

    @property
    def total_us(self) -> float:
        return self.ours_us + self.docker_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything at one number of containers."""

    whole: Cost
    files: Cost
    api: Cost


class _OnTheGrid(SystemClock):
    """A clock on which every sample is in time."""

    def __init__(self) -> None:
        self.at_ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.at_ms


def run(say: Callable[[str], None]) -> Finding:
    """Measure all of it in one lab. Raises Missing without one."""
    found: dict[int, Measured] = {}
    with a_benchmark_lab("c") as lab:
        host = lab.hosts[0]
        host.engine.pull(IMAGE)
        running = 0
        for count in COUNTS:
            for number in range(running, count):
                host.engine.run(f"bench-{number:03d}", IMAGE, command=("sleep", "86400"))
            running = count
            say(f"{count} containers run")
            found[count] = asyncio.run(_measure(host, count))
            for what in ("whole", "files", "api"):
                cost: Cost = getattr(found[count], what)
                say(f"{count}, {what}: {cost.ours_us:.0f} + {cost.docker_us:.0f} us, {cost.round_ms:.1f} ms")
    few, many = (found[count] for count in COUNTS)
    return Finding(
        title="Collection",
        how=(
            f"One Docker host with {COUNTS[0]} and then {COUNTS[1]} idle containers. Processor time of a"
            " container sample: ours (this process), and what all processes of the host use above"
            f" {IDLE_S:.0f} s in which nobody asks. Anchor: the statistics API with one-shot, all containers"
            " at once, its answers parsed by the agent's own client."
        ),
        anchor="Docker's statistics API",
        rows=tuple(
            row
            for count, measured in ((COUNTS[0], few), (COUNTS[1], many))
            for row in (
                Row(
                    what=f"{count} containers: figures read, per container",
                    ours=_words(measured.files),
                    target="<= 50 us",
                    anchor=_words(measured.api),
                ),
                Row(
                    what=f"{count} containers: read, host read, rates, live window and rows, per container",
                    ours=_words(measured.whole),
                    target="<= 200 us",
                ),
                Row(
                    what=f"{count} containers: until all are read",
                    ours=f"{measured.files.round_ms:.1f} ms",
                    anchor=f"{measured.api.round_ms:.0f} ms",
                ),
            )
        ),
        notes=(
            f"{few.api.total_us / few.files.total_us:.0f} times less than the API at {COUNTS[0]} containers,"
            f" {many.api.total_us / many.files.total_us:.0f} times at {COUNTS[1]}.",
        ),
    )


def _words(cost: Cost) -> str:
    if cost.docker_us < 1:
        return f"{cost.ours_us:.0f} us"
    return f"{cost.ours_us:.0f} us and {cost.docker_us:.0f} us of the engine"


async def _measure(host: Host, count: int) -> Measured:
    init = host.init
    assert init is not None, "the host runs"
    proc = Path(f"/proc/{init.pid}/root/proc")
    engine = DockerEngine(str(host.docker_socket))
    clock = _OnTheGrid()
    try:
        inventory = await _listed(engine, count)
        reader = ContainerReader(
            engine=engine, opener=ContainerFileOpener(proc), clock=clock, standings=Standings()
        )
        await reader.follow(inventory)
        collector = Collector(
            inventory=lambda: inventory,
            engine=engine,
            probe=ProcHostProbe(proc),
            opener=ContainerFileOpener(proc),
            clock=clock,
        )
        collector.subscribe(lambda batch: rows_of(batch, node_id=NodeId("n1"), node_name="h1"))

        async def read_files() -> None:
            assert len(reader.read_files()) == count
            await asyncio.sleep(0)

        async def sample() -> None:
            await collector.sample(clock.at_ms)
            clock.at_ms += 10_000

        async def ask() -> None:
            async with asyncio.TaskGroup() as group:
                for container in inventory.containers:
                    group.create_task(engine.usage(container.id))

        await sample()
        idle = _docker_cpu_s(host)
        await asyncio.sleep(IDLE_S)
        idle_share = (_docker_cpu_s(host) - idle) / IDLE_S
        try:
            return Measured(
                files=await _cost(host, read_files, SAMPLES, count, idle_share),
                whole=await _cost(host, sample, SAMPLES, count, idle_share),
                api=await _cost(host, ask, API_ROUNDS, count, idle_share),
            )
        finally:
            reader.close()
            collector.close()
    finally:
        await engine.close()


async def _listed(engine: DockerEngine, count: int) -> Inventory:
    watcher = InventoryWatcher(engine, SystemClock(), random.Random(1))
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watcher.run())
        inventory = await watcher.newer_than(0)
        watching.cancel()
    assert len(inventory.containers) == count
    return inventory


async def _cost(
    host: Host, work: Callable[[], Awaitable[None]], rounds: int, count: int, idle_share: float
) -> Cost:
    docker_s, own_s, began_s = _docker_cpu_s(host), time.process_time(), time.monotonic()
    for _ in range(rounds):
        await work()
    elapsed_s = time.monotonic() - began_s
    own_s = time.process_time() - own_s
    docker_s = _docker_cpu_s(host) - docker_s - idle_share * elapsed_s
    samples = rounds * count
    return Cost(
        ours_us=1e6 * own_s / samples,
        docker_us=max(0.0, 1e6 * docker_s / samples),
        round_ms=1000 * elapsed_s / rounds,
    )


def _docker_cpu_s(host: Host) -> float:
    """What all processes of the host have used: its engine, the containers' supervisors, and the containers,
    which sleep."""
    assert host.init is not None, "the host runs"
    return cpu_s(with_descendants(host.init.pid))

"""A service that must never run twice, while its host is cut off: copies alive, beside Docker Swarm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from agent.cli.failures import CommandFailed
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import docker_version
from tests.benchmarks.results import Finding, Row, spread
from tests.benchmarks.swarm import a_swarm
from tests.support.lab import Host, LabAgents, LabError, NotInTime, wait_until

SERVICE = "vault.db"
CUTS = 3
ANCHOR_CUTS = 2
LOOK_EVERY_S = 0.05
MOVE_TIMEOUT_S = 120.0
WATCH_AFTER_S = 5.0


@dataclass
class Copies:
    """How many copies ran, as the engines of all hosts said, every twentieth of a second."""

    most: int = 0
    overlap_s: float = 0.0
    moved_at_s: float | None = None


def run(say: Callable[[str], None], *, cuts: int = CUTS, anchor_cuts: int = ANCHOR_CUTS) -> Finding:
    """Measure both. Raises Missing without a lab."""
    took_s, most, overlap_s = ours(say, cuts)
    swarm_s, swarm_most, swarm_overlap_s = anchor(say, anchor_cuts)
    return Finding(
        title="Singleton during a partition",
        how=(
            "Three Docker hosts, one service with one replica that must never run twice (`singleton:"
            " true`); the network of its host is cut. From the cut until it runs on another host, and how"
            " long more than one copy ran, as every host's own engine says. Anchor: a Swarm service of one"
            " task on such hosts."
        ),
        anchor="Docker Swarm",
        rows=(
            Row(
                what="until it runs elsewhere",
                ours=spread(took_s, "s"),
                target="< 15 s",
                anchor=spread(swarm_s, "s", 1),
            ),
            Row(what="most copies at one time", ours=str(most), target="1", anchor=str(swarm_most)),
            Row(
                what="time with more than one copy",
                ours=f"{overlap_s:.1f} s",
                target="0 s",
                anchor=f"{swarm_overlap_s:.1f} s (until the end of watching)",
            ),
        ),
        notes=(f"Anchor: {docker_version()}.",),
    )


def compose() -> str:
    """One replica of the sample application, fenced."""
    service = {
        "image": "registry:5000/demo/web:1",
        "healthcheck": {"disable": True},
        "deploy": {"replicas": 1, "update_config": {"monitor": "0s"}},
        "x-tower": {"singleton": True},
    }
    return yaml.safe_dump({"name": "vault", "services": {"db": service}}, sort_keys=False)


def ours(say: Callable[[str], None], cuts: int) -> tuple[list[float], int, float]:
    """Seconds of each failover, most copies, and seconds with more than one."""
    took_s: list[float] = []
    most, overlap_s = 0, 0.0
    with scratch() as directory, a_benchmark_lab("f") as lab:
        agents = LabAgents(lab, directory)
        agents.form()
        agents.client(lab.hosts[0]).post("/deployments", {"compose": compose()}, timeout_s=60.0)

        def running(host: Host) -> int:
            listed = host.engine.get("/containers/json", timeout_s=2.0)
            return sum(container["Labels"].get("tower.service") == SERVICE for container in listed)

        for _ in range(cuts):
            agents.wait("it runs once", lambda: _count(lab.hosts, running) == 1, timeout_s=60)
            [holder] = [host for host in lab.hosts if running(host)]
            seen = _cut(lab.hosts, holder, running, lambda: lab.cut(holder.name))  # noqa: B023 (called before the next)
            lab.heal(holder.name)
            if seen.moved_at_s is None:
                raise NotInTime("the singleton did not move")
            took_s.append(seen.moved_at_s)
            most, overlap_s = max(most, seen.most), overlap_s + seen.overlap_s
            say(f"{holder.name}: {seen.moved_at_s:.1f} s, at most {seen.most} copies")
            agents.wait_until_voting()
            _wait_until_up(agents)
    return took_s, most, overlap_s


def anchor(say: Callable[[str], None], cuts: int) -> tuple[list[float], int, float]:
    """The same of Swarm's."""
    took_s: list[float] = []
    most, overlap_s = 0, 0.0
    with a_swarm() as swarm:
        swarm.create_service("db", 1)

        def running(host: Host) -> int:
            listed = host.engine.get("/containers/json", timeout_s=2.0)
            return sum(
                container["Labels"].get("com.docker.swarm.service.name") == "db" for container in listed
            )

        for _ in range(cuts):
            if not wait_until(lambda: _count(swarm.hosts, running) == 1, timeout_s=120, poll_s=0.2):
                raise LabError("Swarm's task does not run once")
            [holder] = [host for host in swarm.hosts if running(host)]
            seen = _cut(swarm.hosts, holder, running, lambda: swarm.lab.cut(holder.name))  # noqa: B023 (called before the next)
            swarm.lab.heal(holder.name)
            if seen.moved_at_s is None:
                raise LabError("Swarm did not move the task")
            took_s.append(seen.moved_at_s)
            most, overlap_s = max(most, seen.most), overlap_s + seen.overlap_s
            say(f"Swarm, {holder.name}: {seen.moved_at_s:.1f} s, at most {seen.most} copies")
            swarm.wait_until_whole()
    return took_s, most, overlap_s


def _wait_until_up(agents: LabAgents) -> None:
    def are_up() -> bool:
        try:
            nodes = agents.client(agents.lab.hosts[0]).items("/nodes")
        except CommandFailed:
            return False
        return all(node["status"] == "up" for node in nodes)

    agents.wait("every host is up", are_up, timeout_s=60)


def _count(hosts: tuple[Host, ...], running: Callable[[Host], int]) -> int:
    """Copies on all hosts; the engines answer on local sockets, cut off or not."""
    return sum(running(host) for host in hosts)


def _cut(
    hosts: tuple[Host, ...], holder: Host, running: Callable[[Host], int], cut: Callable[[], object]
) -> Copies:
    seen = Copies()
    with _watching(hosts, running, seen):
        began_s = time.monotonic()
        cut()
        others = tuple(host for host in hosts if host.name != holder.name)
        while time.monotonic() - began_s < MOVE_TIMEOUT_S:
            if _count(others, running):
                seen.moved_at_s = time.monotonic() - began_s
                break
            time.sleep(LOOK_EVERY_S)
        # A copy that runs on beside the new one is seen for a while.
        time.sleep(WATCH_AFTER_S)
    return seen


@contextmanager
def _watching(hosts: tuple[Host, ...], running: Callable[[Host], int], seen: Copies) -> Iterator[None]:
    is_over = threading.Event()

    def look() -> None:
        last_s = time.monotonic()
        while not is_over.wait(LOOK_EVERY_S):
            copies = _count(hosts, running)
            now_s = time.monotonic()
            seen.most = max(seen.most, copies)
            if copies > 1:
                seen.overlap_s += now_s - last_s
            last_s = now_s

    watcher = threading.Thread(target=look, name="copies")
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join(30)

"""A singleton on three real hosts, while they are cut off, stopped, killed and restarted: never two of it.

It writes down the time every few milliseconds, in a file of its own for each start, into a directory of this
machine that all hosts share. All hosts have one kernel and so one clock: two that ran at the same time are
seen in their own words, also while a Docker daemon is away and has no events to tell.

A sample runs in every test run, repeated and harder faults in `make verify`.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agent.cli.failures import CommandFailed
from agent.follow.leave import RESTART_MS
from tests.support.lab import Host, Lab, LabAgents, agents_on_a_lab, wait_until
from tests.support.whole_run import IS_WHOLE

FAILOVER_S = 15.0
GAP_S = 1.0
"""A longer silence is a stop: the machine may be busy, and writes are 20 ms apart."""
STEADY_S = 0.5
ROUNDS = 4 if IS_WHOLE else 1

COMPOSE = """\
name: shop
services:
  clock:
    image: demo/busybox:1
    stop_grace_period: 1s
    deploy:
      update_config:
        monitor: 1s
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        read began rest < /proc/uptime
        while :; do
          read now rest < /proc/uptime
          echo "$$now" >> "/seen/$$HOSTNAME-$$began"
          sleep 0.02
        done
    volumes:
      - SEEN:/seen
    x-tower:
      singleton: true
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One uninterrupted run of the singleton, as it wrote it down."""

    container: str
    began_s: float
    ended_s: float


def uptime_s() -> float:
    """The clock the singleton writes down."""
    return float(Path("/proc/uptime").read_text().split()[0])


class World:
    """A cluster with the singleton on one of its hosts."""

    def __init__(self, lab: Lab, agents: LabAgents, seen: Path) -> None:
        self.lab = lab
        self.agents = agents
        self._seen = seen

    def runs(self) -> list[Run]:
        """What was written, by when it began."""
        found = []
        for path in self._seen.iterdir():
            times = [float(line) for line in path.read_text().splitlines()]
            if not times:
                continue  # it has just begun
            began_s = before_s = times[0]
            for at_s in times:
                if at_s - before_s > GAP_S:
                    found.append(Run(path.name, began_s, before_s))
                    began_s = at_s
                before_s = at_s
            found.append(Run(path.name, began_s, before_s))
        return sorted(found, key=lambda run: run.began_s)

    def check_never_twice(self) -> None:
        runs = self.runs()
        for earlier, later in pairwise(runs):
            assert earlier.ended_s < later.began_s, f"two ran at the same time: {earlier} and {later}"

    def is_running(self) -> bool:
        return any(uptime_s() - run.ended_s < GAP_S for run in self.runs())

    def container(self) -> tuple[Host, str] | None:
        """The singleton's container and the host it runs on."""
        for host in self.agents.hosts:
            filters = quote(json.dumps({"label": ["tower.fenced=strict"], "status": ["running"]}))
            for found in host.engine.get(f"/containers/json?filters={filters}"):
                return host, str(found["Id"])
        return None

    def home(self) -> tuple[Host, str]:
        """Where it runs, once it goes on running there and all hosts are known to be up."""
        seen: list[tuple[float, tuple[Host, str] | None]] = [(uptime_s(), None)]

        def is_settled() -> bool:
            found = self.container()
            if found is None or found != seen[-1][1] or not self.is_running() or not self.all_up():
                seen.append((uptime_s(), found))
                return False
            return uptime_s() - seen[-1][0] >= STEADY_S

        self.agents.wait("the singleton runs and all hosts are up", is_settled, tell=self.tell)
        found = seen[-1][1]
        assert found is not None
        return found

    def have_lead(self, host: Host) -> None:
        """Have the agent of this host lead; one that was cut off has to catch up first."""

        def leads() -> bool:
            leader = self.agents.leader()
            if leader.name != host.name:
                try:
                    self.agents.hand_over(leader, host)
                except CommandFailed:
                    return False
            return True

        self.agents.wait(f"{host.name} leads", leads, tell=self.tell)

    def is_rolled_out(self) -> bool:
        """Until then a loss is a deployment that failed, and not one to mend."""
        [rollout] = self.agents.client(self.agents.hosts[0]).items("/rollouts")
        return bool(rollout["phase"] == "succeeded")

    def all_up(self) -> bool:
        return {node["status"] for node in self.nodes()} == {"up"}

    def nodes(self) -> list[dict[str, Any]]:
        for host in self.agents.hosts:
            try:
                return self.agents.client(host).items("/nodes")
            except CommandFailed:
                continue
        return []

    def status_of(self, host: Host) -> str:
        return next((str(node["status"]) for node in self.nodes() if node["name"] == host.name), "unknown")

    def others(self, host: Host) -> list[Host]:
        return [other for other in self.agents.hosts if other.name != host.name]

    def wait_for_next(self, container: str, since_s: float) -> float:
        """Seconds from `since_s` until another container than this one ran."""
        name = container[:12]

        def successor() -> Run | None:
            later = [
                run for run in self.runs() if run.began_s > since_s and not run.container.startswith(name)
            ]
            return later[0] if later else None

        self.agents.wait("it runs elsewhere", lambda: successor() is not None, tell=self.tell)
        found = successor()
        assert found is not None
        return found.began_s - since_s

    def tell(self) -> str:
        return "\n".join(f"{host.name}:\n{self.agents.log_of(host)}" for host in self.agents.hosts)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three hosts with an agent each, and the singleton."""
    seen = tmp_path_factory.mktemp("seen")
    seen.chmod(0o777)
    with agents_on_a_lab("n", tmp_path_factory.mktemp("agents")) as agents:
        made = World(agents.lab, agents, seen)
        compose = COMPOSE.replace("SEEN", str(seen))
        agents.client(agents.hosts[0]).post("/deployments", {"compose": compose})
        made.home()
        agents.wait("it is rolled out", made.is_rolled_out, tell=made.tell)
        yield made


@pytest.fixture(autouse=True)
def _never_twice(world: World) -> Iterator[None]:
    """Whatever a test does: looked at when all is well again."""
    world.home()
    yield
    world.home()
    world.check_never_twice()


def test_it_starts_elsewhere_soon_after_its_host_was_cut_off(world: World) -> None:
    for _ in range(ROUNDS):
        host, container = world.home()
        world.have_lead(world.others(host)[0])
        cut_at_s = uptime_s()
        world.lab.cut(host.name)
        try:
            took_s = world.wait_for_next(container, cut_at_s)
        finally:
            world.lab.heal(host.name)
        assert took_s < FAILOVER_S
        world.home()
        world.check_never_twice()


def test_it_starts_elsewhere_when_the_agent_hangs_and_does_not_return_with_it(world: World) -> None:
    host, container = world.home()
    agent = world.agents.process(host)
    stopped_at_s = uptime_s()
    agent.signal(signal.SIGSTOP)
    try:
        took_s = world.wait_for_next(container, stopped_at_s)
    finally:
        agent.signal(signal.SIGCONT)
    assert took_s < FAILOVER_S
    found = world.home()
    assert found[0].name != host.name


def test_it_survives_a_crash_of_the_agent_or_is_stopped_in_time(world: World) -> None:
    host, container = world.home()
    agent = world.agents.process(host)
    agent.signal(signal.SIGKILL)
    assert wait_until(lambda: not agent.is_alive, timeout_s=10)
    # On a busy machine the agent is not back before the lease ends, and the keeper does what it is for.
    world.agents.wait_until_serving(host)
    assert world.home() == (host, container) or container not in running_ids(host)


def test_a_planned_stop_of_the_agent_leaves_it_alone_for_as_long_as_it_has_leave(world: World) -> None:
    host, container = world.home()
    away_s = 20.0 if IS_WHOLE else 12.0
    assert away_s < RESTART_MS / 1000
    agent = world.agents.process(host)
    agent.signal(signal.SIGTERM)
    assert wait_until(lambda: not agent.is_alive, timeout_s=20)
    host.services.disable()
    stopped_at_s = time.monotonic()
    statuses = set()
    while time.monotonic() - stopped_at_s < away_s:
        statuses.add(world.status_of(host))
        time.sleep(0.25)
    world.agents.start(host)
    assert "down" not in statuses
    assert "suspect" in statuses
    assert world.home() == (host, container)


def test_it_runs_again_after_the_docker_daemon_was_killed(world: World) -> None:
    host, _ = world.home()
    world.lab.kill(host.name)
    world.lab.start(host.name)
    world.home()


def running_ids(host: Host) -> list[str]:
    return [str(each["Id"]) for each in host.engine.get("/containers/json")]


# ---- the longer matrix --------------------------------------------------------------------------

long_only = pytest.mark.verify


@long_only
def test_it_starts_elsewhere_when_its_host_led_the_cluster_and_is_cut_off(world: World) -> None:
    for _ in range(ROUNDS):
        host, container = world.home()
        world.have_lead(host)
        cut_at_s = uptime_s()
        world.lab.cut(host.name)
        try:
            took_s = world.wait_for_next(container, cut_at_s)
        finally:
            world.lab.heal(host.name)
        assert took_s < FAILOVER_S + 2
        world.home()
        world.check_never_twice()


@long_only
def test_a_power_cut_moves_it_and_the_host_does_not_start_it_when_it_is_back(world: World) -> None:
    host, container = world.home()
    cut_at_s = uptime_s()
    world.lab.kill(host.name, power=True)
    took_s = world.wait_for_next(container, cut_at_s)
    assert took_s < FAILOVER_S + 2
    world.lab.start(host.name)
    world.agents.wait_until_serving(host)
    found = world.home()
    assert found[0].name != host.name


@long_only
@pytest.mark.parametrize("seconds", [1.0, 3.5, 6.0, 8.0, 10.5, 12.0])
def test_short_cuts_of_any_length_end_well(world: World, seconds: float) -> None:
    host, _ = world.home()
    world.lab.cut(host.name)
    time.sleep(seconds)
    world.lab.heal(host.name)
    world.home()


@long_only
def test_the_whole_cluster_is_cut_into_pieces_and_put_together(world: World) -> None:
    for _ in range(ROUNDS):
        for host in world.agents.hosts:
            world.lab.cut(host.name)
        world.agents.wait("nobody runs it", lambda: not world.is_running())
        for host in world.agents.hosts:
            world.lab.heal(host.name)
        world.home()
        world.check_never_twice()

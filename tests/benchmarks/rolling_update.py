"""How long a rolling update of three replicas takes and what it costs under load, beside Docker Swarm."""

from __future__ import annotations

import time
from collections.abc import Callable

import yaml

from agent.cli.client import Client
from tests.benchmarks.labs import a_benchmark_lab
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import docker_version
from tests.benchmarks.results import Finding, Row, spread
from tests.benchmarks.swarm import Swarm, a_swarm
from tests.support.lab import LabAgents, LabError, NotInTime, wait_until
from tests.support.open_load import OpenLoad

HOST_NAME = "shop.localhost"
SERVICE = "shop.web"
REPLICAS = 3
UPDATES = 5
ANCHOR_UPDATES = 3
RATE_PER_S = 300.0
REQUESTS_MIN = 10_000
TIMEOUT_S = 120.0
SWARM_PORT = 8080


def run(
    say: Callable[[str], None], *, updates: int = UPDATES, anchor_updates: int = ANCHOR_UPDATES
) -> Finding:
    """Measure both. Raises Missing without a lab."""
    took_s, asked, lost = ours(say, updates)
    swarm_s, swarm_asked, swarm_lost = anchor(say, anchor_updates)
    return Finding(
        title="Rolling update",
        how=(
            "Three replicas on three Docker hosts, one replaced after the other, no time of watching;"
            f" {RATE_PER_S:g} requests a second in an open loop through every host's HAProxy, a quarter of"
            " them on connections of their own. From the request to deploy until every replica is new and"
            " the old ones are gone. A request is lost when it gets no answer or an error. Anchor: a Swarm"
            " service of three tasks on such hosts, parallelism 1, monitor and delay 0, its port published"
            " in host mode (the routing mesh needs IPVS, which this kernel may not have), the hosts asked"
            " in turn; order stop-first, which is its default and what a host port needs."
        ),
        anchor="Docker Swarm",
        rows=(
            Row(what="duration", ours=spread(took_s, "s"), target="< 4 s", anchor=spread(swarm_s, "s", 1)),
            Row(
                what="requests lost",
                ours=f"{lost:,} of {asked:,}",
                target="0 of >= 10,000",
                anchor=f"{swarm_lost:,} of {swarm_asked:,}",
            ),
        ),
        notes=(f"Anchor: {docker_version()}.",),
    )


def compose(version: str) -> str:
    """The sample application in that version."""
    service = {
        "image": "registry:5000/demo/web:1",
        "environment": {"VERSION": version},
        "healthcheck": {"disable": True},
        "deploy": {"replicas": REPLICAS, "update_config": {"monitor": "0s"}},
        "x-tower": {"route": {"host": HOST_NAME, "port": 8080, "health": "/up"}},
    }
    return yaml.safe_dump({"name": "shop", "services": {"web": service}}, sort_keys=False)


def ours(say: Callable[[str], None], updates: int) -> tuple[list[float], int, int]:
    """Seconds of each update; requests asked and lost during all of them."""
    took_s: list[float] = []
    with scratch() as directory, a_benchmark_lab("r") as lab:
        agents = LabAgents(lab, directory)
        agents.form()
        client = agents.client(lab.hosts[0])
        _roll(client, "0")
        load = OpenLoad([host.ip for host in lab.hosts], HOST_NAME, rate_per_s=RATE_PER_S)
        with load.running():
            load.wait_more(100)
            for number in range(1, updates + 1):
                took_s.append(_roll(client, str(number)))
                say(f"update {number}: {took_s[-1]:.2f} s, {len(load.seen.failures)} lost")
                load.wait_more(300)
            load.wait_for(REQUESTS_MIN, timeout_s=TIMEOUT_S)
    for failure in load.seen.failures[:20]:
        say(f"lost: {failure}")
    return took_s, load.seen.count, len(load.seen.failures)


def _roll(client: Client, version: str) -> float:
    began_s = time.monotonic()
    answer = client.post("/deployments", {"compose": compose(version)}, timeout_s=60.0)
    rollout_id = answer["services"][0]["rollout_id"]
    while time.monotonic() - began_s < TIMEOUT_S:
        rollout = client.get(f"/rollouts/{rollout_id}")
        if rollout["phase"] == "succeeded":
            return time.monotonic() - began_s
        if rollout["phase"] in ("failed", "rolled-back", "cancelled"):
            raise NotInTime(f"the update to {version} did not succeed: {rollout['reason']}")
        time.sleep(0.02)
    raise NotInTime(f"the update to {version} has not ended in {TIMEOUT_S:g} s")


def anchor(say: Callable[[str], None], updates: int) -> tuple[list[float], int, int]:
    """The same of Swarm's."""
    took_s: list[float] = []
    with a_swarm() as swarm:
        swarm.create_service("web", REPLICAS, host_port=SWARM_PORT)
        addresses = [f"{host.ip}:{SWARM_PORT}" for host in swarm.hosts]
        load = OpenLoad(addresses, HOST_NAME, rate_per_s=RATE_PER_S)
        with load.running():
            load.wait_more(100)
            for number in range(1, updates + 1):
                took_s.append(_roll_swarm(swarm))
                say(f"Swarm, update {number}: {took_s[-1]:.1f} s, {len(load.seen.failures)} lost")
                load.wait_more(300)
    return took_s, load.seen.count, len(load.seen.failures)


def _roll_swarm(swarm: Swarm) -> float:
    began_s = time.monotonic()
    swarm.begin_update("web", parallelism=1)
    if not wait_until(lambda: swarm.update_state("web") == "completed", timeout_s=TIMEOUT_S, poll_s=0.05):
        raise LabError(f"Swarm's update has not ended: {swarm.update_state('web')}")
    return time.monotonic() - began_s

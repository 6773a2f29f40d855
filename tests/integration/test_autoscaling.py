"""A service that scales itself on three real Docker hosts: a rush, silence, and no request lost in either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent.cli.failures import CommandFailed
from tests.support.lab import LabAgents, agents_on_a_lab
from tests.support.open_load import OpenLoad

pytestmark = pytest.mark.timeout(180)

APP = "shop.localhost"
QUIET_PER_S = 8
RUSH_PER_S = 60
# A rush asks for four replicas, a quiet time for one. Nobody reaches the target of cpu, but without fresh
# numbers of it none would be taken away.
COMPOSE = """
name: shop
services:
  web:
    image: registry:5000/demo/web:1
    healthcheck: {disable: true}
    stop_grace_period: 10s
    deploy: {update_config: {monitor: 0s}}
    x-tower:
      route: {host: shop.localhost, port: 8080, health: /up}
      drain: {timeout: 2s}
      scaling: {min: 1, max: 4, cpu: 500%, requests_per_second: 16, down_window: 10s, cooldown: 5s}
"""


class World:
    """A cluster, and the service as its first host tells it."""

    def __init__(self, agents: LabAgents) -> None:
        self.agents = agents
        self._client = agents.client(agents.hosts[0])

    def deploy(self) -> None:
        (service,) = self._client.post("/deployments", {"compose": COMPOSE})["services"]
        self.agents.wait(
            "it is rolled out",
            lambda: self._client.get(f"/rollouts/{service['rollout_id']}")["phase"] == "succeeded",
            timeout_s=60,
            tell=self.tell,
        )

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get("/services/shop.web")
        return found

    def scale(self, replicas: int) -> None:
        self._client.post("/services/shop.web/scale", {"replicas": replicas})

    def wait_for(self, replicas: int, timeout_s: float) -> None:
        def is_there() -> bool:
            service = self.service()
            return bool(service["replicas_ready"] == service["replicas_wanted"] == replicas)

        self.agents.wait(f"{replicas} replicas serve", is_there, timeout_s=timeout_s, tell=self.tell)

    def tell(self) -> str:
        service = self.service()
        return f"{service['scaling']}\n{service['scalings']}\n{service['assignments']}"

    def audit(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._client.get("/audit?actor=autoscaling&action=service.scale")[
            "items"
        ]
        return entries


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with agents_on_a_lab("y", tmp_path_factory.mktemp("autoscaling")) as agents:
        yield World(agents)


@pytest.mark.verify
def test_a_rush_brings_replicas_and_silence_takes_them_away_without_a_lost_request(world: World) -> None:
    world.deploy()
    addresses = [host.ip for host in world.agents.hosts]
    with OpenLoad(addresses, APP, rate_per_s=QUIET_PER_S).running() as quiet:
        quiet.wait_for(10, timeout_s=20)
        with OpenLoad(addresses, APP, rate_per_s=RUSH_PER_S - QUIET_PER_S).running() as rush:
            world.wait_for(4, timeout_s=60)
            rush.wait_more(50)
        # It comes down while requests go on.
        world.wait_for(1, timeout_s=90)
        quiet.wait_more(20)
    assert (rush.seen.failures, quiet.seen.failures) == ([], [])
    service = world.service()
    changes = list(reversed(service["scalings"]))
    numbers = [change["replicas"] for change in changes]
    # Up to four and down to one, and no other way in between.
    assert numbers[numbers.index(4) :] == sorted(numbers[numbers.index(4) :], reverse=True)
    assert numbers[: numbers.index(4) + 1] == sorted(numbers[: numbers.index(4) + 1])
    assert {change["by"] for change in changes} == {"autoscaling"}
    assert all("requests_per_second" in change["reason"] for change in changes)
    observed = {each["metric"]: each["observed"] for each in service["scaling"]["metrics"]}
    assert observed["cpu"] is not None
    assert 0 < observed["requests_per_second"] < RUSH_PER_S
    assert [entry["reason"].partition(": ")[2] for entry in world.audit()] == [
        change["reason"] for change in service["scalings"]
    ]
    # A person is told that it scales itself.
    with pytest.raises(CommandFailed, match="is scaled between 1 and 4 replicas by itself"):
        world.scale(3)

"""Following a tag at a real registry: a good image is rolled out, a bad one goes back and is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import Lab, LabAgents, agents_on_a_lab

pytestmark = pytest.mark.timeout(240)

TAG = "demo/followed:1"
COMPOSE = f"""
name: shop
services:
  web:
    image: registry:5000/{TAG}
    stop_grace_period: 1s
    deploy: {{replicas: 1, update_config: {{monitor: 0s, failure_action: rollback}}}}
    x-tower:
      route: {{host: followed.example, port: 8080, health: /up}}
      start_deadline: 4s
      retries: 0
      drain: {{timeout: 1s}}
      watch: {{every: 1s, min_age: 2s}}
"""


class World:
    """One host, and a service of it that follows its image."""

    def __init__(self, lab: Lab, agents: LabAgents) -> None:
        self._lab = lab
        self._agents = agents
        self.client = agents.client(agents.hosts[0])

    def publish(self, version: str, **settings: str) -> str:
        """Have the tag mean another image; returns its digest."""
        builder = self._lab.builder
        return self._lab.publish(builder.web(TAG, {"VERSION": version, **settings}))

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/services/shop.web")
        return found

    def serving(self) -> str:
        """The digest of what serves, "" while that is not one alone."""
        serving = self.service()["serving"]
        return str(serving[0]["digest"]) if len(serving) == 1 else ""

    def wait(self, what: str, is_so: Any, timeout_s: float = 30) -> None:
        self._agents.wait(what, is_so, timeout_s=timeout_s, tell=self._tell)

    def _tell(self) -> str:
        service = self.service()
        return f"{service['watch']}\n{service['rollout']}\n{self._agents.log_of(self._agents.hosts[0], 30)}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with agents_on_a_lab("q", tmp_path_factory.mktemp("watch"), hosts=1) as agents:
        yield World(agents.lab, agents)


def test_a_new_image_is_rolled_out_and_a_bad_one_goes_back_and_is_not_tried_again(world: World) -> None:
    first = world.publish("1")
    world.client.post("/deployments", {"compose": COMPOSE})
    world.wait("the first image serves", lambda: world.serving() == first)

    second = world.publish("2")
    world.wait("the second image serves", lambda: world.serving() == second)
    assert world.service()["rollout"]["asked_by"] == "image watch"

    bad = world.publish("3-bad", UP="never")
    world.wait("the bad image is tried", lambda: bad in world.service()["watch"]["tried"])
    world.wait("it went back", lambda: world.service()["rollout"]["phase"] == "rolled-back")
    attempts = len(world.client.items("/rollouts?service=shop.web"))
    checked = world.service()
    assert checked["watch"]["digest"] == bad
    assert world.serving() == second

    fourth = world.publish("4")
    world.wait("the fourth image serves", lambda: world.serving() == fourth)
    # One more: the bad one was left alone for all the seconds that the fourth took to be old enough.
    assert len(world.client.items("/rollouts?service=shop.web")) == attempts + 1
    assert world.service()["watch"]["tried"] == [second, bad, fourth]


def test_a_scheduled_deployment_waits_for_its_time_and_a_freeze_stops_it(world: World) -> None:
    world.publish("1")
    freeze = world.client.post("/freezes", {"reason": "quiet", "scope": "project", "scope_name": "frozen"})
    soon_ms = freeze["from_ms"] + 3000
    world.client.delete(f"/freezes/{freeze['id']}")
    paths = {}
    for name in ("later", "frozen"):
        compose = COMPOSE.replace("name: shop", f"name: {name}").replace("followed.", f"{name}.")
        body = {"compose": compose.replace("  watch: {every: 1s, min_age: 2s}", "")}
        view = world.client.post("/schedules", {"deployment": body, "at_ms": soon_ms})
        paths[name] = f"/schedules/{view['id']}"
    world.client.post("/freezes", {"reason": "quiet", "scope": "project", "scope_name": "frozen"})
    runs = {}
    for name, path in paths.items():
        world.wait(f"{name} is dealt with", lambda path=path: bool(world.client.get(path)["runs"]))
        (runs[name],) = world.client.get(path)["runs"]
    fired, stopped = runs["later"], runs["frozen"]
    assert (fired["outcome"], fired["due_ms"], fired["revisions"]) == ("fired", soon_ms, {"later.web": 1})
    assert fired["at_ms"] >= soon_ms
    assert stopped["outcome"] == "refused"
    assert "quiet" in stopped["reason"]

"""Hooks on real Docker hosts: one that succeeds, fails, hangs, and outlives the agent that began it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.failures import CommandFailed
from tests.support.lab import Host, Lab, LabAgents, agents_on_a_lab

pytestmark = pytest.mark.timeout(300)

COMPOSE = """
name: shop
services:
  web:
    image: demo/busybox:1
    command: ["sh", "-c", "trap exit TERM; sleep 1000000 & wait"]
    environment: {{VERSION: "{version}", DB_PASSWORD: "hunter2222"}}
    stop_grace_period: 1s
    volumes: [{{type: bind, source: {seen}, target: /seen}}]
    deploy: {{replicas: 1, update_config: {{monitor: 0s, failure_action: rollback}}}}
    x-tower:
      hooks: {{{hooks}}}
"""
# Each start of a hook leaves a line, on this machine, which all hosts of the lab share.
MARK = "echo {name} >> /seen/began"


class World:
    """A cluster of three hosts, and the service that is deployed to it again and again."""

    def __init__(self, lab: Lab, agents: LabAgents, seen: Path) -> None:
        self.lab = lab
        self.agents = agents
        self._seen = seen
        self.version = 0

    @property
    def first(self) -> Host:
        return self.agents.hosts[0]

    def deploy(self, *, timeout: str = "60s", **hooks: str) -> str:
        """Deploy another version with these hooks (kind: command); return the rollout's id."""
        self.version += 1
        listed = ", ".join(
            f'{kind}: [{{command: ["sh", "-c", "{command}"], timeout: {timeout}}}]'
            for kind, command in hooks.items()
        )
        compose = COMPOSE.format(version=self.version, seen=self._seen, hooks=listed)
        answer = self.agents.client(self.first).post("/deployments", {"compose": compose})
        for _ in range(100):
            (service,) = answer["services"]
            if service["rollout_id"]:
                return str(service["rollout_id"])
            answer = {"services": [{"rollout_id": self.newest()}]}
        raise AssertionError(answer)

    def newest(self) -> str:
        items = self.agents.client(self.first).get("/rollouts?service=shop.web")["items"]
        return str(items[0]["id"]) if items else ""

    def rollout(self, rollout_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.agents.client(self.first).get(f"/rollouts/{rollout_id}")
        return found

    def wait(self, rollout_id: str, phase: str, timeout_s: float = 60) -> dict[str, Any]:
        self.agents.wait(
            f"the rollout is {phase}",
            lambda: self.rollout(rollout_id)["phase"] == phase,
            timeout_s=timeout_s,
            tell=lambda: f"{self.rollout(rollout_id)}\n{self.agents.log_of(self.first, 40)}",
        )
        return self.rollout(rollout_id)

    def began(self, name: str) -> int:
        """How often a hook was started, by its own word."""
        file = self._seen / "began"
        return file.read_text().split().count(name) if file.exists() else 0

    def containers(self) -> dict[str, str]:
        """The names of the service's containers with the VERSION of each, while nothing comes or goes."""
        found = {}
        for host in self.agents.hosts:
            for listed in host.engine.get("/containers/json?all=true"):
                detail = host.engine.get(f"/containers/{listed['Id']}/json")
                (version,) = [item for item in detail["Config"]["Env"] if item.startswith("VERSION=")]
                found[detail["Name"].removeprefix("/")] = version
        return found

    def names(self) -> list[str]:
        return [
            str(listed["Names"][0])
            for host in self.agents.hosts
            for listed in host.engine.get("/containers/json?all=true")
        ]

    def settle(self) -> dict[str, str]:
        """What runs once no hook's container is left."""
        self.agents.wait(
            "no hook is left",
            lambda: not any("-pre-" in name or "-post-" in name for name in self.names()),
            timeout_s=30,
            tell=lambda: str(self.names()),
        )
        return self.containers()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    seen = tmp_path_factory.mktemp("seen")
    seen.chmod(0o777)
    with agents_on_a_lab("k", tmp_path_factory.mktemp("hooks")) as agents:
        world = World(agents.lab, agents, seen)
        # Something to go back to, whichever test is the first.
        world.wait(world.deploy(), "succeeded")
        yield world


def test_hooks_run_once_each_before_and_after_the_new_revision(world: World) -> None:
    rollout = world.deploy(
        pre_deploy=f"{MARK.format(name='pre')}; echo migrated $$VERSION", post_deploy=MARK.format(name="post")
    )
    ended = world.wait(rollout, "succeeded")
    before, after = ended["hooks"]
    assert (before["phase"], before["exit_code"], before["tail"]) == (
        "succeeded",
        0,
        f"migrated {world.version}",
    )
    assert (after["kind"], after["phase"]) == ("post", "succeeded")
    assert before["node_name"]
    assert (world.began("pre"), world.began("post")) == (1, 1)
    assert list(world.settle().values()) == [f"VERSION={world.version}"]


def test_a_hook_that_fails_changes_nothing_and_says_why_without_secrets(world: World) -> None:
    running = world.settle()
    rollout = world.deploy(pre_deploy=f"{MARK.format(name='bad')}; echo no login with $$DB_PASSWORD; exit 3")
    ended = world.wait(rollout, "failed")
    assert "nothing was changed" in ended["reason"]
    assert "ended with exit code 3" in ended["reason"]
    assert "no login with [redacted]" in ended["reason"]
    assert world.began("bad") == 1
    assert world.settle() == running


def test_a_hook_that_hangs_is_killed_at_its_time(world: World) -> None:
    running = world.settle()
    rollout = world.deploy(timeout="3s", pre_deploy=f"{MARK.format(name='hang')}; sleep 1000")
    ended = world.wait(rollout, "failed")
    assert "did not end within 3 s, and was killed" in ended["reason"]
    assert world.began("hang") == 1
    assert world.settle() == running


def test_a_hook_outlives_the_agent_that_began_it_and_is_not_begun_again(world: World) -> None:
    rollout = world.deploy(pre_deploy=f"{MARK.format(name='slow')}; sleep 20; echo done")
    world.agents.wait("the hook has begun", lambda: world.began("slow") == 1, timeout_s=30)
    name = world.rollout(rollout)["hooks"][0]["node_name"]
    host = next(each for each in world.agents.hosts if each.name == name)
    # Its agent alone would be back too soon to be missed.
    world.agents.lab.cut(host.name)
    os.kill(world.agents.process(host).pid, signal.SIGKILL)
    other = world.agents.client(next(each for each in world.agents.hosts if each is not host))

    def is_down() -> bool:
        try:
            return any(node["status"] == "down" for node in other.get("/nodes")["items"])
        except CommandFailed:
            return False  # there is no leader yet: it may have been that one

    world.agents.wait("the host counts as lost", is_down, timeout_s=30)
    world.agents.lab.heal(host.name)
    world.agents.wait_until_serving(host)
    ended = world.wait(rollout, "succeeded")
    assert (ended["hooks"][0]["phase"], ended["hooks"][0]["tail"]) == ("succeeded", "done")
    assert world.began("slow") == 1


def test_a_last_hook_that_fails_takes_the_new_revision_back(world: World) -> None:
    running = set(world.settle().values())
    rollout = world.deploy(post_deploy="echo cold; exit 1")
    ended = world.wait(rollout, "rolled-back")
    assert "post_deploy hook 1" in ended["reason"]
    assert "cold" in ended["reason"]
    assert set(world.settle().values()) == running

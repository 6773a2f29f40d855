"""Secrets, configs and private images on real Docker hosts, and where a secret's value must not be."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli.failures import CommandFailed
from tests.support.lab import Host, Lab, LabAgents, a_lab, remove_abandoned, require_lab, url_of

pytestmark = pytest.mark.timeout(300)

FIRST = "sk_live_first_7f1c2d9ab44e"
SECOND = "sk_live_second_0d3be5179a60"
PASSWORD = "lab-password"
CONFIG = "listen 8080\n"
# It says of its files what they are, not what is in them.
SAY = "sha256sum /run/secrets/* /etc/web.conf /inline; ls -lnL /run/secrets /etc/web.conf"
COMPOSE = f"""
name: shop
services:
  web:
    image: demo/busybox:1
    command: ["sh", "-c", "{SAY}; trap exit TERM; sleep 1000000 & wait"]
    stop_grace_period: 1s
    secrets:
      - stripe_key
      - {{source: stripe_key, target: for_app, uid: "1000", gid: "1001", mode: 0400}}
    configs:
      - {{source: web.conf, target: /etc/web.conf}}
      - inline
    deploy: {{replicas: 2, update_config: {{monitor: 1s}}}}
secrets: {{stripe_key: {{external: true}}}}
configs:
  web.conf: {{external: true}}
  inline: {{content: "inline content"}}
"""


@dataclass(frozen=True, slots=True)
class World:
    lab: Lab
    agents: LabAgents
    logs: Path

    @property
    def first(self) -> Host:
        return self.agents.hosts[0]

    def put(self, path: str, **body: object) -> Any:
        return self.agents.client(self.first).put(path, body)

    def deploy(self, compose: str) -> None:
        """Deploy and wait until every rollout has succeeded."""
        client = self.agents.client(self.first)
        answer = client.post("/deployments", {"compose": compose})
        for service in answer["services"]:
            if service["rollout_id"]:
                path = f"/rollouts/{service['rollout_id']}"
                self.agents.wait(
                    f"{service['service_id']} is rolled out",
                    lambda path=path: client.get(path)["phase"] == "succeeded",
                    timeout_s=120,
                    tell=lambda path=path: str(client.get(path)),
                )

    def containers(self, service: str = "shop.web") -> list[tuple[Host, str]]:
        """Host and name of the service's containers."""
        return [
            (host, container["Names"][0].removeprefix("/"))
            for host in self.agents.hosts
            if host.engine.answers()
            for container in host.engine.get("/containers/json")
            if container["Labels"].get("tower.service") == service
        ]

    def are_healthy(self, count: int, service: str = "shop.web") -> bool:
        try:
            view = self.agents.client(self.first).get(f"/services/{service}")
        except CommandFailed:
            return False
        return bool(view["replicas_ready"] == count)


def said(host: Host, container: str) -> str:
    """What the newest start of a container wrote."""
    done = host.exec(["docker", "-H", "unix:///run/docker.sock", "logs", container], timeout_s=10)
    return f"{done.stdout}{done.stderr}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_world(lab: Lab, logs: Path) -> World:
    """A cluster of the lab's hosts that knows the first secret."""
    agents = LabAgents(lab, logs)
    agents.form()
    made = World(lab, agents, logs)
    made.put("/secrets/stripe_key", value=FIRST)
    made.put("/configs/web.conf", value=CONFIG)
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three hosts with an agent each, and the service with its first secret on two."""
    require_lab()
    remove_abandoned()
    lab = a_lab("x")
    logs = tmp_path_factory.mktemp("secrets")
    try:
        lab.up(3)
        made = a_world(lab, logs)
        made.deploy(COMPOSE)
        yield made
    finally:
        lab.down()


def test_every_replica_sees_its_files_with_the_owner_and_mode_it_asked_for(world: World) -> None:
    containers = world.containers()
    assert len({host.name for host, _ in containers}) == 2
    for host, name in containers:
        text = said(host, name)
        for place, content in (
            ("/run/secrets/stripe_key", FIRST),
            ("/run/secrets/for_app", FIRST),
            ("/etc/web.conf", CONFIG),
            ("/inline", "inline content"),
        ):
            assert f"{sha256(content)}  {place}\n" in text
        assert re.search(r"-r--r--r-- +1 0 +0 .* stripe_key\n", text), text
        assert re.search(r"-r-------- +1 1000 +1001 .* for_app\n", text), text
        assert re.search(r"-r--r--r-- +1 0 +0 .* /etc/web\.conf\n", text), text


def test_the_value_is_nowhere_but_in_memory(world: World) -> None:
    values = [FIRST.encode(), base64.b64encode(FIRST.encode()).rstrip(b"=")]
    shown = b""
    for host, name in world.containers():
        shown += str(host.engine.get(f"/containers/{name}/json")).encode()
        shown += str(host.engine.get(f"/containers/{name}/changes")).encode()
    for log in world.logs.iterdir():
        shown += log.read_bytes()
    client = world.agents.client(world.first)
    for path in ("/audit", "/secrets", "/services/shop.web", "/configs"):
        shown += str(client.get(path)).encode()
    assert b"stripe_key" in shown
    for value in values:
        assert value not in shown
    for host in world.agents.hosts:
        on_disk = [
            path for path in host.data_directory.rglob("*") if path.is_file() and not path.is_symlink()
        ]
        assert any(path.name == "data.mdb" for path in on_disk)
        assert [path for path in on_disk if holds(path, values)] == []
        listed = host.exec(["sh", "-c", "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'"])
        assert FIRST not in listed.stdout


def holds(path: Path, values: list[bytes]) -> bool:
    kept = b""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            window = kept + piece
            if any(value in window for value in values):
                return True
            kept = window[-100:]
    return False


def test_files_are_there_for_root_alone(world: World) -> None:
    host, name = world.containers()[0]
    found = host.exec(["sh", "-c", "stat -c '%a %u %F' /run/control-tower/files /run/control-tower/files/*"])
    assert set(found.stdout.splitlines()) == {"700 0 directory"}
    kind = host.exec(["stat", "-f", "-c", "%T", "/run/control-tower/files"])
    assert kind.stdout.strip() == "tmpfs"
    assert "secret-0" in host.exec(["sh", "-c", f"ls /run/control-tower/files/*/{name}"]).stdout


def test_what_is_in_use_is_not_removed(world: World) -> None:
    with pytest.raises(CommandFailed, match=r"used by shop\.web"):
        world.agents.client(world.first).delete("/secrets/stripe_key")


def test_a_name_that_is_not_known_is_told_before_anything_is_changed(world: World) -> None:
    compose = COMPOSE.replace("stripe_key", "strip_key")
    with pytest.raises(CommandFailed) as caught:
        world.agents.client(world.first).post("/deployments", {"compose": compose})
    assert "services.web.secrets[0]" in str(caught.value)
    assert "tower secret put strip_key" in str(caught.value)


def starts(host: Host, container: str) -> int:
    """How often the container saw its secret when it began."""
    return said(host, container).count(f"{sha256(FIRST)}  /run/secrets/stripe_key\n")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[World]:
    """One host by itself, where a replica stays whatever happens."""
    require_lab()
    lab = a_lab("y")
    try:
        lab.up(1)
        yield a_world(lab, tmp_path)
    finally:
        lab.down()


def test_a_secret_survives_the_agent_the_engine_and_the_host(alone: World) -> None:
    world, host, name = alone, alone.first, "tower-shop.web-1-0"
    world.deploy(COMPOSE.replace("replicas: 2", "replicas: 1"))
    made = host.engine.get(f"/containers/{name}/json")["Id"]

    def is_back(times: int) -> bool:
        return world.are_healthy(1) and starts(host, name) == times

    def tell() -> str:
        return f"{world.agents.log_of(host)}"

    world.agents.process(host).signal(9)
    world.agents.wait_until_serving(host)
    world.agents.wait("it is well after the agent", lambda: is_back(1), tell=tell)

    world.lab.kill(host.name)
    world.lab.start(host.name)
    world.agents.wait("it runs again after the engine", lambda: is_back(2), tell=tell)

    # The engine is up before the agent and cannot start the container: its files are gone.
    world.lab.kill(host.name, power=True)
    world.lab.start(host.name)
    world.agents.wait_until_serving(host)
    world.agents.wait("it runs again after the host", lambda: is_back(3), tell=tell)
    assert host.engine.get(f"/containers/{name}/json")["Id"] == made


def test_a_new_version_is_rolled_out_by_the_next_deployment(world: World) -> None:
    before = {name for _, name in world.containers()}
    world.put("/secrets/stripe_key", value=SECOND)
    assert {name for _, name in world.containers()} == before
    world.deploy(COMPOSE)
    after = world.containers()
    assert len(after) == 2
    for host, name in after:
        assert f"{sha256(SECOND)}  /run/secrets/stripe_key\n" in said(host, name)
        kept = host.exec(["sh", "-c", "ls /run/control-tower/files/*"]).stdout.split()
        assert before.isdisjoint(kept)
        assert name in kept
    # As the other tests know it, in whatever order they come.
    world.put("/secrets/stripe_key", value=FIRST)
    world.deploy(COMPOSE)


def test_a_person_puts_a_secret_with_the_command_line_and_sees_names_alone(world: World) -> None:
    host, value = world.agents.hosts[2], "typed_by_a_person_55e0"

    def tower(*words: str, given: str = "") -> str:
        done = host.exec(
            [sys.executable, "-m", "agent.cli", *words],
            env={
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "TOWER_SERVER": url_of(host),
                "TOWER_CA": "/var/lib/control-tower/identity/ca.pem",
                "TOWER_TOKEN": world.agents.token,
            },
            input=given,
        )
        assert done.returncode == 0, done.stderr
        return f"{done.stdout}{done.stderr}"

    printed = tower("secret", "put", "db_password", given=value)
    assert printed == "secret db_password: version 1 is kept\n"
    printed += tower("secret", "list") + tower("secret", "list", "--json")
    assert "db_password" in printed
    assert value not in printed
    assert tower("config", "show", "web.conf") == CONFIG
    # The lab reaches no registry but its own, where a login could be tried.
    login = tower("registry", "login", "ghcr.io", "--username", "ci", "--no-check", given=f"{value}\n")
    assert login.endswith("from now on\n")
    assert value not in tower("registry", "list", "--json")
    tower("registry", "logout", "ghcr.io")
    tower("secret", "remove", "db_password")


def test_a_private_image_is_pulled_on_every_host_with_the_login_of_its_registry(world: World) -> None:
    registry = world.lab.start_private_registry()
    image = world.lab.builder.busybox("private/tool:1")
    registry.publish(image)
    compose = f"""
name: tool
services:
  tool:
    image: {registry.address}/private/tool:1
    command: ["sh", "-c", "sleep 1000000 & wait"]
    stop_grace_period: 1s
    deploy: {{replicas: 2, update_config: {{monitor: 1s}}}}
"""
    client = world.agents.client(world.first)

    def refusal() -> str:
        with pytest.raises(CommandFailed) as caught:
            client.post("/deployments", {"compose": compose})
        return f"{caught.value}"

    login = f"`tower registry login {registry.address}`"
    without = refusal()
    assert f"registry {registry.address} wants a login" in without
    assert login in without
    with pytest.raises(CommandFailed, match="refused user ci") as tried:
        world.put(f"/registries/{registry.address}", username="ci", password="wrong-password")
    assert "wrong-password" not in f"{tried.value}"
    world.put(f"/registries/{registry.address}", username="ci", password="wrong-password", check_login=False)
    wrong = refusal()
    assert f"registry {registry.address} refused user ci" in wrong
    assert login in wrong
    assert "wrong-password" not in wrong
    world.put(f"/registries/{registry.address}", username="ci", password=PASSWORD)
    world.deploy(compose)
    assert len({host.name for host, _ in world.containers("tool.tool")}) == 2
    logs = "".join(log.read_text() for log in world.logs.iterdir())
    assert PASSWORD not in logs

"""Environments, and the review of deployments, on real Docker hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from agent.cli.failures import CommandFailed
from tests.support.lab import Host, Lab, LabAgents, agents_on_a_lab

pytestmark = pytest.mark.timeout(180)

IMAGE = "registry:5000/demo/web:1"
SHOP = f"""
name: shop
services:
  web:
    image: {IMAGE}
    volumes: ["data:/data"]
    stop_grace_period: 1s
    deploy: {{update_config: {{monitor: 0s}}}}
    x-tower: {{route: {{host: "${{HOST}}", port: 8080, health: /up}}}}
volumes: {{data: {{}}}}
"""


@dataclass(frozen=True, slots=True)
class World:
    lab: Lab
    agents: LabAgents

    def post(self, path: str, **body: Any) -> Any:
        return self.agents.client(self.agents.hosts[0]).post(path, body)

    def deploy(self, path: str = "/deployments", **body: Any) -> None:
        """Ask for it, and wait until every rollout of it has succeeded."""
        client = self.agents.client(self.agents.hosts[0])
        for service in client.post(path, body)["services"]:
            rollout = f"/rollouts/{service['rollout_id']}"
            self.agents.wait(
                f"{service['service_id']} is rolled out",
                lambda rollout=rollout: client.get(rollout)["phase"] == "succeeded",
                timeout_s=60,
                tell=lambda rollout=rollout: str(client.get(rollout)),
            )

    def errors(self, compose: str, **body: Any) -> dict[str, str]:
        """What would refuse it, by check."""
        answer = self.post("/validations", compose=compose, **body)
        return {each["check"]: each["rule"] for each in answer["findings"] if each["level"] == "error"}

    def refusal(self, path: str = "/deployments", **body: Any) -> str:
        with pytest.raises(CommandFailed) as caught:
            self.post(path, **body)
        return str(caught.value)


def containers(host: Host) -> list[Any]:
    """What Control Tower runs there."""
    listed = host.engine.get("/containers/json")
    return [each for each in listed if each["Labels"].get("tower.service")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three hosts, staging on the first and production on the second."""
    with agents_on_a_lab("v", tmp_path_factory.mktemp("validation")) as agents:
        made = World(agents.lab, agents)
        client = agents.client(agents.hosts[0])
        staging, production, _ = (host.name for host in agents.hosts)
        client.put("/environments/staging", {"hosts": [staging]})
        client.put("/environments/production", {"hosts": [production], "requires": "staging", "soak_s": 3})
        yield made


def test_what_proved_itself_in_staging_runs_in_production_beside_it(world: World) -> None:
    first, second, _ = world.agents.hosts
    early = world.refusal(compose=SHOP, environment="production", variables={"HOST": "shop.localhost"})
    assert "was not stable in staging yet" in early
    world.deploy(compose=SHOP, environment="staging", variables={"HOST": "staging.localhost"})
    own = world.refusal("/promotions", what="shop", to="production")
    assert "stable for" in own or "staging's own" in own
    client = world.agents.client(first)

    def is_promoted() -> bool:
        # What it is called is each environment's own, and comes from the file.
        file = {"compose": SHOP, "variables": {"HOST": "shop.localhost"}}
        try:
            client.post("/promotions", {"what": "shop", "to": "production", "file": file})
        except CommandFailed as refused:
            if "production asks for 3 s" not in str(refused):
                raise
            return False
        return True

    world.agents.wait("it has been stable for long enough", is_promoted, timeout_s=30)
    world.agents.wait(
        "it runs in production",
        lambda: client.get("/services/production.shop.web")["status"] == "running",
        timeout_s=60,
    )
    (in_staging,), (in_production,) = containers(first), containers(second)
    assert in_staging["Labels"]["tower.service"] == "staging.shop.web"
    assert in_production["Labels"]["tower.service"] == "production.shop.web"
    assert in_staging["ImageID"] == in_production["ImageID"]
    assert [mount["Name"] for mount in in_staging["Mounts"]] == ["staging.shop_data"]
    assert [mount["Name"] for mount in in_production["Mounts"]] == ["production.shop_data"]
    history = client.get("/services/production.shop.web/history")
    assert history["revisions"][0]["promoted_from"] == "staging.shop.web revision 1"


OTHER = f"name: other\nservices:\n  web:\n    image: {IMAGE}\n"


def test_a_good_file_has_no_errors_and_a_plan(world: World) -> None:
    answer = world.post("/validations", compose=OTHER)
    assert answer["errors"] == 0, answer["findings"]
    assert answer["plan"][0]["order"] == "start-first"
    assert answer["hosts"][0]["node_name"]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("registry:5000/demo/none:1", "none"),
        (f"registry:5000/demo/web@sha256:{'0' * 64}", "0000"),
    ],
)
def test_an_image_that_no_host_can_have_is_told_before_anything_is_made(
    world: World, image: str, said: str
) -> None:
    compose = OTHER.replace(IMAGE, image)
    assert said in world.errors(compose)["image"]
    refusal = world.refusal(compose=compose)
    assert "services.web" in refusal
    assert all(
        each["Labels"]["tower.project"] != "other" for host in world.agents.hosts for each in containers(host)
    )


def test_a_port_that_a_program_listens_on_is_told(world: World) -> None:
    # The router's own port: no container has it.
    taken = world.errors(OTHER + "    ports: ['80:8080']\n")
    assert "is in use by a program that is no container" in taken["host-ports"]


def test_a_volume_that_is_on_another_host_is_told(world: World) -> None:
    first, second, _ = world.agents.hosts
    second.engine.request("POST", "/volumes/create", {"Name": "vault_pg"})
    compose = f"""
name: vault
services:
  db:
    image: {IMAGE}
    volumes: ["pg:/data"]
    x-tower: {{singleton: true, pin_host: {first.name}}}
volumes: {{pg: {{}}}}
"""
    world.agents.wait(
        "the host has listed its new volume", lambda: "volumes" in world.errors(compose), timeout_s=20
    )
    found = world.errors(compose)["volumes"]
    assert f"there is a volume vault_pg on {second.name}, and the replica goes to {first.name}" in found


def test_more_than_the_hosts_have_is_told_host_by_host(world: World) -> None:
    found = world.errors(OTHER + "    deploy: {resources: {reservations: {memory: 900g}}}\n")["capacity"]
    for host in world.agents.hosts:
        assert host.name in found
    assert "of 921600 MiB needed" in found


def test_a_host_whose_engine_is_away_is_told_and_is_no_pass(world: World) -> None:
    second = world.agents.hosts[1]
    world.lab.kill(second.name)
    try:

        def is_told() -> bool:
            answer = world.post("/validations", compose=OTHER)
            assert answer["errors"] == 0, answer["findings"]
            return any(
                f"the container engine of {second.name} does not answer" in each["rule"]
                for each in answer["findings"]
            )

        world.agents.wait("the engine is known to be away", is_told, timeout_s=20)
    finally:
        world.lab.start(second.name)

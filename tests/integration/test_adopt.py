"""A project that somebody runs with Compose becomes services: nothing restarts, and no request is lost when
it is deployed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Host, agents_on_a_lab
from tests.support.open_load import OpenLoad
from tests.support.shop import APP, COMPOSE, Shop

pytestmark = pytest.mark.timeout(300)

IMAGE = "registry:5000/demo/web:1"
PORT = 18080
RATE_PER_S = 60.0


def compose_up(host: Host, service: str, number: int, **fields: Any) -> str:
    """Have a running container as `docker compose up` makes it; returns its id."""
    if not any(each["Name"] == "shop_default" for each in host.engine.get("/networks")):
        host.engine.request("POST", "/networks/create", {"Name": "shop_default"})
    body: dict[str, Any] = {
        "Image": IMAGE,
        "Labels": {
            "com.docker.compose.project": "shop",
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": str(number),
            "com.docker.compose.oneoff": "False",
        },
        "NetworkingConfig": {"EndpointsConfig": {"shop_default": {"Aliases": [service]}}},
        **fields,
    }
    body["HostConfig"] = {
        "NetworkMode": "shop_default",
        "RestartPolicy": {"Name": "unless-stopped"},
        **fields.get("HostConfig", {}),
    }
    name = f"shop-{service}-{number}"
    made = host.engine.request("POST", f"/containers/create?name={name}", body)["Id"]
    host.engine.request("POST", f"/containers/{made}/start")
    return str(made)


def web(host: Host, number: int, version: str = "theirs") -> str:
    return compose_up(
        host,
        "web",
        number,
        Env=[f"VERSION={version}"],
        ExposedPorts={"8080/tcp": {}},
        HostConfig={"PortBindings": {"8080/tcp": [{"HostPort": str(PORT)}]}},
    )


def standing(host: Host, container: str) -> tuple[str, str, int]:
    """Which process of the container this is."""
    found = host.engine.get(f"/containers/{container}/json")
    return found["Id"], found["State"]["StartedAt"], found["State"]["Pid"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory: Path = tmp_path_factory.mktemp("adopt")
    with agents_on_a_lab("a", tmp_path_factory.mktemp("logs")) as agents:
        yield Shop(agents.lab, agents, directory)


def services(shop: Shop, project: str = "shop") -> dict[str, Any]:
    listed = json.loads(shop.tower("services", "--json"))["items"]
    return {service["id"]: service for service in listed if service["project"] == project}


def test_a_compose_project_is_adopted_as_it_runs_and_deployed_over_without_a_lost_request(shop: Shop) -> None:
    first, second, third = shop.lab.hosts
    for host in (first, second):
        host.engine.pull(IMAGE)
    running = [(first, web(first, 1)), (second, web(second, 2)), (first, compose_up(first, "cache", 1))]
    before = [standing(host, container) for host, container in running]

    told = json.loads(shop.tower("adopt", "shop", "--dry-run", "--json"))
    assert [service["service_id"] for service in told["services"]] == ["shop.cache", "shop.web"]
    assert told["problems"] == []
    assert services(shop) == {}

    shop.tower("adopt", "shop", "--route", f"web={APP}:8080", "--health", "/up")
    shop.agents.wait(
        "what was adopted serves",
        lambda: all(each["status"] == "running" for each in services(shop).values()),
        timeout_s=60,
        tell=lambda: f"{services(shop)}\n{shop.tell()}",
    )
    assert [standing(host, container) for host, container in running] == before
    assert {name: each["adopted"] for name, each in services(shop).items()} == {
        "shop.cache": 1,
        "shop.web": 2,
    }
    assert "adopted" in shop.tower("services")

    with OpenLoad([host.ip for host in (first, second, third)], APP, rate_per_s=RATE_PER_S).running() as load:
        load.wait_more(120)
        assert set(load.seen.answers) == {"theirs"}
        file = shop.write(COMPOSE.format(version="ours", latency_ms=0).replace("replicas: 3", "replicas: 2"))
        shop.tower("deploy", file)
        load.wait_more(120)
        seen = load.seen
    assert seen.failures == [], seen.failures[:5]
    assert set(seen.answers) == {"theirs", "ours"}

    assert services(shop)["shop.web"]["adopted"] == 0
    left = [container for host in (first, second) for container in host.engine.get("/containers/json")]
    names = sorted(container["Names"][0].removeprefix("/") for container in left)
    assert "shop-web-1" not in names
    assert "shop-web-2" not in names
    # Nobody deployed that one over: it is still the same process.
    assert standing(*running[2]) == before[2]
    lose_the_cache(shop)


def lose_the_cache(shop: Shop) -> None:
    """An adopted container that is gone comes back as an ordinary replica."""
    host = next(
        each
        for each in shop.lab.hosts
        if any(found["Names"] == ["/shop-cache-1"] for found in each.engine.get("/containers/json"))
    )
    host.engine.remove("shop-cache-1")
    shop.agents.wait(
        "another takes its place",
        lambda: (
            services(shop)["shop.cache"]["status"] == "running"
            and services(shop)["shop.cache"]["adopted"] == 0
        ),
        timeout_s=60,
        tell=lambda: f"{services(shop)}\n{shop.tell()}",
    )
    (found,) = [
        container
        for each in shop.lab.hosts
        for container in each.engine.get("/containers/json")
        if "shop.cache" in container["Names"][0]
    ]
    assert found["Labels"]["tower.service"] == "shop.cache"


def test_what_is_ambiguous_or_would_be_lost_is_refused_and_changes_nothing(shop: Shop) -> None:
    host = shop.lab.hosts[2]
    host.engine.pull(IMAGE)
    made = host.engine.request(
        "POST",
        "/containers/create?name=lonely",
        {"Image": IMAGE, "HostConfig": {"CpuShares": 512}},
    )["Id"]
    refused = shop.try_tower("adopt", "lonely")
    assert refused.returncode == 1
    assert "start it first" in refused.stderr
    host.engine.request("POST", f"/containers/{made}/start")
    refused = shop.try_tower("adopt", "lonely")
    assert refused.returncode == 1
    assert "CpuShares = 512" in refused.stderr
    assert "--force" in refused.stderr
    assert services(shop, "lonely") == {}
    shop.tower("adopt", "lonely", "--force", "--host", host.name)
    assert services(shop, "lonely")["lonely.lonely"]["adopted"] == 1

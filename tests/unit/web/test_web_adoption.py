"""Adopting over REST and as a tool: what is said, refused, and committed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.model.access import Role
from cluster.model.adoption import FoundContainer
from cluster.model.ids import NodeId
from cluster.model.inventory import HostUnavailable
from cluster.model.service import DesiredState, PublishedPort, Route, ServiceSpec
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import lead
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

SPEC = ServiceSpec(
    image="registry.example/shop:1",
    digest="sha256:" + "a" * 64,
    environment=(("DB_PASSWORD", "hunter22"),),
    ports=(PublishedPort(container_port=8080, host_port=18080),),
)
FIRST = "a" * 64


def a_container(name: str = "shop-web-1", **fields: Any) -> FoundContainer:
    defaults: dict[str, Any] = {
        "container_id": FIRST,
        "name": name,
        "project": "shop",
        "service": "web",
        "number": 1,
        "image_id": "sha256:" + "1" * 64,
        "state": "running",
        "started_at_ms": 0,
        "spec": SPEC,
    }
    return FoundContainer(**{**defaults, **fields})


def a_world(*containers: FoundContainer, node: str = "nd_1") -> WebWorld:
    world = a_web_world()
    lead(world)
    world.hosts.strangers[node] = containers or (a_container(),)
    return world


class Api(ApiCaller):
    """A logged-in program."""

    async def adopt(self, status: int = 200, **body: Any) -> Any:
        body = {"names": ["shop"], **body}
        found, answer = await self.ask("POST", "/adoptions", json=body)
        assert found == status, answer
        return answer


@asynccontextmanager
async def a_person(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "ann"))


def assignments(world: WebWorld) -> list[Any]:
    with world.state.read() as txn:
        return records.ASSIGNMENTS.scan(txn)


async def test_running_containers_become_a_service_with_a_route() -> None:
    world = a_world()
    async with a_person(world) as api:
        answer = await api.adopt(routes={"": "shop.example:8080"}, health_path="/up")
        (service,) = (await api.get("/services"))["items"]
    assert answer["services"][0]["service_id"] == "shop.web"
    assert answer["services"][0]["replicas"][0]["container_name"] == "shop-web-1"
    (copy,) = assignments(world)
    assert (copy.adopted_id, copy.desired) == (FIRST, DesiredState.STARTED)
    with world.state.read() as txn:
        revision = records.REVISIONS.get(txn, "shop.web", 1)
    assert revision is not None
    assert revision.spec.route == Route(host="shop.example", port=8080, health_path="/up")
    assert (service["adopted"], service["routes"]) == (1, ["shop.example"])


async def test_a_dry_run_tells_everything_and_changes_nothing_and_shows_no_secret() -> None:
    stopped = a_container("shop-db-1", service="db", spec=None, refusal="it is exited: start it first")
    world = a_world(a_container(losses=("CpuShares = 512",)), stopped)
    async with a_person(world) as api:
        answer = await api.adopt(dry_run=True)
    assert answer["problems"] == [f"shop-db-1 on {world_name(world)}: it is exited: start it first"]
    assert answer["services"][0]["losses"] == ["CpuShares = 512"]
    assert "hunter22" not in str(answer)
    assert assignments(world) == []


def world_name(world: WebWorld) -> str:
    with world.state.read() as txn:
        node = records.NODES.get(txn, "nd_1")
    assert node is not None
    return node.name


async def test_losses_are_accepted_only_by_force() -> None:
    world = a_world(a_container(losses=("CpuShares = 512",)))
    async with a_person(world) as api:
        refused = await api.adopt(409)
        assert "shop.web: CpuShares = 512" in refused["detail"]
        assert "--force" in refused["hint"]
        assert assignments(world) == []
        await api.adopt(force=True)
    assert len(assignments(world)) == 1


async def test_nothing_is_adopted_while_a_host_cannot_be_asked_unless_it_is_left_out() -> None:
    world = a_world()
    world.hosts.silent["nd_2"] = HostUnavailable("no answer within 10 s")
    async with a_person(world) as api:
        refused = await api.adopt(409)
        assert "cannot be asked what it runs: no answer within 10 s" in refused["detail"]
        await api.adopt(node="nd_1")
    assert [copy.node_id for copy in assignments(world)] == [NodeId("nd_1")]


async def test_to_adopt_again_changes_nothing_and_says_so() -> None:
    world = a_world()
    async with a_person(world) as api:
        await api.adopt()
        again = await api.adopt()
    assert [service["is_new"] for service in again["services"]] == [False]
    assert len(assignments(world)) == 1


async def test_a_service_that_was_deployed_is_not_taken_over() -> None:
    world = a_world()
    world.state.must(a_service("shop.web"))
    async with a_person(world) as api:
        refused = await api.adopt(409)
    assert "service shop.web is there already" in refused["detail"]


@pytest.mark.parametrize("route", ["shop.example", "shop.example:http", "shop.example:99999"])
async def test_a_route_that_is_none_is_refused_with_its_value(route: str) -> None:
    async with a_person(a_world()) as api:
        refused = await api.adopt(422, routes={"web": route})
    assert route in str(refused)


async def test_only_administrators_adopt() -> None:
    world = a_world()
    async with a_person(world, Role.OPERATOR) as api:
        await api.adopt(403)
    assert assignments(world) == []

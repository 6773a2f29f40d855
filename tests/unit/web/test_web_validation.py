"""Checking a deployment: a clear answer to each thing that goes wrong, and nothing half done."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from cluster.commands.environments import PutEnvironment
from cluster.commands.services import AssignmentReport, ReportAssignments
from cluster.model.access import Role
from cluster.model.environments import Environment, EnvironmentQuota
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.readiness import HostReadiness, ImageAnswer, TakenPort
from cluster.model.service import Observation, PublishedPort, ReplicaPhase
from cluster.store import records
from tests.support.web_fakes import WebWorld
from tests.unit.web.test_web_environments import DIGEST, Api, a_world, settle, somebody
from web.tools.catalog import REGISTRY

REFERENCE = f"registry.example/shop/web@{DIGEST}"
ROUTED = """
name: shop
services:
  web:
    image: registry.example/shop/web:1
    x-tower: {route: {host: shop.example.com, port: 8080}}
"""


def an_operator(world: WebWorld, role: Role = Role.OPERATOR) -> AbstractAsyncContextManager[Api]:
    return somebody(world, role)


async def validated(world: WebWorld, compose: str = ROUTED, **body: Any) -> Any:
    """What is said of a deployment, which nothing of is there afterwards."""
    async with an_operator(world) as api:
        status, answer = await api.ask("POST", "/validations", json={"compose": compose, **body})
    assert status == 200, answer
    return answer


def services(world: WebWorld) -> list[str]:
    with world.state.read() as txn:
        return [each.id for each in records.SERVICES.scan(txn)]


def says(answer: Any, check: str, level: str) -> str:
    """The one finding of that check and level."""
    found = [each for each in answer["findings"] if (each["check"], each["level"]) == (check, level)]
    assert len(found) == 1, answer["findings"]
    return f"{found[0]['service']}{found[0]['field']}: {found[0]['rule']}"


def a_host(world: WebWorld, node_id: str, **fields: Any) -> None:
    world.hosts.said[node_id] = HostReadiness(node_id=node_id, at_ms=0, **fields)


async def test_what_can_be_deployed_has_a_plan_and_no_errors() -> None:
    world = a_world()
    answer = await validated(world)
    assert (answer["errors"], answer["warnings"]) == (0, 0), answer["findings"]
    (plan,) = answer["plan"]
    assert (plan["order"], plan["reason"]) == ("start-first", "nothing of it runs yet")
    assert [host["node_name"] for host in answer["hosts"]] == ["h1"]
    assert services(world) == []


async def test_a_bad_file_is_told_with_every_place() -> None:
    bad = ROUTED.replace("image: registry.example/shop/web:1", "imag: x\n    ports: 7")
    answer = await validated(a_world(), bad)
    assert answer["errors"] >= 2
    assert all(each["check"] == "file" and each["line"] for each in answer["findings"])
    assert answer["plan"] == []


async def test_a_warning_of_the_file_comes_along_with_its_place() -> None:
    answer = await validated(a_world(), ROUTED + "    environment: {DB_PASSWORD: plain}\n")
    finding = next(each for each in answer["findings"] if each["check"] == "file")
    assert (finding["level"], finding["field"]) == ("warning", "services.web.environment.DB_PASSWORD")
    assert finding["line"] == 7


async def test_an_image_that_is_missing_is_told_with_everything_else() -> None:
    world = a_world()
    world.hosts.failure = HostRefused("the registry has no such tag", code="refused")
    answer = await validated(world, ROUTED + "    secrets: [key]\nsecrets: {key: {external: true}}\n")
    assert "services.web.image: the registry has no such tag" in says(answer, "image", "error")
    assert "there is no secret key" in says(answer, "references", "error")


async def test_a_digest_that_a_host_cannot_get_refuses_the_deployment() -> None:
    world = a_world()
    a_host(world, "nd_1", images=(ImageAnswer(image=REFERENCE, refusal="manifest unknown"),))
    async with an_operator(world) as api:
        problem = await api.refused("/deployments", status=409, compose=ROUTED)
    assert "nothing was changed" in problem["detail"]
    (error,) = problem["errors"]
    assert error["field"] == "services.web"
    assert error["rule"] == "image: h1 cannot have registry.example/shop/web:1: manifest unknown"
    assert services(world) == []


async def test_a_port_that_is_taken_refuses_the_deployment() -> None:
    world = a_world()
    world.add_user("root", Role.ADMIN)
    port = PublishedPort(container_port=80, host_port=8080)
    for node_id in ("nd_1", "nd_2", "nd_3"):
        a_host(world, node_id, taken=(TakenPort(port=port, by="nginx"),))
    compose = ROUTED + "    ports: ['8080:80']\n"
    async with somebody(world, Role.ADMIN) as api:
        problem = await api.refused("/deployments", status=409, compose=compose)
        _, answer = await api.ask("POST", "/validations", json={"compose": compose})
    assert "host-ports: port 8080/tcp of h1 is in use by nginx" in problem["errors"][0]["rule"]
    assert answer["errors"] == 1
    assert services(world) == []


async def test_a_quota_that_is_exceeded_says_what_is_free() -> None:
    world = a_world()
    world.state.must(
        PutEnvironment(environment=Environment(name="staging", quota=EnvironmentQuota(replicas=0)))
    )
    answer = await validated(world, environment="staging")
    assert "1 replicas, of 0 allowed (0 used by others, 0 free)" in says(answer, "capacity", "error")


async def test_more_than_any_host_has_refuses_the_deployment() -> None:
    world = a_world()
    compose = ROUTED + "    deploy: {placement: {constraints: [node.labels.disk==ssd]}}\n"
    async with an_operator(world) as api:
        problem = await api.refused("/deployments", status=409, compose=compose)
    assert "capacity: a replica has nowhere to go" in problem["errors"][0]["rule"]
    assert "h1 does not meet node.labels.disk == ssd" in problem["errors"][0]["rule"]
    assert services(world) == []


DATABASE = """
name: shop
services:
  db:
    image: registry.example/shop/web:1
    volumes: ["pg:/data"]
    x-tower: {singleton: true}
volumes: {pg: {}}
"""


async def test_a_volume_that_is_elsewhere_is_told_of() -> None:
    world = a_world()
    a_host(world, "nd_2", volumes=("shop_pg",))
    answer = await validated(world, DATABASE)
    assert "there is a volume shop_pg on h2, and the replica goes to h1" in says(answer, "volumes", "error")


async def test_a_volume_on_a_host_that_may_not_be_used_any_more_refuses_the_update() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.deploy(DATABASE, environment="")
        settle(world, "shop.db")
        moved = DATABASE.replace("singleton: true", "singleton: true, pin_host: h2")
        problem = await api.refused(
            "/deployments", status=409, compose=moved.replace("volumes: [", "command: [x]\n    volumes: [")
        )
    assert "volumes: a replica has nowhere to go" in problem["errors"][0]["rule"]
    assert "does not have its volume, which is on h1" in problem["errors"][0]["rule"]


async def test_a_placement_that_a_volume_holds_its_replica_back_from_is_refused() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.deploy(DATABASE, environment="")
        settle(world, "shop.db")
        moved = DATABASE.replace("singleton: true", "singleton: true, pin_host: h2")
        problem = await api.refused("/deployments", status=409, compose=moved)
    (found,) = problem["errors"]
    assert found["rule"] == "volumes: its volume is on h1, which is not h2, the host it is pinned to"
    assert "give it a placement that this host meets" in found["hint"]


async def test_haproxy_that_is_missing_everywhere_refuses_what_has_a_route() -> None:
    world = a_world()
    for node_id in ("nd_1", "nd_2", "nd_3"):
        a_host(world, node_id, router_problem="haproxy is not installed")
    async with an_operator(world) as api:
        problem = await api.refused("/deployments", status=409, compose=ROUTED)
    assert [error["rule"] for error in problem["errors"]] == [
        f"router: no request gets in through {name}: haproxy is not installed" for name in ("h1", "h2", "h3")
    ]


async def test_haproxy_that_is_missing_on_one_host_is_a_warning_of_the_deployment() -> None:
    world = a_world()
    a_host(world, "nd_2", router_problem="haproxy is not installed")
    async with an_operator(world) as api:
        answer = await api.deploy(ROUTED, environment="")
    assert any("no request gets in through h2" in warning for warning in answer["warnings"])
    assert services(world) == ["shop.web"]


async def test_a_host_that_does_not_answer_is_a_warning_and_no_pass() -> None:
    world = a_world()
    world.hosts.silent["nd_2"] = HostUnavailable("h2 cannot be reached")
    answer = await validated(world)
    assert answer["errors"] == 0
    assert "h2 could not be asked, so nothing is checked there" in says(answer, "cluster", "warning")


async def test_a_route_of_another_project_refuses_the_deployment() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.deploy(ROUTED, environment="")
        problem = await api.refused(
            "/deployments", status=409, compose=ROUTED.replace("name: shop", "name: other")
        )
        same = await api.deploy(ROUTED, environment="", dry_run=True)
    assert "route: shop.web has requests for shop.example.com/ already" in problem["errors"][0]["rule"]
    assert same["findings"] == []


async def test_what_stays_as_it_is_is_not_looked_at() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.deploy(ROUTED, environment="")
        a_host(world, "nd_1", images=(ImageAnswer(image=REFERENCE, refusal="manifest unknown"),))
        again = await api.deploy(ROUTED, environment="")
    assert not again["services"][0]["changed"]


async def test_replicas_that_a_router_does_not_reach_are_told_of() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.deploy(ROUTED, environment="")
        bring_up(world)
        a_host(world, "nd_2", unreachable=("192.0.2.1:8080",))
        updated = ROUTED + "    command: [serve]\n"
        answer = await api.deploy(updated, environment="", dry_run=True)
    assert world.hosts.questions[-1]["nd_2"].addresses == ("192.0.2.1:8080",)
    assert "h2 does not reach its replicas on h1" in says(answer, "network", "warning")


def bring_up(world: WebWorld) -> None:
    """Have the first replica answer on h1."""
    settle(world, "shop.web")
    with world.state.read() as txn:
        copy = records.ASSIGNMENTS.get(txn, "shop.web", 1, 0, "nd_1")
    assert copy is not None
    seen = Observation(phase=ReplicaPhase.HEALTHY, address="192.0.2.1", port=8080)
    report = AssignmentReport(
        service_id=ServiceId("shop.web"), revision=1, ordinal=0, token=copy.token, observed=seen
    )
    world.state.must(ReportAssignments(node_id=NodeId("nd_1"), reports=(report,)))


async def test_viewers_are_not_told_of_hosts() -> None:
    async with an_operator(a_world(), Role.VIEWER) as api:
        problem = await api.refused("/validations", status=403, compose=ROUTED)
    assert "service.validate" in problem["detail"]


@pytest.mark.parametrize("name", ["validate-deployment", "promote-environment", "list-environments"])
def test_programs_have_it_as_tools(name: str) -> None:
    tool = REGISTRY.get(name)
    assert tool is not None
    assert tool.input_schema["type"] == "object"
    # What may become a plan answers in one of two shapes.
    assert (tool.output_schema is None) is not tool.is_read_only

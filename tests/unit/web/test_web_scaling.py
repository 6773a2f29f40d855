"""Services that are scaled by themselves: what people see of them, and what scaling by hand means then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cluster.commands.services import ScaleService
from cluster.model.access import Role
from cluster.model.autoscaling import AUTOSCALING, MetricStanding, ScaleMetric, ScalingStanding
from cluster.model.ids import ServiceId
from tests.support.deployments import service_of
from tests.support.identity_builders import NOW_MS
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.tools.pace import Pace

SHOP = ServiceId("shop.web")
QUICK = Pace(rollout_wait_s=0.01, split_wait_s=0.01)
COMPOSE = """
name: shop
services:
  web:
    image: registry.example/shop:{tag}
    x-tower:
      route: {{host: shop.example.com, port: 8080}}
      scaling: {{min: 2, max: {most}, cpu: 70%}}
"""


class Desk:
    """What the leader says of services."""

    def __init__(self, *standings: ScalingStanding) -> None:
        self._standings = {each.service_id: each for each in standings}

    async def standing(self, service_id: str) -> ScalingStanding | None:
        return self._standings.get(ServiceId(service_id))


class Api:
    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def ask(self, method: str, path: str, status: int, body: Any = None) -> Any:
        response = await self._client.request(method, f"/api/v1{path}", headers=self._headers, json=body)
        answer = await response.json()
        assert response.status == status, answer
        return answer

    async def deploy(self, tag: str = "1", most: int = 10) -> dict[str, Any]:
        answer = await self.ask("POST", "/deployments", 202, {"compose": COMPOSE.format(tag=tag, most=most)})
        [service] = answer["services"]
        assert isinstance(service, dict)
        return service


@asynccontextmanager
async def an_operator(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"))


def scale_by_itself(world: WebWorld, replicas: int) -> None:
    world.state.must(
        ScaleService(service_id=SHOP, replicas=replicas, by=AUTOSCALING, reason="cpu 133 of 70 %")
    )


async def test_bounds_numbers_and_the_last_change_with_its_reason_are_shown() -> None:
    world = a_web_world()
    world.scaling = Desk(
        ScalingStanding(
            service_id=SHOP,
            replicas_min=2,
            replicas_max=8,
            replicas=4,
            metrics=(MetricStanding(metric=ScaleMetric.CPU, target=70, observed=61.5, wanted=4),),
            wanted=4,
            reason="cpu 62 of 70 %",
            at_ms=NOW_MS,
        )
    )
    async with an_operator(world) as api:
        await api.deploy()
        scale_by_itself(world, 4)
        service = await api.ask("GET", "/services/web", 200)
    assert service["scaling"] == {
        "min": 2,
        "max": 8,
        "metrics": [{"metric": "cpu", "target": 70, "observed": 61.5, "wanted": 4}],
        "wanted": 4,
        "reason": "cpu 62 of 70 %",
        "held_by": "",
        "seen_at_ms": NOW_MS,
    }
    [change] = service["scalings"]
    assert (change["replicas_before"], change["replicas"]) == (2, 4)
    assert (change["by"], change["reason"]) == (AUTOSCALING, "cpu 133 of 70 %")


async def test_when_the_leader_cannot_be_asked_that_is_said() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
        scaling = (await api.ask("GET", "/services/web", 200))["scaling"]
    assert (scaling["min"], scaling["max"], scaling["seen_at_ms"]) == (2, 10, None)
    assert scaling["metrics"] == [{"metric": "cpu", "target": 70, "observed": None, "wanted": None}]
    assert "the leader cannot be asked" in scaling["reason"]


async def test_scaling_by_hand_what_scales_itself_is_refused_with_what_to_do() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
        problem = await api.ask("POST", "/services/web/scale", 409, {"replicas": 5})
    assert problem["detail"] == "shop.web is scaled between 2 and 10 replicas by itself"
    assert "x-tower.scaling" in problem["hint"]
    assert "tower scale shop.web=5 --override" in problem["hint"]
    assert service_of(world).replicas == 2


async def test_a_number_of_somebody_holds_until_the_next_deployment() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
        body = {"replicas": 12, "override": True}
        answer = await api.ask("POST", "/services/web/scale", 202, body)
        entries = len(world.state.audit())
        again = await api.ask("POST", "/services/web/scale", 202, body)
        assert len(world.state.audit()) == entries
        service = await api.ask("GET", "/services/web", 200)
        held = service_of(world)
        deployed = await api.deploy()
    assert answer["done"] == (
        "shop.web goes from 2 to 12 replicas, and is not scaled by itself until it is deployed again"
    )
    assert "scales it by itself again" in answer["next"]
    assert again["done"].startswith("shop.web has 12 replicas")
    assert (held.replicas, held.scale_held_by) == (12, "ann")
    assert service["scaling"]["held_by"] == "ann"
    assert service["scalings"][0]["by"] == "ann"
    assert deployed["changed"]
    assert (service_of(world).replicas, service_of(world).scale_held_by) == (10, "")


async def test_the_same_file_again_changes_nothing_however_many_there_are() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
        scale_by_itself(world, 6)
        again = await api.deploy()
    assert not again["changed"]
    assert service_of(world).replicas == 6


async def test_a_new_revision_and_other_bounds_keep_the_number_within_them() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
        scale_by_itself(world, 6)
        await api.deploy(tag="2")
        assert service_of(world).replicas == 6
        narrowed = await api.deploy(tag="2", most=4)
    changes = {each["field"]: (each["before"], each["after"]) for each in narrowed["changes"]}
    assert changes == {"replicas": ("6", "4"), "scaling.replicas_max": ("10", "4")}
    assert service_of(world).replicas == 4


async def test_who_only_looks_cannot_override() -> None:
    world = a_web_world()
    async with an_operator(world) as api:
        await api.deploy()
    world.add_user("eve", Role.VIEWER)
    async with serving(world, pace=QUICK) as client:
        viewer = Api(client, await log_in(client, "eve"))
        await viewer.ask("POST", "/services/web/scale", 403, {"replicas": 5, "override": True})
    assert service_of(world).replicas == 2

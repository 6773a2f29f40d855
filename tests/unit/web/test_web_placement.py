"""Placement over REST and as tools: explained, forecast, changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from cluster.commands.nodes import SetNodeLabels
from cluster.commands.services import (
    MoveReplicas,
)
from cluster.model.access import Role
from cluster.model.ids import NodeId, ServiceId
from cluster.model.placing import PlacementRules, parse_attribute, parse_constraint
from cluster.model.service import (
    RolloutPolicy,
    VolumeKind,
    VolumeMount,
)
from cluster.placement import Amounts, Quota
from cluster.store.records import ASSIGNMENTS, NODES
from cluster.survey import Intent
from tests.support.api_caller import ApiCaller
from tests.support.deployments import deployed
from tests.support.state_builders import a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from web.auth.call import Call, Credential, Identity
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT, Context
from web.tools.pace import Pace
from web.tools.placement import plan_hosts

QUICK = Pace(rollout_wait_s=0.01)
WEB = ServiceId("shop.web")
VOLUME = VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data")


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[ApiCaller]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield ApiCaller(client, await log_in(client, "ann"))


def labelled(world: WebWorld, node: str, **labels: str) -> None:
    world.state.must(SetNodeLabels(node_id=NodeId(node), put=tuple(sorted(labels.items()))))


def a_context(world: WebWorld) -> Context:
    return build_app(world.surroundings, pace=QUICK)[CONTEXT]


def a_call(world: WebWorld, role: Role) -> Call:
    identity = Identity(
        principal_id=world.add_user("ann", role),
        name="ann",
        role=role,
        credential=Credential.API_TOKEN,
        epoch=1,
    )
    return Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)


# ---- explained


async def test_a_services_placement_is_explained_host_by_host() -> None:
    world = a_web_world()
    labelled(world, "nd_1", zone="a")
    labelled(world, "nd_2", zone="a")
    rules = PlacementRules(
        constraints=(parse_constraint("node.labels.zone==a"),),
        spread=(parse_attribute("node.labels.zone"),),
        replicas_per_host_max=2,
        apart_from=("cache",),
    )
    deployed(world, "nd_1", placement=rules)
    async with logged_in(world, Role.VIEWER) as api:
        view = await api.get("/services/shop.web/placement")
        assert await api.get("/services/web/placement") == view
    assert view["rules"] == [
        "only where node.labels.zone == a",
        "at most 2 on one host",
        "apart from cache",
        "spread over node.labels.zone",
    ]
    assert [(host["node_name"], host["verdict"], host["ordinals"]) for host in view["hosts"]] == [
        ("h1", "possible", [0]),
        ("h2", "chosen", []),
        ("h3", "refused", []),
    ]
    assert view["hosts"][2]["reasons"] == ["does not meet node.labels.zone == a (it has no such label)"]
    assert view["hosts"][1]["reasons"] == [
        "1 replica of it where node.labels.zone is the same",
        "0 replicas of it",
        "0 replicas in all",
    ]
    [replica] = view["replicas"]
    assert replica["node_name"] == "h1"
    assert replica["reasons"][0].startswith("it is the best of 2 hosts that will do")


async def test_a_host_whose_engine_does_not_answer_takes_nothing() -> None:
    world = a_web_world()
    deployed(world, "nd_1")
    put_containers(world, "nd_2", a_container("a"))
    inventories = world.hosts.inventories
    inventories["nd_2"] = replace(inventories["nd_2"], problem="the socket does not answer")
    async with logged_in(world) as api:
        view = await api.get("/services/shop.web/placement")
    assert view["hosts"][1]["reasons"] == ["has no container engine that answers"]


async def test_a_name_that_two_projects_have_is_ambiguous_and_an_unknown_one_not_found() -> None:
    world = a_web_world()
    deployed(world, "nd_1")
    deployed(world, "nd_1", service="blog.web")
    async with logged_in(world) as api:
        status, ambiguous = await api.ask("GET", "/services/web/placement")
        assert (status, ambiguous["hint"]) == (409, "name one: blog.web, shop.web")
        status, missing = await api.ask("GET", "/services/shop.wob/placement")
        assert (status, missing["detail"]) == (404, "there is no service 'shop.wob'")


# ---- drains


async def test_a_drain_is_forecast_before_it_begins() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_2")
    deployed(world, "nd_1", service="shop.db", spec=a_spec("db", volumes=(VOLUME,)))
    put_containers(world, "nd_1", a_container("by-hand"), a_container("stopped", state="exited"))
    async with logged_in(world, Role.VIEWER) as api:
        forecast = await api.get("/nodes/h1/drain-forecast")
    assert forecast["summary"] == "1 container moves, 1 cannot (local volume), 1 not managed here stays"
    assert forecast["moves"] == [{"service_id": "shop.web", "ordinal": 0, "to_node": "h3"}]
    assert [stay["kind"] for stay in forecast["stays"]] == ["local volume"]
    assert forecast["unmanaged"] == 1


async def test_a_host_that_is_not_heard_has_an_unknown_number_of_other_containers() -> None:
    world = a_web_world()
    world.hosts.inventories.pop("nd_1", None)
    async with logged_in(world) as api:
        forecast = await api.get("/nodes/nd_1/drain-forecast")
    assert (forecast["unmanaged"], forecast["summary"]) == (None, "no container moves")


async def test_the_tool_that_drains_says_what_moves_and_what_does_not() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_2")
    deployed(world, "nd_1", service="shop.db", spec=a_spec("db", volumes=(VOLUME,)))
    context, call = a_context(world), a_call(world, Role.OPERATOR)
    told = (await REGISTRY.call(context, call, "drain-node", {"node": "h1", "dry_run": True})).structured
    assert told is not None
    assert told["draining"] is False
    with world.state.read() as txn:
        assert not any(node.is_draining for node in NODES.scan(txn))
    done = (await REGISTRY.call(context, call, "drain-node", {"node": "h1"})).structured
    assert done == {**told, "draining": True}
    assert done["summary"] == "1 container moves, 1 cannot (local volume)"
    assert done["stays"][0]["service"] == "shop.db"
    with world.state.read() as txn:
        assert [node.id for node in NODES.scan(txn) if node.is_draining] == ["nd_1"]


# ---- moved


async def test_a_rebalance_is_told_and_then_asked_for() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_1", "nd_1")
    async with logged_in(world) as api:
        status, told = await api.ask("POST", "/rebalance", json={"service": "web", "dry_run": True})
        assert (status, told["started"]) == (200, None)
        _, done = await api.ask("POST", "/rebalance", json={"service": "shop.web"})
    assert done["started"] == "shop.web"
    assert [(move["ordinal"], move["to_node"]) for move in done["services"][0]["moves"]] == [
        (2, "h2"),
        (1, "h3"),
    ]
    assert done["services"][0]["moves"][0]["reason"] == "h2 has 0 of its replicas, h1 3"
    assert told["services"] == done["services"]
    [command] = [each for each in world.state.proposed if isinstance(each, MoveReplicas)]
    assert [copy.ordinal for copy in command.copies] == [2, 1]
    entry = world.state.audit()[-1]
    assert (entry.stamp.action, entry.stamp.resource) == ("service.rebalance", "service:shop.web")


async def test_without_a_name_the_first_service_that_needs_it_is_moved_alone() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_2", service="shop.even")
    deployed(world, "nd_1", "nd_1", service="shop.one")
    deployed(world, "nd_2", "nd_2", service="shop.two")
    async with logged_in(world) as api:
        _, done = await api.ask("POST", "/rebalance", json={})
    assert [service["service_id"] for service in done["services"]] == ["shop.one", "shop.two"]
    assert done["started"] == "shop.one"
    with world.state.read() as txn:
        leaving = {
            name: [copy.ordinal for copy in ASSIGNMENTS.scan(txn, name) if copy.leave_by_ms]
            for name in ("shop.one", "shop.two")
        }
    assert leaving == {"shop.one": [1], "shop.two": []}


async def test_what_is_not_moved_is_told_with_its_reason() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_1", spec=a_spec(volumes=(VOLUME,)))
    async with logged_in(world) as api:
        status, answer = await api.ask("POST", "/rebalance", json={"service": "shop.web"})
    assert (status, answer["started"]) == (200, None)
    assert answer["services"][0]["refusal"] == (
        "its volumes are where its replicas are, and nothing copies them"
    )


async def test_a_viewer_moves_nothing() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_1")
    async with logged_in(world, Role.VIEWER) as api:
        status, _ = await api.ask("POST", "/rebalance", json={})
    assert status == 403


async def test_the_tools_explain_and_rebalance_in_few_words() -> None:
    world = a_web_world()
    deployed(world, "nd_1", "nd_1")
    context, call = a_context(world), a_call(world, Role.OPERATOR)
    explained = (await REGISTRY.call(context, call, "explain-service", {"service": "web"})).structured
    assert explained is not None
    assert [host["verdict"] for host in explained["hosts"]] == ["possible", "chosen", "possible"]
    assert "rules" not in explained
    moved = (await REGISTRY.call(context, call, "rebalance-service", {"service": "web"})).structured
    assert moved is not None
    assert moved["started"] == "shop.web"


# ---- labels


async def test_an_administrator_labels_a_host() -> None:
    world = a_web_world()
    async with logged_in(world, Role.ADMIN) as api:
        _, given = await api.ask("POST", "/nodes/h1/labels", json={"put": {"zone": "a", "disk": "ssd"}})
        _, taken = await api.ask("POST", "/nodes/h1/labels", json={"remove": ["disk"]})
    assert given["labels"] == {"disk": "ssd", "zone": "a"}
    assert taken["labels"] == {"zone": "a"}
    assert world.state.audit()[-1].stamp.action == "node.label"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"put": {"my zone": "a"}}, "label 'my zone': 1 to 128 of"),
        ({"put": {"zone": "a"}, "remove": ["zone"]}, "it is both set and removed"),
    ],
)
async def test_a_label_of_wrong_form_is_refused(body: object, rule: str) -> None:
    async with logged_in(a_web_world(), Role.ADMIN) as api:
        status, problem = await api.ask("POST", "/nodes/h1/labels", json=body)
    assert status == 422
    assert rule in problem["detail"]


async def test_labels_are_for_administrators() -> None:
    async with logged_in(a_web_world()) as api:
        status, _ = await api.ask("POST", "/nodes/h1/labels", json={"put": {"zone": "a"}})
    assert status == 403


# ---- deployments


async def test_the_hosts_of_a_deployment_are_planned_before_it_is_made() -> None:
    world = a_web_world()
    deployed(world, "nd_2")
    labelled(world, "nd_3", disk="ssd")
    intents = [
        Intent(
            service_id=WEB,
            project="shop",
            spec=a_spec(),
            replicas=2,
            policy=RolloutPolicy(),
            rules=PlacementRules(),
        ),
        Intent(
            service_id=ServiceId("shop.db"),
            project="shop",
            spec=a_spec("db", route=None),
            replicas=1,
            policy=RolloutPolicy(),
            rules=PlacementRules(constraints=(parse_constraint("node.labels.disk==ssd"),)),
        ),
    ]
    planned = await plan_hosts(a_context(world), intents)
    assert [(each.service_id, each.ordinal, each.node_id, each.is_new) for each in planned] == [
        ("shop.db", 0, "nd_3", True),
        ("shop.web", 0, "nd_2", False),
        ("shop.web", 1, "nd_3", True),
    ]


async def test_services_of_a_deployment_that_talk_to_each_other_are_planned_together() -> None:
    world = a_web_world()
    intents = [
        Intent(
            service_id=ServiceId(f"shop.{name}"),
            project="shop",
            spec=a_spec(name, route=None),
            replicas=1,
            policy=RolloutPolicy(),
            rules=PlacementRules(pin_host="h2" if name == "cache" else ""),
        )
        for name in ("cache", "worker")
    ]
    planned = await plan_hosts(a_context(world), intents)
    assert [each.node_id for each in planned] == ["nd_2", "nd_2"]


async def test_a_service_that_is_stopped_before_it_is_replaced_needs_no_room_twice() -> None:
    world = a_web_world()
    deployed(world, "nd_1", spec=a_spec(volumes=(VOLUME,)))
    intent = Intent(
        service_id=WEB,
        project="shop",
        spec=a_spec("v2", volumes=(VOLUME,)),
        replicas=1,
        policy=RolloutPolicy(),
        rules=PlacementRules(),
    )
    [planned] = await plan_hosts(a_context(world), [intent])
    assert (planned.node_id, planned.is_new) == ("nd_1", True)


async def test_a_deployment_over_the_quota_of_its_environment_is_planned_up_to_it() -> None:
    intent = Intent(
        service_id=WEB,
        project="shop",
        spec=a_spec(),
        replicas=3,
        policy=RolloutPolicy(),
        rules=PlacementRules(),
        quota=Quota(environment="staging", replicas=3),
        quota_used=Amounts(replicas=1),
    )
    planned = await plan_hosts(a_context(a_web_world()), [intent])
    assert [each.node_id for each in planned] == ["nd_1", "nd_2", None]
    assert planned[2].reason == "the quota of staging: 4 replicas, of 3 allowed"


async def test_a_dry_run_says_where_replicas_would_be_and_which_have_nowhere_to_go() -> None:
    world = a_web_world()
    world.hosts.digests["registry.example/shop:1"] = "sha256:" + "1" * 64
    compose = """
name: shop
services:
  web:
    image: registry.example/shop:1
    deploy: {replicas: 2, placement: {constraints: [node.hostname==h2], max_replicas_per_node: 1}}
    x-tower: {route: {host: shop.example.com, port: 8080}}
"""
    async with logged_in(world) as api:
        status, planned = await api.ask("POST", "/deployments", json={"compose": compose, "dry_run": True})
    assert status == 200, planned
    assert [(host["ordinal"], host["node_name"], host["is_new"]) for host in planned["hosts"]] == [
        (0, "h2", True),
        (1, None, True),
    ]
    (finding,) = planned["findings"]
    assert (finding["check"], finding["level"], finding["service"]) == ("capacity", "error", "shop.web")
    assert "a replica has nowhere to go: no host can take it" in finding["rule"]

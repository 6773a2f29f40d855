"""A/B tests over the interface and as tools, on the real state machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands.services import SteerRollout
from cluster.commands.windows import PutFreeze
from cluster.model.access import Role
from cluster.model.experiment import ExperimentRun, Variant
from cluster.model.ids import ServiceId
from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.rollout import RolloutPhase, Stage, StagePhase, Steer
from cluster.model.service import Fencing
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.model.windows import Freeze
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import a_rollout, lead, service_of, transition
from tests.support.identity_builders import NOW_MS
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.pace import Pace

SHOP = ServiceId("shop.web")
PATH = "/services/shop.web/experiment"
QUICK = Pace(rollout_wait_s=0.02, split_wait_s=0.02)
NEW_IMAGE = "registry.example/web:2"
COMPOSE = """
name: shop
services:
  web:
    image: registry.example/web:3
    deploy: {replicas: 9}
    x-tower: {route: {host: shop.example, port: 8080}}
  cache:
    image: registry.example/cache:1
"""


class Api(ApiCaller):
    """A logged-in person, and the service that is asked about."""

    async def get(self, path: str = PATH) -> Any:
        status, answer = await self.ask("GET", path)
        assert status == 200, answer
        return answer

    async def start(self, **body: Any) -> Any:
        status, answer = await self.ask("POST", PATH, json={"image": NEW_IMAGE, **body})
        assert status == 202, answer
        return answer

    async def refused(self, path: str = PATH, *, status: int = 422, **body: Any) -> Any:
        found, problem = await self.ask("POST", path, json=body)
        assert found == status, problem
        return problem


@asynccontextmanager
async def an_operator(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"))


def a_world(**service: Any) -> WebWorld:
    """A shop of four replicas that runs whole."""
    world = a_web_world()
    lead(world)
    world.state.must(a_service("shop.web", **{"replicas": 4, "created_by": "bob", **service}))
    transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=1)
    world.hosts.digests[NEW_IMAGE] = "sha256:" + "b" * 64
    return world


def begin(world: WebWorld, *, counted: JudgeState | None = None, **fields: Any) -> None:
    """The leader has begun it, and every router follows it."""
    plan = service_of(world).attempt.experiment
    assert plan is not None
    stage = Stage(steps=(TrafficStep(permille=1000),), colour=Colour.GREEN, phase=StagePhase.WATCHING)
    defaults: dict[str, Any] = {
        "strategy": Strategy.BLUE_GREEN,
        "stage": stage,
        "judge": counted,
        "experiment": ExperimentRun(plan=plan, began_at_ms=NOW_MS + 10_000),
    }
    transition(world, rollout=a_rollout(world, **{**defaults, **fields}))


def counted() -> JudgeState:
    return JudgeState(
        step_old=ArmTotals(requests=80_000, failures=80, latencies=((60, 80_000),)),
        step_new=ArmTotals(requests=20_000, failures=1_000, lost=3, latencies=((40, 20_000),)),
    )


def newest_entry(world: WebWorld) -> tuple[str, str, str]:
    stamp = world.state.audit()[-1].stamp
    return stamp.principal_name, stamp.action, stamp.resource


# ---- starting


async def test_another_image_is_tried_for_a_share_and_each_visitor_stays_on_his_side() -> None:
    world = a_world()
    async with an_operator(world) as api:
        view = await api.start(permille=200, for_s=7 * 86_400)
    assert (view["state"], view["permille"], view["is_sticky"]) == ("starting", 200, True)
    assert (view["a"]["revision"], view["b"]["revision"]) == (1, 2)
    assert view["b"]["image"] == NEW_IMAGE
    assert view["b"]["digest"] == world.hosts.digests[NEW_IMAGE]
    service = service_of(world)
    plan = service.attempt.experiment
    assert plan is not None
    assert (plan.for_ms, plan.keep) == (7 * 86_400_000, Variant.A)
    # A fifth of four, and a quarter more.
    assert plan.replicas == 1
    assert service.stable_revision == 1
    assert newest_entry(world) == ("ann", "service.start-experiment", "service:shop.web")


async def test_who_sends_a_header_or_cookie_is_tried_on_and_nobody_knows_how_many_those_are() -> None:
    world = a_world()
    async with an_operator(world) as api:
        view = await api.start(
            headers=[{"name": "X-Beta", "value": "yes"}], cookies=[{"name": "plan", "value": "pro"}]
        )
    assert view["matches"] == [
        {"kind": "header", "name": "X-Beta", "value": "yes"},
        {"kind": "cookie", "name": "plan", "value": "pro"},
    ]
    plan = service_of(world).attempt.experiment
    assert plan is not None
    assert (plan.replicas, plan.is_sticky) == (4, False)


async def test_a_file_is_tried_for_its_service_alone_and_what_is_not_of_its_containers_stays() -> None:
    world = a_world()
    async with an_operator(world) as api:
        view = await api.start(image="", deployment={"compose": COMPOSE}, permille=500, replicas=2)
    assert view["b"]["image"] == "registry.example/web:3"
    assert service_of(world).replicas == 4
    with world.state.read() as txn:
        assert records.SERVICES.get(txn, ServiceId("shop.cache")) is None


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "permille", "b would get no requests"),
        ({"permille": 100, "image": ""}, "image", "say what b is"),
        ({"permille": 100, "deployment": {"compose": COMPOSE}}, "image", "not both"),
        ({"headers": [{"name": "Host", "value": "x"}]}, "headers.0", "routers use it themselves"),
        ({"headers": [{"name": "X Beta", "value": "x"}]}, "headers.0", "'X Beta'"),
        ({"cookies": [{"name": "plan", "value": "a;b"}]}, "cookies.0", "'a;b'"),
        ({"cookies": [{"name": "tower-x", "value": "a"}]}, "cookies.0", "'tower-x'"),
        ({"permille": 100, "until_ms": NOW_MS - 1}, "until", "lies in the past"),
        ({"permille": 100, "until_ms": NOW_MS + 10**12}, "until", "365 days"),
        ({"permille": 100, "until_ms": NOW_MS + 10**6, "for_s": 60}, "until", "either"),
        ({"permille": 100, "replicas": 5}, "replicas", "from 1 to 4"),
        ({"headers": [{"name": "X-B", "value": "1"}], "sticky": True}, "sticky", "without a share"),
        ({"permille": 1000}, "permille", "less than 1000"),
        (
            {"permille": 9, "image": "", "deployment": {"compose": COMPOSE.replace("web:", "shop:")}},
            "compose",
            "it has",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_field(
    body: dict[str, Any], field: str, words: str
) -> None:
    world = a_world()
    async with an_operator(world) as api:
        problem = await api.refused(**{"image": NEW_IMAGE, **body})
    [error, *_] = problem["errors"]
    assert error["field"] == field
    assert words in error["rule"]
    assert service_of(world).attempt.experiment is None


async def test_a_share_that_moves_nobody_tells_what_to_give() -> None:
    async with an_operator(a_world()) as api:
        problem = await api.refused(image=NEW_IMAGE)
    assert "--share 20%" in problem["errors"][0]["hint"]


async def test_what_runs_cannot_be_compared_with_itself() -> None:
    async with an_operator(a_world()) as api:
        problem = await api.refused(image="registry.example/web:1", permille=100, status=409)
    assert "b must differ" in problem["detail"]


async def test_only_one_experiment_of_a_service_goes_on_and_nothing_else_is_done_to_it() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=100)
        begin(world)
        again = await api.refused(image=NEW_IMAGE, permille=100, status=409)
        scaled = await api.refused("/services/shop.web/scale", status=409, replicas=3)
    for problem in (again, scaled):
        assert "an experiment of ann" in problem["detail"]
        assert "tower experiment end shop.web" in problem["detail"]


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"spec": a_spec(route=None)}, "has no route"),
        ({"fencing": Fencing.STRICT, "replicas": 1}, "must not run twice"),
    ],
)
async def test_a_service_that_cannot_be_there_twice_is_not_tried(service: dict[str, Any], words: str) -> None:
    async with an_operator(a_world(**service)) as api:
        problem = await api.refused(image=NEW_IMAGE, permille=100, status=409)
    assert words in problem["detail"]


async def test_a_freeze_stops_experiments_too() -> None:
    world = a_world()
    freeze = Freeze(id="fr_1", reason="sale", from_ms=NOW_MS - 1, by="bob")
    world.state.must(PutFreeze(freeze=freeze))
    async with an_operator(world) as api:
        problem = await api.refused(image=NEW_IMAGE, permille=100, status=409)
    assert "sale" in problem["detail"]


async def test_a_viewer_looks_and_changes_nothing() -> None:
    world = a_world()
    async with an_operator(world, Role.VIEWER) as api:
        await api.refused(image=NEW_IMAGE, permille=100, status=403)
        await api.refused(f"{PATH}/end", keep="a", status=403)
        assert (await api.ask("GET", PATH))[0] == 404
        assert (await api.get("/experiments"))["items"] == []


# ---- comparing


async def test_both_are_compared_metric_by_metric_in_words_and_numbers() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=200)
        begin(world, counted=counted())
        view = await api.get()
        listed = await api.get("/experiments")
    assert view["state"] == "running"
    comparison = view["comparison"]
    assert (comparison["a_requests"], comparison["b_requests"], comparison["b_lost"]) == (80_000, 20_000, 3)
    found = {each["metric"]: each for each in comparison["metrics"]}
    assert list(found) == ["error_rate", "success_rate", "latency_p50", "latency_p95"]
    assert found["error_rate"]["conclusion"] == "worse"
    assert found["latency_p50"]["conclusion"] == "better"
    for each in found.values():
        assert each["difference"]["low"] <= each["difference"]["value"] <= each["difference"]["high"]
    assert any("visitor" in note for note in view["notes"])
    assert [each["service_id"] for each in listed["items"]] == ["shop.web"]


async def test_the_visitors_of_a_header_are_not_anybody() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(headers=[{"name": "X-Beta", "value": "yes"}])
        begin(world, counted=counted())
        view = await api.get()
    [note] = view["notes"]
    assert "whoever sends the header" in note


async def test_while_replicas_warm_up_it_is_said_from_when_requests_count() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=200)
        begin(world, counted=JudgeState())
        view = await api.get()
    assert view["notes"][0].startswith("requests count from 60 s after")


async def test_nothing_is_compared_before_it_began() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=200)
        plan = service_of(world).attempt.experiment
        assert plan is not None
        begin(world, counted=counted(), experiment=ExperimentRun(plan=plan))
        view = await api.get()
    assert (view["state"], view["comparison"], view["ends_at_ms"]) == ("starting", None, None)


# ---- ending


@pytest.mark.parametrize(("keep", "steer"), [("a", Steer.ABORT), ("b", Steer.PROMOTE)])
async def test_a_person_ends_it_and_says_which_is_kept(keep: str, steer: Steer) -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=200)
        begin(world)
        status, _ = await api.ask("POST", f"{PATH}/end", json={"keep": keep, "reason": "sold more"})
    assert status == 202
    asked = [each for each in world.state.proposed if isinstance(each, SteerRollout)]
    assert [(each.steer, each.by, each.reason) for each in asked] == [(steer, "ann", "sold more")]
    assert newest_entry(world) == ("ann", "service.end-experiment", "service:shop.web")


async def test_what_is_over_is_not_ended_again_and_tells_what_was_kept() -> None:
    world = a_world()
    async with an_operator(world) as api:
        none = await api.refused(f"{PATH}/end", keep="a", status=404)
        assert "tower experiment start shop.web" in none["hint"]
        await api.start(permille=200)
        early = await api.refused(f"{PATH}/end", keep="a", status=409)
        assert "not begun" in early["detail"]
        plan = service_of(world).attempt.experiment
        assert plan is not None
        run = ExperimentRun(
            plan=plan, began_at_ms=NOW_MS, keep=Variant.A, ended_at_ms=NOW_MS + 9, ended_by="bob"
        )
        begin(world, experiment=run, phase=RolloutPhase.ROLLED_BACK)
        problem = await api.refused(f"{PATH}/end", keep="b", status=409)
        view = await api.get()
    assert "a is kept: revision 1" in problem["detail"]
    assert (view["state"], view["kept"], view["ended_by"]) == ("ended", "a", "bob")


async def test_one_that_never_began_has_failed_and_says_why() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.start(permille=200)
        plan = service_of(world).attempt.experiment
        assert plan is not None
        run = ExperimentRun(plan=plan, keep=Variant.A, ended_at_ms=NOW_MS)
        begin(world, experiment=run, phase=RolloutPhase.FAILED, reason="replica 0 exited with 1")
        view = await api.get()
    assert (view["state"], view["reason"]) == ("failed", "replica 0 exited with 1")
    assert "never got a request" in view["progress"]


# ---- as tools


async def test_the_tools_do_the_same_in_few_words() -> None:
    world = a_world()
    identity = Identity(
        principal_id=world.add_user("ann", Role.OPERATOR),
        name="ann",
        role=Role.OPERATOR,
        credential=Credential.API_TOKEN,
        epoch=1,
        scopes=frozenset(),
    )
    call = Call(identity=identity, request_id="rq_1", ip="", user_agent="", started_s=0.0, via="rest")
    context = build_app(world.surroundings, pace=QUICK)[CONTEXT]

    async def tool(name: str, **arguments: Any) -> dict[str, Any]:
        result = await REGISTRY.call(context, call, name, arguments)
        assert result.structured is not None
        return result.structured

    started = await tool(
        "start-ab-test", service="web", image=NEW_IMAGE, headers=["X-Beta=yes"], percent=20, duration="7d"
    )
    assert started["b_gets"] == "header X-Beta=yes, 20 % of all others"
    begin(world, counted=counted())
    [seen] = (await tool("get-ab-test", service="web"))["tests"]
    assert seen["measured"][0] == "requests: a 80000 (0 lost), b 20000 (3 lost)"
    assert "b fails more often" in seen["measured"][1]
    assert seen["ends"].endswith("then a is kept")
    ended = await tool("end-ab-test", service="web", keep="b")
    assert ended["service"] == "shop.web"

"""The tools around deployments: the same use cases as the interface's, in few words."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    ReportAssignments,
    SteerRollout,
)
from cluster.commands.settings import PutSetting
from cluster.model.access import Role
from cluster.model.ids import NodeId, ServiceId
from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.rollout import RolloutPhase, Stage, StagePhase
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.store import records
from tests.support.deployments import a_rollout, lead, service_of, transition
from tests.support.identity_builders import NOW_MS
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, put_containers
from web.auth.call import Call, Credential, Identity
from web.auth.problems import Problem
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.pace import Pace

SHOP = ServiceId("shop.web")
COMPOSE = """
name: shop
services:
  web:
    image: registry.example/shop:{tag}
    deploy: {{replicas: 2}}
    x-tower: {{route: {{host: shop.example.com, port: 8080}}}}
"""


def a_call(world: WebWorld, role: Role = Role.OPERATOR, *, scopes: tuple[str, ...] = ()) -> Call:
    identity = Identity(
        principal_id=world.add_user("ann", role),
        name="ann",
        role=role,
        credential=Credential.API_TOKEN,
        epoch=1,
        scopes=frozenset(scopes),
    )
    return Call(identity=identity, request_id="rq_1", ip="", user_agent="", started_s=0.0, via="mcp")


class Tools:
    """The tools as one account calls them."""

    def __init__(self, world: WebWorld, call: Call) -> None:
        self.context = build_app(world.surroundings, pace=Pace(rollout_wait_s=0.01, split_wait_s=0.01))[
            CONTEXT
        ]
        self._call = call

    async def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        result = await REGISTRY.call(self.context, self._call, name, arguments)
        assert result.structured is not None
        return result.structured

    def names(self) -> list[str]:
        return [tool.name for tool in REGISTRY.visible_to(self.context, self._call)]


def a_world() -> WebWorld:
    world = a_web_world()
    # What becomes a plan is tried in test_web_plans.py.
    world.state.must(PutSetting(key="plans.required", value="none", expected_version=None))
    lead(world)
    return world


def a_canary(world: WebWorld) -> None:
    """Revision 1 runs, and revision 2 gets a tenth of the requests."""
    for tag in ("1", "2"):
        world.state.must(a_service("shop.web", spec=a_spec(f"registry.example/shop:{tag}"), created_by="bob"))
        if tag == "1":
            transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=1)
    stage = Stage(
        steps=(TrafficStep(permille=100), TrafficStep(permille=1000)),
        colour=Colour.GREEN,
        phase=StagePhase.WATCHING,
    )
    judge = JudgeState(
        step_old=ArmTotals(requests=900, failures=1, latencies=((40, 900),)),
        step_new=ArmTotals(requests=100, failures=4, lost=1),
    )
    rollout = a_rollout(
        world, strategy=Strategy.CANARY, stage=stage, judge=judge, verdict="36 times as many failures"
    )
    transition(world, rollout=rollout)
    for revision, colour in ((1, Colour.BLUE), (2, Colour.GREEN)):
        order = AssignmentOrder(
            revision=revision,
            ordinal=0,
            node_id=NodeId(f"nd_{revision}"),
            desired=DesiredState.SERVING,
            colour=colour,
        )
        transition(world, orders=(order,), green_permille=100)
        with world.state.read() as txn:
            copy = records.ASSIGNMENTS.get(txn, SHOP, revision, 0, order.node_id)
        assert copy is not None
        observed = Observation(phase=ReplicaPhase.HEALTHY)
        report = AssignmentReport(
            service_id=SHOP, revision=revision, ordinal=0, token=copy.token, observed=observed
        )
        world.state.must(ReportAssignments(node_id=order.node_id, reports=(report,)))
        name = f"tower-shop.web-{revision}-0"
        put_containers(
            world,
            order.node_id,
            a_container(name, service="shop.web", is_managed=True, revision=revision),
        )


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_each_way_to_deploy_has_its_tool(strategy: Strategy) -> None:
    world = a_world()
    tools = Tools(world, a_call(world))
    deployed = await tools(f"deploy-{strategy}", compose=COMPOSE.format(tag=1))
    assert deployed["services"][0]["revision"] == 1
    assert service_of(world).policy.shift.strategy is strategy
    planned = await tools(f"deploy-{strategy}", compose=COMPOSE.format(tag=2), dry_run=True)
    assert (
        "shop.web: image: registry.example/shop:1 -> registry.example/shop:2 (recreate)" in planned["notes"]
    )
    assert "nothing was changed" in planned["next"]


async def test_the_status_of_a_canary_is_told_in_words_with_what_can_be_asked_next() -> None:
    world = a_world()
    a_canary(world)
    tools = Tools(world, a_call(world))
    status = await tools("get-deploy-status", service="web")
    rollout = status["rollouts"][0]
    assert (rollout["stage"], rollout["strategy"]) == ("monitor_canary", "canary")
    assert rollout["can"] == ["pause", "promote", "abort"]
    assert rollout["verdict"] == "36 times as many failures"
    old, new, difference = rollout["measured"]
    assert old.startswith("old (revision 1): 1 of 900 requests failed, 0.11%")
    assert "p50 8 ms" in old
    assert "lost 1" in new
    assert "+3.89%" in difference
    assert status["serving"][0] == "rolling-out: 1 of 2 replicas ready"
    assert "revision 2 (registry.example/shop:2): 1 replicas on h2, 10 %" in status["serving"]
    assert status["wrong"] == ["replica 1 on no host: pending"]
    put_containers(world, "nd_2")
    status = await tools("get-deploy-status", service="web")
    assert "tower-shop.web-2-0 is not on h2 any more: was it removed by hand?" in status["wrong"]


async def test_a_rollout_is_steered_by_one_tool() -> None:
    world = a_world()
    a_canary(world)
    tools = Tools(world, a_call(world))
    asked = await tools("steer-rollout", rollout="web", action="pause", reason="it is Friday")
    assert "the leader has not done it yet" in asked["done"]
    command = world.state.proposed[-1]
    assert isinstance(command, SteerRollout)
    assert world.state.audit()[-1].stamp.action == "rollout.pause"
    assert "through mcp" in world.state.audit()[-1].stamp.reason
    again = await tools("get-deploy-status", rollout_id="ro_2")
    assert again["rollouts"][0]["progress"].endswith("ann asked to pause")
    with pytest.raises(Problem, match="still under way"):
        await tools("steer-rollout", rollout="web", action="retry")


async def test_who_may_do_one_of_the_things_a_tool_does_sees_it_and_does_that_alone() -> None:
    world = a_world()
    a_canary(world)
    tools = Tools(world, a_call(world, scopes=("rollout.pause",)))
    assert tools.names() == ["get-plan", "list-plans", "steer-rollout", "withdraw-plan"]
    await tools("steer-rollout", rollout="web", action="pause")
    with pytest.raises(Problem) as refused:
        await tools("steer-rollout", rollout="web", action="abort")
    assert refused.value.kind == "forbidden"


async def test_who_may_steer_nothing_does_not_see_the_tool_and_is_refused_by_name() -> None:
    world = a_world()
    a_canary(world)
    tools = Tools(world, a_call(world, Role.VIEWER))
    assert "steer-rollout" not in tools.names()
    assert {"get-deployment-history", "compare-deployments"} <= set(tools.names())
    with pytest.raises(Problem) as refused:
        await tools("steer-rollout", rollout="web", action="abort")
    assert refused.value.kind == "forbidden"
    assert not world.state.audit()[-1].stamp.is_allowed


async def test_going_back_scaling_sharing_and_removing_are_tools_too() -> None:
    world = a_world()
    a_canary(world)
    tools = Tools(world, a_call(world, Role.ADMIN))
    with pytest.raises(Problem, match="blue has 1"):
        await tools("switch-traffic", service="web", percent=2.5)
    shared = await tools("switch-traffic", service="web", percent=2.5, force=True)
    assert shared["shares"] == [
        "blue 97.5 %: revision 1, 1 replicas ready",
        "green 2.5 %: revision 2, 1 replicas ready",
    ]
    back = await tools("rollback-deploy", service="web")
    assert "is aborted" in back["done"]
    scaled = await tools("scale-service", service="web", replicas=4)
    assert scaled["done"] == "shop.web goes from 2 to 4 replicas"
    with pytest.raises(Problem, match="is under way"):
        await tools("restart-service", service="web")
    removed = await tools("remove-service", service="web")
    assert removed["done"] == "shop.web is being taken down"
    assert service_of(world).is_removed


async def test_the_past_is_told_in_lines() -> None:
    world = a_world()
    a_canary(world)
    rollout = a_rollout(
        world, phase=RolloutPhase.ROLLED_BACK, verdict="it failed", changed_at_ms=NOW_MS + 5_000
    )
    transition(world, rollout=rollout)
    tools = Tools(world, a_call(world, Role.VIEWER))
    history = await tools("get-deployment-history", service="web")
    newest = history["revisions"][0]
    assert (newest["revision"], newest["state"]) == (2, "failed")
    assert newest["changes"] == ["image: registry.example/shop:1 -> registry.example/shop:2 (recreate)"]
    assert newest["attempts"] == [
        "2027-01-15T08:00:00Z deploy (rolling) by bob: rolled-back after 5 s: it failed"
    ]
    compared = await tools("compare-deployments", service="web")
    assert compared["changes"] == newest["changes"]
    assert "never answered requests side by side" in compared["note"]

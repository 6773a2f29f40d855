"""What people ask of rollouts and of services that run, over the interface and the real state machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands.nodes import SetNodeStatus
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentReport,
    AttemptRevision,
    PutService,
    ReportAssignments,
    RouterReport,
    ScaleService,
    SetSplit,
    SteerRollout,
)
from cluster.model.access import Role
from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId, ServiceId
from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.node import NodeStatus
from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase, Steer
from cluster.model.service import (
    Aim,
    DesiredState,
    Kept,
    Observation,
    ReplicaPhase,
)
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.store import records
from tests.support.api_caller import ApiCaller
from tests.support.deployments import a_rollout, lead, service_of, transition
from tests.support.identity_builders import NOW_MS
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving
from web.tools.pace import Pace

SHOP = ServiceId("shop.web")
QUICK = Pace(rollout_wait_s=0.02, split_wait_s=0.02)
STEPS = (
    TrafficStep(permille=100, hold_ms=60_000),
    TrafficStep(permille=500, hold_ms=60_000),
    TrafficStep(permille=1000),
)
COMPOSE = """
name: shop
services:
  web:
    image: registry.example/shop:{tag}
    deploy: {{replicas: 2}}
    x-tower: {{route: {{host: shop.example.com, port: 8080}}}}
"""


class Api(ApiCaller):
    """A logged-in program."""

    async def done(self, path: str, **body: Any) -> Any:
        """Ask for something that is accepted; returns the answer."""
        status, answer = await self.ask("POST", path, json=body)
        assert status == 202, answer
        return answer

    async def refused(self, path: str, *, status: int = 409, **body: Any) -> Any:
        """Ask for something that is refused; returns the problem."""
        found, problem = await self.ask("POST", path, json=body)
        assert found == status, problem
        return problem


@asynccontextmanager
async def an_operator(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"))


def a_world() -> WebWorld:
    world = a_web_world()
    lead(world)
    return world


def a_stage(phase: StagePhase = StagePhase.WATCHING, **fields: Any) -> Stage:
    defaults: dict[str, Any] = {"steps": STEPS, "colour": Colour.GREEN, "since_ms": NOW_MS}
    return Stage(phase=phase, deadline_ms=NOW_MS + 60_000, **{**defaults, **fields})


def bring_up(world: WebWorld, revision: int, *, count: int = 2, colour: Colour = Colour.BLUE) -> None:
    """Have replicas of a revision serve and be healthy, the nth on host n."""
    orders = tuple(
        AssignmentOrder(
            revision=revision,
            ordinal=ordinal,
            node_id=NodeId(f"nd_{ordinal + 1}"),
            desired=DesiredState.SERVING,
            colour=colour,
        )
        for ordinal in range(count)
    )
    transition(world, orders=orders)
    for order in orders:
        with world.state.read() as txn:
            copy = records.ASSIGNMENTS.get(txn, SHOP, revision, order.ordinal, order.node_id)
        assert copy is not None
        observed = Observation(phase=ReplicaPhase.HEALTHY, container_id="c1", address="10.0.0.1", port=8080)
        report = AssignmentReport(
            service_id=SHOP, revision=revision, ordinal=order.ordinal, token=copy.token, observed=observed
        )
        world.state.must(ReportAssignments(node_id=order.node_id, reports=(report,)))


def deployed(world: WebWorld, *tags: str) -> None:
    """Have each of these images deployed and rolled out whole, one after the other."""
    for tag in tags:
        world.state.must(a_service("shop.web", spec=a_spec(f"registry.example/shop:{tag}"), created_by="bob"))
        rollout = a_rollout(world, phase=RolloutPhase.SUCCEEDED)
        transition(world, rollout=rollout, stable_revision=rollout.to_revision)


def failed(world: WebWorld, tag: str, phase: RolloutPhase = RolloutPhase.ROLLED_BACK) -> None:
    """Have an image deployed that does not last."""
    world.state.must(a_service("shop.web", spec=a_spec(f"registry.example/shop:{tag}"), created_by="bob"))
    transition(world, rollout=a_rollout(world, phase=phase, reason="replica 0 ended with status 1"))


def a_canary(world: WebWorld, *, green_permille: int = 100, **fields: Any) -> Rollout:
    """A canary of a second revision under way, at its first step."""
    deployed(world, "1")
    bring_up(world, 1)
    world.state.must(a_service("shop.web", spec=a_spec("registry.example/shop:2"), created_by="bob"))
    rollout = a_rollout(world, strategy=Strategy.CANARY, **{"stage": a_stage(), **fields})
    transition(world, rollout=rollout)
    bring_up(world, 2, count=1, colour=Colour.GREEN)
    transition(world, green_permille=green_permille)
    return rollout


def a_router(world: WebWorld, node_id: str, index: int) -> None:
    """Have a host's router say that everything up to a log index is in force."""
    report = RouterReport(routed_index=index, drained_index=index)
    world.state.must(
        ReportAssignments(node_id=NodeId(node_id), reports=(), router=report, reported_at_ms=NOW_MS)
    )


def newest_entry(world: WebWorld) -> tuple[str, str, str]:
    entry = world.state.audit()[-1]
    return entry.stamp.principal_name, entry.stamp.action, entry.stamp.resource


# ---- looking


async def test_a_canary_says_where_it_stands_and_which_routers_have_not_followed() -> None:
    world = a_world()
    a_canary(world)
    token = service_of(world).split.token
    a_router(world, "nd_1", token)
    a_router(world, "nd_2", token - 1)
    a_router(world, "nd_3", token - 1)
    world.state.must(SetNodeStatus(node_id=NodeId("nd_3"), status=NodeStatus.DOWN, reason="no heartbeat"))
    async with an_operator(world, Role.VIEWER) as api:
        rollout = await api.get("/rollouts/web")
    assert rollout["progress"] == "canary step 1 of 3, 10 %: watched; 1 replica ready on revision 2"
    assert (rollout["strategy"], rollout["asked_by"]) == ("canary", "bob")
    stage = rollout["stage"]
    assert (stage["name"], stage["step"], stage["permille"]) == ("monitor_canary", 1, 100)
    assert stage["hold_until_ms"] == NOW_MS + 60_000
    split = rollout["split"]
    assert [(each["colour"], each["permille"], each["revisions"]) for each in split["shares"]] == [
        ("blue", 900, [1]),
        ("green", 100, [2]),
    ]
    assert split["waiting_for"] == ["h2"]
    acks = {each["node_name"]: (each["has_routed"], each["is_down"]) for each in split["routers"]}
    assert acks == {"h1": (True, False), "h2": (False, False), "h3": (False, True)}
    assert rollout["can"] == ["pause", "promote", "abort"]


@pytest.mark.parametrize(
    ("strategy", "stage", "name", "words"),
    [
        (Strategy.BLUE_GREEN, a_stage(StagePhase.APPROVAL), "approve", "waits for approval"),
        (Strategy.BLUE_GREEN, a_stage(StagePhase.SWITCHING), "switch_traffic", "shared by every router"),
        (Strategy.BLUE_GREEN, a_stage(), "switch_traffic", "step 1 of 3, 10 % to green: watched"),
        (Strategy.BLUE_GREEN, a_stage(index=2), "monitor_green", "step 3 of 3, 100 % to green: watched"),
        (Strategy.BLUE_GREEN, a_stage(StagePhase.RETIRING, index=2), "decommission_blue", "blue is being"),
        (Strategy.CANARY, a_stage(StagePhase.DEPLOYING), "health_check_canary", "its health is awaited"),
        (Strategy.CANARY, a_stage(index=1, extended_ms=1), "monitor_canary", "longer than planned"),
        (Strategy.CANARY, a_stage(StagePhase.RETURNING), "return_to_stable", "go back to blue"),
    ],
)
async def test_each_stage_has_its_name_and_its_words(
    strategy: Strategy, stage: Stage, name: str, words: str
) -> None:
    world = a_world()
    a_canary(world)
    transition(world, rollout=a_rollout(world, strategy=strategy, stage=stage))
    async with an_operator(world) as api:
        rollout = await api.get("/rollouts/shop.web")
    assert rollout["stage"]["name"] == name
    assert words in rollout["progress"]


async def test_green_is_deployed_until_all_of_it_runs() -> None:
    world = a_world()
    a_canary(world)
    stage = a_stage(StagePhase.DEPLOYING)
    transition(world, rollout=a_rollout(world, strategy=Strategy.BLUE_GREEN, stage=stage))
    order = AssignmentOrder(
        revision=2, ordinal=1, node_id=NodeId("nd_2"), desired=DesiredState.STARTED, colour=Colour.GREEN
    )
    transition(world, orders=(order,))
    async with an_operator(world) as api:
        rollout = await api.get("/rollouts/web")
    assert rollout["stage"]["name"] == "deploy_green"
    assert "green is being brought up" in rollout["progress"]


async def test_what_the_judge_counted_is_shown_with_its_uncertainty() -> None:
    world = a_world()
    judge = JudgeState(
        old=ArmTotals(requests=1000, failures=2), step_new=ArmTotals(requests=100, failures=5, lost=1)
    )
    a_canary(world, judge=judge, verdict="25 times as many failures")
    async with an_operator(world) as api:
        rollout = await api.get("/rollouts/web")
    new = rollout["behaviour"]["new"]
    assert (new["revision"], new["failures"]["count"], new["lost"]) == (2, 5, 1)
    assert new["failures"]["low"] < 0.05 < new["failures"]["high"]
    assert rollout["verdict"] == "25 times as many failures"


async def test_a_service_says_what_really_runs_of_it() -> None:
    world = a_world()
    deployed(world, "1")
    bring_up(world, 1)
    replica = a_container("tower-shop.web-1-0", service="shop.web", is_managed=True, revision=1)
    put_containers(world, "nd_1", replica)
    world.hosts.problems["nd_3"] = "it does not answer"
    async with an_operator(world) as api:
        detail = await api.get("/services/web")
    assert (detail["status"], detail["replicas_ready"]) == ("degraded", 1)
    assert [(each["kind"], each["node_name"]) for each in detail["drift"]] == [("missing", "h2")]
    assert [each["container_name"] for each in detail["running"]] == ["tower-shop.web-1-0"]
    assert detail["serving"][0]["nodes"] == ["h1"]


async def test_a_first_deployment_that_failed_is_not_about_to_start() -> None:
    world = a_world()
    failed(world, "1", RolloutPhase.FAILED)
    async with an_operator(world) as api:
        (service,) = (await api.get("/services"))["items"]
    assert service["status"] == "failed"


async def test_a_name_that_two_projects_use_is_ambiguous() -> None:
    world = a_world()
    deployed(world, "1")
    world.state.must(a_service("blog.web"))
    async with an_operator(world) as api:
        status, problem = await api.ask("GET", "/services/web")
    assert status == 409
    assert "blog.web, shop.web" in problem["detail"]


# ---- steering


@pytest.mark.parametrize("steer", list(Steer))
async def test_what_is_asked_of_a_rollout_is_kept_for_the_leader_with_who_and_why(steer: Steer) -> None:
    world = a_world()
    stage = a_stage(StagePhase.APPROVAL)
    a_canary(
        world,
        stage=stage,
        phase=RolloutPhase.PAUSED if steer is Steer.RESUME else RolloutPhase.RUNNING,
    )
    async with an_operator(world) as api:
        rollout = await api.done(f"/rollouts/shop.web/{steer}", reason="it is Friday")
    assert rollout["steering"] == {"steer": steer, "by": "ann", "at_ms": NOW_MS, "reason": "it is Friday"}
    assert newest_entry(world) == ("ann", f"rollout.{steer}", "rollout:ro_2")
    assert "it is Friday" in world.state.audit()[-1].stamp.reason


async def test_what_the_leader_does_at_once_is_in_the_answer() -> None:
    world = a_world()
    rollout = a_canary(world)
    async with an_operator(world) as api:
        propose = world.state.propose

        async def propose_and_lead(command: object, **options: Any) -> Any:
            outcome = await propose(command, **options)
            if isinstance(command, SteerRollout):
                transition(world, rollout=a_rollout(world, id=rollout.id, phase=RolloutPhase.PAUSED))
            return outcome

        world.state.propose = propose_and_lead  # type: ignore[method-assign]
        answer = await api.done("/rollouts/ro_2/pause")
    assert (answer["phase"], answer["steering"]) == ("paused", None)


@pytest.mark.parametrize(
    ("phase", "steer", "said"),
    [
        (RolloutPhase.RUNNING, "approve", "no approval is waited for"),
        (RolloutPhase.RUNNING, "resume", "not paused"),
        (RolloutPhase.PAUSED, "pause", "paused already"),
        (RolloutPhase.ROLLING_BACK, "abort", "going back already"),
        (RolloutPhase.SUCCEEDED, "abort", "has ended"),
    ],
)
async def test_what_cannot_be_asked_now_is_refused_with_what_can(
    phase: RolloutPhase, steer: str, said: str
) -> None:
    world = a_world()
    a_canary(world, phase=phase)
    async with an_operator(world) as api:
        problem = await api.refused(f"/rollouts/web/{steer}")
    assert said in problem["detail"]
    assert not any(isinstance(command, SteerRollout) for command in world.state.proposed)
    if phase is RolloutPhase.RUNNING:
        assert problem["hint"].endswith("pause, promote, abort")


@pytest.mark.parametrize("path", ["/rollouts/web/abort", "/services/web/rollback"])
async def test_a_rollout_that_ends_at_that_very_moment_is_a_conflict_and_no_wrong_request(path: str) -> None:
    world = a_world()
    rollout = a_canary(world)
    async with an_operator(world) as api:
        propose = world.state.propose

        async def propose_late(command: object, **options: Any) -> Any:
            if isinstance(command, SteerRollout):
                transition(world, rollout=a_rollout(world, id=rollout.id, phase=RolloutPhase.SUCCEEDED))
            return await propose(command, **options)

        world.state.propose = propose_late  # type: ignore[method-assign]
        problem = await api.refused(path)
    assert "has ended (succeeded)" in problem["detail"]


async def test_a_viewer_steers_nothing() -> None:
    world = a_world()
    a_canary(world)
    async with an_operator(world, Role.VIEWER) as api:
        problem = await api.refused("/rollouts/web/abort", status=403)
    assert "rollout.abort" in problem["detail"]
    with world.state.read() as txn:
        rollout = records.ROLLOUTS.get(txn, "ro_2")
    assert rollout is not None
    assert rollout.steering is None


async def test_a_revision_that_did_not_last_is_tried_again() -> None:
    world = a_world()
    deployed(world, "1")
    failed(world, "2")
    async with an_operator(world) as api:
        answer = await api.done("/rollouts/web/retry")
    assert answer["revision"] == 2
    attempt = service_of(world).attempt
    assert (attempt.aim, attempt.by, attempt.is_unjudged) == (Aim.RETRY, "ann", False)
    assert newest_entry(world) == ("ann", "rollout.retry", "service:shop.web")


async def test_what_runs_or_is_under_way_is_not_tried_again() -> None:
    world = a_world()
    deployed(world, "1")
    async with an_operator(world) as api:
        assert "is what runs" in (await api.refused("/rollouts/web/retry"))["detail"]
        world.state.must(a_service("shop.web", spec=a_spec("registry.example/shop:2")))
        transition(world, rollout=a_rollout(world))
        assert "still under way" in (await api.refused("/rollouts/web/retry"))["detail"]
        assert "is under way" in (await api.refused("/rollouts/ro_1/retry"))["detail"]


# ---- going back


async def test_going_back_is_to_the_last_revision_that_ran_whole_and_is_not_judged() -> None:
    world = a_world()
    deployed(world, "1")
    failed(world, "2")
    deployed(world, "3")
    async with an_operator(world) as api:
        answer = await api.done("/services/web/rollback", reason="it leaks")
    assert answer["done"] == "shop.web goes back to revision 1, from its pinned image"
    service = service_of(world)
    assert (service.revision, service.attempt.aim, service.attempt.is_unjudged) == (1, Aim.ROLLBACK, True)
    assert newest_entry(world) == ("ann", "service.rollback", "service:shop.web")
    assert "it leaks" in world.state.audit()[-1].stamp.reason


async def test_going_back_twice_goes_further_back_and_not_to_and_fro() -> None:
    world = a_world()
    deployed(world, "1", "2", "3")
    async with an_operator(world) as api:
        assert (await api.done("/services/web/rollback"))["revision"] == 2
        transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=2)
        assert (await api.done("/services/web/rollback"))["revision"] == 1


async def test_a_revision_that_is_kept_gets_the_requests_at_once() -> None:
    world = a_world()
    deployed(world, "1", "2")
    kept = Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 600_000)
    transition(world, kept=kept)
    async with an_operator(world) as api:
        shown = await api.get("/services/web")
        answer = await api.done("/services/web/rollback")
    assert shown["kept"] == {"revision": 1, "colour": "blue", "until_ms": NOW_MS + 600_000}
    assert "at once" in answer["done"]


@pytest.mark.parametrize("to", [None, 1])
async def test_during_a_rollout_going_back_means_to_abort_it(to: int | None) -> None:
    world = a_world()
    a_canary(world)
    async with an_operator(world) as api:
        answer = await api.done("/services/web/rollback", to=to)
    assert (answer["revision"], answer["rollout_id"]) == (1, "ro_2")
    command = world.state.proposed[-1]
    assert isinstance(command, SteerRollout)
    assert command.steer is Steer.ABORT


async def test_during_a_rollout_another_revision_supersedes_it() -> None:
    world = a_world()
    deployed(world, "1", "2")
    world.state.must(a_service("shop.web", spec=a_spec("registry.example/shop:3")))
    transition(world, rollout=a_rollout(world))
    async with an_operator(world) as api:
        answer = await api.done("/services/web/rollback", to=1)
    assert answer["done"].endswith("that supersedes rollout ro_3")
    assert isinstance(world.state.proposed[-1], AttemptRevision)


async def test_a_revision_that_never_ran_whole_is_judged_like_a_new_one() -> None:
    world = a_world()
    deployed(world, "1")
    failed(world, "2")
    deployed(world, "3")
    async with an_operator(world) as api:
        answer = await api.done("/services/web/rollback", to=2)
    assert "judged like a new one" in answer["next"]
    assert service_of(world).attempt.is_unjudged is False


async def test_where_there_is_nothing_to_go_back_to_that_is_said() -> None:
    world = a_world()
    world.state.must(a_service("shop.web", spec=a_spec("registry.example/shop:1")))
    async with an_operator(world) as api:
        assert "has run whole yet" in (await api.refused("/services/web/rollback"))["detail"]
        transition(world, rollout=a_rollout(world))
        first = await api.refused("/services/web/rollback")
        assert "for the first time" in first["detail"]
        assert "tower rollout abort" in first["hint"]
        transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=1)
        assert "from before revision 1" in (await api.refused("/services/web/rollback"))["detail"]


async def test_what_was_taken_back_already_is_not_taken_back_further_by_mistake() -> None:
    world = a_world()
    deployed(world, "1", "2")
    failed(world, "3")
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/rollback")
    assert problem["detail"] == "revision 3 of shop.web did not last: revision 2 runs"
    assert "--to 1" in problem["hint"]
    assert service_of(world).revision == 3


async def test_an_unknown_revision_is_answered_with_those_there_are() -> None:
    world = a_world()
    deployed(world, "1", "2")
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/rollback", status=404, to=7)
        assert "there has never been" in problem["detail"]
        assert problem["hint"] == "remembered are 1, 2"
        assert problem["errors"][0]["field"] == "to"
        assert "is what runs" in (await api.refused("/services/web/rollback", to=2))["detail"]
        assert (await api.refused("/services/web/rollback", status=422, to=0))["errors"][0]["field"] == "to"


# ---- sharing requests


async def test_requests_are_shared_by_hand_and_the_rollout_is_paused() -> None:
    world = a_world()
    a_canary(world)
    a_router(world, "nd_1", 10_000)
    a_router(world, "nd_2", world.state.machine.applied_index)
    async with an_operator(world) as api:
        answer = await api.done("/services/web/traffic", permille=250)
        rollout = await api.get("/rollouts/web")
        shown = await api.get("/services/web/traffic")
    assert [each["permille"] for each in answer["shares"]] == [750, 250]
    assert (answer["by"], answer["waiting_for"]) == ("ann", ["h2"])
    assert answer == shown
    assert rollout["phase"] == "paused"
    assert newest_entry(world) == ("ann", "service.switch-traffic", "service:shop.web")
    assert "25 % to green" in world.state.audit()[-1].stamp.reason


async def test_the_answer_comes_as_soon_as_every_router_has_followed() -> None:
    world = a_world()
    a_canary(world)
    a_router(world, "nd_1", 10_000)
    async with an_operator(world) as api:
        answer = await api.done("/services/web/traffic", colour="blue")
    assert (answer["waiting_for"], answer["shares"][0]["permille"]) == ([], 1000)


async def test_a_colour_with_too_few_replicas_gets_no_more_than_it_can_carry_unless_forced() -> None:
    world = a_world()
    a_canary(world)
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/traffic", colour="green")
        assert "100 % needs 2 replicas that answer, and green has 1" in problem["detail"]
        assert problem["errors"][0]["value"] == 1000
        assert service_of(world).split.green_permille == 100
        await api.done("/services/web/traffic", colour="green", force=True)
    assert service_of(world).split.green_permille == 1000
    assert "in spite of" in world.state.audit()[-1].stamp.reason


async def test_a_replica_that_a_router_does_not_know_yet_counts_for_nothing() -> None:
    world = a_world()
    a_canary(world)
    a_router(world, "nd_2", 1)
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/traffic", permille=200)
    assert "green has 0" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "give a share, a colour, or both"),
        ({"permille": 1001}, 422, "permille"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_a_share_that_makes_no_sense_is_named(body: dict[str, Any], status: int, said: str) -> None:
    world = a_world()
    a_canary(world)
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/traffic", status=status, **body)
    assert said in problem["detail"]


async def test_without_a_second_colour_or_a_route_there_is_nothing_to_share() -> None:
    world = a_world()
    deployed(world, "1")
    bring_up(world, 1)
    async with an_operator(world) as api:
        assert "one colour alone" in (await api.refused("/services/web/traffic", permille=100))["detail"]
        world.state.must(a_service("shop.db", spec=a_spec("postgres:16", route=None)))
        assert "has no route" in (await api.refused("/services/db/traffic", colour="green"))["detail"]


async def test_while_a_rollout_goes_back_its_requests_are_not_to_be_had() -> None:
    world = a_world()
    a_canary(world, phase=RolloutPhase.ROLLING_BACK)
    async with an_operator(world) as api:
        problem = await api.refused("/services/web/traffic", permille=0)
    assert "is going back" in problem["detail"]


# ---- scaling and restarting


async def test_a_service_is_scaled_and_the_same_number_again_is_no_change() -> None:
    world = a_world()
    deployed(world, "1")
    async with an_operator(world) as api:
        answer = await api.done("/services/web/scale", replicas=5)
        entries = len(world.state.audit())
        again = await api.done("/services/web/scale", replicas=5)
        await api.refused("/services/web/scale", status=422, replicas=1001)
    assert answer["done"] == "shop.web goes from 2 to 5 replicas"
    assert again["done"] == "shop.web has 5 replicas"
    assert service_of(world).replicas == 5
    assert len(world.state.audit()) == entries


async def test_a_restart_is_a_revision_of_the_same_make_and_the_file_again_undoes_nothing() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.done("/deployments", compose=COMPOSE.format(tag=1))
        transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=1)
        answer = await api.done("/services/web/restart")
        transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=2)
        again = await api.done("/deployments", compose=COMPOSE.format(tag=1))
        compared = await api.get("/services/web/comparison")
    assert answer["revision"] == 2
    assert [each["field"] for each in compared["changes"]] == ["labels.tower.restarted"]
    assert [each["changed"] for each in again["services"]] == [False]
    assert service_of(world).attempt.is_unjudged


async def test_nothing_is_restarted_while_it_is_replaced_anyway_or_before_it_ran() -> None:
    world = a_world()
    world.state.must(a_service("shop.web"))
    async with an_operator(world) as api:
        assert "has run whole yet" in (await api.refused("/services/web/restart"))["detail"]
        transition(world, rollout=a_rollout(world))
        assert "is under way" in (await api.refused("/services/web/restart"))["detail"]


# ---- deploying


async def test_a_strategy_takes_the_place_of_the_files_and_skipping_is_recorded_as_that() -> None:
    world = a_world()
    async with an_operator(world) as api:
        answer = await api.done(
            "/deployments", compose=COMPOSE.format(tag=1), strategy="canary", skip_analysis=True
        )
    assert answer["services"][0]["strategy"] == "canary"
    service = service_of(world)
    assert service.policy.shift.strategy is Strategy.CANARY
    assert service.attempt.is_unjudged
    assert newest_entry(world) == ("ann", "service.skip-analysis", "service:shop.web")


async def test_a_strategy_that_no_service_can_have_is_refused() -> None:
    world = a_world()
    compose = "name: shop\nservices: {db: {image: 'postgres:16'}}\n"
    async with an_operator(world) as api:
        problem = await api.refused("/deployments", status=422, compose=compose, strategy="blue-green")
        assert problem["errors"][0]["field"] == "strategy"
        assert "has no route" in problem["detail"]
        both = compose.replace("}}\n", "}, web: {image: 'shop:1', x-tower: {route: {host: a.b, port: 1}}}}\n")
        answer = await api.done("/deployments", compose=both, strategy="blue-green")
    assert {each["service_id"]: each["strategy"] for each in answer["services"]} == {
        "shop.db": "rolling",
        "shop.web": "blue-green",
    }
    assert any("shop.db has no route" in warning for warning in answer["warnings"])


async def test_a_dry_run_says_what_would_change_and_what_that_does() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.done("/deployments", compose=COMPOSE.format(tag=1))
        changed = COMPOSE.format(tag=2).replace("replicas: 2", "replicas: 3")
        status, answer = await api.ask(
            "POST", "/deployments", json={"compose": changed, "dry_run": True, "strategy": "canary"}
        )
    assert status == 200
    changes = {each["field"]: each["effect"] for each in answer["services"][0]["changes"]}
    assert changes == {"image": "recreate", "replicas": "in-place", "policy.shift.strategy": "policy-only"}
    assert service_of(world).revision == 1


async def test_what_is_superseded_is_said() -> None:
    world = a_world()
    a_canary(world)
    async with an_operator(world) as api:
        answer = await api.done("/deployments", compose=COMPOSE.format(tag=3))
    assert answer["services"][0]["supersedes"] == "ro_2"
    (warning,) = [each for each in answer["warnings"] if "superseded" in each]
    assert "rollout ro_2 of bob is running: canary step 1 of 3, 10 %" in warning


async def test_the_same_file_again_tries_what_did_not_last_again() -> None:
    world = a_world()
    async with an_operator(world) as api:
        await api.done("/deployments", compose=COMPOSE.format(tag=1))
        transition(world, rollout=a_rollout(world, phase=RolloutPhase.FAILED, reason="it crashed"))
        answer = await api.done("/deployments", compose=COMPOSE.format(tag=1), strategy="canary")
        transition(world, rollout=a_rollout(world))
        under_way = await api.done("/deployments", compose=COMPOSE.format(tag=1), strategy="canary")
    assert [(each["is_retry"], each["changed"]) for each in answer["services"]] == [(True, True)]
    service = service_of(world)
    assert (service.revision, service.attempt.aim, service.attempt.number) == (1, Aim.RETRY, 2)
    assert service.policy.shift.strategy is Strategy.CANARY
    assert [(each["changed"], each["rollout_id"]) for each in under_way["services"]] == [(False, "ro_2")]


async def test_the_leaders_moves_are_no_conflict_and_another_persons_are() -> None:
    world = a_world()
    deployed(world, "1")
    async with an_operator(world) as api:
        propose = world.state.propose
        meanwhile: list[object] = []

        async def propose_late(command: object, **options: Any) -> Any:
            if isinstance(command, PutService) and meanwhile:
                move = meanwhile.pop()
                world.state.must(move) if isinstance(move, PutService) else transition(world, orders=())
            return await propose(command, **options)

        world.state.propose = propose_late  # type: ignore[method-assign]
        meanwhile[:] = ["the leader", "the leader"]
        answer = await api.done("/deployments", compose=COMPOSE.format(tag=2))
        assert answer["services"][0]["revision"] == 2
        assert meanwhile == []
        other = a_service("shop.web", spec=a_spec("registry.example/shop:9"), created_by="eve")
        meanwhile[:] = [other]
        problem = await api.refused("/deployments", compose=COMPOSE.format(tag=3))
    assert "was changed meanwhile: eve asked for revision 3" in problem["detail"]
    assert "tower rollout status shop.web" in problem["hint"]
    assert service_of(world).revision == 3


async def test_somebody_who_scaled_meanwhile_is_told_apart_from_one_who_deployed() -> None:
    world = a_world()
    deployed(world, "1")
    async with an_operator(world) as api:
        propose = world.state.propose
        scaled = False

        async def propose_late(command: object, **options: Any) -> Any:
            nonlocal scaled
            if isinstance(command, PutService) and not scaled:
                scaled = True
                world.state.must(ScaleService(service_id=SHOP, replicas=7))
            return await propose(command, **options)

        world.state.propose = propose_late  # type: ignore[method-assign]
        problem = await api.refused("/deployments", compose=COMPOSE.format(tag=2))
    assert "somebody changed its number of replicas" in problem["detail"]
    assert service_of(world).replicas == 7


# ---- looking back


async def test_the_history_says_what_became_of_each_revision() -> None:
    world = a_world()
    deployed(world, "1")
    failed(world, "2")
    deployed(world, "3")
    world.state.must(a_service("shop.web", spec=a_spec("registry.example/shop:4"), created_by="bob"))
    judge = JudgeState(step_old=ArmTotals(requests=90), step_new=ArmTotals(requests=10, failures=1, lost=1))
    transition(world, rollout=a_rollout(world, judge=judge, verdict="too early to say"))
    async with an_operator(world) as api:
        history = await api.get("/services/web/history")
    assert [(each["revision"], each["state"]) for each in history["revisions"]] == [
        (4, "rolling-out"),
        (3, "stable"),
        (2, "failed"),
        (1, "was-stable"),
    ]
    newest, _, second, first = history["revisions"]
    assert [each["field"] for each in newest["changes"]] == ["image"]
    (attempt,) = newest["attempts"]
    assert (attempt["requests"], attempt["failures"], attempt["lost"]) == (10, 1, 1)
    assert (attempt["asked_by"], attempt["verdict"]) == ("bob", "too early to say")
    assert second["attempts"][0]["reason"] == "replica 0 ended with status 1"
    assert second["attempts"][0]["requests"] is None
    assert (first["compared_with"], first["changes"]) == (0, [])


async def test_what_a_revision_changed_is_what_it_changed_of_the_one_it_replaced() -> None:
    world = a_world()
    deployed(world, "1")
    failed(world, "2")
    deployed(world, "3")
    async with an_operator(world) as api:
        history = await api.get("/services/web/history")
        compared = await api.get("/services/web/comparison")
    assert [(each["revision"], each["compared_with"]) for each in history["revisions"]] == [
        (3, 1),
        (2, 1),
        (1, 0),
    ]
    assert (compared["before"], compared["after"]) == (1, 3)
    assert [(each["before"], each["after"]) for each in compared["changes"]] == [
        ("registry.example/shop:1", "registry.example/shop:3")
    ]


async def test_two_revisions_are_compared_by_how_they_answered_side_by_side() -> None:
    world = a_world()
    judge = JudgeState(
        step_old=ArmTotals(requests=900, failures=1), step_new=ArmTotals(requests=100, failures=4)
    )
    a_canary(world, judge=judge)
    async with an_operator(world) as api:
        compared = await api.get("/services/web/comparison", before="1", after="2")
        reverse = await api.get("/services/web/comparison", before="2", after="1")
    assert compared["behaviour"]["difference"] == pytest.approx(0.04 - 1 / 900)
    assert compared["note"] == ""
    assert "2 was the new one" in reverse["note"]


async def test_revisions_that_never_met_are_not_compared_by_behaviour() -> None:
    world = a_world()
    deployed(world, "1", "2", "3")
    async with an_operator(world) as api:
        compared = await api.get("/services/web/comparison", before="1")
        status, unknown = await api.ask("GET", "/services/web/comparison", params={"before": "9"})
        first_status, first = await api.ask("GET", "/services/web/comparison", params={"after": "1"})
    assert (compared["before"], compared["after"], compared["behaviour"]) == (1, 3, None)
    assert "never answered requests side by side" in compared["note"]
    assert (status, unknown["errors"][0]["field"]) == (404, "before")
    assert first_status == 409
    assert "from before revision 1" in first["detail"]


async def test_environment_values_are_not_told_to_a_viewer_by_a_comparison() -> None:
    world = a_world()
    for secret in ("hunter2", "hunter3"):
        world.state.must(a_service("shop.web", spec=a_spec(environment=(("PASSWORD", secret),))))
    async with an_operator(world, Role.VIEWER) as api:
        compared = await api.get("/services/web/comparison")
        history = await api.get("/services/web/history")
    assert compared["changes"][0]["before"] == "(hidden)"
    assert "hunter" not in str(history)


# ---- the split is changed by the command


def test_a_share_for_a_colour_without_any_replica_is_refused_even_by_force() -> None:
    world = a_world()
    deployed(world, "1")
    bring_up(world, 1)
    outcome = world.state.apply(SetSplit(service_id=SHOP, green_permille=500, by="ann"))
    assert "no green replica" in str(outcome)


async def test_a_rollout_shows_the_commands_around_it_and_how_they_went() -> None:
    world = a_world()
    world.state.must(a_service("shop.web"))
    run = HookRun(
        kind=HookKind.PRE,
        number=0,
        hook=Hook(command=("/app/migrate",), timeout_ms=60_000),
        phase=HookPhase.FAILED,
        node_id=NodeId("nd_1"),
        attempts=1,
        since_ms=NOW_MS,
        exit_code=3,
        reason="ended with exit code 3",
        tail="no such table",
    )
    transition(world, rollout=a_rollout(world, hooks=(run,)))
    async with an_operator(world, Role.VIEWER) as api:
        (hook,) = (await api.get("/rollouts/web"))["hooks"]
    assert hook["kind"] == "pre"
    assert (hook["number"], hook["phase"], hook["exit_code"]) == (1, "failed", 3)
    assert (hook["command"], hook["tail"]) == (["/app/migrate"], "no such table")

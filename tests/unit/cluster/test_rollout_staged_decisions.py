"""Single decisions of staged rollouts, from states written down by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.judging import JudgeState
from cluster.model.metric_limits import CopySamples, MetricLimit
from cluster.model.metrics import BY_NAME
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.model.rollout import (
    ReplicaProgress,
    Rollout,
    RolloutPhase,
    Stage,
    StagePhase,
    Steer,
    Steering,
    StepPhase,
    why_not,
)
from cluster.model.service import (
    Aim,
    Assignment,
    Attempt,
    DesiredState,
    FailureAction,
    Kept,
    Observation,
    PublishedPort,
    ReplicaPhase,
    Revision,
    RolloutPolicy,
    RouterState,
    Service,
    ServiceSpec,
    Split,
)
from cluster.model.strategy import Analysis, BlueGreen, Canary, Colour, Shift, Strategy, TrafficStep
from cluster.model.traffic import ArmTraffic, TrafficInterval
from cluster.rollout import Decision, NoHost, ServiceView, WantedReplica, decide, resume
from cluster.rollout.evidence import affordable_steps, requests_per_s
from cluster.rollout.staged_look import canary_replicas
from tests.support.state_builders import a_spec

NOW_MS = 1_800_000_000_000
WEB = ServiceId("shop.web")
HOSTS = ("h1", "h2", "h3", "h4")
STEPS = (
    TrafficStep(permille=100, hold_ms=60_000),
    TrafficStep(permille=500, hold_ms=60_000),
    TrafficStep(permille=1000),
)
OLD = ("1/0@h1 serving healthy", "1/1@h2 serving healthy")
NEW = ("2/0@h3* serving healthy", "2/1@h4* serving healthy")


def a_copy(text: str, *, token: int = 10, age_ms: int = 200_000) -> Assignment:
    """`2/0@h3* serving healthy`: revision/ordinal@host, with a * of GREEN."""
    place, desired, phase = text.split()
    number, _, host = place.partition("@")
    revision, _, ordinal = number.partition("/")
    return Assignment(
        service_id=WEB,
        revision=int(revision),
        ordinal=int(ordinal),
        node_id=NodeId(host.removesuffix("*")),
        desired=DesiredState(desired),
        token=token,
        leader_term=1,
        changed_at_ms=NOW_MS - age_ms,
        observed=Observation(phase=ReplicaPhase(phase)),
        colour=Colour.GREEN if host.endswith("*") else Colour.BLUE,
    )


def a_policy(strategy: Strategy = Strategy.CANARY, **fields: Any) -> RolloutPolicy:
    blue_green = BlueGreen(steps=STEPS, **fields.pop("blue_green", {}))
    analysis = fields.pop("analysis", Analysis(is_on=False))
    keep_ms = fields.pop("keep_ms", 0)
    shift = Shift(
        strategy=strategy,
        blue_green=blue_green,
        canary=Canary(steps=STEPS, keep_ms=keep_ms),
        analysis=analysis,
    )
    return replace(RolloutPolicy(monitor_ms=0, retries=0, shift=shift), **fields)


def a_stage(phase: StagePhase = StagePhase.DEPLOYING, index: int = 0, **fields: Any) -> Stage:
    defaults: dict[str, Any] = {"since_ms": NOW_MS - 10_000, **fields}
    return Stage(steps=STEPS, colour=Colour.GREEN, index=index, phase=phase, **defaults)


def a_rollout(
    stage: Stage | None, phase: RolloutPhase = RolloutPhase.RUNNING, *, done: int = 2, **fields: Any
) -> Rollout:
    """`done` replicas of the new revision were brought up by it."""
    defaults: dict[str, Any] = {"strategy": Strategy.CANARY, "attempt": 2, **fields}
    return Rollout(
        id=RolloutId("ro_1"),
        service_id=WEB,
        from_revision=1,
        to_revision=2,
        phase=phase,
        step=1,
        started_at_ms=NOW_MS - 60_000,
        changed_at_ms=NOW_MS - 10_000,
        deadline_ms=NOW_MS + 600_000,
        stage=stage,
        replicas=tuple(
            ReplicaProgress(ordinal=ordinal, phase=StepPhase.DONE, node_id=NodeId(f"h{ordinal + 3}"))
            for ordinal in range(done)
        ),
        **defaults,
    )


def a_view(
    *copies: Assignment | str,
    rollout: Rollout | None = None,
    last_rollout: Rollout | None = None,
    green: int = 0,
    by: str = "",
    token: int = 5,
    routed: dict[str, int] | None = None,
    down: tuple[str, ...] = (),
    specs: dict[int, ServiceSpec] | None = None,
    traffic: tuple[TrafficInterval, ...] = (),
    **fields: Any,
) -> ServiceView:
    """Two replicas of revision 1, BLUE, are stable; revision 2 was attempted."""
    service: dict[str, Any] = {
        "replicas": 2,
        "policy": a_policy(),
        "stable_revision": 1,
        "revision": 2,
        **fields,
    }
    return ServiceView(
        service=Service(
            id=WEB,
            project="shop",
            name="web",
            rollout_id=None if rollout is None else rollout.id,
            version=5,
            created_at_ms=0,
            changed_at_ms=0,
            attempt=service.pop("attempt", Attempt(number=2)),
            split=Split(green_permille=green, token=token, changed_at_ms=NOW_MS - 5_000, by=by),
            **service,
        ),
        revisions={
            number: Revision(service_id=WEB, number=number, spec=spec, created_at_ms=0, created_by="u1")
            for number, spec in ({n: a_spec(f"v{n}") for n in (1, 2, 3)} | (specs or {})).items()
        },
        assignments=tuple(a_copy(copy) if isinstance(copy, str) else copy for copy in copies),
        nodes={
            NodeId(name): Node(
                id=NodeId(name),
                name=f"host-{name}",
                address=f"{name}.example:7444",
                api_address=f"{name}.example:7443",
                role=NodeRole.VOTER,
                status=NodeStatus.DOWN if name in down else NodeStatus.UP,
                status_at_ms=0,
                joined_at_ms=0,
            )
            for name in HOSTS
        },
        routers={
            NodeId(name): RouterState(
                node_id=NodeId(name), routed_index=index, drained_index=index, reported_at_ms=0
            )
            for name, index in (routed or {}).items()
        },
        rollout=rollout,
        last_rollout=last_rollout,
        traffic=traffic,
    )


def choose_in_order(wanted: WantedReplica) -> NodeId | NoHost:
    free = [name for name in map(NodeId, HOSTS) if name not in wanted.avoid]
    return min(free, key=lambda name: (wanted.siblings.count(name), name)) if free else NoHost("none is free")


def decision(view: ServiceView, now_ms: int = NOW_MS) -> Decision:
    return decide(view, now_ms, rollout_id=RolloutId("ro_new"), choose=choose_in_order)


def orders(view: ServiceView) -> list[str]:
    transition = decision(view).transition
    return [
        f"{order.key.revision}/{order.key.ordinal}@{order.key.node_id}"
        f"{'*' if order.colour is Colour.GREEN else ''} {order.desired}"
        for order in (() if transition is None else transition.orders)
    ]


def share(view: ServiceView, now_ms: int = NOW_MS) -> int | None:
    """What GREEN is ordered to get, in permille."""
    transition = decision(view, now_ms).transition
    return None if transition is None else transition.green_permille


def rollout_of(view: ServiceView, now_ms: int = NOW_MS) -> Rollout:
    transition = decision(view, now_ms).transition
    assert transition is not None
    assert transition.rollout is not None
    return transition.rollout


def stage_of(view: ServiceView, now_ms: int = NOW_MS) -> tuple[StagePhase, int]:
    stage = rollout_of(view, now_ms).stage
    assert stage is not None
    return stage.phase, stage.index


def steering(steer: Steer) -> Steering:
    return Steering(steer=steer, by="ann", at_ms=NOW_MS, reason="because")


# ---- the start -------------------------------------------------------------------------------------------


def test_it_begins_with_replicas_of_the_other_colour() -> None:
    view = a_view(*OLD)
    assert orders(view) == ["2/0@h1* started"]
    assert share(view) is None
    begun = rollout_of(view)
    assert (begun.strategy, begun.stage) == (
        Strategy.CANARY,
        Stage(steps=STEPS, colour=Colour.GREEN, since_ms=NOW_MS),
    )


def test_the_other_colour_is_blue_when_green_is_stable() -> None:
    view = a_view("1/0@h1* serving healthy", "1/1@h2* serving healthy", green=1000)
    assert orders(view) == ["2/0@h1 started"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"stable_revision": 0}, "a first deployment has no steps"),
        ({"replicas": 0}, "no replica is wanted"),
        ({"specs": {2: a_spec("v2", route=None)}}, "without a route there are no requests to share"),
        (
            {"specs": {2: a_spec("v2", ports=(PublishedPort(container_port=80, host_port=8080),))}},
            "host port 8080 is fixed",
        ),
    ],
)
def test_where_there_can_be_no_steps_it_is_a_rolling_update_and_says_why(
    fields: dict[str, Any], why: str
) -> None:
    begun = rollout_of(a_view(*OLD, **fields))
    assert (begun.strategy, begun.stage) == (Strategy.ROLLING, None)
    assert begun.note.startswith("a rolling update, not canary: ")
    assert why in begun.note
    assert why in begun.reason


@pytest.mark.parametrize(
    "attempt", [Attempt(number=2, is_unjudged=True), Attempt(number=2, aim=Aim.ROLLBACK)]
)
def test_what_is_not_to_be_judged_has_one_step(attempt: Attempt) -> None:
    begun = rollout_of(a_view(*OLD, attempt=attempt))
    assert begun.stage is not None
    assert [step.permille for step in begun.stage.steps] == [1000]
    assert begun.is_unjudged


def test_a_kept_revision_gets_its_requests_back_with_the_first_decision_whatever_the_strategy() -> None:
    view = a_view(
        *NEW,
        *OLD,
        green=1000,
        revision=1,
        stable_revision=2,
        policy=a_policy(Strategy.ROLLING),
        kept=Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 60_000),
        attempt=Attempt(number=2, aim=Aim.ROLLBACK),
    )
    transition = decision(view).transition
    assert transition is not None
    assert (transition.green_permille, transition.is_kept_ended, transition.orders) == (0, True, ())
    assert stage_of(view) == (StagePhase.SWITCHING, 0)


def test_another_revision_takes_the_colour_of_what_is_kept_when_that_has_room() -> None:
    view = a_view(
        *NEW,
        *OLD,
        green=1000,
        revision=3,
        stable_revision=2,
        kept=Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 60_000),
    )
    transition = decision(view).transition
    assert transition is not None
    assert transition.is_kept_ended
    assert orders(view) == ["1/0@h1 draining", "1/1@h2 draining"]


@pytest.mark.parametrize(
    ("replicas", "permille", "needed"),
    [
        (10, 50, 1),
        (10, 100, 2),
        (10, 250, 4),
        (10, 500, 7),
        (10, 800, 10),
        (10, 1000, 10),
        (1, 10, 1),
        (0, 500, 0),
    ],
)
def test_a_share_needs_a_quarter_more_replicas_than_its_part_and_at_least_one(
    replicas: int, permille: int, needed: int
) -> None:
    assert canary_replicas(replicas, permille) == needed


# ---- forward ---------------------------------------------------------------------------------------------


def test_a_share_is_ordered_once_the_replicas_serve_and_every_router_knows_them() -> None:
    new = a_copy("2/0@h3* serving healthy", token=50)
    rollout = a_rollout(a_stage(), done=0)
    rollout = replace(
        rollout, replicas=(ReplicaProgress(ordinal=0, phase=StepPhase.ROUTING, node_id=NodeId("h3")),)
    )
    view = a_view(*OLD, new, rollout=rollout, routed={"h1": 50, "h2": 49})
    assert share(view) is None
    assert decision(view).awaits_routers
    known = replace(view, routers=a_view(routed={"h1": 50, "h2": 50}).routers)
    assert share(known) == 100
    assert stage_of(known) == (StagePhase.SWITCHING, 0)


def test_the_hold_begins_when_every_live_router_shares_as_ordered() -> None:
    rollout = a_rollout(a_stage(StagePhase.SWITCHING), done=1)
    view = a_view(*OLD, NEW[0], green=100, token=60, rollout=rollout, routed={"h1": 60, "h2": 59})
    assert decision(view).transition is None
    assert decision(view).awaits_routers
    down = replace(view, nodes=a_view(down=("h2",)).nodes)
    begun = rollout_of(down)
    assert begun.stage is not None
    assert (begun.stage.phase, begun.stage.deadline_ms) == (StagePhase.WATCHING, NOW_MS + 60_000)


def test_a_share_that_no_router_brings_in_force_is_taken_back_when_its_time_is_over() -> None:
    rollout = replace(a_rollout(a_stage(StagePhase.SWITCHING), done=1), deadline_ms=NOW_MS)
    view = a_view(*OLD, NEW[0], green=100, token=60, rollout=rollout, routed={"h1": 59})
    assert share(view) == 0
    assert "not every router shares the requests as ordered" in rollout_of(view).reason


def test_a_step_is_left_when_its_time_is_over_and_more_replicas_come_first() -> None:
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS)
    view = a_view(*OLD, NEW[0], green=100, rollout=a_rollout(stage, done=1))
    assert share(view) is None
    assert stage_of(view) == (StagePhase.DEPLOYING, 1)
    early = a_view(*OLD, NEW[0], green=100, rollout=a_rollout(replace(stage, deadline_ms=NOW_MS + 7), done=1))
    assert decision(early) == Decision(wake_at_ms=NOW_MS + 7)


def test_the_old_replicas_go_only_after_the_last_step() -> None:
    stage = a_stage(StagePhase.WATCHING, index=2, deadline_ms=NOW_MS)
    view = a_view(*OLD, *NEW, green=1000, rollout=a_rollout(stage))
    assert orders(view) == []
    assert stage_of(view) == (StagePhase.RETIRING, 2)
    retiring = a_view(*OLD, *NEW, green=1000, rollout=a_rollout(a_stage(StagePhase.RETIRING, index=2)))
    assert orders(retiring) == ["1/0@h1 draining", "1/1@h2 draining"]


def test_what_is_kept_stays_as_it_is() -> None:
    stage = a_stage(StagePhase.WATCHING, index=2, deadline_ms=NOW_MS)
    view = a_view(*OLD, *NEW, green=1000, rollout=a_rollout(stage), policy=a_policy(keep_ms=60_000))
    transition = decision(view).transition
    assert transition is not None
    assert transition.kept == Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 60_000)
    assert (transition.stable_revision, transition.orders) == (2, ())


@pytest.mark.parametrize("late_ms", [0, 60_000])
def test_kept_replicas_go_when_their_time_is_over(late_ms: int) -> None:
    kept = Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 60_000)
    ended = a_rollout(None, RolloutPhase.SUCCEEDED)
    view = a_view(*OLD, *NEW, green=1000, stable_revision=2, kept=kept, last_rollout=ended)
    transition = decision(view, NOW_MS + late_ms).transition
    if not late_ms:
        assert decision(view) == Decision(wake_at_ms=NOW_MS + 60_000)
    else:
        assert transition is not None
        assert transition.is_kept_ended
        assert [order.desired for order in transition.orders] == [DesiredState.DRAINING] * 2


def test_kept_replicas_that_have_requests_by_hand_stay() -> None:
    kept = Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS - 1)
    ended = a_rollout(None, RolloutPhase.SUCCEEDED)
    view = a_view(*OLD, *NEW, green=900, by="ann", stable_revision=2, kept=kept, last_rollout=ended)
    assert decision(view) == Decision()


def test_a_rolling_update_ends_what_is_kept_and_its_share() -> None:
    kept = Kept(revision=1, colour=Colour.BLUE, until_ms=NOW_MS + 60_000)
    fields: dict[str, Any] = {"revision": 3, "stable_revision": 2, "policy": a_policy(Strategy.ROLLING)}
    by_hand = decision(a_view(*OLD, *NEW, green=900, by="ann", kept=kept, **fields)).transition
    assert by_hand is not None
    assert (by_hand.green_permille, by_hand.is_kept_ended) == (1000, True)
    assert "1/0@h1 draining" not in orders(a_view(*OLD, *NEW, green=900, by="ann", kept=kept, **fields))
    unused = a_view(*OLD, *NEW, green=1000, kept=kept, **fields)
    assert {"1/0@h1 draining", "1/1@h2 draining"} <= set(orders(unused))


def test_what_a_failed_way_back_left_is_taken_down_once_it_has_no_requests() -> None:
    failed = a_rollout(None, RolloutPhase.FAILED)
    sharing = a_view(*OLD, *NEW, green=300, last_rollout=failed)
    assert (share(sharing), orders(sharing)) == (0, [])
    dead = a_view("1/0@h1 started exited", *NEW, green=300, last_rollout=failed)
    assert share(dead) == 1000
    whole = a_view(*OLD, *NEW, last_rollout=failed)
    assert orders(whole) == ["2/0@h3* draining", "2/1@h4* draining"]


# ---- back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phase", [StagePhase.DEPLOYING, StagePhase.SWITCHING, StagePhase.WATCHING, StagePhase.APPROVAL]
)
def test_to_abort_gives_the_old_revision_everything_in_the_same_commit(phase: StagePhase) -> None:
    stage = a_stage(phase, index=1, deadline_ms=NOW_MS + 1_000)
    view = a_view(*OLD, *NEW, green=500, rollout=a_rollout(stage, steering=steering(Steer.ABORT)))
    assert share(view) == 0
    turned = rollout_of(view)
    assert (turned.phase, turned.steering) == (RolloutPhase.ROLLING_BACK, None)
    assert turned.reason == "aborted by ann: because"
    assert orders(view) == []


def test_the_new_replicas_stay_until_no_router_sends_them_requests() -> None:
    rollout = a_rollout(a_stage(StagePhase.RETURNING, index=1), RolloutPhase.ROLLING_BACK)
    view = a_view(*OLD, *NEW, token=60, rollout=rollout, routed={"h1": 60, "h2": 59})
    assert orders(view) == []
    known = replace(view, routers=a_view(routed={"h1": 60, "h2": 60}).routers)
    assert stage_of(known) == (StagePhase.RETIRING, 1)


def test_a_way_back_waits_until_the_old_replicas_are_whole_if_they_were_being_taken_down() -> None:
    stage = a_stage(StagePhase.RETIRING, index=2)
    copies = ("1/0@h1 draining healthy", "1/1@h2 serving healthy", *NEW)
    view = a_view(*copies, green=1000, rollout=a_rollout(stage, steering=steering(Steer.ABORT)))
    assert share(view) is None
    assert orders(view) == ["1/0@h1 serving"]
    turned = rollout_of(view)
    whole = a_view(*OLD, *NEW, green=1000, rollout=turned)
    assert share(whole) == 0


def test_a_new_revision_without_a_healthy_replica_is_taken_back_before_any_retry() -> None:
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS + 1_000)
    policy = a_policy(retries=5)
    view = a_view(
        *OLD, "2/0@h3* serving unhealthy", green=100, policy=policy, rollout=a_rollout(stage, done=1)
    )
    assert share(view) == 0
    assert rollout_of(view).reason == "no replica of revision 2 is healthy: replica 0 on host-h3 is unhealthy"


def test_one_that_was_lost_with_its_host_is_brought_up_again_without_requests_meanwhile() -> None:
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS + 1_000)
    view = a_view(*OLD, NEW[0], green=100, rollout=a_rollout(stage, done=1), down=("h3",))
    assert share(view) == 0
    assert stage_of(view) == (StagePhase.DEPLOYING, 0)
    assert rollout_of(view).phase is RolloutPhase.RUNNING
    assert "2/0@h1* started" in orders(view)


def test_with_pause_the_shares_stay_but_not_with_nobody() -> None:
    policy = a_policy(failure_action=FailureAction.PAUSE)
    stage = a_stage(StagePhase.WATCHING, index=1, deadline_ms=NOW_MS + 1_000)
    one_left = a_view(
        *OLD, NEW[0], "2/1@h4* serving unhealthy", green=500, policy=policy, rollout=a_rollout(stage)
    )
    assert rollout_of(one_left).phase is RolloutPhase.PAUSED
    assert share(one_left) is None
    nobody = a_view(*OLD, "2/0@h3* serving unhealthy", green=500, policy=policy, rollout=a_rollout(stage))
    assert rollout_of(nobody).phase is RolloutPhase.PAUSED
    assert share(nobody) == 0


def test_an_old_revision_without_a_replica_lends_its_requests_and_loses_them_after_a_while() -> None:
    dead = ("1/0@h1 started exited", "1/1@h2 started exited")
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS + 1_000)
    view = a_view(*dead, NEW[0], green=100, rollout=a_rollout(stage, done=1))
    assert share(view) == 1000
    lent = a_view(*dead, NEW[0], green=1000, rollout=a_rollout(a_stage(), done=1))
    assert share(lent) is None
    assert decision(lent, NOW_MS + 24_999).transition is not None
    promoted = rollout_of(lent, NOW_MS + 25_000)
    assert promoted.is_unjudged
    assert "has no healthy replica" in promoted.note
    back = a_view(*OLD, NEW[0], green=1000, rollout=a_rollout(a_stage(), done=1))
    assert share(back) == 0


def test_a_rollout_that_is_superseded_gives_the_stable_revision_everything() -> None:
    stage = a_stage(StagePhase.WATCHING, index=1, deadline_ms=NOW_MS + 1_000)
    view = a_view(*OLD, *NEW, green=500, revision=3, attempt=Attempt(number=3), rollout=a_rollout(stage))
    assert share(view) == 0
    assert rollout_of(view).phase is RolloutPhase.CANCELLED


def test_the_replicas_of_a_superseded_revision_go_when_no_router_sends_them_requests() -> None:
    ended = a_rollout(a_stage(), RolloutPhase.CANCELLED)
    fields: dict[str, Any] = {"revision": 3, "attempt": Attempt(number=3), "last_rollout": ended, "token": 60}
    waiting = a_view(*OLD, *NEW, routed={"h1": 59}, **fields)
    assert orders(waiting) == []
    known = a_view(*OLD, *NEW, routed={"h1": 60}, **fields)
    assert orders(known) == ["2/0@h3* draining", "2/1@h4* draining"]


@pytest.mark.parametrize("left", ["3/0@h1* draining healthy", "3/0@h2* removed healthy"])
def test_what_is_left_of_a_superseded_revision_and_gets_no_requests_holds_nothing_back(left: str) -> None:
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS + 5_000)
    view = a_view(
        *OLD, NEW[0], a_copy(left, age_ms=0), green=100, rollout=a_rollout(stage, done=1), down=("h2",)
    )
    assert share(view) is None


# ---- people ----------------------------------------------------------------------------------------------


def test_time_stands_still_while_it_is_paused() -> None:
    stage = a_stage(StagePhase.WATCHING, since_ms=NOW_MS - 50_000, deadline_ms=NOW_MS - 40_000)
    paused = a_rollout(
        stage, RolloutPhase.PAUSED, done=1, paused_ms=NOW_MS - 45_000, steering=steering(Steer.RESUME)
    )
    resumed = rollout_of(a_view(*OLD, NEW[0], green=100, rollout=paused))
    assert resumed.stage is not None
    assert (resumed.phase, resumed.paused_ms) == (RolloutPhase.RUNNING, 0)
    assert (resumed.stage.since_ms, resumed.stage.deadline_ms) == (NOW_MS - 5_000, NOW_MS + 5_000)


@pytest.mark.parametrize(
    ("green", "index", "phase"), [(0, 0, "deploying"), (300, 1, "deploying"), (1000, 2, "watching")]
)
def test_after_shares_by_hand_it_goes_on_with_the_first_step_above_them(
    green: int, index: int, phase: str
) -> None:
    paused = a_rollout(
        a_stage(StagePhase.WATCHING), RolloutPhase.PAUSED, paused_ms=NOW_MS, steering=steering(Steer.RESUME)
    )
    view = a_view(*OLD, *NEW, green=green, by="ann", rollout=paused)
    resumed = rollout_of(view)
    assert resumed.stage is not None
    assert resumed.stage.index == index
    if phase == "deploying":
        assert share(view) == STEPS[index].permille, "the replicas are there already"
    else:
        assert resumed.stage.phase is StagePhase.WATCHING


def test_what_cannot_be_done_any_more_is_dropped() -> None:
    rollout = a_rollout(a_stage(StagePhase.RETIRING, index=2), steering=steering(Steer.PAUSE))
    going_on = rollout_of(a_view(*OLD, *NEW, green=1000, rollout=rollout))
    assert (going_on.phase, going_on.steering) == (RolloutPhase.RUNNING, None)


def test_a_switch_that_waits_for_approval_has_a_small_preview() -> None:
    policy = a_policy(Strategy.BLUE_GREEN, blue_green={"is_promoted_by_itself": False, "preview_replicas": 1})
    rollout = a_rollout(a_stage(), done=1, strategy=Strategy.BLUE_GREEN)
    view = a_view(*OLD, NEW[0], policy=policy, rollout=rollout)
    assert stage_of(view) == (StagePhase.APPROVAL, 0)
    asked = a_stage(StagePhase.APPROVAL, deadline_ms=NOW_MS + 1_000)
    approved = a_rollout(asked, done=1, strategy=Strategy.BLUE_GREEN, steering=steering(Steer.APPROVE))
    going_on = rollout_of(a_view(*OLD, NEW[0], policy=policy, rollout=approved))
    assert going_on.stage is not None
    assert (going_on.stage.phase, going_on.stage.approved_by) == (StagePhase.DEPLOYING, "ann")
    whole = a_view(
        *OLD, NEW[0], policy=policy, rollout=replace(approved, stage=going_on.stage, steering=None)
    )
    assert orders(whole) == ["2/1@h1* started"]


# ---- a new leader ----------------------------------------------------------------------------------------


APPROVED_STEPS = (TrafficStep(permille=100, hold_ms=60_000, needs_approval=True), TrafficStep(permille=1000))


def watched_until(deadline_ms: int, **fields: Any) -> ServiceView:
    """A canary at a step that a person has to let go on, watched until then."""
    stage = replace(
        a_stage(StagePhase.WATCHING, deadline_ms=deadline_ms),
        steps=APPROVED_STEPS,
        approved_ahead_by=fields.pop("ahead", ""),
    )
    return a_view(*OLD, NEW[0], green=100, rollout=a_rollout(stage, done=1, **fields))


def test_an_approval_before_the_steps_time_is_over_is_kept_and_ends_nothing_early() -> None:
    early = watched_until(NOW_MS + 30_000, steering=steering(Steer.APPROVE))
    kept = rollout_of(early)
    assert kept.stage is not None
    assert (kept.stage.phase, kept.stage.approved_ahead_by) == (StagePhase.WATCHING, "ann")
    assert kept.reason == "approved by ann, goes on when the step's time is over (because)"
    later = rollout_of(replace(early, rollout=kept), NOW_MS + 30_000)
    assert later.stage is not None
    assert (later.stage.phase, later.stage.index) == (StagePhase.DEPLOYING, 1)
    assert later.stage.approved_ahead_by == ""


def test_without_one_a_person_is_asked_when_the_time_is_over() -> None:
    assert stage_of(watched_until(NOW_MS)) == (StagePhase.APPROVAL, 0)
    assert stage_of(watched_until(NOW_MS, ahead="ann")) == (StagePhase.DEPLOYING, 1)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [({}, ""), ({"ahead": "bob"}, "no approval"), ({"is_unjudged": True}, "no approval")],
)
def test_a_step_is_approved_once(fields: dict[str, Any], refused: str) -> None:
    rollout = watched_until(NOW_MS + 30_000, **fields).rollout
    assert rollout is not None
    assert why_not(rollout, Steer.APPROVE).startswith(refused)
    assert bool(why_not(rollout, Steer.APPROVE)) == bool(refused)


def test_an_approval_ahead_does_not_pass_what_the_judge_cannot_tell() -> None:
    view = judged(an_interval(1, 90, 1))
    assert view.rollout is not None
    stage = replace(
        a_stage(StagePhase.WATCHING, since_ms=NOW_MS - 60_000, deadline_ms=NOW_MS),
        steps=APPROVED_STEPS,
        approved_ahead_by="ann",
    )
    unknown = rollout_of(replace(view, rollout=replace(view.rollout, stage=stage)))
    assert unknown.stage is not None
    assert unknown.stage.phase is StagePhase.WATCHING
    assert unknown.reason.endswith("approved by ann, goes on then")


def test_a_new_leader_gives_a_step_a_minute() -> None:
    stage = a_stage(StagePhase.WATCHING, deadline_ms=NOW_MS + 5_000)
    transition = resume(a_view(*OLD, NEW[0], green=100, rollout=a_rollout(stage)), NOW_MS)
    assert transition is not None
    assert transition.rollout is not None
    assert transition.rollout.stage == replace(stage, deadline_ms=NOW_MS + 60_000)
    assert transition.green_permille is None


# ---- the judge -------------------------------------------------------------------------------------------


def an_interval(sequence: int, old: int, new: int, *, failures: int = 0, host: str = "h1") -> TrafficInterval:
    arms = (ArmTraffic(revision=1, requests=old), ArmTraffic(revision=2, requests=new, failures=failures))
    return TrafficInterval(
        service_id=WEB, node_id=NodeId(host), epoch="e1", sequence=sequence, duration_ms=5_000, arms=arms
    )


def judged(*intervals: TrafficInterval, changed_ago_ms: int = 10_000, **fields: Any) -> ServiceView:
    """A canary that is watched since two minutes, with its judge."""
    stage = a_stage(StagePhase.WATCHING, since_ms=NOW_MS - 120_000, deadline_ms=NOW_MS + 30_000)
    state = JudgeState(heard_at_ms=NOW_MS - 30_000, step_began_at_ms=NOW_MS - 120_000)
    rollout = replace(a_rollout(stage, done=1, judge=state), changed_at_ms=NOW_MS - changed_ago_ms)
    policy = a_policy(analysis=Analysis(warmup_ms=0))
    return a_view(*OLD, NEW[0], green=100, rollout=rollout, policy=policy, traffic=intervals, **fields)


def test_a_worse_revision_is_taken_back_with_the_figures_in_the_record() -> None:
    view = judged(*(an_interval(number, 900, 100, failures=60) for number in range(1, 21)))
    assert share(view) == 0
    turned = rollout_of(view)
    assert turned.reason.startswith("revision 2 is worse: ")
    assert turned.verdict.startswith("worse: ")
    assert turned.evidence is not None
    assert turned.evidence.new.failures.count == 20 * 60


def a_growing_replica(*values: int) -> tuple[CopySamples, ...]:
    """Memory of the new revision's replica on h3, one value every ten seconds up to now."""
    first_ms = NOW_MS - (len(values) - 1) * 10_000
    points = tuple((first_ms + number * 10_000, value) for number, value in enumerate(values))
    return (
        CopySamples(
            service_id=WEB,
            node_id=NodeId("h3"),
            revision=2,
            ordinal=0,
            metric=BY_NAME["memory_bytes"].number,
            points=points,
        ),
    )


def limited(*values: int, **fields: Any) -> ServiceView:
    """A canary that may use no more than 100 bytes of memory for half a minute."""
    limit = MetricLimit(metric="memory_bytes", max_value=100, for_ms=30_000)
    view = replace(judged(an_interval(1, 90, 10), **fields), samples=a_growing_replica(*values))
    policy = a_policy(analysis=Analysis(warmup_ms=0, metrics=(limit,)))
    return replace(view, service=replace(view.service, policy=policy))


def test_a_revision_past_a_limit_on_a_metric_is_taken_back_with_the_figures_in_the_record() -> None:
    view = limited(90, 101, 102, 103, 104)
    assert share(view) == 0
    turned = rollout_of(view)
    assert turned.reason == (
        "revision 2 is worse: memory_bytes of replica 0 of the new revision 104 B > 100 B for 30 s"
    )
    assert turned.evidence is not None
    (found,) = turned.evidence.limits
    assert (found.new_worst, found.samples, found.is_past) == (104, 5, True)


def test_a_new_leader_goes_on_with_what_was_measured_before() -> None:
    before = rollout_of(limited(101, 102, 103))
    assert before.phase is RolloutPhase.RUNNING
    # Its hosts tell only what came since.
    after = limited(104)
    later = replace(
        after,
        rollout=replace(before, changed_at_ms=NOW_MS - 10_000),
        samples=tuple(
            replace(each, points=tuple((at_ms + 10_000, value) for at_ms, value in each.points))
            for each in after.samples
        ),
    )
    assert rollout_of(later, NOW_MS + 10_000).reason.startswith("revision 2 is worse: memory_bytes")


def test_what_was_measured_of_a_replica_that_warms_up_does_not_count() -> None:
    limits = (MetricLimit(metric="memory_bytes", max_value=100, for_ms=30_000),)
    view = limited(101, 102, 103, 104, 105)
    policy = a_policy(analysis=Analysis(warmup_ms=300_000, metrics=limits))
    warming = replace(view, service=replace(view.service, policy=policy))
    kept = rollout_of(warming)
    assert kept.phase is RolloutPhase.RUNNING
    assert kept.evidence is not None
    assert "no samples yet" in kept.evidence.limits[0].text


def test_what_the_judge_took_in_is_committed_every_five_seconds() -> None:
    lately = decision(judged(an_interval(1, 90, 10), changed_ago_ms=1_000))
    assert lately.transition is None
    assert lately.wake_at_ms == NOW_MS + 4_000
    due = rollout_of(judged(an_interval(1, 90, 10), changed_ago_ms=5_000))
    assert due.judge is not None
    assert due.judge.step_new.requests == 10
    assert due.verdict.startswith("undecided")


def test_an_interval_is_counted_once_however_often_it_is_told() -> None:
    view = judged(an_interval(1, 90, 10))
    once = rollout_of(view)
    again = replace(view, rollout=replace(once, changed_at_ms=NOW_MS - 10_000))
    assert decision(again).transition is None


def test_while_shares_change_nothing_is_taken_in() -> None:
    view = judged(an_interval(1, 90, 10))
    assert view.rollout is not None
    switching = replace(view, rollout=replace(view.rollout, stage=a_stage(StagePhase.SWITCHING)))
    switched = replace(switching, routers=a_view(routed={"h1": 4}).routers)
    assert decision(switched).transition is None


def test_the_rate_of_requests_is_that_of_all_routers_together() -> None:
    told = (an_interval(1, 50, 9), an_interval(2, 100, 9), an_interval(1, 25, 0, host="h2"))
    assert requests_per_s(told, 1) == 15 + 5
    assert requests_per_s((), 1) is None


@pytest.mark.parametrize(
    ("strategy", "old", "shares"),
    [
        (Strategy.CANARY, 200, [100, 500, 1000]),
        (Strategy.CANARY, 20, [500, 1000]),
        (Strategy.CANARY, 0, [500, 1000]),
        (Strategy.BLUE_GREEN, 5, [100, 500, 1000]),
        (Strategy.BLUE_GREEN, 2, [500, 1000]),
        (Strategy.BLUE_GREEN, 0, [1000]),
    ],
)
def test_steps_with_too_few_requests_are_left_out(strategy: Strategy, old: int, shares: list[int]) -> None:
    view = replace(judged(an_interval(1, old, 0)), rollout=None)
    rollout = a_rollout(a_stage(), strategy=strategy)
    steps, note = affordable_steps(view, rollout)
    assert [step.permille for step in steps] == shares
    assert bool(note) is (len(shares) < 3)

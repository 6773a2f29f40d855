"""Single decisions, from states written down by hand. Longer stories are in tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, Steer, Steering, StepPhase
from cluster.model.service import (
    Assignment,
    DesiredState,
    FailureAction,
    Observation,
    PublishedPort,
    ReplicaPhase,
    Revision,
    RolloutPolicy,
    RouterState,
    Service,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.rollout import Decision, NoHost, ServiceView, WantedReplica, decide, resume
from cluster.rollout.limits import Limits, limits
from tests.support.state_builders import a_spec

NOW_MS = 1_800_000_000_000
WEB = ServiceId("shop.web")


def a_copy(
    text: str, *, restarts: int = 0, reason: str = "", token: int = 10, age_ms: int = 1_000
) -> Assignment:
    """`1/0@h1 serving healthy`."""
    place, desired, phase = text.split()
    number, _, host = place.partition("@")
    revision, _, ordinal = number.partition("/")
    return Assignment(
        service_id=WEB,
        revision=int(revision),
        ordinal=int(ordinal),
        node_id=NodeId(host),
        desired=DesiredState(desired),
        token=token,
        leader_term=1,
        changed_at_ms=NOW_MS - age_ms,
        observed=Observation(phase=ReplicaPhase(phase), restarts=restarts, reason=reason),
    )


def a_node(name: str, status: NodeStatus = NodeStatus.UP, *, is_draining: bool = False) -> Node:
    return Node(
        id=NodeId(name),
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.VOTER,
        status=status,
        status_at_ms=0,
        joined_at_ms=0,
        is_draining=is_draining,
    )


def a_view(
    *copies: Assignment | str,
    replicas: int = 1,
    revision: int = 1,
    stable: int = 1,
    rollout: Rollout | None = None,
    last_rollout: Rollout | None = None,
    policy: RolloutPolicy | None = None,
    nodes: tuple[Node, ...] = (),
    routed: dict[str, int] | None = None,
    drained: dict[str, int] | None = None,
    specs: dict[int, ServiceSpec] | None = None,
    is_removed: bool = False,
) -> ServiceView:
    known = {name: a_node(name) for name in ("h1", "h2", "h3")} | {node.id: node for node in nodes}
    made = {number: a_spec(f"v{number}") for number in range(1, revision + 1)} | (specs or {})
    routed, drained = routed or {}, drained or {}
    return ServiceView(
        service=Service(
            id=WEB,
            project="shop",
            name="web",
            replicas=replicas,
            policy=policy or RolloutPolicy(monitor_ms=0),
            revision=revision,
            stable_revision=stable,
            rollout_id=None if rollout is None else rollout.id,
            version=5,
            created_at_ms=0,
            changed_at_ms=0,
            is_removed=is_removed,
        ),
        revisions={
            number: Revision(service_id=WEB, number=number, spec=spec, created_at_ms=0, created_by="u1")
            for number, spec in made.items()
        },
        assignments=tuple(a_copy(copy) if isinstance(copy, str) else copy for copy in copies),
        nodes={NodeId(name): node for name, node in known.items()},
        routers={
            NodeId(name): RouterState(
                node_id=NodeId(name),
                routed_index=routed.get(name, 0),
                drained_index=drained.get(name, 0),
                reported_at_ms=0,
            )
            for name in {*routed, *drained}
        },
        rollout=rollout,
        last_rollout=last_rollout,
    )


def a_rollout(*steps: ReplicaProgress, phase: RolloutPhase = RolloutPhase.RUNNING, **fields: int) -> Rollout:
    defaults = {"from_revision": 1, "to_revision": 2, "step": 1, "failures": 0, **fields}
    return Rollout(
        id=RolloutId("ro_1"),
        service_id=WEB,
        phase=phase,
        started_at_ms=NOW_MS - 5_000,
        changed_at_ms=NOW_MS - 1_000,
        deadline_ms=NOW_MS + 600_000,
        replicas=steps,
        **defaults,
    )


def a_step(
    phase: StepPhase, host: str = "h2", *, attempts: int = 0, left_ms: int = 60_000
) -> ReplicaProgress:
    return ReplicaProgress(
        ordinal=0,
        phase=phase,
        node_id=NodeId(host),
        attempts=attempts,
        since_ms=NOW_MS - 1_000,
        deadline_ms=NOW_MS + left_ms,
    )


def choose_in_order(wanted: WantedReplica) -> NodeId | NoHost:
    """The first of h1 to h3 that is not to be avoided and has the fewest siblings."""
    open_hosts = [NodeId(name) for name in ("h1", "h2", "h3") if NodeId(name) not in wanted.avoid]
    if wanted.pinned_to is not None:
        open_hosts = [name for name in open_hosts if name == wanted.pinned_to]
    if not open_hosts:
        return NoHost("no host can take it")
    return min(open_hosts, key=lambda name: (wanted.siblings.count(name), name))


def decision(view: ServiceView) -> Decision:
    return decide(view, NOW_MS, rollout_id=RolloutId("ro_new"), choose=choose_in_order)


def orders(view: ServiceView) -> list[str]:
    transition = decision(view).transition
    return [
        f"{order.key.revision}/{order.key.ordinal}@{order.key.node_id} {order.desired}"
        for order in (() if transition is None else transition.orders)
    ]


def forgotten(view: ServiceView) -> list[str]:
    transition = decision(view).transition
    keys = () if transition is None else transition.forget
    return [f"{key.revision}/{key.ordinal}@{key.node_id}" for key in keys]


def rollout_of(view: ServiceView) -> Rollout:
    transition = decision(view).transition
    assert transition is not None
    assert transition.rollout is not None
    return transition.rollout


# ---- failures during a rollout ---------------------------------------------------------------------------


def test_a_container_that_ends_again_and_again_is_given_up_before_its_deadline() -> None:
    crashing = a_copy("2/0@h2 started exited", restarts=3, reason="exit code 1")
    view = a_view(
        "1/0@h1 serving healthy", crashing, revision=2, rollout=a_rollout(a_step(StepPhase.STARTING))
    )
    assert orders(view) == ["2/0@h2 removed"]
    assert rollout_of(view).reason == (
        "replica 0 on host-h2 ended 3 times before it was healthy: exit code 1; it is tried on another host"
        " if there is one"
    )


def test_one_that_ended_once_may_run_again() -> None:
    ended = a_copy("2/0@h2 started exited")
    view = a_view("1/0@h1 serving healthy", ended, revision=2, rollout=a_rollout(a_step(StepPhase.STARTING)))
    shortened = rollout_of(view)
    assert orders(view) == []
    assert shortened.replicas[0].deadline_ms == NOW_MS + 10_000
    again = a_view("1/0@h1 serving healthy", "2/0@h2 started starting", revision=2, rollout=shortened)
    assert rollout_of(again).replicas[0].deadline_ms == NOW_MS - 1_000 + 120_000


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("unhealthy", "became unhealthy after it had been healthy"),
        ("exited", "ended after it had been healthy"),
        ("starting", "started again after it had been healthy"),
        ("removed", "was removed by someone else"),
        ("failed", "failed"),
    ],
)
def test_a_lapse_while_it_is_watched_counts(phase: str, words: str) -> None:
    step = a_step(StepPhase.MONITORING)
    view = a_view(
        "1/0@h1 serving healthy",
        f"2/0@h2 serving {phase}",
        revision=2,
        rollout=a_rollout(step),
        policy=RolloutPolicy(retries=0),
    )
    turned = rollout_of(view)
    assert turned.phase is RolloutPhase.ROLLING_BACK
    assert turned.failures == 1
    assert turned.reason == f"replica 0 on host-h2 {words}"


def test_one_that_ended_and_runs_again_between_two_looks_has_failed_while_it_is_watched() -> None:
    seen = rollout_of(
        a_view(
            "1/0@h1 serving healthy",
            a_copy("2/0@h2 serving healthy", restarts=2),
            revision=2,
            rollout=a_rollout(a_step(StepPhase.ROUTING)),
            policy=RolloutPolicy(retries=0),
        )
    )
    assert seen.replicas[0].restarts == 2
    turned = rollout_of(
        a_view(
            "1/0@h1 serving healthy",
            a_copy("2/0@h2 serving healthy", restarts=3),
            revision=2,
            rollout=seen,
            policy=RolloutPolicy(retries=0),
        )
    )
    assert turned.phase is RolloutPhase.ROLLING_BACK
    assert turned.reason == "replica 0 on host-h2 ended after it had been healthy"


def test_how_often_one_that_served_before_was_started_again_is_no_matter_of_the_rollout() -> None:
    view = a_view(
        a_copy("2/0@h1 serving healthy", restarts=7),
        revision=2,
        stable=1,
        rollout=a_rollout(),
        policy=RolloutPolicy(retries=0),
    )
    assert rollout_of(view).phase is RolloutPhase.SUCCEEDED


def test_attempts_are_counted_where_the_next_leader_finds_them() -> None:
    failed = a_copy("2/0@h2 started failed")
    view = a_view("1/0@h1 serving healthy", failed, revision=2, rollout=a_rollout(a_step(StepPhase.STARTING)))
    assert rollout_of(view).replicas[0].attempts == 1
    step = a_step(StepPhase.STARTING, attempts=1)
    assert rollout_of(replace(view, rollout=a_rollout(step))).phase is RolloutPhase.ROLLING_BACK


def test_a_roll_back_is_never_rolled_back() -> None:
    rollout = replace(
        a_rollout(a_step(StepPhase.STARTING, attempts=1), phase=RolloutPhase.ROLLING_BACK), reason="it failed"
    )
    view = a_view("1/0@h2 started failed", "2/0@h1 serving unhealthy", revision=2, rollout=rollout)
    ended = rollout_of(view)
    assert ended.phase is RolloutPhase.FAILED
    assert ended.reason == ("it failed; the roll-back to revision 1 failed: replica 0 on host-h2 failed")


def test_paused_means_that_what_serves_goes_on_serving() -> None:
    rollout = a_rollout(phase=RolloutPhase.PAUSED)
    view = a_view(
        "1/0@h1 serving healthy",
        "2/1@h2 serving healthy",
        replicas=2,
        revision=2,
        rollout=rollout,
        policy=RolloutPolicy(failure_action=FailureAction.PAUSE),
    )
    assert decision(view) == Decision()


def test_a_stable_revision_that_is_not_kept_any_more_ends_the_roll_back() -> None:
    rollout = a_rollout(phase=RolloutPhase.ROLLING_BACK)
    view = a_view("2/0@h1 serving healthy", revision=2, rollout=rollout)
    ended = rollout_of(replace(view, revisions={2: view.revisions[2]}))
    assert ended.phase is RolloutPhase.FAILED
    assert "revision 1 is not known any more" in ended.reason


def test_an_old_replica_that_was_being_drained_is_needed_again_when_its_successor_fails() -> None:
    view = a_view(
        "1/0@h1 draining healthy",
        "2/0@h2 serving exited",
        revision=2,
        rollout=a_rollout(a_step(StepPhase.DRAINING)),
    )
    assert orders(view) == ["1/0@h1 serving", "2/0@h2 removed"]


# ---- what a rolling update allows ------------------------------------------------------------------------


def failing(*, attempts: int, **policy: Any) -> ServiceView:
    """Of three replicas the first one's new copy just failed; retries are over with `attempts` before."""
    return a_view(
        "1/0@h1 serving healthy",
        "1/1@h2 serving healthy",
        "1/2@h3 serving healthy",
        a_copy("2/0@h2 started failed"),
        replicas=3,
        revision=2,
        rollout=a_rollout(a_step(StepPhase.STARTING, attempts=attempts)),
        policy=RolloutPolicy(monitor_ms=0, retries=0, **policy),
    )


def test_one_of_three_may_fail_for_good_when_a_third_may() -> None:
    assert rollout_of(failing(attempts=0)).phase is RolloutPhase.ROLLING_BACK
    within = failing(attempts=0, failures_max_permille=334)
    going_on = rollout_of(within)
    assert going_on.phase is RolloutPhase.RUNNING
    assert going_on.reason == "replica 0 on host-h2 failed; it is left as it was"


def test_a_replica_that_failed_for_good_keeps_its_old_copy_and_the_others_go_on() -> None:
    view = failing(attempts=0, failure_action=FailureAction.CONTINUE)
    after = replace(view, rollout=rollout_of(view), assignments=view.assignments[:3])
    assert orders(after) == ["2/1@h2 started"]


def test_without_a_stable_revision_it_stays_with_what_serves_it() -> None:
    view = failing(attempts=0, failure_action=FailureAction.CONTINUE)
    going_on = replace(rollout_of(view), from_revision=0)
    service = replace(view.service, stable_revision=0)
    after = replace(view, service=service, rollout=going_on, assignments=view.assignments[:3])
    assert orders(after) == ["2/1@h2 started"]


def test_a_rollout_that_goes_on_ends_with_what_it_brought() -> None:
    steps = tuple(
        ReplicaProgress(ordinal=number, phase=phase, node_id=NodeId("h3"), attempts=attempts)
        for number, (phase, attempts) in enumerate(((StepPhase.WAITING, 1), (StepPhase.DONE, 0)))
    )
    view = a_view(
        "1/0@h1 serving healthy",
        "2/1@h3 serving healthy",
        replicas=2,
        revision=2,
        rollout=a_rollout(*steps),
        policy=RolloutPolicy(monitor_ms=0, retries=0, failure_action=FailureAction.CONTINUE),
    )
    ended = rollout_of(view)
    assert (ended.phase, ended.reason) == (RolloutPhase.SUCCEEDED, "1 of 2 replicas run revision 2")
    assert orders(view) == []


def test_a_rollout_of_which_nothing_works_does_not_go_on() -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 started failed"),
        revision=2,
        rollout=a_rollout(a_step(StepPhase.STARTING)),
        policy=RolloutPolicy(monitor_ms=0, retries=0, failure_action=FailureAction.CONTINUE),
    )
    assert rollout_of(view).phase is RolloutPhase.ROLLING_BACK


@pytest.mark.parametrize(("surge", "started"), [(0, 3), (1, 1), (2, 2)])
def test_the_way_back_has_a_surge_of_its_own(surge: int, started: int) -> None:
    view = a_view(
        *(f"2/{number}@h{number + 1} serving healthy" for number in range(3)),
        replicas=3,
        revision=2,
        rollout=a_rollout(phase=RolloutPhase.ROLLING_BACK),
        policy=RolloutPolicy(rollback_surge=surge),
    )
    assert len(orders(view)) == started


def test_a_while_passes_between_batches() -> None:
    done = ReplicaProgress(ordinal=0, phase=StepPhase.DONE, node_id=NodeId("h2"), since_ms=NOW_MS - 4_000)
    view = a_view(
        "2/0@h2 serving healthy",
        "1/1@h1 serving healthy",
        replicas=2,
        revision=2,
        rollout=a_rollout(done),
        policy=RolloutPolicy(monitor_ms=0, delay_ms=10_000),
    )
    waiting = decision(view)
    assert orders(view) == []
    assert waiting.wake_at_ms == NOW_MS + 6_000
    urgent = replace(view, assignments=(view.assignments[0], a_copy("1/1@h1 started exited")))
    assert "2/1@h1 started" in orders(urgent), "what nobody stands in for does not wait"


# ---- what people ask of a rolling update -----------------------------------------------------------------


def asked(steer: Steer, phase: RolloutPhase = RolloutPhase.RUNNING, **fields: Any) -> Rollout:
    steering = Steering(steer=steer, by="ann", at_ms=NOW_MS, reason="too many errors")
    rollout = a_rollout(a_step(StepPhase.STARTING, attempts=1), phase=phase, **fields)
    return replace(rollout, steering=steering, paused_ms=NOW_MS - 2_000)


def test_to_abort_is_to_go_back() -> None:
    view = a_view("1/0@h1 serving healthy", "2/0@h2 started starting", revision=2, rollout=asked(Steer.ABORT))
    turned = rollout_of(view)
    assert (turned.phase, turned.reason) == (RolloutPhase.ROLLING_BACK, "aborted by ann: too many errors")
    assert turned.steering is None
    assert orders(view) == ["2/0@h2 removed"]


def test_a_first_deployment_is_aborted_where_it_is() -> None:
    view = a_view(
        "1/0@h2 started starting", stable=0, rollout=asked(Steer.ABORT, from_revision=0, to_revision=1)
    )
    ended = rollout_of(view)
    assert ended.phase is RolloutPhase.FAILED
    assert ended.reason == "aborted by ann: too many errors; there is no earlier revision to go back to"
    assert orders(view) == ["1/0@h2 removed"]


def test_a_paused_rollout_may_be_aborted() -> None:
    rollout = asked(Steer.ABORT, RolloutPhase.PAUSED)
    view = a_view("1/0@h1 serving healthy", "2/1@h2 serving healthy", replicas=2, revision=2, rollout=rollout)
    assert rollout_of(view).phase is RolloutPhase.ROLLING_BACK


def test_to_resume_is_to_try_again_what_failed_with_the_time_it_had() -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        "2/0@h2 started starting",
        revision=2,
        rollout=asked(Steer.RESUME, RolloutPhase.PAUSED),
    )
    resumed = rollout_of(view)
    assert (resumed.phase, resumed.paused_ms) == (RolloutPhase.RUNNING, 0)
    assert resumed.replicas[0].attempts == 0
    assert resumed.replicas[0].since_ms == NOW_MS - 1_000 + 2_000


# ---- routers ---------------------------------------------------------------------------------------------


def test_every_live_router_must_know_the_new_replica_before_the_old_one_goes() -> None:
    step = a_step(StepPhase.ROUTING)
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 serving healthy", token=50),
        revision=2,
        rollout=a_rollout(step),
        routed={"h1": 50, "h2": 49},
    )
    waiting = decision(view)
    assert waiting.awaits_routers
    assert orders(view) == []
    down = replace(view, nodes={**view.nodes, NodeId("h2"): a_node("h2", NodeStatus.SUSPECT)})
    assert orders(down) == []
    known = replace(view, routers={**view.routers, NodeId("h2"): a_router("h2", 50)})
    assert orders(known) == ["1/0@h1 draining"]


def a_router(name: str, index: int) -> RouterState:
    return RouterState(node_id=NodeId(name), routed_index=index, drained_index=index, reported_at_ms=0)


@pytest.mark.parametrize(("exceptions", "made"), [((50,), []), ((40, 60), ["1/0@h1 draining"])])
def test_what_a_router_cannot_bring_in_force_holds_back_only_its_own_replica(
    exceptions: tuple[int, ...], made: list[str]
) -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 serving healthy", token=50),
        revision=2,
        rollout=a_rollout(a_step(StepPhase.ROUTING)),
        routed={"h1": 70, "h2": 70},
    )
    excepting = replace(a_router("h2", 70), unrouted=exceptions)
    view = replace(view, routers={**view.routers, NodeId("h2"): excepting})
    assert orders(view) == made
    assert decision(view).awaits_routers


@pytest.mark.parametrize(("exceptions", "made"), [((50,), []), ((40, 60), ["1/0@h1 removed"])])
def test_requests_that_are_not_done_hold_back_only_the_removal_of_their_own_replica(
    exceptions: tuple[int, ...], made: list[str]
) -> None:
    view = a_view(
        a_copy("1/0@h1 draining healthy", token=50),
        "2/0@h2 serving healthy",
        revision=2,
        rollout=a_rollout(a_step(StepPhase.DRAINING)),
        routed={"h1": 70, "h2": 70},
    )
    excepting = replace(a_router("h2", 70), undrained=exceptions)
    view = replace(view, routers={NodeId("h1"): a_router("h1", 70), NodeId("h2"): excepting})
    assert orders(view) == made


def test_an_exception_of_a_router_that_is_down_is_not_waited_for() -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 serving healthy", token=50),
        revision=2,
        rollout=a_rollout(a_step(StepPhase.ROUTING)),
        nodes=(a_node("h3", NodeStatus.DOWN),),
    )
    view = replace(view, routers={NodeId("h3"): replace(a_router("h3", 70), unrouted=(50,))})
    assert orders(view) == ["1/0@h1 draining"]


def test_a_router_that_is_down_is_not_waited_for() -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 serving healthy", token=50),
        revision=2,
        rollout=a_rollout(a_step(StepPhase.ROUTING)),
        routed={"h1": 50, "h3": 0},
        nodes=(a_node("h3", NodeStatus.DOWN),),
    )
    assert orders(view) == ["1/0@h1 draining"]


def test_a_service_without_a_route_waits_for_no_router() -> None:
    specs = {1: a_spec("v1", route=None), 2: a_spec("v2", route=None)}
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("2/0@h2 serving healthy", token=50),
        revision=2,
        rollout=a_rollout(a_step(StepPhase.ROUTING)),
        routed={"h1": 0},
        specs=specs,
    )
    assert orders(view) == ["1/0@h1 removed"]


def test_the_drain_ends_with_the_routers_word_or_with_its_time() -> None:
    policy = RolloutPolicy(drain_timeout_ms=30_000)
    step = a_step(StepPhase.DRAINING)
    old = a_copy("1/0@h1 draining healthy", token=60, age_ms=30_999)
    new = "2/0@h2 serving healthy"
    view = a_view(
        old, new, revision=2, rollout=a_rollout(step), policy=policy, routed={"h1": 70}, drained={"h1": 59}
    )
    assert orders(view) == []
    assert decision(view).wake_at_ms == NOW_MS + 1
    late = a_copy("1/0@h1 draining healthy", token=60, age_ms=31_000)
    assert orders(replace(view, assignments=(late, view.assignments[1]))) == ["1/0@h1 removed"]
    drained = replace(view, routers={NodeId("h1"): a_router("h1", 70)})
    assert orders(drained) == ["1/0@h1 removed"]


def test_a_container_that_has_ended_has_nothing_to_drain() -> None:
    view = a_view(
        "1/0@h1 draining exited",
        "2/0@h2 serving healthy",
        revision=2,
        rollout=a_rollout(a_step(StepPhase.DRAINING)),
        routed={"h1": 0},
    )
    assert orders(view) == ["1/0@h1 removed"]


# ---- hosts -----------------------------------------------------------------------------------------------


def test_a_replica_on_a_host_that_is_down_is_replaced_in_the_same_change() -> None:
    view = a_view("1/0@h1 serving healthy", nodes=(a_node("h1", NodeStatus.DOWN),))
    assert orders(view) == ["1/0@h1 removed", "1/0@h2 started"]


def test_a_replica_on_a_suspect_host_is_left_alone() -> None:
    view = a_view("1/0@h1 serving healthy", nodes=(a_node("h1", NodeStatus.SUSPECT),))
    assert decision(view).transition is None


def test_what_a_host_that_left_had_is_forgotten_and_replaced() -> None:
    view = a_view("1/0@h1 serving healthy", nodes=(a_node("h1", NodeStatus.LEFT),))
    assert orders(view) == ["1/0@h1 removed", "1/0@h2 started"]
    assert forgotten(view) == ["1/0@h1"]


def test_a_removal_its_host_does_not_confirm_is_not_counted_for_ever() -> None:
    stuck = [a_copy(f"1/{ordinal}@h1 removed healthy", age_ms=60_000) for ordinal in (0, 1)]
    view = a_view(*stuck, replicas=2, policy=RolloutPolicy(max_surge=0, max_unavailable=1))
    assert orders(view) == []
    freed = replace(view, assignments=tuple(replace(copy, changed_at_ms=NOW_MS - 70_000) for copy in stuck))
    assert orders(freed) == ["1/0@h2 started", "1/1@h3 started"]


def test_a_removed_service_does_not_wait_for_a_host_that_is_away() -> None:
    view = a_view(
        "1/0@h1 serving healthy",
        a_copy("1/1@h2 removed removed"),
        is_removed=True,
        nodes=(a_node("h1", NodeStatus.DOWN),),
    )
    transition = decision(view).transition
    assert transition is not None
    assert forgotten(view) == ["1/0@h1", "1/1@h2"]
    assert transition.is_service_forgotten


def test_a_removed_service_cancels_its_rollout() -> None:
    view = a_view("1/0@h1 serving healthy", revision=2, rollout=a_rollout(), is_removed=True)
    assert rollout_of(view).phase is RolloutPhase.CANCELLED
    assert orders(view) == ["1/0@h1 draining"]


# ---- being at rest ---------------------------------------------------------------------------------------


def test_a_service_that_is_as_it_should_be_needs_nothing() -> None:
    assert decision(a_view("1/0@h1 serving healthy")) == Decision()


def test_a_revision_that_failed_is_not_tried_again() -> None:
    ended = a_rollout(phase=RolloutPhase.ROLLED_BACK)
    assert decision(a_view("1/0@h1 serving healthy", revision=2, last_rollout=ended)).transition is None


def test_what_a_failed_first_deployment_left_is_not_taken_down_to_be_moved() -> None:
    ended = a_rollout(phase=RolloutPhase.FAILED, from_revision=0, to_revision=1)
    fields: dict[str, Any] = {
        "replicas": 2,
        "stable": 0,
        "last_rollout": ended,
        "nodes": (a_node("h1", is_draining=True),),
    }
    stop_first = RolloutPolicy(max_surge=0, max_unavailable=1)
    assert (
        orders(a_view("1/0@h1 serving healthy", "1/1@h2 serving healthy", policy=stop_first, **fields)) == []
    )
    view = a_view("1/0@h1 serving healthy", "1/1@h2 serving healthy", **fields)
    assert orders(view) == ["1/0@h3 started"]


def test_of_two_copies_of_one_replica_the_healthy_one_stays() -> None:
    view = a_view("1/0@h1 started exited", "1/0@h2 started healthy")
    assert orders(view) == ["1/0@h1 removed", "1/0@h2 serving"]


def test_a_replica_nobody_can_take_is_said() -> None:
    taken = [a_copy(f"1/0@{name} removed healthy", age_ms=60_000) for name in ("h1", "h2", "h3")]
    made = decision(a_view(*taken, policy=RolloutPolicy(max_surge=9)))
    assert made.transition is None
    assert made.blocked == ("replica 0: no host can take it",)


def test_no_more_replicas_are_started_by_one_decision_than_a_command_holds() -> None:
    view = a_view(replicas=1000)
    transition = decision(view).transition
    assert transition is not None
    assert len(transition.orders) == 64


# ---- limits ----------------------------------------------------------------------------------------------


def bounds(spec: ServiceSpec, *, replicas: int = 1, policy: RolloutPolicy | None = None) -> Limits:
    view = a_view(replicas=replicas, specs={1: spec}, policy=policy)
    return limits(view, 1, is_update=True)


def a_mount(kind: VolumeKind, *, is_read_only: bool = False) -> VolumeMount:
    source = "" if kind is VolumeKind.TMPFS else "/srv/data"
    return VolumeMount(kind=kind, target="/data", source=source, is_read_only=is_read_only)


def test_start_first_is_more_surge_than_unavailability() -> None:
    assert bounds(a_spec()) == Limits(surge=1, unavailable=0)
    both = RolloutPolicy(max_surge=1, max_unavailable=1)
    assert bounds(a_spec(), policy=both) == Limits(surge=0, unavailable=1)


def test_a_fixed_port_makes_an_update_stop_first_and_says_so() -> None:
    spec = a_spec(ports=(PublishedPort(container_port=80, host_port=8080),))
    made = bounds(spec, replicas=3)
    assert (made.surge, made.unavailable) == (0, 1)
    assert "host port 8080 is fixed" in made.reason
    assert limits(a_view(specs={1: spec}), 1, is_update=False).is_start_first


@pytest.mark.parametrize("kind", [VolumeKind.VOLUME, VolumeKind.BIND])
def test_one_replica_that_writes_to_the_host_is_updated_stop_first(kind: VolumeKind) -> None:
    assert not bounds(a_spec(volumes=(a_mount(kind),))).is_start_first
    assert bounds(a_spec(volumes=(a_mount(kind),)), replicas=2).is_start_first
    assert bounds(a_spec(volumes=(a_mount(kind, is_read_only=True),))).is_start_first


def test_memory_and_ports_the_engine_chooses_need_no_stop() -> None:
    assert bounds(a_spec(volumes=(a_mount(VolumeKind.TMPFS),))).is_start_first
    assert bounds(a_spec(ports=(PublishedPort(container_port=80, host_port=0),))).is_start_first


# ---- a new leader ----------------------------------------------------------------------------------------


def test_a_new_leader_gives_every_step_a_minute() -> None:
    rollout = replace(a_rollout(a_step(StepPhase.STARTING, left_ms=-5_000)), deadline_ms=NOW_MS - 1)
    transition = resume(a_view(revision=2, rollout=rollout), NOW_MS)
    assert transition is not None
    assert transition.rollout is not None
    assert transition.rollout.deadline_ms == NOW_MS + 60_000
    assert transition.rollout.replicas[0].deadline_ms == NOW_MS + 60_000
    assert resume(a_view(revision=2, rollout=transition.rollout), NOW_MS) is None


def test_the_time_a_replica_is_watched_is_not_made_longer() -> None:
    rollout = a_rollout(a_step(StepPhase.MONITORING, left_ms=500))
    assert resume(a_view(revision=2, rollout=rollout), NOW_MS) is None


def test_there_is_nothing_to_resume_without_a_rollout_under_way() -> None:
    assert resume(a_view(), NOW_MS) is None
    assert resume(a_view(revision=2, rollout=a_rollout(phase=RolloutPhase.PAUSED)), NOW_MS) is None


def test_a_replica_that_failed_for_good_is_not_counted_among_those_that_answer() -> None:
    step = ReplicaProgress(ordinal=0, phase=StepPhase.WAITING, attempts=1)
    view = a_view(
        "1/1@h2 serving healthy",
        "2/0@h1 removed failed",
        replicas=2,
        revision=2,
        stable=0,
        rollout=a_rollout(step, from_revision=0),
        policy=RolloutPolicy(
            monitor_ms=0, retries=0, max_surge=0, max_unavailable=1, failure_action=FailureAction.CONTINUE
        ),
    )
    assert "1/1@h2 draining" not in orders(view)

"""Decisions on a service whose replica may never run twice, above all while its host is out of sight."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import (
    Assignment,
    DesiredState,
    Fencing,
    Observation,
    ReplicaPhase,
    Revision,
    RolloutPolicy,
    Service,
)
from cluster.rollout import Decision, NoHost, ServiceView, WantedReplica, decide
from cluster.rollout.limits import limits
from tests.support.state_builders import a_spec

NOW_MS = 1_800_000_000_000
DB = ServiceId("shop.db")
H1, H2, H3 = NodeId("h1"), NodeId("h2"), NodeId("h3")
UP, DOWN, LEFT, SUSPECT = NodeStatus.UP, NodeStatus.DOWN, NodeStatus.LEFT, NodeStatus.SUSPECT
MINUTE_MS = 60_000


def a_copy(
    host: NodeId,
    desired: DesiredState = DesiredState.SERVING,
    phase: ReplicaPhase = ReplicaPhase.HEALTHY,
    *,
    revision: int = 1,
    age_ms: int = 1_000,
) -> Assignment:
    return Assignment(
        service_id=DB,
        revision=revision,
        ordinal=0,
        node_id=host,
        desired=desired,
        token=10,
        leader_term=1,
        changed_at_ms=NOW_MS - age_ms,
        observed=Observation(phase=phase),
    )


def a_node(host: NodeId, status: NodeStatus, *, is_fenced: bool = False, is_draining: bool = False) -> Node:
    return Node(
        id=host,
        name=f"host-{host}",
        address=f"{host}.example:7444",
        api_address=f"{host}.example:7443",
        role=NodeRole.VOTER,
        status=status,
        status_at_ms=0,
        joined_at_ms=0,
        is_fenced=is_fenced,
        is_draining=is_draining,
    )


def a_view(
    *copies: Assignment,
    h1: NodeStatus = UP,
    fencing: Fencing = Fencing.STRICT,
    made_as: dict[int, Fencing] | None = None,
    over: frozenset[NodeId] = frozenset(),
    ends_ms: int | None = None,
    revision: int = 1,
    rollout: Rollout | None = None,
    is_fenced: bool = False,
    is_draining: bool = False,
    is_removed: bool = False,
) -> ServiceView:
    """A database with one replica. `made_as` is how each revision's containers are fenced."""
    fencings = made_as or {}
    return ServiceView(
        service=Service(
            id=DB,
            project="shop",
            name="db",
            replicas=1,
            policy=RolloutPolicy(monitor_ms=0),
            revision=revision,
            stable_revision=1,
            rollout_id=None if rollout is None else rollout.id,
            version=5,
            created_at_ms=0,
            changed_at_ms=0,
            is_removed=is_removed,
            fencing=fencing,
        ),
        revisions={
            number: Revision(
                service_id=DB,
                number=number,
                spec=a_spec(f"v{number}", route=None, fencing=fencings.get(number, fencing)),
                created_at_ms=0,
                created_by="u1",
            )
            for number in range(1, revision + 1)
        },
        assignments=copies,
        nodes={
            H1: a_node(H1, h1, is_fenced=is_fenced, is_draining=is_draining),
            H2: a_node(H2, UP),
            H3: a_node(H3, UP),
        },
        routers={},
        rollout=rollout,
        leases_over=over,
        lease_ends_ms={} if ends_ms is None else {H1: ends_ms},
    )


def choose_next(wanted: WantedReplica) -> NodeId | NoHost:
    for host in (H2, H3):
        if host not in wanted.avoid:
            return host
    return NoHost("no host is left")


def decided(view: ServiceView) -> Decision:
    return decide(view, NOW_MS, rollout_id=RolloutId("ro_new"), choose=choose_next)


def orders(decision: Decision) -> list[str]:
    if decision.transition is None:
        return []
    return [
        f"{order.key.revision}@{order.key.node_id} {order.desired}" for order in decision.transition.orders
    ]


# ---- a host is lost -----------------------------------------------------------------------------


def test_a_lost_replica_is_waited_for_until_its_host_has_surely_stopped_it() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN, ends_ms=NOW_MS + 8_000))
    assert decision.transition is None
    assert decision.wake_at_ms == NOW_MS + 8_000
    assert decision.blocked == (
        "replica 0: waits until host-h1, which is down, has surely stopped it: it never runs twice",
    )


def test_it_starts_elsewhere_once_the_lease_has_run_out() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN, over=frozenset({H1})))
    assert orders(decision) == ["1@h1 removed", "1@h2 started"]


def test_a_host_whose_lease_is_not_known_may_hold_one() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN))
    assert decision.transition is None
    assert decision.wake_at_ms is None


def test_a_lease_that_ran_out_says_nothing_of_a_host_that_is_not_down() -> None:
    for status in (UP, SUSPECT):
        assert decided(a_view(a_copy(H1), h1=status, over=frozenset({H1}))).transition is None


def test_a_host_that_returns_in_time_keeps_its_replica() -> None:
    lost = a_view(a_copy(H1), h1=DOWN, ends_ms=NOW_MS + 1)
    assert decided(lost).transition is None
    assert decided(replace(lost, nodes={**lost.nodes, H1: a_node(H1, UP)})).transition is None


def test_a_person_who_says_that_the_host_is_off_ends_the_wait() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN, is_fenced=True))
    assert orders(decision) == ["1@h1 removed", "1@h2 started"]


def test_a_host_that_has_left_may_hold_a_lease_for_a_while() -> None:
    waiting = decided(a_view(a_copy(H1), h1=LEFT, ends_ms=NOW_MS + 500))
    assert orders(waiting) == ["1@h1 removed"]
    assert waiting.transition is not None
    assert waiting.transition.forget == ()
    ordered = a_copy(H1, DesiredState.REMOVED)
    waiting = decided(a_view(ordered, h1=LEFT, ends_ms=NOW_MS + 500))
    assert waiting.transition is None
    assert waiting.wake_at_ms == NOW_MS + 500
    decision = decided(a_view(ordered, h1=LEFT, over=frozenset({H1})))
    assert orders(decision) == ["1@h2 started"]


# ---- what only a person can know ----------------------------------------------------------------


def test_manual_fencing_waits_for_a_person_however_long_the_host_is_away() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN, fencing=Fencing.MANUAL, over=frozenset({H1})))
    assert decision.transition is None
    [blocked] = decision.blocked
    assert "`tower node fence host-h1` says that it does not" in blocked
    confirmed = a_view(a_copy(H1), h1=DOWN, fencing=Fencing.MANUAL, is_fenced=True)
    assert orders(decided(confirmed)) == ["1@h1 removed", "1@h2 started"]


@pytest.mark.parametrize("made_as", [Fencing.NONE, Fencing.MANUAL])
def test_a_container_that_was_not_made_to_stop_by_itself_is_not_taken_for_stopped(made_as: Fencing) -> None:
    view = a_view(a_copy(H1), h1=DOWN, made_as={1: made_as}, over=frozenset({H1}))
    assert decided(view).transition is None
    assert orders(decided(a_view(a_copy(H1), h1=LEFT, made_as={1: made_as}))) != []


def test_strict_containers_of_a_service_that_is_manual_now_wait_for_a_person() -> None:
    view = a_view(
        a_copy(H1), h1=DOWN, fencing=Fencing.MANUAL, made_as={1: Fencing.STRICT}, over=frozenset({H1})
    )
    assert decided(view).transition is None


# ---- updates, drains and removal ----------------------------------------------------------------


def test_a_fenced_service_is_always_stopped_first() -> None:
    view = a_view(a_copy(H1))
    for is_update in (False, True):
        bounds = limits(view, 1, is_update=is_update)
        assert not bounds.is_start_first
        assert "never runs twice" in bounds.reason


def an_update(*copies: Assignment, **fields: object) -> ServiceView:
    rollout = Rollout(
        id=RolloutId("ro_1"),
        service_id=DB,
        from_revision=1,
        to_revision=2,
        phase=RolloutPhase.RUNNING,
        step=1,
        started_at_ms=NOW_MS - 5_000,
        changed_at_ms=NOW_MS - 1_000,
        deadline_ms=NOW_MS + 600_000,
    )
    return a_view(*copies, revision=2, rollout=rollout, **fields)  # type: ignore[arg-type]


def test_an_update_removes_the_old_replica_before_the_new_one_starts() -> None:
    assert orders(decided(an_update(a_copy(H1)))) == ["1@h1 removed"]
    going = a_copy(H1, DesiredState.REMOVED, ReplicaPhase.HEALTHY)
    assert orders(decided(an_update(going))) == []
    gone = a_copy(H1, DesiredState.REMOVED, ReplicaPhase.REMOVED)
    assert orders(decided(an_update(gone))) == ["2@h2 started"]


def test_a_removal_that_takes_for_ever_is_waited_for() -> None:
    hanging = a_copy(H1, DesiredState.REMOVED, ReplicaPhase.HEALTHY, age_ms=60 * MINUTE_MS)
    assert orders(decided(an_update(hanging))) == []


def test_an_update_waits_for_the_lease_of_a_lost_host_too() -> None:
    going = a_copy(H1, DesiredState.REMOVED)
    decision = decided(an_update(going, h1=DOWN, ends_ms=NOW_MS + 8_000))
    assert orders(decision) == []
    assert decision.wake_at_ms is None or decision.wake_at_ms <= NOW_MS + 8_000
    assert orders(decided(an_update(going, h1=DOWN, over=frozenset({H1})))) == ["2@h2 started"]


def test_a_drain_stops_it_before_it_starts_elsewhere() -> None:
    assert orders(decided(a_view(a_copy(H1), is_draining=True))) == ["1@h1 removed"]
    gone = a_copy(H1, DesiredState.REMOVED, ReplicaPhase.REMOVED)
    assert orders(decided(a_view(gone, is_draining=True))) == ["1@h2 started"]


def test_a_service_is_not_forgotten_while_its_replica_may_run() -> None:
    going = a_copy(H1, DesiredState.REMOVED)
    waiting = decided(a_view(going, h1=DOWN, is_removed=True, ends_ms=NOW_MS + 8_000))
    assert waiting.transition is None
    assert waiting.wake_at_ms == NOW_MS + 8_000
    ended = decided(a_view(going, h1=DOWN, is_removed=True, over=frozenset({H1}))).transition
    assert ended is not None
    assert ended.is_service_forgotten


def test_a_service_without_fencing_is_moved_as_soon_as_its_host_is_down() -> None:
    decision = decided(a_view(a_copy(H1), h1=DOWN, fencing=Fencing.NONE))
    assert orders(decision) == ["1@h1 removed", "1@h2 started"]


# ---- in any state -------------------------------------------------------------------------------

copies = st.builds(
    lambda host, desired, phase, revision: a_copy(host, desired, phase, revision=revision),
    st.sampled_from([H1, H2, H3]),
    st.sampled_from(DesiredState),
    st.sampled_from(ReplicaPhase),
    st.integers(1, 2),
)
states = st.builds(
    lambda found, is_update, **fields: (an_update if is_update else a_view)(
        *{copy.key: copy for copy in found}.values(), **fields
    ),
    st.lists(copies, max_size=4),
    st.booleans(),
    h1=st.sampled_from(NodeStatus),
    fencing=st.sampled_from([Fencing.STRICT, Fencing.MANUAL]),
    over=st.sets(st.sampled_from([H1, H2, H3])).map(frozenset),
    is_fenced=st.booleans(),
    is_draining=st.booleans(),
    is_removed=st.booleans(),
).filter(lambda view: all(copy.revision in view.revisions for copy in view.assignments))


@given(states)
def test_nothing_is_started_or_forgotten_beside_what_may_run(view: ServiceView) -> None:
    transition = decided(view).transition
    if transition is None:
        return
    present = {copy.key for copy in view.assignments}
    may_run = {
        copy.key
        for copy in view.assignments
        if not (copy.desired is DesiredState.REMOVED and copy.observed.phase is ReplicaPhase.REMOVED)
        and (view.is_alive(copy.node_id) or view.may_linger(copy))
    }
    started = [order for order in transition.orders if order.key not in present]
    assert not (started and may_run)
    assert len(started) <= 1
    assert not may_run & set(transition.forget)

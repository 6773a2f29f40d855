"""Services, revisions, assignments and rollouts: what must hold whoever decides."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.nodes import RemoveNode
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentRef,
    AssignmentReport,
    CommitTransition,
    RemoveService,
    ReportAssignments,
    RouterReport,
)
from cluster.encoding import codec, pack
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import (
    ROUTER_EXCEPTIONS_MAX,
    Assignment,
    DesiredState,
    Observation,
    ReplicaPhase,
    RolloutPolicy,
    Route,
    RouterState,
    Service,
    ServiceSpec,
)
from cluster.state_machine.services import REVISIONS_KEPT, ROLLOUTS_KEPT
from cluster.store.records import (
    ASSIGNMENTS,
    REVISIONS,
    ROLLOUTS,
    ROUTERS,
    SERVICES,
    assignments_of_node,
    rollouts_of_service,
)
from tests.support.state_builders import START_MS, Replica, a_node, a_service, a_spec

WEB = ServiceId("shop.web")
STARTED, SERVING, DRAINING, REMOVED = DesiredState


def a_replica() -> Replica:
    """Two hosts, a service at version 1 with revision 1, and a leader."""
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_node("n2"))
    replica.must(a_service())
    replica.lead()
    return replica


def the_service(replica: Replica) -> Service:
    found = SERVICES.get(replica.txn, WEB)
    assert found is not None
    return found


def the_assignment(replica: Replica, node: str = "n1", ordinal: int = 0, revision: int = 1) -> Assignment:
    found = ASSIGNMENTS.get(replica.txn, WEB, revision, ordinal, node)
    assert found is not None
    return found


def order(
    desired: DesiredState = STARTED, node: str = "n1", ordinal: int = 0, revision: int = 1
) -> AssignmentOrder:
    return AssignmentOrder(revision=revision, ordinal=ordinal, node_id=NodeId(node), desired=desired)


def transition(replica: Replica, *orders: AssignmentOrder, **fields: Any) -> CommitTransition:
    defaults: dict[str, Any] = {"expected_version": the_service(replica).version, "orders": orders}
    return CommitTransition(service_id=WEB, **{**defaults, **fields})


def a_rollout(rollout: str = "r1", phase: RolloutPhase = RolloutPhase.RUNNING, **fields: Any) -> Rollout:
    defaults: dict[str, Any] = {
        "service_id": WEB,
        "from_revision": 0,
        "to_revision": 1,
        "step": 1,
        "started_at_ms": START_MS,
        "changed_at_ms": START_MS,
        "deadline_ms": START_MS + 1000,
    }
    return Rollout(id=RolloutId(rollout), phase=phase, **{**defaults, **fields})


def report(token: int, phase: ReplicaPhase, **fields: Any) -> ReportAssignments:
    observed = Observation(phase=phase, address="172.17.0.2", port=8080)
    one = AssignmentReport(service_id=WEB, revision=1, ordinal=0, token=token, observed=observed)
    return ReportAssignments(**{"node_id": NodeId("n1"), "reports": (one,), **fields})


# Services and revisions


def test_a_new_service_has_revision_one() -> None:
    replica = Replica()
    assert replica.must(a_service(expected_version=0)) == (1, 1)
    revision = REVISIONS.get(replica.txn, WEB, 1)
    assert revision is not None
    assert revision.spec == a_spec()


def test_a_changed_spec_makes_a_revision_and_an_equal_one_does_not() -> None:
    replica = Replica()
    replica.must(a_service())
    assert replica.must(a_service(replicas=5)) == (1, 2)
    assert replica.must(a_service(policy=RolloutPolicy(monitor_ms=0))) == (1, 3)
    assert replica.must(a_service(spec=a_spec("web:2"))) == (2, 4)
    assert replica.must(a_service(spec=a_spec("web:1"))) == (3, 5)


def test_a_service_is_changed_only_against_the_version_that_was_read() -> None:
    replica = Replica()
    replica.must(a_service())
    assert replica.refusal(a_service(expected_version=0)).code is Code.VERSION_CONFLICT
    replica.must(a_service(expected_version=1))
    stale = RemoveService(service_id=WEB, expected_version=1)
    assert replica.refusal(stale).code is Code.VERSION_CONFLICT


def test_old_revisions_are_forgotten_but_not_those_in_use() -> None:
    replica = a_replica()
    replica.must(transition(replica, order(), stable_revision=1))
    for number in range(REVISIONS_KEPT + 5):
        replica.must(a_service(spec=a_spec(f"web:{number + 2}")))
    numbers = [revision.number for revision in REVISIONS.scan(replica.txn, WEB)]
    assert numbers == [1, *range(7, REVISIONS_KEPT + 7)]


def test_a_service_being_removed_is_not_changed() -> None:
    replica = a_replica()
    version = replica.must(RemoveService(service_id=WEB))
    assert replica.must(RemoveService(service_id=WEB)) == version
    assert replica.refusal(a_service()).code is Code.IN_USE


def test_a_service_is_forgotten_once_it_is_removed_and_has_no_replica() -> None:
    replica = a_replica()
    replica.must(transition(replica, order(), rollout=a_rollout()))
    gone = {"is_service_forgotten": True}
    assert replica.refusal(transition(replica, **gone)).code is Code.INVALID
    replica.must(RemoveService(service_id=WEB))
    assert replica.refusal(transition(replica, **gone)).code is Code.IN_USE
    replica.must(transition(replica, order(REMOVED)))
    ref = AssignmentRef(revision=1, ordinal=0, node_id=NodeId("n1"))
    replica.must(transition(replica, forget=(ref,), **gone))
    assert SERVICES.get(replica.txn, WEB) is None
    assert REVISIONS.scan(replica.txn, WEB) == []
    assert ROLLOUTS.scan(replica.txn) == []
    assert rollouts_of_service(replica.txn, WEB) == []


def test_a_service_that_returns_goes_on_counting_revisions() -> None:
    replica = a_replica()
    replica.must(a_service(spec=a_spec("web:2")))
    replica.must(RemoveService(service_id=WEB))
    replica.must(transition(replica, is_service_forgotten=True))
    assert replica.must(a_service()) == (3, 1)


# Assignments


def test_an_order_makes_an_assignment_with_the_index_as_its_token() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    assignment = the_assignment(replica)
    assert (assignment.desired, assignment.token, assignment.leader_term) == (STARTED, replica.index, 2)
    assert assignment.container_name == "tower-shop.web-1-0"
    assert assignments_of_node(replica.txn, "n1") == [assignment]
    assert assignments_of_node(replica.txn, "n2") == []


def test_a_changed_order_has_a_new_token_and_keeps_what_was_seen() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    token = the_assignment(replica).token
    replica.must(report(token, ReplicaPhase.HEALTHY))
    replica.must(transition(replica, order(SERVING)))
    assignment = the_assignment(replica)
    assert assignment.token > token
    assert assignment.observed.phase is ReplicaPhase.HEALTHY


def test_a_repeated_order_keeps_the_token() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    before = the_assignment(replica)
    replica.must(transition(replica, order()))
    assert the_assignment(replica) == before


def test_draining_may_be_taken_back_but_removal_may_not() -> None:
    replica = a_replica()
    for desired in (SERVING, DRAINING, SERVING, DRAINING, REMOVED):
        replica.must(transition(replica, order(desired)))
    assert replica.refusal(transition(replica, order(STARTED))).code is Code.INVALID


@pytest.mark.parametrize("desired", [DRAINING, REMOVED])
def test_what_is_not_assigned_cannot_be_drained_or_removed(desired: DesiredState) -> None:
    replica = a_replica()
    assert replica.refusal(transition(replica, order(desired))).code is Code.NOT_FOUND


def test_replicas_go_to_members_and_have_a_revision() -> None:
    replica = a_replica()
    assert replica.refusal(transition(replica, order(node="n9"))).code is Code.NOT_FOUND
    assert replica.refusal(transition(replica, order(revision=2))).code is Code.NOT_FOUND
    replica.must(RemoveNode(node_id=NodeId("n2"), reason="left"))
    assert replica.refusal(transition(replica, order(node="n2"))).code is Code.NOT_FOUND


def test_a_transition_is_whole_or_nothing() -> None:
    replica = a_replica()
    before = the_service(replica)
    refused = transition(replica, order(), order(node="n9"), rollout=a_rollout())
    assert replica.refusal(refused).code is Code.NOT_FOUND
    assert the_service(replica) == before
    assert ASSIGNMENTS.scan(replica.txn) == []
    assert ROLLOUTS.scan(replica.txn) == []


def test_a_transition_decided_on_an_older_version_is_rejected() -> None:
    replica = a_replica()
    decided = transition(replica, order())
    replica.must(a_service(replicas=3))
    assert replica.refusal(decided).code is Code.VERSION_CONFLICT


def test_only_the_leader_commits_transitions() -> None:
    replica = a_replica()
    assert replica.refusal(transition(replica, order()), leader_term=0).code is Code.FENCED


def test_an_assignment_is_forgotten_only_after_removal() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    ref = AssignmentRef(revision=1, ordinal=0, node_id=NodeId("n1"))
    assert replica.refusal(transition(replica, forget=(ref,))).code is Code.IN_USE
    replica.must(transition(replica, order(REMOVED)))
    replica.must(transition(replica, forget=(ref,)))
    assert assignments_of_node(replica.txn, "n1") == []
    replica.must(transition(replica, forget=(ref,)))


# Reports


def test_a_report_with_the_present_token_counts() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    assert replica.must(report(the_assignment(replica).token, ReplicaPhase.HEALTHY)) == 1
    assert the_assignment(replica).observed.address == "172.17.0.2"


def test_a_late_report_does_not_count() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    old = the_assignment(replica).token
    replica.must(transition(replica, order(SERVING)))
    assert replica.must(report(old, ReplicaPhase.FAILED)) == 0
    assert the_assignment(replica).observed == Observation()


def test_a_report_on_what_is_not_assigned_to_the_host_does_not_count() -> None:
    replica = a_replica()
    replica.must(transition(replica, order(node="n1")))
    token = the_assignment(replica).token
    assert replica.must(report(token, ReplicaPhase.HEALTHY, node_id=NodeId("n2"))) == 0


def test_a_report_does_not_change_the_version_the_leader_decides_on() -> None:
    replica = a_replica()
    replica.must(transition(replica, order()))
    version = the_service(replica).version
    replica.must(report(the_assignment(replica).token, ReplicaPhase.HEALTHY))
    assert the_service(replica).version == version


def test_a_router_never_takes_back_how_far_it_has_come() -> None:
    replica = a_replica()
    for routed, drained in ((7, 5), (6, 6)):
        router = RouterReport(routed_index=routed, drained_index=drained)
        replica.must(ReportAssignments(node_id=NodeId("n1"), reports=(), router=router))
    state = ROUTERS.get(replica.txn, "n1")
    assert state is not None
    assert (state.routed_index, state.drained_index) == (7, 6)


def told(*reports: RouterReport) -> RouterState:
    """What is committed of a router that has reported all of these, one after the other."""
    replica = a_replica()
    for router in reports:
        replica.must(ReportAssignments(node_id=NodeId("n1"), reports=(), router=router))
    state = ROUTERS.get(replica.txn, "n1")
    assert state is not None
    return state


def routed(index: int, *unrouted: int) -> RouterReport:
    return RouterReport(routed_index=index, drained_index=0, unrouted=unrouted)


@pytest.mark.parametrize(
    ("reports", "index", "exceptions"),
    [
        ([routed(9, 4, 6)], 9, (4, 6)),
        ([routed(9, 4, 6), routed(12, 6, 11)], 12, (6, 11)),
        ([routed(9, 4, 6), routed(9, 6)], 9, (6,)),
        # What was in force once stays so, whatever a report says and when it comes.
        ([routed(9, 4), routed(9, 4, 6)], 9, (4,)),
        ([routed(9, 4), routed(9)], 9, ()),
        ([routed(9), routed(9, 4)], 9, ()),
        ([routed(9, 6), routed(12, 4, 6, 11)], 12, (6, 11)),
        ([routed(9, 4), routed(8)], 9, (4,)),
        ([routed(9), routed(8, 4)], 9, ()),
    ],
)
def test_a_report_of_a_router_takes_nothing_back(
    reports: list[RouterReport], index: int, exceptions: tuple[int, ...]
) -> None:
    state = told(*reports)
    assert (state.routed_index, state.unrouted) == (index, exceptions)
    mirrored = [
        RouterReport(routed_index=0, drained_index=r.routed_index, undrained=r.unrouted) for r in reports
    ]
    state = told(*mirrored)
    assert (state.drained_index, state.undrained) == (index, exceptions)


def test_what_is_routed_and_what_is_drained_go_their_own_ways() -> None:
    state = told(
        RouterReport(routed_index=9, drained_index=9, unrouted=(4,), undrained=(5,)),
        RouterReport(routed_index=12, drained_index=7, unrouted=(10,), undrained=()),
        RouterReport(routed_index=11, drained_index=13, unrouted=(), undrained=(5, 13)),
    )
    assert (state.routed_index, state.unrouted) == (12, (10,))
    assert (state.drained_index, state.undrained) == (13, (5, 13))


@pytest.mark.parametrize("exceptions", [(0,), (10,), (5, 4), (4, 4), tuple(range(1, 66))])
@pytest.mark.parametrize("field", ["unrouted", "undrained"])
def test_exceptions_of_a_router_are_few_ascending_and_below_its_index(
    field: str, exceptions: tuple[int, ...]
) -> None:
    index = 100 if len(exceptions) > 2 else 9
    fields: dict[str, Any] = {"routed_index": index, "drained_index": index, field: exceptions}
    for make in (RouterReport, partial(RouterState, node_id=NodeId("n1"), reported_at_ms=0)):
        with pytest.raises(ValueError, match=field):
            make(**fields)
    fields[field] = exceptions[:ROUTER_EXCEPTIONS_MAX] if len(exceptions) > 2 else (1, index)
    assert getattr(RouterReport(**fields), field) == fields[field]


def test_a_router_record_from_before_there_were_exceptions_has_none() -> None:
    state = codec(RouterState).decode(pack(["n1", 30, 29, 5]))
    assert state == RouterState(node_id=NodeId("n1"), routed_index=30, drained_index=29, reported_at_ms=5)
    assert codec(RouterState).encode(state) == pack(["n1", 30, 29, 5])


def test_a_router_of_no_member_is_refused() -> None:
    router = RouterReport(routed_index=1, drained_index=1)
    command = ReportAssignments(node_id=NodeId("n9"), reports=(), router=router)
    assert a_replica().refusal(command).code is Code.NOT_FOUND


# Rollouts


def test_a_service_has_one_rollout_under_way() -> None:
    replica = a_replica()
    replica.must(transition(replica, rollout=a_rollout("r1")))
    assert the_service(replica).rollout_id == "r1"
    assert replica.refusal(transition(replica, rollout=a_rollout("r2"))).code is Code.IN_USE
    replica.must(transition(replica, rollout=a_rollout("r1", RolloutPhase.SUCCEEDED), stable_revision=1))
    service = the_service(replica)
    assert (service.rollout_id, service.stable_revision) == (None, 1)
    replica.must(transition(replica, rollout=a_rollout("r2")))
    assert [rollout.id for rollout in rollouts_of_service(replica.txn, WEB)] == ["r2", "r1"]


@pytest.mark.parametrize(
    "phase", [RolloutPhase.SUCCEEDED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED, RolloutPhase.CANCELLED]
)
def test_a_rollout_that_ended_stays_ended(phase: RolloutPhase) -> None:
    replica = a_replica()
    replica.must(transition(replica, rollout=a_rollout()))
    replica.must(transition(replica, rollout=a_rollout(phase=phase)))
    assert replica.refusal(transition(replica, rollout=a_rollout())).code is Code.INVALID


def test_a_rollout_is_between_revisions_of_its_service() -> None:
    replica = a_replica()
    replica.must(a_service("shop.db"))
    other = a_rollout(service_id=ServiceId("shop.db"))
    assert replica.refusal(transition(replica, rollout=other)).code is Code.INVALID
    for rollout in (a_rollout(to_revision=2), a_rollout(from_revision=7)):
        assert replica.refusal(transition(replica, rollout=rollout)).code is Code.NOT_FOUND
    assert replica.refusal(transition(replica, stable_revision=9)).code is Code.NOT_FOUND


def test_a_rollout_id_of_another_service_is_refused() -> None:
    replica = a_replica()
    replica.must(a_service("shop.db"))
    theirs = CommitTransition(
        service_id=ServiceId("shop.db"),
        expected_version=1,
        rollout=a_rollout(service_id=ServiceId("shop.db")),
    )
    replica.must(theirs)
    assert replica.refusal(transition(replica, rollout=a_rollout())).code is Code.INVALID


def test_old_rollouts_are_forgotten() -> None:
    replica = a_replica()
    for number in range(ROLLOUTS_KEPT + 4):
        replica.must(transition(replica, rollout=a_rollout(f"r{number}", RolloutPhase.FAILED)))
    kept = rollouts_of_service(replica.txn, WEB)
    assert len(kept) == len(ROLLOUTS.scan(replica.txn)) == ROLLOUTS_KEPT
    assert kept[0].id == f"r{ROLLOUTS_KEPT + 3}"


def test_what_is_not_known_is_not_found() -> None:
    replica = Replica()
    assert replica.refusal(RemoveService(service_id=WEB)).code is Code.NOT_FOUND
    replica.lead()
    assert replica.refusal(CommitTransition(service_id=WEB, expected_version=1)).code is Code.NOT_FOUND


# Form


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": ""}, "image: 0 characters"),
        ({"environment": (("B", "1"), ("A", "2"))}, "environment: keys must be sorted"),
        ({"environment": (("A", "1"), ("A", "2"))}, "environment: keys must be sorted"),
        ({"stop_grace_period_ms": -1}, "stop_grace_period_ms -1"),
        ({"command": ("a\x00b",)}, r"command: character U\+0000 at 1"),
    ],
)
def test_a_spec_with_a_bad_field_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_spec(**fields)


def test_a_policy_under_which_nothing_could_move_is_refused() -> None:
    with pytest.raises(ValueError, match="both 0"):
        RolloutPolicy(max_surge=0, max_unavailable=0)


def test_a_route_needs_a_host_a_port_and_an_absolute_path() -> None:
    Route(host="*.shop.example", port=80, health_path="")
    for fields in ({"host": "Shop"}, {"port": 0}, {"health_path": "up"}):
        with pytest.raises(ValueError, match="route"):
            Route(**{"host": "shop.example", "port": 80, **fields})  # type: ignore[arg-type]  # bad on purpose


def test_environment_values_are_not_shown() -> None:
    spec = ServiceSpec(image="x", environment=(("PASSWORD", "hunter2"),))
    assert "hunter2" not in repr(spec)

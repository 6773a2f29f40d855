"""Replicas that somebody asks to be moved."""

from __future__ import annotations

from cluster.commands import Code
from cluster.commands.services import AssignmentOrder, AssignmentRef, CommitTransition, MoveReplicas
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import Assignment, DesiredState
from cluster.store.records import ASSIGNMENTS, SERVICES
from tests.support.state_builders import START_MS, Replica, a_node, a_service

WEB = ServiceId("shop.web")
MOVE = MoveReplicas(
    service_id=WEB,
    copies=(AssignmentRef(revision=1, ordinal=0, node_id=NodeId("n1")),),
    within_ms=60_000,
)


def a_replica() -> Replica:
    """A service whose replica 0 is on n1."""
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_service())
    replica.lead()
    order = AssignmentOrder(revision=1, ordinal=0, node_id=NodeId("n1"), desired=DesiredState.STARTED)
    replica.must(CommitTransition(service_id=WEB, expected_version=1, orders=(order,)))
    return replica


def the_copy(replica: Replica) -> Assignment:
    found = ASSIGNMENTS.get(replica.txn, WEB, 1, 0, "n1")
    assert found is not None
    return found


def test_a_replica_is_to_leave_for_a_time_that_ends() -> None:
    replica = a_replica()
    before = the_copy(replica)
    replica.now_ms += 1000
    version = replica.must(MOVE)
    after = the_copy(replica)
    assert after.leave_by_ms == START_MS + 61_000
    assert (after.token, after.desired) == (before.token, before.desired)
    service = SERVICES.get(replica.txn, WEB)
    assert service is not None
    assert version == service.version == 3


def test_what_is_not_there_is_not_moved() -> None:
    replica = a_replica()
    other = MoveReplicas(service_id=WEB, copies=(AssignmentRef(revision=1, ordinal=1, node_id=NodeId("n1")),))
    refusal = replica.refusal(other)
    assert refusal.code is Code.NOT_FOUND
    assert "no replica 1 of revision 1 on node n1" in refusal.reason


def test_a_move_is_asked_for_against_a_version() -> None:
    replica = a_replica()
    stale = MoveReplicas(service_id=WEB, copies=MOVE.copies, expected_version=1)
    assert replica.refusal(stale).code is Code.VERSION_CONFLICT


def test_nothing_is_moved_while_a_rollout_is_under_way() -> None:
    replica = a_replica()
    rollout = Rollout(
        id=RolloutId("r1"),
        service_id=WEB,
        from_revision=0,
        to_revision=1,
        phase=RolloutPhase.RUNNING,
        step=0,
        started_at_ms=START_MS,
        changed_at_ms=START_MS,
        deadline_ms=START_MS,
    )
    replica.must(CommitTransition(service_id=WEB, expected_version=2, rollout=rollout))
    refusal = replica.refusal(MOVE)
    assert refusal.code is Code.IN_USE
    assert "rollout r1 under way" in refusal.reason

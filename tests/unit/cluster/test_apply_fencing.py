"""In the log: leave for hosts to be away, what people say of lost ones, and replicas that never run twice."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands import Code, Outcome, Rejected
from cluster.commands.nodes import (
    MAINTENANCE_MAX_MS,
    ConfirmNodeFenced,
    RemoveNode,
    SetNodeMaintenance,
    SetNodeStatus,
)
from cluster.commands.services import (
    AssignmentOrder,
    AssignmentRef,
    AssignmentReport,
    CommitTransition,
    ReportAssignments,
)
from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Maintenance, Node, NodeStatus
from cluster.model.service import DesiredState, Fencing, Observation, ReplicaPhase
from cluster.store.records import ASSIGNMENTS, NODES, REVISIONS, SERVICES
from tests.support.state_builders import Replica, a_node, a_service, a_spec

DB = ServiceId("shop.db")
N1, N2 = NodeId("n1"), NodeId("n2")
STARTED, SERVING, _, REMOVED = DesiredState
UP, SUSPECT, DOWN = NodeStatus.UP, NodeStatus.SUSPECT, NodeStatus.DOWN


def a_replica(fencing: Fencing = Fencing.STRICT) -> Replica:
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_node("n2"))
    replica.must(a_service("shop.db", replicas=1, fencing=fencing))
    replica.lead()
    return replica


def the_node(replica: Replica) -> Node:
    found = NODES.get(replica.txn, N1)
    assert found is not None
    return found


def status(replica: Replica, found: NodeStatus) -> None:
    replica.must(SetNodeStatus(node_id=N1, status=found, reason=""))


def commit(
    replica: Replica, *orders: tuple[NodeId, DesiredState], forget: tuple[NodeId, ...] = ()
) -> Outcome:
    service = SERVICES.get(replica.txn, DB)
    assert service is not None
    refs = [AssignmentRef(revision=1, ordinal=0, node_id=node_id) for node_id in forget]
    return replica.apply(
        CommitTransition(
            service_id=DB,
            expected_version=service.version,
            orders=tuple(
                AssignmentOrder(revision=1, ordinal=0, node_id=node_id, desired=desired)
                for node_id, desired in orders
            ),
            forget=tuple(refs),
        )
    )


def confirm_removal(replica: Replica) -> None:
    present = ASSIGNMENTS.get(replica.txn, DB, 1, 0, N1)
    assert present is not None
    replica.must(
        ReportAssignments(
            node_id=N1,
            reports=(
                AssignmentReport(
                    service_id=DB,
                    revision=1,
                    ordinal=0,
                    token=present.token,
                    observed=Observation(phase=ReplicaPhase.REMOVED),
                ),
            ),
        )
    )


def is_conflict(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) and outcome.code is Code.VERSION_CONFLICT


# ---- never twice --------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [UP, SUSPECT])
def test_a_fenced_replica_is_not_ordered_beside_one_on_a_host_that_may_be_heard(found: NodeStatus) -> None:
    replica = a_replica()
    commit(replica, (N1, STARTED))
    status(replica, found)
    assert is_conflict(commit(replica, (N1, REMOVED), (N2, STARTED)))
    present = ASSIGNMENTS.get(replica.txn, DB, 1, 0, N1)
    assert present is not None
    assert present.desired is STARTED


def test_it_may_be_when_the_other_is_removed_or_its_host_is_down_or_has_left() -> None:
    removed = a_replica()
    commit(removed, (N1, STARTED))
    commit(removed, (N1, REMOVED))
    assert is_conflict(commit(removed, (N2, STARTED)))
    confirm_removal(removed)
    assert not isinstance(commit(removed, (N2, STARTED)), Rejected)

    lost = a_replica()
    commit(lost, (N1, STARTED))
    status(lost, DOWN)
    assert not isinstance(commit(lost, (N1, REMOVED), (N2, STARTED)), Rejected)

    left = a_replica()
    commit(left, (N1, STARTED))
    left.must(RemoveNode(node_id=N1, reason=""))
    assert not isinstance(commit(left, (N1, REMOVED), (N2, STARTED)), Rejected)


def test_the_record_of_one_that_may_run_is_not_forgotten() -> None:
    replica = a_replica()
    commit(replica, (N1, STARTED))
    commit(replica, (N1, REMOVED))
    assert is_conflict(commit(replica, forget=(N1,)))
    confirm_removal(replica)
    assert not isinstance(commit(replica, forget=(N1,)), Rejected)


def test_replicas_that_are_not_fenced_may_be_anywhere() -> None:
    replica = a_replica(Fencing.NONE)
    assert not isinstance(commit(replica, (N1, STARTED), (N2, STARTED)), Rejected)


def test_other_fencing_makes_a_revision_as_its_containers_are_made_in_another_way() -> None:
    replica = a_replica(Fencing.NONE)
    assert replica.must(a_service("shop.db", replicas=1, fencing=Fencing.STRICT)) == (2, 2)
    assert replica.must(a_service("shop.db", replicas=1, fencing=Fencing.STRICT)) == (2, 3)
    fencings = [revision.spec.fencing for revision in REVISIONS.scan(replica.txn, DB)]
    assert fencings == [Fencing.NONE, Fencing.STRICT]


# ---- leave --------------------------------------------------------------------------------------


def give(replica: Replica, duration_ms: int, **fields: Any) -> None:
    replica.must(SetNodeMaintenance(node_id=N1, duration_ms=duration_ms, **fields))


def test_leave_lasts_from_the_time_of_the_log_and_is_given_back_by_the_host() -> None:
    replica = a_replica()
    give(replica, 60_000, reason="its agent restarts")
    present = the_node(replica).maintenance
    now_ms = replica.txn.log_time_ms
    assert present == Maintenance(until_ms=now_ms + 60_000, longest_ms=60_000, reason="its agent restarts")
    assert present.left_ms(now_ms + 20_000) == 40_000
    assert present.left_ms(now_ms + 70_000) == 0
    give(replica, 0, is_given_back=True)
    assert the_node(replica).maintenance is None


def test_leave_that_is_ended_by_others_is_remembered_until_the_host_gives_it_back() -> None:
    replica = a_replica()
    give(replica, 60_000)
    give(replica, 0)
    ended = the_node(replica).maintenance
    assert ended is not None
    assert ended.is_ended
    assert ended.left_ms(replica.txn.log_time_ms) == 0
    assert ended.longest_ms == 60_000
    give(replica, 10_000)
    shorter = the_node(replica).maintenance
    assert shorter is not None
    assert (shorter.longest_ms, shorter.is_ended) == (60_000, False)
    assert shorter.left_ms(replica.txn.log_time_ms) == 10_000


def test_a_host_without_leave_has_none_to_end() -> None:
    replica = a_replica()
    give(replica, 0)
    assert the_node(replica).maintenance is None


def test_a_host_that_is_down_gets_no_leave() -> None:
    replica = a_replica()
    status(replica, DOWN)
    refusal = replica.refusal(SetNodeMaintenance(node_id=N1, duration_ms=1000))
    assert "is down: what it ran may be started elsewhere" in refusal.reason


def test_leave_has_a_longest_time() -> None:
    with pytest.raises(ValueError, match="duration_ms"):
        SetNodeMaintenance(node_id=N1, duration_ms=MAINTENANCE_MAX_MS + 1)
    with pytest.raises(ValueError, match="must be 0"):
        SetNodeMaintenance(node_id=N1, duration_ms=1, is_given_back=True)


# ---- what a person says -------------------------------------------------------------------------


def test_a_lost_host_is_said_to_run_nothing_until_it_is_heard_again() -> None:
    replica = a_replica()
    status(replica, DOWN)
    replica.must(ConfirmNodeFenced(node_id=N1))
    assert the_node(replica).is_fenced
    status(replica, UP)
    assert not the_node(replica).is_fenced


@pytest.mark.parametrize("found", [UP, SUSPECT])
def test_it_cannot_be_said_of_a_host_that_is_not_down(found: NodeStatus) -> None:
    replica = a_replica()
    status(replica, found)
    refusal = replica.refusal(ConfirmNodeFenced(node_id=N1))
    assert f"is {found}, not down" in refusal.reason


def test_how_a_revision_is_fenced_is_what_its_service_was_when_it_was_made() -> None:
    replica = Replica()
    replica.must(a_service("shop.db", spec=a_spec(fencing=Fencing.STRICT), fencing=Fencing.NONE))
    [revision] = REVISIONS.scan(replica.txn, DB)
    assert revision.spec.fencing is Fencing.NONE

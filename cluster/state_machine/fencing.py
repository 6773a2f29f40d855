"""What must hold for a service that may never run twice, whoever decided and whenever it is committed.

When a lost host's lease has run out is the leader's knowledge. That the host is still lost when the decision
takes its place in the log is not: it may have been heard again meanwhile, and then it may start its copy.
"""

from __future__ import annotations

from cluster.commands.outcome import Code, Rejected
from cluster.commands.services import AssignmentOrder
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.model.service import Assignment, DesiredState, Fencing, ReplicaPhase, Service
from cluster.state_machine.entry import Entry
from cluster.store.records import ASSIGNMENTS, NODES


def refuse_second_copy(entry: Entry, service: Service, order: AssignmentOrder) -> Rejected | None:
    """Return why a fenced replica may not be ordered for the first time on a host; None when it may.

    Every other copy of it must be removed, or on a host that is down or has left.
    """
    if service.fencing is Fencing.NONE:
        return None
    for copy in ASSIGNMENTS.scan(entry.txn, service.id):
        if copy.ordinal == order.ordinal and _may_be_running(entry, copy):
            return Rejected(
                f"replica {order.ordinal} of {service.id} may never run twice, and is not known to be gone"
                f" from node {copy.node_id}: look again",
                Code.VERSION_CONFLICT,
            )
    return None


def refuse_forgetting(entry: Entry, service: Service, copy: Assignment) -> Rejected | None:
    """Return why the record of a fenced replica is still needed; None when it may go."""
    if service.fencing is Fencing.NONE or not _may_be_running(entry, copy):
        return None
    return Rejected(
        f"replica {copy.ordinal} of {service.id} is not known to be gone from node {copy.node_id}: look"
        " again",
        Code.VERSION_CONFLICT,
    )


def _may_be_running(entry: Entry, copy: Assignment) -> bool:
    if copy.desired is DesiredState.REMOVED and copy.observed.phase is ReplicaPhase.REMOVED:
        return False
    return not _is_lost(entry, copy.node_id)


def _is_lost(entry: Entry, node_id: NodeId) -> bool:
    node = NODES.get(entry.txn, node_id)
    return node is None or not node.is_member or node.status is NodeStatus.DOWN

"""What is told of hosts: where they stand, and which of them leads."""

from __future__ import annotations

from cluster.model.events import EventKind, EventSubject, Severity
from cluster.model.ids import NodeId
from cluster.model.node import Maintenance, Node, NodeStatus
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event
from cluster.store.records import NODES

_STATUS_KINDS = {
    NodeStatus.UP: EventKind.NODE_UP,
    NodeStatus.SUSPECT: EventKind.NODE_SUSPECT,
    NodeStatus.DOWN: EventKind.NODE_DOWN,
}

_STATUS_WORDS = {
    NodeStatus.UP: "is up again",
    NodeStatus.SUSPECT: "is not heard of",
    NodeStatus.DOWN: "is down",
}


def note_status(entry: Entry, node: Node, status: NodeStatus, reason: str) -> None:
    """Tell that the leader declares a host to be something else than before.

    Silence of one that has leave is what was announced: nobody need be woken for it.
    """
    kind = _STATUS_KINDS.get(status)
    if kind is None:
        return
    because = f": {reason}" if reason else ""
    is_away = node.maintenance is not None and node.maintenance.left_ms(entry.now_ms) > 0
    record_event(
        entry,
        kind,
        subject=_subject(node),
        summary=f"Host {node.name} {_STATUS_WORDS[status]}{because}",
        details={"before": node.status, "reason": reason},
        severity=Severity.INFO if is_away and status is NodeStatus.SUSPECT else None,
    )


def note_joined(entry: Entry, node: Node) -> None:
    record_event(
        entry,
        EventKind.NODE_JOINED,
        subject=_subject(node),
        summary=f"Host {node.name} joined the cluster as {node.role}",
        details={"address": node.address, "role": node.role},
    )


def note_draining(entry: Entry, node: Node, *, is_draining: bool) -> None:
    kind = EventKind.NODE_DRAINING if is_draining else EventKind.NODE_DRAINING_ENDED
    words = "is being emptied" if is_draining else "may be given work again"
    record_event(entry, kind, subject=_subject(node), summary=f"Host {node.name} {words}")


def note_maintenance(entry: Entry, node: Node, after: Maintenance | None) -> None:
    """Tell that a host may be away for a while from now on, or that this is over."""
    before_ms = 0 if node.maintenance is None else node.maintenance.left_ms(entry.now_ms)
    left_ms = 0 if after is None else after.left_ms(entry.now_ms)
    if left_ms and after is not None:
        because = f": {after.reason}" if after.reason else ""
        record_event(
            entry,
            EventKind.NODE_MAINTENANCE,
            subject=_subject(node),
            summary=f"Host {node.name} may be away for {left_ms // 1000} s{because}",
            details={"duration_s": str(left_ms // 1000), "reason": after.reason},
        )
    elif before_ms:
        record_event(
            entry,
            EventKind.NODE_MAINTENANCE_ENDED,
            subject=_subject(node),
            summary=f"Maintenance of host {node.name} has ended",
        )


def note_removed(entry: Entry, node: Node, reason: str) -> None:
    because = f": {reason}" if reason else ""
    record_event(
        entry,
        EventKind.NODE_REMOVED,
        subject=_subject(node),
        summary=f"Host {node.name} left the cluster{because}",
        details={"reason": reason},
    )


def note_leader(entry: Entry, node_id: NodeId, term: int, before: NodeId | None) -> None:
    """Tell that another host leads.

    That the same one goes on in a new term is no news, nor that the first host of a cluster leads it: nobody
    else could, and it has no name yet.
    """
    if before is None or before == node_id:
        return
    name = name_of_node(entry, node_id)
    former = name_of_node(entry, before)
    record_event(
        entry,
        EventKind.NODE_LEADER_CHANGED,
        subject=EventSubject(node_id=node_id, node_name=name),
        summary=f"Host {name} leads the cluster after {former}",
        details={"term": str(term), "before": former},
    )


def name_of_node(entry: Entry, node_id: str) -> str:
    """What people call a host; its id when it is not known (yet)."""
    node = NODES.get(entry.txn, node_id)
    return node_id if node is None else node.name


def _subject(node: Node) -> EventSubject:
    return EventSubject(node_id=node.id, node_name=node.name)

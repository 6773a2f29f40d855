"""What is told of the replicas that serve: that one is down or unhealthy, and that it is well again."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.events import EventKind, EventSubject
from cluster.model.service import Assignment, DesiredState, Observation, ReplicaPhase
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event
from cluster.state_machine.node_events import name_of_node

_KINDS = {
    ReplicaPhase.UNHEALTHY: EventKind.CONTAINER_UNHEALTHY,
    ReplicaPhase.EXITED: EventKind.CONTAINER_DOWN,
    ReplicaPhase.FAILED: EventKind.CONTAINER_DOWN,
}

_WORDS = {
    EventKind.CONTAINER_UNHEALTHY: "is unhealthy",
    EventKind.CONTAINER_DOWN: "is down",
    EventKind.CONTAINER_UP: "is well again",
}


def note_observed(entry: Entry, assignment: Assignment, observed: Observation) -> Assignment:
    """Return the assignment as it is observed now, having told what is news about it.

    Replicas that are only tried are left to their rollout's events. One that crashes again and again is told
    of once until it was healthy.
    """
    after = replace(assignment, observed=observed)
    kind = _KINDS.get(observed.phase)
    if observed.phase is ReplicaPhase.HEALTHY and assignment.told:
        kind = EventKind.CONTAINER_UP
    if kind is None or kind.value == assignment.told or assignment.desired is not DesiredState.SERVING:
        return after
    if kind is EventKind.CONTAINER_UNHEALTHY and assignment.told:
        # It was down, and is not yet what it was before.
        return after
    because = f": {observed.reason}" if observed.reason else ""
    host = name_of_node(entry, assignment.node_id)
    record_event(
        entry,
        kind,
        subject=EventSubject(
            node_id=assignment.node_id,
            node_name=host,
            service_id=assignment.service_id,
            container=assignment.container_name,
            container_id=observed.container_id,
        ),
        summary=f"{assignment.container_name} on {host} {_WORDS[kind]}{because}",
        details={
            "revision": str(assignment.revision),
            "replica": str(assignment.ordinal),
            "phase": observed.phase.value,
            "restarts": str(observed.restarts),
            "reason": observed.reason,
        },
    )
    return replace(after, told="" if kind is EventKind.CONTAINER_UP else kind.value)

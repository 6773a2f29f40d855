"""What is told of containers: that one is down, unhealthy or out of memory, and that it is well again.

Replicas tell it by what their hosts report. All other containers are looked at by the rules of alerts only,
so there it goes with the alert.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.model.alerts import Alert, RuleKind, Told
from cluster.model.events import SUBJECT_CHARS_MAX, EventKind, EventSubject, clip, headline
from cluster.model.service import Assignment, DesiredState, Observation, ReplicaPhase
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event
from cluster.state_machine.node_events import name_of_node

_KINDS = {
    ReplicaPhase.UNHEALTHY: EventKind.CONTAINER_UNHEALTHY,
    ReplicaPhase.EXITED: EventKind.CONTAINER_DOWN,
    ReplicaPhase.FAILED: EventKind.CONTAINER_DOWN,
}

_OF_ALERTS = {
    RuleKind.CONTAINER_DOWN: EventKind.CONTAINER_DOWN,
    RuleKind.CONTAINER_UNHEALTHY: EventKind.CONTAINER_UNHEALTHY,
    RuleKind.OUT_OF_MEMORY: EventKind.CONTAINER_OOM,
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
    reason = headline(observed.reason)
    because = f": {reason}" if reason else ""
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
            "reason": reason,
        },
    )
    return replace(after, told="" if kind is EventKind.CONTAINER_UP else kind.value)


def note_alert(entry: Entry, alert: Alert, told: Told) -> None:
    """Tell of a container what its alert tells. Of replicas only that memory ran out: the rest is told."""
    kind, subject = _OF_ALERTS.get(alert.kind), alert.subject
    if kind is None or subject.kind != "container" or told is Told.REMINDER:
        return
    if kind is not EventKind.CONTAINER_OOM and subject.service_id:
        return
    if told is Told.RESOLVED:
        if kind is EventKind.CONTAINER_OOM:
            # That it happened is over at once; there is nothing to be told again.
            return
        kind = EventKind.CONTAINER_UP
    record_event(
        entry,
        kind,
        subject=event_subject(alert),
        summary=f"{subject.name} on {subject.node_name} is well again"
        if told is Told.RESOLVED
        else alert.text,
    )


def event_subject(alert: Alert) -> EventSubject:
    """Return what an alert is about as its events have it."""
    subject = alert.subject
    return EventSubject(
        node_id=subject.node_id,
        node_name=subject.node_name,
        service_id=subject.service_id,
        container=clip(subject.name, SUBJECT_CHARS_MAX) if subject.kind == "container" else "",
        alert_id=str(alert.number),
    )

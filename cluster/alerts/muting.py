"""Why nobody is told of an alert: somebody said so, or it is what is being done on purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cluster.alerts.wording import Said, say
from cluster.model.alerts import Alert, RuleKind, Silence
from cluster.model.node import Node

ROLLOUT_SETTLE_MS = 120_000
"""What a rollout causes may show a little later than it ends."""

_BY_A_ROLLOUT = frozenset(
    {
        RuleKind.ABSENCE,
        RuleKind.ANOMALY,
        RuleKind.CONTAINER_DOWN,
        RuleKind.CONTAINER_UNHEALTHY,
        RuleKind.CRASH_LOOP,
        RuleKind.THRESHOLD,
    }
)
_BY_A_HOST_AWAY = _BY_A_ROLLOUT | {RuleKind.HOST_DOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What goes on that explains alerts.

    `silences` are those in force now. `rollouts` says of services which rollout is under way or has just
    ended. `quiet_environments` are those whose alerting is switched off.
    """

    silences: Sequence[Silence] = ()
    nodes: Mapping[str, Node] = field(default_factory=dict)
    rollouts: Mapping[str, str] = field(default_factory=dict)
    quiet_environments: Collection[str] = frozenset()


def muted_by(alert: Alert, around: Circumstances, now_ms: int) -> Said:
    """Return why nobody is told of an alert now; nothing is said when they are told."""
    for silence in around.silences:
        if silence.matcher.matches(alert):
            return say(
                "silence {id}{by}: {comment}",
                "silenzio {id}{by}: {comment}",
                id=silence.id,
                by=say(" by {who}", " di {who}", who=silence.by) if silence.by else Said(),
                comment=silence.comment,
            )
    subject = alert.subject
    if subject.environment in around.quiet_environments:
        return say(
            "alerting is off in environment {name}",
            "gli avvisi sono spenti nell'ambiente {name}",
            name=subject.environment,
        )
    node = around.nodes.get(subject.node_id)
    if node is not None and alert.kind in _BY_A_HOST_AWAY:
        if node.maintenance is not None and node.maintenance.left_ms(now_ms):
            why = f": {node.maintenance.reason}" if node.maintenance.reason else ""
            return say(
                "host {name} is in maintenance{why}",
                "l'host {name} è in manutenzione{why}",
                name=node.name,
                why=why,
            )
        if node.is_draining:
            return say("host {name} is being drained", "l'host {name} viene svuotato", name=node.name)
    rollout = around.rollouts.get(subject.service_id) if subject.service_id else None
    if rollout and alert.kind in _BY_A_ROLLOUT:
        return say(
            "rollout {id} of {service}",
            "rilascio {id} di {service}",
            id=rollout,
            service=subject.service_id,
        )
    return Said()

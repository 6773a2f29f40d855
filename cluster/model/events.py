"""What happened in the cluster, as people and programs are told of it.

Events are markers and news, not the truth: the truth is the record the same command changed. They are kept
in a ring of bounded length and may be sent on by webhooks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules

EVENTS_KEPT = 10_000
"""Length of the ring: the oldest goes when a new one comes."""

SUMMARY_CHARS_MAX = 400
DETAILS_MAX = 24
DETAIL_CHARS_MAX = 600
SUBJECT_CHARS_MAX = 256

_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


class Severity(StrEnum):
    """INFO: good to know. WARNING: look at it today. CRITICAL: somebody should look at once."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class EventKind(StrEnum):
    """What happened. The words are subscribed to and sent as they are: append only.

    CONTAINER_UP and NODE_UP say that what was told before as down or unhealthy is well again.
    """

    CONTAINER_DOWN = "container:down"
    CONTAINER_UNHEALTHY = "container:unhealthy"
    CONTAINER_OOM = "container:oom"
    CONTAINER_UP = "container:up"
    ALERT_FIRING = "alert:firing"
    ALERT_RESOLVED = "alert:resolved"
    ALERT_ACKNOWLEDGED = "alert:acknowledged"
    ALERT_SILENCED = "alert:silenced"
    ROLLOUT_STARTED = "rollout:started"
    ROLLOUT_STEP = "rollout:step"
    ROLLOUT_PAUSED = "rollout:paused"
    ROLLOUT_RESUMED = "rollout:resumed"
    ROLLOUT_WAITING = "rollout:waiting-for-approval"
    ROLLOUT_ROLLING_BACK = "rollout:rolling-back"
    ROLLOUT_SUCCEEDED = "rollout:succeeded"
    ROLLOUT_ROLLED_BACK = "rollout:rolled-back"
    ROLLOUT_FAILED = "rollout:failed"
    ROLLOUT_ABORTED = "rollout:aborted"
    NODE_JOINED = "node:joined"
    NODE_UP = "node:up"
    NODE_SUSPECT = "node:suspect"
    NODE_DOWN = "node:down"
    NODE_DRAINING = "node:draining"
    NODE_DRAINING_ENDED = "node:draining-ended"
    NODE_MAINTENANCE = "node:maintenance"
    NODE_MAINTENANCE_ENDED = "node:maintenance-ended"
    NODE_REMOVED = "node:removed"
    NODE_LEADER_CHANGED = "node:leader-changed"
    PLAN_WAITING = "plan:waiting"
    PLAN_DECIDED = "plan:decided"
    PLAN_ENDED = "plan:ended"
    WEBHOOK_DISABLED = "webhook:disabled"
    WEBHOOK_TEST = "webhook:test"
    """Sent to the one webhook that is tried; it is not kept among the events."""

    @property
    def family(self) -> str:
        """What comes before the colon: container, alert, rollout, node, plan, webhook."""
        return self.value.partition(":")[0]

    @property
    def severity(self) -> Severity:
        """How bad such an event is when nothing else is said."""
        return _SEVERITIES.get(self, Severity.INFO)


FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(kind.family for kind in EventKind))

_SEVERITIES = {
    EventKind.CONTAINER_DOWN: Severity.CRITICAL,
    EventKind.CONTAINER_UNHEALTHY: Severity.WARNING,
    EventKind.CONTAINER_OOM: Severity.CRITICAL,
    EventKind.ALERT_FIRING: Severity.WARNING,
    EventKind.ROLLOUT_WAITING: Severity.WARNING,
    EventKind.ROLLOUT_PAUSED: Severity.WARNING,
    EventKind.ROLLOUT_ROLLING_BACK: Severity.WARNING,
    EventKind.ROLLOUT_ROLLED_BACK: Severity.WARNING,
    EventKind.ROLLOUT_FAILED: Severity.CRITICAL,
    EventKind.NODE_SUSPECT: Severity.WARNING,
    EventKind.NODE_DOWN: Severity.CRITICAL,
    EventKind.PLAN_WAITING: Severity.WARNING,
    EventKind.WEBHOOK_DISABLED: Severity.WARNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubject:
    """What an event is about; "" where it is about no such thing. `node_name` and `container` are names."""

    node_id: str = ""
    node_name: str = ""
    service_id: str = ""
    container: str = ""
    container_id: str = ""
    rollout_id: str = ""
    alert_id: str = ""
    webhook_id: str = ""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            rules.check_text(f"subject {name}", getattr(self, name), SUBJECT_CHARS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    `sequence` counts up by one per event and orders them; `at_ms` is log time. `summary` is one sentence for
    people. `details` are sorted pairs, in words of the event's kind.
    """

    sequence: int
    kind: EventKind
    severity: Severity
    at_ms: int
    summary: str
    subject: EventSubject = field(default_factory=EventSubject)
    details: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        rules.check_range("sequence", self.sequence, 1, 2**63 - 1)
        rules.check_text("summary", self.summary, SUMMARY_CHARS_MAX, chars_min=1)
        rules.check_pairs("details", self.details, DETAILS_MAX, DETAIL_CHARS_MAX)

    @property
    def id(self) -> str:
        """Tells it apart from every other, also of other clusters: receivers recognise a repeat by it."""
        return f"evt_{self.at_ms:012x}{self.sequence:08x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCount:
    """How many events there have been: the newest one's sequence."""

    newest: int = 0


def clip(text: str, chars_max: int) -> str:
    """Return `text` on one line and at most so long, with a mark where something was cut off."""
    line = _NOT_SHOWN.sub(" ", text).strip()
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def headline(reason: str) -> str:
    """Return what a reason says without the output it quotes: events leave the cluster, and what programs
    print is nobody else's.
    """
    return reason.partition("\n")[0].rstrip(".: ")

"""Refusals of people nobody knows: counted per minute and reason, so that a flood is one record.

The kinds are few and fixed. A stranger chooses none of the words that are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp

KINDS_MAX = 256
"""Most different kinds counted between two flushes. More are possible only with many accounts attacked."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What was refused: `resource` is `account:<id>` when somebody guessed at a known account."""

    action: str
    resource: str
    reason: str


class StrangerCounts:
    """The counts of one node since they were last taken."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()

    def count(self, action: str, resource: str, reason: str) -> None:
        """Add one refusal."""
        kind = Kind(action, resource, reason)
        if kind not in self._counts and len(self._counts) >= KINDS_MAX:
            kind = Kind("request", "cluster", "other refusals")
        self._counts[kind] += 1

    def take(self, *, node_id: str, request_id: str, now_ms: int) -> list[AuditRecord]:
        """Return one record per kind, and begin anew."""
        counts, self._counts = self._counts, Counter()
        return [
            AuditRecord(
                stamp=AuditStamp(
                    principal="",
                    principal_name="",
                    action=kind.action,
                    resource=kind.resource,
                    is_allowed=False,
                    reason=kind.reason,
                    ip="",
                    user_agent="",
                    duration_ms=0,
                    request_id=request_id,
                    node=node_id,
                ),
                outcome=AuditOutcome.DENIED,
                happened_at_ms=now_ms,
                count=count,
            )
            for kind, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
        ]

"""The entry that closes a rollout in the audit: what became of it, and who had asked for it."""

from __future__ import annotations

from cluster.commands.audit import RecordAudit
from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp
from cluster.model.ids import NodeId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import Revision
from cluster.store import ReadTxn
from cluster.store.records import AUDIT, PRINCIPALS, audit_head

RECENT_ENTRIES = 512
RECENT_MS = 10 * 60_000
"""How far back a new leader looks for rollouts that ended without their entry."""


def closing_entry(
    txn: ReadTxn, rollout: Rollout, revision: Revision | None, *, node_id: NodeId, now_ms: int
) -> RecordAudit:
    """Return the command that appends the closing entry. Its request id is the rollout's."""
    started_by = "" if revision is None else revision.created_by
    principal = PRINCIPALS.get(txn, started_by) if started_by else None
    is_good = rollout.phase is RolloutPhase.SUCCEEDED
    stamp = AuditStamp(
        principal=started_by,
        principal_name=started_by if principal is None else principal.name,
        action=f"rollout.{rollout.phase}",
        resource=f"service:{rollout.service_id}",
        is_allowed=True,
        reason=rollout.reason[:1024],
        ip="",
        user_agent="",
        duration_ms=max(0, rollout.changed_at_ms - rollout.started_at_ms),
        request_id=rollout.id,
        node=node_id,
    )
    record = AuditRecord(
        stamp=stamp,
        outcome=AuditOutcome.APPLIED if is_good else AuditOutcome.FAILED,
        happened_at_ms=now_ms,
    )
    return RecordAudit(records=(record,))


def closed_lately(txn: ReadTxn) -> frozenset[str]:
    """Return the ids of the rollouts that have their closing entry, of the newest entries."""
    size = audit_head(txn).size
    newest = AUDIT.scan(txn, after=(size - RECENT_ENTRIES - 1,) if size > RECENT_ENTRIES else None)
    return frozenset(entry.stamp.request_id for entry in newest if entry.stamp.action.startswith("rollout."))


def is_recent(rollout: Rollout, now_ms: int) -> bool:
    return now_ms - rollout.changed_at_ms <= RECENT_MS

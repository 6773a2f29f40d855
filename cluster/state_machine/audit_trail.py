"""The audit trail: entries, and the tree over them, in the same transaction as what they record."""

from __future__ import annotations

from cluster.audit.merkle import Frontier
from cluster.audit.trail import append_entry, encode_entry
from cluster.commands.audit import RecordAudit
from cluster.commands.outcome import Applied, Outcome, Rejected
from cluster.model.audit import AuditEntry, AuditOutcome, AuditStamp
from cluster.state_machine.entry import Entry
from cluster.store.records import audit_frontier, put_audit_frontier, put_audit_leaf


def record_request(entry: Entry, stamp: AuditStamp, command: str, outcome: Outcome) -> None:
    """Append the entry for a command that was proposed, whatever became of it."""
    frontier = audit_frontier(entry.txn)
    rejected = outcome if isinstance(outcome, Rejected) else None
    _append(
        entry,
        frontier,
        AuditEntry(
            sequence=frontier.size,
            time_ms=entry.now_ms,
            log_index=entry.index,
            stamp=stamp,
            command=command,
            outcome=AuditOutcome.APPLIED if rejected is None else AuditOutcome.REJECTED,
            outcome_code="" if rejected is None else rejected.code.value,
        ),
    )


def record_audit(entry: Entry, command: RecordAudit) -> Outcome:
    frontier = audit_frontier(entry.txn)
    first = frontier.size
    for record in command.records:
        frontier = _append(
            entry,
            frontier,
            AuditEntry(
                sequence=frontier.size,
                time_ms=entry.now_ms,
                log_index=entry.index,
                stamp=record.stamp,
                command="",
                outcome=record.outcome,
                happened_at_ms=record.happened_at_ms,
                count=record.count,
            ),
        )
    return Applied(first)


def _append(entry: Entry, frontier: Frontier, record: AuditEntry) -> Frontier:
    data = encode_entry(record)
    frontier, leaf = append_entry(frontier, data)
    put_audit_leaf(entry.txn, record.sequence, data, leaf)
    put_audit_frontier(entry.txn, frontier)
    return frontier

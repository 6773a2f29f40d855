"""Reading the audit, newest first."""

from __future__ import annotations

import asyncio

from cluster.model.audit import AuditEntry
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.context import Context
from web.tools.listing import Page, decode_cursor, encode_cursor
from web.tools.views import AuditView

CHUNK = 256
PAGE_MAX = 1000
SCANNED_MAX = 10_000
"""Most entries looked at for one page: a filter that fits few of them gives a short page and a cursor."""


async def list_audit(
    context: Context, call: Call, *, actor: str, action: str, cursor: str | None, limit: int
) -> Page[AuditView]:
    """Return entries, newest first. `actor` is a name or id, `action` a name or, ending in ".", its start.

    Raises Problem for a cursor that is not of this list.
    """
    await context.authority.require(call, "audit.read", "audit")
    before = None if cursor is None else _sequence(cursor)
    found: list[AuditView] = []
    scanned = 0
    while scanned < SCANNED_MAX:
        with context.surroundings.state.read() as txn:
            entries = records.AUDIT.scan(
                txn, after=None if before is None else (before,), limit=CHUNK, reverse=True
            )
        for entry in entries:
            before = entry.sequence
            if _fits(entry, actor, action):
                found.append(_view(entry))
                if len(found) == limit:
                    more = before > 0
                    return Page(items=tuple(found), next_cursor=encode_cursor((before,)) if more else None)
        if len(entries) < CHUNK:
            return Page(items=tuple(found))
        scanned += len(entries)
        # Decoding entries takes a while; others want the loop too.
        await asyncio.sleep(0)
    assert before is not None
    return Page(items=tuple(found), next_cursor=encode_cursor((before,)))


def _sequence(cursor: str) -> int:
    (sequence,) = decode_cursor(cursor, like=(0,))
    if not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise invalid("cursor", "not a cursor of this list")
    return sequence


def _fits(entry: AuditEntry, actor: str, action: str) -> bool:
    stamp = entry.stamp
    if actor and actor not in (stamp.principal_name, stamp.principal):
        return False
    if action.endswith("."):
        return stamp.action.startswith(action)
    return not action or stamp.action == action


def _view(entry: AuditEntry) -> AuditView:
    stamp = entry.stamp
    return AuditView(
        sequence=entry.sequence,
        at_ms=entry.happened_at_ms or entry.time_ms,
        actor=stamp.principal_name,
        actor_id=stamp.principal,
        action=stamp.action,
        resource=stamp.resource,
        decision="allowed" if stamp.is_allowed else "denied",
        outcome=entry.outcome.value,
        reason=f"rejected: {entry.outcome_code}" if entry.outcome_code else stamp.reason,
        command=entry.command,
        ip=stamp.ip,
        user_agent=stamp.user_agent,
        duration_ms=stamp.duration_ms,
        request_id=stamp.request_id,
        node=stamp.node,
        count=entry.count,
    )

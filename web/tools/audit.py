"""Reading the audit: newest first, as an export from its first entry on, and whether it is unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cluster.audit.merkle import Frontier
from cluster.audit.trail import append_entry, encode_entry
from cluster.model.audit import AuditEntry, AuditOutcome
from cluster.store import records
from cluster.store.records import audit_head
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.context import Context
from web.tools.listing import Page, decode_cursor, encode_cursor
from web.tools.views import AuditView

CHUNK = 256
PAGE_MAX = 1000
SCANNED_MAX = 10_000
"""Most entries looked at for one page: a filter that fits few of them gives a short page and a cursor."""
EXPORT_MAX = 1_000_000
"""Most entries of one export; `since` and `until` make it in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries. Empty text and null: any.

    `actor` is a name or id, `action` a name or, ending in ".", its start; `resource` is part of what it was
    done to, `outcome` one of `AuditOutcome`. From `since_ms`, and before `until_ms`.
    """

    actor: str = ""
    action: str = ""
    resource: str = ""
    outcome: str = ""
    ip: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStanding:
    """Whether the entries kept by the answering host are those the cluster agreed on.

    `root` is the head of the tree over all of them, in hexadecimal: whoever keeps it elsewhere can tell later
    whether anything before it was changed. `reason` says what is wrong, or that nothing is.
    """

    size: int
    root: str
    is_intact: bool
    reason: str
    first_at_ms: int | None
    last_at_ms: int | None


async def list_audit(
    context: Context, call: Call, wanted: AuditFilter, *, cursor: str | None, limit: int
) -> Page[AuditView]:
    """Return entries, newest first. Raises Problem for a cursor that is not of this list."""
    await context.authority.require(call, "audit.read", "audit")
    _check(wanted)
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
            if _is_past(entry, wanted):
                return Page(items=tuple(found))
            if fits(entry, wanted):
                found.append(audit_view(entry))
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


async def verify_audit(context: Context, call: Call) -> AuditStanding:
    """Compute the tree over every entry anew, and compare it with its head. Raises Problem."""
    await context.authority.require(call, "audit.read", "audit")
    async with context.analysing:
        with context.surroundings.state.read() as txn:
            head = audit_head(txn)
        frontier = Frontier()
        first_ms: int | None = None
        last_ms: int | None = None
        wrong = ""
        async for entries in _forwards(context, until=head.size):
            for entry in entries:
                if entry.sequence != frontier.size:
                    wrong = wrong or f"entry {frontier.size} is missing"
                    break
                frontier, _ = append_entry(frontier, encode_entry(entry))
                last_ms = entry.happened_at_ms or entry.time_ms
                first_ms = last_ms if first_ms is None else first_ms
            if wrong:
                break
    if not wrong and frontier.size != head.size:
        wrong = f"{frontier.size} entries are kept, and there should be {head.size}"
    if not wrong and frontier.root != head.root:
        wrong = (
            f"an entry was changed: the {head.size} entries do not give the root that the cluster agreed on"
        )
    return AuditStanding(
        size=head.size,
        root=head.root.hex(),
        is_intact=not wrong,
        reason=wrong or f"{head.size} entries are whole and unchanged",
        first_at_ms=first_ms,
        last_at_ms=last_ms,
    )


@asynccontextmanager
async def exporting(
    context: Context, call: Call, wanted: AuditFilter
) -> AsyncIterator[AsyncIterator[AuditView]]:
    """Give entries, oldest first, at most EXPORT_MAX; that it was done is an entry itself. Raises Problem."""
    _check(wanted)
    started: list[int] = []

    async def change(permit: Permit) -> None:
        async with permit.acting():
            with context.surroundings.state.read() as txn:
                started.append(audit_head(txn).size)

    await context.authority.perform(call, "audit.export", "audit", change)

    async def entries() -> AsyncIterator[AuditView]:
        count = 0
        async for chunk in _forwards(context, until=started[0]):
            for entry in chunk:
                if fits(entry, wanted):
                    count += 1
                    if count > EXPORT_MAX:
                        return
                    yield audit_view(entry)

    yield entries()


async def _forwards(context: Context, *, until: int) -> AsyncIterator[Sequence[AuditEntry]]:
    """Give the entries before number `until`, a chunk at a time."""
    after: int | None = None
    while after is None or after + 1 < until:
        with context.surroundings.state.read() as txn:
            entries = records.AUDIT.scan(txn, after=None if after is None else (after,), limit=CHUNK)
        kept = [entry for entry in entries if entry.sequence < until]
        if not kept:
            return
        yield kept
        after = kept[-1].sequence
        # Decoding entries takes a while; others want the loop too.
        await asyncio.sleep(0)


def _check(wanted: AuditFilter) -> None:
    if wanted.outcome and wanted.outcome not in tuple(AuditOutcome):
        raise invalid("outcome", f"one of {', '.join(AuditOutcome)}", value=wanted.outcome[:80])


def _sequence(cursor: str) -> int:
    (sequence,) = decode_cursor(cursor, like=(0,))
    if not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise invalid("cursor", "not a cursor of this list")
    return sequence


def _is_past(entry: AuditEntry, wanted: AuditFilter) -> bool:
    """Whether this entry and all before it are too old. Log time never goes back; hosts' clocks may."""
    return wanted.since_ms is not None and entry.time_ms < wanted.since_ms


def fits(entry: AuditEntry, wanted: AuditFilter) -> bool:
    """Whether an entry is wanted."""
    stamp = entry.stamp
    if wanted.actor and wanted.actor not in (stamp.principal_name, stamp.principal):
        return False
    if wanted.outcome and entry.outcome != wanted.outcome:
        return False
    if wanted.since_ms is not None and entry.time_ms < wanted.since_ms:
        return False
    if wanted.until_ms is not None and entry.time_ms >= wanted.until_ms:
        return False
    if wanted.resource and wanted.resource.lower() not in stamp.resource.lower():
        return False
    if wanted.ip and wanted.ip != stamp.ip:
        return False
    if wanted.action.endswith("."):
        return stamp.action.startswith(wanted.action)
    return not wanted.action or stamp.action == wanted.action


def audit_view(entry: AuditEntry) -> AuditView:
    """Return an entry as it is shown."""
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

"""Whether what is asked for again under one key was done before, on whichever node."""

from __future__ import annotations

from contextlib import suppress

from cluster.model.audit import AuditEntry, AuditOutcome
from cluster.raft.replicator import ReadLevel, ReadUnavailable
from cluster.store import records
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.nodes import node_names
from web.tools.times import moment

ENTRIES_MAX = 4096
"""So many of the newest entries are looked through: hours, in a busy cluster."""
_TIMEOUT_S = 2.0


async def refuse_done(context: Context, request_id: str) -> None:
    """Raise Problem (409) when the audit has something done under this request's id.

    What was tried and failed is no obstacle. Without a leader nothing newer than what this node has can be
    known, nor changed.
    """
    with suppress(ReadUnavailable):
        await context.surroundings.state.point(ReadLevel.LINEARIZABLE, timeout_s=_TIMEOUT_S)
    entry = _newest(context, request_id)
    if entry is None or entry.outcome is not AuditOutcome.APPLIED:
        return
    names = node_names(context.surroundings)
    raise Problem(
        "done-before",
        f"{entry.stamp.action} of {entry.stamp.resource} was done under this key at"
        f" {moment(entry.time_ms)} through {names.get(entry.stamp.node, entry.stamp.node)};"
        " what it was answered is known there alone",
        hint="look at what you wanted to change; to do it once more send a new key",
        extra={"audit_sequence": entry.sequence},
    )


def _newest(context: Context, request_id: str) -> AuditEntry | None:
    with context.surroundings.state.read() as txn:
        entries = records.AUDIT.newest_with(txn, request_id, limit=ENTRIES_MAX)
    return next((entry for entry in entries if entry.stamp.request_id == request_id), None)

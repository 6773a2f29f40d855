"""Whether what is asked for again under one key was done before, on whichever node."""

from __future__ import annotations

import asyncio
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
_CHUNK = 256
_TIMEOUT_S = 2.0


async def refuse_done(context: Context, request_id: str) -> None:
    """Raise Problem (409) when the audit has something done under this request's id.

    What was tried and failed is no obstacle. Without a leader nothing newer than what this node has can be
    known, nor changed.
    """
    with suppress(ReadUnavailable):
        await context.surroundings.state.point(ReadLevel.LINEARIZABLE, timeout_s=_TIMEOUT_S)
    entry = await _newest(context, request_id)
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


async def _newest(context: Context, request_id: str) -> AuditEntry | None:
    before: int | None = None
    for _ in range(0, ENTRIES_MAX, _CHUNK):
        with context.surroundings.state.read() as txn:
            entries = records.AUDIT.scan(
                txn, after=None if before is None else (before,), limit=_CHUNK, reverse=True
            )
        for entry in entries:
            if entry.stamp.request_id == request_id:
                return entry
        if len(entries) < _CHUNK:
            return None
        before = entries[-1].sequence
        await asyncio.sleep(0)
    return None

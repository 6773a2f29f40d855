"""What happened in the cluster, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cluster.model.events import Event, Severity
from cluster.model.webhooks import check_patterns
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.context import Context
from web.tools.listing import Page, decode_cursor, encode_cursor
from web.tools.visibility import sight_of
from web.tools.webhook_views import EventView, event_view

CHUNK = 200


async def list_events(
    context: Context,
    call: Call,
    *,
    kinds: Sequence[str] = (),
    min_severity: Severity = Severity.INFO,
    since_ms: int = 0,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[EventView]:
    """Return events from the newest back to `since_ms`. `kinds` are as webhooks name them; none means all.

    Raises Problem (422) for kinds there are none of, or a cursor that is not of this list.
    """
    await context.authority.admit(call, "event.read", "event")
    sees = sight_of(context, call).event
    if kinds:
        try:
            check_patterns(tuple(kinds))
        except ValueError as error:
            raise invalid("kinds", str(error)) from error
    before = None if cursor is None else _sequence(cursor)
    found: list[EventView] = []
    while True:
        with context.surroundings.state.read() as txn:
            events = records.EVENTS.scan(
                txn, after=None if before is None else (before,), limit=CHUNK, reverse=True
            )
        for event in events:
            if event.at_ms < since_ms:
                return Page(items=tuple(found))
            before = event.sequence
            subject = event.subject
            is_seen = sees is None or sees(subject.node_id, subject.service_id, subject.container)
            if is_seen and _fits(event, kinds, min_severity):
                found.append(event_view(event))
                if len(found) == limit:
                    return Page(items=tuple(found), next_cursor=encode_cursor((before,)))
        if len(events) < CHUNK:
            return Page(items=tuple(found))
        # There are at most as many as the ring holds; others want the loop too.
        await asyncio.sleep(0)


def _fits(event: Event, kinds: Sequence[str], min_severity: Severity) -> bool:
    if event.severity.rank < min_severity.rank:
        return False
    return not kinds or any(each in ("*", f"{event.kind.family}:*", event.kind.value) for each in kinds)


def _sequence(cursor: str) -> int:
    (sequence,) = decode_cursor(cursor, like=(0,))
    if not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise invalid("cursor", "not a cursor of this list")
    return sequence

"""What happened is recorded in the command that makes it happen, so neither is there without the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cluster.model.events import (
    DETAIL_CHARS_MAX,
    DETAILS_MAX,
    EVENTS_KEPT,
    SUMMARY_CHARS_MAX,
    Event,
    EventCount,
    EventKind,
    EventSubject,
    Severity,
    clip,
)
from cluster.state_machine.entry import Entry
from cluster.state_machine.outbox import queue_for_all
from cluster.store.records import EVENT_COUNT, EVENTS


def record_event(
    entry: Entry,
    kind: EventKind,
    *,
    subject: EventSubject,
    summary: str,
    details: Mapping[str, str] | None = None,
    severity: Severity | None = None,
) -> Event:
    """Keep an event of this entry, queue it for the webhooks that want it, and return it.

    Without `severity`, it has that of its kind.

    Text is cut to what an event may hold and never refused: the command it belongs to must not fail for it.
    Of `details`, values that are empty are left out.
    """
    event = next_event(
        entry, kind, subject=subject, summary=summary, details=details or {}, severity=severity
    )
    EVENTS.put(entry.txn, event)
    if event.sequence > EVENTS_KEPT:
        EVENTS.delete(entry.txn, event.sequence - EVENTS_KEPT)
    queue_for_all(entry, event)
    return event


def next_event(
    entry: Entry,
    kind: EventKind,
    *,
    subject: EventSubject,
    summary: str,
    details: Mapping[str, str],
    severity: Severity | None = None,
) -> Event:
    """Return an event with the next number, which is then taken; it is not kept."""
    count = EVENT_COUNT.get(entry.txn) or EventCount()
    sequence = count.newest + 1
    EVENT_COUNT.put(entry.txn, replace(count, newest=sequence))
    pairs = {clip(key, 64): clip(value, DETAIL_CHARS_MAX) for key, value in details.items() if value}
    return Event(
        sequence=sequence,
        kind=kind,
        severity=kind.severity if severity is None else severity,
        at_ms=entry.now_ms,
        summary=clip(summary, SUMMARY_CHARS_MAX) or kind.value,
        subject=subject,
        details=tuple(sorted(pairs.items())[:DETAILS_MAX]),
    )

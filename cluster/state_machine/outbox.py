"""What is to be sent is written down with what happened: neither is there without the other."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.events import Event
from cluster.model.webhooks import DELIVERIES_KEPT, Delivery, DeliveryState, Webhook, WebhookStanding
from cluster.state_machine.entry import Entry
from cluster.store.records import DELIVERIES, DELIVERIES_WAITING, WEBHOOK_STANDINGS, WEBHOOKS


def queue_for_all(entry: Entry, event: Event) -> None:
    """Queue an event for every webhook that wants it."""
    for webhook in WEBHOOKS.scan(entry.txn):
        if webhook.wants(event):
            queue(entry, webhook, event)


def queue(entry: Entry, webhook: Webhook, event: Event) -> None:
    """Queue an event for one webhook, whether that wants such events or not."""
    standing = WEBHOOK_STANDINGS.get(entry.txn, webhook.id) or WebhookStanding(webhook_id=webhook.id)
    if standing.kept >= DELIVERIES_KEPT:
        standing = _make_room(entry, standing)
    DELIVERIES.put(
        entry.txn,
        Delivery(webhook_id=webhook.id, event=event, next_ms=entry.now_ms, changed_at_ms=entry.now_ms),
    )
    DELIVERIES_WAITING.add(entry.txn, webhook.id, event.sequence)
    WEBHOOK_STANDINGS.put(entry.txn, replace(standing, kept=standing.kept + 1, waiting=standing.waiting + 1))


def _make_room(entry: Entry, standing: WebhookStanding) -> WebhookStanding:
    """Forget the oldest row that has ended; when all of them wait, the oldest of all, which is counted."""
    webhook_id = standing.webhook_id
    # Among one more than wait, one has ended, if any has.
    rows = DELIVERIES.scan(entry.txn, webhook_id, limit=standing.waiting + 1)
    ended = (row for row in rows if row.state is not DeliveryState.WAITING)
    oldest = next(ended, rows[0])
    DELIVERIES.delete(entry.txn, webhook_id, oldest.event.sequence)
    if oldest.state is not DeliveryState.WAITING:
        return replace(standing, kept=standing.kept - 1)
    DELIVERIES_WAITING.remove(entry.txn, webhook_id, oldest.event.sequence)
    return replace(
        standing, kept=standing.kept - 1, waiting=standing.waiting - 1, dropped=standing.dropped + 1
    )

"""What is to be sent is written down with what happened: neither is there without the other."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.events import Event
from cluster.model.webhooks import DELIVERIES_KEPT, Delivery, DeliveryState, Webhook, WebhookStanding
from cluster.state_machine.entry import Entry
from cluster.store.records import DELIVERIES, DELIVERIES_BY_STATE, WEBHOOK_STANDINGS, WEBHOOKS


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
    made = Delivery(webhook_id=webhook.id, event=event, next_ms=entry.now_ms, changed_at_ms=entry.now_ms)
    put_delivery(entry, made)
    WEBHOOK_STANDINGS.put(entry.txn, replace(standing, kept=standing.kept + 1, waiting=standing.waiting + 1))


def put_delivery(entry: Entry, delivery: Delivery) -> None:
    """Keep a delivery, and whether it waits."""
    DELIVERIES.put(entry.txn, delivery)
    place = delivery.webhook_id, delivery.event.sequence
    is_ended = int(delivery.state is not DeliveryState.WAITING)
    DELIVERIES_BY_STATE.remove(entry.txn, place[0], 1 - is_ended, place[1])
    DELIVERIES_BY_STATE.add(entry.txn, place[0], is_ended, place[1])


def forget_delivery(entry: Entry, webhook_id: str, sequence: int) -> None:
    """Forget a delivery, however it stands."""
    DELIVERIES.delete(entry.txn, webhook_id, sequence)
    for is_ended in (0, 1):
        DELIVERIES_BY_STATE.remove(entry.txn, webhook_id, is_ended, sequence)


def _make_room(entry: Entry, standing: WebhookStanding) -> WebhookStanding:
    """Forget the oldest row that has ended; when all of them wait, the oldest of all, which is counted."""
    webhook_id = standing.webhook_id
    ended = DELIVERIES_BY_STATE.scan(entry.txn, webhook_id, 1, limit=1)
    ((_, _, sequence),) = ended or DELIVERIES_BY_STATE.scan(entry.txn, webhook_id, 0, limit=1)
    assert isinstance(sequence, int)
    forget_delivery(entry, webhook_id, sequence)
    if ended:
        return replace(standing, kept=standing.kept - 1)
    return replace(
        standing, kept=standing.kept - 1, waiting=standing.waiting - 1, dropped=standing.dropped + 1
    )

"""Handlers of the commands on webhooks and their deliveries.

Whether a delivery is tried again, and when, is told from the state alone, so that a new leader goes on as the
one before would have.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.webhooks import (
    AttemptResult,
    PingWebhook,
    PutWebhook,
    RecordAttempts,
    RemoveWebhook,
    ReplayDeliveries,
    RotateWebhookSecret,
)
from cluster.model.events import EventKind, EventSubject
from cluster.model.webhooks import (
    ATTEMPTS_KEPT,
    DELIVERIES_KEPT,
    FAILING_MAX_MS,
    FAILURES_MIN_TO_DISABLE,
    SECRETS_MAX,
    WEBHOOKS_MAX,
    Delivery,
    DeliveryState,
    SealedSecret,
    Webhook,
    WebhookAuth,
    WebhookStanding,
)
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import next_event, record_event
from cluster.state_machine.outbox import forget_delivery, put_delivery, queue
from cluster.store.records import DELIVERIES, WEBHOOK_STANDINGS, WEBHOOKS


def put_webhook(entry: Entry, command: PutWebhook) -> Outcome:
    wanted = command.webhook
    present = WEBHOOKS.get(entry.txn, wanted.id)
    version = 0 if present is None else present.version
    if command.expected_version != version:
        return _changed(wanted.id, version)
    if present is None:
        if len(WEBHOOKS.scan(entry.txn)) >= WEBHOOKS_MAX:
            return Rejected(
                f"there are {WEBHOOKS_MAX} webhooks, which is the most: remove one first", Code.INVALID
            )
        WEBHOOK_STANDINGS.put(entry.txn, WebhookStanding(webhook_id=wanted.id))
    elif wanted.is_enabled and not present.is_enabled:
        standing = _standing(entry, wanted.id)
        WEBHOOK_STANDINGS.put(entry.txn, replace(standing, failures_in_a_row=0, failing_since_ms=0))
    made = replace(
        wanted,
        version=version + 1,
        created_at_ms=entry.now_ms if present is None else present.created_at_ms,
        changed_at_ms=entry.now_ms,
        disabled_because="" if wanted.is_enabled else wanted.disabled_because,
    )
    WEBHOOKS.put(entry.txn, made)
    return Applied(made.version)


def remove_webhook(entry: Entry, command: RemoveWebhook) -> Outcome:
    if WEBHOOKS.get(entry.txn, command.webhook_id) is None:
        return _not_there(command.webhook_id)
    for delivery in DELIVERIES.scan(entry.txn, command.webhook_id):
        forget_delivery(entry, command.webhook_id, delivery.event.sequence)
    WEBHOOK_STANDINGS.delete(entry.txn, command.webhook_id)
    WEBHOOKS.delete(entry.txn, command.webhook_id)
    return Applied()


def rotate_webhook_secret(entry: Entry, command: RotateWebhookSecret) -> Outcome:
    webhook = WEBHOOKS.get(entry.txn, command.webhook_id)
    if webhook is None:
        return _not_there(command.webhook_id)
    if webhook.version != command.expected_version:
        return _changed(webhook.id, webhook.version)
    if webhook.auth is WebhookAuth.NONE:
        return Rejected(f"webhook {webhook.id} has no secret: its auth is none", Code.INVALID)
    secrets: tuple[SealedSecret, ...] = (replace(command.secret, until_ms=0),)
    if webhook.auth is WebhookAuth.HMAC and command.keep_ms:
        before = replace(webhook.secrets[0], until_ms=entry.now_ms + command.keep_ms)
        secrets = (*secrets, before)[:SECRETS_MAX]
    after = replace(
        webhook,
        secrets=secrets,
        version=webhook.version + 1,
        changed_at_ms=entry.now_ms,
        changed_by=command.changed_by,
    )
    WEBHOOKS.put(entry.txn, after)
    return Applied(after.version)


def ping_webhook(entry: Entry, command: PingWebhook) -> Outcome:
    webhook = WEBHOOKS.get(entry.txn, command.webhook_id)
    if webhook is None:
        return _not_there(command.webhook_id)
    event = next_event(
        entry,
        EventKind.WEBHOOK_TEST,
        subject=EventSubject(webhook_id=webhook.id),
        summary=f"{command.by or 'Somebody'} tries webhook {webhook.id}",
        details={"by": command.by},
    )
    queue(entry, webhook, event)
    return Applied(event.sequence)


def replay_deliveries(entry: Entry, command: ReplayDeliveries) -> Outcome:
    webhook = WEBHOOKS.get(entry.txn, command.webhook_id)
    if webhook is None:
        return _not_there(command.webhook_id)
    states = {DeliveryState.DEAD} if command.is_dead_only else {DeliveryState.DEAD, DeliveryState.DELIVERED}
    after = (webhook.id, command.first - 1) if command.first else None
    replayed = 0
    for delivery in DELIVERIES.scan(entry.txn, webhook.id, after=after, limit=DELIVERIES_KEPT):
        if delivery.event.sequence > command.last:
            break
        if delivery.state not in states:
            continue
        again = replace(
            delivery,
            state=DeliveryState.WAITING,
            attempts=0,
            next_ms=entry.now_ms,
            changed_at_ms=entry.now_ms,
        )
        put_delivery(entry, again)
        replayed += 1
    standing = _standing(entry, webhook.id)
    WEBHOOK_STANDINGS.put(entry.txn, replace(standing, waiting=standing.waiting + replayed))
    return Applied(replayed)


def record_attempts(entry: Entry, command: RecordAttempts) -> Outcome:
    return Applied(sum(_record(entry, result) for result in command.results))


def _record(entry: Entry, result: AttemptResult) -> bool:
    """Whether the attempt counted: it is the next one of a delivery that waits."""
    webhook = WEBHOOKS.get(entry.txn, result.webhook_id)
    delivery = DELIVERIES.get(entry.txn, result.webhook_id, result.sequence)
    if webhook is None or delivery is None or delivery.state is not DeliveryState.WAITING:
        return False
    attempt = result.attempt
    if attempt.number != delivery.attempts + 1:
        return False
    state, next_ms = _after(entry, webhook, delivery, result)
    put_delivery(
        entry,
        replace(
            delivery,
            state=state,
            attempts=attempt.number,
            next_ms=next_ms,
            changed_at_ms=entry.now_ms,
            log=(*delivery.log, attempt)[-ATTEMPTS_KEPT:],
        ),
    )
    standing = _standing_after(entry, _standing(entry, webhook.id), state, is_success=attempt.is_success)
    WEBHOOK_STANDINGS.put(entry.txn, standing)
    reason = _why_off(entry, standing, result)
    if reason and webhook.is_enabled:
        _turn_off(entry, webhook, reason)
    return True


def _after(
    entry: Entry, webhook: Webhook, delivery: Delivery, result: AttemptResult
) -> tuple[DeliveryState, int]:
    if result.attempt.is_success:
        return DeliveryState.DELIVERED, 0
    # A person waits for a test's answer, and may ask for another one.
    if delivery.is_test or result.is_gone or result.attempt.number >= webhook.retry.attempts:
        return DeliveryState.DEAD, 0
    delay_ms = webhook.retry.delay_ms(result.attempt.number, f"{webhook.id}/{delivery.event.id}")
    return DeliveryState.WAITING, entry.now_ms + max(delay_ms, result.retry_after_ms)


def _standing_after(
    entry: Entry, standing: WebhookStanding, state: DeliveryState, *, is_success: bool
) -> WebhookStanding:
    if is_success:
        return replace(
            standing,
            waiting=standing.waiting - 1,
            delivered=standing.delivered + 1,
            failures_in_a_row=0,
            failing_since_ms=0,
            last_delivered_at_ms=entry.now_ms,
        )
    is_dead = state is DeliveryState.DEAD
    return replace(
        standing,
        waiting=standing.waiting - is_dead,
        dead=standing.dead + is_dead,
        failures_in_a_row=standing.failures_in_a_row + 1,
        failing_since_ms=standing.failing_since_ms or entry.now_ms,
    )


def _why_off(entry: Entry, standing: WebhookStanding, result: AttemptResult) -> str:
    if result.is_gone:
        return "its receiver says that it is gone for good (410)"
    failing_ms = entry.now_ms - standing.failing_since_ms if standing.failing_since_ms else 0
    if failing_ms >= FAILING_MAX_MS and standing.failures_in_a_row >= FAILURES_MIN_TO_DISABLE:
        return f"nothing could be delivered for {failing_ms // 86_400_000} days"
    return ""


def _turn_off(entry: Entry, webhook: Webhook, reason: str) -> None:
    """Send nothing more there, and tell the others. What waits stays for when it is turned on again."""
    WEBHOOKS.put(
        entry.txn,
        replace(webhook, is_enabled=False, disabled_because=reason, version=webhook.version + 1),
    )
    record_event(
        entry,
        EventKind.WEBHOOK_DISABLED,
        subject=EventSubject(webhook_id=webhook.id),
        summary=f"Webhook {webhook.id} is turned off: {reason}",
        details={"reason": reason},
    )


def _standing(entry: Entry, webhook_id: str) -> WebhookStanding:
    return WEBHOOK_STANDINGS.get(entry.txn, webhook_id) or WebhookStanding(webhook_id=webhook_id)


def _not_there(webhook_id: str) -> Rejected:
    return Rejected(f"there is no webhook {webhook_id}", Code.NOT_FOUND)


def _changed(webhook_id: str, version: int) -> Rejected:
    now = f"it is at version {version}" if version else "it is not there (any more)"
    return Rejected(f"webhook {webhook_id} changed meanwhile ({now}): look again", Code.VERSION_CONFLICT)

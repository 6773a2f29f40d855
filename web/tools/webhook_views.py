"""What is shown of webhooks, of what was sent to them, and of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.model.events import Event, EventKind, Severity
from cluster.model.webhooks import (
    Backoff,
    Delivery,
    DeliveryState,
    FailureKind,
    Webhook,
    WebhookAuth,
    WebhookStanding,
    shown_url,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """One webhook and how it does. Values in the query of `url` are not shown, and no secret is.

    Until `old_secret_until_ms` the secret before counts as well. `disabled_because` is there when it was
    turned off by itself. `waiting` events are to be sent; of all there were since it was made, `delivered`
    arrived, `dead` were given up, and `dropped` waited when too many did.
    """

    id: str
    url: str
    events: tuple[str, ...]
    auth: WebhookAuth
    username: str
    attempts: int
    backoff: Backoff
    base_ms: int
    max_ms: int
    timeout_ms: int
    min_severity: Severity
    is_ordered: bool
    is_enabled: bool
    disabled_because: str
    old_secret_until_ms: int | None
    waiting: int
    delivered: int
    dead: int
    dropped: int
    failures_in_a_row: int
    failing_since_ms: int | None
    last_delivered_at_ms: int | None
    version: int
    created_at_ms: int
    changed_at_ms: int
    changed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPutView:
    """A webhook that was put. `secret` is there when the cluster made one: it is never shown again."""

    webhook: WebhookView
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One thing that happened. `id` is what receivers know it by."""

    id: str
    sequence: int
    kind: EventKind
    severity: Severity
    at_ms: int
    summary: str
    subject: Mapping[str, str]
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttemptView:
    """One attempt. `failure` "" means that it arrived; `detail` begins the answer, or says what failed."""

    number: int
    at_ms: int
    duration_ms: int
    status: int | None
    failure: FailureKind
    detail: str
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One event on its way to a webhook, with its newest attempts. `next_ms` is when it is tried next."""

    webhook: str
    event_id: str
    sequence: int
    kind: EventKind
    summary: str
    at_ms: int
    state: DeliveryState
    attempts: int
    next_ms: int | None
    changed_at_ms: int
    log: tuple[DeliveryAttemptView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayView:
    """How many events are sent again."""

    replayed: int


def webhook_view(webhook: Webhook, standing: WebhookStanding | None, now_ms: int) -> WebhookView:
    known = standing or WebhookStanding(webhook_id=webhook.id)
    old = [secret.until_ms for secret in webhook.secrets if secret.until_ms > now_ms]
    return WebhookView(
        id=webhook.id,
        url=shown_url(webhook.url),
        events=webhook.events,
        auth=webhook.auth,
        username=webhook.username,
        attempts=webhook.retry.attempts,
        backoff=webhook.retry.backoff,
        base_ms=webhook.retry.base_ms,
        max_ms=webhook.retry.max_ms,
        timeout_ms=webhook.timeout_ms,
        min_severity=webhook.min_severity,
        is_ordered=webhook.is_ordered,
        is_enabled=webhook.is_enabled,
        disabled_because=webhook.disabled_because,
        old_secret_until_ms=max(old, default=None),
        waiting=known.waiting,
        delivered=known.delivered,
        dead=known.dead,
        dropped=known.dropped,
        failures_in_a_row=known.failures_in_a_row,
        failing_since_ms=known.failing_since_ms or None,
        last_delivered_at_ms=known.last_delivered_at_ms or None,
        version=webhook.version,
        created_at_ms=webhook.created_at_ms,
        changed_at_ms=webhook.changed_at_ms,
        changed_by=webhook.changed_by,
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    is_waiting = delivery.state is DeliveryState.WAITING
    return DeliveryView(
        webhook=delivery.webhook_id,
        event_id=delivery.event.id,
        sequence=delivery.event.sequence,
        kind=delivery.event.kind,
        summary=delivery.event.summary,
        at_ms=delivery.event.at_ms,
        state=delivery.state,
        attempts=delivery.attempts,
        next_ms=delivery.next_ms if is_waiting else None,
        changed_at_ms=delivery.changed_at_ms,
        log=tuple(
            DeliveryAttemptView(
                number=attempt.number,
                at_ms=attempt.at_ms,
                duration_ms=attempt.duration_ms,
                status=attempt.status or None,
                failure=attempt.failure,
                detail=attempt.detail,
                node_id=attempt.node_id,
            )
            for attempt in delivery.log
        ),
    )


def event_view(event: Event) -> EventView:
    subject = {name: value for name in event.subject.__slots__ if (value := getattr(event.subject, name))}
    return EventView(
        id=event.id,
        sequence=event.sequence,
        kind=event.kind,
        severity=event.severity,
        at_ms=event.at_ms,
        summary=event.summary,
        subject=subject,
        details=dict(event.details),
    )

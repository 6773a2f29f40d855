"""Webhooks that come and go, and attempts that count, are known already, or come after the end."""

from __future__ import annotations

from cluster.commands import webhooks
from cluster.model.webhooks import (
    Attempt,
    FailureKind,
    RetryPolicy,
    SealedSecret,
    Webhook,
    WebhookAuth,
)
from cluster.store.records import DELIVERIES, WEBHOOKS
from tests.properties.draws.context import Choices, Draw


def webhook_commands(draw: Draw) -> Choices:
    rng = draw.rng
    name = rng.choice(["a", "b"])
    present = WEBHOOKS.get(draw.txn, name)
    version = rng.choice([0 if present is None else present.version, 0, 1])
    secret = SealedSecret(sealed=b"sealed" * 10)
    return [
        lambda: webhooks.PutWebhook(
            webhook=Webhook(
                id=name,
                url="https://hooks.example.com/",
                events=rng.choice([("*",), ("node:*", "rollout:*")]),
                auth=WebhookAuth.HMAC,
                secrets=(secret,),
                retry=RetryPolicy(attempts=rng.choice([1, 3])),
                is_ordered=rng.random() < 0.5,
                is_enabled=rng.random() < 0.8,
            ),
            expected_version=version,
        ),
        lambda: webhooks.RemoveWebhook(webhook_id=name),
        lambda: webhooks.RotateWebhookSecret(
            webhook_id=name,
            secret=secret,
            keep_ms=rng.choice([0, 60_000]),
            expected_version=max(1, version),
            changed_by="ann",
        ),
        lambda: webhooks.PingWebhook(webhook_id=name, by="ann"),
        lambda: webhooks.ReplayDeliveries(
            webhook_id=name, first=0, last=2**40, is_dead_only=rng.random() < 0.5
        ),
        *([lambda: _attempts(draw, name)] * 3),
    ]


def _attempts(draw: Draw, name: str) -> webhooks.RecordAttempts:
    rng = draw.rng
    rows = DELIVERIES.scan(draw.txn, name, limit=20)
    results = []
    for row in rng.sample(rows, min(len(rows), 3)):
        failure = rng.choice([FailureKind.NONE, FailureKind.STATUS, FailureKind.TIMEOUT])
        results.append(
            webhooks.AttemptResult(
                webhook_id=name,
                sequence=row.event.sequence,
                attempt=Attempt(
                    number=rng.choice([row.attempts + 1, row.attempts + 1, 1]),
                    at_ms=draw.now_ms,
                    duration_ms=5,
                    failure=failure,
                ),
                retry_after_ms=rng.choice([0, 60_000]),
                is_gone=failure is FailureKind.STATUS and rng.random() < 0.1,
            )
        )
    return webhooks.RecordAttempts(results=tuple(results))

"""What a receiver gets: the event as JSON, and headers that tell that it is from us.

With HMAC it is signed as Standard Webhooks 1.0.0 has it: HMAC-SHA256 over `id.timestamp.body`, in Base64,
once per secret that counts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cluster.model.events import Event
from cluster.model.webhooks import Webhook, WebhookAuth


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One request. `headers` hold secrets, and a URL may."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes


def message_of(
    webhook: Webhook, event: Event, secrets: Sequence[bytes], *, cluster: Mapping[str, str], now_ms: int
) -> Message:
    """Return the request of one attempt at `now_ms`. `secrets` are the opened ones that count, newest first.

    The body is the same, byte for byte, in every attempt and from every leader.
    """
    body = body_of(event, cluster)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": str(now_ms // 1000),
    }
    match webhook.auth:
        case WebhookAuth.BEARER:
            headers["Authorization"] = f"Bearer {secrets[0].decode()}"
        case WebhookAuth.BASIC:
            pair = webhook.username.encode() + b":" + secrets[0]
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        case WebhookAuth.HMAC:
            signed = f"{event.id}.{now_ms // 1000}.".encode() + body
            headers["webhook-signature"] = " ".join(_signature(secret, signed) for secret in secrets)
        case WebhookAuth.NONE:
            pass
    return Message(url=webhook.url, headers=headers, body=body)


def body_of(event: Event, cluster: Mapping[str, str]) -> bytes:
    """Return the event as it is sent: `type`, `timestamp` (RFC 3339) and `data`."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    subject = {name: value for name in event.subject.__slots__ if (value := getattr(event.subject, name))}
    return json.dumps(
        {
            "type": event.kind.value,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": {
                "id": event.id,
                "sequence": event.sequence,
                "severity": event.severity.value,
                "summary": event.summary,
                "subject": subject,
                "details": dict(event.details),
                "cluster": dict(cluster),
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def _signature(secret: bytes, signed: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"

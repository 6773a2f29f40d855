"""Taking our own secrets out of text that is about to be logged or shown."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"(?P<label>tower_(?:rt_[a-z0-9_]{1,63}?_[0-9]{1,10}|setup|[a-z2-7]{8})_)[a-z2-7]{52}_[0-9a-f]{8}"
    r"|(?P<join>TOWER1-[A-Z2-7]{32}-[A-Z2-7]{8}-)[A-Z2-7]{52}-[A-Z2-7]{7}"
    r"|(?P<jwt>eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.)[A-Za-z0-9_-]{40,}"
    r"|(?P<pem>-----BEGIN (?:EC )?PRIVATE KEY-----)[^-]*-----END (?:EC )?PRIVATE KEY-----",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return `text` with the secret part of every token and private key of ours replaced by `[redacted]`."""
    return _SECRETS.sub(lambda match: f"{match.group(match.lastgroup or 0)}[redacted]", text)

"""The one-time token that makes the first administrator of a new cluster.

It is printed by `tower init` on the host and works once. By default it has no time limit: whoever reads the
host's terminal owns the host already, and a limit only locks out slow people.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from cluster.identity.opaque_tokens import (
    decode_secret,
    encode_secret,
    format_token,
    hash_secret,
    parse_token,
    secret_matches,
)
from cluster.identity.refusal import Refused, in_words
from cluster.model.access import SetupToken

_KIND = "setup"


class SetupRefusal(StrEnum):
    """Why a setup token is not accepted."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"


def new_setup_token(secret: bytes, *, expires_at_ms: int | None = None) -> tuple[str, SetupToken]:
    """Return the text of a setup token of 32 random bytes, to show once, and the record to keep."""
    text = format_token(_KIND, encode_secret(secret))
    return text, SetupToken(secret_hash=hash_secret(secret), expires_at_ms=expires_at_ms)


def check_setup_token(
    record: SetupToken | None, presented: str, *, now_ms: int
) -> SetupToken | Refused[SetupRefusal]:
    """Return the record, now used, to commit with the first administrator. Total; never quotes the token."""
    parts = parse_token(presented.strip(), _KIND, 1)
    if isinstance(parts, str):
        return _refused(SetupRefusal.MALFORMED, f"this is not a setup token: {parts}")
    secret = decode_secret(parts[-1])
    if secret is None or len(parts) != 1:
        return _refused(SetupRefusal.MALFORMED, "this is not a setup token: its secret is not 52 characters")
    if record is None or not secret_matches(secret, record.secret_hash):
        return _refused(
            SetupRefusal.UNKNOWN,
            "this setup token is not this cluster's; `tower setup-token` on one of its hosts prints another",
        )
    if record.is_used:
        return _refused(
            SetupRefusal.USED,
            "this setup token was used: an administrator exists; log in, or ask them for an account",
        )
    if record.expires_at_ms is not None and now_ms >= record.expires_at_ms:
        return _refused(
            SetupRefusal.EXPIRED,
            f"this setup token expired {in_words(now_ms - record.expires_at_ms)} ago; "
            "`tower setup-token` on any host of the cluster prints a new one",
        )
    return replace(record, is_used=True)


def _refused(code: SetupRefusal, reason: str) -> Refused[SetupRefusal]:
    return Refused(code=code, reason=reason)

"""Tokens for programs: scripts, CI, MCP clients. `tower_<prefix>_<secret>_<crc32>`.

The prefix finds the record and may be shown in lists and logs; the secret is shown once and kept hashed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.identity import base32
from cluster.identity.opaque_tokens import (
    decode_secret,
    encode_secret,
    format_token,
    hash_secret,
    parse_token,
    secret_matches,
)
from cluster.identity.refusal import Refused, in_words
from cluster.model.access import ApiToken, Role
from cluster.model.ids import PrincipalId, TokenPrefix

PREFIX_BYTES = 5
_PREFIX_CHARACTERS = base32.encoded_length(PREFIX_BYTES)


class ApiTokenRefusal(StrEnum):
    """Why an API token is not accepted."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainApiToken:
    """A token with its secret, as made or presented. Its repr is safe to log."""

    prefix: TokenPrefix
    secret: bytes = field(repr=False)


def new_api_token(
    *,
    prefix_seed: bytes,
    secret: bytes,
    name: str,
    principal_id: PrincipalId,
    role: Role,
    scopes: frozenset[str],
    now_ms: int,
    expires_at_ms: int | None,
) -> tuple[PlainApiToken, ApiToken]:
    """Return a token of 5 and 32 random bytes, to show once, and the record to keep."""
    assert len(prefix_seed) == PREFIX_BYTES, "a prefix is made from 5 random bytes"
    prefix = TokenPrefix(base32.encode(prefix_seed))
    record = ApiToken(
        prefix=prefix,
        name=name,
        secret_hash=hash_secret(secret),
        principal_id=principal_id,
        role=role,
        scopes=scopes,
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
    )
    return PlainApiToken(prefix=prefix, secret=secret), record


def format_api_token(token: PlainApiToken) -> str:
    """Return the text of a token, secret included: 75 characters."""
    return format_token(token.prefix, encode_secret(token.secret))


def parse_api_token(text: str) -> PlainApiToken | Refused[ApiTokenRefusal]:
    """Return the token `text` stands for; total, and never quotes the text."""
    parts = parse_token(text, "", 1)
    if isinstance(parts, str):
        return _malformed(parts)
    if len(parts) != 2 or base32.decode(parts[0], PREFIX_BYTES) is None:
        return _malformed(f"it is not 'tower_', {_PREFIX_CHARACTERS} characters, a secret and a checksum")
    secret = decode_secret(parts[1])
    if secret is None:
        return _malformed("its secret is not 52 letters and digits")
    return PlainApiToken(prefix=TokenPrefix(parts[0]), secret=secret)


def check_api_token(
    record: ApiToken | None, presented: PlainApiToken, *, now_ms: int
) -> ApiToken | Refused[ApiTokenRefusal]:
    """Return the record found under the token's prefix when the token is good: role, scopes, whose it is.

    A wrong secret is answered as an unknown token: only a holder learns that one expired or was revoked.
    """
    if (
        record is None
        or record.prefix != presented.prefix
        or not secret_matches(presented.secret, record.secret_hash)
    ):
        return Refused(
            code=ApiTokenRefusal.UNKNOWN,
            reason=f"API token {presented.prefix} is not known to this cluster; it may be another cluster's",
        )
    if record.is_revoked:
        return Refused(
            code=ApiTokenRefusal.REVOKED,
            reason=f"API token {record.prefix} was revoked; ask an administrator for another",
        )
    if record.expires_at_ms is not None and now_ms >= record.expires_at_ms:
        ago = in_words(now_ms - record.expires_at_ms)
        return Refused(
            code=ApiTokenRefusal.EXPIRED, reason=f"API token {record.prefix} expired {ago} ago; make another"
        )
    return record


def _malformed(what: str) -> Refused[ApiTokenRefusal]:
    return Refused(code=ApiTokenRefusal.MALFORMED, reason=f"this is not an API token: {what}")

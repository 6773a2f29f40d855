"""Refresh tokens: one session, one chain of tokens, each good for one exchange (RFC 9700, 4.14.2).

Token number n of a session is `HMAC(key, session id, n)` under a key derived from the cluster key, and the
record keeps n and the hash of the token now valid. Being able to compute every token of a chain buys three
things with no history kept: an old token is *known* to be old, so its reuse ends the session, while an
invented one ends nothing; a client whose answer was lost gets the same successor again within a grace
period, never a second one; and two nodes that rotate at the same moment decide alike.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cluster.identity.keyring import ClusterKey, Keyring, Purpose
from cluster.identity.opaque_tokens import (
    decode_secret,
    encode_secret,
    format_token,
    hash_secret,
    parse_token,
    secret_matches,
)
from cluster.identity.refusal import Refused, in_words
from cluster.model.access import LoginSession
from cluster.model.ids import LoginId, PrincipalId

DAY_MS = 24 * 3600 * 1000
IDLE_TTL_MS = 7 * DAY_MS
SESSION_TTL_MS = 30 * DAY_MS
GRACE_MS = 30_000
_KIND = "rt"
_SESSION_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
_GENERATION = re.compile(r"0|[1-9][0-9]{0,9}")


class RefreshRefusal(StrEnum):
    """Why a refresh token is not exchanged, other than for reuse."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A token as presented. Its repr is safe to log."""

    session_id: LoginId
    generation: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The successor to hand out. Commit `session` first, unless it is the one given (a repeat)."""

    session: LoginSession
    token: RefreshToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """An old token came back: it was copied. Commit `session` (revoked), and tell the account's owner."""

    session: LoginSession
    reason: str


def start_session(
    *,
    session_id: LoginId,
    principal_id: PrincipalId,
    keyring: Keyring,
    now_ms: int,
    idle_ttl_ms: int = IDLE_TTL_MS,
    ttl_ms: int = SESSION_TTL_MS,
    ip: str = "",
    user_agent: str = "",
) -> Rotated:
    """Return the session and first token of a login; `session_id` must be new and random."""
    assert _SESSION_ID.fullmatch(session_id), session_id
    secret = _secret(keyring.current, session_id, 0)
    session = LoginSession(
        id=session_id,
        principal_id=principal_id,
        generation=0,
        secret_hash=hash_secret(secret),
        started_at_ms=now_ms,
        rotated_at_ms=now_ms,
        idle_expires_at_ms=min(now_ms + idle_ttl_ms, now_ms + ttl_ms),
        expires_at_ms=now_ms + ttl_ms,
        ip=ip,
        user_agent=user_agent,
    )
    return Rotated(session=session, token=RefreshToken(session_id=session_id, generation=0, secret=secret))


def format_refresh_token(token: RefreshToken) -> str:
    """Return the text of a token, secret included."""
    return format_token(_KIND, token.session_id, str(token.generation), encode_secret(token.secret))


def parse_refresh_token(text: str) -> RefreshToken | Refused[RefreshRefusal]:
    """Return the token `text` stands for; total, and never quotes the text."""
    parts = parse_token(text, _KIND, 2)
    if isinstance(parts, str):
        return _refused(RefreshRefusal.MALFORMED, f"this is not a refresh token: {parts}")
    secret = decode_secret(parts[-1])
    well_formed = len(parts) == 3 and _SESSION_ID.fullmatch(parts[0]) and _GENERATION.fullmatch(parts[1])
    if secret is None or not well_formed:
        return _refused(
            RefreshRefusal.MALFORMED, "this is not a refresh token: its parts are not as we make them"
        )
    return RefreshToken(session_id=LoginId(parts[0]), generation=int(parts[1]), secret=secret)


def rotate_refresh_token(
    session: LoginSession | None,
    presented: RefreshToken,
    *,
    keyring: Keyring,
    now_ms: int,
    idle_ttl_ms: int = IDLE_TTL_MS,
) -> Rotated | Reused | Refused[RefreshRefusal]:
    """Exchange a refresh token for its successor. Total, and equal on every node for equal arguments."""
    if session is None or session.id != presented.session_id or not _is_ours(session, presented, keyring):
        return _refused(RefreshRefusal.UNKNOWN, "this session is not known to this cluster; log in")
    if session.is_revoked:
        return _refused(RefreshRefusal.REVOKED, "this session was ended; log in")
    ended_ms = min(session.idle_expires_at_ms, session.expires_at_ms)
    if now_ms >= ended_ms:
        return _refused(
            RefreshRefusal.EXPIRED, f"this session expired {in_words(now_ms - ended_ms)} ago; log in"
        )
    if presented.generation == session.generation:
        return _advance(session, keyring, now_ms, idle_ttl_ms)
    if presented.generation == session.generation - 1 and now_ms - session.rotated_at_ms <= GRACE_MS:
        return _repeat(session, keyring)
    return Reused(
        session=replace(session, is_revoked=True),
        reason=f"refresh token {presented.generation} of session {session.id} was used again, and "
        f"{session.generation} is current: somebody else may hold a copy, so the session was ended",
    )


def _is_ours(session: LoginSession, presented: RefreshToken, keyring: Keyring) -> bool:
    """Whether we made the presented token, for this session and generation, no later than the session."""
    if presented.generation == session.generation:
        return secret_matches(presented.secret, session.secret_hash)
    if presented.generation > session.generation:
        return False
    return any(
        hmac.compare_digest(_secret(key, session.id, presented.generation), presented.secret)
        for key in keyring.keys
    )


def _advance(session: LoginSession, keyring: Keyring, now_ms: int, idle_ttl_ms: int) -> Rotated:
    generation = session.generation + 1
    secret = _secret(keyring.current, session.id, generation)
    successor = replace(
        session,
        generation=generation,
        secret_hash=hash_secret(secret),
        rotated_at_ms=now_ms,
        idle_expires_at_ms=min(now_ms + idle_ttl_ms, session.expires_at_ms),
    )
    token = RefreshToken(session_id=session.id, generation=generation, secret=secret)
    return Rotated(session=successor, token=token)


def _repeat(session: LoginSession, keyring: Keyring) -> Rotated | Refused[RefreshRefusal]:
    for key in keyring.keys:
        secret = _secret(key, session.id, session.generation)
        if secret_matches(secret, session.secret_hash):
            token = RefreshToken(session_id=session.id, generation=session.generation, secret=secret)
            return Rotated(session=session, token=token)
    return _refused(
        RefreshRefusal.UNKNOWN, "this session was continued with a cluster key that is no longer held; log in"
    )


def _secret(key: ClusterKey, session_id: str, generation: int) -> bytes:
    message = f"{session_id}/{generation}".encode("ascii")
    return hmac.digest(key.derive(Purpose.REFRESH_TOKENS), message, hashlib.sha256)


def _refused(code: RefreshRefusal, reason: str) -> Refused[RefreshRefusal]:
    return Refused(code=code, reason=reason)

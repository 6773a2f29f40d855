"""CSRF tokens: a double-submit value bound to its session (OWASP "signed double-submit cookie").

A page of another site can make a browser send our cookie, but cannot read it into a header; a sibling
subdomain can set our cookie, but cannot sign one for the victim's session.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

from cluster.identity import base32
from cluster.identity.keyring import ClusterKey, Keyring, Purpose
from cluster.identity.refusal import Refused

NONCE_BYTES = 16
_NONCE_CHARACTERS = base32.encoded_length(NONCE_BYTES)


class CsrfRefusal(StrEnum):
    """Why a request with a session cookie is not trusted to come from our page."""

    MISSING = "missing"
    MISMATCH = "mismatch"
    WRONG_SESSION = "wrong_session"


def make_csrf_token(keyring: Keyring, *, session_id: str, nonce: bytes) -> str:
    """Return the value for both cookie and header; `nonce` is 16 random bytes."""
    assert len(nonce) == NONCE_BYTES, "a CSRF nonce is 16 random bytes"
    encoded = base32.encode(nonce)
    return f"{encoded}.{_signature(keyring.current, session_id, encoded)}"


def check_csrf_token(
    keyring: Keyring, *, session_id: str, cookie: str | None, header: str | None
) -> Refused[CsrfRefusal] | None:
    """Return why a request is refused, or None when cookie and header are equal and made for this session."""
    if not cookie or not header:
        absent = "cookie" if not cookie else "header"
        return Refused(code=CsrfRefusal.MISSING, reason=f"the CSRF {absent} is missing; reload the page")
    if not hmac.compare_digest(cookie.encode("utf-8", "replace"), header.encode("utf-8", "replace")):
        return Refused(
            code=CsrfRefusal.MISMATCH,
            reason="the CSRF header is not the CSRF cookie's value; reload the page",
        )
    nonce, _, signature = cookie.partition(".")
    expected = [_signature(key, session_id, nonce) for key in keyring.keys]
    signed = any(
        hmac.compare_digest(each.encode(), signature.encode("utf-8", "replace")) for each in expected
    )
    if len(nonce) != _NONCE_CHARACTERS or not signed:
        return Refused(
            code=CsrfRefusal.WRONG_SESSION,
            reason="the CSRF token was not made for this session; reload the page",
        )
    return None


def _signature(key: ClusterKey, session_id: str, nonce: str) -> str:
    # The nonce's length is fixed and checked, so the two parts cannot be cut elsewhere.
    message = f"{nonce}/{session_id}".encode("utf-8", "replace")
    return base32.encode(hmac.digest(key.derive(Purpose.CSRF), message, hashlib.sha256))

"""An authenticator's codes (RFC 6238 over RFC 4226: SHA-1, six digits, 30 s) and recovery codes.

What every authenticator takes, SHA-1 included: HMAC does not need collisions to be hard.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from cluster.identity import base32

SECRET_BYTES = 20
"""RFC 4226, R6: 160 bits."""
STEP_MS = 30_000
DIGITS = 6
WINDOW = 1
"""Steps before and after the present one that count as well, for clocks that differ (RFC 6238, 5.2)."""
RECOVERY_BYTES = 10
"""80 random bits: nobody guesses them, so one SHA-256 is enough to keep."""

_CODE = re.compile(r"[0-9]{6}")
_GROUP = 4
_RECOVERY_CHARACTERS = base32.encoded_length(RECOVERY_BYTES)


def step_of(now_ms: int) -> int:
    """Return the time step of a moment."""
    return now_ms // STEP_MS


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a time step."""
    # A key shorter than 16 bytes cannot get here, and the check of the library is for those.
    return HOTP(secret, DIGITS, SHA1(), enforce_key_length=False).generate(step).decode()  # noqa: S303 (RFC 6238 as every app has it; HMAC needs no collision resistance)


def matching_step(secret: bytes, code: str, *, now_ms: int) -> int | None:
    """Return the time step a code is of, None when it is of none about now. Always as much work."""
    given = re.sub(r"[\s-]", "", code)
    present = step_of(now_ms)
    found = None
    for step in range(max(1, present - WINDOW), present + WINDOW + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given.encode("utf-8", "replace")):
            found = step
    return found


def looks_like_code(text: str) -> bool:
    """Whether it is six digits, however they are spaced: otherwise it may be a recovery code."""
    return _CODE.fullmatch(re.sub(r"[\s-]", "", text)) is not None


def secret_text(secret: bytes) -> str:
    """Return the secret as authenticators take it typed."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def authenticator_uri(secret: bytes, *, account: str, cluster: str) -> str:
    """Return what the QR code says (the key URI format of Google Authenticator)."""
    issuer = f"Control Tower {cluster}".strip()
    label = quote(f"{issuer}:{account}", safe="")
    query = urlencode(
        {
            "secret": secret_text(secret),
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": 30,
        },
        quote_via=quote,
    )
    return f"otpauth://totp/{label}?{query}"


def recovery_code(random: bytes) -> str:
    """Return the code of 10 random bytes: four groups of four."""
    assert len(random) == RECOVERY_BYTES, "a recovery code is 10 random bytes"
    text = base32.encode(random)
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def recovery_hash(principal_id: str, code: str) -> bytes | None:
    """Return what is kept of a code for this account, None for what cannot be one."""
    text = re.sub(r"[\s-]", "", code).lower()
    if len(text) != _RECOVERY_CHARACTERS or base32.decode(text, RECOVERY_BYTES) is None:
        return None
    return hashlib.sha256(f"recovery/{principal_id}/{text}".encode()).digest()

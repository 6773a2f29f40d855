"""The text form of the secrets we hand out: `tower_<parts>_<crc32>`.

The checksum tells a typing error from a wrong token without asking anybody, and lets scanners of
repositories and logs find ours with no false alarm (the scheme GitHub uses).

Secrets are 256 random bits, so their hash at rest is one SHA-256: Argon2 slows down guessing, and nobody
guesses 2^256.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib

from cluster.identity import base32

SECRET_BYTES = 32
TEXT_CHARACTERS_MAX = 512
_HEAD = "tower_"
_CHECKSUM_CHARACTERS = 8


def format_token(*parts: str) -> str:
    """Return the token text of `parts`, which are made of `a-z`, `0-9` and `_`."""
    body = _HEAD + "_".join(parts)
    return f"{body}_{_checksum(body)}"


def parse_token(text: str, kind: str, last_parts: int) -> list[str] | str:
    """Return the parts after `tower_<kind>_`, or a sentence naming what is wrong with `text`.

    The last `last_parts` parts hold no underscore; the one before them, if any, may.
    """
    start = f"{_HEAD}{kind}_" if kind else _HEAD
    body, separator, checksum = text.rpartition("_")
    if len(text) > TEXT_CHARACTERS_MAX or not text.startswith(start):
        return f"it does not start with {start!r}; check that the right token was copied"
    if not separator or not hmac.compare_digest(_checksum(body).encode(), checksum.encode()):
        return "its checksum does not match: a character is mistyped or missing; copy the whole token again"
    return body.removeprefix(start).rsplit("_", last_parts)


def hash_secret(secret: bytes) -> bytes:
    """Return what is kept of a secret: its SHA-256."""
    assert len(secret) == SECRET_BYTES, "a token's secret is 32 random bytes"
    return hashlib.sha256(secret).digest()


def secret_matches(secret: bytes, secret_hash: bytes) -> bool:
    """Whether `secret` is the one kept as `secret_hash`, in constant time."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)


def encode_secret(secret: bytes) -> str:
    """Return the 52 characters of a secret."""
    return base32.encode(secret)


def decode_secret(text: str) -> bytes | None:
    """Return the secret of 52 characters, or None."""
    return base32.decode(text, SECRET_BYTES)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogatepass')):0{_CHECKSUM_CHARACTERS}x}"

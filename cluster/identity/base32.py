"""Base 32 (RFC 4648, lower case, no padding) with exactly one text per value.

Chosen over base 64 because it survives reading aloud, case folding and a double click.
"""

from __future__ import annotations

import base64
import binascii

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def encode(value: bytes) -> str:
    """Return the text of `value`: `ceil(8 * len / 5)` characters of `ALPHABET`."""
    return base64.b32encode(value).decode("ascii").rstrip("=").lower()


def encoded_length(byte_count: int) -> int:
    """Return how many characters `byte_count` bytes take."""
    return -(-8 * byte_count // 5)


def decode(text: str, byte_count: int) -> bytes | None:
    """Return the `byte_count` bytes `text` stands for, or None when it is not what `encode` returns.

    The last character may carry unused bits; they must be zero, or two texts would mean one value and a
    changed token could still be accepted.
    """
    if len(text) != encoded_length(byte_count) or not text.isascii():
        return None
    try:
        value = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error:
        return None
    return value if encode(value) == text else None

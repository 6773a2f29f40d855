"""Secrets inside the replicated state: readable only with the cluster key, only where they were put.

AES-256-GCM (NIST SP 800-38D) under a key per purpose. Nonces are random, so one cluster key should seal
fewer than 2^32 secrets per purpose; rotating the cluster key starts the count again.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cluster.identity import base32
from cluster.identity.errors import SealBroken
from cluster.identity.keyring import KEY_ID_BYTES, Keyring, Purpose

NONCE_BYTES = 12
_MAGIC = b"TS1"
_TAG_BYTES = 16
_HEADER_BYTES = len(_MAGIC) + KEY_ID_BYTES + NONCE_BYTES


def seal(secret: bytes, keyring: Keyring, *, purpose: Purpose, context: str, nonce: bytes) -> bytes:
    """Return `secret` sealed with the current key: 36 bytes longer, openable under the same `context` only.

    `context` names the place (say `secret/<tenant>/<name>`), so that sealed bytes moved to another record
    do not open there. `nonce` is 12 random bytes, never used twice.
    """
    assert len(nonce) == NONCE_BYTES, "an AES-GCM nonce is 12 bytes"
    key_id = base32.decode(keyring.current.key_id, KEY_ID_BYTES)
    assert key_id is not None
    header = _MAGIC + key_id + nonce
    cipher = AESGCM(keyring.current.derive(purpose))
    return header + cipher.encrypt(nonce, secret, header + context.encode())


def open_sealed(sealed: bytes, keyring: Keyring, *, purpose: Purpose, context: str) -> bytes:
    """Return the secret `seal` was given.

    Raises:
        SealBroken: cut or changed, sealed for another purpose or context, or with a key not held here.
    """
    if len(sealed) < _HEADER_BYTES + _TAG_BYTES or not sealed.startswith(_MAGIC):
        raise SealBroken(
            f"{context}: these {len(sealed)} bytes were not sealed by Control Tower, or were cut"
        )
    header, body = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
    key_id = base32.encode(header[len(_MAGIC) : len(_MAGIC) + KEY_ID_BYTES])
    key = keyring.find(key_id)
    if key is None:
        held = ", ".join(key.key_id for key in keyring.keys)
        raise SealBroken(
            f"{context}: sealed with cluster key {key_id}, and this node holds {held}; "
            "copy the cluster key file from a node that holds it"
        )
    cipher = AESGCM(key.derive(purpose))
    try:
        return cipher.decrypt(header[-NONCE_BYTES:], body, header + context.encode())
    except InvalidTag as error:
        raise SealBroken(
            f"{context}: the sealed bytes were changed, or belong to another place; restore this record"
        ) from error


def sealing_key_id(sealed: bytes) -> str | None:
    """Return the id of the cluster key that sealed these bytes: a rotation reseals those of older keys."""
    if len(sealed) < _HEADER_BYTES + _TAG_BYTES or not sealed.startswith(_MAGIC):
        return None
    return base32.encode(sealed[len(_MAGIC) : len(_MAGIC) + KEY_ID_BYTES])

"""The cluster key, and the keys derived from it: one per purpose.

One 256-bit secret outside the replicated state lets every node sign and check sessions and open what the
state keeps sealed, so that any node can take over. The keys in use are never the cluster key itself: each
purpose has its own, derived with HKDF-SHA-256 (RFC 5869), so that one use can say nothing about another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cluster.identity import base32
from cluster.identity.errors import KeyringDamaged

CLUSTER_KEY_BYTES = 32
KEY_ID_BYTES = 5
_HEADING = "tower-cluster-keys 1"


class Purpose(StrEnum):
    """What a derived key is for. The values are part of the derivation: never change one."""

    CA_KEY = "ca-key"
    SECRETS = "secrets"
    ACCESS_TOKENS = "access-tokens"
    REFRESH_TOKENS = "refresh-tokens"
    CSRF = "csrf"
    TICKETS = "tickets"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKey:
    """32 random bytes shared by the members of one cluster."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.secret) == CLUSTER_KEY_BYTES, "a cluster key is 32 bytes"

    @property
    def key_id(self) -> str:
        """Eight characters that name this key without giving it away: a truncated SHA-256."""
        return base32.encode(hashlib.sha256(b"control-tower/1/key-id" + self.secret).digest()[:KEY_ID_BYTES])

    def derive(self, purpose: Purpose) -> bytes:
        """Return the 32-byte key for `purpose`; about 5 microseconds."""
        info = b"control-tower/1/" + purpose.value.encode("ascii")
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The key in use and those before it, which still open and verify what they made."""

    current: ClusterKey
    previous: tuple[ClusterKey, ...] = ()

    @property
    def keys(self) -> tuple[ClusterKey, ...]:
        """Every key held, the one in use first."""
        return (self.current, *self.previous)

    def find(self, key_id: str) -> ClusterKey | None:
        """Return the key of that id, or None when this node does not hold it."""
        return next((key for key in self.keys if key.key_id == key_id), None)

    def rotated(self, secret: bytes, *, keep: int = 1) -> Keyring:
        """Return a keyring that uses `secret`, and keeps the `keep` newest of the present keys."""
        return Keyring(current=ClusterKey(secret=secret), previous=self.keys[:keep])


def encode_keyring(keyring: Keyring) -> str:
    """Return the text of a keyring, secrets included: a heading, then `<key id> <secret>`, newest first."""
    lines = [f"{key.key_id} {base32.encode(key.secret)}" for key in keyring.keys]
    return "\n".join([_HEADING, *lines, ""])


def decode_keyring(text: str) -> Keyring:
    """Return what `encode_keyring` wrote.

    Raises:
        KeyringDamaged: naming the line, never its content.
    """
    heading, *lines = text.split("\n")
    if heading != _HEADING:
        raise KeyringDamaged(f"line 1 of the cluster keys is not {_HEADING!r}")
    if not lines or lines.pop() != "":
        raise KeyringDamaged("the cluster keys end in the middle of a line: the text was cut")
    keys = []
    for number, line in enumerate(lines, start=2):
        key_id, _, encoded = line.partition(" ")
        secret = base32.decode(encoded, CLUSTER_KEY_BYTES)
        if secret is None:
            raise KeyringDamaged(f"line {number} of the cluster keys is not a key id and a key")
        key = ClusterKey(secret=secret)
        if key.key_id != key_id:
            raise KeyringDamaged(
                f"line {number} of the cluster keys does not match its key id {key_id[:16]!r}"
            )
        keys.append(key)
    if not keys:
        raise KeyringDamaged("the cluster keys hold no key")
    return Keyring(current=keys[0], previous=tuple(keys[1:]))

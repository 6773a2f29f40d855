"""What a person agreed to, in a text: what is carried out is that, and nothing that came up since. Pure.

A plan is made on one node and may be carried out by another, so it is kept nowhere: its token holds a
fingerprint of everything that was shown. Who carries it out decides anew, and removes what both say.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.model.resources import ResourceKind

ITEMS_MAX = 4000
"""In one plan: its token is to pass as a field of a request."""

_VERSION = b"\x01"
_PRINT_BYTES = 8


def fingerprint(kind: ResourceKind, node_id: str, resource_id: str, names: Sequence[str]) -> bytes:
    """Return what tells one resource, as it was shown, from every other: 8 bytes of a SHA-256."""
    text = "\x00".join((kind.value, node_id, resource_id, *sorted(names)))
    return hashlib.sha256(text.encode()).digest()[:_PRINT_BYTES]


@dataclass(frozen=True, slots=True)
class PlanToken:
    """The fingerprints of what is to go."""

    prints: frozenset[bytes]

    @classmethod
    def of(cls, prints: Iterable[bytes]) -> PlanToken:
        return cls(frozenset(prints))

    def text(self) -> str:
        """Return the token; equal plans have equal ones."""
        return base64.urlsafe_b64encode(_VERSION + b"".join(sorted(self.prints))).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> PlanToken:
        """The inverse. Raises ValueError for what is no token."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("not the token of a plan") from error
        body = data[1:]
        if data[:1] != _VERSION or len(body) % _PRINT_BYTES or len(body) > ITEMS_MAX * _PRINT_BYTES:
            raise ValueError("not the token of a plan")
        return cls(frozenset(body[at : at + _PRINT_BYTES] for at in range(0, len(body), _PRINT_BYTES)))

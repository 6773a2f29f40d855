"""Tickets: what a node gives somebody to bring back to whichever node they come to next.

Sealed with a key derived from the cluster key, so every node reads them, nobody else does, and nothing of it
is kept in the state. A ticket is for one kind of use and ends by itself.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from enum import StrEnum

from cluster.identity.errors import SealBroken
from cluster.identity.keyring import Keyring, Purpose
from cluster.identity.refusal import Refused
from cluster.identity.sealing import open_sealed, seal

CHARACTERS_MAX = 4096


class TicketKind(StrEnum):
    """What a ticket is for. The values are part of the seal."""

    LOGIN = "login"
    """The password was right, and a code is to follow."""
    ENROLMENT = "enrolment"
    """A new authenticator's secret, until a code of it was shown."""
    SIGN_IN = "sign-in"
    """A browser is at an identity provider."""


class TicketRefusal(StrEnum):
    """Why a ticket is not accepted."""

    MALFORMED = "malformed"
    EXPIRED = "expired"


def make_ticket(
    kind: TicketKind, content: Mapping[str, str | int], keyring: Keyring, *, nonce: bytes, ends_at_ms: int
) -> str:
    """Return the text of a ticket. `nonce` is 12 random bytes."""
    body = json.dumps({**content, "ends": ends_at_ms}, separators=(",", ":")).encode()
    sealed = seal(body, keyring, purpose=Purpose.TICKETS, context=f"ticket/{kind}", nonce=nonce)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def open_ticket(
    kind: TicketKind, text: str, keyring: Keyring, *, now_ms: int
) -> dict[str, str | int] | Refused[TicketRefusal]:
    """Return what a ticket of ours holds. Total, and never quotes the text."""
    malformed = Refused(code=TicketRefusal.MALFORMED, reason="this was not given out here: begin again")
    if len(text) > CHARACTERS_MAX or not text.isascii():
        return malformed
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = open_sealed(sealed, keyring, purpose=Purpose.TICKETS, context=f"ticket/{kind}")
    except (binascii.Error, ValueError, SealBroken):
        return malformed
    content: dict[str, str | int] = json.loads(body)
    ends_at_ms = content.pop("ends")
    assert isinstance(ends_at_ms, int), "we wrote it"
    if now_ms >= ends_at_ms:
        return Refused(code=TicketRefusal.EXPIRED, reason="too much time has passed: begin again")
    return content

"""What became of a command: a value for its sender, or a refusal with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from cluster.encoding import EncodingError, pack, unpack


class Code(StrEnum):
    """Why a command was rejected, for programs. Append only."""

    MALFORMED = "malformed"
    UNKNOWN_COMMAND = "unknown-command"
    TOO_OLD = "too-old"
    FENCED = "fenced"
    INTERNAL = "internal"
    AUDIT_UNAVAILABLE = "audit-unavailable"
    VERSION_CONFLICT = "version-conflict"
    NOT_FOUND = "not-found"
    ALREADY_EXISTS = "already-exists"
    INVALID = "invalid"
    EXPIRED = "expired"
    IN_USE = "in-use"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Applied:
    """The command took effect. `result` is a plain value; each command's docstring says which."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The command changed nothing but the book-keeping. `reason` is for people."""

    reason: str
    code: Code


Outcome: TypeAlias = Applied | Rejected


def encode_outcome(outcome: Outcome) -> bytes:
    if isinstance(outcome, Applied):
        return pack([0, outcome.result])
    return pack([1, outcome.reason, outcome.code.value])


def hashed_outcome(outcome: bytes) -> bytes:
    """Return the part of an encoded outcome that is equal on nodes of all versions: of a rejection, its code.

    Reasons are for people, and get better with every version.
    """
    if outcome.startswith(_APPLIED):
        return outcome
    _, _, code = unpack(outcome)
    return pack([1, code])


_APPLIED = pack([0, None])[:2]


def decode_outcome(data: bytes) -> Outcome:
    """Return what `encode_outcome` wrote. Raises EncodingError for other bytes."""
    match unpack(data):
        case (0, result):
            return Applied(result)
        case (1, str(reason), str(code)):
            try:
                return Rejected(reason, Code(code))
            except ValueError as error:
                raise EncodingError(f"outcome code {code!r} is not known") from error
        case _:
            raise EncodingError("not an outcome")

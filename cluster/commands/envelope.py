"""A command on its way through the log: who sent it, when, and its bytes.

Bytes: msgpack `[envelope version, client id, sequence, time_ms, leader term, audit stamp or nil, command
number, command version, [fields]]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from cluster.commands.registry import BY_CLASS, BY_NUMBER, IGNORABLE_FROM
from cluster.encoding import EncodingError, codec, pack, unpack
from cluster.model.audit import AuditStamp

ENVELOPE_VERSION = 1
COMMAND_BYTES_MAX = 256 * 1024
"""Largest command. The Raft layer sends nothing larger."""

_CLIENT_ID_CHARS_MAX = 64
_SEQUENCE_MAX = 2**62
_TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999


class MalformedCommand(ValueError):
    """Bytes that are no command, or a command whose fields break its own rules."""


class NewerCommand(Exception):
    """A command of a newer version that may not be skipped. Nothing was changed: upgrade this node."""


@dataclass(frozen=True, slots=True)
class SkippedCommand:
    """An ignorable command that this version does not know."""

    number: int
    version: int


class Envelope(NamedTuple):
    """One command with what makes it safe to repeat.

    `client_id` names one running process, and `sequence` counts its commands from 1: a retry is the same
    bytes and is answered with the first result. At most 1,024 commands of a client may be unanswered.
    `time_ms` is the proposer's clock, but never behind the log time it has seen. `leader_term` is the term a
    leader acts in, 0 for everyone else.
    """

    client_id: str
    sequence: int
    time_ms: int
    command: Any
    leader_term: int = 0
    audit: AuditStamp | None = None


def encode(envelope: Envelope) -> bytes:
    """Return the bytes of `envelope`. Raises MalformedCommand when no node would accept them."""
    kind = BY_CLASS[type(envelope.command)]
    _check(envelope.client_id, envelope.sequence, envelope.time_ms, envelope.leader_term)
    audit = None if envelope.audit is None else _STAMPS.to_array(envelope.audit)
    fields = kind.codec.to_array(envelope.command)
    try:
        data = pack(
            [
                ENVELOPE_VERSION,
                envelope.client_id,
                envelope.sequence,
                envelope.time_ms,
                envelope.leader_term,
                audit,
                kind.number,
                kind.version_of(len(fields)),
                fields,
            ]
        )
    except EncodingError as error:
        raise MalformedCommand(f"{kind.name}: {error}") from error
    if len(data) > COMMAND_BYTES_MAX:
        raise MalformedCommand(f"{kind.name}: {len(data)} bytes, at most {COMMAND_BYTES_MAX}")
    return data


def decode(data: bytes) -> Envelope:
    """Return the envelope in `data`; its command may be a `SkippedCommand`.

    Raises MalformedCommand for bytes that are none, NewerCommand when only a newer version can read it.
    """
    try:
        array = unpack(data, max_bytes=COMMAND_BYTES_MAX)
    except EncodingError as error:
        raise MalformedCommand(str(error)) from error
    if type(array) is not tuple or len(array) < 9 or type(array[0]) is not int or array[0] < 1:
        raise MalformedCommand("not a command envelope")
    if array[0] > ENVELOPE_VERSION:
        raise NewerCommand(
            f"the log holds an envelope of version {array[0]}, this version knows {ENVELOPE_VERSION}:"
            " upgrade this node to the cluster's version"
        )
    if len(array) != 9:
        raise MalformedCommand(f"an envelope has 9 fields, not {len(array)}")
    _, client_id, sequence, time_ms, leader_term, stamp, number, version, fields = array
    _check(client_id, sequence, time_ms, leader_term)
    if type(number) is not int or type(version) is not int or number < 1 or version < 1:
        raise MalformedCommand("command number and version must be integers from 1")
    try:
        audit = None if stamp is None else _STAMPS.from_array(stamp)
        kind = BY_NUMBER.get(number)
        if kind is not None and version <= kind.version:
            command = kind.codec.from_array(fields)
        elif number >= IGNORABLE_FROM:
            command = SkippedCommand(number, version)
        else:
            known = "not known" if kind is None else f"known up to version {kind.version}"
            raise NewerCommand(
                f"the log holds command {number} version {version}, which is {known} here and may not be"
                " skipped: upgrade this node to the cluster's version"
            )
    except EncodingError as error:
        raise MalformedCommand(str(error)) from error
    return Envelope(client_id, sequence, time_ms, command, leader_term, audit)


_STAMPS = codec(AuditStamp)


def _check(client_id: object, sequence: object, time_ms: object, leader_term: object) -> None:
    if (
        type(client_id) is not str
        or not 0 < len(client_id) <= _CLIENT_ID_CHARS_MAX
        or not (client_id.isascii() and client_id.isprintable())
        or " " in client_id
    ):
        raise MalformedCommand("client id: 1 to 64 printable ASCII characters without spaces")
    if type(sequence) is not int or not 1 <= sequence <= _SEQUENCE_MAX:
        raise MalformedCommand("sequence: an integer from 1")
    if type(time_ms) is not int or not 0 <= time_ms <= _TIME_MS_MAX:
        raise MalformedCommand("time_ms: Unix epoch milliseconds up to the year 9999")
    if type(leader_term) is not int or leader_term < 0:
        raise MalformedCommand("leader term: 0, or the term the leader acts in")

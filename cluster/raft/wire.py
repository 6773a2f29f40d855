"""Peer messages as bytes: one msgpack array per message, `[number, fields...]`.

`encode` and `decode` are inverse and share one table, so that neither side can send what the other refuses.
A message that decodes has exactly the known fields, of the known types, in the known ranges; decoding runs
no code of the sender's, and the size of the frame bounds the memory it takes.

Numbers are append-only: a changed message gets a new number.
"""

from collections.abc import Callable
from typing import Any, Final

from cluster.encoding import pack, unpack
from cluster.raft.types import Message, Outcome

Check = Callable[[Any], bool]

MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
MAX_INTEGER: Final = 2**63 - 1
MAX_NAME_CHARS: Final = 255
MAX_HASH_BYTES: Final = 64

_OUTCOMES: Final = frozenset(int(outcome) for outcome in Outcome)
_CHANGES: Final = frozenset({"learner", "voter", "remove"})


class WireError(ValueError):
    """Bytes that are no message, or a message that cannot be bytes. The session it came from must end."""


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _index_or_refused(value: Any) -> bool:
    return type(value) is int and -1 <= value <= MAX_INTEGER


def _flag(value: Any) -> bool:
    return value is True or value is False


def _blob(value: Any) -> bool:
    return type(value) is bytes


def _name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_NAME_CHARS


def _address(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_NAME_CHARS


def _change(value: Any) -> bool:
    return type(value) is str and value in _CHANGES


def _outcome(value: Any) -> bool:
    return type(value) is int and value in _OUTCOMES


def _id(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) == 2 and _name(value[0]) and _natural(value[1])


def _digest(value: Any) -> bool:
    return value is None or (
        type(value) in (list, tuple)
        and len(value) == 2
        and _natural(value[0])
        and _blob(value[1])
        and len(value[1]) <= MAX_HASH_BYTES
    )


def _entries(value: Any) -> bool:
    if type(value) not in (list, tuple):
        return False
    for entry in value:
        if type(entry) not in (list, tuple) or len(entry) != 3:
            return False
        command, index, term = entry
        if type(command) is not bytes or type(index) is not int or type(term) is not int:
            return False
        if not command or not 0 <= index <= MAX_INTEGER or not 0 <= term <= MAX_INTEGER:
            return False
    return True


def _chunk(value: Any) -> bool:
    if value is None:
        return True
    if type(value) not in (list, tuple) or len(value) != 6:
        return False
    index, term, offset, size, data, sha256 = value
    return (
        _natural(index)
        and _natural(term)
        and _natural(offset)
        and _natural(size)
        and _blob(data)
        and offset + len(data) <= size
        and _blob(sha256)
        and len(sha256) in (0, 32)
    )


_RULES: Final[dict[Check, str]] = {
    _natural: f"an integer from 0 to {MAX_INTEGER}",
    _index_or_refused: f"an integer from -1 to {MAX_INTEGER}",
    _flag: "true or false",
    _blob: "bytes",
    _name: f"text of 1 to {MAX_NAME_CHARS} characters",
    _address: f"text of at most {MAX_NAME_CHARS} characters",
    _change: "one of learner, voter, remove",
    _outcome: f"one of {', '.join(str(int(outcome)) for outcome in Outcome)}",
    _id: "[incarnation, number]",
    _digest: "nothing or [index, hash]",
    _entries: "a list of [command, index, term], no command empty",
    _chunk: "nothing or [index, term, offset, size, data, sha256] with the data inside the size",
}

_APPEND: Final = (("term", _natural), ("commit_index", _natural), ("seq", _natural), ("digest", _digest))
_LAST_LOG: Final = (("last_log_index", _natural), ("last_log_term", _natural))

# number: (type, fields). append_entries has two shapes, so two numbers: entries after a known one, or a part
# of a snapshot.
_SHAPES: Final[dict[int, tuple[str, tuple[tuple[str, Check], ...]]]] = {
    1: (
        "append_entries",
        (*_APPEND, ("prevLogIdx", _natural), ("prevLogTerm", _natural), ("entries", _entries)),
    ),
    2: ("append_entries", (*_APPEND, ("serialized", _chunk))),
    3: (
        "next_node_idx",
        (
            ("term", _natural),
            ("next_node_idx", _natural),
            ("reset", _flag),
            ("success", _flag),
            ("seq", _natural),
        ),
    ),
    4: ("request_vote", (("term", _natural), *_LAST_LOG, ("transfer", _flag))),
    5: ("response_vote", (("term", _natural),)),
    6: ("timeout_now", (("term", _natural),)),
    7: ("pre_vote", (("term", _natural), *_LAST_LOG, ("round", _natural))),
    8: ("pre_vote_reply", (("term", _natural), ("round", _natural), ("granted", _flag))),
    9: ("propose", (("id", _id), ("command", _blob))),
    10: ("change", (("id", _id), ("op", _change), ("node", _name), ("address", _address))),
    11: (
        "proposed",
        (("id", _id), ("outcome", _outcome), ("index", _natural), ("term", _natural), ("result", _blob)),
    ),
    12: ("read_index", (("id", _id),)),
    13: ("read_index_reply", (("id", _id), ("index", _index_or_refused))),
    14: ("removed", (("term", _natural),)),
}
_NUMBERS: Final = {name: number for number, (name, _) in _SHAPES.items() if name != "append_entries"}


def _refusal(name: Any, field: str, check: Check) -> WireError:
    # The value stays out: it may be a whole command, and commands carry secrets.
    return WireError(f"{name}.{field} must be {_RULES[check]}")


def encode(message: Message) -> bytes:
    """Return the frame body of `message`. Raises WireError if a field is unknown, missing or malformed."""
    name = message.get("type")
    if name == "append_entries":
        number = 1 if "prevLogIdx" in message else 2
    else:
        known = _NUMBERS.get(name) if type(name) is str else None
        if known is None:
            raise WireError("the message is of no known type")
        number = known
    _, fields = _SHAPES[number]
    values: list[Any] = [number]
    for field, check in fields:
        value = message.get(field)
        if not check(value):
            raise _refusal(name, field, check)
        values.append(value)
    if len(message) != len(fields) + 1 or not all(field in message for field, _ in fields):
        raise WireError(f"{name} must have exactly the fields {', '.join(field for field, _ in fields)}")
    try:
        body = pack(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise WireError(f"{name} cannot be encoded") from error
    if len(body) > MAX_FRAME_BYTES:
        raise WireError(f"{name} is {len(body)} bytes; a frame is at most {MAX_FRAME_BYTES}")
    return body


def decode(body: bytes) -> Message:
    """Return the message in the frame `body`. Raises WireError for anything that `encode` does not produce.

    `entries` comes back as a list of tuples; an id, a digest and a chunk as tuples.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise WireError(f"a frame is at most {MAX_FRAME_BYTES} bytes, not {len(body)}")
    try:
        values = unpack(body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WireError("a frame that is not msgpack") from error
    if type(values) not in (list, tuple) or not values or type(values[0]) is not int:
        raise WireError("a frame that is not [number, fields...]")
    shape = _SHAPES.get(values[0])
    if shape is None:
        raise WireError(f"message number {values[0]} is unknown here")
    name, fields = shape
    if len(values) != len(fields) + 1:
        raise WireError(f"{name} has {len(fields)} fields, not {len(values) - 1}")
    message: Message = {"type": name}
    for (field, check), value in zip(fields, values[1:], strict=True):
        if not check(value):
            raise _refusal(name, field, check)
        message[field] = value
    if values[0] == 1:
        message["entries"] = list(message["entries"])
    return message

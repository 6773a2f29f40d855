"""Bytes of the wire, the log and the store: msgpack arrays, strictly read.

This is the only module that imports msgpack. `pack` and `unpack` carry plain values; `codec(cls)` turns a
frozen dataclass into an array of its fields in declaration order and back, checking every type on the way in.

What may change in a dataclass that was ever written: fields are appended, with a default, and never removed,
reordered or given another type. Trailing fields that have their default are not written. So arrays of an
older version read as they were meant, nodes of two versions write equal bytes as long as the new fields are
unused, and an array that is longer than this version knows comes from a newer one and is refused.
"""

from __future__ import annotations

import dataclasses
import enum
import operator
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgpack  # type: ignore[import-untyped]  # it ships no types

MAX_BYTES = 16 * 1024 * 1024
"""Longest input `unpack` reads unless told otherwise: above every frame (8 MiB) and every stored record."""

_T = TypeVar("_T")

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]


class EncodingError(ValueError):
    """A value that cannot be written, or bytes that are not what their reader expects."""


_KEPT_BUFFER_BYTES = 1024 * 1024
"""A packer's buffer never shrinks, so one that held more than this is let go."""

_packers: list[Any] = []
"""Packers not in use: making one costs several times what packing a record does. Taking one and putting it
back are one step each to other threads: there are at most as many as threads that packed at once.
"""


def pack(value: object) -> bytes:
    """Return the msgpack bytes of `value`: None, bool, int (64 bit), float, str, bytes, list, tuple, dict
    with str or bytes keys. Equal values give equal bytes, but for the order of a dict; arrays are preferred.

    Raises EncodingError for anything else.
    """
    try:
        packer = _packers.pop()
    except IndexError:
        packer = msgpack.Packer()
    try:
        data: bytes = packer.pack(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodingError(f"cannot be encoded: {error}") from error
    if len(data) <= _KEPT_BUFFER_BYTES:
        _packers.append(packer)
    return data


def unpack(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the one value in `data`; arrays come back as tuples.

    Raises EncodingError when `data` is longer than `max_bytes`, is not one complete msgpack value, holds
    invalid UTF-8, an extension type, a map whose keys are not str or bytes, or nests deeper than 1,000
    levels.
    """
    if len(data) > max_bytes:
        raise EncodingError(f"{len(data)} bytes are more than the {max_bytes} allowed here")
    try:
        value = msgpack.unpackb(
            data, raw=False, use_list=False, strict_map_key=True, ext_hook=_refuse_extension, timestamp=0
        )
    except EncodingError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise EncodingError(f"not one msgpack value: {str(error) or type(error).__name__}") from error
    # Extension type -1 does not reach the hook: msgpack turns it into its Timestamp. Its marks are searched
    # for first because walking every value costs more than reading it.
    if b"\xff" in data and (b"\xd6\xff" in data or b"\xd7\xff" in data or b"\xc7\x0c\xff" in data):
        _refuse_timestamps(value)
    return value


def _refuse_extension(code: int, data: bytes) -> Any:
    raise EncodingError(f"extension type {code} is not used here")


def _refuse_timestamps(value: object) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, msgpack.Timestamp):
            raise EncodingError("extension type -1 is not used here")


class Codec(Generic[_T]):
    """Arrays and bytes of one dataclass. Obtain it with `codec(cls)`."""

    __slots__ = (
        "_decoders",
        "_encoders",
        "_is_plain",
        "_names",
        "_optional",
        "_proven",
        "_required",
        "_values",
        "cls",
    )

    def __init__(self, cls: type[_T]) -> None:
        if not dataclasses.is_dataclass(cls):
            raise TypeError(f"{cls.__name__} is not a dataclass")
        self.cls = cls
        hints = typing.get_type_hints(cls)
        fields = dataclasses.fields(cls)
        self._names = tuple(field.name for field in fields)
        plans = [_plan(hints[field.name], f"{cls.__name__}.{field.name}") for field in fields]
        self._values = _getter(self._names)
        # Of the fields that are not written as they are: position and encoder.
        self._encoders = tuple(
            (position, encoder) for position, (encoder, _) in enumerate(plans) if encoder is not None
        )
        self._decoders = tuple(decoder for _, decoder in plans)
        self._is_plain = all(_is_plain(hints[field.name]) for field in fields)
        # Of a plain dataclass: the types of arrays that were read. Others of the same types need no look.
        self._proven: set[tuple[type, ...]] = set()
        defaults = [_default_of(field) for field in fields]
        required = [i for i, default in enumerate(defaults) if default is _NO_DEFAULT]
        self._required = required[-1] + 1 if required else 0
        # Defaults of the fields that may be left out, the last one first.
        self._optional = tuple(reversed(defaults[self._required :]))

    def to_array(self, value: _T) -> list[Any]:
        """Return the fields of `value` in declaration order, as plain values, without trailing defaults."""
        array = self._values(value)
        for default in self._optional:
            if array[-1] != default:
                break
            array.pop()
        count = len(array)
        for position, encode in self._encoders:
            if position >= count:
                break
            array[position] = encode(array[position])
        return array

    def from_array(self, array: object) -> _T:
        """Return the dataclass whose fields are `array`.

        Raises EncodingError when a field has another type, a field without a default is absent, there are
        more fields than this version knows, or the dataclass refuses the values.
        """
        if type(array) is not tuple and type(array) is not list:
            raise EncodingError(f"{self.cls.__name__}: expected an array, got {type(array).__name__}")
        kinds = tuple(map(type, array)) if self._is_plain else ()
        if kinds in self._proven:
            try:
                return self.cls(**dict(zip(self._names, array, strict=False)))
            except ValueError as error:
                raise EncodingError(f"{self.cls.__name__}: {error}") from error
        count = len(array)
        if count > len(self._decoders):
            raise EncodingError(
                f"{self.cls.__name__}: {count} fields, this version knows {len(self._decoders)};"
                " they were written by a newer version"
            )
        if count < self._required:
            raise EncodingError(f"{self.cls.__name__}: {count} fields of the {self._required} required")
        values = {
            name: decode(item) for name, decode, item in zip(self._names, self._decoders, array, strict=False)
        }
        if self._is_plain:
            self._proven.add(kinds)
        try:
            return self.cls(**values)
        except ValueError as error:
            raise EncodingError(f"{self.cls.__name__}: {error}") from error

    def encode(self, value: _T) -> bytes:
        """Return the bytes of `value`."""
        return pack(self.to_array(value))

    def decode(self, data: bytes) -> _T:
        """Return the value whose bytes are `data`. Raises EncodingError as `unpack` and `from_array` do."""
        return self.from_array(unpack(data))


def _getter(names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    """Return what reads the attributes `names` of an object into a list."""
    if len(names) < 2:
        return lambda value: [getattr(value, name) for name in names]
    read = operator.attrgetter(*names)
    return lambda value: list(read(value))


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NO_DEFAULT


_NO_DEFAULT = object()

_CODECS: dict[type[Any], Codec[Any]] = {}


def codec(cls: type[_T]) -> Codec[_T]:
    """Return the codec of a dataclass whose fields are made of None, bool, int, float, str, bytes, StrEnum,
    NewType of those, `X | None`, `tuple[X, ...]`, `tuple[X, Y]`, `frozenset[X]` (a sorted array) and such
    dataclasses.
    """
    found = _CODECS.get(cls)
    if found is None:
        found = _CODECS[cls] = Codec(cls)
    return found


def to_array(value: Any) -> list[Any]:
    """Return the fields of a dataclass in declaration order, as plain values."""
    return codec(type(value)).to_array(value)


def from_array(cls: type[_T], array: object) -> _T:
    """Return the `cls` whose fields are `array`; see `Codec.from_array`."""
    return codec(cls).from_array(array)


_PLAIN_TYPES = (bool, int, str, bytes, float)


def _is_plain(hint: Any) -> bool:
    """Whether a value of type `hint` is read as it is, and only its type is looked at."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return all(item is types.NoneType or _is_plain(item) for item in typing.get_args(hint))
    return hint in _PLAIN_TYPES


def _plan(hint: Any, where: str) -> tuple[Encoder | None, Decoder]:
    """Return how a value of type `hint` is written (None: as it is) and read."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if hint in _PLAIN_TYPES:
        return None, _exactly(hint, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _plan_optional(arguments, where)
    if origin is tuple:
        return _plan_tuple(arguments, where)
    if origin is frozenset:
        return _plan_set(arguments[0], where)
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum | enum.IntEnum):
        return _plan_enum(hint, where)
    if dataclasses.is_dataclass(hint):
        return _plan_dataclass(typing.cast(type[Any], hint))
    raise TypeError(f"{where}: {hint!r} has no encoding")


def _exactly(expected: type, where: str) -> Decoder:
    def decode(value: Any) -> Any:
        # Not isinstance: True is an int, and a bool where a number belongs is a mistake.
        if type(value) is not expected:
            raise EncodingError(f"{where}: expected {expected.__name__}, got {type(value).__name__}")
        return value

    return decode


def _plan_optional(arguments: Sequence[Any], where: str) -> tuple[Encoder | None, Decoder]:
    inner = [argument for argument in arguments if argument is not types.NoneType]
    if len(inner) != 1 or len(arguments) != 2:
        raise TypeError(f"{where}: of unions only `X | None` has an encoding")
    encode, decode = _plan(inner[0], where)

    def decode_optional(value: Any) -> Any:
        return None if value is None else decode(value)

    if encode is None:
        return None, decode_optional
    encode_inner = encode

    def encode_optional(value: Any) -> Any:
        return None if value is None else encode_inner(value)

    return encode_optional, decode_optional


def _plan_tuple(arguments: Sequence[Any], where: str) -> tuple[Encoder | None, Decoder]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        encode, decode = _plan(arguments[0], where)

        def decode_all(value: Any) -> Any:
            return tuple(decode(item) for item in _array(value, where))

        if encode is None:
            return None, decode_all
        encode_item = encode
        return (lambda value: [encode_item(item) for item in value]), decode_all

    plans = [_plan(argument, where) for argument in arguments]

    def decode_fixed(value: Any) -> Any:
        items = _array(value, where)
        if len(items) != len(plans):
            raise EncodingError(f"{where}: expected {len(plans)} items, got {len(items)}")
        return tuple(plan[1](item) for plan, item in zip(plans, items, strict=True))

    if all(plan[0] is None for plan in plans):
        return None, decode_fixed

    def encode_fixed(value: Any) -> Any:
        return [item if plan[0] is None else plan[0](item) for plan, item in zip(plans, value, strict=True)]

    return encode_fixed, decode_fixed


def _plan_set(argument: Any, where: str) -> tuple[Encoder | None, Decoder]:
    encode, decode = _plan(argument, where)

    def encode_set(value: Any) -> Any:
        # Sorted: the order of a set of strings differs in every process.
        return sorted(value if encode is None else map(encode, value))

    def decode_set(value: Any) -> Any:
        items = _array(value, where)
        decoded = frozenset(decode(item) for item in items)
        if list(items) != sorted(items) or len(decoded) != len(items):
            raise EncodingError(f"{where}: expected a sorted array without duplicates")
        return decoded

    return encode_set, decode_set


def _plan_enum(hint: type[enum.StrEnum] | type[enum.IntEnum], where: str) -> tuple[Encoder | None, Decoder]:
    members: dict[Any, enum.StrEnum | enum.IntEnum] = {member.value: member for member in hint}
    written = int if issubclass(hint, enum.IntEnum) else str

    def decode(value: Any) -> Any:
        member = members.get(value) if type(value) is written else None
        if member is None:
            raise EncodingError(f"{where}: {value!r} is not one of {', '.join(map(str, members))}")
        return member

    return (lambda member: member.value), decode


def _plan_dataclass(hint: type[Any]) -> tuple[Encoder | None, Decoder]:
    inner = codec(hint)
    return inner.to_array, inner.from_array


def _array(value: Any, where: str) -> Sequence[Any]:
    if type(value) is not tuple and type(value) is not list:
        raise EncodingError(f"{where}: expected an array, got {type(value).__name__}")
    return typing.cast(Sequence[Any], value)

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from cluster.encoding import MAX_BYTES, EncodingError, codec, pack, unpack

Id = NewType("Id", str)


class Colour(StrEnum):
    BLUE = "blue"
    GREEN = "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    id: Id
    colour: Colour
    centre: Point
    weight: float
    is_solid: bool
    blob: bytes
    corners: tuple[Point, ...] = ()
    name: str | None = None
    size: tuple[int, str] = (1, "m")
    tags: frozenset[str] = frozenset()
    parent: Point | None = None
    extra: tuple[str, ...] = field(default_factory=tuple)


SHAPE = Shape(
    id=Id("s1"),
    colour=Colour.GREEN,
    centre=Point(x=1, y=2),
    weight=0.5,
    is_solid=True,
    blob=b"\x00\x01",
    corners=(Point(x=3), Point(x=4, y=5)),
    name="box",
    size=(2, "km"),
    tags=frozenset({"b", "a"}),
    parent=Point(x=6),
    extra=("e",),
)


def test_a_dataclass_comes_back_equal() -> None:
    assert codec(Shape).decode(codec(Shape).encode(SHAPE)) == SHAPE


def test_sets_are_written_sorted_and_enums_by_value() -> None:
    array = codec(Shape).to_array(SHAPE)
    assert array[1] == "green"
    assert array[9] == ["a", "b"]


def test_trailing_fields_with_their_default_are_not_written() -> None:
    assert codec(Point).to_array(Point(x=1)) == [1]
    assert codec(Point).to_array(Point(x=1, y=2)) == [1, 2]


def test_an_array_of_an_older_version_reads_with_the_defaults() -> None:
    assert codec(Point).from_array([7]) == Point(x=7, y=0)


def test_an_array_longer_than_this_version_knows_is_refused_as_newer() -> None:
    with pytest.raises(EncodingError, match="newer version"):
        codec(Point).from_array([1, 2, 3])


def test_an_array_without_a_required_field_is_refused() -> None:
    with pytest.raises(EncodingError, match="0 fields of the 1 required"):
        codec(Point).from_array([])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (["1"], r"Point\.x: expected int, got str"),
        ([True], r"Point\.x: expected int, got bool"),
        ([1.0], r"Point\.x: expected int, got float"),
        ([None], r"Point\.x: expected int, got NoneType"),
        ({"x": 1}, "expected an array"),
        ("x", "expected an array"),
    ],
)
def test_a_field_of_another_type_is_named(array: object, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        codec(Point).from_array(array)


def test_a_field_of_another_type_is_refused_also_after_arrays_of_the_right_types() -> None:
    assert codec(Point).from_array((1, 2)) == codec(Point).from_array((1, 2)) == Point(x=1, y=2)
    for array in ((1, "2"), (True, 2), (1, 2, 3), (None,), ()):
        with pytest.raises(EncodingError):
            codec(Point).from_array(array)


def test_an_unknown_enum_value_is_refused_with_the_known_ones() -> None:
    array = codec(Shape).to_array(SHAPE)
    array[1] = "red"
    with pytest.raises(EncodingError, match="'red' is not one of blue, green"):
        codec(Shape).from_array(array)


@pytest.mark.parametrize("tags", [["b", "a"], ["a", "a"], "ab", [1]])
def test_a_set_that_is_not_sorted_and_free_of_duplicates_is_refused(tags: object) -> None:
    array = codec(Shape).to_array(SHAPE)
    array[9] = tags
    with pytest.raises(EncodingError):
        codec(Shape).from_array(array)


def test_what_a_dataclass_refuses_is_an_encoding_error() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n % 2:
                raise ValueError(f"n {self.n}: an even number is needed")

    globals()["Even"] = Even
    with pytest.raises(EncodingError, match="Even: n 3: an even number"):
        codec(Even).from_array([3])


def test_a_type_without_an_encoding_is_a_programmer_error() -> None:
    @dataclass(frozen=True)
    class Odd:
        when: complex

    with pytest.raises(TypeError, match="has no encoding"):
        codec(Odd)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\xa1\xff",
        b"\x91" * 5000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\x01\x01",
        b"\x81\x90\x01",
        msgpack.packb(msgpack.ExtType(3, b"x")),
        msgpack.packb(msgpack.Timestamp(1, 0)),
        msgpack.packb(["a", {"b": msgpack.Timestamp(2, 5)}]),
        msgpack.packb(msgpack.Timestamp(2**40, 5)),
    ],
)
def test_bytes_that_are_not_one_plain_value_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        unpack(data)


def test_bytes_that_only_look_like_a_timestamp_are_read() -> None:
    assert unpack(pack([b"\xd6\xff", "x"])) == (b"\xd6\xff", "x")


def test_input_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(EncodingError, match="more than the 3 allowed"):
        unpack(pack("abcdef"), max_bytes=3)
    assert MAX_BYTES >= 8 * 1024**2


def test_arrays_come_back_as_tuples() -> None:
    assert unpack(pack([1, [2, [3]]])) == (1, (2, (3,)))


@pytest.mark.parametrize("value", [object(), 2**64, -(2**63) - 1, "\ud800", {1, 2}, 1j])
def test_values_without_an_encoding_are_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        pack(value)


def test_a_value_that_could_not_be_written_leaves_nothing_in_the_next() -> None:
    before = pack([1, "next"])
    with pytest.raises(EncodingError):
        pack(["half of a value", object()])
    assert pack([1, "next"]) == before


def test_many_threads_pack_at_once_without_mixing() -> None:
    values = [[number, "x" * number, [bytes((number,)) * 50] * 20] for number in range(64)]

    def round_trips(number: int) -> bool:
        return all(unpack(pack(values[number]))[:2] == tuple(values[number][:2]) for _ in range(200))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trips, range(64)))

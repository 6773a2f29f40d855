"""The codec: what was written is read back, and nothing else is read."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.commands.registry import KINDS
from cluster.encoding import EncodingError, codec, pack, unpack
from cluster.model.access import ApiToken, LoginSession, Principal
from cluster.model.audit import AuditEntry, AuditOutcome, AuditStamp
from cluster.model.node import Certificate, JoinToken, Node
from cluster.model.rollout import Rollout
from cluster.model.service import Assignment, Revision, Service, ServiceSpec
from cluster.model.settings import Setting
from cluster.store.records import key_of, parts_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=20)

CLASSES: list[type[Any]] = [
    AuditEntry, ApiToken, Assignment, Certificate, JoinToken, LoginSession, Node, Principal, Revision,
    Rollout, Service, ServiceSpec, Setting, *(kind.cls for kind in KINDS),
]  # fmt: skip


@given(value=PLAIN)
def test_plain_values_come_back(value: object) -> None:
    assert unpack(pack(value)) == value


@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_value_or_an_encoding_error(data: bytes) -> None:
    with contextlib.suppress(EncodingError):
        value = unpack(data)
        assert unpack(pack(value)) == value or value != value


@given(cls=st.sampled_from(CLASSES), array=PLAIN)
def test_any_array_is_a_dataclass_or_an_encoding_error(cls: type[Any], array: object) -> None:
    with contextlib.suppress(EncodingError):
        value = codec(cls).from_array(array)
        assert codec(cls).decode(codec(cls).encode(value)) == value


@given(cls=st.sampled_from(CLASSES), data=st.data())
def test_fields_of_the_right_type_are_a_dataclass_or_an_encoding_error(
    cls: type[Any], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, 14))
    items = st.one_of(st.text(max_size=5), st.integers(-1, 9), st.just(()), st.booleans(), st.none(), PLAIN)
    array = data.draw(st.lists(items, min_size=count, max_size=count))
    with contextlib.suppress(EncodingError):
        value = codec(cls).from_array(array)
        assert codec(cls).decode(codec(cls).encode(value)) == value


TEXT = st.text(alphabet=st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=10)


@given(
    stamp=st.builds(
        AuditStamp,
        principal=st.sampled_from(["", "u1"]),
        principal_name=st.just("ann"),
        action=st.just("a"),
        resource=st.just(""),
        is_allowed=st.booleans(),
        reason=st.just("r"),
        ip=st.just(""),
        user_agent=st.just(""),
        duration_ms=st.integers(0, 2**40),
        request_id=st.just(""),
        node=st.sampled_from(["", "n1"]),
    ),
    outcome=st.sampled_from(AuditOutcome),
    reason=st.text(max_size=10),
    count=st.integers(1, 9),
)
def test_audit_entries_come_back(stamp: AuditStamp, outcome: AuditOutcome, reason: str, count: int) -> None:
    entry = AuditEntry(
        sequence=1,
        time_ms=2,
        log_index=3,
        stamp=stamp,
        command="c",
        outcome=outcome,
        outcome_code=reason,
        count=count,
    )
    assert codec(AuditEntry).decode(codec(AuditEntry).encode(entry)) == entry


PARTS = st.lists(TEXT | st.integers(0, 2**64 - 1), max_size=4).map(tuple)


@given(parts=PARTS)
def test_keys_come_apart_into_their_parts(parts: tuple[str | int, ...]) -> None:
    types = tuple(type(part) for part in parts)
    assert parts_of(key_of(*parts), types) == parts


@given(one=st.tuples(TEXT, st.integers(0, 2**40)), two=st.tuples(TEXT, st.integers(0, 2**40)))
def test_keys_sort_as_their_parts_do(one: tuple[str, int], two: tuple[str, int]) -> None:
    encoded = (one[0].encode(), one[1]), (two[0].encode(), two[1])
    assert (key_of(*one) < key_of(*two)) == (encoded[0] < encoded[1])


@given(one=TEXT, two=TEXT)
def test_no_key_is_under_the_prefix_of_another_text(one: str, two: str) -> None:
    assert key_of(two, 1).startswith(key_of(one)) == (one == two)

"""The wire for any message and any bytes: identity for the former, a message or WireError for the latter."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.encoding import pack
from cluster.raft.types import Message, Outcome
from cluster.raft.wire import MAX_INTEGER, MAX_NAME_CHARS, WireError, decode, encode

naturals = st.integers(0, MAX_INTEGER)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_NAME_CHARS)
ids = st.tuples(names, naturals)
digests = st.none() | st.tuples(naturals, st.binary(max_size=64))
entries = st.lists(st.tuples(st.binary(min_size=1, max_size=200), naturals, naturals), max_size=8)


@st.composite
def chunks(draw: st.DrawFn) -> tuple[Any, ...] | None:
    if draw(st.booleans()):
        return None
    data = draw(st.binary(max_size=200))
    offset = draw(st.integers(0, 2**40))
    size = draw(st.integers(offset + len(data), 2**41))
    return (draw(naturals), draw(naturals), offset, size, data, draw(st.sampled_from([b"", b"s" * 32])))


def message(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


append = {"term": naturals, "commit_index": naturals, "seq": naturals, "digest": digests}
last_log = {"last_log_index": naturals, "last_log_term": naturals}
messages = st.one_of(
    message("append_entries", **append, prevLogIdx=naturals, prevLogTerm=naturals, entries=entries),
    message("append_entries", **append, serialized=chunks()),
    message(
        "next_node_idx",
        term=naturals,
        next_node_idx=naturals,
        reset=st.booleans(),
        success=st.booleans(),
        seq=naturals,
    ),
    message("request_vote", term=naturals, **last_log, transfer=st.booleans()),
    message("response_vote", term=naturals),
    message("timeout_now", term=naturals),
    message("pre_vote", term=naturals, **last_log, round=naturals),
    message("pre_vote_reply", term=naturals, round=naturals, granted=st.booleans()),
    message("propose", id=ids, command=st.binary(max_size=200)),
    message(
        "change",
        id=ids,
        op=st.sampled_from(["learner", "voter", "remove"]),
        node=names,
        address=st.just("") | names,
    ),
    message(
        "proposed",
        id=ids,
        outcome=st.sampled_from([int(outcome) for outcome in Outcome]),
        index=naturals,
        term=naturals,
        result=st.binary(max_size=200),
    ),
    message("read_index", id=ids),
    message("read_index_reply", id=ids, index=st.integers(-1, MAX_INTEGER)),
    message("removed", term=naturals),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=3),
)


def decodes_to_a_message_or_is_refused(body: bytes) -> None:
    try:
        decoded = decode(body)
    except WireError:
        return
    # What was accepted is a whole message: it can be sent again and means the same.
    assert decode(encode(decoded)) == decoded


@given(messages)
def test_decoding_is_the_inverse_of_encoding(sent: Message) -> None:
    assert decode(encode(sent)) == sent


@given(st.binary(max_size=400))
def test_random_bytes_are_a_message_or_a_wire_error(body: bytes) -> None:
    decodes_to_a_message_or_is_refused(body)


@given(messages, st.data())
def test_a_mutated_frame_is_a_message_or_a_wire_error(sent: Message, data: st.DataObject) -> None:
    body = bytearray(encode(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    decodes_to_a_message_or_is_refused(bytes(body))
    decodes_to_a_message_or_is_refused(bytes(body[:cut]))


@given(st.integers(-2, 20), st.lists(anything, max_size=9))
def test_well_formed_msgpack_of_the_wrong_shape_is_a_message_or_a_wire_error(
    number: int, fields: list[Any]
) -> None:
    decodes_to_a_message_or_is_refused(pack([number, *fields]))


@given(st.dictionaries(st.text(max_size=12) | st.just("type"), anything, max_size=9))
def test_encoding_any_dictionary_gives_a_frame_or_a_wire_error(sent: Message) -> None:
    try:
        body = encode(sent)
    except WireError:
        return
    assert decode(body)["type"] == sent["type"]

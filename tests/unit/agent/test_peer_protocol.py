"""What hosts ask of each other, read from what came."""

from __future__ import annotations

import pytest

from agent.peers.protocol import decode_caller, encode_caller, read_log_query
from cluster.encoding import EncodingError
from cluster.model.inventory import Caller, LogQuery


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({}, LogQuery(tail=None)),
        ({"tail": "", "since_ms": "0", "follow": "0"}, LogQuery(tail=None)),
        (
            {"tail": "5", "since_ms": "1700000000000", "follow": "1"},
            LogQuery(tail=5, since_ms=1_700_000_000_000, is_following=True),
        ),
    ],
)
def test_a_log_query_is_read(parameters: dict[str, str], query: LogQuery) -> None:
    assert read_log_query(parameters) == query


@pytest.mark.parametrize("name", ["tail", "since_ms"])
@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "\u00b2", "9" * 30])
def test_a_log_query_of_anything_but_numbers_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(EncodingError, match=name):
        read_log_query({name: text})


def test_the_caller_arrives_as_who_it_was() -> None:
    caller = Caller(principal_id="us_1", name="ann é", role="operator", request_id="rq_1", ip="10.0.0.1")
    assert decode_caller(encode_caller(caller)) == caller


@pytest.mark.parametrize("header", ["", "x", "!!!!", "a" * 64])
def test_a_caller_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(EncodingError):
        decode_caller(header)

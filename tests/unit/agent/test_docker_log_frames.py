from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.docker.inspect import ReplyMalformed
from agent.docker.log_frames import FRAME_BYTES_MAX, LINE_BYTES_MAX, LogDemultiplexer
from agent.ports import LogLine, LogStream

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "docker" / "api-1.41"
STAMP = b"2026-11-22T16:22:38.000000001Z "
AT_NS = 1_795_364_558_000_000_001


def frame(stream: int, message: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(message).to_bytes(4, "big") + message


def lines_of(*pieces: bytes, tty: bool = False) -> list[LogLine]:
    demultiplexer = LogDemultiplexer(tty=tty)
    lines = [line for piece in pieces for line in demultiplexer.feed(piece)]
    return lines + demultiplexer.finish()


def test_frames_become_lines_of_their_stream_with_their_moment() -> None:
    out, err = lines_of(frame(1, STAMP + b"out\n") + frame(2, STAMP + b"err\r\n"))
    assert out == LogLine(stream=LogStream.STDOUT, text="out", at_ns=AT_NS)
    assert err == LogLine(stream=LogStream.STDERR, text="err", at_ns=AT_NS)


def test_a_recorded_line_longer_than_the_engines_buffer_is_one_line() -> None:
    long, second, unfinished = lines_of((GOLDEN / "log-long-line.bin").read_bytes())
    assert long.text == "0123456789" * 4000
    assert not long.is_partial
    assert (second.text, unfinished.text) == ("second", "unfinished")


def test_the_recorded_log_of_a_terminal_has_one_stream() -> None:
    red, blue = lines_of((GOLDEN / "log-terminal.bin").read_bytes(), tty=True)
    assert (red.text, blue.text) == ("red", "blue")
    assert {red.stream, blue.stream} == {LogStream.STDOUT}
    assert red.at_ns is not None


def test_an_empty_line_is_a_line() -> None:
    [line] = lines_of(frame(1, STAMP + b"\n"))
    assert (line.text, line.at_ns) == ("", AT_NS)


def test_the_streams_do_not_mix_within_a_line() -> None:
    pieces = frame(1, STAMP + b"one ") + frame(2, STAMP + b"error\n") + frame(1, STAMP + b"line\n")
    assert [(line.stream.value, line.text) for line in lines_of(pieces)] == [
        ("stderr", "error"),
        ("stdout", "one line"),
    ]


def test_several_lines_in_one_frame_are_several_lines() -> None:
    assert [line.text for line in lines_of(frame(1, STAMP + b"a\nb\n"))] == ["a", "b"]


def test_bytes_that_are_no_text_do_not_lose_the_line() -> None:
    [line] = lines_of(frame(1, STAMP + b"\xff\xfe!\n"))
    assert line.text.endswith("!")


@pytest.mark.parametrize("tty", [False, True])
def test_a_line_without_end_is_given_in_pieces_of_bounded_length(tty: bool) -> None:
    text = b"x" * (3 * LINE_BYTES_MAX)
    data = STAMP + text if tty else b"".join(frame(1, STAMP + text[:16_384]) for _ in range(12))
    lines = lines_of(data, tty=tty)
    assert sum(len(line.text) for line in lines) == len(text)
    assert all(len(line.text) <= LINE_BYTES_MAX for line in lines)
    assert [line.is_partial for line in lines[:2]] == [True, True]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        frame(9, b"x"),
        bytes((1, 0, 0, 0)) + (FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
    ],
)
def test_what_is_no_log_stream_is_malformed(data: bytes) -> None:
    with pytest.raises(ReplyMalformed):
        LogDemultiplexer(tty=False).feed(data)


texts = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=40)


@given(
    written=st.lists(st.tuples(st.sampled_from([1, 2]), texts), max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=12),
    tty=st.booleans(),
)
def test_how_the_bytes_arrive_does_not_matter(
    written: list[tuple[int, str]], cuts: list[int], tty: bool
) -> None:
    messages = [(stream, STAMP + text.encode() + b"\n") for stream, text in written]
    data = b"".join(message if tty else frame(stream, message) for stream, message in messages)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    assert lines_of(*pieces, tty=tty) == lines_of(data, tty=tty)
    assert [line.text for line in lines_of(*pieces, tty=tty)] == [text for _, text in written]

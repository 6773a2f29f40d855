"""What lines say of their level, in the forms programs write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.logs.levels import Levels, level_of
from cluster.logs.plain import plain_text
from cluster.model.log_history import LineStream, LogLevel


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"info","msg":"served"}', LogLevel.INFO),
        ('{"ts":1,"severity":"CRITICAL","message":"x"}', LogLevel.FATAL),
        ('{"level":30,"msg":"pino"}', LogLevel.INFO),
        ('{"level":50,"msg":"bunyan"}', LogLevel.ERROR),
        ('{"level":3,"short_message":"gelf"}', LogLevel.ERROR),
        ('{"PRIORITY":"4","MESSAGE":"journald"}', LogLevel.WARN),
        ('{"msg":"no level, though it says ERROR"}', LogLevel.UNKNOWN),
        ('time="2026" level=warning msg="slow"', LogLevel.WARN),
        ("ts=1 lvl=dbg msg=x", LogLevel.DEBUG),
        ("E1130 12:34:56.789012       1 main.go:12] failed", LogLevel.ERROR),
        ("I1130 12:34:56.789012       1 main.go:12] fine", LogLevel.INFO),
        ("2026/11/30 23:00:00 [error] 12#0: *1 upstream", LogLevel.ERROR),
        ("2026-11-30 12:00:00.000 UTC [1] LOG:  ready", LogLevel.INFO),
        ("2026-11-30 12:00:00.000 UTC [1] FATAL:  no role", LogLevel.FATAL),
        ("2026-11-30 12:00:00,123 INFO worker: started", LogLevel.INFO),
        ("\x1b[33mWARN\x1b[0m cache miss", LogLevel.WARN),
        ("Warning: deprecated", LogLevel.WARN),
        ("error: no such file", LogLevel.ERROR),
        ("[W] slow", LogLevel.WARN),
        ("Traceback (most recent call last):", LogLevel.ERROR),
        ("panic: runtime error: index out of range", LogLevel.FATAL),
        ('10.0.0.1 - - [30/Nov/2026:23:00:00 +0000] "GET /error HTTP/1.1" 200 612', LogLevel.UNKNOWN),
        ("billing.PaymentError: declined", LogLevel.ERROR),
        ("java.lang.NullPointerException: null", LogLevel.ERROR),
        ("user-error/path: fine", LogLevel.UNKNOWN),
        ("hello", LogLevel.UNKNOWN),
        ("", LogLevel.UNKNOWN),
    ],
)
def test_a_line_has_the_level_it_says(text: str, level: LogLevel) -> None:
    assert level_of(text) is level


@given(st.text(max_size=5000))
def test_every_line_has_some_level(text: str) -> None:
    assert level_of(text) in LogLevel


@given(st.text(alphabet="ERROR info[]:= ", max_size=60), st.integers(0, 107))
def test_colours_change_no_level(text: str, colour: int) -> None:
    assert level_of(f"\x1b[{colour}m{text}\x1b[0m") is level_of(text)


@given(st.text(max_size=200))
def test_a_line_without_sequences_is_left_as_it_is(text: str) -> None:
    assert plain_text(text.replace("\x1b", "")) == text.replace("\x1b", "")


def test_the_lines_of_a_stack_trace_are_as_grave_as_what_they_belong_to() -> None:
    levels = Levels()
    lines = [
        (0, LineStream.STDERR, "[ERROR] job failed", LogLevel.ERROR),
        (5, LineStream.STDOUT, "INFO meanwhile", LogLevel.INFO),
        (9, LineStream.STDERR, "  at charge (billing.js:17)", LogLevel.ERROR),
        (12, LineStream.STDERR, "\tat run (worker.js:42)", LogLevel.ERROR),
        (15, LineStream.STDERR, "done", LogLevel.UNKNOWN),
        (18, LineStream.STDERR, "  indented", LogLevel.UNKNOWN),
        (20, LineStream.STDERR, "[ERROR] again", LogLevel.ERROR),
        (5_000_000, LineStream.STDERR, "  much later", LogLevel.UNKNOWN),
    ]
    assert [levels.of(at_us, stream, text) for at_us, stream, text, _ in lines] == [each[3] for each in lines]

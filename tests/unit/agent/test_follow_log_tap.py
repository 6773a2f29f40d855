"""What one reader of lines is held, and what it misses."""

from __future__ import annotations

from agent.follow.log_tap import BATCH_MAX, HELD_CHARACTERS_MAX, LogTaps
from cluster.model.log_history import KeptLine

WEB = "ab" * 32


def a_line(ordinal: int, text: str = "x") -> KeptLine:
    return KeptLine(container_id=WEB, at_us=ordinal, ordinal=ordinal, stream=0, level=0, text=text)


async def test_long_lines_fill_what_is_held_sooner_than_short_ones() -> None:
    taps = LogTaps()
    long = "x" * (HELD_CHARACTERS_MAX // 4)
    with taps.open([WEB]) as tap:
        for ordinal in range(6):
            taps.put(a_line(ordinal, long))
        first = await tap.take()
        assert ([line.ordinal for line in first.lines], first.missed) == ([2, 3, 4, 5], 2)
        taps.put(a_line(6, long))
        again = await tap.take()
        assert ([line.ordinal for line in again.lines], again.missed) == ([6], 0)


async def test_lines_are_given_in_batches_and_none_twice() -> None:
    taps = LogTaps()
    with taps.open([WEB]) as tap:
        for ordinal in range(BATCH_MAX + 5):
            taps.put(a_line(ordinal))
        sizes = [len((await tap.take()).lines) for _ in range(2)]
        taps.put(a_line(0))
        assert ([*sizes, len((await tap.take()).lines)], tap._characters) == ([BATCH_MAX, 5, 1], 0)

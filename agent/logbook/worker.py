"""The process that looks through the history: `python -m agent.logbook.worker`.

A process of its own, because a regular expression may take for ever and holds its interpreter's lock while
it does: here it can be killed, and neither the cluster's heartbeats nor anybody's page waits for a search.
It reads files and standard input, writes standard output, and opens nothing else. It ends when its input
does.

Both directions: frames of four bytes of length (big-endian) and one array.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import BinaryIO

from agent.logbook.searching import Segments, count, search
from agent.logbook.store import SegmentRef
from cluster.encoding import EncodingError, codec, unpack
from cluster.model.log_history import LogCountQuery, LogCounts, LogPage, LogSearch, PatternRefused

FRAME_BYTES_MAX = 64 * 1024 * 1024
NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One search or count, within `budget_ms`."""

    segments: tuple[SegmentRef, ...]
    extra: tuple[bytes, ...]
    budget_ms: int
    search: LogSearch | None = None
    count: LogCountQuery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Its answer, or why a pattern is refused."""

    page: LogPage | None = None
    counts: LogCounts | None = None
    refused: str = ""


TASKS = codec(Task)
RESULTS = codec(Result)


def carry_out(task: Task, segments: Segments, now_s: float) -> Result:
    """Do one task that began at `now_s` of the monotonic clock."""
    deadline_s = now_s + task.budget_ms / 1000

    def is_out_of_time() -> bool:
        return time.monotonic() >= deadline_s

    try:
        if task.search is not None:
            return Result(page=search(segments, task.segments, task.extra, task.search, is_out_of_time))
        if task.count is not None:
            return Result(counts=count(segments, task.segments, task.extra, task.count, is_out_of_time))
    except PatternRefused as error:
        return Result(refused=str(error))
    return Result()


def main() -> None:
    """Answer until there is nothing more to read."""
    os.nice(NICENESS)
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    segments = Segments()
    while (frame := _read(given)) is not None:
        try:
            task = TASKS.from_array(unpack(frame, max_bytes=FRAME_BYTES_MAX))
        except EncodingError as error:
            raise SystemExit(f"what was asked cannot be read: {error}") from error
        answer = RESULTS.encode(carry_out(task, segments, time.monotonic()))
        taken.write(len(answer).to_bytes(4) + answer)
        taken.flush()


def _read(given: BinaryIO) -> bytes | None:
    head = given.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head)
    if length > FRAME_BYTES_MAX:
        raise SystemExit(f"a frame of {length} bytes is longer than {FRAME_BYTES_MAX}")
    frame = given.read(length)
    return frame if len(frame) == length else None


if __name__ == "__main__":
    main()

"""A process that is killed while it writes its metric history loses nothing it said was there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from cluster.history import HistoryWriter
from tests.support.history_writer import SPAN_MS, SUBJECTS, TICKS
from tests.support.samples import CPU, FOREVER, T0

KILLS = 4
LINES_A_LIFE = 45


def test_what_was_committed_is_there_after_every_kill_and_once(tmp_path: Path) -> None:
    told = 0
    for life in range(KILLS):
        # Killed after ever other numbers of commits: while it ingests, seals or compacts.
        told = told_before_it_was_killed(tmp_path, LINES_A_LIFE + life)
        writer = HistoryWriter(tmp_path)
        applied = writer.applied_index
        assert applied >= told
        check(writer, applied)
        writer.close()
    writer = HistoryWriter(tmp_path)
    for moment_ms in (T0 + 30 * 86_400_000, T0 + 31 * 86_400_000):
        while writer.maintain(moment_ms, FOREVER):
            pass
    check(writer, writer.applied_index)
    assert writer.reader.standing().damaged == 0
    writer.close()


def told_before_it_was_killed(directory: Path, lines: int) -> int:
    """The last index it printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.history_writer", str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        last = 0
        for _ in range(lines):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")
        assert process.wait(timeout=30) == -signal.SIGKILL
    # The last line may be cut short.
    return max([last, *(int(line) for line in rest[:-1] if line)])


def check(writer: HistoryWriter, applied: int) -> None:
    for number in SUBJECTS:
        samples = writer.reader.raw(number, CPU.number, 0, 2**53)
        expected = [
            (T0 + n * SPAN_MS + k * 10_000, n + k) for n in range(1, applied + 1) for k in range(TICKS)
        ]
        assert list(zip(samples.times_ms.tolist(), samples.values.tolist(), strict=True)) == expected

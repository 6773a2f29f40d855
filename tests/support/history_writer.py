"""A process that writes a history until it is killed: `python -m tests.support.history_writer DIRECTORY`.

It prints the index of each batch once that is committed, and seals, compacts and forgets in between. Batch
number n has the values n to n + 59 in the ten minutes from T0 + n x 10 min, of 20 subjects.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.history import HistoryWriter
from tests.support.samples import CPU, FOREVER, T0, a_batch, a_subject

TICKS = 60
SPAN_MS = TICKS * 10_000
SUBJECTS = range(1, 21)


def main(directory: str) -> None:
    writer = HistoryWriter(Path(directory))
    index = writer.applied_index
    while True:
        index += 1
        start_ms = T0 + index * SPAN_MS
        rows = {(number, CPU.number): list(range(index, index + TICKS)) for number in SUBJECTS}
        writer.ingest([a_batch(index, rows, start_ms=start_ms)], [a_subject(number) for number in SUBJECTS])
        sys.stdout.write(f"{index}\n")
        sys.stdout.flush()
        for _ in range(2):
            writer.maintain(start_ms + SPAN_MS, FOREVER)


if __name__ == "__main__":
    main(sys.argv[1])

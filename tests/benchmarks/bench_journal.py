"""How fast the journal takes entries, on LMDB with a flush per write.

Run as `python -m tests.benchmarks.bench_journal`; one line per measurement. The anchor is what the disk
allows: LMDB alone with the same batches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import lmdb

from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog
from cluster.raft.types import NO_OP


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def a_journal(path: Path) -> Journal:
    journal = Journal(LmdbLog(path, reserve_bytes=0))
    journal.add(NO_OP, 1, 0)
    journal.setCurrentTerm(1, None)
    journal.sync()
    return journal


def add_and_sync(path: Path, *, entries: int, batch: int, command: bytes) -> None:
    """As the engine does: several looks at both ends per entry, one sync per turn."""
    journal = a_journal(path)
    latencies = []
    started = time.perf_counter()
    for _ in range(entries // batch):
        for _ in range(batch):
            last = journal[-1][1]
            _ = journal[-1][2], journal[0][1], journal[-1]
            journal.add(command, last + 1, 1)
        before = time.perf_counter()
        journal.sync()
        latencies.append(time.perf_counter() - before)
        if len(journal) > 20_000:
            journal.compact(journal.last_index - 10_000, b"")
    elapsed = time.perf_counter() - started
    latencies.sort()
    say(
        f"add+sync  batch {batch:>4}  {len(command)} B: {entries / elapsed:>9,.0f} entries/s, "
        f"sync p50 {latencies[len(latencies) // 2] * 1e3:.2f} ms, "
        f"p99 {latencies[len(latencies) * 99 // 100] * 1e3:.2f} ms, max {latencies[-1] * 1e3:.2f} ms"
    )
    journal._destroy()


def lmdb_alone(path: Path, *, entries: int, batch: int, command: bytes) -> None:
    environment = lmdb.open(str(path), map_size=1 << 34, lib_version=0)
    started = time.perf_counter()
    for first in range(0, entries, batch):
        with environment.begin(write=True) as txn:
            for index in range(first, first + batch):
                txn.put(index.to_bytes(8, "big"), command, append=True)
    elapsed = time.perf_counter() - started
    say(f"LMDB only batch {batch:>4}  {len(command)} B: {entries / elapsed:>9,.0f} entries/s")
    environment.close()


def memory_paths(path: Path) -> None:
    journal = a_journal(path)
    for index in range(2, 50_001):
        journal.add(b"\x00" * 100, index, 1)
    journal.sync()
    next_index = iter(range(50_001, 10**9))
    measured: dict[str, Callable[[], object]] = {
        "len(log)": lambda: len(journal),
        "log[-1]": lambda: journal[-1],
        "log[0]": lambda: journal[0],
        "log[1] (storage)": lambda: journal[1],
        "log[position in tail]": lambda: journal[49_900],
        "log[last:]": lambda: journal[49_999:],
        "log[0:] (view)": lambda: journal[0:],
        "term_at": lambda: journal.term_at(40_000),
        "add": lambda: journal.add(b"\x00" * 100, next(next_index), 1),
    }
    for name, call in measured.items():
        count = 50_000
        nanoseconds = min(timeit.repeat(call, number=count, repeat=3)) / count * 1e9
        say(f"{name:<24} {nanoseconds:>8.0f} ns")
    journal._destroy()


def reopen(path: Path) -> None:
    journal = a_journal(path)
    for index in range(2, 200_001):
        journal.add(b"\x00" * 100, index, 1)
        if index % 5000 == 0:
            journal.sync()
    journal._destroy()
    started = time.perf_counter()
    journal = Journal(LmdbLog(path, reserve_bytes=0))
    say(f"open 200,000 entries     {(time.perf_counter() - started) * 1e3:>8.0f} ms")
    started = time.perf_counter()
    total = sum(len(command) for command, _, _ in journal[0:])
    say(f"walk 200,000 entries     {(time.perf_counter() - started) * 1e3:>8.0f} ms ({total:,} bytes)")
    started = time.perf_counter()
    journal.compact(190_000, b"")
    journal.sync()
    say(f"compact 190,000 entries  {(time.perf_counter() - started) * 1e3:>8.0f} ms")
    journal._destroy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=40_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-journal-") as name:
        root = Path(name)
        for batch, size in ((1, 100), (10, 100), (100, 100), (500, 100), (100, 1000), (10, 20_000)):
            entries = min(arguments.entries, batch * 2000, 40_000_000 // size)
            (root / f"lmdb-{batch}-{size}").mkdir()
            lmdb_alone(root / f"lmdb-{batch}-{size}", entries=entries, batch=batch, command=b"\x00" * size)
            add_and_sync(root / f"log-{batch}-{size}", entries=entries, batch=batch, command=b"\x00" * size)
        memory_paths(root / "memory")
        reopen(root / "reopen")


if __name__ == "__main__":
    main()

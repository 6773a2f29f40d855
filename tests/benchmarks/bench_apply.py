"""What applying a command costs, and how many a second one core applies onto a disk.

Run as `python -m tests.benchmarks.bench_apply`; one line per measurement, the best of three rounds. Times of
apply are processor time, so that a busy machine does not blur them. The anchor is LMDB alone, flushing the
same rows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb

from cluster.commands import Envelope, decode, encode
from cluster.commands.services import AssignmentReport, ReportAssignments
from cluster.commands.settings import PutSetting
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import Observation, ReplicaPhase
from cluster.raft.machine import ReplicatedState
from cluster.store.lmdb_store import LmdbStore
from tests.simulation.memory_store import MemoryStore

START_MS = 1_800_000_000_000
ROUNDS = 3

STAMP = AuditStamp(
    principal="u_01",
    principal_name="ann",
    action="setting.write",
    resource="setting:k",
    is_allowed=True,
    reason="role admin includes setting.write",
    ip="192.0.2.7",
    user_agent="tower/0.1",
    duration_ms=3,
    request_id="rq_01",
    node="n_01",
)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def small_setting(number: int) -> PutSetting:
    return PutSetting(key=f"k{number % 100}", value="v" * 50)


def big_setting(number: int) -> PutSetting:
    return PutSetting(key=f"k{number % 100}", value="v" * 4000)


def report(number: int) -> ReportAssignments:
    one = AssignmentReport(
        service_id=ServiceId("shop.web"),
        revision=1,
        ordinal=number % 10,
        token=1,
        observed=Observation(phase=ReplicaPhase.HEALTHY, address="172.17.0.2", port=8080),
    )
    return ReportAssignments(node_id=NodeId("n_01"), reports=(one,) * 10)


def a_log(count: int, command: Callable[[int], Any], *, audit: AuditStamp | None = None) -> list[bytes]:
    """Return `count` commands of three clients."""
    return [
        encode(
            Envelope(
                client_id=f"n_0{number % 3}-1",
                sequence=number // 3 + 1,
                time_ms=START_MS + number,
                audit=audit,
                command=command(number),
            )
        )
        for number in range(count)
    ]


def apply_all(machine: ReplicatedState, log: list[bytes], batch: int) -> None:
    for index, data in enumerate(log, start=1):
        machine.apply_command(index, 1, data)
        if index % batch == 0:
            machine.flush()
    machine.flush()


def best_of(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(ROUNDS))


def bench_apply(name: str, log: list[bytes]) -> None:
    def measure() -> float:
        machine = ReplicatedState(MemoryStore())
        started = time.process_time()
        apply_all(machine, log, 64)
        return time.process_time() - started

    microseconds = best_of(measure) / len(log) * 1e6
    say(f"apply in memory    {name:<28} {len(log[0]):>5} B: {microseconds:6.1f} us each")


def bench_decode(name: str, log: list[bytes]) -> None:
    def measure() -> float:
        started = time.process_time()
        for data in log:
            decode(data)
        return time.process_time() - started

    say(f"decode             {name:<28} {len(log[0]):>5} B: {best_of(measure) / len(log) * 1e6:6.1f} us each")


def bench_disk(log: list[bytes], batch: int) -> None:
    """Apply with one flush per batch, beside LMDB alone with the same rows."""

    def ours() -> float:
        with tempfile.TemporaryDirectory() as directory:
            store = LmdbStore(Path(directory), reserve_bytes=0)
            started = time.perf_counter()
            apply_all(ReplicatedState(store), log, batch)
            elapsed = time.perf_counter() - started
            store.close()
            return elapsed

    batches: list[list[tuple[bytes, bytes | None]]] = []

    class Recording(MemoryStore):
        def write(self, rows: list[tuple[bytes, bytes | None]]) -> None:
            batches.append(rows)
            super().write(rows)

    apply_all(ReplicatedState(Recording()), log, batch)

    def alone() -> float:
        with tempfile.TemporaryDirectory() as directory:
            environment = lmdb.open(directory, map_size=2**34, metasync=False, lib_version=0)
            started = time.perf_counter()
            for rows in batches:
                with environment.begin(write=True) as txn:
                    for key, value in rows:
                        if value is None:
                            txn.delete(key)
                        else:
                            txn.put(key, value)
            elapsed = time.perf_counter() - started
            environment.close()
            return elapsed

    mine, anchor = best_of(ours), best_of(alone)
    say(
        f"apply on disk      {batch:>4} a flush: {len(log) / mine:>8,.0f} commands/s"
        f"   LMDB alone, same rows: {len(log) / anchor:>9,.0f}/s"
    )


def bench_snapshot(log: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = LmdbStore(Path(directory) / "one", reserve_bytes=0)
        apply_all(ReplicatedState(store), log, 500)
        started = time.perf_counter()
        store.prepare_snapshot()
        asked = time.perf_counter() - started
        store.wait_for_snapshot()
        made = time.perf_counter() - started
        source = store.take_snapshot()
        assert source is not None
        other = LmdbStore(Path(directory) / "two", reserve_bytes=0)
        started = time.perf_counter()
        sink = other.begin_install(source.index, source.term, source.size)
        for offset in range(0, source.size, 1024 * 1024):
            sink.write(offset, source.read(offset, 1024 * 1024))
        before_finish = time.perf_counter()
        sink.finish(source.sha256)
        say(
            f"snapshot           {source.size / 2**20:.1f} MiB: asked for in {asked * 1e3:.2f} ms, made in"
            f" {made * 1e3:.0f} ms, received in {(before_finish - started) * 1e3:.0f} ms, taken over in"
            f" {(time.perf_counter() - before_finish) * 1e3:.1f} ms"
        )
        source.close()
        other.close()
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=10_000, help="commands per measurement")
    count = parser.parse_args().commands
    settings = a_log(count, small_setting)
    bench_decode("put-setting", settings)
    bench_apply("put-setting", settings)
    bench_apply("put-setting with audit", a_log(count, small_setting, audit=STAMP))
    bench_apply("put-setting of 4 kB", a_log(count, big_setting))
    bench_apply("report-assignments of ten", a_log(count, report))
    for batch in (1, 16, 128, 500):
        bench_disk(settings[: count if batch > 1 else count // 5], batch)
    bench_snapshot(a_log(count, big_setting, audit=STAMP))


if __name__ == "__main__":
    main()

"""Many seeds in several processes, interruptible and resumed where they stopped."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.profiles import PROFILES
from tests.simulation.regressions import DRAWN, Regression
from tests.simulation.run import Report, run_seed

ROOT = Path(__file__).resolve().parents[2]
STATE_DIRECTORY = ROOT / ".simulation"
CHUNK_SEEDS = 10
FAILURES_KEPT = 50

_CODE = ("cluster/raft", "cluster/state_machine", "cluster/store", "cluster/commands", "tests/simulation")


def code_version(root: Path = ROOT) -> str:
    """A hash of all code that a seed runs: what was proved of other code is not proved of this."""
    digest = hashlib.sha256()
    paths = [path for directory in _CODE for path in (root / directory).rglob("*.py")]
    for path in sorted([*paths, root / "cluster/encoding.py"]):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(slots=True)
class Progress:
    """What was run of one version of the code under one profile."""

    version: str
    profile: str | None = None
    seeds_done: int = 0
    duration_s: float = 0.0
    chunks: list[tuple[int, int]] = field(default_factory=list)
    """Runs of seeds done, as (first, last), sorted and merged."""
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[Report] = field(default_factory=list)

    def is_done(self, seed: int) -> bool:
        return any(first <= seed <= last for first, last in self.chunks)

    def add(self, reports: list[Report]) -> None:
        """Take the reports of a chunk of consecutive seeds."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted([*self.chunks, (reports[0].seed, reports[-1].seed)]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self.chunks = merged
        self.seeds_done += len(reports)
        for report in reports:
            for name, count in report.counts.items():
                self.counts[name] = self.counts.get(name, 0) + count
        self.failures += [report for report in reports if report.violation]
        del self.failures[FAILURES_KEPT:]


class StateFile:
    """Progress on disk, one file per profile. Another version's progress is forgotten."""

    def __init__(self, directory: Path, profile: str | None) -> None:
        self._path = directory / f"progress-{profile or 'drawn'}.json"
        self._profile = profile

    def load(self, version: str) -> Progress:
        try:
            stored = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return Progress(version, self._profile)
        if stored.get("version") != version:
            return Progress(version, self._profile)
        return Progress(
            version,
            self._profile,
            stored["seeds_done"],
            stored["duration_s"],
            [(first, last) for first, last in stored["chunks"]],
            stored["counts"],
            [Report(**report) for report in stored["failures"]],
        )

    def save(self, progress: Progress) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        (self._path.parent / ".gitignore").write_text("*\n")
        beside = self._path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(asdict(progress)))
        beside.replace(self._path)


def run_chunk(seeds: list[int], profile: str | None = None) -> list[Report]:
    """Run consecutive seeds, under the named profile or each under its own."""
    return [run_seed(seed, profile=None if profile is None else PROFILES[profile]) for seed in seeds]


def run_regression(regression: Regression) -> Report:
    """Run a seed that failed once, under what its profile is today."""
    [report] = run_chunk([regression.seed], None if regression.profile == DRAWN else regression.profile)
    return report


def chunks_to_run(progress: Progress, first: int, count: int) -> Iterator[list[int]]:
    """The seeds from `first` on that are not done, in consecutive chunks."""
    chunk: list[int] = []
    for seed in range(first, first + count):
        if progress.is_done(seed):
            if chunk:
                yield chunk
            chunk = []
            continue
        chunk.append(seed)
        if len(chunk) == CHUNK_SEEDS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def run_batch(
    progress: Progress,
    chunks: Iterable[list[int]],
    *,
    jobs: int,
    budget_s: float,
    on_chunk: Callable[[list[Report]], None],
) -> bool:
    """Run `chunks` into `progress`. Returns whether all were run: no chunk begins after `budget_s`.

    `on_chunk` is called for each as it ends, in any order. What is under way when this is interrupted
    (KeyboardInterrupt) is not counted. One job runs in this process.
    """
    began = time.monotonic()
    duration_before = progress.duration_s
    remaining = iter(chunks)

    def next_chunk() -> list[int] | None:
        return next(remaining, None) if time.monotonic() - began < budget_s else None

    def finished(reports: list[Report]) -> None:
        progress.add(reports)
        progress.duration_s = duration_before + time.monotonic() - began
        on_chunk(reports)

    if jobs == 1:
        while (chunk := next_chunk()) is not None:
            finished(run_chunk(chunk, progress.profile))
    else:
        _run_in_processes(next_chunk, finished, progress.profile, jobs)
    return next(remaining, None) is None


def _run_in_processes(
    next_chunk: Callable[[], list[int] | None],
    finished: Callable[[list[Report]], None],
    profile: str | None,
    jobs: int,
) -> None:
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    running: set[Future[list[Report]]] = set()
    try:
        while True:
            while len(running) < jobs and (chunk := next_chunk()) is not None:
                running.add(pool.submit(run_chunk, chunk, profile))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                finished(future.result())
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            # Idle, or running a chunk that nobody waits for any more.
            process.terminate()
            process.join(timeout=5)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)


def summary(progress: Progress) -> str:
    """What was done, for a person."""
    rate = progress.seeds_done / progress.duration_s if progress.duration_s else 0.0
    lines = [
        f"{progress.seeds_done} seeds of code {progress.version}, {len(progress.failures)} failed, "
        f"{progress.duration_s:.0f} s, {rate:.2f} seeds/s"
    ]
    lines += _columns(progress.counts)
    return "\n".join(lines)


def _columns(counts: Mapping[str, int]) -> list[str]:
    cells = [f"{name} {counts[name]:,}" for name in sorted(counts)]
    width = max(map(len, cells), default=0) + 2
    per_line = max(1, 108 // width)
    return [
        "  " + "".join(cell.ljust(width) for cell in cells[start : start + per_line]).rstrip()
        for start in range(0, len(cells), per_line)
    ]

"""Runs the stages of `make check`, `make test` and `make verify`, each under a time limit.

Stages stand in two lanes that run side by side: what needs processors, and what waits for Docker hosts. The
first gives way to the second wherever both could run, because tests of hosts hold their deadlines in real
time. A stage's output is shown whole when it ends, so that two stages never mix.

Every stage runs even when an earlier one failed, so that one run shows all there is to mend. Limits end what
hangs; a slow machine is no failure, but how long all took is held against what it is meant to take. The last
lines are a table of stages with their durations and one line in pytest's form over all of them; the exit
status is 0 only when nothing failed. A test directory without tests is said to be empty, never silently
passed over.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TOTAL_LIMIT_S = {"check": 900.0, "test": 4200.0, "verify": 6 * 3600.0}
TOTAL_AIM_S = {"check": 300.0, "test": 1200.0}
"""What it should take on two quiet cores for `make test` to stay useful; what takes longer says so."""
SLOWEST_SHOWN = 8
CLEAN_UP_LIMIT_S = 30.0
NO_TESTS_COLLECTED = 5  # pytest's exit status
SUMMARY = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected|warnings?)\b")

PLURAL = {"error": "errors", "warning": "warnings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command, where `limit_s` is the longest it may take."""

    name: str
    command: tuple[str, ...]
    limit_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Path | None = None  # a directory without which the stage is empty
    waits_for_hosts: bool = False  # its lane
    counts_tests: bool = False  # its last line is in pytest's form


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a stage ended. `counts` are pytest's numbers, by the words of its summary line."""

    stage: Stage
    verdict: str  # passed, skipped (all there was), failed, empty, timed out
    duration_s: float
    counts: Counter[str]

    @property
    def is_failure(self) -> bool:
        return self.verdict in ("failed", "timed out", "empty")


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


def pytest_stage(
    name: str,
    *directories: str,
    limit_s: float,
    workers: int = 0,
    by_file: bool = False,
    is_whole: bool = True,
    waits_for_hosts: bool = False,
    **environment: str,
) -> Stage:
    """A pytest run over `tests/<directory>`s; those that do not exist are left out.

    With `by_file` each file's tests are one worker's: they share what is dear to make. Unless it `is_whole`,
    tests marked `verify` are left to `make verify`.
    """
    found = [f"tests/{each}" for each in directories if (ROOT / "tests" / each).is_dir()]
    # A test that gives way may stand still for a while without hanging.
    patience = [] if waits_for_hosts else ["--timeout=480"]
    parallel = ["-n", str(workers), "--dist", "loadfile" if by_file else "load"] if workers else []
    chosen = [] if is_whole else ["-m", "not verify"]
    # What shares hosts comes in one order, so that a failure is met again; `make verify` shuffles it.
    order = ["-p", "no:randomly"] if waits_for_hosts and not is_whole else []
    return Stage(
        name=name,
        command=(
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--durations={SLOWEST_SHOWN}",
            "--durations-min=5",
            *patience,
            *order,
            *parallel,
            *chosen,
            *found,
        ),
        limit_s=limit_s,
        environment=environment,
        needs=ROOT / found[0] if found else ROOT / "tests" / directories[0],
        waits_for_hosts=waits_for_hosts,
        counts_tests=True,
    )


SOAK_S = 7_200.0
"""The dashboard is watched for an hour, twice as long on a slow machine."""


def gates() -> list[Stage]:
    return [
        Stage(name="format", command=tool("ruff", "format", "--check", "."), limit_s=120),
        Stage(name="lint", command=tool("ruff", "check", "."), limit_s=120),
        Stage(name="types", command=tool("mypy", "--strict", "agent", "cluster", "web"), limit_s=480),
        Stage(name="imports", command=tool("lint-imports"), limit_s=240),
        pytest_stage("architecture", "architecture", limit_s=480),
        Stage(
            name="ui",
            command=(sys.executable, str(ROOT / "packaging" / "ui_gates.py")),
            limit_s=600,
            counts_tests=True,
        ),
    ]


def stages(target: str) -> list[Stage]:
    if target == "check":
        return gates()
    longer = 1.0 if target == "test" else 6.0
    is_whole = target == "verify"
    long = (
        [pytest_stage("matrix", "matrix", limit_s=3 * 3600.0, waits_for_hosts=True)]
        if target == "verify"
        else []
    )
    return [
        *gates(),
        pytest_stage(
            "unit",
            "unit",
            "properties",
            "scenarios",
            "simulation",
            limit_s=3600 * longer,
            workers=2,
            is_whole=is_whole,
            PYTHONHASHSEED="0",
        ),
        pytest_stage(
            "contract",
            "contract",
            limit_s=600 * longer,
            workers=2,
            by_file=True,
            is_whole=is_whole,
            waits_for_hosts=True,
        ),
        *(
            pytest_stage(
                name,
                name,
                limit_s=1800 * longer + (SOAK_S if is_whole else 0.0),
                # They wait for hosts, timers and pages more than they compute.
                workers=3,
                by_file=True,
                is_whole=is_whole,
                waits_for_hosts=True,
            )
            for name in ("integration", "e2e")
        ),
        *long,
    ]


def run(stage: Stage, limit_s: float, running: Running | None = None) -> Outcome:
    """Run `stage`, show its output when it has ended, and end its whole process group at the limit."""
    running = running or Running()
    started_s = time.monotonic()
    if stage.needs is not None and not stage.needs.is_dir():
        missing = f"{stage.needs.relative_to(ROOT)} does not exist: nothing was tested"
        running.show(stage, [missing])
        return Outcome(stage=stage, verdict="empty", duration_s=0.0, counts=Counter())
    with tempfile.TemporaryFile() as output:
        with running.process_of(stage, output) as process:
            try:
                status: int | None = process.wait(timeout=limit_s)
            except subprocess.TimeoutExpired:
                status = None
                _interrupt(process)
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if status is None:
        lines.append(f"{stage.name} was stopped after {limit_s:.0f} s, its limit")
        running.show(stage, lines)
        return _outcome(stage, "timed out", started_s, Counter(failed=1))
    running.show(stage, lines)
    last_line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    counts = counts_of(last_line) if stage.counts_tests else Counter()
    if status == 0:
        is_skipped = counts["skipped"] > 0 and not counts["passed"]
        return _outcome(stage, "skipped" if is_skipped else "passed", started_s, counts)
    if status == NO_TESTS_COLLECTED and stage.counts_tests:
        return _outcome(stage, "empty", started_s, counts)
    if not counts["failed"] and not counts["errors"]:
        counts["failed"] = 1  # a gate, or a pytest that ended before its summary
    return _outcome(stage, "failed", started_s, counts)


def counts_of(summary: str) -> Counter[str]:
    """The numbers of pytest's last line, such as `12 passed, 1 skipped in 3.45s`."""
    counts: Counter[str] = Counter()
    if " in " in summary:
        for number, word in SUMMARY.findall(summary):
            counts[PLURAL.get(word, word)] += int(number)
    return counts


def report(outcomes: Sequence[Outcome], duration_s: float, aim_s: float | None = None) -> str:
    """The table of stages, what was meant to take less, and one line in pytest's form over all of them."""
    lines = ["", "stage         verdict     duration"]
    lines += [f"{each.stage.name:<13} {each.verdict:<9} {each.duration_s:>8.1f} s" for each in outcomes]
    total: Counter[str] = Counter()
    for each in outcomes:
        total += each.counts
    words = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "errors")
    numbers = ", ".join(f"{total[word]} {word}" for word in words if total[word]) or "no tests ran"
    if aim_s is not None and duration_s > aim_s:
        lines += ["", f"This took {duration_s:.0f} s; it is meant to take at most {aim_s:.0f} s."]
    lines += ["", f" {numbers} in {duration_s:.2f}s ".center(100, "=")]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in TOTAL_LIMIT_S:
        print(f"usage: run_stages.py {' | '.join(TOTAL_LIMIT_S)}", file=sys.stderr)
        return 2
    started_s = time.monotonic()
    chosen = stages(arguments[0])
    end_s = started_s + TOTAL_LIMIT_S[arguments[0]]
    outcomes = run_lanes(chosen, end_s)
    print(report(outcomes, time.monotonic() - started_s, TOTAL_AIM_S.get(arguments[0])), flush=True)
    return 1 if any(each.is_failure for each in outcomes) else 0


def run_lanes(chosen: Sequence[Stage], end_s: float) -> list[Outcome]:
    """Run both lanes, at most until `end_s` of the monotonic clock. Outcomes are in the order of `chosen`."""
    running = Running()
    lanes = [[each for each in chosen if each.waits_for_hosts is lane] for lane in (True, False)]

    def run_lane(lane: Sequence[Stage]) -> list[Outcome]:
        return [
            run(stage, max(1.0, min(stage.limit_s, end_s - time.monotonic())), running)
            for stage in lane
            if not running.is_ended
        ]

    with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
        futures = [pool.submit(run_lane, lane) for lane in lanes]
        try:
            outcomes = [outcome for future in futures for outcome in future.result()]
        except KeyboardInterrupt:
            running.end()
            raise
    return sorted(outcomes, key=lambda outcome: chosen.index(outcome.stage))


class Running:
    """What runs now, and who may print."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self.is_ended = False

    @contextlib.contextmanager
    def process_of(self, stage: Stage, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """The stage's process, in a group of its own that is gone afterwards."""
        with self._lock:
            print(f"───── {stage.name} begins: {_shown(stage.command)}", flush=True)
            process = subprocess.Popen(
                gives_way(stage.command, waits_for_hosts=stage.waits_for_hosts),
                cwd=ROOT,
                env={**os.environ, **stage.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._processes.add(process)
        try:
            yield process
        finally:
            _kill_group(process)
            with self._lock:
                self._processes.discard(process)

    def show(self, stage: Stage, lines: Sequence[str]) -> None:
        with self._lock:
            print("\n".join([f"\n───── {stage.name}", *lines]), flush=True)

    def end(self) -> None:
        """Interrupt what runs, as Ctrl-C does, and let nothing begin any more."""
        self.is_ended = True
        with self._lock:
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)


def gives_way(command: Sequence[str], *, waits_for_hosts: bool) -> tuple[str, ...]:
    """The command with the priority of its lane.

    Where Linux groups processes by session (sched(7), autogroup), nice values count within a session only:
    there the whole session gives way.
    """
    if waits_for_hosts or shutil.which("nice") is None:
        return tuple(command)
    script = '{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@"'
    return ("sh", "-c", script, "sh", *command)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Let pytest run its fixtures' clean-up, as at Ctrl-C, for a while."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=CLEAN_UP_LIMIT_S)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the stage's process group: a test that was stopped leaves children behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _outcome(stage: Stage, verdict: str, started_s: float, counts: Counter[str]) -> Outcome:
    return Outcome(stage=stage, verdict=verdict, duration_s=time.monotonic() - started_s, counts=counts)


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

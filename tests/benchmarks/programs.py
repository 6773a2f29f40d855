"""The benchmarks that are programs of their own: run as they are, and what they print is what was found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import program, version_of
from tests.benchmarks.results import Finding, Row

END_TIMEOUT_S = 30.0


class ProgramFailed(Exception):
    """A benchmark's program ended with an error, or not in time; the text holds the end of what it said."""


def proposals(say: Callable[[str], None]) -> Finding:
    """Proposals through a client beside etcd, round by round in turn."""
    command = ["tests.benchmarks.bench_proposals"]
    notes = []
    if program("etcd") is None:
        command += ["--only", "tower"]
        notes.append("etcd was not measured: apt-get install etcd-server.")
    else:
        notes.append(f"Anchor: {version_of('etcd', '--version', word=2, name='etcd')}.")
    with scratch() as directory:
        text = output_of([*command, "--data", str(directory)], timeout_s=420.0)
    say(text)
    rows = table_rows(text)
    notes += [line for line in text.splitlines() if " times etcd's throughput" in line]
    return Finding(
        title="Proposals",
        how=(
            "Three nodes as processes with mutual TLS, every write flushed to disk before it is acknowledged,"
            " one client on loopback with so many writes of 100 bytes in flight; medians of five rounds, the"
            " two systems in turn."
        ),
        anchor="etcd",
        rows=(
            _proposals_row(rows, 1, "p50", "<= 2.5 ms"),
            _proposals_row(rows, 1, "proposals/s", ""),
            _proposals_row(rows, 64, "proposals/s", ""),
            _proposals_row(rows, 64, "p50", ""),
            _proposals_row(rows, 500, "proposals/s", ">= 4 x the anchor"),
            _proposals_row(rows, 500, "p50", ""),
        ),
        notes=tuple(notes),
    )


def apply(say: Callable[[str], None]) -> Finding:
    """What applying committed commands costs, beside LMDB alone with the same rows."""
    with scratch() as directory:
        text = output_of(["tests.benchmarks.bench_apply"], timeout_s=300.0, temporary=str(directory))
    say(text)
    return Finding(
        title="Applying commands",
        how="One node's state machine, one core. Anchor: LMDB alone, writing and flushing the same rows.",
        verbatim=text,
    )


def journal(say: Callable[[str], None]) -> Finding:
    """What the log costs on disk and in memory, beside LMDB alone."""
    with scratch() as directory:
        text = output_of(["tests.benchmarks.bench_journal"], timeout_s=300.0, temporary=str(directory))
    say(text)
    return Finding(
        title="The log",
        how="One node's log, every batch flushed. Anchor: LMDB alone, appending and flushing the same bytes.",
        verbatim=text,
    )


def table_rows(text: str) -> list[dict[str, str]]:
    """The rows of the first Markdown table in `text`, each a cell by its column's heading."""
    lines = [line.strip() for line in text.splitlines()]
    table = [line for line in lines if line.startswith("|") and line.endswith("|")]
    if not table:
        return []
    headings, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    return [
        dict(zip(headings, cells, strict=True))
        for cells in body
        if not all(set(cell) <= {"-", ":"} for cell in cells)
    ]


def _proposals_row(rows: Sequence[dict[str, str]], depth: int, figure: str, target: str) -> Row:
    def of(system: str) -> str:
        cells = [row for row in rows if row["system"] == system and row["in flight"] == str(depth)]
        return cells[0][figure] if cells else ""

    return Row(what=f"{figure} at {depth} in flight", ours=of("tower"), target=target, anchor=of("etcd"))


def output_of(module: Sequence[str], *, timeout_s: float, temporary: str = "") -> str:
    """Run a Python module with arguments and return what it printed.

    Raises:
        ProgramFailed: it ended with an error, or not in time.
    """
    environment = {**os.environ, "TMPDIR": temporary} if temporary else None
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"{module[0]}: not done within {timeout_s:g} s") from error
    finally:
        _end(process)
    if process.returncode != 0:
        raise ProgramFailed(f"{module[0]}: ended with {process.returncode}:\n{errors[-2000:]}")
    return output


def _end(process: subprocess.Popen[str]) -> None:
    """End it and what it started: first as at Ctrl-C, so that it can clean up, then for good."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=END_TIMEOUT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

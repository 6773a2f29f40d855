"""A benchmark that was killed leaves programs and files behind; the next run ends and removes those."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.leftovers import remove_abandoned_scratch, scratch
from tests.support.lab import Identity, identify, wait_until

# Starts a program that is known by its environment and one by its arguments, says which, and hangs.
_BENCHMARK = """
import os, subprocess, sys
from tests.benchmarks.leftovers import scratch
with scratch() as directory:
    (directory / "node").mkdir()
    (directory / "node" / "file").touch()
    # Not our output, whose end the test waits for.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DATA": f"{directory}/node"}
    by_environment = subprocess.Popen(["sleep", "300"], env=environment, **quiet)
    by_argument = subprocess.Popen(["tail", "-f", f"{directory}/node/file"], **quiet)
    stranger = subprocess.Popen(["sleep", "300"], **quiet)
    print(directory, by_environment.pid, by_argument.pid, stranger.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the test's own for temporary files, of its child processes, too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def running(elsewhere: Path) -> Iterator[tuple[subprocess.Popen[str], Path, list[Identity]]]:
    benchmark = subprocess.Popen(
        [sys.executable, "-c", _BENCHMARK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert benchmark.stdout is not None
    directory, *pids = benchmark.stdout.readline().split()
    started = [found for pid in pids if (found := identify(int(pid))) is not None]
    assert len(started) == 3
    try:
        yield benchmark, Path(directory), started
    finally:
        benchmark.kill()
        benchmark.communicate()
        for process in started:
            process.signal(signal.SIGKILL)


def test_what_a_killed_benchmark_left_is_ended_and_nothing_else(
    running: tuple[subprocess.Popen[str], Path, list[Identity]],
) -> None:
    benchmark, directory, (by_environment, by_argument, stranger) = running
    benchmark.kill()
    benchmark.wait(10)
    with scratch():
        assert not directory.exists()
    assert wait_until(lambda: not by_environment.is_alive and not by_argument.is_alive, timeout_s=10)
    assert stranger.is_alive


def test_a_benchmark_that_runs_is_left_alone(
    running: tuple[subprocess.Popen[str], Path, list[Identity]],
) -> None:
    _, directory, started = running
    remove_abandoned_scratch()
    assert directory.is_dir()
    assert all(process.is_alive for process in started)


def test_a_scratch_directory_goes_with_its_block(elsewhere: Path) -> None:
    with scratch() as directory:
        assert directory.parent == elsewhere
        assert f"-{os.getpid()}-" in directory.name
    assert list(elsewhere.iterdir()) == []

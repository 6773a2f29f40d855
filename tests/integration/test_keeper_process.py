"""The keeper as a process: started by a service manager or by the agent, and ended with its directory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import agent
from agent.keeper.lease_file import Lease, boottime_ms, current_boot_id, write_lease
from agent.keeper.policy import KILL_BUDGET_MS
from agent.keeper.presence import ALIVE_MAX_MS, is_awake
from tests.support.stub_docker import an_engine


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


@contextmanager
def a_running_keeper(directory: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.keeper", str(directory), *options],
        cwd=Path(agent.__file__).parents[1],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: is_awake(directory, boottime_ms()), "the keeper is awake")
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_program_kills_by_the_clock_of_this_boot_and_ends_when_asked(tmp_path: Path) -> None:
    directory = tmp_path / "keeper"
    with an_engine(tmp_path) as engine, a_running_keeper(directory) as process:
        engine.running["db"] = 1
        lease = Lease(
            deadline_ms=boottime_ms() + KILL_BUDGET_MS + 500,
            boot_id=current_boot_id(),
            cluster_id="c1",
            docker_socket=engine.path,
            is_guarding=True,
        )
        write_lease(directory, lease)
        until(lambda: ("db", "SIGKILL") in engine.signals, "it is killed")
        assert boottime_ms() >= lease.deadline_ms - KILL_BUDGET_MS
        process.terminate()
        assert process.wait(10) == 0
        assert not is_awake(directory, boottime_ms() + ALIVE_MAX_MS + 1000)


def test_one_that_is_started_by_the_agent_ends_with_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "keeper"
    with a_running_keeper(directory, "--until-removed") as process:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        assert process.wait(10) == 0


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = subprocess.run(
        [sys.executable, "-m", "agent.keeper", str(tmp_path / "file")],
        cwd=Path(agent.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert run.returncode == 1
    assert "cannot be used" in run.stderr


def keepers_of(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"agent.keeper" in words and str(directory).encode() in words:
                    found.append(entry.name)
    return found


def test_the_keeper_that_the_agent_starts_outlives_it_and_goes_with_the_membership(tmp_path: Path) -> None:
    directory = tmp_path / "keeper"
    script = (
        "from pathlib import Path; from agent.keeper.presence import start_detached;"
        f"start_detached(Path({str(directory)!r}))"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=Path(agent.__file__).parents[1], timeout=20, check=True
    )
    try:
        until(lambda: is_awake(directory, boottime_ms()), "the keeper is awake")
        assert len(keepers_of(directory)) == 1
    finally:
        shutil.rmtree(directory)
    until(lambda: not keepers_of(directory), "it ends")

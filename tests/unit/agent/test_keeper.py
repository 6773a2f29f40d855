"""The keeper: what it reads, when it acts, and that it needs neither the agent nor an engine that answers."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.follow.keeper_link import START_EVERY_MS, DirectoryKeeper
from agent.keeper import processes
from agent.keeper.docker_api import DockerApi, EngineAway, Running
from agent.keeper.keeper import LOOK_MS, Keeper
from agent.keeper.lease_file import (
    NAME,
    Lease,
    LeaseUnreadable,
    read_lease,
    write_lease,
)
from agent.keeper.policy import GRACE_MS, KILL_BUDGET_MS, Due, what_is_due
from agent.keeper.presence import ALIVE_MAX_MS, AlreadyKept, Presence, is_awake
from tests.support.stub_docker import StubEngine, an_engine

BOOT = "0f0f"
LEASE = Lease(deadline_ms=100_000, boot_id=BOOT, cluster_id="c1", docker_socket="/d.sock", is_guarding=True)
KILL_AT_MS = LEASE.deadline_ms - KILL_BUDGET_MS


# ---- when what is due ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_ms", "due"),
    [
        (0, Due.NOTHING),
        (KILL_AT_MS - GRACE_MS - 1, Due.NOTHING),
        (KILL_AT_MS - GRACE_MS, Due.STOP),
        (KILL_AT_MS - 1, Due.STOP),
        (KILL_AT_MS, Due.KILL),
        (10 * KILL_AT_MS, Due.KILL),
    ],
)
def test_what_is_due_follows_from_the_time_that_is_left(now_ms: int, due: Due) -> None:
    assert what_is_due(LEASE, now_ms, BOOT) is due


def test_a_lease_of_another_boot_is_worth_nothing() -> None:
    assert what_is_due(LEASE, 0, "another") is Due.KILL


def test_a_host_without_fenced_containers_has_nothing_coming() -> None:
    assert what_is_due(replace(LEASE, is_guarding=False), 10 * KILL_AT_MS, BOOT) is Due.NOTHING


# ---- the file -----------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_lease(tmp_path) is None
    for lease in (
        LEASE,
        replace(LEASE, deadline_ms=5, docker_socket="/a/much/longer/path/docker.sock"),
        LEASE,
    ):
        write_lease(tmp_path, lease)
        assert read_lease(tmp_path) == lease
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"xx", b"00000000\n{}\n", b"\xff" * 4096])
def test_what_is_no_lease_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(LeaseUnreadable, match=NAME):
        read_lease(tmp_path)


def test_half_a_lease_is_not_read_as_a_whole_one(tmp_path: Path) -> None:
    write_lease(tmp_path, LEASE)
    block = (tmp_path / NAME).read_bytes()
    write_lease(tmp_path, replace(LEASE, deadline_ms=LEASE.deadline_ms + 1))
    newer = (tmp_path / NAME).read_bytes()
    torn = newer[:30] + block[30:]
    (tmp_path / NAME).write_bytes(torn)
    with pytest.raises(LeaseUnreadable, match="checksum"):
        read_lease(tmp_path)


def test_a_lease_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="at most"):
        write_lease(tmp_path, replace(LEASE, docker_socket="/" + "x" * 5000))


# ---- an engine that is not real -----------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StubEngine]:
    with an_engine(tmp_path) as stub:
        yield stub


class Kept:
    """A keeper over a directory, with a clock of the test's."""

    def __init__(self, directory: Path, lease: Lease) -> None:
        self.directory = directory
        self.now_ms = 0
        write_lease(directory, lease)
        self.keeper = Keeper(directory, now_ms=lambda: self.now_ms, boot_id=BOOT)

    def at(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.keeper.tick()


def test_only_fenced_containers_of_this_cluster_are_asked_for(tmp_path: Path, engine: StubEngine) -> None:
    Kept(tmp_path, replace(LEASE, docker_socket=engine.path)).at(0)
    assert engine.asked == [
        {
            "label": ["tower.fenced=strict", "tower.cluster=c1"],
            "status": ["running", "paused", "restarting"],
        }
    ]


def test_nothing_is_done_while_the_lease_lasts(tmp_path: Path, engine: StubEngine) -> None:
    engine.running["db"] = 1
    kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
    for now_ms in range(0, KILL_AT_MS - GRACE_MS, 250):
        kept.at(now_ms)
    assert engine.signals == []
    assert len(engine.asked) <= 1 + KILL_AT_MS // LOOK_MS


def test_a_container_is_asked_once_by_its_own_signal_and_then_killed(
    tmp_path: Path, engine: StubEngine
) -> None:
    engine.running["db"] = 1
    kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
    for now_ms in range(KILL_AT_MS - GRACE_MS, KILL_AT_MS, 250):
        kept.at(now_ms)
    assert engine.signals == [("db", "SIGQUIT")]
    kept.at(KILL_AT_MS)
    assert engine.signals == [("db", "SIGQUIT"), ("db", "SIGKILL")]


def test_a_renewed_lease_ends_it(tmp_path: Path, engine: StubEngine) -> None:
    lease = replace(LEASE, docker_socket=engine.path)
    engine.running["db"] = 1
    kept = Kept(tmp_path, lease)
    kept.at(KILL_AT_MS - 1)
    write_lease(tmp_path, replace(lease, deadline_ms=2 * LEASE.deadline_ms))
    kept.at(KILL_AT_MS)
    assert engine.signals == [("db", "SIGQUIT")]


def test_one_that_is_started_by_hand_afterwards_is_killed_too(tmp_path: Path, engine: StubEngine) -> None:
    kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
    kept.at(KILL_AT_MS)
    engine.running["db"] = 1
    kept.at(KILL_AT_MS + 1000)
    assert engine.signals == [("db", "SIGKILL")]


def test_an_engine_that_refuses_is_asked_again_with_every_tick(tmp_path: Path, engine: StubEngine) -> None:
    engine.running["db"] = 1
    kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
    engine.status = 500
    kept.at(KILL_AT_MS)
    assert engine.signals == []
    engine.status = 200
    kept.at(KILL_AT_MS + 250)
    assert engine.signals == [("db", "SIGKILL")]


def test_a_lease_file_that_is_lost_or_broken_ends_no_guard(tmp_path: Path, engine: StubEngine) -> None:
    engine.running["db"] = 1
    kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
    kept.at(0)
    (tmp_path / NAME).write_bytes(b"broken")
    kept.at(1000)
    (tmp_path / NAME).unlink()
    kept.at(KILL_AT_MS)
    assert engine.signals == [("db", "SIGKILL")]


def test_a_host_without_a_lease_file_is_left_alone(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, now_ms=lambda: KILL_AT_MS, boot_id=BOOT)
    keeper.tick()
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_slow_with_many_containers_is_left_in_time(engine: StubEngine) -> None:
    engine.running["db"] = 1
    with pytest.raises(EngineAway, match="too slowly"):
        DockerApi(engine.path, budget_s=-1).running({})


def test_an_engine_that_is_away_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(EngineAway, match="No such file"):
        DockerApi(str(tmp_path / "none.sock")).running({})


# ---- without an engine --------------------------------------------------------------------------


@contextmanager
def a_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def a_proc(directory: Path, pid: int, group: str) -> Path:
    (directory / "proc" / str(pid)).mkdir(parents=True)
    (directory / "proc" / str(pid) / "cgroup").write_text(f"4:memory:/docker/{group}\n")
    return directory / "proc"


def test_a_container_is_killed_while_its_engine_does_not_answer(
    tmp_path: Path, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_process() as process:
        proc = a_proc(tmp_path, process.pid, "id-db")
        monkeypatch.setattr(processes.HeldProcesses.__init__, "__defaults__", (proc,))
        engine.running["db"] = process.pid
        kept = Kept(tmp_path, replace(LEASE, docker_socket=engine.path))
        kept.at(0)
        engine.status = 500
        kept.at(KILL_AT_MS)
        assert process.wait(10) == -signal.SIGKILL
        kept.keeper.close()


def test_a_process_that_is_not_the_containers_is_not_touched(tmp_path: Path) -> None:
    with a_process() as process:
        held = processes.HeldProcesses(a_proc(tmp_path, process.pid, "id-other"))
        held.hold([Running("id-db", "db", process.pid, "SIGTERM")])
        assert held.kill() == []
        assert process.poll() is None


def test_a_process_that_has_ended_is_no_other_process(tmp_path: Path) -> None:
    with a_process() as process:
        held = processes.HeldProcesses(a_proc(tmp_path, process.pid, "id-db"))
        held.hold([Running("id-db", "db", process.pid, "SIGTERM")])
        process.kill()
        process.wait()
        assert held.kill() == []
        held.hold([])
        held.close()


# ---- one keeper, and whether it is awake --------------------------------------------------------


def test_there_is_one_keeper_for_a_directory(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    with pytest.raises(AlreadyKept, match="another keeper"):
        Presence(tmp_path)
    presence.close()
    Presence(tmp_path).close()


def test_one_that_has_not_said_so_lately_or_says_it_of_another_boot_is_not_awake(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    presence.say_alive(50_000)
    assert is_awake(tmp_path, 50_000 + ALIVE_MAX_MS)
    assert not is_awake(tmp_path, 50_001 + ALIVE_MAX_MS)
    assert not is_awake(tmp_path, 49_999)
    presence.close()


# ---- the agent's side ---------------------------------------------------------------------------


class Starts:
    def __init__(self, failure: OSError | None = None) -> None:
        self.count = 0
        self.failure = failure

    def __call__(self, _: Path) -> None:
        self.count += 1
        if self.failure is not None:
            raise self.failure


def test_a_keeper_that_does_not_run_is_started_now_and_then(tmp_path: Path) -> None:
    now = [0]
    starts = Starts()
    link = DirectoryKeeper(tmp_path, is_supervised=False, now_ms=lambda: now[0], start=starts)
    for now[0] in (0, 500, 1000):
        assert link.why_not_awake() == "waits for this host's keeper to start"
    assert starts.count == 1
    now[0] = START_EVERY_MS
    link.why_not_awake()
    assert starts.count == 2


def test_a_keeper_that_systemd_runs_is_only_missed(tmp_path: Path) -> None:
    starts = Starts()
    link = DirectoryKeeper(tmp_path, is_supervised=True, now_ms=lambda: 0, start=starts)
    assert "systemctl start tower-keeper" in link.why_not_awake()
    assert starts.count == 0


def test_a_keeper_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    starts = Starts(OSError(12, "Cannot allocate memory"))
    link = DirectoryKeeper(tmp_path, is_supervised=False, now_ms=lambda: 0, start=starts)
    assert link.why_not_awake() == "its keeper cannot be started: Cannot allocate memory"


def test_a_lease_that_cannot_be_read_is_no_lease(tmp_path: Path) -> None:
    link = DirectoryKeeper(tmp_path, is_supervised=True, now_ms=lambda: 0)
    assert link.read() is None
    link.write(LEASE)
    assert link.read() == LEASE
    (tmp_path / NAME).write_bytes(b"broken")
    assert link.read() is None

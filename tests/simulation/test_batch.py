from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation import batch
from tests.simulation.__main__ import main
from tests.simulation.batch import Progress, StateFile, chunks_to_run, code_version
from tests.simulation.profiles import PROFILES, Profile, draw
from tests.simulation.regressions import load, remember
from tests.simulation.run import Report


def a_report(seed: int, violation: str = "", world: Profile | None = None) -> Report:
    profile = world or draw(seed)
    return Report(
        seed=seed,
        profile=profile.name,
        digest=profile.digest,
        violation=violation,
        counts={"leaders": 1},
    )


class Seeds:
    """Stands in for the simulation: `bad` seeds fail, and Ctrl-C comes at `interrupted_at`."""

    def __init__(self, *, bad: frozenset[int] = frozenset(), interrupted_at: int = 0) -> None:
        self.bad = bad
        self.interrupted_at = interrupted_at
        self.run: list[int] = []

    def __call__(self, seed: int, *, profile: Profile | None = None) -> Report:
        if seed == self.interrupted_at:
            raise KeyboardInterrupt
        self.run.append(seed)
        world = profile or draw(seed)
        violation = "Violation: it broke\n a promise" if seed in self.bad else ""
        return a_report(seed, violation, world)


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Simulate:
    return Simulate(monkeypatch, tmp_path)


class Simulate:
    """The command line, over stand-in seeds and a directory of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self._monkeypatch = monkeypatch
        self.state = directory / "state"
        self.regressions = directory / "regressions.txt"

    def __call__(self, seeds: Seeds, *arguments: str) -> int:
        self._monkeypatch.setattr(batch, "run_seed", seeds)
        places = ["--state", str(self.state), "--regressions", str(self.regressions)]
        return main(["--jobs", "1", *places, *arguments])


def test_every_seed_asked_for_is_run_once(simulate: Simulate) -> None:
    seeds = Seeds()
    assert simulate(seeds, "--first", "5", "--seeds", "23") == 0
    assert seeds.run == list(range(5, 28))


def test_an_interrupted_batch_goes_on_where_it_stopped(simulate: Simulate) -> None:
    assert simulate(Seeds(interrupted_at=27), "--seeds", "40") == 130
    later = Seeds()
    assert simulate(later, "--seeds", "40") == 0
    assert later.run == list(range(21, 41)), "the interrupted chunk is run again, what came before is not"


def test_other_code_begins_anew(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    assert simulate(Seeds(), "--seeds", "10") == 0
    monkeypatch.setattr("tests.simulation.__main__.code_version", lambda: "other")
    seeds = Seeds()
    assert simulate(seeds, "--seeds", "10") == 0
    assert seeds.run == list(range(1, 11))


def test_a_budget_of_no_time_begins_nothing(simulate: Simulate) -> None:
    seeds = Seeds()
    assert simulate(seeds, "--seeds", "10", "--budget-s", "0") == 0
    assert seeds.run == []


def test_a_failing_seed_is_told_with_its_reproduction_and_run_first_for_ever(
    simulate: Simulate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(Seeds(bad=frozenset({13})), "--seeds", "20") == 1
    told = capsys.readouterr().out
    assert "SEED 13 FAILED" in told
    assert "it broke" in told
    assert "python -m tests.simulation --seed 13" in told
    [kept] = load(simulate.regressions)
    assert (kept.seed, kept.profile, kept.violation) == (13, "drawn", "Violation: it broke a promise")
    assert kept.is_same_world
    again = Seeds()
    assert simulate(again, "--seeds", "20", "--again") == 0
    assert again.run[0] == 13


def test_a_batch_that_is_done_still_says_that_it_failed(simulate: Simulate) -> None:
    assert simulate(Seeds(bad=frozenset({3})), "--seeds", "5") == 1
    repaired_without_a_change = Seeds()
    assert simulate(repaired_without_a_change, "--seeds", "5") == 1
    assert repaired_without_a_change.run == [3], "the regression alone"


def test_a_profile_asked_for_is_part_of_the_reproduction(
    simulate: Simulate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(Seeds(bad=frozenset({2})), "--seeds", "3", "--profile", "churn") == 1
    assert "--seed 2 --profile churn" in capsys.readouterr().out
    [kept] = load(simulate.regressions)
    assert kept.world() == PROFILES["churn"]


def test_a_failure_is_written_down_once(tmp_path: Path) -> None:
    path = tmp_path / "regressions.txt"
    report = a_report(4, "Violation: x")
    assert [kept.seed for kept in remember([report, a_report(5)], path=path)] == [4]
    assert remember([report], path=path) == []
    assert len(load(path)) == 1


def test_chunks_leave_out_what_is_done() -> None:
    progress = Progress("v")
    progress.add([a_report(seed) for seed in range(11, 21)])
    progress.add([a_report(seed) for seed in range(21, 26)])
    assert progress.chunks == [(11, 25)]
    assert list(chunks_to_run(progress, 8, 22)) == [[8, 9, 10], [26, 27, 28, 29]]


def test_a_damaged_state_file_is_forgotten(tmp_path: Path) -> None:
    state = StateFile(tmp_path, None)
    progress = Progress("v")
    progress.add([a_report(1, "Violation: x")])
    state.save(progress)
    assert state.load("v") == progress
    (tmp_path / "progress-drawn.json").write_text("{")
    assert state.load("v") == Progress("v")


def test_the_version_is_that_of_the_code_a_seed_runs(tmp_path: Path) -> None:
    for directory in ("cluster/raft", "tests/simulation"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "cluster/encoding.py").write_text("a = 1\n")
    before = code_version(tmp_path)
    assert code_version(tmp_path) == before
    (tmp_path / "cluster/raft/engine.py").write_text("b = 1\n")
    assert code_version(tmp_path) != before

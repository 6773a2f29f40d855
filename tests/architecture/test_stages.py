"""packaging/run_stages.py: what `make test` says and when it fails."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.repository import ROOT


@pytest.fixture(scope="module")
def run_stages() -> ModuleType:
    """The script as a module; its directory has the name of a library, so it is loaded by path."""
    spec = importlib.util.spec_from_file_location("run_stages", ROOT / "packaging" / "run_stages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def stage(run_stages: ModuleType, script: str, **fields: object) -> object:
    return run_stages.Stage(
        **{"name": "stage", "command": (sys.executable, "-c", script), "limit_s": 60.0, **fields}
    )


def test_the_numbers_of_pytests_last_line_are_read(run_stages: ModuleType) -> None:
    line = "1 failed, 12 passed, 3 skipped, 1 warning, 2 errors in 3.45s"
    assert run_stages.counts_of(line) == Counter(failed=1, passed=12, skipped=3, warnings=1, errors=2)
    assert run_stages.counts_of("12 passed the salt") == Counter()


def test_a_stage_that_ends_well_passes_and_one_that_does_not_fails(
    run_stages: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_stages.run(stage(run_stages, "print('hello')"), 60.0).verdict == "passed"
    failed = run_stages.run(stage(run_stages, "raise SystemExit(3)"), 60.0)
    assert (failed.verdict, failed.counts["failed"]) == ("failed", 1)
    assert "hello" in capfd.readouterr().out


def test_a_stage_that_hangs_is_ended_at_its_limit_and_fails(run_stages: ModuleType) -> None:
    hanging = stage(run_stages, "import threading; threading.Event().wait()")
    outcome = run_stages.run(hanging, 0.2)
    assert (outcome.verdict, outcome.is_failure) == ("timed out", True)


def test_a_stage_counts_its_tests_and_one_that_skipped_all_says_so(run_stages: ModuleType) -> None:
    def outcome(line: str) -> Any:
        return run_stages.run(stage(run_stages, f"print({line!r})", counts_tests=True), 60.0)

    counted = outcome("12 passed, 1 skipped in 0.10s")
    assert (counted.verdict, counted.counts) == ("passed", Counter(passed=12, skipped=1))
    skipped = outcome("1 skipped in 0.00s")
    assert (skipped.verdict, skipped.is_failure) == ("skipped", False)


def test_a_directory_that_does_not_exist_is_called_empty(run_stages: ModuleType) -> None:
    outcome = run_stages.run(stage(run_stages, "", needs=run_stages.ROOT / "tests" / "nothing"), 60.0)
    assert (outcome.verdict, outcome.is_failure) == ("empty", True)


def test_the_report_ends_with_one_line_over_all_stages(run_stages: ModuleType) -> None:
    def outcome(verdict: str, **counts: int) -> object:
        return run_stages.Outcome(
            stage=stage(run_stages, ""), verdict=verdict, duration_s=1.0, counts=Counter(counts)
        )

    report = run_stages.report([outcome("passed", passed=3), outcome("failed", passed=2, failed=1)], 2.5)
    assert report.splitlines()[-1].strip("= ") == "1 failed, 5 passed in 2.50s"
    assert any(line.split() == ["stage", "failed", "1.0", "s"] for line in report.splitlines())


def test_a_run_that_took_longer_than_it_is_meant_to_says_so(run_stages: ModuleType) -> None:
    within, beyond = (run_stages.report([], taken_s, 1200.0) for taken_s in (1200.0, 1200.5))
    assert "meant to take" not in within
    assert "it is meant to take at most 1200 s" in beyond


def test_make_test_is_meant_to_take_twenty_minutes_and_what_hangs_is_ended_within_eighty(
    run_stages: ModuleType,
) -> None:
    assert run_stages.TOTAL_AIM_S["test"] == 20 * 60
    assert run_stages.TOTAL_LIMIT_S["test"] <= 80 * 60
    names = [each.name for each in run_stages.stages("test")]
    assert names[-5:] == ["ui", "unit", "contract", "integration", "e2e"]
    assert [each.name for each in run_stages.stages("check")][-1] == "ui"


def test_what_takes_too_long_for_every_time_is_left_to_make_verify(run_stages: ModuleType) -> None:
    def leaves_out(target: str) -> dict[str, bool]:
        return {each.name: "not verify" in each.command for each in run_stages.stages(target)}

    tests = ("unit", "contract", "integration", "e2e")
    assert [leaves_out("test")[name] for name in tests] == [True] * 4
    assert [leaves_out("verify")[name] for name in tests] == [False] * 4


def test_what_waits_for_hosts_and_what_needs_processors_run_side_by_side(run_stages: ModuleType) -> None:
    one, other = os.pipe(), os.pipe()

    def meeting(name: str, tells: int, hears: int, *, waits_for_hosts: bool) -> object:
        ours = f"/proc/{os.getpid()}/fd"
        script = f"open('{ours}/{tells}', 'wb', 0).write(b'x'); open('{ours}/{hears}', 'rb', 0).read(1)"
        return stage(run_stages, script, name=name, waits_for_hosts=waits_for_hosts)

    chosen = [
        meeting("unit", one[1], other[0], waits_for_hosts=False),
        meeting("e2e", other[1], one[0], waits_for_hosts=True),
    ]
    try:
        outcomes = run_stages.run_lanes(chosen, time.monotonic() + 60.0)
    finally:
        for end in (*one, *other):
            os.close(end)
    assert [(each.stage.name, each.verdict) for each in outcomes] == [("unit", "passed"), ("e2e", "passed")]


def test_what_needs_processors_gives_way_to_what_waits_for_hosts(
    run_stages: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "import os; print('nice', os.nice(0))"
    run_stages.run(stage(run_stages, script), 60.0)
    run_stages.run(stage(run_stages, script, waits_for_hosts=True), 60.0)
    shown = [line for line in capfd.readouterr().out.splitlines() if line.startswith("nice")]
    assert shown == ["nice 19", f"nice {os.nice(0)}"]


def test_an_unknown_target_is_a_usage_error(
    run_stages: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stages.main(["everything"]) == 2
    assert "check | test | verify" in capsys.readouterr().err


def test_continuous_integration_runs_the_same_command_as_a_desk() -> None:
    script = Path(ROOT / ".ci" / "run").read_text()
    assert [line for line in script.splitlines() if not line.startswith("#")] == [
        'cd "$(dirname "$0")/.." && exec make test'
    ]

"""`python -m tests.benchmarks`: which benchmarks run, and what becomes of those that cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import results
from tests.benchmarks.machine import Missing
from tests.benchmarks.results import Finding


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go in this test, with three benchmarks: one works, one lacks something, one breaks."""
    file = tmp_path / "RESULTS.md"
    monkeypatch.setattr(results, "FILE", file)
    monkeypatch.setattr(command, "PACKAGES", ())
    monkeypatch.setattr(command, "remove_abandoned_scratch", lambda: None)
    monkeypatch.setattr(command, "description", lambda: "a machine")
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)

    def works(say: Callable[[str], None]) -> Finding:
        say("half way")
        return Finding(title="Works", how="It does.")

    def lacks(_: Callable[[str], None]) -> Finding:
        raise Missing("no dockerd; run: packaging/bootstrap.sh lab")

    def breaks(_: Callable[[str], None]) -> Finding:
        raise TimeoutError("never came")

    monkeypatch.setattr(command, "BENCHMARKS", {"lacks": lacks, "breaks": breaks, "works": works})
    return file


def test_an_unknown_benchmark_is_refused_with_the_known_ones(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        command.main(["speed"])
    assert refusal.value.code == 2
    assert "no benchmark 'speed'; there are lacks, breaks, works" in capsys.readouterr().err
    assert not kept.exists()


def test_what_works_is_kept_and_what_does_not_is_named_and_does_not_stop_the_rest(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 1
    said = capsys.readouterr().err
    assert "lacks: cannot run here: no dockerd; run: packaging/bootstrap.sh lab" in said
    assert "TimeoutError: never came" in said
    assert "not measured: lacks, breaks" in said
    text = kept.read_text()
    assert "## Works" in text
    assert "`make bench`" in text
    assert "<!-- begin lacks -->" not in text


def test_naming_benchmarks_runs_those_only_and_says_so_in_the_file(kept: Path) -> None:
    assert command.main(["works"]) == 0
    assert "`python -m tests.benchmarks works`" in kept.read_text()


def test_a_dry_run_shows_and_keeps_nothing(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--dry-run", "works"]) == 0
    assert "## Works" in capsys.readouterr().out
    assert not kept.exists()

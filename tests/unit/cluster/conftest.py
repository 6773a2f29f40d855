"""What the tests of the metric history share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.history import HistoryWriter
from tests.support.samples import a_history


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[HistoryWriter]:
    """A history with nothing in it."""
    history = a_history(tmp_path)
    yield history
    history.close()

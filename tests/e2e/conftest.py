"""A browser, shared by the tests that drive the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.requirements import require_chromium, unmet

# What it asserts is told as a test's own is.
pytest.register_assert_rewrite("tests.e2e.walked_shop")

STATIC = Path(__file__).resolve().parent.parent.parent / "web" / "static"

SHOWN_WITHIN_MS = 20_000
"""How long a page may take to show what is expected: beside other tests, on a slow machine."""
expect.set_options(timeout=SHOWN_WITHIN_MS)

# No sandbox: tests run as root. The rest keeps Chromium from talking to anybody but us.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running Chromium; each test makes a context of its own in it."""
    path = require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built_dashboard() -> Path:
    """Where the built dashboard is."""
    if not (STATIC / "index.html").is_file():
        unmet("the dashboard is not built; run: make ui")
    return STATIC

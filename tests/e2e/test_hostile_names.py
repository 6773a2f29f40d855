"""Scripts in what containers are called and labelled: shown as text, and run by no page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.dashboard import Dashboard, opened
from tests.e2e.scenes import Scene

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

RUN = "window.ran=1"
SCRIPTS = (
    f"<img src=x onerror={RUN}>",
    f"<script>{RUN}</script>",
    f'"><svg onload={RUN}>',
    f"javascript:{RUN}",
    f"\x1b]8;;javascript:{RUN}\x07click\x1b]8;;\x07",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
)
PAGES = ("/", "/containers", "/services", "/logs", "/alerts", "/explore", "/cluster", "/audit", "/access")


@pytest.fixture
def dashboard(chromium: Browser) -> Iterator[Dashboard]:
    with opened(chromium) as dashboard:
        yield dashboard


def spoil(scene: Scene) -> None:
    """Have everything that somebody outside names be a script."""
    for container, script in zip(scene.containers, SCRIPTS * 100, strict=False):
        for field in ("name", "image", "project", "service", "status"):
            container[field] = f"{script}{container[field]}"
        container["labels"] = {script: script}
    for service, script in zip(scene.services, SCRIPTS * 100, strict=False):
        service["image"] = script
        service["routes"] = [script]


def test_scripts_in_names_labels_and_images_are_text_on_every_page(dashboard: Dashboard) -> None:
    dialogs: list[str] = []
    dashboard.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    dashboard.enter()
    dashboard.server.change(spoil, "containers", "services")
    for path in PAGES:
        dashboard.open(path)
        expect(dashboard.page.get_by_role("main")).to_be_visible()
        dashboard.page.wait_for_load_state("networkidle")
        assert dashboard.page.evaluate("window.ran") is None, path
        assert dashboard.page.locator("main img[src=x], main svg[onload], main script").count() == 0, path
        assert dashboard.page.locator("a[href^='javascript:']").count() == 0, path
    dashboard.open("/containers")
    expect(dashboard.page.get_by_text(SCRIPTS[0]).locator("visible=true").first).to_be_visible()
    assert dialogs == []
    assert [each for each in dashboard.complaints if "Content Security Policy" in each] == []

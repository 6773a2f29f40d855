"""The assistant on the product's own web server: asked by rules, kept, and its proposal approved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cluster.model.access import Role
from tests.e2e.dashboard import NARROW, WIDE, goto, violations_of
from tests.e2e.world_server import Serving, serving
from tests.support.deployments import deployed, service_of
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world
from web.tools.pace import Pace

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUICK = Pace(coalesce_s=0.05, containers_s=0.2, metrics_s=0.2, rollout_wait_s=2.0)


@asynccontextmanager
async def a_shop() -> AsyncIterator[WebWorld]:
    world = a_web_world()
    world.add_user("ada", Role.ADMIN)
    deployed(world, "nd_1", "nd_2")
    yield world


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(a_shop, tmp_path, pace=QUICK) as server:
        yield server


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def page(chromium: Browser, server: Serving, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    context = chromium.new_context(
        ignore_https_errors=True, reduced_motion="reduce", viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.on("pageerror", lambda error: server.complaints.append(str(error)))
    yield page
    context.close()


def test_what_is_asked_for_becomes_a_plan_that_is_approved_in_the_conversation(
    page: Page, server: Serving
) -> None:
    goto(page, server.address)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Ask the assistant").click()
    field = page.get_by_role("textbox", name="Your question")
    expect(field).to_be_focused()
    expect(page.locator("#assistant")).to_contain_text("Built-in rules answer, without a model.")
    field.fill("Scale shop.web to 3 replicas")
    field.press("Enter")

    card = page.get_by_role("region", name="shop.web goes from 2 to 3 replicas")
    expect(card).to_contain_text("waits")
    assert service_of(server.world).replicas == 2
    card.get_by_role("button", name="Approve").click()
    window = page.get_by_role("dialog", name="Approve and carry out?")
    assert violations_of(page) == []
    window.get_by_role("button", name="Approve").click()
    expect(card).to_contain_text("by ada (dashboard)")
    expect(card.get_by_role("button")).to_have_count(0)
    assert service_of(server.world).replicas == 3

    page.reload()
    expect(card).to_contain_text("by ada (dashboard)")
    page.get_by_role("button", name="Earlier conversations").click()
    page.get_by_role("button", name="Forget “Scale shop.web to 3 replicas”").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#assistant")).to_contain_text("No conversations yet")
    assert violations_of(page) == []
    assert server.complaints == []

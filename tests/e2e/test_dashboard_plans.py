"""What a program asked for, approved and refused in the dashboard, on the product's own web server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from cluster.commands.services import ScaleService
from cluster.model.access import Role
from cluster.model.ids import ServiceId
from tests.e2e.dashboard import goto, violations_of
from tests.e2e.world_server import Serving, serving
from tests.support.deployments import deployed, service_of
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world
from web.tools.pace import Pace

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUICK = Pace(coalesce_s=0.05, containers_s=0.2, metrics_s=0.2, rollout_wait_s=2.0)
TOKENS: list[str] = []


@asynccontextmanager
async def a_shop() -> AsyncIterator[WebWorld]:
    world = a_web_world()
    world.add_user("ada", Role.ADMIN)
    world.add_user("vera", Role.VIEWER)
    TOKENS[:] = [world.add_api_token(world.add_user("ann", Role.OPERATOR))]
    deployed(world, "nd_1", "nd_2")
    yield world


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(a_shop, tmp_path, pace=QUICK) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, server: Serving) -> Iterator[Page]:
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce")
    page = context.new_page()
    page.on("pageerror", lambda error: server.complaints.append(str(error)))
    yield page
    context.close()


def ask(server: Serving, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool as a program does, and return what it is told."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    # Nobody has told this test of the server's CA.
    response = httpx2.post(
        f"{server.address}/mcp",
        json=message,
        headers={
            "Authorization": f"Bearer {TOKENS[0]}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-11-25",
        },
        timeout=30,
        verify=False,
    )
    text = response.raise_for_status().text
    data = next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {"))
    return dict(json.loads(data)["result"]["structuredContent"])


def enter(page: Page, server: Serving, path: str, name: str = "ada") -> None:
    goto(page, server.address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation").get_by_role("link", name="Approvals")).to_be_visible(timeout=15_000)


def test_a_plan_is_seen_where_one_looks_read_and_approved(page: Page, server: Serving) -> None:
    enter(page, server, "/")
    expect(page.get_by_role("link", name="Approvals")).not_to_contain_text("1")
    made = ask(server, "scale-service", service="shop.web", replicas=3)
    # Told live, in the navigation and on the overview.
    expect(page.get_by_role("link", name="Approvals")).to_contain_text("1 for you to decide")
    attention = page.get_by_role("region", name="Needs attention")
    attention.get_by_role("link", name="shop.web goes from 2 to 3 replicas").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.web goes from 2 to 3 replicas")
    expect(page.get_by_role("table", name="What changes of shop.web")).to_contain_text("replicas")
    expect(page.get_by_role("region", name="What it touches")).to_contain_text("h1, h2")
    assert violations_of(page) == []
    page.get_by_role("button", name="Approve").click()
    window = page.get_by_role("dialog", name="Approve and carry out?")
    window.get_by_label("Comment").fill("go on")
    assert violations_of(page) == []
    window.get_by_role("button", name="Approve").click()
    expect(page.locator("#content")).to_contain_text("by ada (dashboard)")
    expect(page.locator("#content")).to_contain_text("go on")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert ask(server, "get-plan", plan=made["plan_id"])["state"] == "done"
    assert service_of(server.world).replicas == 3
    assert server.complaints == []


def test_what_has_changed_meanwhile_is_said_in_the_window_and_nothing_is_done(
    page: Page, server: Serving
) -> None:
    made = ask(server, "scale-service", service="shop.web", replicas=9)
    enter(page, server, f"/plans/{made['plan_id']}")
    server.change(
        lambda world: world.state.must(ScaleService(service_id=ServiceId("shop.web"), replicas=4, by="eve"))
    )
    page.get_by_role("button", name="Approve").click()
    window = page.get_by_role("dialog", name="Approve and carry out?")
    window.get_by_role("button", name="Approve").click()
    expect(window).to_contain_text("is stale and nothing was done")
    window.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("out of date", exact=True)).to_be_visible()
    assert service_of(server.world).replicas == 4


def test_who_may_not_approve_is_told_why_in_either_language(page: Page, server: Serving) -> None:
    ask(server, "restart-service", service="shop.web")
    enter(page, server, "/plans", name="vera")
    expect(page.get_by_role("link", name="Approvals")).not_to_contain_text("to decide")
    page.get_by_role("link", name="the 2 replicas of shop.web are replaced").click()
    expect(page.locator("#content")).to_contain_text("plan.approve needs role operator")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.evaluate("localStorage.setItem('tower.language', 'it')")
    page.reload()
    expect(page.locator("#content")).to_contain_text("Che cosa tocca")
    page.get_by_role("link", name="Approvazioni").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approvazioni")
    assert violations_of(page) == []

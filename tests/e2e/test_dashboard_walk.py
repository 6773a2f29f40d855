"""Every page of the dashboard against three real hosts: in both themes, three widths and two languages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from agent.cli.client import Client, Target
from tests.e2e.dashboard import goto, violations_of
from tests.support.lab import LabAgents, a_lab, remove_abandoned, require_lab, url_of
from tests.support.shop import Shop

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

WIDTHS = {"wide": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
THEMES = ("light", "dark")
PAGES = (
    "/",
    "/alerts",
    "/explore",
    "/logs",
    "/capacity",
    "/containers",
    "/containers/{node}/{container}",
    "/services",
    "/services/shop.web",
    "/deploy",
    "/rollouts/{rollout}",
    "/environments",
    "/schedules",
    "/resources",
    "/resources?tab=volumes",
    "/resources?tab=networks",
    "/resources?tab=projects",
    "/cluster",
    "/access",
    "/audit",
    "/integrations",
    "/integrations?tab=mcp",
    "/settings",
    "/account",
)
LOADED_MAX_MS = 20_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app in version 1 on three hosts, each with an agent."""
    require_lab()
    remove_abandoned()
    lab = a_lab("w")
    directory = tmp_path_factory.mktemp("walk")
    try:
        lab.up(3)
        agents = LabAgents(lab, directory)
        agents.form()
        shop = Shop(lab, agents, directory)
        shop.roll_out("1")
        yield shop
    finally:
        lab.down()


@dataclass(slots=True, kw_only=True)
class Walker:
    """Somebody who is logged in, and what the browser complained about."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page and wait until it shows what the server said."""
        goto(self.page, self.address + path)
        expect(self.page.locator("h1")).to_be_visible(timeout=LOADED_MAX_MS)
        expect(self.page.locator("#content .animate-breathe")).to_have_count(0, timeout=LOADED_MAX_MS)

    def resize(self, width: str, theme: str) -> None:
        across, down = WIDTHS[width]
        self.page.set_viewport_size({"width": across, "height": down})
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")


@contextmanager
def walking(chromium: Browser, shop: Shop, *, language: str = "en-GB") -> Iterator[Walker]:
    """Log in as the administrator."""
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce", locale=language)
    page = context.new_page()
    walker = Walker(context=context, page=page, address=f"https://{shop.lab.hosts[0].ip}:7443")
    page.on("pageerror", lambda error: walker.complaints.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            walker.complaints.append(f"{page.url}: {message.text}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    try:
        goto(page, walker.address)
        page.locator("input[name=name], input[autocomplete=username]").first.fill("admin")
        page.locator("input[type=password]").fill(shop.agents.password)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_be_visible(timeout=LOADED_MAX_MS)
        yield walker
    finally:
        context.close()


def client_of(shop: Shop) -> Client:
    servers = tuple(url_of(host) for host in shop.agents.hosts)
    return Client(Target(servers=servers, ca_pem=shop.agents.ca_pem, access_token=shop.agents.token))


def places(shop: Shop) -> dict[str, str]:
    """The ids the addresses of pages are made of."""
    client = client_of(shop)
    containers = client.get("/containers")["items"]
    replica = next(each for each in containers if each["service"] == "shop.web")
    rollout = client.get("/rollouts")["items"][0]
    return {"node": replica["node_id"], "container": replica["id"], "rollout": rollout["id"]}


def overflows(page: Page) -> bool:
    """Whether the page can be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_clean_in_both_themes_and_three_widths(shop: Shop, walker: Walker, path: str) -> None:
    walker.complaints.clear()
    walker.open(path.format(**places(shop)))
    found: dict[str, str] = {}
    for width in WIDTHS:
        for theme in THEMES:
            walker.resize(width, theme)
            wrong = violations_of(walker.page)
            if overflows(walker.page):
                wrong.append("it scrolls sideways")
            for each in wrong:
                found.setdefault(each, f"first with {width}, {theme}")
            keep_picture(walker.page, path, width, theme)
    assert found == {}
    assert walker.complaints == []


@pytest.fixture(scope="module")
def walker(chromium: Browser, shop: Shop) -> Iterator[Walker]:
    with walking(chromium, shop) as walker:
        yield walker


def keep_picture(page: Page, path: str, width: str, theme: str) -> None:
    """Keep a picture for people to look at, where they say so."""
    directory = os.environ.get("DASHBOARD_PICTURES")
    if directory is None:
        return
    name = (
        path.strip("/").replace("/", "-").replace("?tab=", "-").replace("{", "").replace("}", "")
        or "overview"
    )
    Path(directory).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(directory) / f"{name}-{width}-{theme}.png")

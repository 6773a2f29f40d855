"""The sample app on three real hosts, and somebody who walks the dashboard that shows them.

Import the fixtures `shop`, `session` and `walker` into the test module that uses them, and name them in its
`__all__`; each module has a lab of its own.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from agent.cli.client import Client, Target
from tests.e2e.dashboard import goto, is_complaint, violations_of
from tests.support.lab import agents_on_a_lab, url_of
from tests.support.shop import Shop
from tests.support.whole_run import IS_WHOLE

WIDTHS = {"wide": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
THEMES = ("light", "dark")
LOADED_MAX_MS = 20_000
PICTURES = os.environ.get("DASHBOARD_PICTURES") or None


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app in version 1 on three hosts, each with an agent."""
    directory = tmp_path_factory.mktemp("walk")
    with agents_on_a_lab("w", directory) as agents:
        shop = Shop(agents.lab, agents, directory)
        shop.roll_out("1")
        yield shop


# No slots: Playwright marks the method that listens to it.
@dataclass(kw_only=True)
class Walker:
    """Somebody with a browser, and what that complained about."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def log_in(self, name: str, password: str) -> None:
        """Fill in and send the login page."""
        self.page.locator("input[autocomplete=username]").fill(name)
        self.page.locator("input[type=password]").fill(password)
        self.page.keyboard.press("Enter")

    def open(self, path: str) -> None:
        """Go to a page and wait until it shows what the server said."""
        goto(self.page, self.address + path)
        expect(self.page.locator("#content h1")).to_be_visible(timeout=LOADED_MAX_MS)
        expect(self.page.locator("#content .animate-breathe")).to_have_count(0, timeout=LOADED_MAX_MS)

    @property
    def notices(self) -> Locator:
        return self.page.get_by_role("region", name="Notices")

    def row(self, name: str) -> Locator:
        """The row of a table that is named so."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=name))

    def act(self, name: str, action: str) -> None:
        """Choose an action from the menu of what a row is about."""
        self.page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
        self.page.get_by_role("menuitem", name=action).click()

    def confirm(self, verb: str) -> None:
        """Answer the question that is open."""
        self.page.get_by_role("alertdialog").get_by_role("button", name=verb, exact=True).click()

    def check_look(self, name: str) -> None:
        """See that nothing is wrong with what is shown, on a wide light screen or on a dark phone.

        A whole run looks at both; pictures for people are in every theme and width. What is open stays so.
        """
        looks = [("phone", "dark"), ("wide", "light")]
        seen = set(looks) if IS_WHOLE else {looks[zlib.crc32(name.encode()) % 2]}
        if PICTURES is not None:
            seen |= {(width, theme) for width in WIDTHS for theme in THEMES}
        found: dict[str, list[str]] = {}
        for width, theme in sorted(seen):
            self.resize(width, theme)
            wrong = violations_of(self.page)
            if overflows(self.page):
                wrong.append("it scrolls sideways")
            if wrong:
                found[f"{name}, {width}, {theme}"] = wrong
            keep_picture(self.page, f"{name}-{width}-{theme}")
        self.resize("wide", "light")
        assert found == {}

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains about."""
        if is_complaint(message):
            about = message.location.get("url", "")
            self.complaints.append(f"{self.page.url}: {message.text} ({about})")

    def take_refusal(self, status: int) -> None:
        """Take the browser's word that the server refused something, which it has for every such answer."""
        # What the page wrote before it answers this is heard by then.
        self.page.evaluate("null")
        refusals = [each for each in self.complaints if f"responded with a status of {status}" in each]
        assert refusals, f"nothing was refused with {status}: {self.complaints}"
        self.complaints.remove(refusals[0])

    def resize(self, width: str, theme: str) -> None:
        across, down = WIDTHS[width]
        self.page.set_viewport_size({"width": across, "height": down})
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")


@contextmanager
def arriving(chromium: Browser, shop: Shop, *, language: str = "en-GB") -> Iterator[Walker]:
    """Come to the login page, in a browser of one's own."""
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce", locale=language)
    page = context.new_page()
    walker = Walker(context=context, page=page, address=url_of(shop.agents.hosts[0]))
    page.on("pageerror", lambda error: walker.complaints.append(f"{page.url}: {error}"))
    page.on("console", lambda message: walker.hear(message))
    try:
        goto(page, walker.address)
        yield walker
    finally:
        context.close()


@contextmanager
def walking(
    chromium: Browser, shop: Shop, *, name: str = "admin", password: str = "", language: str = "en-GB"
) -> Iterator[Walker]:
    """Log in, as the administrator unless somebody is named."""
    with arriving(chromium, shop, language=language) as walker:
        walker.log_in(name, password or shop.agents.password)
        expect(walker.page.locator("#content h1")).to_be_visible(timeout=LOADED_MAX_MS)
        yield walker


@pytest.fixture(scope="module")
def session(chromium: Browser, shop: Shop) -> Iterator[Walker]:
    """The administrator, who logs in once for a module."""
    with walking(chromium, shop) as walker:
        yield walker


@pytest.fixture
def walker(session: Walker) -> Iterator[Walker]:
    """The administrator at a wide, light screen; the browser may complain of nothing that was not taken."""
    session.complaints.clear()
    session.resize("wide", "light")
    yield session
    # A login that has grown old, as it may on a busy machine, is renewed on the server's word.
    assert [each for each in session.complaints if "status of 401" not in each] == []


def client_of(shop: Shop) -> Client:
    """The API of any host that answers, as an administrator."""
    servers = tuple(url_of(host) for host in shop.agents.hosts)
    return Client(Target(servers=servers, ca_pem=shop.agents.ca_pem, access_token=shop.agents.token))


def overflows(page: Page) -> bool:
    """Whether the page can be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture for people to look at, where they say so."""
    if PICTURES is None:
        return
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(PICTURES) / f"{name}.png")

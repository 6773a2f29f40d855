"""The dashboard as somebody with a browser uses it, for tests."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Response
from playwright.sync_api import expect as expect_in_page

from agent.clock import SystemClock
from tests.e2e.scenes import SCENES
from tests.e2e.stub_server import PASSWORD, StubServer

AXE = (
    Path(__file__).resolve().parent.parent.parent / "web" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
)
# What is new in WCAG 2.2, the size of targets, is off in axe until it is asked for.
RUN_AXE = """
async () => {
    const open = [...document.querySelectorAll('[role$=dialog], [role=menu]')];
    const rules = axe.getRules(['wcag22aa']).map(({ ruleId }) => [ruleId, { enabled: true }]);
    const options = { resultTypes: ['violations'], rules: Object.fromEntries(rules) };
    return (await axe.run(open.at(-1) ?? document, options)).violations;
}
"""
NAVIGATIONS_MAX = 5
WIDE = (1440, 900)
NARROW = (390, 844)


@dataclass(slots=True, kw_only=True)
class Dashboard:
    """A page, the stand-in it is served by, and everything that went over the wire."""

    server: StubServer
    context: BrowserContext
    page: Page
    address: str
    responses: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        """Go to a path of the dashboard."""
        goto(self.page, self.address + path)

    def log_in(self, name: str = "ada", *, password: str = PASSWORD) -> None:
        """Fill in and send the login page."""
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def enter(self, name: str = "ada", path: str = "/") -> None:
        """Log in, and wait until the overview shows what the server said."""
        self.open(path)
        self.log_in(name)
        expect_in_page(self.page.get_by_role("heading", name="h1", exact=True)).to_be_visible()
        expect_in_page(self.page.get_by_role("status").filter(has_text="live")).to_be_visible()

    def enter_containers(self, name: str = "ada", query: str = "") -> None:
        """Log in on the page of the containers, and wait until it shows some."""
        self.open(f"/containers{query}")
        self.log_in(name)
        expect_in_page(self.page.get_by_role("rowheader").first).to_be_visible()
        expect_in_page(self.page.get_by_role("status").filter(has_text="live")).to_be_visible()

    def section(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title, exact=True)

    def row(self, container: str) -> Locator:
        return self.page.get_by_role("row").filter(
            has=self.page.get_by_role("rowheader", name=container, exact=True)
        )

    def host(self, name: str) -> Locator:
        return (
            self.section("Hosts")
            .get_by_role("listitem")
            .filter(has=self.page.get_by_role("heading", name=name, exact=True))
        )

    def act(self, container: str, action: str) -> None:
        """Choose an action from a container's menu."""
        self.page.get_by_role("button", name=f"Actions for {container}", exact=True).click()
        self.page.get_by_role("menuitem", name=action).click()

    def violations(self) -> list[str]:
        """What axe finds, one line each: in the window that is open, otherwise in the page."""
        return violations_of(self.page)

    def fetched_bytes(self) -> int:
        """The size of every file of the page so far, compressed as the product sends it."""
        return sizes_of([response for response in self.responses if "/api/" not in response.url])


def is_complaint(message: ConsoleMessage) -> bool:
    """Whether a message on the console says that something is wrong with the page.

    The browser breaks what is under way when an address of this machine changes, as it does whenever another
    test's hosts come or go; the page tries again.
    """
    return message.type in ("error", "warning") and "net::ERR_NETWORK_CHANGED" not in message.text


def sizes_of(responses: Iterable[Response]) -> int:
    """The size of files together, each compressed as the product sends it."""
    return sum(len(gzip.compress(response.body(), 9)) for response in responses if response.ok)


def violations_of(page: Page) -> list[str]:
    """What axe finds, one line each: in the window or menu that is open on top, otherwise in the page."""
    if page.evaluate("typeof axe === 'undefined'"):
        # Injected as the browser's own code, which a page's policy does not hold back.
        page.evaluate(AXE.read_text())
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in page.evaluate(RUN_AXE)
        for node in rule["nodes"]
    ]


def goto(page: Page, address: str) -> None:
    """Go there; again when the machine's network changed meanwhile, as it does when a lab comes up."""
    for attempt in range(NAVIGATIONS_MAX):
        try:
            page.goto(address)
            return
        except Error as error:
            is_of_network = any(word in error.message for word in ("ERR_NETWORK_CHANGED", "chrome-error://"))
            if not is_of_network or attempt == NAVIGATIONS_MAX - 1:
                raise


@contextmanager
def opened(
    browser: Browser,
    scene: str = "three",
    *,
    size: tuple[int, int] = WIDE,
    theme: Literal["light", "dark"] = "light",
    language: str = "en-US",
) -> Iterator[Dashboard]:
    """Serve a scene and open a fresh browser window on it, where nobody is logged in."""
    server = StubServer(SCENES[scene](SystemClock().now_ms()))
    with server.running() as address:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            locale=language,
            has_touch=size == NARROW,
            # Nothing in a test waits for a movement to end.
            reduced_motion="reduce",
        )
        page = context.new_page()
        dashboard = Dashboard(server=server, context=context, page=page, address=address)
        page.on("response", lambda response: dashboard.responses.append(response))
        page.on("pageerror", lambda error: dashboard.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: dashboard.complaints.append(message.text) if is_complaint(message) else None,
        )
        try:
            yield dashboard
        finally:
            context.close()

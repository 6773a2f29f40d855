"""How long somebody waits for the dashboard's first data, from agents that run, over TLS, nothing cached.

What counts is the end of the first frame with the name of a host or a container in it, and not the first
frame with anything.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.benchmarks.api_cluster import API_PORT, a_leader
from tests.benchmarks.results import Row
from tests.e2e.dashboard import goto

if TYPE_CHECKING:
    from playwright.sync_api import StorageState

CONTAINERS = 24
LOADS = 15
TIMEOUT_MS = 30_000
TARGET = "< 1000 ms"

# A message that is sent from within a frame comes once that frame is painted.
_WATCH = """(() => {
  const names = new Set(%s);
  window.pressedAt = 0;
  addEventListener("submit", (event) => { window.pressedAt = event.timeStamp; }, true);
  window.painted = new Promise((resolve) => {
    const painted = new MessageChannel();
    painted.port1.onmessage = () => resolve(performance.now());
    const watching = new MutationObserver(() => {
      const content = document.getElementById("content");
      if (content === null) return;
      const texts = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        if (!names.has(texts.currentNode.data.trim())) continue;
        watching.disconnect();
        requestAnimationFrame(() => painted.port2.postMessage(null));
        return;
      }
    });
    watching.observe(document, { childList: true, subtree: true, characterData: true });
  });
})()"""

_READ = """async () => {
  const at = await window.painted;
  const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((each) => each.startTime < at);
  return {
    at_ms: at,
    pressed_ms: window.pressedAt,
    requests: files.length,
    bytes: files.reduce((sum, each) => sum + (each.responseEnd <= at ? each.transferSize : 0), 0),
  };
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load: when the first name was painted, and what was asked for and had come by then.

    `wait_ms` is counted from the beginning of the navigation, or from when the login was sent.
    """

    wait_ms: float
    requests: int
    bytes: int


def measure(browser: Browser, directory: Path, say: Callable[[str], None]) -> tuple[Row, ...]:
    """Load pages of a leader with so many containers, again and again. Raises Missing without a lab."""
    with a_leader("d", directory, containers=CONTAINERS, accounts=0) as asked:
        address = f"https://{asked.leader.ip}:{API_PORT}"
        names = [f"bench-{number:03d}" for number in range(CONTAINERS)]
        names += [host.name for host in asked.agents.hosts]
        visitor = _Visitor(browser=browser, address=address, password=asked.agents.password, names=names)
        state = visitor.logged_in_state()
        overview = [visitor.load("/", state) for _ in range(LOADS)]
        say(f"first data of the overview: {_words(overview)}")
        containers = [visitor.load("/containers", state) for _ in range(LOADS)]
        say(f"first data of the containers: {_words(containers)}")
        logins = [visitor.log_in_and_wait() for _ in range(LOADS)]
        say(f"first data after the login: {_words(logins)}")
    return (
        _row("the overview's first data, logged in", overview),
        _row("the containers' first data, logged in", containers),
        _row("the overview's first data, after the login was sent", logins),
        Row(
            what="asked for until then, and received",
            ours="; ".join(
                f"{name}: {max(each.requests for each in loads)} requests,"
                f" {statistics.median(each.bytes for each in loads) / 1000:.0f} kB"
                for name, loads in (("overview", overview), ("containers", containers))
            ),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visitor:
    browser: Browser
    address: str
    password: str
    names: list[str]

    def logged_in_state(self) -> StorageState:
        """The cookies and the storage of somebody who has logged in, and nothing else of theirs."""
        context, page = self._fresh(None)
        try:
            self._log_in(page)
            page.evaluate(_READ)
            return context.storage_state()
        finally:
            context.close()

    def load(self, path: str, state: StorageState) -> Load:
        """Open a page as somebody who is logged in and was never here."""
        context, page = self._fresh(state)
        try:
            goto(page, self.address + path)
            expect(page.locator("#content")).to_contain_text(self._any, timeout=TIMEOUT_MS)
            read = page.evaluate(_READ)
            return Load(wait_ms=read["at_ms"], requests=read["requests"], bytes=read["bytes"])
        finally:
            context.close()

    def log_in_and_wait(self) -> Load:
        """Log in as somebody who was never here."""
        context, page = self._fresh(None)
        try:
            self._log_in(page)
            read = page.evaluate(_READ)
            return Load(
                wait_ms=read["at_ms"] - read["pressed_ms"], requests=read["requests"], bytes=read["bytes"]
            )
        finally:
            context.close()

    def _fresh(self, state: StorageState | None) -> tuple[BrowserContext, Page]:
        context = self.browser.new_context(
            viewport={"width": 1440, "height": 900}, ignore_https_errors=True, storage_state=state
        )
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.add_init_script(_WATCH % json.dumps(self.names))
        return context, page

    def _log_in(self, page: Page) -> None:
        goto(page, self.address)
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(self.password)
        page.keyboard.press("Enter")
        expect(page.locator("#content")).to_contain_text(self._any, timeout=TIMEOUT_MS)

    @property
    def _any(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.names)))


def _row(what: str, loads: list[Load]) -> Row:
    return Row(what=what, ours=_words(loads), target=TARGET)


def _words(loads: list[Load]) -> str:
    waits_ms = [each.wait_ms for each in loads]
    return f"median {statistics.median(waits_ms):.0f} ms, worst {max(waits_ms):.0f} ms of {len(loads)}"

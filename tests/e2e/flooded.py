"""A dashboard under load: how long its keys wait, which frames are late, what memory it keeps."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web
from playwright.sync_api import Browser, CDPSession, Page, expect

from agent.clock import SystemClock
from tests.e2e.dashboard import Dashboard, goto
from tests.e2e.scenes import Json, Scene, three_hosts
from tests.e2e.stub_server import PASSWORD, StubServer

CONTAINERS = 1_000
LINES_PER_S = 10_000
BATCHES_PER_S = 20
FRAME_MS = 1_000 / 60
LATE_MS = 2 * FRAME_MS
"""A frame that took so long left at least one out."""

# Keys carry the moment they were pressed at; frames tell how long the one before took.
_WATCH = """() => {
  window.watched = { keys: [], frames: [] };
  addEventListener("keydown", (event) => watched.keys.push(performance.now() - event.timeStamp), true);
  let last = performance.now();
  const frame = (now) => { watched.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


class FloodedStub(StubServer):
    """Writes log lines as fast as it is told, to whoever follows."""

    written = 0

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        return await self._kept_logs(request, f"logs/{request.match_info['ref']}")

    async def _other(self, request: web.Request) -> web.StreamResponse:
        return await self._kept_logs(request, request.match_info["path"])

    async def _kept_logs(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "logs/follow":
            return await self._flood(request)
        answers = {
            "logs": {
                "lines": [],
                "sources": [self._source()],
                "problems": [],
                "notes": [],
                "next_cursor": None,
                "reached_us": None,
                "scanned": 0,
            },
            "logs/sources": {"sources": [self._source()], "hosts": [], "problems": []},
            "logs/histogram": {
                "counts": [],
                "levels": [],
                "problems": [],
                "is_partial": False,
                "start_ms": self.scene.now_ms - 3_600_000,
                "step_ms": 40_000,
            },
        }
        if path in answers:
            return web.json_response(answers[path])
        return await super()._other(request)

    def _source(self) -> Json:
        container = self.scene.containers[0]
        known = {
            key: container[key] for key in ("name", "image", "project", "service", "node_id", "node_name")
        }
        return {
            **known,
            "container_id": container["id"],
            "revision": 1,
            "is_live": True,
            "is_managed": False,
            "is_present": True,
            "lines": 0,
            "problem": "",
            "start_ms": None,
            "end_ms": None,
        }

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(json.dumps({"sources": [self._source()], "problems": []}).encode() + b"\n")
        per_batch = LINES_PER_S // BATCHES_PER_S
        due_s = time.monotonic()
        while True:
            now_us = SystemClock().now_ms() * 1_000
            lines = [
                {
                    "at_us": now_us + number,
                    "ordinal": 0,
                    "source": 0,
                    "stream": "stdout",
                    "level": "info" if number % 50 else "error",
                    "text": f"GET /products/{self.written + number} 200 {number % 90} ms",
                    "event": None,
                    "is_match": False,
                    "is_partial": False,
                }
                for number in range(per_batch)
            ]
            await response.write(json.dumps({"lines": lines, "missed": 0}).encode() + b"\n")
            self.written += per_batch
            due_s += 1 / BATCHES_PER_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    def move_numbers(self, rng: random.Random) -> None:
        """Have every container say new numbers, as every five seconds; here every second."""

        def change(scene: Scene) -> None:
            for host in scene.metrics:
                for series in host["series"]:
                    if series["metric"] == "cpu_percent":
                        series["values"][-1] = round(rng.uniform(0, 100), 1)

        self.change(change, "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Felt:
    """What somebody felt: how long each key waited, and how long each frame took, in ms."""

    keys_ms: tuple[float, ...]
    frames_ms: tuple[float, ...]

    @property
    def late_percent(self) -> float:
        """The share of frames after which at least one was left out."""
        return 100 * sum(each > LATE_MS for each in self.frames_ms) / max(1, len(self.frames_ms))


@contextmanager
def flooded(browser: Browser) -> Iterator[tuple[Dashboard, FloodedStub, CDPSession]]:
    """A window on a cluster with a thousand containers, logged in on the page of containers."""
    scene = three_hosts(copies=CONTAINERS // 40, now_ms=SystemClock().now_ms())
    server = FloodedStub(scene)
    with server.running() as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        dashboard = Dashboard(server=server, context=context, page=page, address=address)
        try:
            goto(page, f"{address}/containers")
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("rowheader").first).to_be_visible(timeout=30_000)
            yield dashboard, server, context.new_cdp_session(page)
        finally:
            context.close()


def use_table(dashboard: Dashboard, server: FloodedStub, seconds: float) -> Felt:
    """Scroll up and down and search, while every number changes every second."""
    page = dashboard.page
    page.evaluate(_WATCH)
    rng = random.Random(5)
    end_s = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end_s:
        server.move_numbers(rng)
        page.mouse.move(700, 500)
        for _ in range(8):
            page.mouse.wheel(0, 400 if turn % 2 == 0 else -400)
            page.wait_for_timeout(40)
        page.keyboard.press("/")
        page.keyboard.type("web" if turn % 2 == 0 else "db", delay=60)
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.press("Escape")
        page.wait_for_timeout(300)
        turn += 1
    return _felt(page)


def use_logs(dashboard: Dashboard, server: FloodedStub, seconds: float) -> tuple[Felt, int]:
    """Follow ten thousand lines a second and press keys; with how many lines were written meanwhile."""
    page = dashboard.page
    container = server.scene.containers[0]
    goto(page, f"{dashboard.address}/logs?c={container['node_id']}:{container['id']}")
    expect(page.get_by_role("log")).to_contain_text("GET /products/", timeout=30_000)
    page.evaluate(_WATCH)
    before = server.written
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        page.keyboard.press("Tab")
        page.wait_for_timeout(150)
    return _felt(page), server.written - before


def idle_page(browser: Browser, seconds: float) -> Felt:
    """The same keys and wheel on a page that does nothing: what the browser and the machine cost."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    try:
        page.set_content("<input autofocus><div>" + "<p>text</p>" * 500 + "</div>")
        page.evaluate(_WATCH)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            page.mouse.move(700, 500)
            for _ in range(8):
                page.mouse.wheel(0, 400)
                page.wait_for_timeout(40)
            page.keyboard.type("web", delay=60)
            page.wait_for_timeout(300)
        return _felt(page)
    finally:
        context.close()


def heap_bytes(session: CDPSession) -> int:
    """What the page holds in memory after everything unused was let go of."""
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["usedSize"])


def _felt(page: Page) -> Felt:
    watched = page.evaluate("() => watched")
    return Felt(keys_ms=tuple(watched["keys"]), frames_ms=tuple(watched["frames"]))

"""Metrics, capacity and alerts in a browser, over the product's own server with a history that was really
recorded: a shop on three hosts, and an incident two hours ago that began with a disk."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.dashboard import goto, is_complaint, violations_of
from tests.e2e.observed_server import fire, observed
from tests.e2e.world_server import Serving
from tests.support.history_loader import HOUR_MS
from tests.support.measured_shop import INCIDENT_MS
from tests.support.web_fakes import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

DAYS = 8
"""A trend needs a week."""
LONG_MS = 30_000
AXIS_WIDTH = 64
EDGE_WIDTH = 8


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with observed(tmp_path_factory.mktemp("shop"), days=DAYS) as serving:
        yield serving


@pytest.fixture
def page(chromium: Browser, shop: Serving) -> Iterator[Page]:
    # Its clock stands still, and who asks too often in one moment is refused.
    shop.pass_time(60)
    # Nobody has told this browser of the cluster's CA.
    context = chromium.new_context(
        ignore_https_errors=True, reduced_motion="reduce", viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if is_complaint(message) else None,
    )
    goto(page, shop.address)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("navigation").first).to_be_visible()
    yield page
    context.close()
    assert [each for each in complaints if "401" not in each] == []


def chart(page: Page, title: str) -> Locator:
    """The moment under a chart's cursor, which the keyboard moves."""
    return page.get_by_role("slider", name=f"{title}: moment under the cursor")


def drag(page: Page, on: Locator, start: float, end: float) -> None:
    """Drag over a chart from one share of its time to another."""
    box = on.bounding_box()
    assert box is not None
    left, width = box["x"] + AXIS_WIDTH, box["width"] - AXIS_WIDTH - EDGE_WIDTH
    page.mouse.move(left + width * start, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(left + width * end, box["y"] + 90, steps=5)
    page.mouse.up()


def test_a_host_is_explored_by_mouse_and_keyboard_and_the_address_says_what_is_shown(
    page: Page, shop: Serving
) -> None:
    goto(page, f"{shop.address}/explore?range=6h")
    search = page.get_by_role("combobox", name="Search for what to show")
    search.fill("host h2")
    expect(page.get_by_role("option", name="host h2")).to_be_visible()
    search.press("Enter")
    expect(page).to_have_url(re.compile(r"of=host"))
    cpu = chart(page, "CPU")
    expect(cpu).to_have_attribute("aria-valuetext", re.compile(r"CPU [\d.]+ %"), timeout=LONG_MS)

    cpu.focus()
    page.keyboard.press("End")
    newest = cpu.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert cpu.get_attribute("aria-valuetext") != newest
    # Every chart of the page shows the same moment.
    moment = (cpu.get_attribute("aria-valuetext") or "").rsplit(",", 1)[0]
    expect(chart(page, "Network")).to_have_attribute("aria-valuetext", re.compile(re.escape(moment)))

    page.get_by_role("button", name="As a table: CPU", exact=True).click()
    table = page.get_by_role("region", name="Values of CPU")
    expect(table.get_by_role("row").nth(5)).to_contain_text("%")

    drag(page, cpu, 0.5, 0.8)
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+|to=\d+.*from=\d+"))
    expect(cpu).to_have_attribute("aria-valuetext", re.compile(r"CPU [\d.]+ %"), timeout=LONG_MS)
    cpu.focus()
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile(r"from="))

    happened = page.get_by_role("region", name="What happened")
    expect(happened).to_contain_text("host h2", ignore_case=True)
    assert violations_of(page) == []


def test_a_stretch_that_is_chosen_tells_what_else_moved(page: Page, shop: Serving) -> None:
    now_ms = shop.world.clock.now_ms()
    start_ms, end_ms = now_ms - INCIDENT_MS[0] - HOUR_MS // 4, now_ms - INCIDENT_MS[1] + HOUR_MS // 4
    goto(page, f"{shop.address}/explore?of=service:shop.api&from={start_ms}&to={end_ms}&drag=select")
    latency = chart(page, "Latency")
    expect(latency).to_have_attribute(
        "aria-valuetext", re.compile(r"Latency, 95 % [\d.]+ ms"), timeout=LONG_MS
    )
    # The incident lies between a quarter of an hour before and one after it.
    drag(page, latency, 0.29, 0.71)

    moved = page.get_by_role("region", name="What else moved")
    reads = moved.get_by_role("button").filter(has_text="shop-db-2").filter(has_text="Read")
    expect(reads).to_be_visible(timeout=LONG_MS)
    expect(reads).to_contain_text("rose")
    assert violations_of(page) == []
    reads.click()
    expect(page).to_have_url(re.compile(r"of=container"))


def test_what_runs_out_first_comes_with_its_course_and_a_lost_host_can_be_tried(
    page: Page, shop: Serving
) -> None:
    goto(page, f"{shop.address}/capacity")
    first = page.get_by_role("region", name="What runs out first").get_by_role("listitem").first
    expect(first).to_contain_text(re.compile(r"/srv.*in \d+ days"), timeout=LONG_MS)
    first.get_by_role("button").first.click()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile("GiB"), timeout=LONG_MS)

    page.get_by_label("A host is lost").select_option("h1")
    expect(page.get_by_role("region", name="What if")).to_contain_text(
        "replicas find room elsewhere", timeout=LONG_MS
    )
    expect(page).to_have_url(re.compile("lost=h1"))
    sizes = page.get_by_role("region", name="Right sizes")
    expect(sizes).to_contain_text("reserve what it uses", timeout=LONG_MS)
    assert violations_of(page) == []


def test_alerts_are_looked_after_silenced_and_told_as_they_come(page: Page, shop: Serving) -> None:
    goto(page, f"{shop.address}/alerts")
    rows = page.get_by_role("listitem").filter(has=page.get_by_text("ran out of memory and was killed"))
    expect(rows).to_contain_text("firing")
    assert violations_of(page) == []
    rows.get_by_role("button", name="Acknowledge").click()
    window = page.get_by_role("dialog")
    window.get_by_label("What is done about it").fill("raising its limit")
    window.get_by_role("button", name="Acknowledge").click()
    expect(rows).to_contain_text("ada looks after it")
    expect(rows).to_contain_text("raising its limit")

    shop.change(lambda world: fire(world, world.clock.now_ms(), text="Host h2 is down, and silent."))
    notice = page.get_by_role("region", name="Notices")
    expect(notice).to_contain_text("Host h2 is down, and silent.")
    new = page.get_by_role("listitem").filter(has_text="Host h2 is down, and silent.").first
    new.get_by_role("button", name="Silence").click()
    window.get_by_role("button", name="Silence").click()
    expect(window).to_contain_text("Say why")
    window.get_by_label("Why").fill("being repaired")
    window.get_by_role("button", name="Silence").click()
    expect(notice).to_contain_text("Nobody is told of it")
    page.get_by_role("radio", name="Silences").check(force=True)
    expect(page.get_by_role("listitem").filter(has_text="being repaired")).to_contain_text("hosts: h2")


def test_a_rule_is_tried_on_the_record_before_it_is_in_force(page: Page, shop: Serving) -> None:
    goto(page, f"{shop.address}/alerts?tab=rules")
    page.get_by_role("button", name="New rule").click()
    sheet = page.get_by_role("dialog", name="New rule")
    sheet.get_by_label("Name", exact=True).fill("disks-too-busy")
    sheet.get_by_label("Metric").select_option("pressure_io_percent")
    sheet.get_by_label("Value").fill("soon")
    expect(sheet).to_contain_text("A number")
    sheet.get_by_label("Value").fill("40")
    sheet.get_by_label("Hosts").fill("h2")
    sheet.get_by_role("button", name="Try it on the last 7 days").click()
    expect(sheet).to_contain_text(re.compile("would have fired once in 7 days"), timeout=LONG_MS)
    assert violations_of(page) == []
    sheet.get_by_role("button", name="Save").click()
    rule = page.get_by_role("listitem").filter(has_text="disks-too-busy")
    expect(rule).to_contain_text("own")
    rule.get_by_role("button", name="Switch off").click()
    expect(rule).to_contain_text("switched off")

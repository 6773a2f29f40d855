"""Environments and experiments made and ended in the dashboard, on the product's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cluster.model.access import Role
from cluster.model.ids import ServiceId
from cluster.model.rollout import RolloutPhase
from cluster.store import records
from cluster.store.records import find_environment
from tests.e2e.dashboard import goto, violations_of
from tests.e2e.world_server import Serving, serving
from tests.support.deployments import a_rollout, lead, transition
from tests.support.state_builders import a_service
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world
from web.tools.pace import Pace

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUICK = Pace(coalesce_s=0.05, containers_s=0.2, metrics_s=0.2, rollout_wait_s=0.02, split_wait_s=0.02)
LOADED_MAX_MS = 20_000
B = "registry.example/web:2"


def a_world() -> WebWorld:
    """A service of four replicas that runs whole, and people of every role."""
    world = a_web_world()
    for name, role in (("ada", Role.ADMIN), ("vera", Role.VIEWER)):
        world.add_user(name, role)
    lead(world)
    world.state.must(a_service("shop.web", replicas=4, environment=""))
    transition(world, rollout=a_rollout(world, phase=RolloutPhase.SUCCEEDED), stable_revision=1)
    world.hosts.digests[B] = "sha256:" + "b" * 64
    return world


@asynccontextmanager
async def a_served_world() -> AsyncIterator[WebWorld]:
    yield a_world()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(a_served_world, tmp_path, pace=QUICK) as server:
        yield server


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def enter(page: Page, server: Serving, path: str, *, name: str = "ada") -> None:
    goto(page, server.address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#content h1")).to_be_visible(timeout=LOADED_MAX_MS)


def test_an_environment_is_made_changed_and_removed(page: Page, server: Serving) -> None:
    enter(page, server, "/environments")
    page.get_by_role("button", name="New environment").click()
    window = page.get_by_role("dialog", name="New environment")
    window.get_by_label("Name", exact=True).fill("qa")
    window.get_by_label("h2").check()
    window.get_by_label("Rules its hosts meet").fill("node.labels.tier is prod")
    window.get_by_label("It was stable in").select_option("staging")
    window.get_by_label("For how many minutes").fill("10")
    window.get_by_label("Memory together").fill("16g")
    window.get_by_label("Replicas together").fill("many")
    expect(window.get_by_text("This is no amount.")).to_be_visible()
    expect(window.get_by_role("button", name="Save")).to_be_disabled()
    window.get_by_label("Replicas together").fill("12")
    assert violations_of(page) == []
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("alert").or_(window.locator("[aria-invalid=true]"))).to_have_count(1)
    window.get_by_label("Rules its hosts meet").fill("node.labels.tier==prod")
    window.get_by_role("button", name="Save").click()

    card = page.get_by_role("region", name="qa")
    expect(card).to_contain_text("node.labels.tier == prod")
    expect(card).to_contain_text("no host meets this")
    expect(card).to_contain_text("staging, once stable there for 10 min")
    with server.world.state.read() as txn:
        made = find_environment(txn, "qa")
    assert made is not None
    assert (made.hosts.names, made.quota.memory_bytes, made.quota.replicas) == (("h2",), 16 * 1024**3, 12)

    card.get_by_role("button", name="Actions for qa").click()
    page.get_by_role("menuitem", name="Change").click()
    window = page.get_by_role("dialog", name="Environment qa")
    expect(window.get_by_label("h2")).to_be_checked()
    window.get_by_label("A person approves what programs deploy here").check()
    window.get_by_label("Memory together").fill("")
    window.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("protected")
    with server.world.state.read() as txn:
        changed = find_environment(txn, "qa")
    assert changed is not None
    assert (changed.is_protected, changed.quota.memory_bytes, changed.soak_ms) == (True, None, 600_000)

    card.get_by_role("button", name="Actions for qa").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("alertdialog", name="Remove qa?").get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


def test_an_experiment_says_what_will_happen_and_is_started_and_ended(page: Page, server: Serving) -> None:
    enter(page, server, "/services/shop.web?tab=experiment")
    page.get_by_role("button", name="Start an experiment").click()
    window = page.get_by_role("dialog", name="Experiment with shop.web")
    begin = window.get_by_role("button", name="Start an experiment")
    expect(begin).to_be_disabled()
    window.get_by_label("Image of b").fill("registry.example/nowhere:2")
    window.get_by_label("Share of all requests").fill("100")
    expect(window.get_by_text("From 0 to 99.9.", exact=True)).to_be_visible()
    window.get_by_label("Share of all requests").fill("25")
    window.get_by_role("button", name="Add a header or cookie").click()
    window.get_by_label("Name 1").fill("X-Beta")
    window.get_by_label("Value 1").fill("yes{}")
    plan = window.get_by_role("region", name="What will happen")
    expect(plan).to_contain_text("4 replicas of b beside 4 replicas of a")
    expect(plan).to_contain_text("25 % of the requests go to b; each visitor stays on one side")
    assert violations_of(page) == []
    begin.click()
    expect(window.get_by_text("header X-Beta", exact=False).last).to_be_visible()
    window.get_by_label("Value 1").fill("yes")
    window.get_by_label("Image of b").fill(B)
    begin.click()

    expect(page.get_by_role("region", name="Notices")).to_contain_text(
        "The experiment with shop.web has begun"
    )
    content = page.locator("#content")
    expect(content).to_contain_text("25 % of the requests go to b")
    expect(page.get_by_role("button", name="Start an experiment")).to_have_count(0)
    with server.world.state.read() as txn:
        service = records.SERVICES.get(txn, ServiceId("shop.web"))
    assert service is not None
    assert service.attempt.experiment is not None
    assert service.attempt.experiment.permille == 250
    page.get_by_role("button", name="End, and keep a").click()
    window = page.get_by_role("dialog", name="End, and keep a?")
    window.get_by_label("Why, for the record").fill("it sold no more")
    assert violations_of(page) == []
    window.get_by_role("button", name="End the experiment").click()
    # The leader of this world does nothing by itself.
    expect(window.get_by_role("alert")).to_contain_text("has not begun the experiment of shop.web yet")


def test_who_may_only_look_is_offered_neither(page: Page, server: Serving) -> None:
    enter(page, server, "/environments?new=true", name="vera")
    expect(page.get_by_role("region", name="staging")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="New environment")).to_have_count(0)
    goto(page, f"{server.address}/services/shop.web?tab=experiment")
    expect(page.get_by_text("No experiment", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Start an experiment")).to_have_count(0)


@pytest.mark.parametrize("path", ["/environments?new=true", "/services/shop.web?tab=experiment"])
def test_on_a_phone_nothing_sticks_out(page: Page, server: Serving, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    enter(page, server, path)
    if "services" in path:
        page.get_by_role("button", name="Start an experiment").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert violations_of(page) == []

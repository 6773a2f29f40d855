"""Steering a rollout in the dashboard: what it shows, what it asks before, what it sends."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.dashboard import NARROW, Dashboard, opened
from tests.e2e.stub_server import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]


@pytest.fixture
def dashboard(chromium: Browser) -> Iterator[Dashboard]:
    with opened(chromium, "canary") as dashboard:
        yield dashboard


def service(dashboard: Dashboard, name: str) -> Locator:
    return dashboard.section("Services").get_by_role("listitem").filter(has_text=name).first


def test_a_canary_shows_its_stage_its_shares_and_the_judges_word(dashboard: Dashboard) -> None:
    dashboard.enter()
    web = service(dashboard, "shop/web")

    expect(web).to_contain_text("canary step 2 of 3, 25 %: waits for approval")
    expect(web).to_contain_text("no worse so far: 3 of 1,204 requests failed")
    expect(web).to_contain_text("Not yet in force on h3")
    bar = web.get_by_role("img", name=re.compile("^Requests of web"))
    expect(bar).to_have_accessible_name(
        "Requests of web: blue 75 %: revision 4, 6 ready, green 25 %: revision 5, 2 ready"
    )
    widths = bar.locator("span").evaluate_all("spans => spans.map(each => each.offsetWidth)")
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.1)


def test_approving_says_what_follows_and_sends_it(dashboard: Dashboard) -> None:
    dashboard.enter()
    service(dashboard, "shop/web").get_by_role("button", name="Approve").click()

    window = dashboard.page.get_by_role("alertdialog")
    expect(window).to_contain_text("Revision 5 gets its next share of the requests.")
    expect(window.get_by_role("button", name="Cancel")).to_be_focused()
    assert dashboard.server.acts == []
    window.get_by_role("button", name="Approve").click()

    expect(dashboard.page.get_by_text("Approved: shop.web")).to_be_visible()
    assert dashboard.server.acts == [("approve", "shop.web")]


def test_a_pause_is_asked_for_at_once_and_can_be_ended(dashboard: Dashboard) -> None:
    dashboard.enter("otto")
    web = service(dashboard, "shop/web")
    web.get_by_role("button", name="Pause").click()
    expect(web).to_contain_text("Rollout paused")
    expect(web.get_by_role("button", name="Pause")).to_have_count(0)

    web.get_by_role("button", name="Resume").click()
    expect(web.get_by_role("button", name="Pause")).to_be_visible()
    assert dashboard.server.acts == [("pause", "shop.web"), ("resume", "shop.web")]


def test_aborting_names_the_revision_that_gets_the_requests(dashboard: Dashboard) -> None:
    dashboard.enter()
    web = service(dashboard, "shop/web")
    web.get_by_role("button", name="Abort").click()

    window = dashboard.page.get_by_role("alertdialog")
    expect(window).to_contain_text("Every request goes back to revision 4")
    window.get_by_role("button", name="Cancel").click()
    assert dashboard.server.acts == []
    web.get_by_role("button", name="Abort").click()
    window.get_by_role("button", name="Abort").click()

    expect(web).to_contain_text("Rolling back")
    expect(web.get_by_role("button", name="Abort")).to_have_count(0)


def test_going_back_to_a_kept_revision_is_said_to_be_instant(dashboard: Dashboard) -> None:
    dashboard.enter()
    dashboard.page.get_by_role("button", name="Actions for shop.api", exact=True).click()
    dashboard.page.get_by_role("menuitem", name="Roll back").click()

    window = dashboard.page.get_by_role("alertdialog")
    expect(window).to_contain_text("Revision 3 still runs: every request goes back to it at once.")
    window.get_by_role("button", name="Roll back").click()

    expect(dashboard.page.get_by_text("shop.api goes back to revision 3, which still runs")).to_be_visible()
    assert dashboard.server.acts == [("rollback", "shop.api")]


def test_a_refusal_is_told_in_the_servers_words(dashboard: Dashboard) -> None:
    dashboard.enter()
    web = service(dashboard, "shop/web")
    web.get_by_role("button", name="Approve").click()
    dashboard.server.change(lambda scene: scene.rollouts[0].update(can=["abort"]))
    dashboard.page.get_by_role("alertdialog").get_by_role("button", name="Approve").click()

    expect(dashboard.page.get_by_text("approve cannot be asked of it now")).to_be_visible()
    dashboard.complaints.clear()


def test_what_the_server_says_is_said_in_italian_and_what_is_not_known_is_marked(chromium: Browser) -> None:
    with opened(chromium, "canary", language="it-IT") as dashboard:
        dashboard.open("/")
        dashboard.page.locator("input[autocomplete=username]").fill("ada")
        dashboard.page.locator("input[type=password]").fill(PASSWORD)
        dashboard.page.keyboard.press("Enter")
        web = dashboard.section("Servizi").get_by_role("listitem").filter(has_text="shop/web").first

        expect(web).to_contain_text("canary passo 2 di 3, 25 %: attende approvazione")
        expect(web).to_contain_text("2 repliche pronte alla revisione 5")

        dashboard.server.change(lambda scene: scene.rollouts[0].update(can=["abort"]))
        web.get_by_role("button", name="Interrompi").click()
        dashboard.server.change(lambda scene: scene.rollouts[0].update(can=["approve"]))
        dashboard.page.get_by_role("alertdialog").get_by_role("button", name="Interrompi").click()

        expect(dashboard.page.get_by_text("Non possibile allo stato attuale")).to_be_visible()
        expect(
            dashboard.page.locator("[lang=en]").filter(has_text="cannot be asked of it now")
        ).to_be_visible()
        dashboard.complaints.clear()


def test_who_may_only_look_is_offered_nothing(dashboard: Dashboard) -> None:
    dashboard.enter("vera")
    expect(service(dashboard, "shop/web")).to_contain_text("waits for approval")

    services = dashboard.section("Services")
    expect(services.get_by_role("button")).to_have_count(0)


def test_the_picture_of_a_rollout_is_for_everybody(dashboard: Dashboard) -> None:
    dashboard.enter()
    assert dashboard.violations() == []
    service(dashboard, "shop/web").get_by_role("button", name="Abort").click()
    expect(dashboard.page.get_by_role("alertdialog")).to_be_visible()
    assert dashboard.violations() == []


def test_on_a_narrow_screen_nothing_sticks_out(chromium: Browser) -> None:
    with opened(chromium, "canary", size=NARROW) as dashboard:
        dashboard.enter()
        expect(service(dashboard, "shop/web").get_by_role("button", name="Approve")).to_be_visible()
        assert dashboard.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

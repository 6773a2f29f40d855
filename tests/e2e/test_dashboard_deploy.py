"""Services, deployments and rollouts in the dashboard: from a file to a plan to a rollout that is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from cluster.compose.schema import compose_schema
from tests.e2e.dashboard import NARROW, Dashboard, opened

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

FILE = "name: shop\nservices:\n  web:\n    image: shop/web:5\n"


def validation(**fields: Any) -> dict[str, Any]:
    planned = {
        "service_id": "shop.web",
        "revision": 5,
        "version": 9,
        "rollout_id": None,
        "changed": True,
        "strategy": "canary",
        "changes": [{"field": "image", "before": "shop/web:4", "after": "shop/web:5", "effect": "recreate"}],
        "supersedes": None,
        "is_retry": False,
    }
    forecast = {
        "service_id": "shop.web",
        "order": "beside",
        "reason": "the new revision is judged beside the old one",
        "batches": 1,
        "steps_permille": [50, 250, 1000],
        "merged": "",
        "estimate_s": 900,
        "extra": [{"node_name": "h2", "containers": 2, "cpu_millis": 0, "memory_bytes": 0}],
        "drops": ["open WebSockets of the old replicas"],
    }
    host = {"service_id": "shop.web", "ordinal": 0, "node_name": "h2", "is_new": True, "reason": ""}
    return {
        "project": "shop",
        "environment": "",
        "errors": 0,
        "warnings": 0,
        "findings": [],
        "plan": [forecast],
        "services": [planned],
        "hosts": [host],
        "ignored": [],
        **fields,
    }


def finding(rule: str, line: int) -> dict[str, Any]:
    return {
        "check": "file",
        "level": "error",
        "service": "",
        "field": "services.web.imag",
        "rule": rule,
        "hint": "did you mean image?",
        "file": "",
        "line": line,
        "column": 5,
    }


@pytest.fixture
def dashboard(chromium: Browser) -> Iterator[Dashboard]:
    with opened(chromium, "canary") as dashboard:
        dashboard.server.scene.answers.update(
            {
                "GET /schemas/compose.json": compose_schema(),
                "GET /environments": {"items": [], "next_cursor": None},
                "GET /drift": {"items": [], "next_cursor": None},
                "GET /events": {"items": [], "next_cursor": None},
                "POST /validations": validation(),
            }
        )
        yield dashboard


def editor(dashboard: Dashboard) -> Locator:
    return dashboard.page.get_by_role("textbox", name="Compose file")


def give(dashboard: Dashboard, text: str) -> None:
    """Choose a file of this computer."""
    dashboard.page.get_by_label("A file of this computer").set_input_files(
        {"name": "compose.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    )
    expect(editor(dashboard)).to_contain_text(text.splitlines()[-1].strip())


def go_to(dashboard: Dashboard, path: str) -> None:
    dashboard.enter()
    dashboard.open(path)


def test_a_file_becomes_a_plan_and_is_deployed_once_somebody_has_agreed(dashboard: Dashboard) -> None:
    rollout = dashboard.server.scene.rollouts[0]
    deployed = {**validation()["services"][0], "rollout_id": rollout["id"]}
    dashboard.server.scene.answers["POST /deployments"] = {**validation(), "services": [deployed]}
    go_to(dashboard, "/deploy")
    give(dashboard, FILE)
    page = dashboard.page
    page.get_by_role("button", name="See the plan").click()

    plan = page.get_by_role("region", name="shop.web")
    expect(plan).to_contain_text("changed")
    expect(plan.get_by_role("row").filter(has_text="image")).to_contain_text("shop/web:5")
    expect(plan.get_by_role("list", name="Steps")).to_contain_text("25 %")
    assert dashboard.violations() == []
    page.get_by_role("button", name="Deploy", exact=True).click()
    window = page.get_by_role("alertdialog")
    expect(window).to_contain_text("open WebSockets of the old replicas")
    assert dashboard.violations() == []
    window.get_by_role("button", name="Deploy").click()

    expect(page).to_have_url(re.compile(rf"/rollouts/{rollout['id']}"))
    (sent,) = [body for key, body in dashboard.server.bodies if key == "POST /deployments"]
    assert (sent["compose"], sent["variables"]) == (FILE, {})


def test_what_is_wrong_is_said_at_its_line_and_holds_the_plan_back(dashboard: Dashboard) -> None:
    wrong = validation(errors=1, findings=[finding("'imag' is not known", 4)], services=[], plan=[])
    dashboard.server.scene.answers["POST /validations"] = wrong
    go_to(dashboard, "/deploy")
    give(dashboard, FILE.replace("image", "imag"))
    page = dashboard.page

    check = dashboard.section("Check")
    expect(check).to_contain_text("1 error")
    expect(check).to_contain_text("Did you mean image?")
    expect(page.locator("[data-editor] .cm-lintRange-error")).to_have_text("imag: shop/web:5")
    expect(page.get_by_role("button", name="See the plan")).to_be_disabled()
    page.get_by_role("button", name="Go to line 4").click()
    expect(editor(dashboard)).to_be_focused()
    assert dashboard.violations() == []


def test_the_editor_completes_keys_and_types_letters_that_are_shortcuts_elsewhere(
    dashboard: Dashboard,
) -> None:
    go_to(dashboard, "/deploy")
    editor(dashboard).click()
    keyboard = dashboard.page.keyboard
    keyboard.type("serv")
    expect(dashboard.page.get_by_role("option", name="services")).to_be_visible()
    keyboard.press("Tab")
    keyboard.type("gc/?:\n")
    keyboard.type("stop_gr")
    expect(dashboard.page.get_by_role("option", name="stop_grace_period")).to_be_visible()

    expect(editor(dashboard)).to_contain_text("gc/?:")
    assert dashboard.page.url.endswith("/deploy")
    # Style sheets of the editor are where the page's policy has nothing to forbid.
    assert [text for text in dashboard.complaints if "Content Security Policy" in text] == []
    assert editor(dashboard).evaluate("each => getComputedStyle(each).whiteSpace") == "pre"


def test_a_draft_is_there_again_after_the_page_was_left_but_no_value_of_a_variable(
    dashboard: Dashboard,
) -> None:
    go_to(dashboard, "/deploy")
    give(dashboard, FILE.replace(":5", ":${TAG}"))
    page = dashboard.page
    page.get_by_label("TAG").fill("hush")
    expect(page.get_by_text("The draft is kept in this browser")).to_be_visible()
    page.reload()

    expect(editor(dashboard)).to_contain_text("shop/web:${TAG}")
    expect(page.get_by_label("TAG")).to_have_value("")
    assert "hush" not in page.evaluate("JSON.stringify(localStorage)")
    page.get_by_role("button", name="Discard the draft").first.click()
    page.reload()
    expect(editor(dashboard)).not_to_contain_text("shop/web")


def test_services_are_found_and_the_search_is_in_the_address(dashboard: Dashboard) -> None:
    go_to(dashboard, "/services")
    page = dashboard.page
    expect(page.get_by_role("heading", name="shop/api")).to_be_visible()
    page.get_by_label("Search services").fill("web")

    expect(page.get_by_role("heading", name="shop/api")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/services\?q=web"))
    page.reload()
    expect(page.get_by_role("heading", name="shop/web")).to_be_visible()
    assert dashboard.violations() == []


def test_a_rollout_is_followed_and_steered_on_its_own_page(dashboard: Dashboard) -> None:
    rollout = dashboard.server.scene.rollouts[0]
    go_to(dashboard, f"/rollouts/{rollout['id']}")
    page = dashboard.page
    steps = page.get_by_role("list", name="Steps")
    expect(steps.get_by_role("listitem").filter(has_text="now")).to_contain_text("25 %")
    expect(dashboard.section("Requests").get_by_role("listitem").filter(has_text="h3")).to_contain_text(
        "not yet in force"
    )
    assert dashboard.violations() == []
    page.get_by_role("button", name="Abort").click()
    window = page.get_by_role("alertdialog")
    expect(window).to_contain_text("Every request goes back to revision 4")
    window.get_by_role("button", name="Abort").click()

    expect(page.get_by_text("rolling back")).to_be_visible()
    expect(steps.get_by_role("listitem").filter(has_text="not reached")).to_have_count(1)
    assert dashboard.server.acts == [("abort", "shop.web")]


def test_who_may_only_look_is_told_so_before_writing_a_file(dashboard: Dashboard) -> None:
    dashboard.enter("vera")
    dashboard.open("/deploy")
    expect(dashboard.page.get_by_text("Deploying needs another role")).to_be_visible()
    dashboard.open("/services")
    expect(dashboard.page.get_by_role("heading", name="shop/web")).to_be_visible()
    expect(dashboard.page.get_by_role("main").get_by_role("link", name="Deploy")).to_have_count(0)


@pytest.mark.parametrize("path", ["/services", "/deploy", "/rollouts/shop.web"])
def test_on_a_phone_nothing_sticks_out(chromium: Browser, path: str) -> None:
    with opened(chromium, "canary", size=NARROW) as dashboard:
        dashboard.server.scene.answers["GET /drift"] = {"items": [], "next_cursor": None}
        dashboard.server.scene.answers["GET /events"] = {"items": [], "next_cursor": None}
        go_to(dashboard, path)
        expect(dashboard.page.get_by_role("heading", level=1)).to_be_visible()
        assert dashboard.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

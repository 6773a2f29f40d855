"""Every page of the dashboard against three real hosts: in both themes, three widths and two languages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.dashboard import violations_of
from tests.e2e.walked_shop import (
    LOADED_MAX_MS,
    THEMES,
    WIDTHS,
    Walker,
    client_of,
    keep_picture,
    overflows,
    session,
    shop,
    walker,
    walking,
)
from tests.support.shop import Shop

__all__ = ["session", "shop", "walker"]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

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
    "/secrets",
    "/secrets?tab=configs",
    "/cluster",
    "/access",
    "/audit",
    "/integrations",
    "/integrations?tab=mcp",
    "/settings",
    "/account",
)


def places(shop: Shop) -> dict[str, str]:
    """The ids the addresses of pages are made of."""
    client = client_of(shop)
    containers = client.get("/containers")["items"]
    replica = next(each for each in containers if each["service"] == "shop.web")
    rollout = client.get("/rollouts")["items"][0]
    return {"node": replica["node_id"], "container": replica["id"], "rollout": rollout["id"]}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_clean_in_both_themes_and_three_widths(shop: Shop, walker: Walker, path: str) -> None:
    walker.open(path.format(**places(shop)))
    found: dict[str, str] = {}
    name = re.sub(r"\W+", "-", path).strip("-") or "overview"
    for width in WIDTHS:
        for theme in THEMES:
            walker.resize(width, theme)
            wrong = violations_of(walker.page)
            if overflows(walker.page):
                wrong.append("it scrolls sideways")
            for each in wrong:
                found.setdefault(each, f"first with {width}, {theme}")
            keep_picture(walker.page, f"{name}-{width}-{theme}")
    assert found == {}


# ---- what people come for


def test_the_palette_leads_to_a_container_and_its_log(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("web-1-0")
    expect(page.get_by_role("option").first).to_contain_text("tower-shop.web-1-0")
    page.keyboard.press("Enter")
    page.get_by_role("option", name="Open its logs").click()

    expect(page).to_have_url(re.compile("/logs"))
    expect(page.get_by_role("log")).to_contain_text("listens on port 8080", timeout=LOADED_MAX_MS)


def test_pages_are_reached_with_two_keys_and_every_key_is_listed(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Containers")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Go to Containers")
    sheet.get_by_label("Keys without Ctrl or Cmd are shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_have_text("Containers")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.evaluate("localStorage.removeItem('tower.single-keys')")


def test_a_container_is_restarted_from_the_page_of_its_files_and_terminal(shop: Shop, walker: Walker) -> None:
    page = walker.page
    at = places(shop)
    walker.open(f"/containers/{at['node']}/{at['container']}?tab=files")
    expect(page.get_by_role("row").filter(has_text="bin")).to_be_visible(timeout=LOADED_MAX_MS)

    page.get_by_role("tab", name="Terminal").click()
    page.get_by_role("button", name="Open a terminal").click()
    terminal = page.locator(".xterm")
    expect(terminal).to_be_visible(timeout=LOADED_MAX_MS)
    terminal.click()
    page.keyboard.type("echo $((40 + 2))-hosts\n")
    expect(page.locator(".xterm-rows, .xterm-accessibility")).to_contain_text(
        ["42-hosts"], timeout=LOADED_MAX_MS
    )

    page.get_by_role("button", name="Restart", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Restart").click()
    expect(page.get_by_role("region", name="Notices")).to_contain_text("Restarted", timeout=LOADED_MAX_MS)


def test_a_compose_file_is_deployed_followed_and_taken_back(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/deploy")
    page.get_by_label("A file of this computer").set_input_files(
        {"name": "compose.yaml", "mimeType": "application/yaml", "buffer": shop.compose("2").encode()}
    )
    page.get_by_role("button", name="See the plan").click(timeout=LOADED_MAX_MS)
    expect(page.get_by_role("region", name="shop.web")).to_contain_text("changed", timeout=LOADED_MAX_MS)
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.get_by_role("alertdialog").get_by_role("button", name="Deploy").click()

    expect(page).to_have_url(re.compile("/rollouts/"), timeout=LOADED_MAX_MS)
    expect(page.locator("#content")).to_contain_text("succeeded", timeout=90_000)
    assert violations_of(page) == []

    walker.open("/services/shop.web?tab=revisions")
    page.get_by_role("button", name=re.compile("Go back|Roll back")).first.click()
    page.get_by_role("alertdialog").get_by_role("button", name=re.compile("back", re.IGNORECASE)).click()
    shop.agents.wait(
        "version 1 is back", lambda: shop.newest_rollout()["phase"] == "succeeded", tell=shop.tell
    )


def test_draining_a_host_says_first_what_moves_and_can_be_undone(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/cluster")
    page.get_by_role("button", name="Actions for h3").click()
    page.get_by_role("menuitem", name="Drain").click()
    window = page.get_by_role("alertdialog", name="Drain h3?")
    expect(window.get_by_role("region", name="What will happen")).to_contain_text("shop.web")
    window.get_by_role("button", name="Drain").click()
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("h3 is being drained")
    expect(page.get_by_role("row").filter(has_text="h3")).to_contain_text("draining")

    notices.get_by_role("button", name="Undo").click()
    expect(notices).to_contain_text("h3 takes replicas again")
    expect(page.get_by_role("row").filter(has_text="h3")).not_to_contain_text("draining")
    shop.agents.wait("every replica runs once", shop.is_whole, tell=shop.tell)


def test_a_host_is_invited_with_one_command(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/cluster")
    page.get_by_role("button", name="Add a host").click()
    window = page.get_by_role("dialog", name="Add a host to the cluster")
    window.get_by_role("button", name="Make the command").click()
    made = page.get_by_role("dialog", name="Run this on the new host")
    expect(made).to_contain_text(re.compile(r"tower join 10\.\d+\.\d+\.11:7443 --token \S{20,}"))
    assert violations_of(page) == []
    made.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Revoke").first.click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("region", name="Notices")).to_contain_text("Join token revoked")


def test_a_setting_that_breaks_a_rule_is_refused_in_its_place(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/settings")
    field = page.get_by_label("Down after")
    field.fill("900")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("cluster.node_down_after_ms")
    field.fill("3500")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("region", name="Notices")).to_contain_text("saved for the whole cluster")
    page.get_by_role("button", name="Back to the default").click()
    expect(field).to_have_value("3000")


def test_a_webhook_to_a_private_address_is_refused_with_what_to_do(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/integrations")
    page.get_by_role("button", name="Add a webhook").click()
    window = page.get_by_role("dialog", name="Add a webhook")
    window.get_by_label("Name", exact=True).fill("chat")
    window.get_by_label("Address").fill("http://127.0.0.1:9/hook")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("alert")).to_contain_text("outbound.allowed_networks")
    assert violations_of(page) == []
    page.keyboard.press("Escape")


def test_a_viewer_sees_what_runs_and_is_told_what_is_not_for_them(
    shop: Shop, walker: Walker, chromium: Browser
) -> None:
    client_of(shop).post("/users", {"name": "vera", "password": "correct horse battery", "role": "viewer"})
    with walking(chromium, shop, name="vera", password="correct horse battery") as viewer:
        page = viewer.page
        viewer.open("/services")
        expect(page.locator("#content")).to_contain_text("shop")
        expect(page.get_by_role("link", name="Deploy", exact=True)).to_have_count(0)
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Audit")).to_have_count(
            0
        )
        viewer.open("/audit")
        expect(page.locator("#content")).to_contain_text("Not for your role")
        viewer.open("/containers")
        expect(page.get_by_role("button", name=re.compile("Actions for"))).to_have_count(0)


def test_everything_is_said_in_italian_where_it_is_preferred(shop: Shop, chromium: Browser) -> None:
    with walking(chromium, shop, language="it-IT") as walker:
        page = walker.page
        expect(page.locator("html")).to_have_attribute("lang", "it")
        expect(page.get_by_role("heading", level=1)).to_have_text("Panoramica")
        walker.open("/cluster")
        expect(page.locator("#content")).to_contain_text("si può perdere ancora 1 host")
        walker.open("/account")
        page.get_by_role("radio", name="English").check(force=True)
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "en")

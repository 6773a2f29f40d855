"""Every page of the dashboard against three real hosts: in both themes, three widths and two languages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

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
from tests.support.http_load import HttpLoad
from tests.support.lab import Host
from tests.support.shop import Shop

__all__ = ["session", "shop", "walker"]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard"), pytest.mark.timeout(300)]

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
    "/secrets",
    "/secrets?tab=configs",
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

WEB = "registry:5000/demo/web:1"
BUSYBOX = "registry:5000/demo/busybox:1"
TILL = """\
name: till
services:
  web:
    image: registry:5000/demo/web:1
    environment: {{VERSION: "{version}"}}
    healthcheck: {{disable: true}}
    deploy: {{replicas: 2, update_config: {{monitor: 0s}}}}
    x-tower:
      route: {{host: till.localhost, port: 8080, health: /up}}
      strategy: canary
      canary: {{steps: [{{weight: 10, for: 1s, pause: approve}}, {{weight: 50, pause: approve}}, 100]}}
      analysis: {{warmup: 0s, min_requests: 20, on_inconclusive: promote}}
"""
KIOSK = """\
name: kiosk
services:
  web:
    image: registry:5000/demo/web:1
    healthcheck: {disable: true}
    deploy: {update_config: {monitor: 0s}}
"""


def places(shop: Shop) -> dict[str, str]:
    """The ids the addresses of pages are made of."""
    client = client_of(shop)
    containers = client.get("/containers")["items"]
    replica = next(each for each in containers if each["service"] == "shop.web")
    rollout = client.get("/rollouts")["items"][0]
    return {"node": replica["node_id"], "container": replica["id"], "rollout": rollout["id"]}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_clean_in_both_themes_and_three_widths(shop: Shop, walker: Walker, path: str) -> None:
    check_page(shop, walker, path, (("wide", "light"), ("tablet", "dark"), ("phone", "light")))


@pytest.mark.verify
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_clean_in_each_theme_at_each_width(shop: Shop, walker: Walker, path: str) -> None:
    check_page(shop, walker, path, tuple(itertools.product(WIDTHS, THEMES)))


def check_page(shop: Shop, walker: Walker, path: str, looks: Sequence[tuple[str, str]]) -> None:
    """See that nothing is wrong with a page at these widths, in these themes."""
    walker.open(path.format(**places(shop)))
    found: dict[str, str] = {}
    name = re.sub(r"\W+", "-", path).strip("-") or "overview"
    for width, theme in looks:
        walker.resize(width, theme)
        wrong = violations_of(walker.page)
        if overflows(walker.page):
            wrong.append("it scrolls sideways")
        for each in wrong:
            found.setdefault(each, f"first with {width}, {theme}")
        keep_picture(walker.page, f"{name}-{width}-{theme}")
    assert found == {}


def test_the_palette_leads_to_a_container_and_its_log(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("web-1-0")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("tower-shop.web-1-0")
    expect(first).to_have_attribute("aria-selected", "true")
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
    expect(page.get_by_role("searchbox").first).to_be_visible()
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


@pytest.fixture
def blog(shop: Shop) -> Iterator[dict[str, Host]]:
    """Containers that Docker Compose would have made, each with its host: two of a front and a database."""
    first, second, _ = shop.lab.hosts
    made = {"blog-front-1": first, "blog-front-2": second, "blog-db-1": second}
    for name, host in made.items():
        host.engine.pull(WEB)
        service = name.split("-")[1]
        labels = {
            "com.docker.compose.project": "blog",
            "com.docker.compose.service": service,
            "tier": "data" if service == "db" else "edge",
        }
        document = {"Image": WEB, "Env": ["VERSION=blog"], "Labels": labels}
        host.engine.request("POST", f"/containers/create?name={name}", document)
        host.engine.request("POST", f"/containers/{name}/start")
    yield made
    for name, host in made.items():
        if any(f"/{name}" in each["Names"] for each in host.engine.get("/containers/json?all=true")):
            host.engine.remove(name)


def state_of(host: Host, container: str) -> str:
    return str(host.engine.get(f"/containers/{container}/json")["State"]["Status"])


def test_containers_are_filtered_and_the_address_shows_the_same_to_others(
    walker: Walker, blog: dict[str, Host]
) -> None:
    page = walker.page
    walker.open("/containers")
    expect(walker.row("blog-db-1")).to_be_visible(timeout=LOADED_MAX_MS)
    page.get_by_label("Host", exact=True).select_option("h2")
    page.get_by_label("Project", exact=True).select_option("blog")
    page.get_by_label("Service", exact=True).select_option("blog.front")
    page.get_by_label("State", exact=True).select_option("Running")
    page.get_by_label("Label, as key or key=value").fill("tier=edge")
    page.get_by_label("Search containers").fill("front")
    expect(page.get_by_role("rowheader")).to_have_text(["blog-front-2"])
    walker.check_look("containers-filtered")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked == {
        "q": ["front"],
        "host": ["h2"],
        "project": ["blog"],
        "service": ["blog.front"],
        "label": ["tier=edge"],
        "state": ["running"],
    }

    walker.open(page.url.removeprefix(walker.address))
    expect(page.get_by_role("rowheader")).to_have_text(["blog-front-2"])
    expect(page.get_by_label("Label, as key or key=value")).to_have_value("tier=edge")
    page.get_by_label("Label, as key or key=value").fill("tier=data")
    expect(page.locator("#content")).to_contain_text("No container fits")
    walker.check_look("containers-none-fits")
    page.get_by_role("button", name="Show all containers").click()
    expect(walker.row("blog-db-1")).to_be_visible()
    assert urlsplit(page.url).query == ""


def test_chosen_containers_of_several_hosts_are_stopped_together_and_started_again(
    walker: Walker, blog: dict[str, Host]
) -> None:
    page = walker.page
    walker.open("/containers?project=blog")
    # A click before the last host has told of its own chooses those that are there by then.
    expect(page.get_by_role("rowheader")).to_have_count(len(blog), timeout=LOADED_MAX_MS)
    everything = page.get_by_role("checkbox", name="Choose all that are shown")
    everything.click()
    expect(everything).to_be_checked()
    page.get_by_role("checkbox", name="Choose blog-front-1").click()
    bar = page.get_by_role("toolbar", name="Actions for the chosen containers")
    expect(bar).to_contain_text("2 chosen")
    walker.check_look("containers-chosen")
    bar.get_by_role("button", name="Stop").click()
    question = page.get_by_role("dialog", name="Stop 2 containers?")
    expect(question).to_contain_text("h2 (2)")
    expect(question).to_contain_text("blog.db, blog.front")
    walker.check_look("containers-bulk-question")
    question.get_by_role("button", name="Stop").click()

    outcome = page.get_by_role("dialog", name="Stop: outcome")
    expect(outcome).to_contain_text("2 of 2 done", timeout=LOADED_MAX_MS)
    walker.check_look("containers-bulk-outcome")
    assert [state_of(host, name) for name, host in blog.items()] == ["running", "exited", "exited"]
    outcome.get_by_role("button", name="Undo").click()
    back = page.get_by_role("dialog", name="Start: outcome")
    expect(back).to_contain_text("2 of 2 done", timeout=LOADED_MAX_MS)
    back.get_by_role("button", name="Close").last.click()
    assert [state_of(host, name) for name, host in blog.items()] == ["running"] * 3
    expect(walker.row("blog-db-1")).to_contain_text("running", timeout=LOADED_MAX_MS, ignore_case=True)


def test_a_container_is_paused_at_once_and_stopped_after_a_question_and_both_are_undone(
    walker: Walker, blog: dict[str, Host]
) -> None:
    name, host = "blog-front-2", blog["blog-front-2"]
    walker.open("/containers?project=blog")
    # A host that tells of its containers later moves the others under the pointer.
    expect(walker.page.get_by_role("rowheader")).to_have_count(len(blog), timeout=LOADED_MAX_MS)
    walker.act(name, "Pause")
    expect(walker.notices).to_contain_text(f"Paused {name} on h2", timeout=LOADED_MAX_MS)
    expect(walker.row(name)).to_contain_text("paused", timeout=LOADED_MAX_MS, ignore_case=True)
    assert state_of(host, name) == "paused"
    walker.notices.get_by_role("button", name="Undo").click()
    expect(walker.notices).to_contain_text(f"Resumed {name} on h2", timeout=LOADED_MAX_MS)

    walker.act(name, "Stop")
    window = walker.page.get_by_role("alertdialog", name=f"Stop {name}?")
    expect(window).to_contain_text("It is on h2 and belongs to blog.")
    walker.check_look("container-stop")
    walker.confirm("Stop")
    expect(walker.notices).to_contain_text(f"Stopped {name} on h2", timeout=LOADED_MAX_MS)
    assert state_of(host, name) == "exited"
    walker.notices.get_by_role("button", name="Undo").last.click()
    expect(walker.notices).to_contain_text(f"Started {name} on h2", timeout=LOADED_MAX_MS)
    assert state_of(host, name) == "running"


def test_files_are_put_into_a_container_replaced_after_a_question_and_taken_out_again(
    walker: Walker, blog: dict[str, Host]
) -> None:
    page, host = walker.page, blog["blog-db-1"]
    walker.open("/containers/h2/blog-db-1?tab=files&path=/tmp")
    upload = page.locator("#content input[type=file]")
    upload.set_input_files({"name": "note.txt", "mimeType": "text/plain", "buffer": b"first\n"})
    expect(walker.notices).to_contain_text("Uploaded note.txt", timeout=LOADED_MAX_MS)
    expect(walker.row("note.txt")).to_contain_text("6 B")
    upload.set_input_files({"name": "note.txt", "mimeType": "text/plain", "buffer": b"second\n"})
    expect(page.get_by_role("alertdialog", name="Replace note.txt?")).to_contain_text("is lost")
    walker.check_look("files-replace")
    walker.confirm("Replace")
    expect(walker.row("note.txt")).to_contain_text("7 B", timeout=LOADED_MAX_MS)
    walker.check_look("files")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download note.txt").click()
    assert Path(taken.value.path()).read_bytes() == b"second\n"
    read = ["docker", "-H", "unix:///run/docker.sock", "exec", "blog-db-1", "cat", "/tmp/note.txt"]
    assert host.exec(read, timeout_s=30).stdout == "second\n"


def test_limits_and_the_restart_policy_apply_while_a_container_runs_on(
    walker: Walker, blog: dict[str, Host]
) -> None:
    page, host = walker.page, blog["blog-db-1"]
    began = host.engine.get("/containers/blog-db-1/json")["State"]["StartedAt"]
    walker.open("/containers/h2/blog-db-1?tab=settings")
    memory = page.get_by_label("Memory", exact=True)
    memory.fill("1m")
    expect(page.locator("#content")).to_contain_text("At least 6 MiB")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    walker.check_look("settings-refused")
    memory.fill("96m")
    page.get_by_label("CPUs").fill("0.5")
    page.get_by_label("Restart", exact=True).select_option("unless it was stopped")
    page.get_by_role("button", name="Apply").click()
    expect(walker.notices).to_contain_text("Applied", timeout=LOADED_MAX_MS)
    found = host.engine.get("/containers/blog-db-1/json")
    limits = found["HostConfig"]
    assert (limits["Memory"], limits["NanoCpus"]) == (96 * 1024 * 1024, 500_000_000)
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"
    assert found["State"]["StartedAt"] == began


def test_a_container_is_made_anew_by_a_plan_and_removed_after_a_question(
    walker: Walker, blog: dict[str, Host]
) -> None:
    page, host = walker.page, blog["blog-db-1"]
    before = host.engine.get("/containers/blog-db-1/json")
    walker.open("/containers/h2/blog-db-1?tab=settings")
    page.get_by_role("button", name="Change…").click()
    page.get_by_label("Value: VERSION").fill("anew")
    page.get_by_label("Ports").fill("18080:8080")
    walker.check_look("recreate-form")
    page.get_by_role("button", name="Show the plan").click()
    window = page.get_by_role("alertdialog", name="Make blog-db-1 anew?")
    expect(window).to_contain_text("18080", timeout=LOADED_MAX_MS)
    walker.check_look("recreate-plan")
    window.get_by_role("button", name="Make it anew").click()
    expect(walker.notices).to_contain_text("blog-db-1 was made anew", timeout=LOADED_MAX_MS)
    after = host.engine.get("/containers/blog-db-1/json")
    assert after["Id"] != before["Id"]
    assert "VERSION=anew" in after["Config"]["Env"]
    expect(page).to_have_url(re.compile(after["Id"]))
    # Between the old one and the new one there is none, and the page may have asked for it just then.
    walker.complaints = [each for each in walker.complaints if "status of 404" not in each]

    page.get_by_role("button", name="Actions for blog-db-1").click()
    page.get_by_role("menuitem", name="Remove").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("It is running and will be killed")
    walker.check_look("container-remove")
    walker.confirm("Remove")
    expect(walker.notices).to_contain_text("Removed blog-db-1 from h2", timeout=LOADED_MAX_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Containers")
    expect(walker.row("blog-db-1")).to_have_count(0, timeout=LOADED_MAX_MS)
    assert len(host.engine.get('/containers/json?all=true&filters={"label":["tier=data"]}')) == 0


def test_unused_images_volumes_and_networks_go_by_a_plan_that_is_shown_first(
    shop: Shop, walker: Walker
) -> None:
    page, host = walker.page, shop.lab.host("h2")
    host.engine.pull(BUSYBOX)
    for name in ("walk-old", "walk-kept"):
        host.engine.request("POST", "/volumes/create", {"Name": name})
    host.engine.request("POST", "/networks/create", {"Name": "walk-net"})

    walker.open("/resources?host=h2")
    expect(walker.row("demo/busybox:1")).to_contain_text("unused", timeout=LOADED_MAX_MS)
    page.get_by_role("button", name="Clean up…").click()
    window = page.get_by_role("dialog", name="Clean up images")
    expect(window.get_by_role("row", name="demo/busybox:1")).to_be_visible(timeout=LOADED_MAX_MS)
    expect(window).to_contain_text("Exactly what is listed here is removed.")
    walker.check_look("cleanup-images")
    window.get_by_role("button", name=re.compile("^Remove ")).click()
    expect(window.get_by_role("row", name="demo/busybox:1")).to_contain_text("removed", timeout=LOADED_MAX_MS)
    walker.check_look("cleanup-images-done")
    window.get_by_role("button", name="Close").last.click()
    names = [name for each in host.engine.get("/images/json") for name in each["RepoTags"] or ()]
    assert (BUSYBOX in names, WEB in names) == (False, True)

    page.get_by_role("tab", name="Volumes").click()
    page.get_by_role("checkbox", name="Choose walk-old").click(timeout=LOADED_MAX_MS)
    walker.check_look("volumes-chosen")
    page.get_by_role("button", name="Remove 1 volume…").click()
    window = page.get_by_role("dialog", name="Remove volumes")
    expect(window.get_by_role("row", name="walk-old")).to_be_visible(timeout=LOADED_MAX_MS)
    walker.check_look("cleanup-volumes")
    window.get_by_role("button", name="Remove 1").click()
    expect(window).to_contain_text("1 volume removed", timeout=LOADED_MAX_MS)
    window.get_by_role("button", name="Close").last.click()
    assert [each["Name"] for each in host.engine.get("/volumes")["Volumes"]] == ["walk-kept"]

    page.get_by_role("tab", name="Networks").click()
    page.get_by_role("button", name="Clean up…").click()
    window = page.get_by_role("dialog", name="Clean up networks")
    expect(window.get_by_role("row", name="walk-net")).to_be_visible(timeout=LOADED_MAX_MS)
    walker.check_look("cleanup-networks")
    window.get_by_role("button", name=re.compile("^Remove ")).click()
    expect(window).to_contain_text(re.compile(r"networks? removed\."), timeout=LOADED_MAX_MS)
    window.get_by_role("button", name="Close").last.click()
    assert "walk-net" not in [each["Name"] for each in host.engine.get("/networks")]
    host.engine.request("DELETE", "/volumes/walk-kept")


def give(page: Page, compose: str) -> None:
    """Choose a file of this computer."""
    page.get_by_label("A file of this computer").set_input_files(
        {"name": "compose.yaml", "mimeType": "application/yaml", "buffer": compose.encode()}
    )


@pytest.fixture(scope="module")
def till(shop: Shop) -> str:
    """A service whose new revisions get a share of the requests whenever a person approves of it."""
    shop.tower("deploy", shop.write(TILL.format(version="1")))
    return "till.web"


def test_a_file_is_written_with_help_corrected_at_its_line_and_deployed_later(
    walker: Walker, till: str
) -> None:
    page = walker.page
    walker.open("/deploy")
    editor = page.get_by_role("textbox", name="Compose file")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("name: till\nserv")
    expect(page.get_by_role("option", name="services")).to_be_visible(timeout=LOADED_MAX_MS)
    walker.check_look("deploy-completion")
    page.keyboard.press("Tab")
    expect(editor).to_contain_text("services:")

    give(page, TILL.format(version="2").replace("image:", "imag:"))
    check = page.get_by_role("region", name="Check")
    expect(check).to_contain_text("Did you mean image?", timeout=LOADED_MAX_MS)
    expect(page.locator("[data-editor] .cm-lintRange-error").first).to_contain_text("imag:")
    expect(page.get_by_role("button", name="See the plan")).to_be_disabled()
    walker.check_look("deploy-finding")
    check.get_by_role("button", name="Go to line 4").first.click()
    for _ in "    imag":
        page.keyboard.press("ArrowRight")
    page.keyboard.type("e")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="See the plan").click(timeout=LOADED_MAX_MS)

    plan = page.get_by_role("region", name=till)
    expect(plan.get_by_role("list", name="Steps")).to_contain_text("50 %", timeout=LOADED_MAX_MS)
    expect(plan.get_by_role("row").filter(has_text="environment.VERSION")).to_be_visible()
    page.get_by_label("When", exact=True).select_option("later, once")
    walker.check_look("deploy-plan")
    page.get_by_role("button", name="Schedule", exact=True).click()
    walker.check_look("deploy-schedule")
    walker.confirm("Schedule")

    expect(page.get_by_role("heading", level=1)).to_have_text("Schedules", timeout=LOADED_MAX_MS)
    planned = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="till"))
    expect(planned).to_contain_text("till.web", timeout=LOADED_MAX_MS)
    walker.check_look("schedules-planned")
    planned.get_by_role("button", name="Cancel the plan").click()
    walker.confirm("Cancel the plan")
    expect(walker.notices).to_contain_text("Not planned any more: till")
    expect(planned).to_have_count(0)


def test_a_canary_is_approved_shared_by_hand_and_aborted_from_its_live_view_and_compared(
    shop: Shop, walker: Walker, till: str
) -> None:
    page = walker.page
    with HttpLoad(shop.addresses, "till.localhost", clients=1, pause_s=0.02).running():
        walker.open("/deploy")
        give(page, TILL.format(version="2"))
        page.get_by_role("button", name="See the plan").click(timeout=LOADED_MAX_MS)
        page.get_by_role("button", name="Deploy", exact=True).click(timeout=LOADED_MAX_MS)
        walker.confirm("Deploy")

        expect(page).to_have_url(re.compile("/rollouts/"), timeout=LOADED_MAX_MS)
        step = page.get_by_role("list", name="Steps").locator("[aria-current=step]")
        expect(step).to_contain_text("waits for approval", timeout=LOADED_MAX_MS)
        expect(step).to_contain_text("10 %")
        requests = page.get_by_role("region", name="Requests")
        expect(requests.get_by_text("in force", exact=True)).to_have_count(3, timeout=LOADED_MAX_MS)
        walker.check_look("canary-waits")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("alertdialog")).to_contain_text("gets its next share of the requests")
        walker.check_look("canary-approve")
        walker.confirm("Approve")
        expect(step).to_contain_text("50 %", timeout=LOADED_MAX_MS)
        rollout = urlsplit(page.url).path

        walker.open(f"/services/{till}")
        page.get_by_role("button", name="Share by hand…").click(timeout=LOADED_MAX_MS)
        window = page.get_by_role("dialog", name=f"Share the requests of {till}")
        window.get_by_label("Serves").select_option("green")
        window.get_by_label("Percent").fill("30")
        walker.check_look("canary-share")
        window.get_by_role("button", name="Apply").click()
        expect(walker.notices).to_contain_text("The requests are shared anew", timeout=LOADED_MAX_MS)
        requests = page.get_by_role("region", name="Requests")
        expect(requests.get_by_role("img")).to_have_accessible_name(re.compile("green 30 %"))

        walker.open(rollout)
        expect(page.locator("#content")).to_contain_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=LOADED_MAX_MS)
        page.get_by_role("button", name="Abort").click()
        expect(page.get_by_role("alertdialog")).to_contain_text("Every request goes back to revision 1")
        walker.check_look("canary-abort")
        walker.confirm("Abort")
        expect(page.locator("#content")).to_contain_text("rolled back", timeout=60_000)
        walker.check_look("canary-aborted")

    walker.open(f"/services/{till}?tab=revisions")
    expect(page.get_by_role("listitem").filter(has_text="Revision 2").first).to_contain_text("failed")
    walker.check_look("service-revisions")
    page.get_by_role("button", name="Compare").click()
    sheet = page.get_by_role("dialog", name="Revisions 1 and 2")
    expect(sheet.get_by_role("row").filter(has_text="environment.VERSION")).to_be_visible(
        timeout=LOADED_MAX_MS
    )
    expect(sheet.get_by_role("table", name="How both revisions answered")).to_contain_text("Median")
    walker.check_look("service-compare")


def test_what_is_stable_in_staging_is_promoted_by_a_plan_and_taken_down_by_its_name(
    shop: Shop, walker: Walker
) -> None:
    page, client = walker.page, client_of(shop)
    client.put("/environments/staging", {"hosts": ["h1"]})
    client.put("/environments/production", {"hosts": ["h2"], "requires": "staging", "soak_s": 0})
    shop.tower("deploy", shop.write(KIOSK), "--environment", "staging")
    walker.open("/environments")
    production = page.get_by_role("region", name="production")
    expect(production).to_contain_text("staging")
    walker.check_look("environments")
    production.get_by_role("button", name="Promote to here…").click()
    sheet = page.get_by_role("dialog", name="Promote to production")
    sheet.get_by_label("Service or project").select_option("kiosk")
    sheet.get_by_role("button", name="Make the plan").click()
    expect(sheet.get_by_role("region", name="production.kiosk.web")).to_contain_text(
        "new", timeout=LOADED_MAX_MS
    )
    walker.check_look("environments-promote")
    sheet.get_by_role("button", name="Promote", exact=True).click()
    walker.check_look("environments-promote-question")
    walker.confirm("Promote")
    expect(page.locator("#content")).to_contain_text("succeeded", timeout=60_000)

    walker.open("/services/production.kiosk.web")
    page.get_by_role("button", name="Remove…").click()
    window = page.get_by_role("dialog", name="Remove production.kiosk.web")
    walker.check_look("service-remove")
    window.get_by_role("textbox").fill("production.kiosk.web")
    window.get_by_role("button", name="Remove", exact=True).click()
    expect(page).to_have_url(re.compile("/services$"), timeout=LOADED_MAX_MS)
    expect(page.locator("#content")).not_to_contain_text("production.kiosk.web", timeout=60_000)


def test_a_compose_file_is_deployed_followed_and_taken_back(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/deploy")
    give(page, shop.compose("2"))
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
    walker.take_refusal(422)
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
    walker.take_refusal(422)
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

"""What somebody sees and does in the dashboard, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.dashboard import NARROW, WIDE, Dashboard, opened, sizes_of
from tests.e2e.scenes import Scene
from tests.e2e.stub_server import SETUP_TOKEN

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

FIRST_LOAD_BYTES_MAX = 100_000
FIRST_LOAD_REQUESTS_MAX = 12
OVERVIEW_BYTES_MAX = 175_000
OVERVIEW_REQUESTS_MAX = 32


@pytest.fixture
def dashboard(chromium: Browser) -> Iterator[Dashboard]:
    with opened(chromium) as dashboard:
        yield dashboard


# ---- logging in


def test_a_wrong_password_is_said_in_place_and_the_right_one_opens_the_overview(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.log_in(password="wrong")

    alert = dashboard.page.get_by_role("alert")
    expect(alert).to_contain_text("name or the password is wrong")
    expect(alert).to_contain_text("Caps Lock")

    dashboard.log_in()
    expect(dashboard.page.get_by_role("heading", name="Containers")).to_be_visible()


def test_the_address_that_was_asked_for_opens_after_the_login(dashboard: Dashboard) -> None:
    dashboard.open("/containers?q=grafana")
    dashboard.log_in()

    expect(dashboard.row("observability-grafana-1")).to_be_visible()
    expect(dashboard.page.get_by_label("Search containers")).to_have_value("grafana")


def test_a_new_cluster_asks_for_its_first_administrator(dashboard: Dashboard) -> None:
    dashboard.server.change(lambda scene: setattr(scene, "is_set_up", False))
    dashboard.open(f"/setup#token={SETUP_TOKEN}")
    page = dashboard.page
    expect(page.get_by_label("Setup token")).to_have_value(SETUP_TOKEN)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_label("Password again").fill("correct horse batterie")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("The two passwords differ.")).to_be_visible()

    page.get_by_label("Password again").fill("correct horse battery")
    page.get_by_role("button", name="Set up").click()

    expect(page.get_by_role("heading", name="Containers")).to_be_visible()


def test_the_login_leads_to_the_setup_when_there_is_no_account_yet(dashboard: Dashboard) -> None:
    dashboard.server.change(lambda scene: setattr(scene, "is_set_up", False))
    dashboard.open()

    expect(dashboard.page.get_by_role("heading", name="Make the first administrator")).to_be_visible()


def test_logging_out_leads_to_the_login(dashboard: Dashboard) -> None:
    dashboard.enter()
    dashboard.page.get_by_role("button", name="Account of ada").click()
    dashboard.page.get_by_role("menuitem", name="Log out").click()

    expect(dashboard.page.get_by_role("heading", name="Log in")).to_be_visible()
    dashboard.open()
    expect(dashboard.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_session_that_ran_out_is_renewed_without_a_word(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    dashboard.server.change(lambda _: setattr(dashboard.server, "is_session_expired", True))

    dashboard.act("blog-db-1", "Restart")
    dashboard.page.get_by_role("button", name="Restart", exact=True).click()

    expect(dashboard.page.get_by_text("Restarted blog-db-1 on h1")).to_be_visible()
    assert dashboard.server.requests["POST /api/v1/auth/refresh"] == 1


# ---- the overview


def test_the_overview_shows_hosts_services_containers_and_changes(dashboard: Dashboard) -> None:
    dashboard.enter()

    cluster = dashboard.section("Cluster")
    expect(cluster).to_contain_text("h1term 7")
    expect(cluster).to_contain_text("You can lose 1 more host", ignore_case=True)
    expect(dashboard.host("h1")).to_contain_text("leader")
    expect(dashboard.host("h2")).to_contain_text("12/13")
    web = dashboard.section("Services").get_by_role("listitem").filter(has_text="shop/web")
    expect(web).to_contain_text("5 of 6 serving")
    expect(web).to_contain_text("Rolling out: 4 of 6 replicas on revision 5")
    expect(web.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "4 of 6 replicas done")
    expect(web).to_contain_text("shop/web:2.14.0 · revision 4 → shop/web:2.15.0 · revision 5")
    worker = dashboard.section("Services").get_by_role("listitem").filter(has_text="media/worker")
    expect(worker).to_contain_text("media/transcode:1.8 · revision 7")
    expect(web).to_contain_text("Replica 4 is starting on h2: warming up: /up answers 503")
    expect(web.get_by_role("link", name="shop.example.net")).to_have_attribute(
        "href", "http://shop.example.net/"
    )
    attention = dashboard.section("Needs attention")
    expect(attention.get_by_role("listitem").filter(has_text="media-worker-2")).to_contain_text(
        "unhealthy on h3"
    )
    expect(dashboard.section("Containers")).to_contain_text("media-worker-2")
    expect(dashboard.section("Recent changes")).to_contain_text("otto restarted container h2/blog-site-2")


def test_live_values_change_in_place(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    host = dashboard.host("h2")
    expect(host).to_contain_text("21 %")
    # What is below has come, so that nothing of it can move this any more.
    expect(dashboard.section("Containers")).to_contain_text("media-worker-2")
    before = host.bounding_box()

    def change(scene: Scene) -> None:
        scene.set_latest(scene.node("h2")["id"], "host", "cpu_percent", 97.4)

    loads = dashboard.server.requests["GET /"]
    dashboard.server.change(change, "metrics")

    expect(host).to_contain_text("97 %")
    expect(
        host.get_by_role("img", name=re.compile("CPU over the last ten minutes, now 97 %"))
    ).to_be_visible()
    assert host.bounding_box() == before, "nothing moves when a number changes"
    assert dashboard.server.requests["GET /"] == loads
    assert page.url == f"{dashboard.address}/"


def test_the_numbers_of_a_container_change_in_place(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    row = dashboard.row("blog-db-1")
    before = row.bounding_box()

    def change(scene: Scene) -> None:
        container = scene.container("blog-db-1")
        scene.set_latest(container["node_id"], container["id"], "cpu_percent", 183.2)

    dashboard.server.change(change, "metrics")

    expect(row).to_contain_text("183 %")
    assert row.bounding_box() == before, "nothing moves when a number changes"


def test_a_new_container_appears_and_a_removed_one_goes(dashboard: Dashboard) -> None:
    dashboard.enter_containers()

    def change(scene: Scene) -> None:
        gone = scene.container("blog-db-1")
        scene.containers.remove(gone)
        scene.containers.append({**gone, "id": "f" * 64, "name": "brand-new"})

    dashboard.server.change(change, "containers")

    expect(dashboard.row("brand-new")).to_be_visible()
    expect(dashboard.row("blog-db-1")).to_have_count(0)


def test_a_lost_host_is_named(chromium: Browser) -> None:
    with opened(chromium, "lost") as dashboard:
        dashboard.enter()

        host = dashboard.host("h3")
        expect(host).to_contain_text(re.compile(r"Down for 4\d s\(no heartbeat for 3\.0 s\)"))
        expect(host.get_by_role("img", name="CPU over the last ten minutes, now \u2013")).to_be_visible()
        expect(dashboard.section("Cluster")).to_contain_text("2 of 3 healthy")
        expect(dashboard.section("Cluster")).to_contain_text("24 of 27 running13 out of sight")
        expect(dashboard.section("Recent changes")).to_contain_text("Host h3 is down")


def test_the_containers_of_a_lost_host_are_told_to_be_old(chromium: Browser) -> None:
    with opened(chromium, "lost") as dashboard:
        dashboard.enter_containers()

        expect(dashboard.page.locator("#content")).to_contain_text(
            "Containers of h3 as last known: h3 at 10.77.0.3:7445 cannot be reached"
        )


def test_what_a_lost_host_does_to_services_is_said(chromium: Browser) -> None:
    with opened(chromium, "lost") as dashboard:
        dashboard.enter()

        services = dashboard.section("Services").get_by_role("listitem")
        api = services.filter(has_text="shop/api")
        expect(api).to_contain_text("3 of 4 serving")
        expect(api).to_contain_text("on h1, h2")
        expect(api).to_contain_text("1 of 4 replicas missing")
        expect(api).to_contain_text("Replica 3 on h2 is fetching its image: fetching the image, 40 %")
        expect(services.filter(has_text="media/worker")).to_contain_text("Replica 1 is on h3, which is down")


def test_a_host_that_went_silent_ends_in_a_gap(chromium: Browser) -> None:
    with opened(chromium, "lost") as dashboard:
        dashboard.enter()

        # The others' courses reach the right edge, its own ends where it fell silent.
        def right_end(name: str) -> float:
            course = dashboard.host(name).get_by_role("img", name=re.compile("CPU over"))
            end: float = course.evaluate(
                "(svg) => Math.max(...[...svg.querySelectorAll('path')].map("
                "(path) => path.getBBox().x + path.getBBox().width))"
            )
            return end

        assert right_end("h1") == pytest.approx(100)
        assert right_end("h3") == pytest.approx(100 * 54 / 59, abs=0.1)


def test_a_power_cut_of_the_host_that_serves_the_page_is_noticed_and_others_are_named(
    dashboard: Dashboard,
) -> None:
    dashboard.enter()
    dashboard.server.fall_silent()

    alert = dashboard.page.get_by_role("alert")
    expect(alert).to_contain_text("h1 does not answer", timeout=15_000)
    expect(alert).to_contain_text(re.compile(r"What you see was true \d+ s ago"))
    expect(alert.get_by_role("link", name="h2")).to_have_attribute("href", "https://10.77.0.2:7443/")
    expect(dashboard.page.get_by_role("status").filter(has_text="live")).to_have_count(0)
    assert dashboard.violations() == []

    dashboard.server.answer_again()
    expect(dashboard.page.get_by_role("status").filter(has_text="live")).to_be_visible(timeout=20_000)
    expect(alert).to_have_count(0)


def test_the_unhealthy_ones_are_one_press_away(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    dashboard.page.get_by_role("button", name="2 unhealthy").click()

    expect(dashboard.page.get_by_role("rowheader")).to_have_text(["batch-0-9", "media-worker-2"])


def test_nobody_is_asked_who_they_are_before_their_first_login(dashboard: Dashboard) -> None:
    dashboard.open()
    expect(dashboard.page.get_by_label("Name")).to_be_visible()

    assert dashboard.server.requests["GET /api/v1/auth/me"] == 0, "it would be a refusal in the audit"


def test_a_lost_quorum_is_said_with_what_to_do(chromium: Browser) -> None:
    with opened(chromium, "no-quorum") as dashboard:
        dashboard.enter()

        alert = dashboard.page.get_by_role("alert")
        expect(alert).to_contain_text("No quorum: nothing can be changed")
        expect(alert).to_contain_text("1 of 3 voters can be reached, and 2 must agree")
        expect(alert).to_contain_text("tower recover")
        expect(dashboard.section("Cluster")).to_contain_text("none")


def test_a_full_disk_and_a_host_that_is_behind_are_said(dashboard: Dashboard) -> None:
    dashboard.enter()

    def change(scene: Scene) -> None:
        scene.cluster["disk_full"] = "/var/lib/control-tower has 12 MiB left."
        scene.cluster["age_ms"] = 9_000

    dashboard.server.change(change, "cluster")

    expect(dashboard.page.get_by_role("alert")).to_contain_text("/var/lib/control-tower has 12 MiB left.")
    expect(
        dashboard.page.get_by_text(re.compile(r"h1 is behind: what you see was true \d+ s ago"))
    ).to_be_visible()


def test_an_empty_cluster_says_what_to_do_first(chromium: Browser) -> None:
    with opened(chromium, "empty") as dashboard:
        dashboard.enter()

        expect(dashboard.section("Services")).to_contain_text("tower deploy compose.yaml")
        expect(dashboard.section("Hosts")).to_contain_text("Add a second and a third host")
        expect(dashboard.section("Containers")).to_contain_text("No containers yet")


def test_a_lost_connection_is_said_and_comes_back_by_itself(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    dashboard.server.cut_sockets(refuse=True)
    lost = page.get_by_text(re.compile("No live connection for"))
    expect(lost).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="reconnecting").first).to_be_visible()
    # Without the server it is of no use, but it is there to be pressed and breaks nothing.
    page.get_by_role("button", name="Reconnect now").click()
    expect(lost).to_be_visible()
    asked = dashboard.server.requests["GET /api/v1/cluster"]

    dashboard.server.cut_sockets(refuse=False)

    expect(page.get_by_role("status").filter(has_text="live").first).to_be_visible()
    expect(lost).to_have_count(0)
    assert dashboard.server.requests["GET /api/v1/cluster"] >= asked


def test_a_page_whose_code_does_not_come_is_not_left_empty(dashboard: Dashboard) -> None:
    dashboard.page.route("**/assets/*.js", lambda route: route.abort())
    dashboard.open()
    expect(dashboard.page.get_by_text("The dashboard has not come yet")).to_be_visible()
    assert dashboard.violations() == []
    assert dashboard.complaints, "what did not come was asked for"
    dashboard.complaints.clear()

    dashboard.page.unroute_all()
    dashboard.enter()
    expect(dashboard.page.get_by_text("The dashboard has not come yet")).to_have_count(0)


def test_a_read_that_fails_says_why_and_can_be_tried_again(dashboard: Dashboard) -> None:
    answers = iter([503, 503, 503])

    def fail(route: Route) -> None:
        if next(answers, None) is None:
            route.continue_()
            return
        route.fulfill(
            status=503,
            content_type="application/problem+json",
            body='{"type":"urn:tower:problem:unavailable","title":"Not available at the moment","status":503,'
            '"detail":"no leader is known","hint":"try another host of the cluster","instance":"/"}',
        )

    dashboard.server.cut_sockets(refuse=True)
    dashboard.page.route("**/api/v1/services", fail)
    dashboard.open()
    dashboard.log_in()

    services = dashboard.section("Services")
    expect(services.get_by_role("alert")).to_contain_text("no leader is known")
    expect(services.get_by_role("alert")).to_contain_text("try another host of the cluster")
    services.get_by_role("button", name="Try again").click()
    expect(services).to_contain_text("shop/web")


def test_a_read_that_is_not_allowed_says_so_and_is_not_tried_again(dashboard: Dashboard) -> None:
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            status=403,
            content_type="application/problem+json",
            body='{"type":"urn:tower:problem:forbidden","title":"Not allowed","status":403,'
            '"detail":"service.read needs role viewer","instance":"/"}',
        )

    dashboard.server.cut_sockets(refuse=True)
    dashboard.page.route("**/api/v1/services", refuse)
    dashboard.open()
    dashboard.log_in()

    services = dashboard.section("Services")
    expect(services).to_contain_text("Not for your role")
    expect(services).to_contain_text("service.read needs role viewer")
    expect(services.get_by_role("button")).to_have_count(0)
    assert len(asked) in (1, 2), "once for each part of the page that shows services"


# ---- containers


def test_search_filter_and_order_live_in_the_address(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    page = dashboard.page
    search = page.get_by_label("Search containers")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("shop web")
    page.get_by_label("Host", exact=True).select_option("h2")
    page.get_by_role("button", name="Memory").click()

    expect(page).to_have_url(re.compile("sort=memory"))
    expect(page.get_by_role("rowheader").filter(has_not_text="shop.web")).to_have_count(0)
    names = page.get_by_role("rowheader").all_inner_texts()
    assert names
    expect(page.get_by_role("columnheader", name="Memory")).to_have_attribute("aria-sort", "descending")

    page.reload()
    expect(page.get_by_label("Search containers")).to_have_value("shop web")
    expect(page.get_by_role("rowheader")).to_have_text(names)

    page.get_by_label("Search containers").fill("no such thing")
    page.get_by_role("button", name="Show all containers").click()
    expect(page.get_by_role("rowheader")).to_have_count(40)


def test_thousands_of_containers_are_shown_as_few_rows(chromium: Browser) -> None:
    with opened(chromium, "many") as dashboard:
        dashboard.enter_containers()
        page = dashboard.page
        table = page.get_by_role("table", name="Containers of every host")
        expect(table).to_have_attribute("aria-rowcount", "1921")
        assert page.get_by_role("rowheader").count() < 100

        page.keyboard.press("End")
        expect(page.get_by_role("rowheader", name="tower-shop.web-4-5-47")).to_be_visible()
        assert page.get_by_role("rowheader").count() < 100


def test_a_restart_asks_first_and_says_when_it_is_done(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    page = dashboard.page
    dashboard.act("tower-shop.web-4-0", "Restart")
    dialog = page.get_by_role("alertdialog", name="Restart tower-shop.web-4-0?")
    expect(dialog).to_contain_text("It is on h1 and belongs to shop")
    expect(dialog).to_contain_text("it will bring a replica back by itself")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()

    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert dashboard.server.acts == []

    dashboard.act("tower-shop.web-4-0", "Restart")
    dialog.get_by_role("button", name="Restart").click()
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("Restarted tower-shop.web-4-0 on h1")
    expect(notices).to_contain_text("which brings its replicas back by itself")
    expect(dialog).to_have_count(0)
    assert dashboard.server.acts == [("restart", "tower-shop.web-4-0")]
    expect(dashboard.row("tower-shop.web-4-0")).to_contain_text("1 second")


def test_a_stopped_container_is_started_without_asking(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    expect(dashboard.row("batch-0-7")).to_contain_text("code 137")
    dashboard.act("batch-0-7", "Start")

    expect(dashboard.row("batch-0-7")).to_contain_text("running")
    assert dashboard.server.acts == [("start", "batch-0-7")]


def test_a_change_that_is_refused_says_why(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    dashboard.page.route(
        "**/api/v1/containers/*/stop*",
        lambda route: route.fulfill(
            status=503,
            content_type="application/problem+json",
            body='{"type":"urn:tower:problem:host-unavailable","title":"The host cannot be asked",'
            '"status":503,'
            '"detail":"h1 does not answer","hint":"try again in a moment","instance":"/"}',
        ),
    )
    dashboard.act("blog-db-1", "Stop")
    dashboard.page.get_by_role("alertdialog").get_by_role("button", name="Stop").click()

    notices = dashboard.page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("The host cannot be asked")
    expect(notices).to_contain_text("h1 does not answer try again in a moment")


def test_a_viewer_sees_no_actions(dashboard: Dashboard) -> None:
    dashboard.enter_containers("vera")

    expect(dashboard.page.get_by_role("button", name="Logs of blog-db-1")).to_be_visible()
    expect(dashboard.page.get_by_role("button", name=re.compile("Actions for"))).to_have_count(0)
    assert dashboard.server.requests["GET /api/v1/audit"] == 0, "what is not allowed is not asked for"


def test_an_operator_may_restart_but_not_remove(dashboard: Dashboard) -> None:
    dashboard.enter_containers("otto")
    dashboard.page.get_by_role("button", name="Actions for blog-db-1", exact=True).click()

    expect(dashboard.page.get_by_role("menuitem")).to_have_text(["Restart", "Stop", "Pause", "Kill"])


def test_a_menu_is_worked_with_the_keyboard(dashboard: Dashboard) -> None:
    dashboard.enter_containers()
    page = dashboard.page
    button = page.get_by_role("button", name="Actions for blog-db-1", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Restart")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Stop")).to_be_focused()
    page.keyboard.press("Escape")

    expect(page.get_by_role("menu")).to_have_count(0)
    expect(button).to_be_focused()


# ---- hosts


def test_a_host_opens_with_its_courses_and_facts(dashboard: Dashboard) -> None:
    dashboard.enter()
    before = dashboard.fetched_bytes()
    dashboard.host("h2").get_by_role("button", name="h2").click()

    sheet = dashboard.page.get_by_role("dialog", name="h2")
    expect(sheet.get_by_role("slider", name=re.compile("CPU"))).to_be_visible()
    expect(sheet.locator("canvas")).to_have_count(2)
    expect(sheet).to_contain_text("6.1.0-26-amd64")
    assert dashboard.fetched_bytes() > before, "the charts are fetched when they are wanted"

    sheet.get_by_role("button", name="Show them").click()
    expect(sheet).to_have_count(0)
    expect(dashboard.page.get_by_role("heading", level=1)).to_have_text("Containers")
    expect(dashboard.page.get_by_label("Host", exact=True)).to_have_value("h2")


def test_a_window_reaches_the_edge_and_holds_the_page_where_it_is(dashboard: Dashboard) -> None:
    dashboard.enter()
    page = dashboard.page
    before = dashboard.host("h1").bounding_box()
    dashboard.host("h1").get_by_role("button", name="h1").click()
    sheet = page.get_by_role("dialog", name="h1")
    expect(sheet.locator("canvas")).to_have_count(2)

    box = sheet.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] == pytest.approx(WIDE[0])
    assert dashboard.page.locator("#content").bounding_box() is not None
    page.mouse.move(300, 400)
    page.mouse.wheel(0, 500)
    assert page.evaluate("window.scrollY") == 0
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    assert dashboard.host("h1").bounding_box() == before


# ---- the page as such


def test_the_theme_follows_the_system_until_one_is_chosen(chromium: Browser) -> None:
    with opened(chromium, theme="dark") as dashboard:
        dashboard.enter()
        page = dashboard.page
        assert is_dark(dashboard), "as the system"

        page.get_by_role("button", name="Account of ada").click()
        page.get_by_role("menuitemcheckbox", name="Light").click()
        assert not is_dark(dashboard)

        page.reload()
        expect(page.get_by_role("heading", name="Containers")).to_be_visible()
        assert not is_dark(dashboard), "the choice is kept"


def is_dark(dashboard: Dashboard) -> bool:
    """Whether the page's background is, as it is painted."""
    red = dashboard.page.evaluate(
        """() => {
            const pen = new OffscreenCanvas(1, 1).getContext("2d");
            pen.fillStyle = getComputedStyle(document.body).backgroundColor;
            pen.fillRect(0, 0, 1, 1);
            return pen.getImageData(0, 0, 1, 1).data[0];
        }"""
    )
    return bool(red < 128)


@pytest.mark.parametrize(
    ("theme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light-wide", "dark-narrow"]
)
def test_axe_finds_nothing(chromium: Browser, theme: Literal["light", "dark"], size: tuple[int, int]) -> None:
    with opened(chromium, "lost", size=size, theme=theme) as dashboard:
        dashboard.open()
        expect(dashboard.page.get_by_label("Name")).to_be_visible()
        assert dashboard.violations() == []

        dashboard.enter()
        assert dashboard.violations() == []

        dashboard.host("h1").get_by_role("button", name="h1").click()
        expect(dashboard.page.get_by_role("dialog").locator("canvas")).to_have_count(2)
        assert dashboard.violations() == []
        dashboard.page.keyboard.press("Escape")

        dashboard.open("/containers")
        dashboard.act("batch-0-0", "Remove")
        expect(dashboard.page.get_by_role("alertdialog")).to_be_visible()
        assert dashboard.violations() == []


@pytest.mark.parametrize("scene", ["no-quorum", "empty"])
def test_axe_finds_nothing_when_things_are_not_as_usual(chromium: Browser, scene: str) -> None:
    with opened(chromium, scene) as dashboard:
        dashboard.enter()

        assert dashboard.violations() == []


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_nothing_needs_sideways_scrolling(chromium: Browser, width: int) -> None:
    with opened(chromium, "lost", size=(width, 800)) as dashboard:
        dashboard.enter()

        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert dashboard.page.evaluate(overflow) == 0


def test_the_first_load_is_small_and_asks_nobody_else(dashboard: Dashboard, built_dashboard: Path) -> None:
    dashboard.enter()
    dashboard.page.wait_for_load_state("networkidle")

    strangers = [each.url for each in dashboard.responses if not each.url.startswith(dashboard.address)]
    assert strangers == []
    # What is below the hosts comes while those are shown already, the charts included.
    page = built_dashboard.joinpath("index.html").read_text()
    first = [each for each in dashboard.responses if each.url.rsplit("/", 1)[-1] in page]
    assert {"js", "css"} <= {each.url.rsplit(".", 1)[-1] for each in first}
    assert len(first) <= FIRST_LOAD_REQUESTS_MAX, first
    assert sizes_of(first) <= FIRST_LOAD_BYTES_MAX
    files = [each for each in dashboard.responses if "/api/" not in each.url]
    assert len(files) <= OVERVIEW_REQUESTS_MAX, files
    assert sizes_of(files) <= OVERVIEW_BYTES_MAX
    # The refusals of a session that is not there yet are the only complaints: no policy was offended.
    assert [each for each in dashboard.complaints if "401" not in each] == []

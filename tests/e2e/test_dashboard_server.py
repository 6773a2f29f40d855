"""The dashboard on the product's own web server: its login, cookies and policies, its live connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from cluster.commands.access import RemoveUser
from cluster.commands.nodes import SetNodeDraining
from cluster.model.access import Role
from cluster.model.ids import NodeId, PrincipalId
from cluster.model.inventory import ContainerAction, HostLive, LiveSeries
from cluster.model.log_history import FollowedLines, LogSource
from tests.e2e.dashboard import goto, is_complaint
from tests.e2e.world_server import Serving, serving
from tests.support.memory_logs import MemoryLogs
from tests.support.state_builders import a_service
from tests.support.web_fakes import PASSWORD, WebWorld, a_container, a_web_world, put_containers
from web.tools.pace import Pace

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUICK = Pace(coalesce_s=0.05, containers_s=0.2, metrics_s=0.2)
SLOT_MS = 10_000


def a_populated_world() -> WebWorld:
    world = a_web_world()
    now_ms = world.clock.now_ms()
    for name, role in (("ada", Role.ADMIN), ("vera", Role.VIEWER)):
        world.add_user(name, role)
    world.state.must(a_service("shop.web", replicas=2))
    logs = world.logs = MemoryLogs(now_us=now_ms * 1000)
    for number in (1, 2, 3):
        web_container = a_container(
            f"shop-web-{number}", project="shop", service="web", cpu_percent=3.0, memory_bytes=64 * 1024**2
        )
        put_containers(world, f"nd_{number}", web_container)
        put_cpu(world, f"nd_{number}", 10.0 * number, now_ms)
        source = LogSource(
            container_id=web_container.id,
            name=web_container.name,
            image=web_container.image,
            project="shop",
            service="web",
            is_own_word=True,
        )
        logs.keep(f"nd_{number}", source, (now_ms * 1000 - 1_000_000, "listening on 8080"))
    return world


def put_cpu(world: WebWorld, node_id: str, percent: float, now_ms: int) -> None:
    """Have a host's last two samples say `percent`."""
    world.hosts.numbers[node_id] = HostLive(
        node_id=NodeId(node_id),
        times_ms=(now_ms - SLOT_MS, now_ms),
        series=(LiveSeries(subject="host", metric="cpu_percent", values=(percent, percent)),),
    )


@asynccontextmanager
async def populated() -> AsyncIterator[WebWorld]:
    yield a_populated_world()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(populated, tmp_path, pace=QUICK) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, server: Serving) -> Iterator[Page]:
    # Nobody has told this browser of the cluster's CA.
    context = chromium.new_context(ignore_https_errors=True, reduced_motion="reduce")
    page = context.new_page()
    page.on("pageerror", lambda error: server.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            server.complaints.append(message.text)
            if message.type == "error" and is_complaint(message)
            else None
        ),
    )
    yield page
    context.close()


def enter(page: Page, server: Serving, name: str = "ada", path: str = "/") -> None:
    goto(page, server.address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#content")).to_contain_text("shop-web-1")
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


def test_the_overview_is_live(page: Page, server: Serving) -> None:
    enter(page, server)
    hosts = page.get_by_role("region", name="Hosts")
    card = hosts.get_by_role("listitem").filter(has=page.get_by_role("heading", name="h2", exact=True))
    expect(card).to_contain_text("20 %")
    expect(page.get_by_role("region", name="Services")).to_contain_text("shop/web")

    server.change(lambda world: put_cpu(world, "nd_2", 77.0, world.clock.now_ms() + SLOT_MS))
    # What is asked of hosts is kept for two seconds of the clock.
    server.pass_time(3)
    expect(card).to_contain_text("77 %")

    server.change(lambda world: world.state.must(SetNodeDraining(node_id=NodeId("nd_2"), is_draining=True)))
    expect(card).to_contain_text("draining")

    server.change(lambda world: put_containers(world, "nd_2", a_container("newcomer")))
    containers = page.get_by_role("region", name="Containers")
    expect(containers).to_contain_text("newcomer")
    expect(containers).not_to_contain_text("shop-web-2")
    assert [each for each in server.complaints if "401" not in each] == []


def test_a_restart_reaches_the_host_with_the_person_behind_it(page: Page, server: Serving) -> None:
    enter(page, server, path="/containers")
    page.get_by_role("button", name="Actions for shop-web-3").click()
    page.get_by_role("menuitem", name="Restart").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Restart").click()

    expect(page.get_by_role("region", name="Notices")).to_contain_text("Restarted shop-web-3 on h3")
    [(node_id, _, action, _, caller)] = server.world.hosts.acted
    assert (node_id, action, caller.name) == ("nd_3", ContainerAction.RESTART, "ada")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("region", name="Recent changes")).to_contain_text(
        "ada restarted container h3/shop-web-3"
    )


def write(server: Serving, *texts: str) -> None:
    """Have shop-web-1 write lines, now."""

    def put(world: WebWorld) -> None:
        assert isinstance(world.logs, MemoryLogs)
        (source,) = world.logs.sources["nd_1"].values()
        first = len(world.logs.lines["nd_1"])
        now_us = world.clock.now_ms() * 1000
        world.logs.keep("nd_1", source, *((now_us + first + n, text) for n, text in enumerate(texts)))
        world.logs.coming.put_nowait(FollowedLines(lines=tuple(world.logs.lines["nd_1"][first:])))

    server.change(put)


def test_logs_are_followed_and_reading_back_is_not_disturbed(page: Page, server: Serving) -> None:
    write(server, *(f"GET /products/{number}" for number in range(200)))
    enter(page, server, "vera", "/containers")
    page.get_by_role("button", name="Logs of shop-web-1").click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("GET /products/199")

    write(server, "\x1b[31mthe disk is on fire\x1b[0m", "<img src=x onerror=alert(1)>")
    expect(log.get_by_text("the disk is on fire")).to_be_in_viewport()
    expect(log).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("[role=log] img").count() == 0

    log.hover()
    page.mouse.wheel(0, -2_000)
    expect(log.get_by_text("the disk is on fire")).not_to_be_in_viewport()
    write(server, "line of later 0", "line of later 1")
    page.get_by_role("button", name="2 new lines").click()
    expect(log.get_by_text("line of later 1")).to_be_in_viewport()

    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Everything, as text").click()
    assert "listening on 8080" in download.value.path().read_text()
    assert [each for each in server.complaints if "401" not in each] == []


def test_a_session_outlives_its_access_token_and_ends_at_the_logout(page: Page, server: Serving) -> None:
    enter(page, server)
    cookies = page.context.cookies()
    page.context.clear_cookies(name="__Host-tower_access")
    page.reload()
    expect(page.locator("#content")).to_contain_text("shop-web-1")

    page.get_by_role("button", name="Account of ada").click()
    page.get_by_role("menuitem", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    # What was copied before the logout is worth nothing after it.
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_somebody_whose_account_goes_is_led_to_the_login(page: Page, server: Serving) -> None:
    enter(page, server, "vera")
    server.change(lambda world: world.state.must(RemoveUser(principal_id=PrincipalId("us_vera"))))

    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=15_000)


def test_what_is_typed_before_the_palette_is_there_is_in_it(page: Page, server: Serving) -> None:
    held: list[Route] = []
    page.route("**/palette-window*.js", lambda route: held.append(route))
    enter(page, server, "vera", "/")
    page.keyboard.press("Control+k")
    page.keyboard.type("gchosx")
    page.keyboard.press("Backspace")
    for route in held:
        route.continue_()

    expect(page.get_by_role("combobox")).to_have_value("gchos")
    page.keyboard.type("t")
    expect(page.get_by_role("combobox")).to_have_value("gchost")
    assert (urlsplit(page.url).path, len(held)) == ("/", 1)

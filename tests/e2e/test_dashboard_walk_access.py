"""Logging in, permissions, alerts, the audit and certificates, as people meet them on three real hosts."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from agent.cli.client import Client, Target
from agent.cli.failures import CommandFailed
from agent.clock import SystemClock
from cluster.identity.one_time_codes import code_at, step_of
from tests.e2e.dashboard import goto, violations_of
from tests.e2e.walked_shop import (
    LOADED_MAX_MS,
    Walker,
    arriving,
    client_of,
    session,
    shop,
    walker,
    walking,
)
from tests.support.certificate_chains import Chain, a_chain
from tests.support.lab import Host, url_of
from tests.support.shop import Shop

__all__ = ["session", "shop", "walker"]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard"), pytest.mark.timeout(300)]

PASSWORD = "seven quiet owls adrift"
ALERT_MAX_MS = 90_000


def add_account(shop: Shop, name: str, role: str = "operator") -> None:
    client_of(shop).post("/users", {"name": name, "password": PASSWORD, "role": role})


def window(page: Page, title: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("dialog", name=title)


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("listitem").filter(has_text=text)


# ---- what has no address of its own, or shares one


def replica_of(shop: Shop) -> str:
    """The page of a container of the app."""
    containers = client_of(shop).get("/containers")["items"]
    found = next(each for each in containers if each["name"].startswith("tower-shop.web-"))
    return f"/containers/{found['node_id']}/{found['id']}"


@pytest.mark.parametrize(
    "tab", ["logs", "processes", "files", "terminal", "environment", "inspect", "settings"]
)
def test_each_part_of_a_container_is_clean(shop: Shop, walker: Walker, tab: str) -> None:
    walker.open(f"{replica_of(shop)}?tab={tab}")
    walker.check_look(f"container-{tab}")


@pytest.mark.parametrize(
    "path",
    [
        "/access?tab=permissions",
        "/access?tab=tokens",
        "/access?tab=explain&action=container.restart",
        "/no-such-page",
    ],
)
def test_each_part_of_a_page_is_clean(walker: Walker, path: str) -> None:
    goto(walker.page, walker.address + path)
    expect(walker.page.get_by_role("heading", level=1)).to_be_visible(timeout=LOADED_MAX_MS)
    expect(walker.page.locator(".animate-breathe")).to_have_count(0, timeout=LOADED_MAX_MS)
    walker.check_look(re.sub(r"\W+", "-", path).strip("-"))


def keys(*pressed: str) -> Callable[[Walker], None]:
    def open_it(walker: Walker) -> None:
        for key in pressed:
            walker.page.keyboard.press(key)

    return open_it


def button(name: str) -> Callable[[Walker], None]:
    return lambda walker: walker.page.get_by_role("button", name=name, exact=True).first.click()


def menu(name: str, item: str) -> Callable[[Walker], None]:
    return lambda walker: walker.act(name, item)


WINDOWS = {
    "/": {
        "palette": keys("Control+k"),
        "palette-found": keys("Control+k", *"web-1-0"),
        "palette-nothing": keys("Control+k", *"zzz"),
        "shortcuts": keys("?"),
        "account-menu": button("Account of admin"),
    },
    "/cluster": {
        "host-menu": button("Actions for h2"),
        "host": button("h2"),
        "host-drain": menu("h2", "Drain"),
        "host-maintenance": menu("h2", "Maintenance"),
        "host-labels": menu("h2", "Labels"),
        "host-remove": menu("h2", "Remove"),
    },
    "/access": {
        "user-role": menu("admin", "Role of admin"),
        "user-password": menu("admin", "Set a password"),
    },
    "/settings": {"provider": button("Add a provider")},
}


@pytest.mark.parametrize("path", WINDOWS)
def test_windows_and_menus_are_clean(walker: Walker, path: str) -> None:
    walker.open(path)
    opened = walker.page.locator("[role$=dialog], [role=menu]")
    for name, open_it in WINDOWS[path].items():
        open_it(walker)
        expect(opened).to_be_visible()
        expect(opened.locator(".animate-breathe")).to_have_count(0, timeout=LOADED_MAX_MS)
        walker.check_look(f"window-{name}")
        walker.page.keyboard.press("Escape")
        expect(opened).to_have_count(0)


def test_the_pages_are_in_a_drawer_on_a_phone(walker: Walker) -> None:
    walker.resize("phone", "light")
    walker.open("/")
    walker.page.get_by_role("button", name="Open the list of pages").click()
    drawer = walker.page.get_by_role("dialog")
    expect(drawer.get_by_role("link", name="Audit")).to_be_visible()
    assert violations_of(walker.page) == []
    walker.resize("phone", "dark")
    assert violations_of(walker.page) == []
    drawer.get_by_role("link", name="Audit").click()
    expect(drawer).to_have_count(0)
    expect(walker.page.get_by_role("heading", level=1)).to_have_text("Audit")


# ---- logging in


def log_out(walker: Walker, name: str) -> None:
    page = walker.page
    page.get_by_role("button", name=f"Account of {name}").click()
    page.get_by_role("menuitem", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    # The page that is left may have asked for something when its login was over already.
    page.evaluate("null")
    walker.complaints = [each for each in walker.complaints if "status of 401" not in each]


def is_in(page: Page) -> None:
    expect(page.locator("#content h1")).to_be_visible(timeout=LOADED_MAX_MS)


class Authenticator:
    """An app that knows the secret on the page, and gives no code twice."""

    def __init__(self, page: Page) -> None:
        text = page.locator("code").inner_text().replace(" ", "")
        self._secret = base64.b32decode(text + "=" * (-len(text) % 8))
        self._given = 0

    def code(self) -> str:
        self._given = max(step_of(SystemClock().now_ms()), self._given + 1)
        return code_at(self._secret, self._given)


def test_a_wrong_password_and_a_used_setup_link_are_said_in_place(chromium: Browser, shop: Shop) -> None:
    with arriving(chromium, shop) as stranger:
        page = stranger.page
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        stranger.check_look("login")
        stranger.log_in("admin", "wrong")
        expect(page.get_by_role("alert")).to_contain_text("name or the password is wrong")
        stranger.check_look("login-wrong")
        stranger.take_refusal(401)

        goto(page, f"{stranger.address}/setup#token=used-up")
        page.get_by_label("Name").fill("eve")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(f"{PASSWORD}!")
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_text("The two passwords differ.")).to_be_visible()
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("alert")).to_be_visible()
        stranger.check_look("setup")
        stranger.take_refusal(403)
        assert stranger.complaints == []


def test_a_second_factor_is_turned_on_asked_for_and_replaced_by_a_recovery_code(
    chromium: Browser, shop: Shop
) -> None:
    add_account(shop, "tess")
    with walking(chromium, shop, name="tess", password=PASSWORD) as tess:
        page = tess.page
        tess.open("/account")
        page.get_by_role("button", name="Turn on").click()
        opened = window(page, "Turn on the second factor")
        opened.get_by_label("Password").fill("not mine")
        opened.get_by_role("button", name="Next").click()
        expect(opened.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
        tess.check_look("factor-password")
        tess.take_refusal(422)
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Next").click()
        expect(opened.get_by_role("img", name="QR code")).to_be_visible()
        app = Authenticator(page)
        opened.get_by_role("textbox", name="Code").fill("000000")
        opened.get_by_role("button", name="Confirm and turn on").click()
        expect(opened.get_by_role("textbox", name="Code")).to_have_attribute("aria-invalid", "true")
        tess.check_look("factor-code")
        tess.take_refusal(422)
        opened.get_by_role("textbox", name="Code").fill(app.code())
        opened.get_by_role("button", name="Confirm and turn on").click()
        codes = window(page, "Keep your recovery codes")
        expect(codes.get_by_role("listitem")).to_have_count(10)
        recovery = codes.get_by_role("listitem").all_inner_texts()
        tess.check_look("factor-recovery")
        codes.get_by_label("I have kept them somewhere safe").check()
        codes.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("region", name="Second factor")).to_contain_text("10 recovery codes are left")

        log_out(tess, "tess")
        tess.log_in("tess", PASSWORD)
        expect(page.get_by_role("heading", name="Enter a code")).to_be_visible()
        page.get_by_role("textbox", name="Code").fill("000000")
        page.get_by_role("button", name="Verify and log in").click()
        expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
        tess.check_look("login-code")
        tess.take_refusal(401)
        page.get_by_role("textbox", name="Code").fill(app.code())
        page.get_by_role("button", name="Verify and log in").click()
        is_in(page)

        log_out(tess, "tess")
        tess.log_in("tess", PASSWORD)
        page.get_by_role("button", name="Use a recovery code instead").click()
        page.get_by_label("Recovery code").fill(recovery[0])
        page.get_by_role("button", name="Verify and log in").click()
        is_in(page)
        tess.open("/account")
        expect(page.get_by_role("region", name="Second factor")).to_contain_text("9 recovery codes are left")
        assert tess.complaints == []


def test_whoever_lacks_a_second_factor_that_is_required_gets_one_at_the_login(
    chromium: Browser, shop: Shop, walker: Walker
) -> None:
    add_account(shop, "finn", "viewer")
    page = walker.page
    walker.open("/settings")
    page.get_by_label("Authenticator codes").select_option("everyone")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(walker.notices).to_contain_text("saved for the whole cluster")
    try:
        with arriving(chromium, shop) as finn:
            finn.log_in("finn", PASSWORD)
            expect(finn.page.get_by_role("heading", name="A second factor is needed")).to_be_visible()
            finn.check_look("login-enrol")
            finn.page.get_by_role("textbox", name="Code").fill(Authenticator(finn.page).code())
            finn.page.get_by_role("button", name="Verify and log in").click()
            expect(finn.page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
            finn.check_look("login-recovery")
            finn.page.get_by_label("I have kept them somewhere safe").check()
            finn.page.get_by_role("button", name="Go on").click()
            is_in(finn.page)
            assert finn.complaints == []
    finally:
        page.get_by_role("button", name="Back to the default").first.click()
        expect(page.get_by_label("Authenticator codes")).to_have_value("optional")


def test_a_login_that_is_ended_elsewhere_is_led_to_the_login_page(chromium: Browser, shop: Shop) -> None:
    add_account(shop, "sven")
    with (
        walking(chromium, shop, name="sven", password=PASSWORD) as here,
        walking(chromium, shop, name="sven", password=PASSWORD) as there,
    ):
        page = here.page
        here.open("/account")
        logins = page.get_by_role("region", name="Logins")
        expect(logins).to_contain_text("2 active")
        logins.get_by_role("button", name="End", exact=True).click()
        here.check_look("session-end")
        here.confirm("End")
        expect(here.notices).to_contain_text("1 login ended")
        expect(logins).to_contain_text("1 active")

        goto(there.page, f"{there.address}/containers")
        expect(there.page.get_by_role("heading", name="Log in")).to_be_visible(timeout=LOADED_MAX_MS)
        assert here.complaints == []


def test_a_token_that_was_made_is_shown_once_works_and_can_be_revoked(chromium: Browser, shop: Shop) -> None:
    add_account(shop, "toby")
    with walking(chromium, shop, name="toby", password=PASSWORD) as toby:
        page = toby.page
        toby.open("/account")
        page.get_by_role("button", name="Make a token").click()
        opened = window(page, "Make an API token")
        opened.get_by_label("Name").fill("ci")
        opened.get_by_label("Role", exact=True).select_option("viewer")
        toby.check_look("token-make")
        opened.get_by_role("button", name="Make", exact=True).click()
        expect(opened).to_contain_text("The token is shown this once.")
        toby.check_look("token-made")
        token = opened.locator("code").first.inner_text()
        opened.get_by_role("button", name="Done").click()

        program = Client(
            Target(
                servers=tuple(url_of(host) for host in shop.agents.hosts),
                ca_pem=shop.agents.ca_pem,
                access_token=token,
            )
        )
        assert len(program.get("/nodes")["items"]) == 3
        with pytest.raises(CommandFailed, match="viewer"):
            program.post("/cluster/transfer", {"node_id": "h1"})

        page.get_by_role("button", name="Revoke").click()
        toby.check_look("token-revoke")
        toby.confirm("Revoke")
        expect(toby.notices).to_contain_text("Token revoked")
        with pytest.raises(CommandFailed):
            program.get("/nodes")
        toby.open("/account")
        toby.check_look("account")
        assert toby.complaints == []


# ---- permissions


def test_a_role_that_is_bound_to_one_container_shows_that_and_nothing_else(
    chromium: Browser, shop: Shop, walker: Walker
) -> None:
    containers = client_of(shop).get("/containers")["items"]
    own, other = sorted(each["name"] for each in containers if each["name"].startswith("tower-shop.web-"))[:2]
    page = walker.page
    walker.open("/access?tab=permissions")
    page.get_by_role("button", name="Make a role").click()
    role = window(page, "Make a role")
    role.get_by_label("Name").fill("restarter")
    role.get_by_label("Allow").fill("container.read, container.reboot")
    expect(role.get_by_text("container.reboot is no action")).to_be_visible()
    walker.check_look("role-wrong")
    role.get_by_label("Allow").fill("container.read, container.restart, container.logs, node.read")
    role.get_by_role("button", name="Save").click()
    expect(walker.notices).to_contain_text("Role restarter is kept")

    walker.open("/access")
    page.get_by_role("button", name="Add an account").click()
    account = window(page, "Add an account")
    account.get_by_label("Name", exact=True).fill("admin")
    account.get_by_label("none").check()
    account.get_by_label("Password").fill(PASSWORD)
    account.get_by_role("button", name="Add", exact=True).click()
    expect(account.get_by_role("alert")).to_be_visible()
    walker.check_look("user-wrong")
    walker.take_refusal(409)
    account.get_by_label("Name", exact=True).fill("sara")
    account.get_by_role("button", name="Add", exact=True).click()
    expect(walker.notices).to_contain_text("sara may log in")

    page.get_by_role("button", name="Actions for sara").click()
    page.get_by_role("menuitem", name="Bind a role").click()
    binding = window(page, "Bind a role")
    binding.get_by_label("Role").select_option("restarter")
    binding.get_by_role("button", name="More constraints").click()
    binding.get_by_label("Containers").fill(own)
    expect(binding.get_by_role("region", name="What this lets one see")).to_contain_text("1 of 3 containers")
    walker.check_look("binding")
    binding.get_by_role("button", name="Bind", exact=True).click()
    expect(walker.notices).to_contain_text("Bound to sara")

    with walking(chromium, shop, name="sara", password=PASSWORD) as sara:
        theirs = sara.page
        expect(theirs).to_have_url(re.compile("/containers$"))
        expect(theirs.get_by_role("rowheader")).to_have_text([own])
        expect(theirs.get_by_role("link", name="Overview")).to_have_count(0)
        sara.check_look("scoped")
        sara.act(own, "Restart")
        sara.confirm("Restart")
        expect(sara.notices).to_contain_text(f"Restarted {own}", timeout=LOADED_MAX_MS)
        theirs.keyboard.press("Control+k")
        expect(theirs.get_by_role("option", name="Containers")).to_be_visible()
        theirs.keyboard.press("Escape")
        assert sara.complaints == []

        hidden = next(each for each in containers if each["name"] == other)
        sara.open(f"/containers/{hidden['node_id']}/{hidden['id']}")
        expect(theirs.locator("#content")).to_contain_text("There is no such container")
        assert sara.complaints == []
        sara.open("/audit")
        expect(theirs.locator("#content")).to_contain_text("Not for your role")
        sara.check_look("forbidden")
        sara.take_refusal(403)
        assert sara.complaints == []


# ---- alerts


def test_a_rule_is_rehearsed_fires_on_a_real_container_and_is_looked_after(
    shop: Shop, walker: Walker
) -> None:
    page = walker.page
    walker.open("/alerts?tab=rules&rule=")
    sheet = window(page, "New rule")
    sheet.get_by_label("Name", exact=True).fill("walk-memory")
    sheet.get_by_label("What it is about").fill("the app holds memory")
    sheet.get_by_label("Metric").select_option("memory_bytes")
    sheet.get_by_label("Value").fill("much")
    sheet.get_by_label("Step", exact=True).fill("10s")
    sheet.get_by_label("For at least").fill("0s")
    sheet.get_by_label("Services").fill("shop.web")
    expect(sheet.get_by_text("A number", exact=True)).to_be_visible()
    walker.check_look("rule-wrong")
    sheet.get_by_label("Value").fill("1")
    sheet.get_by_role("button", name="Try it on the last 7 days").click()
    expect(sheet).to_contain_text(re.compile("would have fired"), timeout=LOADED_MAX_MS)
    sheet.get_by_role("button", name="Save").click()
    expect(walker.notices).to_contain_text("The rule walk-memory is in force")

    # What is looked at meanwhile is clean: the cluster looks at numbers twice a minute.
    walker.check_look("alert-rules")
    walker.open("/alerts?tab=silences")
    page.get_by_role("button", name="New silence").click()
    page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    expect(page.get_by_role("dialog")).to_contain_text("Say why")
    walker.check_look("silence")

    walker.open("/alerts")
    alerts = page.get_by_role("listitem").filter(has_text="walk-memory")
    expect(alerts).to_have_count(3, timeout=ALERT_MAX_MS)
    alerts.first.get_by_role("button", name="Acknowledge").click()
    taking = page.get_by_role("dialog")
    taking.get_by_label("What is done about it").fill("it may")
    walker.check_look("alert-acknowledge")
    taking.get_by_role("button", name="Acknowledge").click()
    expect(alerts.filter(has_text="admin looks after it")).to_have_count(1)
    alerts.filter(has_text="firing").first.get_by_role("button", name="Silence").click()
    silencing = window(page, "Have nobody told")
    silencing.get_by_label("Of what").select_option(label="everything of the rule walk-memory")
    silencing.get_by_label("Why").fill("it is a test")
    silencing.get_by_role("button", name="Silence").click()
    expect(walker.notices).to_contain_text("Nobody is told of it")
    expect(alerts.filter(has_text="silenced")).not_to_have_count(0)
    walker.check_look("alerts-open")

    walker.open("/alerts?tab=silences")
    expect(row(page, "it is a test")).to_contain_text("in force")
    walker.check_look("alert-silences")
    row(page, "it is a test").get_by_role("button", name="End it").click()
    walker.confirm("End it")
    expect(row(page, "it is a test")).to_have_count(0)
    walker.open("/alerts?tab=rules&rule=walk-memory")
    window(page, "walk-memory").get_by_role("button", name="Remove").click()
    walker.confirm("Remove")
    expect(walker.notices).to_contain_text("The rule walk-memory is gone")
    walker.open("/alerts?tab=past")
    expect(row(page, "walk-memory")).to_have_count(3, timeout=LOADED_MAX_MS)
    walker.check_look("alert-history")


# ---- the audit


def test_the_audit_is_filtered_opened_checked_and_taken_along(shop: Shop, walker: Walker) -> None:
    page = walker.page
    walker.open("/audit?action=node.")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("region", name="Integrity")).to_contain_text("whole and unchanged")
    page.get_by_label("Action", exact=True).fill("service.deploy")
    expect(page).to_have_url(re.compile("action=service.deploy"))
    entries = page.get_by_role("row").filter(has_text="service.deploy")
    expect(entries).to_have_count(1)
    walker.check_look("audit-filtered")
    entries.get_by_role("button").click()
    sheet = window(page, re.compile("Entry"))
    expect(sheet).to_contain_text("shop.web")
    walker.check_look("audit-entry")
    sheet.get_by_role("button", name="All on this").click()
    expect(page).to_have_url(re.compile("resource=service"))

    page.get_by_role("button", name="Download").click()
    with page.expect_download() as downloading:
        page.get_by_role("menuitem", name="CSV").click()
    with open(downloading.value.path()) as file:
        head, *lines = file.read().splitlines()
    assert "action" in head
    assert any("service.deploy" in line and "shop.web" in line for line in lines)

    page.get_by_role("button", name="Clear the filters").click()
    expect(page).to_have_url(re.compile("/audit$"))
    expect(page.get_by_role("textbox", name="Action", exact=True)).to_have_value("")
    expect(page.get_by_role("row")).not_to_have_count(2)


# ---- certificates, hosts and the way things look


def is_served(host: Host, chain: Chain, name: str) -> bool:
    """Whether who trusts this chain's authority alone connects by that name."""
    context = ssl.create_default_context(cadata=chain.root)
    try:
        with (
            socket.create_connection((host.ip, 7443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


def test_a_certificate_of_ones_own_is_served_by_every_host_at_once(shop: Shop, walker: Walker) -> None:
    name = "tower.walk.test"
    chain = a_chain(name, now_ms=SystemClock().now_ms())
    other = a_chain(name, now_ms=SystemClock().now_ms())
    page = walker.page
    walker.open("/settings")
    certificates = page.get_by_role("region", name="Certificates of the dashboard")
    certificates.get_by_role("button", name="Add a certificate").click()
    opened = window(page, "Add a certificate")
    opened.get_by_label("Name").fill("front")
    opened.get_by_label("Certificate and chain").fill(chain.served)
    opened.get_by_label("Private key").fill(other.key)
    opened.get_by_role("button", name="Serve it").click()
    expect(opened.get_by_label("Private key")).to_have_attribute("aria-invalid", "true")
    walker.check_look("certificate-wrong")
    walker.take_refusal(422)
    opened.get_by_label("Private key").fill(chain.key)
    opened.get_by_role("button", name="Serve it").click()
    expect(row(page, name)).to_contain_text("served")
    hosts = shop.agents.hosts
    shop.agents.wait("every host serves it", lambda: all(is_served(each, chain, name) for each in hosts))
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()

    row(page, name).get_by_role("button", name="Remove").click()
    walker.check_look("certificate-remove")
    walker.confirm("Remove")
    expect(certificates).to_contain_text("own certificates are served")
    shop.agents.wait("none serves it", lambda: not any(is_served(each, chain, name) for each in hosts))


def test_the_command_for_a_new_host_is_copied_with_one_press(walker: Walker) -> None:
    page = walker.page
    walker.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=walker.address)
    walker.open("/cluster?add=true")
    page.get_by_role("dialog").get_by_role("button", name="Make the command").click()
    made = window(page, "Run this on the new host")
    made.get_by_role("button", name="Copy").click()
    expect(made.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    walker.check_look("join-command")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == made.locator("code").inner_text()
    assert re.fullmatch(r"tower join \S+:7443 --token \S{20,}", copied)
    made.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Revoke").first.click()
    walker.confirm("Revoke")
    expect(walker.notices).to_contain_text("Join token revoked")


FRAMES = """
(() => {
    window.framesSeen = new Set();
    const look = () => {
        const { backgroundColor } = getComputedStyle(document.documentElement);
        window.framesSeen.add(`${document.documentElement.lang} ${backgroundColor}`);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()
"""


def test_a_chosen_language_and_theme_are_there_from_the_first_frame(chromium: Browser, shop: Shop) -> None:
    add_account(shop, "ida", "viewer")
    with walking(chromium, shop, name="ida", password=PASSWORD) as ida:
        page = ida.page
        page.add_init_script(FRAMES)
        ida.open("/account")
        [light] = page.evaluate("[...framesSeen]")
        page.get_by_role("radio", name="Dark").check(force=True)
        page.get_by_role("radio", name="Italiano").check(force=True)
        expect(page.get_by_role("heading", level=1)).to_have_text("Il proprio account")
        ida.open("/account")
        [dark] = page.evaluate("[...framesSeen]")
        assert light.startswith("en ")
        assert dark.startswith("it ")
        assert light[3:] != dark[3:]

        page.get_by_role("radio", name="English").check(force=True)
        page.get_by_role("radio", name="As the system").check(force=True)
        ida.open("/account")
        assert page.evaluate("[...framesSeen]") == [light]
        assert ida.complaints == []

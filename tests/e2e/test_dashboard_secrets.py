"""Secrets and configs in the dashboard, on the product's own server: a value goes in and never comes out."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from cluster.commands.secrets import PutFile
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import open_content, seal_secret
from cluster.model.access import Role
from cluster.model.secrets import FileKind
from cluster.model.service import FileReference
from cluster.store import records
from tests.e2e.dashboard import goto, violations_of
from tests.e2e.world_server import Serving, serving
from tests.support.deployments import deployed
from tests.support.state_builders import a_spec
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world
from web.tools.pace import Pace

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("built_dashboard")]

QUICK = Pace(coalesce_s=0.05, containers_s=0.2, metrics_s=0.2)
VALUE = "sk_live_51Hd8-a-value-nobody-may-see"
FIRST = "listen 8080;\nroot /srv;\nworkers 2;\n"
SECOND = "listen 8080;\nroot /srv;\nworkers 4;\n"


def a_world() -> WebWorld:
    """A service that has the first version of a secret; a config of two versions; people of every role."""
    world = a_web_world()
    for name, role in (("ada", Role.ADMIN), ("otto", Role.OPERATOR), ("vera", Role.VIEWER)):
        world.add_user(name, role)
    put_secret(world, "db-password", 1)
    reference = FileReference(source="db-password", version=1, target="/run/secrets/db-password")
    deployed(world, "nd_1", service="shop.api", spec=a_spec(secrets=(reference,)))
    put_secret(world, "db-password", 2)
    for version, content in enumerate((FIRST, SECOND), start=1):
        world.state.must(
            PutFile(
                kind=FileKind.CONFIG,
                name="nginx.conf",
                version=version,
                content=content.encode(),
                created_by="ada",
            )
        )
    return world


def put_secret(world: WebWorld, name: str, version: int) -> None:
    content = seal_secret(
        f"the {version}. value".encode(),
        world.cluster.keyring(),
        name=name,
        environment="",
        version=version,
        nonce=bytes(NONCE_BYTES),
    )
    world.state.must(
        PutFile(kind=FileKind.SECRET, name=name, version=version, content=content, created_by="ada")
    )


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


def enter(page: Page, server: Serving, path: str = "/secrets", *, name: str = "ada") -> None:
    goto(page, server.address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Secrets and configs", timeout=20_000)


def kept(server: Serving, name: str, version: int) -> bytes:
    """A secret's value, as containers get it."""
    with server.world.state.read() as txn:
        content = records.FILE_CONTENTS.get(txn, "secret", "", name, version)
    assert content is not None
    return open_content(content, server.world.cluster.keyring())


def test_a_secret_says_who_has_which_version_and_takes_a_value_that_never_comes_out(
    page: Page, server: Serving
) -> None:
    answers: list[str] = []
    enter(page, server)
    page.on("response", lambda response: answers.append(response.url + response.text()))
    row = page.get_by_role("listitem").filter(has_text="db-password")
    expect(row).to_contain_text("shop.api (version 1)")
    expect(row).to_contain_text("deploy again to give the newest")
    assert violations_of(page) == []

    row.get_by_role("button", name="Actions for db-password").click()
    page.get_by_role("menuitem", name="New value").click()
    window = page.get_by_role("dialog", name="New version of db-password")
    window.get_by_label("Value", exact=True).fill(VALUE)
    assert violations_of(page) == []
    window.get_by_role("button", name="Keep it").click()

    expect(page.get_by_role("region", name="Notices")).to_contain_text("version 3 is kept")
    expect(page.get_by_role("region", name="Notices")).to_contain_text("shop.api got an earlier version")
    expect(row).to_contain_text("version 3")
    assert kept(server, "db-password", 3).decode() == VALUE
    encoded = base64.b64encode(VALUE.encode()).decode()
    assert [text for text in answers if VALUE in text or encoded in text] == []
    assert VALUE not in page.content()
    assert VALUE not in page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")
    recorded = " ".join(repr(entry) for entry in server.world.state.audit())
    assert "secret:db-password" in recorded
    assert VALUE not in recorded


def test_a_secret_is_made_of_a_file_byte_for_byte_or_by_the_cluster(page: Page, server: Serving) -> None:
    enter(page, server)
    content = bytes(range(256))
    page.get_by_role("button", name="New secret").click()
    window = page.get_by_role("dialog", name="New secret")
    window.get_by_label("Name").fill("tls-key")
    window.get_by_label("The value is").select_option(label="a file of this computer")
    window.get_by_label("File").set_input_files(
        {"name": "key.bin", "mimeType": "application/octet-stream", "buffer": content}
    )
    window.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("listitem").filter(has_text="tls-key")).to_contain_text("256 B")
    assert kept(server, "tls-key", 1) == content

    page.get_by_role("button", name="New secret").click()
    window.get_by_label("Name").fill("Not A Name!")
    window.get_by_label("The value is").select_option(label="made by the cluster")
    window.get_by_role("button", name="Keep it").click()
    expect(window.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    window.get_by_label("Name").fill("session-key")
    window.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("listitem").filter(has_text="session-key")).to_contain_text("version 1")
    assert len(kept(server, "session-key", 1)) == 43


def test_what_is_in_use_is_not_removed_and_what_is_not_goes(page: Page, server: Serving) -> None:
    server.change(lambda world: put_secret(world, "old-key", 1))
    enter(page, server)
    page.get_by_role("button", name="Actions for db-password").click()
    page.get_by_role("menuitem", name="Remove").click()
    window = page.get_by_role("dialog", name="db-password is in use")
    expect(window.get_by_role("listitem")).to_have_text("shop.api")
    expect(window.get_by_role("button", name="Remove")).to_have_count(0)
    assert violations_of(page) == []
    window.get_by_role("button", name="Close").last.click()

    page.get_by_role("button", name="Actions for old-key").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("alertdialog", name="Remove old-key?").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("listitem").filter(has_text="old-key")).to_have_count(0)


def test_a_config_is_read_compared_and_changed_with_its_difference_in_sight(
    page: Page, server: Serving
) -> None:
    enter(page, server, "/secrets?tab=configs")
    page.get_by_role("button", name="Open nginx.conf").click()
    sheet = page.get_by_role("dialog", name="nginx.conf")
    expect(sheet).to_contain_text("workers 4;")
    sheet.get_by_label("Compared with").select_option(index=1)
    difference = sheet.get_by_role("region", name="What changes")
    expect(difference.get_by_role("row").filter(has_text="gone:")).to_contain_text("workers 2;")
    expect(difference.get_by_role("row").filter(has_text="new:")).to_contain_text("workers 4;")
    assert violations_of(page) == []
    expect(page).to_have_url(re.compile(r"name=nginx\.conf"))
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Actions for nginx.conf").click()
    page.get_by_role("menuitem", name="New version").click()
    window = page.get_by_role("dialog", name="New version of nginx.conf")
    expect(window.get_by_label("Content")).to_have_value(SECOND)
    expect(window.get_by_role("button", name="Keep it")).to_be_disabled()
    window.get_by_label("Content").fill(SECOND.replace("4", "8"))
    expect(window.get_by_role("region", name="What changes")).to_contain_text("workers 8;")
    assert violations_of(page) == []
    window.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("listitem").filter(has_text="nginx.conf")).to_contain_text("version 3")


def test_who_may_only_look_sees_names_and_is_offered_nothing(page: Page, server: Serving) -> None:
    enter(page, server, name="vera")
    expect(page.get_by_role("listitem").filter(has_text="db-password")).to_be_visible()
    expect(page.get_by_role("button", name="New secret")).to_have_count(0)
    expect(page.get_by_role("button", name="Actions for db-password")).to_have_count(0)
    page.get_by_role("tab", name="Configs").click()
    expect(page.get_by_role("listitem").filter(has_text="nginx.conf")).to_be_visible()
    expect(page.get_by_role("button", name="Open nginx.conf")).to_have_count(0)


def test_what_is_not_there_not_allowed_or_not_answered_is_said(page: Page, server: Serving) -> None:
    said = {"status": 200, "title": "", "items": []}

    def answer(route: Route) -> None:
        problem = {"type": "x", "title": said["title"], "status": said["status"], "detail": "no such right"}
        body = {"items": [], "next_cursor": None} if said["status"] == 200 else problem
        route.fulfill(status=int(str(said["status"])), json=body)

    page.route("**/api/v1/secrets?*", answer)
    enter(page, server)
    expect(page.get_by_text("No secrets yet")).to_be_visible()
    assert violations_of(page) == []
    said.update(status=403, title="Not allowed")
    page.reload()
    expect(page.get_by_text("no such right")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    said.update(status=503, title="No leader")
    page.reload()
    expect(page.get_by_text("No leader")).to_be_visible(timeout=15_000)
    said.update(status=200)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No secrets yet")).to_be_visible()


def test_the_page_is_found_by_key_and_by_name_in_both_languages(page: Page, server: Serving) -> None:
    enter(page, server)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.keyboard.press("g")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_have_text("Secrets and configs")
    page.evaluate("localStorage.setItem('tower.language', 'it')")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Segreti e configurazioni")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert violations_of(page) == []

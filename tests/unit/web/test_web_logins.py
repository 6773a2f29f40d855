"""Logging in, staying logged in, and how a login ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from cluster.commands.access import (
    EndLogin,
    PutSetupToken,
    RemoveUser,
    RevokeApiToken,
    SetPassword,
    SetRole,
)
from cluster.identity.keyring import Keyring
from cluster.identity.setup_tokens import new_setup_token
from cluster.model.access import Role
from cluster.model.audit import AuditOutcome
from cluster.model.ids import PrincipalId
from cluster.raft.replicator import NotCommitted, ReadUnavailable
from cluster.store import records
from tests.support.identity_builders import NOW_MS, a_keyring, some_bytes
from tests.support.web_fakes import (
    ORIGIN,
    PASSWORD,
    PASSWORD_HASH,
    WebWorld,
    a_web_world,
    log_in,
    serving,
)

Client = TestClient[web.Request, web.Application]

MINUTE_S = 60.0
VERA = PrincipalId("us_vera")


def a_world(role: Role = Role.VIEWER) -> WebWorld:
    world = a_web_world()
    world.add_user("vera", role)
    return world


async def try_login(client: Client, name: str = "vera", password: str = PASSWORD) -> ClientResponse:
    return await client.post("/api/v1/auth/login", json={"name": name, "password": password, "mode": "token"})


class Browser:
    """Keeps the cookies of a login and sends them back as a browser on our page does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    async def log_in(self, name: str = "vera") -> ClientResponse:
        response = await self.send(
            "POST", "/auth/login", json={"name": name, "password": PASSWORD}, csrf=False
        )
        self.csrf = (await response.json())["csrf_token"]
        return response

    async def send(
        self, method: str, path: str, *, origin: str | None = ORIGIN, csrf: bool = True, **options: Any
    ) -> ClientResponse:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if origin is not None:
            headers["Origin"] = origin
        if csrf:
            headers["X-CSRF-Token"] = self.csrf
        response = await self._client.request(method, f"/api/v1{path}", headers=headers, **options)
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return response


# ---- names and passwords


async def test_a_wrong_password_and_an_unknown_name_are_answered_with_the_same_words() -> None:
    async with serving(a_world()) as client:
        wrong = await try_login(client, password="not the password at all")
        unknown = await try_login(client, name="nobody")
        answers = [await wrong.json(), await unknown.json()]
    assert wrong.status == unknown.status == 401
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ["VERA", "Vera"])
async def test_the_case_of_a_name_does_not_matter(name: str) -> None:
    async with serving(a_world()) as client:
        assert (await try_login(client, name=name)).status == 200


@pytest.mark.parametrize("name", ["\x00", "ve\x00ra", "é" * 20, "x" * 64, "'; --"])
async def test_a_strange_name_is_an_unknown_name(name: str) -> None:
    async with serving(a_world()) as client:
        assert (await try_login(client, name=name)).status == 401


async def test_after_too_many_failures_a_login_waits_even_with_the_right_password() -> None:
    world = a_world()
    async with serving(world) as client:
        statuses = [(await try_login(client, password="wrong " * 3)).status for _ in range(7)]
        refused = await try_login(client)
        await world.clock.advance(int(refused.headers["Retry-After"]))
        allowed = await try_login(client)
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == refused.status == 429
    assert allowed.status == 200


async def test_a_login_needs_a_quorum_and_says_so() -> None:
    world = a_world()
    world.state.failures.append(NotCommitted("no leader is known here"))
    async with serving(world) as client:
        response = await try_login(client)
        answer = await response.json()
    assert response.status == 503
    assert answer["type"] == "urn:tower:problem:not-committed"
    assert response.headers["Retry-After"] == "2"


async def test_before_there_is_any_account_nobody_is_told_that_their_password_is_wrong() -> None:
    async with serving(a_web_world()) as client:
        response = await try_login(client, name="admin")
        answer = await response.json()
    assert response.status == 503
    assert "no account yet" in answer["detail"]


async def test_an_account_this_node_has_not_applied_yet_can_log_in() -> None:
    world = a_web_world()
    world.state.before_linearizable = lambda: (
        None if world.state.knows("vera") else void(world.add_user("vera", Role.VIEWER))
    )
    async with serving(world) as client:
        assert (await try_login(client)).status == 200


def void(_: object) -> None:
    """For its effect."""


async def test_a_login_is_recorded_with_who_and_from_where() -> None:
    world = a_world()
    async with serving(world) as client:
        await log_in(client, "vera")
    entry = world.state.audit()[-1]
    assert entry.stamp.action == "account.start-login"
    assert (entry.stamp.principal_name, entry.stamp.ip) == ("vera", "127.0.0.1")
    assert entry.command == "start-login"
    assert entry.outcome is AuditOutcome.APPLIED


# ---- access tokens


async def test_an_access_token_works_for_ten_minutes() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "vera")
        await world.clock.advance(10 * MINUTE_S)
        in_time = await client.get("/api/v1/auth/me", headers=headers)
        await world.clock.advance(31)
        late = await client.get("/api/v1/auth/me", headers=headers)
        answer = await late.json()
    assert in_time.status == 200
    assert late.status == 401
    assert "expired" in answer["detail"]
    assert late.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "Basic dmVyYTp4",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "bearer a.b.c",
        "Bearer tower_x",
        f"Bearer {'x' * 5000}",
        "Bearer é",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
)
async def test_what_is_no_token_is_refused(header: str) -> None:
    async with serving(a_world()) as client:
        response = await client.get("/api/v1/auth/me", headers={"Authorization": header})
    assert response.status == 401


async def test_a_token_of_another_cluster_is_refused() -> None:
    ours, theirs = a_world(), a_world()
    theirs.cluster._keyring = a_keyring("theirs")
    async with serving(theirs) as client:
        headers = await log_in(client, "vera")
    async with serving(ours) as client:
        response = await client.get("/api/v1/auth/me", headers=headers)
    assert response.status == 401


async def test_after_the_cluster_key_was_changed_old_tokens_still_work() -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "vera")
        world.cluster._keyring = world.cluster._keyring.rotated(some_bytes("new key", 32))
        assert isinstance(world.cluster.keyring(), Keyring)
        response = await client.get("/api/v1/auth/me", headers=headers)
    assert response.status == 200


@pytest.mark.parametrize("change", ["role", "password", "removal", "logout"])
async def test_a_change_of_the_account_ends_access_with_the_next_request(change: str) -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "vera")
        assert (await client.get("/api/v1/nodes", headers=headers)).status == 200
        match change:
            case "role":
                world.state.must(SetRole(principal_id=VERA, role=Role.ADMIN))
            case "password":
                world.state.must(SetPassword(principal_id=VERA, password_hash=PASSWORD_HASH))
            case "removal":
                world.state.must(RemoveUser(principal_id=VERA))
            case _:
                assert (await client.post("/api/v1/auth/logout", headers=headers)).status == 204
        response = await client.get("/api/v1/nodes", headers=headers)
    assert response.status == 401


async def test_a_login_made_on_another_node_a_moment_ago_is_accepted_here() -> None:
    """The node has not applied the login yet; it asks the leader before it says no."""
    there, here = a_world(), a_world()
    async with serving(there) as client:
        headers = await log_in(client, "vera")
    login = next(command for command in there.state.proposed if type(command).__name__ == "StartLogin")
    applied: list[object] = []

    def catch_up() -> None:
        if not applied:
            applied.append(here.state.must(login))

    here.state.before_linearizable = catch_up
    async with serving(here) as client:
        response = await client.get("/api/v1/auth/me", headers=headers)
    assert response.status == 200
    assert applied


async def test_a_login_that_cannot_be_confirmed_is_neither_accepted_nor_denied() -> None:
    there, here = a_world(), a_world()
    async with serving(there) as client:
        headers = await log_in(client, "vera")
    here.state.read_failure = ReadUnavailable("no leader")
    async with serving(here) as client:
        response = await client.get("/api/v1/auth/me", headers=headers)
    assert response.status == 503


# ---- refresh tokens


async def a_session(client: Client) -> tuple[str, str]:
    answer = await (await try_login(client)).json()
    return answer["access_token"], answer["refresh_token"]


async def refresh(client: Client, token: str) -> ClientResponse:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def test_a_refresh_token_is_exchanged_for_new_ones() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        await world.clock.advance(11 * MINUTE_S)
        answer = await (await refresh(client, first)).json()
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        me = await client.get("/api/v1/auth/me", headers=headers)
    assert answer["refresh_token"] != first
    assert me.status == 200
    assert world.state.audit()[-1].stamp.action == "account.refresh-login"


async def test_a_lost_answer_is_given_again_within_half_a_minute() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        once = await (await refresh(client, first)).json()
        again = await (await refresh(client, first)).json()
    assert once["refresh_token"] == again["refresh_token"]


async def test_two_refreshes_at_once_have_one_successor() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(refresh(client, first)) for _ in range(4)]
        answers = [await task.result().json() for task in both]
    assert len({answer["refresh_token"] for answer in answers}) == 1


async def test_an_old_refresh_token_that_comes_back_ends_the_session() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        second = (await (await refresh(client, first)).json())["refresh_token"]
        await world.clock.advance(MINUTE_S)
        stolen = await refresh(client, first)
        rightful = await refresh(client, second)
        answer = await stolen.json()
    assert stolen.status == rightful.status == 401
    assert "ended" in answer["detail"]
    ended = [entry for entry in world.state.audit() if entry.stamp.action == "account.end-login"]
    assert len(ended) == 1
    assert "somebody else may hold a copy" in ended[0].stamp.reason


@pytest.mark.parametrize("token", ["x", "tower_rt_", "tower_rt_lo_1_0_" + "a" * 52 + "_00000000"])
async def test_an_invented_refresh_token_ends_nothing(token: str) -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        invented = await refresh(client, token)
        mine = await refresh(client, first)
    assert invented.status == 401
    assert mine.status == 200


async def test_a_session_ends_after_a_week_without_use() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        await world.clock.advance(8 * 86_400)
        response = await refresh(client, first)
    assert response.status == 401


async def test_without_a_leader_a_session_is_not_continued_and_not_ended() -> None:
    world = a_world()
    async with serving(world) as client:
        _, first = await a_session(client)
        world.state.read_failure = ReadUnavailable("no leader")
        waiting = await refresh(client, first)
        world.state.read_failure = None
        later = await refresh(client, first)
    assert (waiting.status, later.status) == (503, 200)


# ---- browsers


async def test_a_browser_is_given_cookies_that_no_script_and_no_other_host_can_read() -> None:
    async with serving(a_world()) as client:
        browser = Browser(client)
        response = await browser.log_in()
        answer = await response.json()
    assert "access_token" not in answer or answer["access_token"] is None
    assert set(response.cookies) == {"__Host-tower_access", "__Secure-tower_refresh", "__Host-tower_csrf"}
    for name, morsel in response.cookies.items():
        assert morsel["httponly"], name
        assert morsel["secure"], name
        assert morsel["samesite"] == "Strict", name
        assert morsel["domain"] == "", name
    assert response.cookies["__Secure-tower_refresh"]["path"] == "/api/v1/auth"


async def test_a_browser_reads_with_its_cookies_alone() -> None:
    async with serving(a_world()) as client:
        browser = Browser(client)
        await browser.log_in()
        response = await browser.send("GET", "/nodes", origin=None, csrf=False)
    assert response.status == 200


async def test_a_browser_changes_things_with_the_csrf_token_alone() -> None:
    world = a_world(Role.ADMIN)
    async with serving(world) as client:
        browser = Browser(client)
        await browser.log_in()
        without = await browser.send("POST", "/nodes/h2/drain", json={"draining": True}, csrf=False)
        browser.csrf, right = browser.csrf[:-1] + "x", browser.csrf
        wrong = await browser.send("POST", "/nodes/h2/drain", json={"draining": True})
        browser.csrf = right
        allowed = await browser.send("POST", "/nodes/h2/drain", json={"draining": True})
    assert (without.status, wrong.status, allowed.status) == (403, 403, 200)


@pytest.mark.parametrize("origin", ["https://evil.example", "https://tower.example", "null", "", None])
async def test_another_sites_page_changes_nothing_even_with_the_token(origin: str | None) -> None:
    world = a_world(Role.ADMIN)
    async with serving(world) as client:
        browser = Browser(client)
        await browser.log_in()
        response = await browser.send("POST", "/nodes/h2/drain", json={"draining": True}, origin=origin)
    assert response.status == 403


async def test_the_page_of_the_host_that_is_asked_is_our_own() -> None:
    world = a_world(Role.ADMIN)
    async with serving(world) as client:
        browser = Browser(client)
        await browser.log_in()
        own = f"http://127.0.0.1:{client.port}"
        response = await browser.send("POST", "/nodes/h2/drain", json={"draining": True}, origin=own)
    assert response.status == 200


async def test_another_sites_page_cannot_log_a_browser_in() -> None:
    async with serving(a_world()) as client:
        response = await client.post(
            "/api/v1/auth/login",
            json={"name": "vera", "password": PASSWORD, "mode": "cookie"},
            headers={"Origin": "https://evil.example"},
        )
    assert response.status == 403


async def test_a_csrf_token_of_another_session_is_worth_nothing() -> None:
    world = a_world(Role.ADMIN)
    world.add_user("mallory", Role.ADMIN)
    async with serving(world) as client:
        browser, other = Browser(client), Browser(client)
        await browser.log_in()
        await other.log_in("mallory")
        browser.cookies["__Host-tower_csrf"] = other.cookies["__Host-tower_csrf"]
        browser.csrf = other.csrf
        response = await browser.send("POST", "/nodes/h2/drain", json={"draining": True})
    assert response.status == 403


async def test_the_csrf_token_stays_the_same_for_all_tabs_of_a_session() -> None:
    async with serving(a_world()) as client:
        browser = Browser(client)
        await browser.log_in()
        me = await (await browser.send("GET", "/auth/me")).json()
        renewed = await (await browser.send("POST", "/auth/refresh", json={})).json()
    assert me["csrf_token"] == renewed["csrf_token"] == browser.csrf


async def test_a_browser_whose_access_ran_out_refreshes_with_its_cookie() -> None:
    world = a_world()
    async with serving(world) as client:
        browser = Browser(client)
        await browser.log_in()
        await world.clock.advance(11 * MINUTE_S)
        late = await browser.send("GET", "/auth/me")
        renewed = await browser.send("POST", "/auth/refresh", csrf=False)
        again = await browser.send("GET", "/auth/me")
    assert (late.status, renewed.status, again.status) == (401, 200, 200)


async def test_a_browsers_session_that_is_over_takes_its_cookies_with_it() -> None:
    world = a_world()
    async with serving(world) as client:
        browser = Browser(client)
        await browser.log_in()
        with world.state.read() as txn:
            (login,) = records.LOGINS.scan(txn)
        world.state.must(EndLogin(login_id=login.id))
        response = await browser.send("POST", "/auth/refresh")
    assert response.status == 401
    assert browser.cookies == {}


async def test_a_refresh_without_any_token_is_told_to_log_in() -> None:
    async with serving(a_world()) as client:
        response = await client.post("/api/v1/auth/refresh", json={})
    assert response.status == 401


async def test_a_browser_logs_out() -> None:
    async with serving(a_world()) as client:
        browser = Browser(client)
        await browser.log_in()
        kept = dict(browser.cookies)
        response = await browser.send("POST", "/auth/logout")
        assert browser.cookies == {}
        browser.cookies = kept
        after = await browser.send("GET", "/auth/me")
    assert (response.status, after.status) == (204, 401)


# ---- API tokens


async def test_an_api_token_acts_as_its_account_with_its_own_role() -> None:
    world = a_world(Role.ADMIN)
    token = world.add_api_token(VERA, Role.VIEWER)
    async with serving(world) as client:
        headers = {"Authorization": f"Bearer {token}"}
        me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
        drained = await client.post("/api/v1/nodes/h2/drain", json={"draining": True}, headers=headers)
    assert (me["name"], me["role"]) == ("vera", "viewer")
    assert drained.status == 403


async def test_an_api_token_falls_with_the_role_of_its_account() -> None:
    world = a_world(Role.ADMIN)
    world.add_user("root", Role.ADMIN)
    token = world.add_api_token(VERA, Role.ADMIN)
    world.state.must(SetRole(principal_id=VERA, role=Role.VIEWER))
    async with serving(world) as client:
        me = await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        answer = await me.json()
    assert answer["role"] == "viewer"


async def test_an_api_token_ends_by_revocation_and_by_time() -> None:
    world = a_world(Role.ADMIN)
    token = world.add_api_token(VERA, expires_at_ms=NOW_MS + 60_000)
    async with serving(world) as client:
        headers = {"Authorization": f"Bearer {token}"}
        first = await client.get("/api/v1/auth/me", headers=headers)
        await world.clock.advance(61)
        late = await client.get("/api/v1/auth/me", headers=headers)
        with world.state.read() as txn:
            (record,) = records.API_TOKENS.scan(txn)
        world.state.must(RevokeApiToken(prefix=record.prefix))
        revoked = await client.get("/api/v1/auth/me", headers=headers)
    assert [first.status, late.status, revoked.status] == [200, 401, 401]


async def test_a_mistyped_api_token_is_told_apart_from_an_unknown_one() -> None:
    world = a_world()
    token = world.add_api_token(VERA, Role.VIEWER)
    async with serving(world) as client:
        mistyped = await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}x"})
        answer = await mistyped.json()
    assert mistyped.status == 401
    assert "mistyped" in answer["detail"]
    assert token not in str(answer)


async def test_an_api_token_has_no_session_to_log_out_of() -> None:
    world = a_world()
    token = world.add_api_token(VERA, Role.VIEWER)
    async with serving(world) as client:
        response = await client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert response.status == 409


# ---- the first administrator


async def test_the_setup_token_makes_the_first_administrator_once() -> None:
    world = a_web_world()
    text, record = new_setup_token(some_bytes("setup", 32))
    world.state.must(PutSetupToken(secret_hash=record.secret_hash, expires_at_ms=None))
    body = {"token": text, "name": "ada", "password": PASSWORD}
    async with serving(world) as client:
        before = await (await client.get("/api/v1/setup")).json()
        made = await client.post("/api/v1/setup", json=body)
        after = await (await client.get("/api/v1/setup")).json()
        again = await client.post("/api/v1/setup", json={**body, "name": "eve"})
        login = await try_login(client, "ada")
    assert (before["is_needed"], after["is_needed"]) == (True, False)
    assert (made.status, again.status, login.status) == (201, 403, 200)
    entry = next(entry for entry in world.state.audit() if entry.command == "create-user")
    assert (entry.stamp.action, entry.stamp.principal_name) == ("cluster.set-up", "ada")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"token": "tower_setup_wrong"}, 403),
        ({"password": "short"}, 422),
        ({"password": "password1234"}, 422),
        ({"name": "no spaces"}, 422),
        ({"name": ""}, 422),
    ],
)
async def test_a_setup_that_is_not_right_makes_nobody(change: dict[str, str], status: int) -> None:
    world = a_web_world()
    text, record = new_setup_token(some_bytes("setup", 32))
    world.state.must(PutSetupToken(secret_hash=record.secret_hash, expires_at_ms=None))
    async with serving(world) as client:
        response = await client.post(
            "/api/v1/setup", json={"token": text, "name": "ada", "password": PASSWORD, **change}
        )
        answer = await response.json()
        needed = await (await client.get("/api/v1/setup")).json()
    assert response.status == status
    assert needed["is_needed"]
    assert PASSWORD not in str(answer)
    assert text not in str(answer)

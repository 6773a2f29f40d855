"""Codes besides the password: enrolling, logging in with them, losing them, and whom they are required of."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands.access import RehashPassword
from cluster.commands.settings import PutSetting
from cluster.commands.sign_in import NoteTokenUses
from cluster.identity.one_time_codes import STEP_MS, code_at
from cluster.identity.passwords import Argon2Cost
from cluster.model.access import Role
from cluster.model.ids import PrincipalId, TokenPrefix
from cluster.model.second_factors import SECOND_FACTOR_SETTING
from cluster.raft.replicator import NotCommitted
from cluster.store import records
from tests.support.api_caller import WorldCaller
from tests.support.web_fakes import PASSWORD, WebWorld, a_web_world, log_in, serving
from web.auth.token_uses import TokenUses

NAME = "anna"


def secret_of(enrolment: dict[str, Any]) -> bytes:
    text: str = enrolment["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


class Person(WorldCaller):
    """Somebody with an authenticator that shows codes by the world's clock."""

    secret = b""
    recovery_codes: tuple[str, ...] = ()

    def code(self, steps: int = 0) -> str:
        return code_at(self.secret, self.world.clock.now_ms() // STEP_MS + steps)

    async def next_code(self) -> str:
        """A code that was not shown yet."""
        await self.world.clock.advance(30)
        return self.code()

    async def enrol(self) -> None:
        enrolment = await self.must("POST", "/account/second-factor", password=PASSWORD)
        self.secret = secret_of(enrolment)
        answer = await self.must(
            "PUT", "/account/second-factor", ticket=enrolment["ticket"], code=self.code()
        )
        self.recovery_codes = tuple(answer["recovery_codes"])

    async def begin(self) -> Any:
        """The answer to name and password."""
        return await self.must("POST", "/auth/login", name=NAME, password=PASSWORD, mode="token")

    async def answer(self, challenge: str, code: str, **fields: Any) -> tuple[int, Any]:
        return await self.send(
            "POST", "/auth/login/code", challenge=challenge, code=code, mode="token", **fields
        )


@asynccontextmanager
async def a_person(role: Role = Role.ADMIN, world: WebWorld | None = None) -> AsyncIterator[Person]:
    world = world or a_web_world()
    world.add_user(NAME, role)
    async with serving(world) as client:
        yield Person(client, await log_in(client, NAME), world)


def require(world: WebWorld, policy: str) -> None:
    world.state.must(PutSetting(key=SECOND_FACTOR_SETTING, value=policy))


# ---- enrolling


async def test_an_authenticator_counts_once_a_code_of_it_was_shown() -> None:
    async with a_person() as anna:
        before = await anna.get("/account")
        enrolment = await anna.must("POST", "/account/second-factor", password=PASSWORD)
        between = await anna.get("/account")
        anna.secret = secret_of(enrolment)
        answer = await anna.must(
            "PUT", "/account/second-factor", ticket=enrolment["ticket"], code=anna.code()
        )
        after = await anna.get("/account")
    assert not before["second_factor"]["is_enrolled"]
    assert not between["second_factor"]["is_enrolled"]
    assert after["second_factor"]["is_enrolled"]
    assert len(set(answer["recovery_codes"])) == after["second_factor"]["recovery_codes_left"] == 10
    assert enrolment["uri"].startswith("otpauth://totp/Control%20Tower%20prod%3Aanna?")
    assert enrolment["qr"]["path"].startswith("M4 4h7v1h-7z"), "a finder pattern inside the quiet zone"


async def test_a_login_left_open_is_not_enough_to_enrol() -> None:
    async with a_person() as anna:
        refused = await anna.refused(422, "POST", "/account/second-factor", password="not the password")
    assert refused["errors"][0]["field"] == "password"


async def test_a_wrong_code_does_not_enrol_and_another_accounts_ticket_neither() -> None:
    async with a_person() as anna:
        enrolment = await anna.must("POST", "/account/second-factor", password=PASSWORD)
        await anna.refused(422, "PUT", "/account/second-factor", ticket=enrolment["ticket"], code="000000")
        anna.world.add_user("otto", Role.OPERATOR)
        otto = Person(anna.client, await log_in(anna.client, "otto"), anna.world)
        otto.secret = secret_of(enrolment)
        refused = await otto.refused(
            422, "PUT", "/account/second-factor", ticket=enrolment["ticket"], code=otto.code()
        )
    assert "another account" in refused["detail"]


async def test_the_secret_is_sealed_in_the_state_and_in_no_entry_of_the_audit() -> None:
    async with a_person() as anna:
        await anna.enrol()
        stored = anna.world.state.store.stored_range(b"", b"\xff", None, reverse=False)
        rows = b"".join(key + value for key, value in stored)
    assert anna.secret not in rows
    assert base64.b32encode(anna.secret) not in rows
    assert not any(code.encode() in rows for code in anna.recovery_codes)


async def test_an_api_token_enrols_nothing() -> None:
    async with a_person() as anna:
        token = anna.world.add_api_token(PrincipalId(f"us_{NAME}"), Role.ADMIN)
        anna.headers = {"Authorization": f"Bearer {token}"}
        refused = await anna.refused(403, "POST", "/account/second-factor", password=PASSWORD)
    assert "API token cannot" in refused["detail"]


# ---- logging in


async def test_a_login_gives_nothing_before_the_code() -> None:
    async with a_person() as anna:
        await anna.enrol()
        begun = await anna.begin()
        assert set(begun) == {"challenge", "expires_in_s", "enrolment"}
        assert begun["enrolment"] is None
        status, login = await anna.answer(begun["challenge"], await anna.next_code())
        assert status == 200
        anna.headers = {"Authorization": f"Bearer {login['access_token']}"}
        assert (await anna.get("/auth/me"))["name"] == NAME


async def test_a_challenge_opens_no_door_by_itself() -> None:
    async with a_person() as anna:
        await anna.enrol()
        begun = await anna.begin()
        anna.headers = {"Authorization": f"Bearer {begun['challenge']}"}
        status, _ = await anna.ask("GET", "/auth/me")
    assert status == 401


async def test_a_code_is_accepted_once() -> None:
    async with a_person() as anna:
        await anna.enrol()
        code = await anna.next_code()
        first = await anna.answer((await anna.begin())["challenge"], code)
        second = await anna.answer((await anna.begin())["challenge"], code)
    assert (first[0], second[0]) == (200, 401)
    assert "used already" in second[1]["detail"]


async def test_the_code_that_enrolled_does_not_log_in_as_well() -> None:
    async with a_person() as anna:
        await anna.enrol()
        status, _ = await anna.answer((await anna.begin())["challenge"], anna.code())
    assert status == 401


async def test_a_recovery_code_logs_in_once_whatever_its_case() -> None:
    async with a_person() as anna:
        await anna.enrol()
        code = anna.recovery_codes[0].upper()
        first = await anna.answer((await anna.begin())["challenge"], code)
        second = await anna.answer((await anna.begin())["challenge"], code)
        left = (await anna.get("/account"))["second_factor"]["recovery_codes_left"]
    assert (first[0], second[0], left) == (200, 401, 9)


async def test_a_challenge_ends_after_ten_minutes_and_with_a_changed_account() -> None:
    async with a_person() as anna:
        await anna.enrol()
        late, changed = await anna.begin(), await anna.begin()
        await anna.must(
            "POST", "/users/me/password", password="five other quiet long words", current_password=PASSWORD
        )
        assert (await anna.answer(changed["challenge"], await anna.next_code()))[0] == 409
        await anna.world.clock.advance(600)
        assert (await anna.answer(late["challenge"], anna.code()))[0] == 422


async def test_codes_are_not_guessed_by_logging_in_again_and_again() -> None:
    async with a_person() as anna:
        await anna.enrol()
        statuses = []
        for _ in range(12):
            status, begun = await anna.send("POST", "/auth/login", name=NAME, password=PASSWORD, mode="token")
            if status == 200:
                status, _ = await anna.answer(begun["challenge"], "000000")
            statuses.append(status)
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_any_node_takes_a_challenge() -> None:
    async with a_person() as anna:
        await anna.enrol()
        begun = await anna.begin()
        async with serving(anna.world) as other_node:
            there = Person(other_node, {}, anna.world)
            status, _ = await there.answer(begun["challenge"], await anna.next_code())
    assert status == 200


# ---- turning it off, losing it


async def test_it_is_turned_off_with_a_code() -> None:
    async with a_person() as anna:
        await anna.enrol()
        await anna.refused(422, "POST", "/account/second-factor/remove", code="000000")
        await anna.must("POST", "/account/second-factor/remove", code=await anna.next_code())
        assert "access_token" in await anna.begin()


async def test_recovery_codes_are_made_anew_for_a_code() -> None:
    async with a_person() as anna:
        await anna.enrol()
        answer = await anna.must("POST", "/account/recovery-codes", code=await anna.next_code())
        old, _ = await anna.answer((await anna.begin())["challenge"], anna.recovery_codes[0])
        new, _ = await anna.answer((await anna.begin())["challenge"], answer["recovery_codes"][0])
    assert (old, new) == (401, 200)


async def test_an_administrator_resets_anothers_and_that_is_recorded() -> None:
    async with a_person(Role.VIEWER) as anna:
        await anna.enrol()
        await anna.refused(403, "DELETE", "/users/anna/second-factor")
        anna.world.add_user("ada", Role.ADMIN)
        ada = Person(anna.client, await log_in(anna.client, "ada"), anna.world)
        await ada.must("DELETE", "/users/anna/second-factor")
        await ada.refused(404, "DELETE", "/users/anna/second-factor")
        assert "access_token" in await anna.begin()
    actions = [entry.stamp.action for entry in anna.world.state.audit() if entry.stamp.is_allowed]
    assert actions.count("account.enrol-second-factor") == 1
    # Forgetting it, and ending what it may have been used for.
    assert actions.count("user.reset-second-factor") == 2


# ---- required


@pytest.mark.parametrize(
    ("policy", "role", "is_asked"),
    [
        ("optional", Role.ADMIN, False),
        ("administrators", Role.ADMIN, True),
        ("administrators", Role.OPERATOR, False),
        ("everyone", Role.VIEWER, True),
    ],
)
async def test_a_policy_asks_those_it_is_for(policy: str, role: Role, is_asked: bool) -> None:
    world = a_web_world()
    world.add_user(NAME, role)
    require(world, policy)
    async with serving(world) as client:
        anna = Person(client, {}, world)
        begun = await anna.begin()
    assert ("challenge" in begun) is is_asked


async def test_where_one_is_required_it_is_enrolled_with_the_login() -> None:
    world = a_web_world()
    world.add_user(NAME, Role.ADMIN)
    require(world, "everyone")
    async with serving(world) as client:
        anna = Person(client, {}, world)
        begun = await anna.begin()
        anna.secret = secret_of(begun["enrolment"])
        ticket = begun["enrolment"]["ticket"]
        wrong, _ = await anna.answer(begun["challenge"], "000000", enrolment=ticket)
        without, _ = await anna.answer(begun["challenge"], anna.code())
        status, login = await anna.answer(begun["challenge"], anna.code(), enrolment=ticket)
        again, _ = await anna.answer((await anna.begin())["challenge"], anna.code())
    assert (wrong, without, status) == (401, 422, 200)
    assert len(login["recovery_codes"]) == 10
    assert again == 401, "its code was used with the login it came with"


async def test_a_login_from_before_the_policy_is_not_continued() -> None:
    world = a_web_world()
    world.add_user(NAME, Role.ADMIN)
    async with serving(world) as client:
        anna = Person(client, {}, world)
        begun = await anna.begin()
        require(world, "administrators")
        refused = await anna.refused(401, "POST", "/auth/refresh", refresh_token=begun["refresh_token"])
    assert "second factor is required" in refused["detail"]


async def test_what_is_required_is_not_turned_off() -> None:
    async with a_person() as anna:
        await anna.enrol()
        require(anna.world, "administrators")
        refused = await anna.refused(
            409, "POST", "/account/second-factor/remove", code=await anna.next_code()
        )
    assert "require a second factor" in refused["detail"]


async def test_a_policy_that_is_none_is_refused() -> None:
    async with a_person() as anna:
        refused = await anna.refused(422, "PUT", f"/settings/{SECOND_FACTOR_SETTING}", value="sometimes")
    assert "optional, administrators, everyone" in refused["detail"]


# ---- logins that live


async def test_logins_are_listed_with_their_device_and_the_current_one_is_marked() -> None:
    async with a_person() as anna:
        await anna.client.post(
            "/api/v1/auth/login",
            json={"name": NAME, "password": PASSWORD, "mode": "token"},
            headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"},
        )
        items = (await anna.get("/sessions"))["items"]
    assert len(items) == 2
    (current,) = [item for item in items if item["is_current"]]
    (other,) = [item for item in items if not item["is_current"]]
    assert (other["browser"], other["system"], other["kind"]) == ("Firefox", "Linux", "desktop")
    assert current["ip"] == "127.0.0.1"


async def test_all_other_logins_are_ended_and_this_one_goes_on() -> None:
    async with a_person() as anna:
        other = await log_in(anna.client, NAME)
        assert (await anna.must("DELETE", "/sessions"))["ended"] == 1
        assert (await anna.get("/auth/me"))["name"] == NAME
        anna.headers = other
        await anna.refused(401, "GET", "/auth/me")


async def test_one_login_is_ended() -> None:
    async with a_person(Role.VIEWER) as anna:
        other = await log_in(anna.client, NAME)
        (session,) = [item for item in (await anna.get("/sessions"))["items"] if not item["is_current"]]
        await anna.must("DELETE", f"/sessions/{session['id']}")
        await anna.refused(404, "DELETE", f"/sessions/{session['id']}")
        anna.headers = other
        status, _ = await anna.ask("GET", "/auth/me")
    assert status == 401


async def test_only_an_administrator_sees_and_ends_others_logins() -> None:
    async with a_person(Role.OPERATOR) as anna:
        (mine,) = (await anna.get("/sessions"))["items"]
        anna.world.add_user("ada", Role.ADMIN)
        anna.world.add_user("otto", Role.OPERATOR)
        otto = WorldCaller(anna.client, await log_in(anna.client, "otto"), anna.world)
        ada = WorldCaller(anna.client, await log_in(anna.client, "ada"), anna.world)
        assert (await otto.ask("GET", "/sessions", params={"user": NAME}))[0] == 403
        await otto.refused(403, "DELETE", f"/sessions/{mine['id']}")
        assert (await otto.ask("DELETE", "/sessions", params={"user": NAME}))[0] == 403
        everybody = (await ada.get("/sessions", user="all"))["items"]
        assert {item["user_name"] for item in everybody} == {"ada", "otto", NAME}
        assert (await ada.ask("DELETE", "/sessions", params={"user": NAME}))[1] == {"ended": 1}
        await anna.refused(401, "GET", "/auth/me")
    assert "user.end-logins" in [entry.stamp.action for entry in anna.world.state.audit()]


# ---- made to wait


async def test_an_administrator_lets_somebody_try_again_at_once() -> None:
    world = a_web_world()
    world.add_user(NAME, Role.VIEWER)
    world.add_user("ada", Role.ADMIN)
    async with serving(world) as client:
        ada = WorldCaller(client, await log_in(client, "ada"), world)
        for _ in range(7):
            await ada.send("POST", "/auth/login", name=NAME, password="wrong wrong wrong", mode="token")
        (shown,) = [user for user in (await ada.get("/users"))["items"] if user["name"] == NAME]
        await ada.must("DELETE", f"/users/{NAME}/failures")
        status, _ = await ada.send("POST", "/auth/login", name=NAME, password=PASSWORD, mode="token")
    assert shown["failed_logins"] == 6
    assert shown["login_wait_s"] >= 1
    assert status == 200


# ---- what else a login and a token leave behind


async def test_a_password_under_an_old_hash_is_kept_under_todays_and_ends_nothing() -> None:
    world = a_web_world()
    world.add_user(NAME, Role.ADMIN)
    async with serving(world, password_cost=Argon2Cost(memory_kib=16, passes=1, lanes=1)) as client:
        anna = Person(client, await log_in(client, NAME), world)
        await anna.begin()
        with world.state.read() as txn:
            principal = records.PRINCIPALS.get(txn, f"us_{NAME}")
        assert (await anna.get("/auth/me"))["name"] == NAME
    assert principal is not None
    assert principal.password_hash is not None
    assert principal.password_hash.startswith("$argon2id$v=19$m=16,t=1,p=1$")
    assert sum(isinstance(command, RehashPassword) for command in world.state.proposed) == 1


async def test_when_a_token_was_used_is_told_in_steps_of_minutes() -> None:
    world = a_web_world()
    anna_id = world.add_user(NAME, Role.ADMIN)
    token = world.add_api_token(anna_id)
    uses = TokenUses(world.surroundings)
    prefix = TokenPrefix(token.split("_")[1])
    uses.note(prefix, "192.0.2.7")
    await uses.flush()
    for _ in range(3):
        await world.clock.advance(60)
        uses.note(prefix, "192.0.2.8")
        await uses.flush()
    written = [command for command in world.state.proposed if isinstance(command, NoteTokenUses)]
    assert len(written) == 1
    await world.clock.advance(120)
    uses.note(prefix, "192.0.2.9")
    await uses.flush()
    async with serving(world) as client:
        anna = WorldCaller(client, await log_in(client, NAME), world)
        (shown,) = (await anna.get("/tokens"))["items"]
    assert (shown["last_used_at_ms"], shown["last_used_ip"]) == (world.clock.now_ms(), "192.0.2.9")


async def test_a_request_with_a_token_counts_as_its_use() -> None:
    world = a_web_world()
    token = world.add_api_token(world.add_user(NAME, Role.ADMIN))
    async with serving(world) as client:
        await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    with world.state.read() as txn:
        (use,) = records.TOKEN_USES.scan(txn)
    assert (use.used_at_ms, use.ip) == (world.clock.now_ms(), "127.0.0.1")


async def test_uses_that_could_not_be_written_are_kept() -> None:
    world = a_web_world()
    token = world.add_api_token(world.add_user(NAME, Role.ADMIN))
    uses = TokenUses(world.surroundings)
    uses.note(TokenPrefix(token.split("_")[1]), "192.0.2.7")
    world.state.failures.append(NotCommitted("no leader is known here"))
    with pytest.raises(NotCommitted):
        await uses.flush()
    await uses.flush()
    with world.state.read() as txn:
        assert len(records.TOKEN_USES.scan(txn)) == 1

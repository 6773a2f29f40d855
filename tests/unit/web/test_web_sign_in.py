"""Logging in by way of an identity provider: over real HTTPS, and everything a hostile one could try."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import ClientResponse

from agent.notify.identity_providers import ProviderClient
from cluster.model.access import Role
from tests.support.api_caller import WorldCaller
from tests.support.identity_provider import (
    ANOTHER_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    an_identity_provider,
)
from tests.support.web_fakes import PASSWORD, a_web_world, log_in, serving
from web.ports import ProviderRequest, ProviderUnreachable

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
START = "/api/v1/auth/providers/corp/start"


class Desk(WorldCaller):
    """An administrator's headers, a browser that keeps its cookies, and the provider it goes to."""

    provider: Provider

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cookies: dict[str, str] = {}

    async def put(self, name: str = "corp", **fields: Any) -> Any:
        body = {
            "label": "Example Corp",
            "issuer": self.provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "roles": [{"group": "ops", "role": "operator"}, {"group": "admins", "role": "admin"}],
            "ca_pem": self.provider.ca_pem,
        }
        return await self.must("PUT", f"/providers/{name}", **{**body, **fields})

    async def visit(self, url: str) -> ClientResponse:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        response = await self.client.get(url, headers=headers, allow_redirects=False)
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return response

    async def begin(self, query: str = "") -> str:
        """Where the provider has the browser log in."""
        response = await self.visit(START + query)
        assert response.status == 303
        return response.headers["Location"]

    async def come_back(self, url: str) -> dict[str, str]:
        """Follow the provider's answer; returns what the login page is told."""
        parts = urlsplit(url)
        response = await self.visit(f"{parts.path}?{parts.query}")
        assert response.status == 303
        back = urlsplit(response.headers["Location"])
        assert (back.netloc, back.path) == ("", "/login")
        return {name: values[0] for name, values in parse_qs(back.query).items()}

    async def sign_in(self, query: str = "") -> dict[str, str]:
        return await self.come_back(self.provider.visit(await self.begin(query)))

    async def me(self) -> tuple[int, Any]:
        response = await self.visit("/api/v1/auth/me")
        return response.status, await response.json()


@asynccontextmanager
async def a_desk(*, is_put: bool = True, **fields: Any) -> AsyncIterator[Desk]:
    world = a_web_world()
    world.add_user("ada", Role.ADMIN)
    client_of = ProviderClient(version="test", allowed=lambda: LOOPBACK, unreachable=ProviderUnreachable)
    world.providers = client_of
    try:
        async with an_identity_provider(world.clock.now_ms) as provider, serving(world) as client:
            desk = Desk(client, await log_in(client, "ada"), world)
            desk.provider = provider
            if is_put:
                await desk.put(**fields)
            yield desk
    finally:
        await client_of.close()


# ---- what should work


async def test_a_first_login_makes_an_account_with_the_role_of_its_groups() -> None:
    async with a_desk() as desk:
        assert await desk.sign_in("?next=/services%3Fq%3Dweb") == {
            "signed_in": "yes",
            "next": "/services?q=web",
        }
        status, me = await desk.me()
        account = await desk.client.get(
            "/api/v1/account",
            headers={"Cookie": f"__Host-tower_access={desk.cookies['__Host-tower_access']}"},
        )
        shown = await account.json()
    assert (status, me["name"], me["role"]) == (200, "gina", "operator")
    assert (shown["provider"], shown["has_password"]) == ("Example Corp", False)
    assert "__Host-tower_sign_in" not in desk.cookies


async def test_the_login_page_is_told_of_providers_and_of_no_more() -> None:
    async with a_desk() as desk:
        answer = await (await desk.client.get("/api/v1/auth/providers")).json()
    assert answer == [{"id": "corp", "label": "Example Corp"}]


async def test_the_next_login_brings_the_role_up_to_date() -> None:
    async with a_desk() as desk:
        await desk.sign_in()
        desk.provider.claims["groups"] = ["ops", "admins"]
        await desk.sign_in()
        _, me = await desk.me()
        users = (await desk.get("/users"))["items"]
    assert me["role"] == "admin"
    assert sorted(user["name"] for user in users) == ["ada", "gina"]


async def test_whoever_lost_the_groups_is_refused_and_logged_out() -> None:
    async with a_desk() as desk:
        await desk.sign_in()
        kept = dict(desk.cookies)
        desk.provider.claims["groups"] = ["guests"]
        refused = await desk.sign_in()
        desk.cookies = kept
        status, _ = await desk.me()
    assert refused["refused"] == "no-role"
    assert status == 401


async def test_without_a_group_nobody_comes_in_and_no_account_is_made() -> None:
    async with a_desk(roles=[]) as desk:
        refused = await desk.sign_in()
        users = (await desk.get("/users"))["items"]
    assert refused == {"refused": "no-role", "provider": "corp"}
    assert [user["name"] for user in users] == ["ada"]


async def test_nobody_becomes_a_local_administrator_by_being_called_so() -> None:
    async with a_desk() as desk:
        desk.provider.claims["preferred_username"] = "ada"
        await desk.sign_in()
        _, me = await desk.me()
        assert (me["name"], me["role"]) == ("ada-2", "operator")
        local = await desk.send("POST", "/auth/login", name="ada", password=PASSWORD, mode="token")
    assert local[0] == 200, "the local account is as it was"


async def test_groups_may_be_deep_inside_the_token_or_with_the_userinfo_alone() -> None:
    async with a_desk(groups_claim="realm_access.roles") as desk:
        desk.provider.claims = {"preferred_username": "gina", "realm_access": {"roles": ["admins"]}}
        await desk.sign_in()
        assert (await desk.me())[1]["role"] == "admin"
        desk.provider.claims = {"preferred_username": "gina"}
        desk.provider.userinfo = {"sub": desk.provider.subject, "realm_access": {"roles": ["ops"]}}
        await desk.sign_in()
        assert (await desk.me())[1]["role"] == "operator"
        desk.provider.userinfo["sub"] = "somebody else"
        assert (await desk.sign_in())["refused"] == "no-role"


async def test_the_client_secret_goes_to_the_provider_alone() -> None:
    async with a_desk() as desk:
        await desk.sign_in()
        shown = await desk.get("/providers/corp")
        stored = desk.world.state.store.stored_range(b"", b"\xff", None, reverse=False)
        rows = b"".join(key + value for key, value in stored)
    assert desk.provider.auth.startswith("Basic ")
    assert shown["has_secret"]
    assert "secret" not in str(shown).replace("has_secret", "")
    assert CLIENT_SECRET.encode() not in rows


async def test_a_provider_that_takes_no_basic_is_told_in_the_form() -> None:
    async with a_desk() as desk:
        desk.provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        assert "signed_in" in await desk.sign_in()
        assert desk.provider.auth == ""


async def test_elliptic_keys_and_changed_keys_are_taken() -> None:
    async with a_desk() as desk:
        desk.provider.key_id = "ec-1"
        assert "signed_in" in await desk.sign_in()
        desk.provider.rotate_keys()
        await desk.world.clock.advance(11)
        assert "signed_in" in await desk.sign_in()


async def test_unknown_keys_do_not_have_the_provider_asked_again_and_again() -> None:
    async with a_desk() as desk:
        await desk.begin()
        desk.provider.rotate_keys()
        for _ in range(5):
            assert (await desk.sign_in())["refused"] == "wrong-response"
    assert desk.provider.asked.count("keys") == 1


async def test_clocks_may_differ_by_a_minute() -> None:
    async with a_desk() as desk:
        now_ms = desk.world.clock.now_ms
        desk.provider.now_ms = lambda: now_ms() + 50_000
        assert "signed_in" in await desk.sign_in()
        desk.provider.now_ms = lambda: now_ms() + 70_000
        assert (await desk.sign_in())["refused"] == "wrong-response"


async def test_while_a_provider_is_down_local_accounts_log_in() -> None:
    async with a_desk() as desk:
        desk.provider.is_down = True
        response = await desk.visit(START)
        assert response.headers["Location"].startswith("/login?refused=unavailable")
        status, _ = await desk.send("POST", "/auth/login", name="ada", password=PASSWORD, mode="token")
    assert status == 200


async def test_a_provider_that_does_not_answer_holds_up_its_own_logins_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_desk() as desk:
        await desk.put("silent", issuer="https://127.0.0.1:9/silent")
        reached, gives_up = asyncio.Event(), asyncio.Event()
        fetch = desk.world.providers.fetch

        async def silent_or(request: ProviderRequest) -> tuple[int, object]:
            if "silent" in request.url:
                reached.set()
                await gives_up.wait()
                raise ProviderUnreachable("silent gave no answer")
            return await fetch(request)

        monkeypatch.setattr(desk.world.providers, "fetch", silent_or)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(desk.visit(START.replace("corp", "silent")))
            await reached.wait()
            assert "signed_in" in await desk.sign_in()
            assert not waiting.done()
            gives_up.set()
        assert waiting.result().headers["Location"].startswith("/login?refused=unavailable")


async def test_the_login_at_the_provider_is_ended_there() -> None:
    async with a_desk() as desk:
        response = await desk.visit("/api/v1/auth/providers/corp/logout")
    assert response.headers["Location"].startswith(f"{desk.provider.issuer}/logout?client_id=tower&")


async def test_without_its_provider_an_account_is_logged_out() -> None:
    async with a_desk() as desk:
        await desk.sign_in()
        await desk.must("DELETE", "/providers/corp")
        assert (await desk.me())[0] == 401
        assert (await desk.visit(START)).headers["Location"].startswith("/login?refused=not-configured")


# ---- what a stranger or a hostile provider could try

Forge = Callable[[Provider, dict[str, Any]], str]


def alg_none(_: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none")


def alg_none_with_a_known_key(_: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "rsa-1"})


def hs256_with_the_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    # By hand: the library refuses to make such a token.
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "kid": "rsa-1"}).encode())
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    mac = hmac.digest(provider.public_pem(), signed.encode(), hashlib.sha256)
    return f"{signed}.{part(mac)}"


def another_key_under_a_known_id(provider: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, ANOTHER_KEY, algorithm="RS256", headers={"kid": "rsa-1"})


def a_key_that_came_with_the_token(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.sign(claims, key_id="rsa-1", jku="https://evil.example/keys", kid="evil")


def critical_extensions(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.sign(claims, crit=["b64"], b64=True)


def changed_after_it_was_signed(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.sign(claims).split(".")
    _, body, _ = provider.sign({**claims, "groups": ["admins"]}).split(".")
    return f"{head}.{body}.{signature}"


def no_token_at_all(_: Provider, claims: dict[str, Any]) -> str:
    return "x"


@pytest.mark.parametrize(
    "forge",
    [
        alg_none,
        alg_none_with_a_known_key,
        hs256_with_the_public_key,
        another_key_under_a_known_id,
        a_key_that_came_with_the_token,
        critical_extensions,
        changed_after_it_was_signed,
        no_token_at_all,
    ],
)
async def test_a_forged_token_lets_nobody_in(forge: Forge) -> None:
    async with a_desk() as desk:
        desk.provider.make_token = forge
        assert (await desk.sign_in())["refused"] == "wrong-response"
        assert (await desk.me())[0] == 401
        assert [user["name"] for user in (await desk.get("/users"))["items"]] == ["ada"]


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another login"},
        {"nonce": ...},
        {"iss": "https://login.example.com"},
        {"aud": "another client"},
        {"aud": []},
        {"aud": ["another client", CLIENT_ID]},
        {"azp": "another client"},
        {"exp": 1},
        {"exp": ...},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": 1},
        {"iat": ...},
        {"nbf": 2**40},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"sub": ...},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_lets_nobody_in(claims: dict[str, Any]) -> None:
    async with a_desk() as desk:
        desk.provider.overrides = claims
        assert (await desk.sign_in())["refused"] == "wrong-response"
        assert (await desk.me())[0] == 401


async def test_an_answer_counts_once() -> None:
    async with a_desk() as desk:
        url = desk.provider.visit(await desk.begin())
        cookie = dict(desk.cookies)
        assert "signed_in" in await desk.come_back(url)
        desk.cookies = cookie
        assert (await desk.come_back(url))["refused"] == "wrong-response"


async def test_a_code_counts_once_also_on_another_host() -> None:
    async with a_desk() as desk:
        url = desk.provider.visit(await desk.begin())
        cookie = dict(desk.cookies)
        assert "signed_in" in await desk.come_back(url)
        async with serving(desk.world) as other:
            there = Desk(other, {}, desk.world)
            there.cookies = cookie
            assert (await there.come_back(url))["refused"] == "provider-error"


async def test_any_host_takes_a_browser_back() -> None:
    async with a_desk() as desk:
        url = desk.provider.visit(await desk.begin())
        async with serving(desk.world) as other:
            there = Desk(other, {}, desk.world)
            there.cookies = dict(desk.cookies)
            assert "signed_in" in await there.come_back(url)


async def test_somebody_elses_answer_logs_nobody_in() -> None:
    """Login CSRF: a link with the attacker's code and state, for a browser without or with a login begun."""
    async with a_desk() as desk:
        attackers = desk.provider.visit(await desk.begin())
        desk.cookies = {}
        assert (await desk.come_back(attackers))["refused"] == "wrong-response"
        await desk.begin()
        assert (await desk.come_back(attackers))["refused"] == "wrong-response"
        assert (await desk.me())[0] == 401


async def test_an_answer_that_comes_after_ten_minutes_is_too_late() -> None:
    async with a_desk() as desk:
        url = desk.provider.visit(await desk.begin())
        await desk.world.clock.advance(600)
        assert (await desk.come_back(url))["refused"] == "expired"


async def test_the_answer_of_another_provider_is_not_taken() -> None:
    """Mix-up (RFC 9207): one provider's answer at another's callback, or with another's issuer."""
    async with a_desk() as desk, an_identity_provider(desk.world.clock.now_ms) as other:
        body = {"label": "Other", "issuer": other.issuer, "client_id": CLIENT_ID, "ca_pem": other.ca_pem}
        await desk.must("PUT", "/providers/other", **body)
        url = desk.provider.visit(await desk.begin())
        assert (await desk.come_back(url.replace("/corp/", "/other/")))["refused"] == "wrong-response"
        assert desk.provider.asked.count("token") == other.asked.count("token") == 0
        url = desk.provider.visit(await desk.begin(), iss=other.issuer)
        assert (await desk.come_back(url))["refused"] == "wrong-response"


async def test_a_provider_that_names_itself_in_answers_has_to() -> None:
    async with a_desk() as desk:
        desk.provider.metadata["authorization_response_iss_parameter_supported"] = True
        assert (await desk.sign_in())["refused"] == "wrong-response"
        named = desk.provider.visit(await desk.begin(), iss=desk.provider.issuer)
        assert "signed_in" in await desk.come_back(named)


async def test_a_refusal_of_the_provider_is_told() -> None:
    async with a_desk() as desk:
        url = desk.provider.visit(await desk.begin()).replace("code=code-1", "error=access_denied")
        assert (await desk.come_back(url))["refused"] == "denied"


@pytest.mark.parametrize(
    "where", ["https://evil.example/", "//evil.example", "/\\evil.example", "", "x", "/a b"]
)
async def test_a_login_leads_to_a_page_of_ours_alone(where: str) -> None:
    async with a_desk() as desk:
        response = await desk.client.get(START, params={"next": where}, allow_redirects=False)
        desk.cookies = {name: morsel.value for name, morsel in response.cookies.items()}
        told = await desk.come_back(desk.provider.visit(response.headers["Location"]))
    assert told["next"] == "/"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://localhost"},
        {"token_endpoint": "http://localhost/token"},
        {"token_endpoint": ...},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_metadata_that_cannot_be_right_is_not_used(metadata: dict[str, Any]) -> None:
    async with a_desk() as desk:
        desk.provider.metadata = metadata
        response = await desk.visit(START)
        assert response.headers["Location"].startswith("/login?refused=unavailable")
        status, problem = await desk.ask("GET", "/providers/corp/published")
    assert status == 503
    assert "discovery document" in problem["detail"]


async def test_an_address_that_may_not_be_called_is_not() -> None:
    async with a_desk(is_put=False) as desk:
        client = ProviderClient(version="test", allowed=lambda: (), unreachable=ProviderUnreachable)
        desk.world.providers = client
        try:
            async with serving(desk.world) as inside:
                there = Desk(inside, desk.headers, desk.world)
                there.provider = desk.provider
                await there.put()
                status, problem = await there.ask("GET", "/providers/corp/published")
        finally:
            await client.close()
    assert status == 503
    assert "outbound.allowed_networks" in problem["detail"]
    assert desk.provider.asked == []


async def test_another_issuer_does_not_get_the_secret_of_the_one_before() -> None:
    async with a_desk() as desk:
        problem = await desk.refused(
            422,
            "PUT",
            "/providers/corp",
            label="x",
            issuer="https://evil.example",
            client_id=CLIENT_ID,
        )
        assert problem["errors"][0]["field"] == "client_secret"
        await desk.must("PUT", "/providers/corp", label="x", issuer=desk.provider.issuer, client_id=CLIENT_ID)
        assert (await desk.get("/providers/corp"))["has_secret"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_administrators_decide_who_vouches_for_people(role: Role) -> None:
    async with a_desk() as desk:
        desk.world.add_user("otto", role)
        otto = WorldCaller(desk.client, await log_in(desk.client, "otto"), desk.world)
        for method, path in (
            ("GET", "/providers"),
            ("GET", "/providers/corp"),
            ("GET", "/providers/corp/published"),
            ("DELETE", "/providers/corp"),
        ):
            await otto.refused(403, method, path)
        status, _ = await otto.send(
            "PUT", "/providers/corp", label="x", issuer="https://x.example", client_id="x"
        )
    assert status == 403


async def test_the_addresses_to_register_at_the_provider_are_told() -> None:
    async with a_desk() as desk:
        urls = (await desk.get("/providers/corp"))["redirect_urls"]
    assert urls == [
        f"https://{host}/api/v1/auth/providers/corp/callback"
        for host in ("tower.example:7443", "h1.example:7443", "h2.example:7443", "h3.example:7443")
    ]

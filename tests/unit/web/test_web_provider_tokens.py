"""Access tokens of an identity provider at the MCP endpoint: whose are taken, and what a client is told."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
import pytest
from aiohttp import ClientResponse
from mcp import Client
from mcp.client.auth.utils import (
    build_protected_resource_metadata_discovery_urls,
    extract_resource_metadata_from_www_auth,
)
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed

from cluster.model.schedules import NotAdmitted
from tests.support.identity_provider import ANOTHER_KEY, CLIENT_ID, Provider, an_identity_provider
from tests.unit.web.test_web_sign_in import Desk, a_desk, hs256_with_the_public_key
from web.auth.call import Call
from web.middleware.keys import AUTHENTICATOR
from web.tools.admission import is_person
from web.tools.askers import asker_of, call_of

AUDIENCE = "https://tower.example/mcp"
METADATA = "/.well-known/oauth-protected-resource"
LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
DEPLOYING = "scale-service"


def claims_of(provider: Provider, **changed: Any) -> dict[str, Any]:
    """What an access token of the provider's says; `...` leaves a claim out."""
    now_s = provider.now_ms() // 1000
    claims = {
        "iss": provider.issuer,
        "aud": AUDIENCE,
        "sub": provider.subject,
        "client_id": "some-assistant",
        "iat": now_s,
        "exp": now_s + 300,
        "groups": ["ops"],
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def an_access_token(provider: Provider, **changed: Any) -> str:
    return provider.sign(claims_of(provider, **changed), typ="at+jwt")


async def ask(desk: Desk, token: str, path: str = "/mcp", **options: Any) -> ClientResponse:
    headers = {"Accept": "application/json, text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return await desk.client.post(path, json=LISTING, headers=headers, **options)


async def check_refused(desk: Desk, token: str, why: str) -> None:
    response = await ask(desk, token)
    text = await response.text()
    assert response.status == 401, text
    assert why in json.loads(text)["detail"]
    assert token.split(".")[1] not in text


@asynccontextmanager
async def a_taking_desk(*, is_signed_in: bool = True, **fields: Any) -> AsyncIterator[Desk]:
    """A provider whose access tokens are taken, and gina, who has logged in by way of it."""
    async with a_desk(**{"token_audience": AUDIENCE, **fields}) as desk:
        if is_signed_in:
            await desk.sign_in()
        yield desk


# ---- what should work


async def test_a_client_of_the_mcp_sdk_lists_and_calls_tools_with_a_token_of_the_provider() -> None:
    async with a_taking_desk() as desk:
        headers = {"Authorization": f"Bearer {an_access_token(desk.provider)}"}
        async with httpx2.AsyncClient(headers=headers) as http:
            streams = streamable_http_client(str(desk.client.make_url("/mcp")), http_client=http)
            async with Client(streams) as client:
                tools = {tool.name for tool in (await client.list_tools()).tools}
                status = await client.call_tool("get-cluster-status", {})
    assert {"get-cluster-status", DEPLOYING} <= tools
    assert not status.is_error


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT"])
async def test_access_tokens_are_known_by_their_type(typ: str) -> None:
    async with a_taking_desk() as desk:
        token = desk.provider.sign(claims_of(desk.provider, aud=["account", AUDIENCE]), typ=typ)
        assert (await ask(desk, token)).status == 200


async def test_groups_of_the_token_narrow_the_role_and_never_widen_it() -> None:
    async with a_taking_desk(
        roles=[{"group": "ops", "role": "operator"}, {"group": "eyes", "role": "viewer"}]
    ) as desk:
        narrow = await (await ask(desk, an_access_token(desk.provider, groups=["eyes"]))).text()
        desk.provider.claims["groups"] = ["eyes"]
        await desk.sign_in()
        wide = await (await ask(desk, an_access_token(desk.provider, groups=["ops"]))).text()
    assert "get-cluster-status" in narrow
    assert "get-cluster-status" in wide
    assert DEPLOYING not in narrow
    assert DEPLOYING not in wide


async def test_the_audit_names_the_issuer_whose_token_it_was() -> None:
    async with a_taking_desk(roles=[{"group": "ops", "role": "none"}]) as desk:
        call = {"name": "list-containers", "arguments": {}}
        body = {**LISTING, "method": "tools/call", "params": call}
        headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {an_access_token(desk.provider)}",
        }
        response = await desk.client.post("/mcp", json=body, headers=headers)
        assert 'isError":true' in (await response.text()).replace(" ", "")
        (entry, *_) = (await desk.get("/audit", outcome="denied"))["items"]
    assert (entry["actor"], f"token of {desk.provider.issuer}" in entry["reason"]) == ("gina", True)


async def test_changed_keys_are_read_again_and_unknown_ones_seldom() -> None:
    async with a_taking_desk() as desk:
        desk.provider.rotate_keys()
        for _ in range(5):
            await check_refused(desk, an_access_token(desk.provider), "a key that it does not publish")
        assert desk.provider.asked.count("keys") == 1
        await desk.world.clock.advance(11)
        assert (await ask(desk, an_access_token(desk.provider))).status == 200
        assert desk.provider.asked.count("keys") == 2


async def test_known_keys_hold_while_the_provider_is_down_and_without_them_it_is_neither_yes_nor_no() -> None:
    async with a_taking_desk() as desk:
        desk.provider.is_down = True
        assert (await ask(desk, an_access_token(desk.provider))).status == 200
        await desk.put(token_audience=AUDIENCE, label="Changed")
        response = await ask(desk, an_access_token(desk.provider))
        problem = await response.json()
    assert (response.status, "cannot be asked" in problem["detail"]) == (503, True)


# ---- what a client is told


async def test_a_client_without_a_token_is_told_who_gives_one() -> None:
    async with a_taking_desk() as desk:
        host = f"{desk.client.host}:{desk.client.port}"
        for method, path, of in (
            ("POST", "/mcp", "/mcp"),
            ("POST", "/mcp/readonly", "/mcp"),
            ("GET", "/sse", "/sse"),
            ("POST", "/messages", "/sse"),
        ):
            response = await desk.client.request(method, path)
            told = response.headers["WWW-Authenticate"]
            assert response.status == 401
            assert told.endswith(f', resource_metadata="https://{host}{METADATA}{of}"')
            answer = await desk.client.get(f"{METADATA}{of}")
            assert (await answer.json())["resource"] == f"https://{host}{of}"
        document = await (await desk.client.get(METADATA)).json()
        rest = await desk.client.get("/api/v1/users")
    assert document == {
        "resource": f"https://{host}/mcp",
        "resource_name": "Control Tower",
        "authorization_servers": [desk.provider.issuer],
        "scopes_supported": ["openid", "profile", "email"],
        "bearer_methods_supported": ["header"],
    }
    assert "resource_metadata" not in rest.headers["WWW-Authenticate"]


async def test_the_metadata_is_of_the_name_that_was_asked_for_and_of_none_that_could_not_be_one() -> None:
    async with a_taking_desk() as desk:
        asked = await desk.client.get(METADATA, headers={"Host": "tower.example"})
        assert (await asked.json())["resource"] == "https://tower.example/mcp"
        odd = {"Host": 'evil"example'}
        assert (await desk.client.get(METADATA, headers=odd)).status == 400
        refused = await desk.client.post("/mcp", headers=odd)
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="Control Tower"'


async def test_without_the_setting_there_is_no_metadata_and_no_token_is_taken() -> None:
    async with a_taking_desk(token_audience="") as desk:
        for path in ("", "/mcp", "/sse"):
            response = await desk.client.get(METADATA + path)
            assert (response.status, response.content_type) == (404, "application/problem+json")
        refused = await ask(desk, an_access_token(desk.provider))
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="Control Tower"'


async def test_the_mcp_sdk_finds_the_provider_by_the_answer_to_a_request_without_a_token() -> None:
    async with a_taking_desk() as desk:
        url = str(desk.client.make_url("/mcp")).replace("http:", "https:")
        refused = httpx2.Response(401, headers=dict((await ask(desk, "")).headers))
        found = extract_resource_metadata_from_www_auth(refused)
        candidates = build_protected_resource_metadata_discovery_urls(found, url)
        assert found in candidates
        answer = await desk.client.get(urlsplit(candidates[0]).path)
        metadata = ProtectedResourceMetadata.model_validate(await answer.json())
    assert check_resource_allowed(requested_resource=url, configured_resource=str(metadata.resource))
    assert [str(server).rstrip("/") for server in metadata.authorization_servers] == [desk.provider.issuer]


# ---- what is refused


async def test_a_token_is_for_the_mcp_endpoint_and_never_for_the_interface() -> None:
    async with a_taking_desk() as desk:
        token = an_access_token(desk.provider)
        for path in ("/api/v1/auth/me", "/api/v1/users", "/metrics", "/api/v1/live"):
            as_bearer = await desk.client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert as_bearer.status in (401, 404), path
            as_cookie = await desk.client.get(path, headers={"Cookie": f"__Host-tower_access={token}"})
            assert as_cookie.status in (401, 404), path


async def test_a_token_in_the_address_is_not_looked_at() -> None:
    async with a_taking_desk() as desk:
        token = an_access_token(desk.provider)
        assert (await ask(desk, "", params={"access_token": token})).status == 401
        assert (await ask(desk, token)).status == 200


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "https://other.example/mcp"}, "another audience"),
        ({"aud": CLIENT_ID}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": ...}, "another audience"),
        ({"aud": [["deep"]]}, "another audience"),
        ({"iss": "https://login.example.com"}, ""),
        ({"exp": 1}, "ended"),
        ({"exp": ...}, "no moment as exp"),
        ({"iat": ...}, "no moment as iat"),
        ({"nbf": 2**40}, "begins in"),
        ({"sub": ...}, "whom it is about"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
        ({"groups": ["guests"]}, "has a role here"),
        ({"groups": ...}, "has a role here"),
        ({"sub": "somebody-else"}, "has no account here"),
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(changed: dict[str, Any], why: str) -> None:
    async with a_taking_desk() as desk:
        await check_refused(desk, an_access_token(desk.provider, **changed), why)


def of_alg_none(_: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "rsa-1", "typ": "at+jwt"})


def of_another_key(_: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, ANOTHER_KEY, algorithm="RS256", headers={"kid": "rsa-1", "typ": "at+jwt"})


def of_an_unknown_key(_: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, ANOTHER_KEY, algorithm="RS256", headers={"kid": "rsa-9", "typ": "at+jwt"})


def an_id_token(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.sign({**claims, "nonce": "of a login"}, typ="JWT")


def an_id_token_by_its_claim(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.sign({**claims, "typ": "ID"}, typ="JWT")


def a_logout_token(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.sign(claims, typ="logout+jwt")


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (of_alg_none, "is none"),
        (hs256_with_the_public_key, "RS256 and ES256"),
        (of_another_key, "signature"),
        (of_an_unknown_key, "a key that it does not publish"),
        (an_id_token, "an ID token is not taken"),
        (an_id_token_by_its_claim, "an ID token is not taken"),
        (a_logout_token, "no access token"),
    ],
)
async def test_a_forged_token_and_one_of_another_kind_are_refused(
    forge: Callable[[Provider, dict[str, Any]], str], why: str
) -> None:
    async with a_taking_desk() as desk:
        await check_refused(desk, forge(desk.provider, claims_of(desk.provider)), why)


async def test_the_token_of_somebody_who_never_logged_in_makes_no_account() -> None:
    async with a_taking_desk(is_signed_in=False) as desk:
        await check_refused(desk, an_access_token(desk.provider), "has no account here")
        users = (await desk.get("/users"))["items"]
    assert [user["name"] for user in users] == ["ada"]


async def test_who_lost_the_groups_at_a_login_is_refused_with_a_token_from_before() -> None:
    async with a_taking_desk() as desk:
        token = an_access_token(desk.provider)
        desk.provider.claims["groups"] = ["guests"]
        await desk.sign_in()
        await check_refused(desk, token, "lets it in no more")


async def test_the_token_of_a_removed_account_is_refused() -> None:
    async with a_taking_desk() as desk:
        (gina,) = [user for user in (await desk.get("/users"))["items"] if user["name"] == "gina"]
        await desk.must("DELETE", f"/users/{gina['id']}")
        await check_refused(desk, an_access_token(desk.provider), "has no account here")


async def test_an_account_is_let_in_by_the_audience_of_the_provider_it_logs_in_by() -> None:
    async with a_taking_desk() as desk:
        await desk.put("other", token_audience="another cluster's")
        await check_refused(desk, an_access_token(desk.provider, aud="another cluster's"), "has no account")
        assert (await ask(desk, an_access_token(desk.provider))).status == 200


async def test_a_token_of_one_provider_is_not_taken_for_another_s_account() -> None:
    async with a_taking_desk() as desk, an_identity_provider(desk.world.clock.now_ms) as other:
        await desk.put("other", issuer=other.issuer, ca_pem=other.ca_pem, token_audience=AUDIENCE)
        await check_refused(desk, an_access_token(other), "has no account here")
        as_ours = other.sign(claims_of(other, iss=desk.provider.issuer), typ="at+jwt", kid="rsa-9")
        await check_refused(desk, as_ours, "a key that it does not publish")


async def test_what_a_program_scheduled_with_such_a_token_is_later_no_person_s_either() -> None:
    """Or it would pass, in a protected environment, for somebody who was logged in."""
    async with a_taking_desk() as desk:
        authenticator = desk.client.server.app[AUTHENTICATOR]  # type: ignore[attr-defined]
        token = an_access_token(desk.provider)
        identity = await authenticator.bearer(token, takes_provider_tokens=True)
        asker = asker_of(Call(identity=identity, request_id="rq", ip="", user_agent="", started_s=0.0))
        later = call_of(desk.world.surroundings, asker, via="schedule")
        await desk.put(token_audience="")
        refused = call_of(desk.world.surroundings, asker, via="schedule")
    assert isinstance(later, Call)
    assert not is_person(later)
    assert isinstance(refused, NotAdmitted)
    assert "not taken any more" in refused.reason


async def test_who_is_suspended_by_then_has_nothing_done_that_was_scheduled() -> None:
    async with a_taking_desk() as desk:
        authenticator = desk.client.server.app[AUTHENTICATOR]  # type: ignore[attr-defined]
        cookie = desk.cookies["__Host-tower_access"]
        identity = await authenticator.cookie(cookie)
        asker = asker_of(Call(identity=identity, request_id="rq", ip="", user_agent="", started_s=0.0))
        desk.provider.claims["groups"] = ["guests"]
        await desk.sign_in()
        refused = call_of(desk.world.surroundings, asker, via="schedule")
    assert isinstance(refused, NotAdmitted)
    assert "let in no more" in refused.reason


async def test_no_token_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_taking_desk() as desk:
        good, bad = an_access_token(desk.provider), an_access_token(desk.provider, exp=1)
        assert [(await ask(desk, token)).status for token in (good, bad)] == [200, 401]
    logged = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
    assert logged
    assert not any(part in logged for token in (good, bad) for part in token.split(".")[1:])


async def test_the_audience_is_not_the_client_which_id_tokens_are_for() -> None:
    async with a_desk() as desk:
        problem = await desk.refused(
            422,
            "PUT",
            "/providers/corp",
            label="x",
            issuer=desk.provider.issuer,
            client_id=CLIENT_ID,
            token_audience=CLIENT_ID,
        )
    assert problem["errors"][0]["field"] == "token_audience"

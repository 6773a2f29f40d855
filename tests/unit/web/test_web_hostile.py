"""Hostile requests over the whole interface: refused, without a word of the insides, and told of."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
import zlib
from contextlib import suppress
from typing import Any

import jwt
import pytest
from aiohttp import ClientResponse, WSMsgType, web
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cluster.model.access import Role
from cluster.model.audit import AuditOutcome
from cluster.rbac import ACTIONS
from tests.support.web_fakes import (
    ORIGIN,
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.api.endpoint import Endpoint
from web.api.routes import ENDPOINTS
from web.middleware.keys import AUTHORITY
from web.middleware.rate_limit import Limits, Quota
from web.middleware.routes import Audience
from web.tools.pace import Pace

Client = TestClient[web.Request, web.Application]

QUICK = Pace(rollout_wait_s=0.01, drain_wait_s=0.01)
MANY = Limits(
    stranger=Quota(burst=100_000, per_minute=100_000), account=Quota(burst=100_000, per_minute=100_000)
)
SCRIPT = "<script>alert(1)</script>"
CHANGING = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]
TAKING_BODIES = [endpoint for endpoint in CHANGING if endpoint.body is not None]


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint, value: str = "nothing-of-that-name") -> str:
    return "/api/v1" + re.sub(r"\{\w+\}", value, endpoint.path)


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    world.add_user("vic", Role.VIEWER)
    return world


async def check_refused(response: ClientResponse, *, at_least: int = 400) -> dict[str, Any]:
    """A refusal is a problem document, and tells nothing of the insides."""
    text = await response.text()
    assert at_least <= response.status < 500, f"{response.status}: {text[:300]}"
    assert response.content_type == "application/problem+json", text[:300]
    for word in ("Traceback", "site-packages", ".py", "pydantic"):
        assert word not in text, text[:500]
    told: dict[str, Any] = json.loads(text)
    assert told["request_id"]
    return told


# ---- JSON that is none, or too much -----------------------------------------------------------

BAD_JSON = {
    "deep arrays": b"[" * 30_000,
    "deep objects": b'{"a":' * 9_000,
    "not a number": b'{"name": NaN, "password": "x"}',
    "infinity": b'{"name": "x", "password": Infinity}',
    "a duplicate key": b'{"name": "ann", "name": "vic", "password": "x"}',
    "bytes that are no text": b'{"name": "\xff\xfe", "password": "x"}',
    "half a character": b'{"name": "\\ud800", "password": "x"}',
    "a huge number": b'{"name": ' + b"9" * 20_000 + b', "password": "x"}',
    "an exponent": b'{"name": 1e400000000, "password": "x"}',
    "a zero character": b'{"name": "ann\\u0000", "password": "x"}',
    "two documents": b'{"name": "ann", "password": "x"}{"name": "vic"}',
    "a mark before it": b'\xef\xbb\xbf{"name": "ann"}',
    "nothing but a list": b"[]",
    "nothing but a word": b"null",
}


@pytest.mark.parametrize("path", ["/auth/login", "/users", "/secrets/x"])
async def test_json_that_is_none_is_refused_and_told_of(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "web.middleware.entrance")
    statuses = []
    async with serving(a_world(), limits=MANY) as client:
        headers = {**await log_in(client, "ann"), "Content-Type": "application/json"}
        method = "PUT" if path.endswith("/x") else "POST"
        caplog.clear()
        for name, body in BAD_JSON.items():
            response = await client.request(method, f"/api/v1{path}", data=body, headers=headers)
            if (path, name) != ("/auth/login", "a zero character"):
                # There it is a name that nobody has.
                await check_refused(response)
            statuses.append(response.status)
    logged = [record for record in caplog.records if record.message == "http.request"]
    assert [getattr(record, "status", None) for record in logged] == statuses


async def test_a_message_of_a_socket_that_is_no_json_ends_nothing() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        async with client.ws_connect("/api/v1/live", headers=headers) as socket:
            for text in ("[" * 3000, '{"subscribe": NaN}', '{"subscribe":["containers"],"subscribe":[1]}'):
                await socket.send_str(text)
            errors = 0
            while errors < 2:
                message = await socket.receive(timeout=10)
                assert message.type is WSMsgType.TEXT
                errors += "error" in json.loads(message.data)


# ---- bodies that are larger than they look ----------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_small_body_that_becomes_a_large_one_is_cut(encoding: str) -> None:
    plain = b'{"name": "' + b"a" * 50_000_000 + b'"}'
    packed = gzip.compress(plain, 1) if encoding == "gzip" else zlib.compress(plain, 1)
    async with serving(a_world()) as client:
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        response = await client.post("/api/v1/auth/login", data=packed, headers=headers)
        await check_refused(response)
        assert (await client.get("/healthz")).status == 200


async def test_a_small_message_that_becomes_a_large_one_ends_its_socket() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        async with client.ws_connect("/api/v1/live", headers=headers, compress=15) as socket:
            with suppress(ConnectionError):
                # It may be closed before all of it is sent.
                await socket.send_str('{"subscribe": ["' + "a" * 5_000_000 + '"]}')
            message = await socket.receive(timeout=10)
            while message.type is WSMsgType.TEXT:
                message = await socket.receive(timeout=10)
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR)


# ---- paths ------------------------------------------------------------------------------------

TRAVERSALS = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "a%00b",
    "%ff%fe",
    "%0d%0aSet-Cookie:%20x=1",
    "x" * 4000,
    "'%20OR%201=1--",
)


@pytest.mark.parametrize("value", TRAVERSALS)
async def test_a_name_that_is_a_path_names_nothing(value: str) -> None:
    async with serving(a_world(), pace=QUICK, limits=MANY) as client:
        headers = await log_in(client, "ann")
        for endpoint in ENDPOINTS:
            if "{" not in endpoint.path or endpoint.path.startswith("/auth/providers"):
                continue
            response = await client.request(
                endpoint.method, path_of(endpoint, value), headers=headers, json={}, allow_redirects=False
            )
            text = await response.text()
            assert response.status < 500, f"{name_of(endpoint)}: {response.status} {text[:200]}"
            assert "root:x:0" not in text
            assert "Set-Cookie" not in response.headers
            assert not 300 <= response.status < 400, name_of(endpoint)


# ---- pages of others --------------------------------------------------------------------------


async def a_browser(client: Client, name: str = "ann") -> dict[str, str]:
    """Log in as a browser does, and return its cookies alone."""
    response = await client.post(
        "/api/v1/auth/login",
        json={"name": name, "password": PASSWORD, "mode": "cookie"},
        headers={"Origin": ORIGIN},
    )
    assert response.status == 200, await response.text()
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in response.cookies.values())
    return {"Cookie": cookies}


@pytest.mark.parametrize(
    "extra",
    [{}, {"Origin": "https://evil.example"}, {"Origin": ORIGIN, "X-CSRF-Token": "invented"}],
    ids=lambda extra: ",".join(extra.values()) or "nothing",
)
async def test_no_route_that_changes_something_takes_a_browsers_cookies_alone(extra: dict[str, str]) -> None:
    world = a_world()
    async with serving(world, pace=QUICK, limits=MANY) as client:
        cookies = await a_browser(client)
        before = len(world.state.proposed)
        for endpoint in CHANGING:
            if endpoint.access.audience is Audience.EVERYBODY or not endpoint.access.takes_cookies:
                continue
            response = await client.request(
                endpoint.method, path_of(endpoint), headers={**cookies, **extra}, json={}
            )
            assert response.status in (401, 403), f"{name_of(endpoint)}: {response.status}"
        assert len(world.state.proposed) == before, "nothing was changed"
        await client.app[AUTHORITY].flush()
    refused = [entry for entry in world.state.audit() if not entry.stamp.is_allowed]
    assert sum(entry.count for entry in refused) >= len(CHANGING) // 2


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_form_of_another_page_is_no_request_of_ours(content_type: str) -> None:
    async with serving(a_world()) as client:
        cookies = await a_browser(client)
        headers = {**cookies, "Origin": "https://evil.example", "Content-Type": content_type}
        body = b'{"name": "eve", "role": "admin", "password": "four quiet words here"}'
        assert (await client.post("/api/v1/users", data=body, headers=headers)).status == 403
        program = {**await log_in(client, "ann"), "Content-Type": content_type}
        assert (await client.post("/api/v1/users", data=body, headers=program)).status == 415


async def test_a_page_of_another_site_opens_no_socket() -> None:
    async with serving(a_world()) as client:
        cookies = await a_browser(client)
        for origin in ("https://evil.example", "null", ORIGIN + ".evil.example", "http" + ORIGIN[5:]):
            response = await client.get(
                "/api/v1/live",
                headers={
                    **cookies,
                    "Origin": origin,
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(),
                },
            )
            assert response.status == 403, origin


@pytest.mark.parametrize(
    "path", ["/.//evil.example/x", "/%2f%2fevil.example", "/\\evil.example", "/login/../..//evil.example"]
)
async def test_no_address_leads_to_another_site(path: str) -> None:
    async with serving(a_world()) as client:
        response = await client.get(path, allow_redirects=False)
        assert "evil.example" not in response.headers.get("Location", "")


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"]
)
async def test_what_a_caller_says_of_the_host_is_in_no_answer_that_others_get(header: str) -> None:
    async with serving(a_world()) as client:
        for path in ("/", "/api/v1/auth/methods", "/healthz", "/api/v1/openapi.json", "/api/v1/nodes"):
            response = await client.get(path, headers={header: "evil.example"}, allow_redirects=False)
            assert "evil.example" not in await response.text(), path
            assert not any("evil.example" in value for value in response.headers.values()), path
            if response.status == 401:
                assert "no-store" in response.headers["Cache-Control"]


# ---- tokens -----------------------------------------------------------------------------------


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    return f"{encoded(header)}.{encoded(claims)}."


def tampered_tokens(good: str, guess: str = "secret") -> dict[str, str]:
    """Return tokens made from a good one without its key. `guess` is what somebody takes for that."""
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    other = Ed25519PrivateKey.generate()
    head, body, signature = good.split(".")
    as_admin = {**claims, "role": "admin", "sub": "us_ann"}
    return {
        "no algorithm": unsigned(claims, {**header, "alg": "none"}),
        "NONE": unsigned(claims, {**header, "alg": "NONE"}),
        "a shared secret": jwt.encode(
            claims, guess[:64].ljust(64, "x"), algorithm="HS256", headers={**header, "alg": "HS256"}
        ),
        "another key": jwt.encode(claims, other, algorithm="EdDSA", headers=header),
        "another key id": jwt.encode(
            claims, other, algorithm="EdDSA", headers={**header, "kid": "../../dev/null"}
        ),
        "another issuer": jwt.encode({**claims, "iss": "evil"}, other, algorithm="EdDSA", headers=header),
        "another audience": jwt.encode({**claims, "aud": "evil"}, other, algorithm="EdDSA", headers=header),
        "other claims": f"{head}.{encoded(as_admin)}.{signature}",
        "no signature": f"{head}.{body}.",
        "cut": good[:-5],
        "with a line end": good + "%0d%0a",
    }


async def forged_tokens(client: Client) -> dict[str, str]:
    """Return tokens made from a good one of this server."""
    good = (await log_in(client, "ann"))["Authorization"].removeprefix("Bearer ")
    return tampered_tokens(good, repr(client.app[AUTHORITY]._surroundings.cluster.keyring()))


async def test_no_token_is_taken_that_we_did_not_sign_and_the_tries_are_counted() -> None:
    world = a_world()
    async with serving(world, limits=MANY) as client:
        forged = await forged_tokens(client)
        for name, token in forged.items():
            response = await client.get("/api/v1/users", headers={"Authorization": f"Bearer {token}"})
            assert response.status == 401, name
            cookie = await client.get("/api/v1/users", headers={"Cookie": f"__Host-tower_access={token}"})
            assert cookie.status == 401, name
        await client.app[AUTHORITY].flush()
    counted = [entry for entry in world.state.audit() if entry.outcome is AuditOutcome.DENIED]
    assert sum(entry.count for entry in counted) == 2 * len(forged)


@pytest.mark.parametrize("place", ["access_token", "token", "authorization", "jwt", "api_key"])
async def test_a_token_in_an_address_is_no_token(place: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(a_world()) as client:
        token = (await log_in(client, "ann"))["Authorization"].removeprefix("Bearer ")
        caplog.clear()
        response = await client.get(f"/api/v1/users?{place}={token}")
        assert response.status == 401
        assert (await client.get(f"/api/v1/live?{place}={token}")).status == 401
    # The agent runs its server without aiohttp's own log of addresses.
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp.")]
    assert ours
    assert not any(token in str(record.__dict__) for record in ours)


@pytest.mark.parametrize("end", ["logout", "role", "removal", "password"])
async def test_a_token_from_before_is_worth_nothing_after(end: str) -> None:
    world = a_world()
    async with serving(world) as client:
        vic, ann = await log_in(client, "vic"), await log_in(client, "ann")
        assert (await client.get("/api/v1/nodes", headers=vic)).status == 200
        match end:
            case "logout":
                done = await client.post("/api/v1/auth/logout", headers=vic)
            case "role":
                done = await client.post("/api/v1/users/vic/role", json={"role": "operator"}, headers=ann)
            case "removal":
                done = await client.delete("/api/v1/users/vic", headers=ann)
            case _:
                body = {"password": "four other quiet words"}
                done = await client.post("/api/v1/users/vic/password", json=body, headers=ann)
        assert done.status < 300, await done.text()
        assert (await client.get("/api/v1/nodes", headers=vic)).status == 401


# ---- taking what is not given -----------------------------------------------------------------


async def test_fields_that_nobody_asked_for_change_nothing() -> None:
    world = a_world()
    extra = {"is_admin": True, "principal_id": "us_ann", "epoch": 0, "owner_id": "us_ann", "__proto__": {}}
    async with serving(world, pace=QUICK, limits=MANY) as client:
        headers = await log_in(client, "ann")
        before = len(world.state.proposed)
        for endpoint in TAKING_BODIES:
            response = await client.request(endpoint.method, path_of(endpoint), headers=headers, json=extra)
            assert response.status in (400, 403, 404, 409, 422), f"{name_of(endpoint)}: {response.status}"
        changes = [each for each in world.state.proposed[before:] if type(each).__name__ != "RecordAudit"]
        assert changes == []


async def test_nobody_gives_themselves_more() -> None:
    world = a_world()
    async with serving(world) as client:
        vic = await log_in(client, "vic")
        tries = (
            ("POST", "/users/vic/role", {"role": "admin"}),
            ("POST", "/users/me/role", {"role": "admin"}),
            ("POST", "/users", {"name": "vic2", "role": "admin", "password": "four quiet words here"}),
            ("POST", "/users/ann/password", {"password": "four quiet words here"}),
            ("POST", "/bindings", {"user": "vic", "role": "admin"}),
            ("PUT", "/roles/mine", {"permissions": [{"actions": ["*"]}]}),
            ("POST", "/tokens", {"name": "t", "role": "admin"}),
            ("DELETE", "/users/ann", None),
        )
        for method, path, body in tries:
            response = await client.request(method, f"/api/v1{path}", json=body, headers=vic)
            assert response.status in (403, 422), f"{path}: {response.status}"
    refused = {entry.stamp.action for entry in world.state.audit() if not entry.stamp.is_allowed}
    assert {
        "user.set-role",
        "user.create",
        "user.set-password",
        "binding.put",
        "role.put",
        "user.remove",
    } <= refused


async def test_a_token_makes_no_token_and_binds_no_role() -> None:
    world = a_web_world()
    token = world.add_api_token(world.add_user("ann", Role.ADMIN), Role.ADMIN)
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(world) as client:
        made = await client.post("/api/v1/tokens", json={"name": "t", "role": "viewer"}, headers=headers)
        assert made.status == 403
        bound = await client.post("/api/v1/bindings", json={"user": "ann", "role": "viewer"}, headers=headers)
        assert bound.status == 403


# ---- what containers are called ---------------------------------------------------------------


async def test_names_that_are_scripts_are_data_in_every_answer() -> None:
    world = a_world()
    put_containers(
        world,
        "nd_1",
        a_container(SCRIPT, image=SCRIPT, project=SCRIPT, service=SCRIPT, labels=((SCRIPT, SCRIPT),)),
    )
    async with serving(world, pace=QUICK, limits=MANY) as client:
        headers = await log_in(client, "ann")
        for endpoint in ENDPOINTS:
            if (
                endpoint.method != "GET"
                or "{" in endpoint.path
                or endpoint.path.startswith("/auth/providers")
            ):
                continue
            async with client.get(path_of(endpoint), headers={**headers, "Accept": "text/html"}) as response:
                if response.content_type in ("text/html", "image/svg+xml"):
                    # A report is a page, if one asks for it.
                    assert endpoint.path == "/analytics/report"
                    assert SCRIPT not in await response.text()
                assert response.headers["X-Content-Type-Options"] == "nosniff", name_of(endpoint)
                assert "script-src 'self'" in response.headers["Content-Security-Policy"], name_of(endpoint)


PUBLIC = {
    # What a load balancer, a new host and the first administrator need before anybody is known.
    "GET /health",
    "GET /ca",
    "POST /join",
    "GET /setup",
    "POST /setup",
    # How one becomes known.
    "POST /auth/login",
    "POST /auth/login/code",
    "POST /auth/refresh",
    "GET /auth/providers",
    "GET /auth/providers/{provider}/start",
    "GET /auth/providers/{provider}/callback",
    "GET /auth/providers/{provider}/logout",
}
"""Whoever adds one says why it is for strangers."""


def test_every_route_says_who_may_use_it_or_is_in_the_list_of_those_for_everybody() -> None:
    public = {name_of(endpoint) for endpoint in ENDPOINTS if endpoint.access.audience is Audience.EVERYBODY}
    assert public == PUBLIC
    for endpoint in ENDPOINTS:
        if endpoint.access.audience is Audience.ALLOWED:
            assert endpoint.access.action in ACTIONS, name_of(endpoint)

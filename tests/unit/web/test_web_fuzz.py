"""Whatever is sent, the answer is one that the description foresees, and never a 500."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from cluster.model.access import Role
from tests.support.state_builders import a_service
from tests.support.web_fakes import (
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.api.openapi import describe
from web.api.routes import ENDPOINTS
from web.middleware.rate_limit import Limits, Quota
from web.tools.pace import Pace

Client = TestClient[web.Request, web.Application]

DOCUMENT = describe(ENDPOINTS)
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
ENDLESS = Limits(account=Quota(burst=10**6, per_minute=10**9), stranger=Quota(burst=10**6, per_minute=10**9))
QUICK = Pace(rollout_wait_s=0.001, drain_wait_s=0.001, stream_heartbeat_s=0.01)

NASTY = st.sampled_from(
    [
        "",
        "\x00",
        "..",
        "../../etc/passwd",
        "%00",
        "a" * 1000,
        "é\u202e",
        "\U0001f600",
        "-1",
        "1e309",
        "null",
        "' OR 1=1 --",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "shop.web",
        "nd_1",
        "h1",
        "web",
        "9" * 30,
        "true",
        "\r\nX-Injected: 1",
    ]
)
TEXTS = st.one_of(NASTY, st.text(max_size=20))
NAMES = st.sampled_from(["web", "db", "h1", "nd_2", "shop.web", "ann", "me", "cluster.node_down_after_ms"])
COMPOSE = "name: shop\nservices: {web: {image: 'registry.example/shop:1'}}"
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@dataclass(frozen=True)
class Sent:
    """One request to an operation."""

    path: str
    method: str
    operation: Any
    parameters: dict[str, str]
    query: list[tuple[str, str]]
    body: bytes | None
    content_type: str

    def url(self, client: Client) -> URL:
        path = self.path
        for name, value in self.parameters.items():
            path = path.replace(f"{{{name}}}", quote(value, safe="", errors="surrogatepass"))
        query = "&".join(
            f"{quote(name, errors='replace')}={quote(value, errors='replace')}" for name, value in self.query
        )
        return URL(f"http://127.0.0.1:{client.port}{path}{f'?{query}' if query else ''}", encoded=True)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert isinstance(found, dict)
        return found
    return schema


def member(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    match name:
        case "compose":
            return st.one_of(st.just(COMPOSE), TEXTS)
        case "password" | "current_password":
            return st.one_of(st.just(PASSWORD), TEXTS)
        case "name" | "node_id":
            return st.one_of(NAMES, TEXTS)
        case _:
            return likely(schema)


def likely(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of about the right form: right ones, ones at the bounds, and wrong ones."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return st.one_of([likely(option) for option in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            members = {name: member(name, inner) for name, inner in schema["properties"].items()}
            right = {name: members[name] for name in schema.get("required", ())}
            return st.one_of(
                st.fixed_dictionaries(right),
                st.fixed_dictionaries(
                    right, optional={name: inner for name, inner in members.items() if name not in right}
                ),
                st.fixed_dictionaries(
                    {}, optional={name: st.one_of(*[members[name], VALUES]) for name in members}
                ),
            )
        case "object":
            return st.dictionaries(TEXTS, TEXTS, max_size=3)
        case "integer":
            bounds = [schema.get("minimum", 0), schema.get("maximum", 100)]
            return st.one_of(st.sampled_from(bounds), st.integers(*bounds))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            return TEXTS


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    path, method, operation = draw(st.sampled_from(OPERATIONS))
    parameters: dict[str, str] = {}
    query: list[tuple[str, str]] = []
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameters[parameter["name"]] = draw(st.one_of(NAMES, NAMES, TEXTS.filter(bool)))
        elif draw(st.integers(0, 2)) == 0:
            query.append((parameter["name"], str(draw(st.one_of(likely(parameter["schema"]), TEXTS)))))
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(TEXTS), draw(TEXTS)))
    body: bytes | None = None
    if method != "get":
        kind = draw(st.sampled_from(["likely", "likely", "likely", "json", "bytes", "none"]))
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        match kind:
            case "likely" if content:
                body = json.dumps(draw(likely(content["schema"]))).encode()
            case "likely" | "json":
                body = json.dumps(draw(VALUES)).encode()
            case "bytes":
                body = draw(st.binary(max_size=50))
    content_type = draw(
        st.sampled_from(["application/json"] * 8 + ["text/plain", "application/json; charset=x"])
    )
    return Sent(path, method, operation, parameters, query, body, content_type)


def a_busy_world() -> WebWorld:
    world = a_web_world()
    world.add_user("root", Role.ADMIN)
    world.add_user("ann", Role.ADMIN)
    world.state.must(a_service("shop.web"))
    put_containers(world, "nd_1", a_container("web"), a_container("db"))
    return world


async def check(sent: list[Sent], *, role: Role | None) -> None:
    world = a_busy_world()
    async with serving(world, limits=ENDLESS, pace=QUICK) as client:
        headers = {} if role is None else await log_in(client, "ann")
        for request in sent:
            if role is not None and request.path.endswith(("/auth/logout", "/password", "/role")):
                # They may end this login; what they answer is tested on its own.
                continue
            world.hosts.more_lines.set()
            response = await client.session.request(
                request.method,
                request.url(client),
                data=request.body,
                headers={**headers, "Content-Type": request.content_type},
                allow_redirects=False,
            )
            await check_answer(request, response.status, response.content_type, await response.read())
            assert "X-Injected" not in response.headers
            if response.status == 401 and role is not None and "/auth/" not in request.path:
                # The account itself was removed, or the last login of it.
                headers = await log_in(client, "root")


async def check_answer(request: Sent, status: int, content_type: str, body: bytes) -> None:
    assert status != 500, (request, body)
    # Whether there is such an address, and the host's own limits, come before any operation.
    declared = request.operation["responses"]
    assert str(status) in declared or status in (404, 405) or (status == 200 and "202" in declared), (
        request,
        status,
        body,
    )
    if status >= 400:
        assert content_type == "application/problem+json", (request, body)
        jsonschema.validate(json.loads(body), DOCUMENT["components"]["schemas"]["Problem"])
        return
    content = declared.get(str(status), declared.get("202", {})).get("content", {})
    if "application/json" in content and content_type == "application/json":
        schema = {**content["application/json"]["schema"], "components": DOCUMENT["components"]}
        if content["application/json"]["schema"] != {"type": "string"}:
            jsonschema.validate(json.loads(body), schema)


@given(sent=st.lists(requests(), min_size=8, max_size=30))
@settings(deadline=None)
@pytest.mark.timeout(600)
def test_whatever_an_administrator_sends_is_answered_as_described(sent: list[Sent]) -> None:
    asyncio.run(check(sent, role=Role.ADMIN))


@given(sent=st.lists(requests(), min_size=1, max_size=10))
@settings(deadline=None)
def test_whatever_a_stranger_sends_is_answered_as_described(sent: list[Sent]) -> None:
    asyncio.run(check(sent, role=None))


def test_every_operation_can_be_reached_by_the_fuzzing() -> None:
    assert len(OPERATIONS) == len(ENDPOINTS)

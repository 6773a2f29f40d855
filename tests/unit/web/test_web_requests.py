"""What holds for every request: its id, its headers, its limits, and how it is told that it is wrong."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from cluster.model.access import Role
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import StoreError
from tests.support.web_fakes import (
    PASSWORD,
    WebWorld,
    a_container,
    a_web_world,
    log_in,
    put_containers,
    serving,
)
from web.auth.problems import KINDS
from web.middleware.entrance import CONTENT_SECURITY_POLICY
from web.middleware.rate_limit import Counted, Limits, Quota, RateLimiter

Client = TestClient[web.Request, web.Application]


def a_world() -> WebWorld:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    return world


# ---- ids and headers


async def test_every_answer_has_the_headers_that_keep_browsers_in_bounds() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        for path in ("/healthz", "/", "/nothing", "/api/v1/nodes", "/api/v1/nothing", "/api/v1/openapi.json"):
            response = await client.get(path, headers=headers)
            assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, path
            assert response.headers["X-Content-Type-Options"] == "nosniff", path
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000", path
            assert response.headers["Referrer-Policy"] == "same-origin", path
            assert response.headers["X-Frame-Options"] == "DENY", path
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
            assert "camera=()" in response.headers["Permissions-Policy"], path
            assert response.headers["X-Request-ID"], path
            assert response.headers["Server"] == "control-tower", path


def test_scripts_come_from_our_own_files_alone() -> None:
    policy = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


async def test_on_localhost_no_other_program_is_bound_to_tls() -> None:
    async with serving(a_world()) as client:
        response = await client.get("/healthz", headers={"Host": "localhost:7443"})
    assert "Strict-Transport-Security" not in response.headers


async def test_answers_of_the_interface_are_used_again_only_after_asking_and_refusals_are_not_kept() -> None:
    async with serving(a_world()) as client:
        response = await client.get("/api/v1/health")
        refused = await client.get("/api/v1/nodes")
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert refused.headers["Cache-Control"] == "no-store"


async def test_a_caller_may_name_its_request_in_harmless_words() -> None:
    async with serving(a_world()) as client:
        own = await client.get("/api/v1/health", headers={"X-Request-ID": "deploy-4711.b"})
        odd = await client.get("/api/v1/health", headers={"X-Request-ID": "a b;c" * 30})
    assert own.headers["X-Request-ID"] == "deploy-4711.b"
    assert odd.headers["X-Request-ID"].startswith("rq_")


async def test_the_log_names_the_route_and_not_what_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        await client.get("/api/v1/containers/secret-name", params={"node": "hidden"}, headers=headers)
    record = [record for record in caplog.records if record.message == "http.request"][-1]
    fields: dict[str, Any] = record.__dict__
    assert (fields["route"], fields["status"], fields["principal"]) == (
        "/api/v1/containers/{container}",
        404,
        "us_ann",
    )
    # aiohttp's own access log, which the agent turns off, names the address.
    ours = str([record.__dict__ for record in caplog.records if record.name.startswith("web.")])
    assert "hidden" not in ours
    assert "secret-name" not in ours
    assert PASSWORD not in ours


async def test_what_is_read_without_trouble_is_logged_for_looking_closely_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(a_world()) as client:
        await client.get("/api/v1/health")
        await client.get("/api/v1/nodes")
        await client.post("/api/v1/auth/logout")
    levels = [
        (record.__dict__["route"], record.levelno)
        for record in caplog.records
        if record.message == "http.request"
    ]
    assert levels == [
        ("/api/v1/health", logging.DEBUG),
        ("/api/v1/nodes", logging.INFO),
        ("/api/v1/auth/logout", logging.INFO),
    ]


async def test_the_log_names_the_dashboards_pages_in_short(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(a_world()) as client:
        await client.get("/services/shop.web")
    record = [record for record in caplog.records if record.message == "http.request"][-1]
    assert record.__dict__["route"] == "/{path}"


# ---- problems


async def test_a_problem_is_a_document_that_says_what_to_do() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        response = await client.get("/api/v1/nodes/nowhere", headers=headers)
        problem = await response.json()
    assert response.content_type == "application/problem+json"
    assert problem == {
        "type": "urn:tower:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no host 'nowhere'",
        "instance": "/api/v1/nodes/nowhere",
        "request_id": response.headers["X-Request-ID"],
        "hint": "the cluster has h1, h2, h3",
    }


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/nodes", "/api", "/api/", "/messages/x"])
async def test_an_address_that_is_none_of_the_interface_is_told_where_to_look(path: str) -> None:
    async with serving(a_world()) as client:
        response = await client.get(path)
        problem = await response.json()
    assert response.status == 404
    assert "openapi.json" in problem["hint"]


async def test_a_method_that_is_not_for_an_address_names_those_that_are() -> None:
    async with serving(a_world()) as client:
        response = await client.put("/api/v1/nodes/h1/drain", json={})
        problem = await response.json()
    assert response.status == 405
    assert response.headers["Allow"] == "OPTIONS, POST"
    assert problem["type"] == "urn:tower:problem:method-not-allowed"


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (NotCommitted("no leader is known here"), 503, "nothing was changed"),
        (OutcomeUnknown("leadership was lost"), 504, "may have taken effect"),
        (StoreError("page 7 is damaged"), 503, "cannot read its state"),
        (RuntimeError("secret internals"), 500, "defect of Control Tower"),
        (ExceptionGroup("tasks", [NotCommitted("one of several")]), 503, "one of several"),
    ],
)
async def test_what_goes_wrong_inside_is_told_without_its_insides(
    failure: Exception, status: int, words: str
) -> None:
    world = a_world()
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        world.state.failures.append(failure)
        response = await client.post("/api/v1/nodes/h2/drain", json={"draining": True}, headers=headers)
        text = await response.text()
    assert response.status == status
    assert words in json.loads(text)["detail"]
    assert "secret internals" not in text
    assert "Traceback" not in text
    assert (response.headers.get("Retry-After") is not None) == (status == 503)


async def test_a_full_disk_is_told_by_readiness_and_by_the_cluster() -> None:
    world = a_world()
    world.cluster.disk_full = world.cluster.not_ready = "the disk of /var/lib/control-tower is full"
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        cluster = await (await client.get("/api/v1/cluster", headers=headers)).json()
        health = await (await client.get("/api/v1/health")).json()
        text = await ready.text()
    assert (ready.status, text) == (503, "the disk of /var/lib/control-tower is full\n")
    assert alive.status == 200
    assert cluster["disk_full"] == health["reason"] == "the disk of /var/lib/control-tower is full"
    assert health["status"] == "not-ready"


async def test_a_ready_host_says_so_to_anybody() -> None:
    async with serving(a_world()) as client:
        ready = await client.get("/readyz")
        health = await (await client.get("/api/v1/health")).json()
    assert ready.status == 200
    assert (health["status"], health["node_id"], health["version"]) == ("ready", "nd_1", "1.2.3")


# ---- bodies and queries


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"\xff\xfe", 400, None),
        (b'"draining"', 422, "body"),
        (b"[]", 422, "body"),
        (b"{}", 422, "draining"),
        (b'{"draining": "true"}', 422, "draining"),
        (b'{"draining": 1}', 422, "draining"),
        (b'{"draining": true, "force": true}', 422, "force"),
        (b'{"draining": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, None),
    ],
)
async def test_a_body_that_is_not_right_is_told_field_by_field(
    body: bytes, status: int, field: str | None
) -> None:
    async with serving(a_world()) as client:
        headers = {**await log_in(client, "ann"), "Content-Type": "application/json"}
        response = await client.post("/api/v1/nodes/h2/drain", data=body, headers=headers)
        problem = await response.json()
    assert response.status == status, problem
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]]
        assert all(error["rule"] for error in problem["errors"])


async def test_values_of_secret_fields_are_never_sent_back() -> None:
    async with serving(a_world()) as client:
        response = await client.post(
            "/api/v1/auth/login", json={"name": 7, "password": ["hunter2"], "mode": "x"}
        )
        problem = await response.json()
    values = {error["field"]: error["value"] for error in problem["errors"]}
    assert values["name"] == 7
    assert values["mode"] == "x"
    assert values["password"] is None
    assert "hunter2" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=99999", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=WyJhIl0", "cursor"),
        ("cursor=" + "A" * 4000, "cursor"),
        ("colour=blue", "colour"),
        ("state=%00", "state"),
    ],
)
async def test_a_query_that_is_not_right_is_told_by_name(query: str, field: str) -> None:
    world = a_world()
    put_containers(world, "nd_1", a_container("web"))
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        response = await client.get(f"/api/v1/containers?{query}", headers=headers)
        problem = await response.json()
    assert response.status == 422
    assert problem["errors"][0]["field"] == field


async def test_a_body_of_another_type_is_refused() -> None:
    async with serving(a_world()) as client:
        headers = {**await log_in(client, "ann"), "Content-Type": "text/plain"}
        response = await client.post("/api/v1/nodes/h2/drain", data=b'{"draining": true}', headers=headers)
    assert response.status == 415


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_larger_than_the_route_takes_is_not_read(is_chunked: bool) -> None:
    async with serving(a_world()) as client:
        headers = {**await log_in(client, "ann"), "Content-Type": "application/json"}
        data = b'{"name": "' + b"x" * 100_000 + b'"}'

        async def chunks() -> Any:
            for start in range(0, len(data), 10_000):
                yield data[start : start + 10_000]

        response = await client.post("/api/v1/users", data=chunks() if is_chunked else data, headers=headers)
        problem = await response.json()
    assert response.status == 413
    assert "65536" in problem["detail"]


async def test_a_limit_of_the_host_is_above_that_of_any_route() -> None:
    world = a_world()
    world.body_bytes_max = 1000
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        response = await client.post("/api/v1/deployments", json={"compose": "x" * 2000}, headers=headers)
    assert response.status == 413


async def test_a_compose_file_of_a_megabyte_arrives() -> None:
    compose = "# " + "x" * 1_000_000 + "\nname: shop\n"
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        response = await client.post("/api/v1/deployments", json={"compose": compose}, headers=headers)
    assert response.status == 422


# ---- how often


async def test_an_account_that_asks_too_often_is_told_when_to_come_back() -> None:
    world = a_world()
    limits = Limits(account=Quota(burst=3, per_minute=60))
    async with serving(world, limits=limits) as client:
        headers = await log_in(client, "ann")
        allowed = [await client.get("/api/v1/auth/me", headers=headers) for _ in range(3)]
        refused = await client.get("/api/v1/auth/me", headers=headers)
        await world.clock.advance(1)
        later = await client.get("/api/v1/auth/me", headers=headers)
    assert [response.status for response in allowed] == [200, 200, 200]
    assert [response.headers["RateLimit"] for response in allowed] == [
        '"account";r=2;t=1',
        '"account";r=1;t=2',
        '"account";r=0;t=3',
    ]
    assert allowed[0].headers["RateLimit-Policy"] == '"account";q=3;w=3'
    assert (refused.status, refused.headers["Retry-After"], later.status) == (429, "1", 200)


async def test_a_stranger_who_tries_tokens_is_slowed_down() -> None:
    limits = Limits(stranger=Quota(burst=5, per_minute=60))
    async with serving(a_world(), limits=limits) as client:
        statuses = [
            (await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer x{n}"})).status
            for n in range(7)
        ]
    assert statuses == [401] * 5 + [429] * 2


def test_buckets_of_many_callers_do_not_fill_the_memory() -> None:
    limiter = RateLimiter(Limits())
    for number in range(20_000):
        limiter.take(Counted.ADDRESS, f"10.0.{number}", now_s=0.0)
    assert len(limiter._buckets) <= 10_000


def test_a_clock_that_stands_still_gives_nothing_back() -> None:
    limiter = RateLimiter(Limits(stranger=Quota(burst=2, per_minute=60)))
    refused = [limiter.take(Counted.ADDRESS, "x", now_s=5.0)[1] for _ in range(4)]
    assert refused == [None, None, 1, 1]


# ---- the dashboard's files


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>tower</title>" + " " * 2000)
    (tmp_path / "assets" / "app-1a2b.js").write_text("console.log(1);" * 200)
    (tmp_path / "favicon.svg").write_text("<svg/>")
    return tmp_path


async def test_an_office_behind_one_address_gets_the_dashboard_whole(static: Path) -> None:
    limits = Limits(stranger=Quota(burst=3, per_minute=60))
    async with serving(a_world(), static=static, limits=limits) as client:
        files = [(await client.get("/assets/app-1a2b.js")).status for _ in range(40)]
        asked = [(await client.get("/api/v1/setup")).status for _ in range(4)]
    assert files == [200] * 40
    assert asked == [200, 200, 200, 429]


async def test_even_files_are_not_given_without_end(static: Path) -> None:
    limits = Limits(files=Quota(burst=3, per_minute=60))
    async with serving(a_world(), static=static, limits=limits) as client:
        answers = [await client.get("/assets/app-1a2b.js") for _ in range(4)]
        asked = await client.get("/api/v1/setup")
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"files";q=3;w=3'
    assert asked.status == 200


async def test_the_page_is_served_for_every_address_of_the_dashboard(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        for path in ("/", "/index.html", "/services/shop.web", "/login"):
            response = await client.get(path)
            assert response.status == 200, path
            assert "tower" in await response.text(), path
            assert response.headers["Cache-Control"] == "no-cache", path
            assert response.content_type == "text/html"


async def test_what_programs_look_for_and_is_not_there_is_not_the_page(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        for path in ("/metrics/x", "/openapi.json", "/robots.txt", "/.well-known/oauth-protected-resource"):
            response = await client.get(path)
            assert (response.status, response.content_type) == (404, "application/problem+json"), path


async def test_files_named_after_their_content_are_kept_for_good(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        script = await client.get("/assets/app-1a2b.js")
        icon = await client.get("/favicon.svg")
        gone = await client.get("/assets/app-old.js")
    assert "immutable" in script.headers["Cache-Control"]
    assert script.content_type == "application/javascript"
    assert icon.headers["Cache-Control"] == "no-cache"
    assert gone.status == 404


async def test_text_is_sent_compressed_to_those_who_can_read_it(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        response = await client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
        texts = [await response.text(), await plain.text()]
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    assert texts[0] == texts[1]
    assert int(response.headers["Content-Length"]) == len(
        gzip.compress(("console.log(1);" * 200).encode(), 9)
    )


async def test_what_a_browser_has_already_is_not_sent_again(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        first = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": first.headers["ETag"]})
        body = await again.read()
    assert (again.status, body) == (304, b"")


async def test_a_head_request_has_no_body(static: Path) -> None:
    async with serving(a_world(), static=static) as client:
        response = await client.head("/")
        body = await response.read()
    assert (response.status, body) == (200, b"")


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fx"])
async def test_no_path_leads_out_of_the_directory(static: Path, path: str) -> None:
    (static.parent / "secret").write_text("root:x")
    async with serving(a_world(), static=static) as client:
        from yarl import URL

        response = await client.session.get(URL(f"http://127.0.0.1:{client.port}{path}", encoded=True))
        text = await response.text()
    assert "root:" not in text
    assert "[project]" not in text


async def test_a_dashboard_that_is_not_built_says_so_and_appears_once_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "static"
    async with serving(a_world(), static=directory) as client:
        before = await client.get("/")
        text = await before.text()
        directory.mkdir()
        (directory / "index.html").write_text("built")
        after = await client.get("/")
        assert await after.text() == "built"
    assert before.status == 503
    assert "make ui" in text


# ---- the description


async def test_the_description_lists_every_route_with_its_problems() -> None:
    async with serving(a_world()) as client:
        document = await (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    drain = document["paths"]["/api/v1/nodes/{node}/drain"]["post"]
    assert drain["x-action"] == "node.drain"
    assert drain["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/DrainBody"
    }
    assert {"200", "401", "403", "404", "422", "503", "504"} <= drain["responses"].keys()
    schemas = document["components"]["schemas"]
    references = set(json_references(document))
    assert references <= {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "parameters")
        for name in document["components"][kind]
    }
    assert set(schemas["NodeView"]["required"]) == set(schemas["NodeView"]["properties"])
    assert [kind.rpartition(":")[2] for kind in schemas["Problem"]["properties"]["type"]["enum"]] == list(
        KINDS
    )


def json_references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in json_references(value)]
    if isinstance(node, list):
        return [found for value in node for found in json_references(value)]
    return []

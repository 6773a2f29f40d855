"""Which addresses there are, which methods they take, and that the short paths are the same as the long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.commands.route_certificates import PutRouteCertificate
from cluster.commands.services import PutService
from cluster.model.access import Role
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import ContainerAction, HostLive, LiveSeries, LogLine
from cluster.model.service import Route, RouteTls
from tests.support.identity_builders import NOW_MS
from tests.support.state_builders import a_service
from tests.support.web_fakes import WebWorld, a_container, a_web_world, log_in, put_containers, serving


def a_world(role: Role = Role.OPERATOR) -> WebWorld:
    world = a_web_world()
    world.add_user("ann", role)
    put_containers(world, "nd_1", a_container("web"))
    return world


def numbers(**values: float) -> HostLive:
    return HostLive(
        node_id=NodeId("nd_1"),
        times_ms=(NOW_MS - 10_000, NOW_MS),
        series=tuple(
            LiveSeries(subject=subject, metric="cpu_percent", values=(1.0, value))
            for subject, value in values.items()
        ),
    )


@pytest.mark.parametrize(
    "path", ["/health", "/containers", "/containers/web", "/metrics", "/metrics/history?subject=h1"]
)
async def test_the_short_path_answers_as_the_long_one(path: str) -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        short = await client.get(f"/api{path}", headers=headers)
        long = await client.get(f"/api/v1{path}", headers=headers)
        assert (short.status, await short.json()) == (200, await long.json())


async def test_logs_and_restarts_have_short_paths_too() -> None:
    world = a_world()
    world.hosts.lines = [LogLine(stream="stdout", at_ms=1, text="hello")]
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        logs = await client.get("/api/logs/web?follow=false", headers=headers)
        assert '"hello"' in await logs.text()
        restarted = await client.post("/api/containers/web/restart", headers=headers)
        assert restarted.status == 200
    assert [action for _, _, action, _, _ in world.hosts.acted] == [ContainerAction.RESTART]


async def test_short_paths_are_not_for_strangers_and_not_for_viewers_either() -> None:
    async with serving(a_world(Role.VIEWER)) as client:
        assert (await client.get("/api/containers")).status == 401
        headers = await log_in(client, "ann")
        assert (await client.post("/api/containers/web/restart", headers=headers)).status == 403


async def test_current_numbers_are_the_newest_by_host_and_container() -> None:
    world = a_world()
    container = a_container("web")
    world.hosts.numbers["nd_1"] = numbers(**{"host": 40.0, container.id: 7.0, "gone": 3.0})
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        answer = await (await client.get("/api/metrics?node=h1", headers=headers)).json()
        unknown = await client.get("/api/metrics?node=h9", headers=headers)
    (host,) = answer
    assert (host["node_name"], host["at_ms"], host["numbers"]) == ("h1", NOW_MS, {"cpu_percent": 40.0})
    assert [(each["name"], each["numbers"]) for each in host["containers"]] == [("web", {"cpu_percent": 7.0})]
    assert unknown.status == 404


async def test_routes_tell_what_leads_where_and_with_which_certificate() -> None:
    world = a_world()
    world.state.must(routed("shop.web", "shop.example", "/", RouteTls.ON))
    world.state.must(routed("shop.api", "shop.example", "/api", RouteTls.OFF))
    inner = a_service("shop.db")
    world.state.must(replace(inner, spec=replace(inner.spec, route=None)))
    for name, hosts in (("wild", ("*.example",)), ("other", ("blog.example",))):
        world.state.must(
            PutRouteCertificate(
                name=name,
                chain_pem="chain",
                sealed_key=b"s" * 64,
                hosts=hosts,
                not_after_ms=NOW_MS + 86_400_000,
                fingerprint="ab" * 32,
                changed_by="ann",
            )
        )
    async with serving(world) as client:
        headers = await log_in(client, "ann")
        page = await (await client.get("/api/v1/routes", headers=headers)).json()
    assert [(each["service"], each["path"]) for each in page["items"]] == [
        ("shop.web", "/"),
        ("shop.api", "/api"),
    ]
    certificates = [each["certificate"] for each in page["items"]]
    assert certificates[0]["name"] == "wild"
    assert certificates[0]["ends_soon"]
    assert certificates[1] is None


def routed(service_id: str, host: str, path: str, tls: RouteTls) -> PutService:
    command = a_service(ServiceId(service_id))
    route = Route(host=host, port=80, path=path, tls=tls)
    return replace(command, spec=replace(command.spec, route=route))


async def test_head_is_answered_like_get_without_the_body() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "ann")
        head = await client.head("/api/v1/containers", headers=headers)
        got = await client.get("/api/v1/containers", headers=headers)
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["Content-Length"] == str(len(await got.read()))
        assert (await client.head("/api/v1/containers")).status == 401
        assert (await client.head("/healthz")).status == 200


async def test_another_method_is_told_which_there_are() -> None:
    async with serving(a_world()) as client:
        refused = await client.put("/api/v1/containers")
        asked = await client.options("/api/v1/containers")
        nothing = await client.options("/api/v1/nothing-here")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (asked.status, asked.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert not [name for name in asked.headers if name.startswith("Access-Control")]
    assert nothing.status == 404

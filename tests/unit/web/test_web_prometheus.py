"""GET /metrics: two formats, their rules, and who may read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model.access import Role
from cluster.model.exposition import Distribution, Family, FamilyType, Point
from tests.support.requirements import require_program
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.api.prometheus import OPEN_METRICS, PLAIN, render, wants_open_metrics

FAMILIES = (
    Family(name="tower_node", type=FamilyType.INFO, help="Which", points=(Point((("node", "alpha"),), 1),)),
    Family(
        name="tower_container_cpu_seconds",
        type=FamilyType.COUNTER,
        unit="seconds",
        help='Says "cpu"',
        points=(Point((("container", "web"), ("service", "")), 1.5), Point((("container", 'a"\\\n'),), 2)),
    ),
    Family(
        name="tower_route_latency_seconds",
        type=FamilyType.HISTOGRAM,
        unit="seconds",
        help="Latency",
        points=(
            Point((("service", "s"),), Distribution(buckets=((0.001, 2), (1.0, 5)), count=6, total=12.5)),
        ),
    ),
    Family(name="tower_nothing", type=FamilyType.GAUGE, help="Nothing"),
)

IN_OPEN_METRICS = r"""
# HELP tower_node Which
# TYPE tower_node info
tower_node_info{node="alpha"} 1
# HELP tower_container_cpu_seconds Says \"cpu\"
# TYPE tower_container_cpu_seconds counter
# UNIT tower_container_cpu_seconds seconds
tower_container_cpu_seconds_total{container="web"} 1.5
tower_container_cpu_seconds_total{container="a\"\\\n"} 2
# HELP tower_route_latency_seconds Latency
# TYPE tower_route_latency_seconds histogram
# UNIT tower_route_latency_seconds seconds
tower_route_latency_seconds_bucket{service="s",le="0.001"} 2
tower_route_latency_seconds_bucket{service="s",le="1.0"} 5
tower_route_latency_seconds_bucket{service="s",le="+Inf"} 6
tower_route_latency_seconds_sum{service="s"} 12.5
tower_route_latency_seconds_count{service="s"} 6
# EOF
"""


def test_open_metrics_has_families_with_units_and_an_end() -> None:
    assert render(FAMILIES, is_open=True) == IN_OPEN_METRICS.lstrip()


def test_the_older_text_names_series_and_knows_no_units_infos_and_end() -> None:
    text = render(FAMILIES, is_open=False)
    assert "# TYPE tower_container_cpu_seconds_total counter" in text
    assert "# TYPE tower_node_info gauge" in text
    assert '# HELP tower_container_cpu_seconds_total Says "cpu"' in text
    assert "# UNIT" not in text
    assert "# EOF" not in text
    assert [line for line in text.splitlines() if line[0] != "#"] == [
        line for line in IN_OPEN_METRICS.splitlines() if line and line[0] != "#"
    ]
    assert render((), is_open=False) == ""


def test_promtool_finds_nothing_to_say() -> None:
    promtool = require_program("promtool", package="prometheus")
    text = render(FAMILIES, is_open=False)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        ([], False),
        (["*/*"], False),
        (["text/plain"], False),
        (["application/openmetrics-text"], True),
        (["application/openmetrics-text; version=1.0.0; q=0.4, text/plain;q=0.5"], False),
        (["application/openmetrics-text;version=2.0.0"], False),
        (["application/openmetrics-text;q=0"], False),
        (["application/openmetrics-text;q=nonsense"], False),
        (["text/plain;q=0.1", "application/openmetrics-text;q=0.2"], True),
        # What Prometheus 2.42 sends.
        (
            [
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ],
            True,
        ),
    ],
)
def test_the_reader_chooses_the_format(accept: Sequence[str], is_open: bool) -> None:
    assert wants_open_metrics(accept) is is_open


@given(st.text(max_size=60))
def test_no_header_and_no_name_breaks_a_line(text: str) -> None:
    wants_open_metrics([text])
    family = Family(name="tower_x", type=FamilyType.GAUGE, help=text, points=(Point((("a", text),), 1),))
    rendered = render((family,), is_open=True)
    assert len(rendered.split("\n")) == 5
    assert re.fullmatch(r'tower_x(\{a="([^"\\\n]|\\["\\n])*"\})? 1', rendered.split("\n")[2])


class SomeFigures:
    def families(self) -> Sequence[Family]:
        return FAMILIES


def a_world() -> WebWorld:
    world = a_web_world()
    world.exposition = SomeFigures()
    world.add_user("vera", Role.VIEWER)
    return world


async def test_whoever_may_read_metrics_gets_them_in_the_format_asked_for() -> None:
    async with serving(a_world()) as client:
        headers = await log_in(client, "vera")
        plain = await client.get("/metrics", headers=headers)
        assert (plain.status, plain.headers["Content-Type"]) == (200, PLAIN)
        assert await plain.text() == render(FAMILIES, is_open=False)
        accept = {"Accept": "application/openmetrics-text"}
        modern = await client.get("/metrics", headers={**headers, **accept})
        assert modern.headers["Content-Type"] == OPEN_METRICS
        assert (await modern.text()).endswith("\n# EOF\n")


async def test_a_stranger_learns_nothing() -> None:
    async with serving(a_world()) as client:
        response = await client.get("/metrics")
        assert response.status == 401
        assert "tower_" not in await response.text()

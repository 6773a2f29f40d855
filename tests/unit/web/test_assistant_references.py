"""From what a tool gave to the pages that show it: at addresses that the dashboard really has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from web.assistant.references import _READERS, LISTED_MAX, REFERENCES_MAX, references_of
from web.tools.catalog import REGISTRY
from web.tools.exact_names import exact_name, exact_name_of

UI = Path(__file__).resolve().parents[3] / "web" / "ui" / "src"
SEARCHES = {
    "alerts": "features/alerts/alerts-search.ts",
    "capacity": "features/capacity/capacity-search.ts",
    "cluster": "routes/cluster.tsx",
    "containers": "features/container/container-search.ts",
    "explore": "features/metrics/metrics-search.ts",
    "logs": "features/logs/logs-search.ts",
    "services": "routes/service.tsx",
}
CONTAINER_ID = "a1" * 32


def an_evidence(**fields: Any) -> dict[str, Any]:
    return {"findings": [{"evidence": [{"kind": "metric", "subject": "web-1", **fields}]}]}


CASES: tuple[tuple[str, dict[str, Any], dict[str, Any], list[str]], ...] = (
    (
        "run-diagnosis",
        {},
        an_evidence(
            of="container:h1/web 1", metric="memory_bytes",
            since="2027-01-15T02:00:00Z", until="2027-01-15T08:00:00Z",
        ),
        ["/explore?of=container:h1/web%201&from=1799978400000&to=1800000000000"],
    ),
    (
        "run-diagnosis",
        {},
        an_evidence(
            kind="log", line={"container_id": CONTAINER_ID, "at_us": 1_799_999_880_000_000, "ordinal": 7}
        ),
        [f"/logs?c={CONTAINER_ID}&line={CONTAINER_ID[:12]}-1799999880000000-7"],
    ),
    ("run-diagnosis", {}, an_evidence(kind="alert", alert=12), ["/alerts?alert=12"]),
    ("run-diagnosis", {}, an_evidence(kind="rollout", rollout_id="ro_7"), ["/rollouts/ro_7"]),
    ("run-diagnosis", {}, an_evidence(kind="service", of="service:shop.web"), ["/services/shop.web"]),
    ("run-diagnosis", {}, an_evidence(kind="container", of="container:h1/web-1"), ["/containers/h1/web-1"]),
    ("run-diagnosis", {}, an_evidence(kind="host", of="host:h1"), ["/explore?of=host:h1"]),
    ("run-diagnosis", {}, an_evidence(metric="memory_bytes"), []),
    (
        "get-deploy-status",
        {},
        {"rollouts": [{"rollout_id": "ro_7", "service": "shop.web"}]},
        ["/rollouts/ro_7", "/services/shop.web"],
    ),
    (
        "compare-deployments",
        {"service": "web"},
        {"service": "shop.web", "before": 3, "after": 4},
        ["/services/shop.web?tab=revisions&before=3&after=4"],
    ),
    ("explain-service", {}, {"service": "shop.web"}, ["/services/shop.web?tab=placement"]),
    ("get-container", {}, {"name": "web-1", "node": "h1"}, ["/containers/h1/web-1"]),
    ("get-container-logs", {"container": "web-1", "node": "h1"}, {}, ["/containers/h1/web-1?tab=logs"]),
    ("get-container-logs", {"container": "web-1"}, {}, ["/logs?c=web-1"]),
    (
        "search-logs",
        {"service": "shop.web", "text": "time out", "regex": True},
        {"count": 1},
        ["/logs?s=shop.web&q=time%20out&re=true"],
    ),
    ("list-nodes", {}, {"nodes": [{"name": "h1", "id": "nd_1"}]}, ["/cluster?host=nd_1"]),
    ("get-capacity-plan", {"lost": "h2", "replicas": 0}, {}, ["/capacity?lost=h2"]),
    (
        "get-capacity-plan",
        {"service": "shop.web", "replicas": 2},
        {},
        ["/capacity?service=shop.web&replicas=2"],
    ),
    ("get-trend-analysis", {"metric": "memory"}, {"of": "host:h1"}, ["/explore?of=host:h1"]),
    (
        "get-metrics-history",
        {},
        {
            "start": "2027-01-15T02:00:00Z",
            "step_s": 3600,
            "series": [{"of": "host:h1", "metric": "cpu_percent", "values": [1, 2, 3]}, {"of": "all"}],
        },
        ["/explore?of=host:h1&from=1799978400000&to=1799989200000"],
    ),
    ("scale-service", {"service": "shop.web"}, {"plan_id": "pl_1", "state": "waiting"}, ["/plans/pl_1"]),
    (
        "scale-service",
        {},
        {"service": "shop.web", "rollout_id": "ro_8"},
        ["/rollouts/ro_8", "/services/shop.web"],
    ),
    ("get-plan", {"plan": "pl_1"}, {"plan": "pl_1"}, ["/plans/pl_1"]),
    ("list-alerts", {}, {"alerts": "two"}, ["/alerts"]),
    ("validate-deployment", {}, {"is_deployable": True}, []),
)  # fmt: skip


@pytest.mark.parametrize(("tool", "given", "result", "paths"), CASES)
def test_what_a_tool_gave_is_shown_by_these_pages(
    tool: str, given: dict[str, Any], result: dict[str, Any], paths: list[str]
) -> None:
    found = references_of(tool, given, result, 5)
    assert [reference.path for reference in found] == paths
    assert [reference.number for reference in found] == list(range(5, 5 + len(paths)))
    assert all(reference.label for reference in found)


def test_every_page_is_one_the_dashboard_has_and_understands() -> None:
    routes = re.findall(r'page\(\s*(?://[^\n]*\n\s*)?"(/[^"]*)"', (UI / "app" / "router.tsx").read_text())
    patterns = [re.compile(re.sub(r"\$\w+", "[^/]+", route)) for route in routes]
    assert len(patterns) > 20
    for tool, given, result, _ in CASES:
        for reference in references_of(tool, given, result, 1):
            parts = urlsplit(reference.path)
            assert any(pattern.fullmatch(parts.path) for pattern in patterns), reference.path
            known = (UI / SEARCHES[parts.path.split("/")[1]]).read_text() if parts.query else ""
            for name in parse_qs(parts.query):
                assert re.search(rf"^\s+{name}\?: ", known, re.MULTILINE), (reference.path, name)


def test_only_tools_that_there_are_have_pages() -> None:
    assert {name for name in _READERS if REGISTRY.get(name) is None} == set()


def test_names_in_addresses_stay_what_they_are() -> None:
    (reference,) = references_of("get-container", {}, {"name": "we/b?&#1", "node": "h 1"}, 1)
    parts = urlsplit(reference.path)
    assert (parts.query, parts.fragment) == ("", "")
    assert [unquote(part) for part in parts.path.split("/")[2:]] == ["h 1", "we/b?&#1"]


def test_a_page_is_cited_once_and_a_long_list_is_no_hundred_pages() -> None:
    rows = [{"name": f"c{number}", "node": "h1"} for number in range(100)]
    assert len(references_of("list-containers", {}, {"containers": [*rows[:2], *rows]}, 1)) < LISTED_MAX
    findings = [{"evidence": [{"kind": "alert", "alert": 10 * f + e} for e in range(10)]} for f in range(10)]
    assert len(references_of("run-diagnosis", {}, {"findings": findings}, 1)) == REFERENCES_MAX


@pytest.mark.parametrize("result", [None, {}, {"findings": "none"}, {"findings": [1, {"evidence": [None]}]}])
def test_a_result_of_another_form_has_no_pages(result: dict[str, Any] | None) -> None:
    assert references_of("run-diagnosis", {}, result, 1) == ()
    assert references_of("no-such-tool", {}, result, 1) == ()


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (
            {"kind": "container", "subject": "web-1", "node": "h1", "service": "shop.web"},
            "container:h1/web-1",
        ),
        ({"kind": "route", "subject": "shop.web", "node": "h1", "service": "shop.web"}, "service:shop.web"),
        ({"kind": "disk", "subject": "/data", "node": "h1"}, "host:h1"),
        ({"service": "shop.web"}, "service:shop.web"),
        ({"node": "h1"}, "host:h1"),
        ({"node": "h1", "metric": "cpu"}, ""),
        ({}, ""),
    ],
)
def test_series_are_named_as_charts_are(labels: dict[str, str], name: str) -> None:
    assert exact_name_of(labels) == name


def test_replicas_together_are_their_service() -> None:
    assert exact_name(kind="container", name="shop.web", service="shop.web", node="") == "service:shop.web"
    assert exact_name(kind="container", name="web-1", service="", node="") == ""

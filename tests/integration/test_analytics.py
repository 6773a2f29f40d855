"""Two weeks of samples on three real hosts, sent as every sample is, and what the analyses make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Lab, lab
from tests.support.two_weeks import DAYS, GIB, VERBS, LoadedAgents

__all__ = ["lab"]

pytestmark = pytest.mark.timeout(180)


def test_two_weeks_of_three_hosts_are_sent_and_every_analysis_answers(lab: Lab, tmp_path: Path) -> None:
    agents = LoadedAgents(lab, tmp_path, step_ms=300_000)
    agents.form()
    agents.wait_until_sent()
    client = agents.client(agents.hosts[0])
    text: dict[str, str] = {}
    answers: dict[str, Any] = {}
    for verb, (path, query) in VERBS.items():
        if verb == "export-analytics-report":
            text[verb] = client.text(path, **query)
        else:
            answers[verb] = client.get(path, **query)

    (history,) = answers["get-metrics-history"]["series"]
    assert history["last"] == pytest.approx(1.15**2 * GIB, rel=0.02)
    assert sum(value is not None for value in history["values"]) >= 0.95 * len(history["values"])

    trend = answers["get-trend-analysis"]
    assert (trend["verdict"], trend["days_known"] >= DAYS) == ("increasing", True)
    assert trend["percent_last_week"] == pytest.approx(15, abs=2)
    assert trend["exhaustion"]["outlook"] == "filling"
    # 90 % of 1.6 GiB are 1.44: at 15 % a week that is 5 days away, at the last week's line a little more.
    assert trend["exhaustion"]["days"] == pytest.approx(5, abs=1.5)
    assert trend["said"][0].startswith("mongodb-1 memory grew 1")

    assert answers["detect-anomalies"]["incidents"]

    profile = answers["get-performance-profile"]
    assert [(each["kind"], each["impact"]) for each in profile["bottlenecks"]] == [("cpu", "high")]

    cpu, memory = answers["predict-resource-needs"]["needs"]
    assert max(cpu["path"]["expected"]) == pytest.approx(42, rel=0.1)
    assert min(cpu["path"]["expected"]) == pytest.approx(18, rel=0.1)
    assert memory["typical"][0]["expected"] == pytest.approx(0.3 * GIB, rel=0.05)

    capacity = answers["get-capacity-plan"]
    assert [host["name"] for host in capacity["hosts"]] == [host.name for host in agents.hosts]
    disks = [each for each in capacity["full"] if each["subject"].endswith(":/srv")]
    assert [each["exhaustion"]["days"] for each in disks] == [pytest.approx(20, abs=1)] * 3

    first = answers["compare-baseline"]["metrics"][0]
    assert (first["metric"], first["difference"]) == ("throttled_percent", "higher")

    report = text["export-analytics-report"]
    assert report.startswith("<!doctype html>")
    assert "shop.mongodb" in report
    assert "<polyline" in report

    said = agents.run(
        agents.hosts[0], "analyze", "trend", "mongodb-1", "memory", "--server", f"{agents.hosts[0].ip}:7443",
        "--ca", "/var/lib/control-tower/identity/ca.pem", secret={"TOWER_TOKEN": agents.token},
    )  # fmt: skip
    assert said.splitlines()[1:] == trend["said"]

    # Any node answers the same from its own record.
    other = agents.client(agents.hosts[2])
    agents.wait(
        "another host has it too",
        lambda: other.get("/analytics/trend", subject="mongodb-1", metric="memory")["days_known"] >= DAYS,
        timeout_s=60,
    )
    again = other.get("/analytics/trend", subject="mongodb-1", metric="memory", language="it")
    assert again["said"][0].startswith("La memoria di mongodb-1: +1")

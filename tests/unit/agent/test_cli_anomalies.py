"""What `tower analyze anomalies` asks of the REST interface, and what it makes of the answer."""

from __future__ import annotations

import pytest

from agent.cli.analyze_anomalies import METHODS
from agent.cli.main import main
from cluster.analytics.anomalies import Method
from tests.support.stub_api import Answer, StubApi

ANOMALY = {
    "at_ms": 1_767_571_200_000,
    "kind": "pattern_change",
    "said": "web-1 processor use is 85 %, usually 20 % to 30 % at this hour",
    "confidence": 0.93,
}
INCIDENT = {
    "started_ms": 1_767_571_200_000,
    "until_ms": 1_767_574_800_000,
    "severity": "critical",
    "is_alertable": True,
    "said": "web-1 on h1: processor and network unusual at the same time",
    "anomalies": [ANOMALY],
    "anomalies_left_out": 3,
}
ANSWER = {
    "incidents": [INCIDENT, {**INCIDENT, "is_alertable": False, "anomalies_left_out": 0}],
    "incidents_left_out": 2,
    "series": 12,
    "since_ms": 1_767_484_800_000,
    "said": [INCIDENT["said"]],
    "notes": ["4 of 48 hours are known"],
}


@pytest.fixture
def api(api: StubApi) -> StubApi:
    api.answers["GET /analytics/anomalies"] = Answer(body=ANSWER)
    return api


def test_incidents_are_shown_with_what_they_are_of_and_which_are_worth_an_alert(
    api: StubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", "anomalies", "shop.web", "--since", "7d", "--method", "iqr"]) == 0
    captured = capsys.readouterr()
    marked, detail, more, plain, *_ = captured.out.splitlines()
    assert marked.startswith("* ")
    assert marked.endswith("critical: web-1 on h1: processor and network unusual at the same time")
    assert detail.endswith(
        "pattern change: web-1 processor use is 85 %, usually 20 % to 30 % at this hour, 93% sure"
    )
    assert more.strip() == "and 3 more"
    assert plain.startswith("  ")
    assert "and 2 more incidents" in captured.out
    assert "12 series looked at since" in captured.out
    assert "note: 4 of 48 hours are known" in captured.err
    [asked] = [request for request in api.requests if "anomalies" in request.path]
    assert (asked.query["subject"], asked.query["since"], asked.query["method"]) == ("shop.web", "7d", "iqr")


def test_nothing_unusual_is_said_to_be_so(api: StubApi, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {**ANSWER, "incidents": [], "incidents_left_out": 0, "said": ["cluster: nothing unusual"]}
    api.answers["GET /analytics/anomalies"] = Answer(body=answer)
    assert main(["analyze", "anomalies"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "cluster: nothing unusual"


def test_the_methods_are_those_there_are() -> None:
    assert set(METHODS) == set(Method)

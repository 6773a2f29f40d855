"""`tower experiment`: what it sends, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.cli import experiment
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

PATH = "/services/shop.web/experiment"


@pytest.fixture
def api(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> StubApi:
    monkeypatch.setattr(experiment, "POLL_INTERVAL_S", 0.01)
    return api


def measured(value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


COMPARISON = {
    "a_requests": 800,
    "b_requests": 200,
    "a_lost": 0,
    "b_lost": 1,
    "metrics": [
        {
            "metric": "error_rate",
            "unit": "ratio",
            "a": measured(0.001, 0.0005, 0.002),
            "b": measured(0.05, 0.04, 0.06),
            "difference": measured(0.049, 0.038, 0.059),
            "conclusion": "worse",
            "words": "b fails more often: 3.80 to 5.90 more of 100 requests",
        },
        {
            "metric": "latency_p95",
            "unit": "ms",
            "a": measured(12.0, 11.0, None),
            "b": measured(None, 0.0, None),
            "difference": measured(None, None, None),
            "conclusion": "no-data",
            "words": "nothing can be said: no answer of b was timed yet",
        },
    ],
}


def a_view(**fields: Any) -> dict[str, Any]:
    base = {
        "service_id": "shop.web",
        "rollout_id": "ro_7",
        "state": "running",
        "progress": "b gets header X-Beta=yes",
        "a": {"revision": 1, "image": "web:1", "digest": "", "replicas": 4},
        "b": {"revision": 2, "image": "web:2", "digest": "", "replicas": 1},
        "matches": [{"kind": "header", "name": "X-Beta", "value": "yes"}],
        "permille": 200,
        "is_sticky": True,
        "asked_by": "ann",
        "started_at_ms": 1_000,
        "began_at_ms": 2_000,
        "ends_at_ms": None,
        "keep_at_end": "a",
        "kept": None,
        "ended_at_ms": None,
        "ended_by": "",
        "reason": "",
        "waiting_for": [],
        "comparison": COMPARISON,
        "notes": ["whoever sends the header is not anybody"],
    }
    return {**base, **fields}


def test_start_sends_what_b_is_and_who_gets_it_and_how_long(api: StubApi, tower: Tower) -> None:
    api.answers[f"POST {PATH}"] = Answer(202, a_view())
    status, out, _ = tower(
        *("experiment", "start", "shop.web", "--image", "web:2", "--header", "X-Beta=a=b"),
        *("--cookie", "plan=pro", "--share", "20%", "--for", "7d", "--keep", "b", "--replicas", "2"),
    )
    assert status == 0
    assert api.requests[-1].body == {
        "image": "web:2",
        "headers": [{"name": "X-Beta", "value": "a=b"}],
        "cookies": [{"name": "plan", "value": "pro"}],
        "permille": 200,
        "sticky": None,
        "replicas": 2,
        "for_s": 7 * 86_400,
        "until_ms": None,
        "keep": "b",
        "override_window": False,
    }
    assert "b gets    header X-Beta=yes; 20% of all others, each visitor always the same" in out


def test_start_sends_a_file_without_the_name_of_its_folder(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    file = tmp_path / "b.yaml"
    file.write_text("services: {web: {image: web:2}}\n")
    api.answers[f"POST {PATH}"] = Answer(202, a_view())
    status, _, _ = tower("experiment", "start", "shop.web", "--share", "5", "--not-sticky", "-f", str(file))
    assert status == 0
    body = api.requests[-1].body
    assert body["deployment"] == {"compose": file.read_text(), "variables": {}}
    assert (body["permille"], body["sticky"]) == (50, False)
    assert "image" not in body


def test_start_waits_until_every_router_follows_it(api: StubApi, tower: Tower) -> None:
    api.answers[f"POST {PATH}"] = Answer(202, a_view(state="starting", progress="b is brought up"))
    api.answers[f"GET {PATH}"] = Answer(200, a_view())
    status, out, err = tower("experiment", "start", "shop.web", "--image", "web:2", "--share", "20%")
    assert status == 0
    assert "b is brought up" in err
    assert "shop.web: running" in out


def test_start_fails_when_b_never_came_up(api: StubApi, tower: Tower) -> None:
    api.answers[f"POST {PATH}"] = Answer(202, a_view(state="failed", reason="replica 0 exited with 1"))
    status, _, err = tower("experiment", "start", "shop.web", "--image", "web:2", "--share", "20%")
    assert status == 1
    assert "replica 0 exited with 1" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--image", "web:2"), "which requests b gets is not said"),
        (("--image", "web:2", "--header", "X-Beta"), "--header X-Beta: NAME=VALUE"),
        (("--image", "web:2", "--share", "120%"), "--share 120%"),
        (("--image", "web:2", "--share", "20%", "--for", "soon"), "--for soon"),
        (("--image", "web:2", "--share", "20%", "-f", "b.yaml"), "give one of the two"),
        (("--share", "20%"), "what b is is not said"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    api: StubApi, tower: Tower, words: tuple[str, ...], said: str
) -> None:
    status, _, err = tower("experiment", "start", "shop.web", *words)
    assert status == 2
    assert said in err
    assert api.requests == []


def test_status_says_of_each_metric_what_can_be_concluded(api: StubApi, tower: Tower) -> None:
    api.answers[f"GET {PATH}"] = Answer(200, a_view())
    status, out, _ = tower("experiment", "status", "shop.web")
    assert status == 0
    lines = out.splitlines()
    assert "requests  a 800 (0 lost), b 200 (1 lost)" in lines
    assert "errors    a 0.10% (0.05% to 0.20%), b 5.00% (4.00% to 6.00%)" in lines
    assert "          b fails more often: 3.80 to 5.90 more of 100 requests" in lines
    assert "p95       a 12 ms (11 to any), b unknown" in lines
    assert "note      whoever sends the header is not anybody" in lines
    assert any("tower experiment end shop.web --keep a|b" in line for line in lines)


@pytest.mark.parametrize(
    ("keep", "phase", "kept", "status"),
    [
        ("a", "rolled-back", "a", 0),
        ("b", "succeeded", "b", 0),
        ("b", "rolled-back", "a", 1),
    ],
)
def test_end_follows_it_and_fails_when_the_other_was_kept(
    api: StubApi, tower: Tower, keep: str, phase: str, kept: str, status: int
) -> None:
    api.answers[f"POST {PATH}/end"] = Answer(202, a_view(state="ending"))
    api.answers["GET /rollouts/ro_7"] = Answer(
        200, {"id": "ro_7", "service_id": "shop.web", "phase": phase, "progress": "done"}
    )
    over = a_view(state="ended", kept=kept, ended_at_ms=9_000, ended_by="ann", reason="b has no replica")
    api.answers[f"GET {PATH}"] = Answer(200, over)
    found, out, err = tower("experiment", "end", "shop.web", "--keep", keep, "--reason", "sold more")
    assert found == status
    ended = next(request for request in api.requests if request.method == "POST")
    assert ended.body == {"keep": keep, "reason": "sold more"}
    assert f"by ann; {kept} is kept" in out
    assert ("b was not kept" in err) is (status == 1)


def test_list_shows_all_in_a_table(api: StubApi, tower: Tower) -> None:
    api.answers["GET /experiments"] = Answer(200, {"items": [a_view(kept="a", state="ended")]})
    status, out, _ = tower("experiment", "list")
    assert status == 0
    assert "shop.web" in out
    assert "1 and 2" in out

"""`tower plan`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import Answer, StubApi


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    monkeypatch.setattr("agent.cli.plan._POLL_S", 0.0)
    with served_cli(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)


def a_view(**fields: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "id": "pl_1",
        "version": 1,
        "state": "waiting",
        "tool": "scale-service",
        "title": "Scale a service",
        "summary": "shop.web goes from 2 to 3 replicas",
        "asked_by": "ann",
        "token_prefix": "abcd",
        "via": "mcp",
        "reason": "what may disturb what runs needs the approval of a person",
        "made_at_ms": 1_800_000_000_000,
        "expires_at_ms": 1_800_086_400_000,
        "arguments": {"service": "shop.web", "replicas": "3"},
        "changes": [
            {"subject": "shop.web", "field": "replicas", "before": "2", "after": "3", "effect": "in-place"}
        ],
        "touches": {"services": ["shop.web"], "containers": [], "hosts": ["h1"], "routes": [], "left_out": 2},
        "notes": ["its file says 2"],
        "look_at": "get-deploy-status with service=shop.web",
        "decided_by": None,
        "decided_through": None,
        "decided_at_ms": None,
        "comment": "",
        "ended_at_ms": None,
        "outcome": "",
        "can": ["approve", "refuse"],
        "why_not": "",
    }
    return {**defaults, **fields}


def test_what_waits_is_listed_with_who_asked_for_it(api: StubApi, tower: Tower) -> None:
    api.answers["GET /plans"] = Answer(body={"items": [a_view()], "next_cursor": None})
    status, out, _ = tower("plan", "list")
    assert status == 0
    assert "pl_1" in out
    assert "shop.web goes from 2 to 3 replicas" in out
    assert "ann (mcp)" in out
    assert api.requests[-1].query["state"] == "open"


def test_one_is_shown_with_what_it_changes_and_touches(api: StubApi, tower: Tower) -> None:
    api.answers["GET /plans/pl_1"] = Answer(body=a_view(why_not="log in", can=[]))
    status, out, err = tower("plan", "show", "pl_1")
    assert status == 0
    assert "change    shop.web replicas: 2 -> 3 (in-place)" in out
    assert "touches   hosts: h1" in out
    assert "touches   and 2 more" in out
    assert "token abcd" in out
    assert err == "you cannot approve it: log in\n"


@pytest.mark.parametrize(("state", "status"), [("done", 0), ("failed", 1), ("unknown", 3)])
def test_an_approved_plan_is_waited_for_and_its_end_is_the_status(
    api: StubApi, tower: Tower, state: str, status: int
) -> None:
    api.answers["POST /plans/pl_1/approve"] = Answer(202, a_view(state="running"))
    api.answers["GET /plans/pl_1"] = Answer(body=a_view(state=state, outcome="so it is"))
    found, out, err = tower("plan", "approve", "pl_1", "--comment", "go")
    assert (found, out) == (status, f"plan pl_1 is {state}: so it is\n"), err
    assert api.requests[0].body == {"comment": "go"}


def test_nobody_has_to_wait_for_the_end(api: StubApi, tower: Tower) -> None:
    api.answers["POST /plans/pl_1/approve"] = Answer(202, a_view(state="running"))
    assert tower("plan", "approve", "pl_1", "--no-wait")[:2] == (0, "plan pl_1 is running\n")


@pytest.mark.parametrize("action", ["refuse", "withdraw"])
def test_a_plan_is_turned_down_or_taken_back_with_a_word_why(api: StubApi, tower: Tower, action: str) -> None:
    api.answers[f"POST /plans/pl_1/{action}"] = Answer(body=a_view(state="refused"))
    assert tower("plan", action, "pl_1", "--comment", "not now")[0] == 0
    assert api.requests[-1].body == {"comment": "not now"}


def test_a_refusal_is_said_with_its_reason(api: StubApi, tower: Tower) -> None:
    api.answers["POST /plans/pl_1/approve"] = Answer(
        409, {"title": "Not possible as things are", "detail": "plan pl_1 is stale", "state": "stale"}
    )
    status, _, err = tower("plan", "approve", "pl_1")
    assert status == 1
    assert "plan pl_1 is stale" in err

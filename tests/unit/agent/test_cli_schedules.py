"""`tower schedule`, `window`, `freeze` and `watch`: what they send, and what they say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.cli.failures import UsageWrong
from agent.cli.moments import moment_ms, span_s
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

SHOP = "name: shop\nservices: {web: {image: web:1}}\n"


def a_schedule(**fields: Any) -> dict[str, Any]:
    service = {"service_id": "shop.web", "image": "web:1", "digest": "sha256:1", "replicas": 1}
    base = {
        "id": "sc_1",
        "services": [service],
        "at_ms": None,
        "cron": "30 3 * * *",
        "time_zone": "Europe/Berlin",
        "by": "ann",
        "next_fire_ms": 0,
        "upcoming_ms": [0],
        "runs": [],
        "warnings": [],
    }
    return {**base, **fields}


def a_freeze(name: str = "fr_1") -> dict[str, Any]:
    return {"id": name, "scope": "the cluster", "reason": "r", "from_ms": 0, "until_ms": None, "by": "ann"}


def sent(api: StubApi) -> Any:
    return api.requests[-1].body


def test_a_deployment_is_scheduled_for_a_moment_with_its_time_zone(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(SHOP)
    api.answers["POST /schedules"] = Answer(201, a_schedule(warnings=["web has no health check"]))
    status, out, err = tower(
        "schedule", "deploy", "-f", str(file), "--at", "2026-12-24T03:30:00+01:00", "--pin-at-fire"
    )
    assert status == 0
    body = sent(api)
    assert body["at_ms"] == int(datetime.fromisoformat("2026-12-24T02:30:00+00:00").timestamp() * 1000)
    assert (body["cron"], body["pin_at_fire"], body["deployment"]["compose"]) == ("", True, SHOP)
    assert "sc_1 of ann" in out
    assert "web has no health check" in err


def test_a_deployment_is_scheduled_again_and_again(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(SHOP)
    api.answers["POST /schedules"] = Answer(201, a_schedule())
    tower(
        "schedule", "deploy", str(file), "--cron", "30 3 * * *", "--tz", "Europe/Berlin", "--catch-up", "once"
    )
    body = sent(api)
    assert (body["at_ms"], body["cron"], body["time_zone"], body["catch_up"]) == (
        None,
        "30 3 * * *",
        "Europe/Berlin",
        "once",
    )


def test_when_is_not_left_open(tower: Tower) -> None:
    with pytest.raises(SystemExit) as refused:
        tower("schedule", "deploy")
    assert refused.value.code == 2


def test_schedules_are_listed_with_what_became_of_the_last_time(api: StubApi, tower: Tower) -> None:
    run = {
        "due_ms": 0,
        "at_ms": 0,
        "outcome": "refused",
        "reason": "the cluster is frozen",
        "revisions": {},
    }
    api.answers["GET /schedules"] = Answer(body={"items": [a_schedule(runs=[run])], "next_cursor": None})
    _, out, _ = tower("schedule", "list")
    assert "30 3 * * * (Europe/Berlin)" in out
    assert "refused: the cluster is frozen" in out


def test_a_schedule_is_run_now_and_removed(api: StubApi, tower: Tower) -> None:
    api.answers["POST /schedules/sc_1/run"] = Answer(202, a_schedule())
    assert tower("schedule", "run-now", "sc_1", "--override-window")[0] == 0
    assert sent(api) == {"override_window": True}
    api.answers["DELETE /schedules/sc_1"] = Answer(204)
    assert "forgotten" in tower("schedule", "remove", "sc_1")[1]


def test_a_window_is_made_as_it_is_said(api: StubApi, tower: Tower) -> None:
    view = {"id": "nights", "scope": "environment production", "cron": "0 22 * * *", "time_zone": "UTC"}
    api.answers["PUT /windows/nights"] = Answer(body=view)
    status, out, _ = tower(
        "window", "add", "nights", "--allow", "0 22 * * *", "--for", "8h", "--environment", "production"
    )
    assert status == 0
    assert sent(api) == {
        "kind": "allow",
        "cron": "0 22 * * *",
        "duration_s": 28_800,
        "time_zone": "UTC",
        "note": "",
        "scope": "environment",
        "scope_name": "production",
    }
    assert "nights allows changes of environment production" in out


def test_a_freeze_begins_with_a_reason_and_the_only_one_is_ended_without_a_name(
    api: StubApi, tower: Tower
) -> None:
    assert tower("freeze")[0] == 2
    api.answers["POST /freezes"] = Answer(201, a_freeze())
    status, out, _ = tower("freeze", "--reason", "the quarter ends", "--project", "shop")
    assert (status, sent(api)["reason"], sent(api)["scope_name"]) == (0, "the quarter ends", "shop")
    assert "tower freeze end fr_1" in out
    api.answers["GET /freezes"] = Answer(body={"items": [a_freeze()], "next_cursor": None})
    api.answers["DELETE /freezes/fr_1"] = Answer(204)
    assert tower("freeze", "end")[1] == "freeze fr_1 is ended\n"


def test_of_several_freezes_one_has_to_be_named(api: StubApi, tower: Tower) -> None:
    api.answers["GET /freezes"] = Answer(body={"items": [a_freeze(), a_freeze("fr_2")], "next_cursor": None})
    status, _, err = tower("freeze", "end")
    assert status == 1
    assert "fr_1, fr_2" in err


def test_a_watch_is_sent_and_taken_off(api: StubApi, tower: Tower) -> None:
    api.answers["PUT /services/web/watch"] = Answer(body={"every_s": 60, "min_age_s": 7200})
    status, out, _ = tower("watch", "web", "--every", "1m", "--min-age", "2h", "--strategy", "canary")
    assert status == 0
    assert (sent(api)["every_s"], sent(api)["min_age_s"], sent(api)["strategy"]) == (60, 7200, "canary")
    assert "asked every 1m, deployed at 2h" in out
    api.answers["DELETE /services/web/watch"] = Answer(204)
    assert "no more" in tower("watch", "web", "--off")[1]


@pytest.mark.parametrize("text", ["", "5", "h", "1h 30m", "1x"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageWrong, match="--for"):
        span_s("--for", text)


def test_spans_and_moments_are_read() -> None:
    assert (span_s("--for", "1h30m"), span_s("--for", "2d")) == (5400, 172_800)
    assert moment_ms("--at", "1970-01-01T00:00:01+00:00") == 1000
    with pytest.raises(UsageWrong, match="--at tomorrow"):
        moment_ms("--at", "tomorrow")

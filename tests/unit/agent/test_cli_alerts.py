"""`tower alerts`: what it sends, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi


def an_alert(**fields: Any) -> dict[str, Any]:
    base = {
        "number": 7,
        "rule": "host-down",
        "state": "firing",
        "severity": "critical",
        "subject": {"kind": "host", "name": "beta", "node_name": "beta"},
        "text": "Host beta is down.",
        "next_step": "See whether it has power.",
        "usual": "",
        "since_ms": 0,
        "told_at_ms": 0,
        "resolved_at_ms": None,
        "resolution": "",
        "muted_by": "",
        "acknowledged_by": "",
        "comment": "",
        "unseen_ms": None,
        "is_flapping": False,
    }
    return {**base, **fields}


SETTINGS: dict[str, Any] = {
    "kind": "threshold",
    "summary": "",
    "severity": "warning",
    "enabled": True,
    "kinds": ["container"],
    "hosts": [],
    "services": [],
    "environments": [],
    "names": [],
    "match": {},
    "metric": "memory_bytes",
    "above": 95.0,
    "below": None,
    "resolve": 90.0,
    "percent_of_limit": True,
    "for_s": 600,
    "looks": 0,
    "looks_min": 0,
    "keep_firing_s": 0,
    "remind_s": 0,
    "within_s": 0,
    "window_s": 0,
    "count": 0,
    "hint": "",
}


def a_rule(name: str = "memory-limit", **fields: Any) -> dict[str, Any]:
    base = {
        "id": name,
        "settings": SETTINGS,
        "is_built_in": True,
        "is_changed": False,
        "open_alerts": 0,
        "changed_at_ms": None,
        "changed_by": "",
    }
    return {**base, **fields}


def sent(api: StubApi) -> Any:
    return api.requests[-1].body


def test_without_an_action_it_says_what_is_wrong_now(api: StubApi, tower: Tower) -> None:
    api.answers["GET /alerts"] = Answer(200, {"items": [an_alert()], "next_cursor": None})
    status, out, _ = tower("alerts")
    assert status == 0
    assert "Host beta is down." in out
    api.answers["GET /alerts"] = Answer(200, {"items": [], "next_cursor": None})
    assert "nothing is wrong" in tower("alerts")[1]


def test_sentences_are_asked_for_in_the_language_of_the_terminal(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /alerts"] = Answer(200, {"items": [], "next_cursor": None})
    monkeypatch.setenv("LC_ALL", "it_IT.UTF-8")
    tower("alerts")
    assert api.requests[-1].query["language"] == "it"
    tower("alerts", "list", "--language", "en", "--host", "beta")
    assert api.requests[-1].query == {"language": "en", "node": "beta", "state": "open"}


def test_an_alert_is_shown_with_what_to_do_and_acknowledged_with_a_comment(
    api: StubApi, tower: Tower
) -> None:
    api.answers["GET /alerts/7"] = Answer(200, an_alert())
    assert "do        See whether it has power." in tower("alerts", "show", "7")[1]
    api.answers["POST /alerts/7/acknowledge"] = Answer(
        200, an_alert(state="acknowledged", acknowledged_by="ann", comment="on it")
    )
    assert "by        ann: on it" in tower("alerts", "ack", "7", "--comment", "on it")[1]
    assert sent(api) == {"comment": "on it", "withdrawn": False}


def test_a_silence_names_what_it_is_about_and_how_long_it_lasts(api: StubApi, tower: Tower) -> None:
    api.answers["POST /silences"] = Answer(201, {"id": "si_1", "until_ms": 0, "alerts": [7], "settings": {}})
    status, out, _ = tower("alerts", "silence", "--reason", "racks", "--host", "beta", "--for", "2h")
    assert (status, sent(api)) == (0, {"comment": "racks", "hosts": ["beta"], "for_s": 7200})
    assert "alerts 7 are quiet now" in out
    tower("alerts", "silence", "--reason", "patching", "--label", "tier=db", "--cron", "0 3 * * SUN")
    assert sent(api) == {
        "comment": "patching",
        "match": {"tier": "db"},
        "cron": "0 3 * * SUN",
        "duration_s": 3600,
        "time_zone": "UTC",
    }


def test_a_silence_of_everything_is_refused_before_anything_is_asked(api: StubApi, tower: Tower) -> None:
    status, _, err = tower("alerts", "silence", "--reason", "x")
    assert status == 2
    assert "silence everything" in err
    assert api.requests == []


def test_rules_are_listed_with_when_they_fire(api: StubApi, tower: Tower) -> None:
    api.answers["GET /alert-rules"] = Answer(200, {"items": [a_rule()], "next_cursor": None})
    out = tower("alerts", "rules")[1]
    assert "memory_bytes above 95 % for 10m" in out
    assert "built in" in out


def test_what_is_set_changes_what_is_given_and_leaves_the_rest(api: StubApi, tower: Tower) -> None:
    api.answers["GET /alert-rules"] = Answer(200, {"items": [a_rule()], "next_cursor": None})
    api.answers["PUT /alert-rules/memory-limit"] = Answer(200, a_rule())
    status, _, _ = tower(
        "alerts", "rules", "set", "memory-limit", "--for", "5m", "--disable", "--looks", "3/5"
    )
    assert status == 0
    assert sent(api) == {**SETTINGS, "for_s": 300, "enabled": False, "looks_min": 3, "looks": 5}


def test_a_new_rule_needs_a_kind_and_a_change_something_to_change(api: StubApi, tower: Tower) -> None:
    api.answers["GET /alert-rules"] = Answer(200, {"items": [], "next_cursor": None})
    status, _, err = tower("alerts", "rules", "set", "mine", "--for", "5m")
    assert status == 2
    assert "give --kind" in err
    assert "nothing to set" in tower("alerts", "rules", "set", "mine")[2]
    assert "N/M is expected" in tower("alerts", "rules", "set", "mine", "--looks", "3")[2]


def test_a_rule_is_tried_with_what_would_be_changed(api: StubApi, tower: Tower) -> None:
    api.answers["GET /alert-rules"] = Answer(200, {"items": [a_rule()], "next_cursor": None})
    firing = {
        "subject": "web-1",
        "node_name": "alpha",
        "fired_ms": 60_000,
        "resolved_ms": 360_000,
        "value": 97.0,
        "text": "Container web-1 on alpha: memory use is 97 %.",
    }
    api.answers["POST /alert-rules/memory-limit/test"] = Answer(
        200,
        {
            "since_ms": 0,
            "until_ms": 1,
            "series": 3,
            "times_fired": 1,
            "came_to_nothing": 4,
            "waiting": 2,
            "firings": [firing],
            "notes": ["only so much is kept"],
        },
    )
    out = tower("alerts", "rules", "test", "memory-limit", "--days", "3")[1]
    assert "would have fired 1 times" in out
    assert "4 times it held" in out
    assert "2 hold now, and have not for long enough yet" in out
    assert "note: only so much is kept" in out
    assert sent(api) == {"days": 3.0, "rule": None}
    tower("alerts", "rules", "test", "memory-limit", "--above", "80")
    assert sent(api)["rule"] == {**SETTINGS, "above": 80.0}

"""`tower webhook` and `tower events`: what they send, and what they say."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi


def a_webhook(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "pager",
        "url": "https://hooks.example.com/in",
        "events": ["alert:*"],
        "auth": "hmac",
        "username": "",
        "attempts": 15,
        "backoff": "exponential",
        "base_ms": 5000,
        "max_ms": 7_200_000,
        "timeout_ms": 15_000,
        "min_severity": "info",
        "is_ordered": True,
        "is_enabled": True,
        "disabled_because": "",
        "old_secret_until_ms": None,
        "waiting": 3,
        "delivered": 40,
        "dead": 1,
        "dropped": 1,
        "failing_since_ms": None,
        "last_delivered_at_ms": 1,
        "changed_at_ms": 1,
        "changed_by": "ann",
    }
    return {**base, **fields}


def a_delivery(**fields: Any) -> dict[str, Any]:
    attempt = {"status": 503, "failure": "status", "detail": "busy", "duration_ms": 12}
    base = {
        "webhook": "pager",
        "event_id": "evt_1",
        "sequence": 7,
        "kind": "node:down",
        "at_ms": 1,
        "state": "dead",
        "attempts": 3,
        "next_ms": None,
        "log": [attempt],
    }
    return {**base, **fields}


def sent(api: StubApi) -> Any:
    return api.requests[-1].body


def test_a_webhook_is_made_and_its_secret_is_shown_this_once(api: StubApi, tower: Tower) -> None:
    api.answers["PUT /webhooks/pager"] = Answer(body={"webhook": a_webhook(), "secret": "whsec_abc"})
    words = ("webhook", "add", "pager", "https://hooks.example.com/in", "--events", "alert:*, node:down")
    status, out, _ = tower(*words, "--backoff", "linear", "--base", "1m", "--unordered")
    assert (status, "whsec_abc" in out) == (0, True)
    body = sent(api)
    assert body["events"] == ["alert:*", "node:down"]
    assert (body["backoff"], body["base_s"], body["is_ordered"]) == ("linear", 60, False)
    assert (body["auth"], body["secret"]) == ("hmac", None)


def test_a_token_comes_from_standard_input_and_never_from_the_command_line(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["PUT /webhooks/pager"] = Answer(body={"webhook": a_webhook(), "secret": None})
    words = ("webhook", "add", "pager", "https://hooks.example.com/in", "--auth", "bearer")
    monkeypatch.setattr("sys.stdin", io.StringIO("t0ken\n"))
    assert tower(*words)[0] == 0
    assert sent(api)["secret"] == "t0ken"
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, _, err = tower(*words)
    assert (status, "no token was given" in err) == (1, True)
    assert tower(*words, "--keep-secret")[0] == 0
    assert sent(api)["secret"] is None


def test_the_list_says_how_each_does(api: StubApi, tower: Tower) -> None:
    off = a_webhook(id="chat", is_enabled=False, disabled_because="it is gone")
    api.answers["GET /webhooks"] = Answer(body={"items": [a_webhook(), off], "next_cursor": None})
    status, out, _ = tower("webhook", "list")
    assert status == 0
    assert "ok" in out
    assert "off: it is gone" in out


def test_a_test_that_was_not_taken_fails_and_says_why(api: StubApi, tower: Tower) -> None:
    api.answers["POST /webhooks/pager/ping"] = Answer(body=a_delivery())
    status, _, err = tower("webhook", "ping", "pager")
    assert (status, "was not taken: status 503: busy" in err) == (1, True)
    taken = [{"status": 204, "failure": "", "detail": "", "duration_ms": 12}]
    api.answers["POST /webhooks/pager/ping"] = Answer(body=a_delivery(state="delivered", log=taken))
    status, out, _ = tower("webhook", "ping", "pager")
    assert (status, "was taken with status 204 in 12 ms" in out) == (0, True)
    api.answers["POST /webhooks/pager/ping"] = Answer(body=a_delivery(state="waiting", log=[]))
    assert tower("webhook", "ping", "pager")[0] == 1


def test_deliveries_are_filtered_and_replayed_by_sequence(api: StubApi, tower: Tower) -> None:
    api.answers["GET /webhooks/pager/deliveries"] = Answer(
        body={"items": [a_delivery()], "next_cursor": None}
    )
    status, out, _ = tower("webhook", "deliveries", "pager", "--state", "dead")
    assert (status, "status 503: busy" in out) == (0, True)
    assert api.requests[-1].query == {"state": "dead", "limit": "20"}
    api.answers["POST /webhooks/pager/replay"] = Answer(body={"replayed": 2})
    assert tower("webhook", "replay", "pager", "--from", "5", "--to", "9", "--all")[0] == 0
    assert sent(api) == {"first": 5, "last": 9, "with_delivered": True}
    assert tower("webhook", "deliveries", "pager", "--limit", "0")[0] == 2


def test_a_secret_is_rotated_with_the_time_the_old_one_counts(api: StubApi, tower: Tower) -> None:
    api.answers["GET /webhooks/pager"] = Answer(body=a_webhook())
    api.answers["POST /webhooks/pager/rotate"] = Answer(
        body={"webhook": a_webhook(old_secret_until_ms=1), "secret": "whsec_new"}
    )
    status, out, _ = tower("webhook", "rotate", "pager", "--keep-old", "2h")
    assert (status, "whsec_new" in out, "counts as well until" in out) == (0, True, True)
    assert sent(api) == {"secret": None, "keep_old_s": 7200}


def test_networks_are_set_and_shown(api: StubApi, tower: Tower) -> None:
    path = "/settings/outbound.allowed_networks"
    api.answers[f"PUT {path}"] = Answer(body={"key": "outbound.allowed_networks", "value": "10.0.5.0/24"})
    assert "10.0.5.0/24 may be called" in tower("webhook", "networks", "--set", "10.0.5.0/24")[1]
    api.answers["GET /settings"] = Answer(body={"items": [], "next_cursor": None})
    assert "only public addresses" in tower("webhook", "networks")[1]


def test_events_are_asked_for_by_kind_and_age(api: StubApi, tower: Tower) -> None:
    event = {"at_ms": 1, "severity": "critical", "kind": "node:down", "summary": "Host h2 is down"}
    api.answers["GET /events"] = Answer(body={"items": [event], "next_cursor": None})
    status, out, _ = tower("events", "--kind", "node:*", "--since", "2h")
    assert (status, "Host h2 is down" in out) == (0, True)
    query = api.requests[-1].query
    assert (query["kinds"], query["limit"], int(query["since_ms"]) > 0) == ("node:*", "50", True)

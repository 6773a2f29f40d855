"""`tower export`: what it sends, and what it says."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

URL = "http://vm:8428/api/v1/write"


def an_export(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "vm",
        "kind": "prometheus",
        "url": URL,
        "auth": "none",
        "username": "",
        "is_enabled": True,
        "waiting": 2,
        "past_left_ms": 0,
        "sent": 500,
        "refused": 0,
        "failing_since_ms": None,
        "next_ms": None,
        "last_sent_ms": 1,
        "detail": "",
        "changed_at_ms": 1,
        "changed_by": "ann",
    }
    return {**base, **fields}


def test_an_export_is_made_with_its_secret_from_standard_input(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["PUT /exports/vm"] = Answer(body=an_export())
    monkeypatch.setattr("sys.stdin", io.StringIO("pass\n"))
    words = ("export", "add", "vm", URL, "--auth", "basic", "--user", "tower", "--back", "7d")
    status, out, _ = tower(*words)
    assert (status, "tower export status vm" in out) == (0, True)
    assert api.requests[-1].body == {
        "kind": "prometheus",
        "url": URL,
        "auth": "basic",
        "username": "tower",
        "secret": "pass",
        "back_s": 7 * 86_400,
        "is_enabled": True,
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert tower(*words)[0] == 1


def test_how_far_each_is_can_be_read(api: StubApi, tower: Tower) -> None:
    failing = an_export(id="influx", failing_since_ms=1, next_ms=2, detail="status 404: no database")
    past = an_export(id="new", past_left_ms=3_600_000)
    api.answers["GET /exports"] = Answer(body={"items": [an_export(), failing, past], "next_cursor": None})
    api.answers["GET /exports/influx"] = Answer(body=failing)
    status, out, _ = tower("export", "list")
    assert status == 0
    assert all(words in out for words in ("ok", "failing since", "sending the past"))
    assert "status 404: no database" in tower("export", "status", "influx")[1]


def test_an_export_is_removed(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /exports/vm"] = Answer(204)
    assert tower("export", "remove", "vm")[0] == 0


def test_history_is_brought_by_a_word_of_its_own(api: StubApi, tower: Tower) -> None:
    words = ("--from", "http://127.0.0.1:9", "--query", "up")
    status, _, err = tower("metrics", "import", *words)
    assert (status, "127.0.0.1 does not answer" in err) == (1, True)
    status, _, err = tower("metrics", "h1", "cpu", *words)
    assert (status, "--from goes with import" in err) == (2, True)
    status, _, err = tower("metrics", "import", "--from", "http://127.0.0.1:9")
    assert (status, "--query is needed" in err) == (2, True)

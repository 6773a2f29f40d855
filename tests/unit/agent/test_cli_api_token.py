"""`tower api-token`: what it sends, and what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi


def a_token(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "prefix": "abcdefgh",
        "name": "ai",
        "role": "operator",
        "state": "active",
        "owner_name": "ann",
        "expires_at_ms": None,
        "read_only": False,
        "toolsets": [],
    }
    return {**base, **fields}


def test_a_token_is_made_with_its_bounds_and_printed_alone(api: StubApi, tower: Tower) -> None:
    api.answers["POST /tokens"] = Answer(status=201, body={"token": "tower_x", "prefix": "x"})
    words = ("api-token", "create", "ai", "--read-only", "--toolsets", "observe, deploy", "--ttl", "30d")
    status, out, _ = tower(*words)
    assert (status, out) == (0, "tower_x\n")
    assert api.requests[-1].body == {
        "name": "ai",
        "role": "viewer",
        "read_only": True,
        "toolsets": ["observe", "deploy"],
        "ttl_s": 30 * 86_400,
    }


def test_tokens_are_listed_with_what_they_may(api: StubApi, tower: Tower) -> None:
    tokens = [a_token(), a_token(name="eyes", read_only=True, toolsets=["observe"])]
    api.answers["GET /tokens"] = Answer(body={"items": tokens, "next_cursor": None})
    status, out, _ = tower("api-token", "list")
    assert status == 0
    assert "operator, only reads" in out
    assert "observe" in out
    assert json.loads(tower("--json", "api-token", "list")[1])["items"] == tokens


def test_a_token_is_revoked_by_its_prefix(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /tokens/abcdefgh"] = Answer(status=204, body=None)
    status, out, _ = tower("api-token", "revoke", "abcdefgh")
    assert (status, out) == (0, "API token abcdefgh is revoked\n")


def test_a_role_there_is_not_is_refused_before_anything_is_sent(api: StubApi, tower: Tower) -> None:
    with pytest.raises(SystemExit) as ended:
        tower("api-token", "create", "ai", "--role", "root")
    assert ended.value.code == 2
    assert api.requests == []

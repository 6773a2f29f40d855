"""`tower user`, `role`, `binding` and `authz`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.access_words import hours_of
from agent.cli.failures import CommandFailed
from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import Answer, StubApi

SCOPE = {"projects": ["shop"], "text": "project shop"}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    with served_cli(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)


def a_binding(**fields: Any) -> dict[str, Any]:
    defaults = {
        "id": "bd_1",
        "kind": "user",
        "holder_id": "us_ann",
        "holder_name": "ann",
        "role": "operator",
        "scope": SCOPE,
        "hours": [],
        "note": "",
    }
    return {**defaults, **fields}


def test_a_role_is_granted_on_part_of_the_cluster(api: StubApi, tower: Tower) -> None:
    api.answers["POST /bindings"] = Answer(201, body=a_binding())
    status, out, _ = tower(
        "user", "grant", "ann", "operator", "--project", "shop", "--label", "team=web",
        "--hours", "mon-fri 09:00-17:00 Europe/Rome",
    )  # fmt: skip
    assert status == 0
    assert "ann is operator on project shop" in out
    sent = api.requests[-1].body
    assert sent["scope"] == {"projects": ["shop"], "labels": ["team=web"]}
    assert sent["hours"] == [
        {"start": "09:00", "end": "17:00", "tz": "Europe/Rome", "days": ["mon", "tue", "wed", "thu", "fri"]}
    ]


def test_the_password_of_a_new_account_comes_from_standard_input(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /users"] = Answer(201, body={})
    monkeypatch.setattr("sys.stdin", io.StringIO("four quiet words here\n"))
    status, out, _ = tower("user", "add", "ann", "--role", "none")
    assert status == 0
    assert "four" not in out
    assert api.requests[-1].body == {"name": "ann", "role": "none", "password": "four quiet words here"}


def test_a_role_is_taken_away_by_its_name(api: StubApi, tower: Tower) -> None:
    api.answers["GET /bindings"] = Answer(body={"items": [a_binding(), a_binding(id="bd_2", role="viewer")]})
    api.answers["DELETE /bindings/bd_1"] = Answer(204)
    status, out, _ = tower("user", "revoke", "ann", "operator")
    assert status == 0
    assert "bd_1" in out
    assert "bd_2" not in out


def test_taking_away_what_is_not_bound_says_so(api: StubApi, tower: Tower) -> None:
    api.answers["GET /bindings"] = Answer(body={"items": []})
    status, _, err = tower("user", "revoke", "ann")
    assert status == 1
    assert "nothing is bound to ann" in err


def test_a_role_is_made_of_what_it_allows_and_denies(api: StubApi, tower: Tower) -> None:
    api.answers["PUT /roles/restarter"] = Answer(body={"actions": ["container.restart"]})
    status, out, _ = tower("role", "put", "restarter", "--allow", "container.*", "--deny", "container.exec")
    assert status == 0
    assert "allows 1 actions" in out
    assert [each["effect"] for each in api.requests[-1].body["permissions"]] == ["allow", "deny"]


def test_why_not_is_told_and_is_the_status(api: StubApi, tower: Tower) -> None:
    api.answers["GET /authz/explain"] = Answer(
        body={"allowed": False, "reason": "container.exec needs role admin"}
    )
    status, out, _ = tower("authz", "explain", "container.exec", "container:web", "--as", "ann")
    assert status == 1
    assert out.strip() == "no: container.exec needs role admin"


@pytest.mark.parametrize("text", ["", "9-17", "funday 09:00-17:00", "mon-fri", "09:00-17:00 Europe/Rome x"])
def test_hours_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="is no"):
        hours_of([text])


def test_days_go_round_the_week() -> None:
    (hours,) = hours_of(["sat-mon 22:00-06:00"])
    assert hours["days"] == ["sat", "sun", "mon"]


@pytest.mark.parametrize(("is_intact", "expected"), [(True, 0), (False, 1)])
def test_an_audit_that_was_changed_is_the_status(
    api: StubApi, tower: Tower, is_intact: bool, expected: int
) -> None:
    standing = {"is_intact": is_intact, "reason": "as it is", "size": 3, "root": "ab"}
    api.answers["GET /audit/verification"] = Answer(body=standing)
    status, out, _ = tower("audit", "--verify")
    assert status == expected
    assert ("3 ab" in out) == is_intact


def test_entries_are_asked_for_by_what_became_of_them(api: StubApi, tower: Tower) -> None:
    api.answers["GET /audit"] = Answer(body={"items": []})
    assert tower("audit", "--result", "denied", "--on", "web")[0] == 0
    query = api.requests[-1].query
    assert (query["outcome"], query["resource"]) == ("denied", "web")

"""`tower login` with a code, `tower session`, and `tower certificate --dashboard`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import Answer, StubApi

LOGGED_IN = Answer(
    body={
        "principal_id": "us_1",
        "name": "anna",
        "role": "admin",
        "expires_in_s": 600,
        "access_token": "access",
        "refresh_token": "refresh",
    }
)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    with served_cli(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)


def bodies(api: StubApi) -> list[Any]:
    return [request.body for request in api.requests if request.method == "POST"]


def test_a_code_is_read_after_the_password(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /auth/login"] = Answer(
        body={"challenge": "ticket", "expires_in_s": 600, "enrolment": None}
    )
    api.answers["POST /auth/login/code"] = LOGGED_IN
    monkeypatch.setattr("sys.stdin", io.StringIO("the password\n123 456\n"))
    status, out, _ = tower("login", "--user", "anna")
    assert (status, "as anna" in out) == (0, True)
    assert bodies(api) == [
        {"name": "anna", "password": "the password", "mode": "token"},
        {"challenge": "ticket", "code": "123 456", "enrolment": None, "mode": "token"},
    ]


def test_a_code_may_come_from_the_environment(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /auth/login"] = Answer(
        body={"challenge": "ticket", "expires_in_s": 600, "enrolment": None}
    )
    api.answers["POST /auth/login/code"] = LOGGED_IN
    monkeypatch.setenv("TOWER_PASSWORD", "the password")
    monkeypatch.setenv("TOWER_CODE", "123456")
    assert tower("login", "--user", "anna")[0] == 0
    assert bodies(api)[1]["code"] == "123456"


def test_without_a_code_nothing_is_sent_and_the_next_step_is_told(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /auth/login"] = Answer(
        body={"challenge": "ticket", "expires_in_s": 600, "enrolment": None}
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("the password\n"))
    status, _, err = tower("login", "--user", "anna")
    assert status == 1
    assert "TOWER_CODE" in err
    assert len(bodies(api)) == 1


def test_a_required_authenticator_is_enrolled_with_the_login(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolment = {
        "secret": "ABCD",
        "uri": "otpauth://totp/x",
        "qr": {"size": 1, "path": ""},
        "ticket": "new",
        "expires_in_s": 600,
    }
    api.answers["POST /auth/login"] = Answer(
        body={"challenge": "ticket", "expires_in_s": 600, "enrolment": enrolment}
    )
    assert isinstance(LOGGED_IN.body, dict)
    api.answers["POST /auth/login/code"] = Answer(
        body={**LOGGED_IN.body, "recovery_codes": ["aaaa-bbbb", "cccc-dddd"]}
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("the password\n123456\n"))
    status, out, err = tower("login", "--user", "anna")
    assert status == 0
    assert bodies(api)[1]["enrolment"] == "new"
    assert "ABCD" in err
    assert "aaaa-bbbb" in err
    assert "aaaa-bbbb" not in out


def test_logins_are_listed_with_what_they_were_made_with(api: StubApi, tower: Tower) -> None:
    session = {
        "id": "lo_1",
        "user_id": "us_1",
        "user_name": "anna",
        "browser": "Firefox",
        "system": "Linux",
        "kind": "desktop",
        "user_agent": "",
        "ip": "192.0.2.7",
        "started_at_ms": 0,
        "last_used_at_ms": 0,
        "expires_at_ms": 0,
        "is_current": True,
        "provider": "",
    }
    api.answers["GET /sessions"] = Answer(body={"items": [session], "next_cursor": None})
    _, own, _ = tower("session", "ls")
    _, everybodys, _ = tower("session", "ls", "--user", "all")
    assert "Firefox on Linux" in own
    assert "this one" in own
    assert "anna" not in own
    assert "anna" in everybodys
    assert [request.query for request in api.requests] == [{}, {"user": "all"}]


def test_one_login_or_all_others_are_ended(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /sessions/lo_1"] = Answer(204)
    api.answers["DELETE /sessions"] = Answer(body={"ended": 3})
    assert tower("session", "end", "lo_1")[0] == 0
    assert tower("session", "end", "--others")[1] == "3 logins are ended\n"
    assert tower("session", "end")[0] == 2
    assert tower("session", "end", "lo_1", "--others")[0] == 2


def test_certificates_of_the_dashboard_are_others_than_those_of_routers(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    kept = {"name": "front", "hosts": ["tower.example.com"], "not_after_ms": 0, "changed_by": "anna"}
    api.answers["PUT /web-certificates/front"] = Answer(body={**kept, "state": "serving"})
    api.answers["GET /web-certificates"] = Answer(
        body={"items": [{**kept, "state": "ended"}], "next_cursor": None}
    )
    api.answers["DELETE /web-certificates/front"] = Answer(204)
    pem = tmp_path / "a.pem"
    pem.write_text("PEM")
    assert tower("certificate", "put", "front", "-c", str(pem), "-k", str(pem), "--dashboard")[0] == 0
    assert "(ended)" in tower("certificate", "list", "--dashboard")[1]
    assert tower("certificate", "remove", "front", "--dashboard")[0] == 0

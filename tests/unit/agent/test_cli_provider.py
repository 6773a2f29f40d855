"""`tower provider`: what it sends, what it leaves as it is, and what it never prints."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import Answer, StubApi

SECRET = "hush-hush-client-secret"
CALLBACK = "https://tower.example.com/api/v1/auth/providers/corp/callback"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    with served_cli(tmp_path, monkeypatch) as made:
        made.answers["PUT /providers/corp"] = lambda request: Answer(
            body=a_provider(**{key: request.body[key] for key in request.body.keys() & a_provider().keys()})
        )
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)


def a_provider(**fields: Any) -> dict[str, Any]:
    defaults = {
        "id": "corp",
        "label": "Corporation",
        "issuer": "https://sso.example.com",
        "client_id": "tower",
        "has_secret": True,
        "scopes": ["openid", "groups"],
        "groups_claim": "groups",
        "name_claim": "preferred_username",
        "roles": [{"group": "ops", "role": "operator"}],
        "ca_pem": "",
        "version": 3,
        "changed_at_ms": 0,
        "changed_by": "ann",
        "redirect_urls": [CALLBACK],
        "accounts": 2,
        "token_audience": "",
    }
    return {**defaults, **fields}


def test_a_new_provider_has_what_is_given_and_the_secret_of_standard_input(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    status, out, err = tower(
        "provider", "put", "corp", "--issuer", "https://sso.example.com", "--client-id", "tower",
        "--secret-file", "-", "--role", "cn=ops,ou=it=operator", "--role", "bosses=admin",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert api.requests[-1].body == {
        "label": "corp",
        "issuer": "https://sso.example.com",
        "client_id": "tower",
        "client_secret": SECRET,
        "roles": [{"group": "cn=ops,ou=it", "role": "operator"}, {"group": "bosses", "role": "admin"}],
        "expected_version": 0,
    }
    assert CALLBACK in out
    assert SECRET not in out


def test_of_one_that_is_there_what_is_not_given_stays_as_it_is(
    api: StubApi, tower: Tower, tmp_path: Path
) -> None:
    api.answers["GET /providers/corp"] = Answer(body=a_provider())
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert (
        tower("provider", "put", "corp", "--label", "Corp", "--secret-file", str(tmp_path / "secret"))[0] == 0
    )
    body = api.requests[-1].body
    assert (body["label"], body["client_secret"], body["expected_version"]) == ("Corp", SECRET, 3)
    assert (body["roles"], body["scopes"]) == (a_provider()["roles"], ["openid", "groups"])
    assert tower("provider", "put", "corp", "--no-secret")[0] == 0
    assert api.requests[-1].body["client_secret"] == ""
    assert tower("provider", "put", "corp", "--role", "x=viewer")[0] == 0
    assert "client_secret" not in api.requests[-1].body


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--client-id", "x"), 2, "needs --issuer"),
        (("--role", "ops"), 2, "is not GROUP=ROLE"),
        (("--role", "ops=king"), 2, "none, viewer, operator, admin"),
        (("--secret-file", "/nonexistent"), 1, "cannot read /nonexistent"),
        (("--issuer-ca", "/nonexistent"), 1, "cannot read /nonexistent"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    api: StubApi, tower: Tower, words: tuple[str, ...], status: int, said: str
) -> None:
    done, _, err = tower("provider", "put", "corp", *words)
    assert done == status
    assert said in err
    assert not any(request.method == "PUT" for request in api.requests)


def test_its_access_tokens_are_taken_for_an_audience_until_it_is_emptied(api: StubApi, tower: Tower) -> None:
    api.answers["GET /providers/corp"] = Answer(body=a_provider())
    taken = tower("provider", "put", "corp", "--token-audience", "https://tower.example.com/mcp")
    assert "taken, for audience https://tower.example.com/mcp" in taken[1]
    api.answers["GET /providers/corp"] = Answer(body=a_provider(token_audience="api://tower"))
    assert tower("provider", "put", "corp", "--label", "Corp")[0] == 0
    assert api.requests[-1].body["token_audience"] == "api://tower"
    assert "not taken" in tower("provider", "put", "corp", "--token-audience", "")[1]
    assert api.requests[-1].body["token_audience"] == ""


def test_an_empty_secret_is_no_secret(api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    status, _, err = tower("provider", "put", "corp", "--secret-file", "-")
    assert (status, "--no-secret" in err) == (1, True)
    assert api.requests == []


def test_providers_are_listed_shown_checked_and_removed(api: StubApi, tower: Tower) -> None:
    api.answers["GET /providers"] = Answer(body={"items": [a_provider(roles=[])]})
    api.answers["GET /providers/corp"] = Answer(body=a_provider(roles=[]))
    api.answers["GET /providers/corp/published"] = Answer(
        body={"keys": 2, "authorization_endpoint": "https://sso.example.com/auth"}
    )
    api.answers["DELETE /providers/corp"] = Answer(204)
    assert tower("provider", "list")[1].splitlines()[1].split()[:2] == ["corp", "Corporation"]
    assert "nobody is let in" in tower("provider", "show", "corp")[1]
    assert json.loads(tower("provider", "show", "corp", "--json")[1])["version"] == 3
    assert "2 keys" in tower("provider", "check", "corp")[1]
    assert "nobody logs in through corp" in tower("provider", "remove", "corp")[1]

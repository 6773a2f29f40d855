"""`tower secret`, `tower config` and `tower registry`: what they send, and what they never print."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def stored(name: str = "stripe_key", *versions: dict[str, Any], environment: str = "") -> dict[str, Any]:
    kept = versions or ({"version": 1, "used_by": []},)
    return {
        "name": name,
        "environment": environment,
        "newest": kept[0]["version"],
        "versions": [
            {"size_bytes": 6, "created_at_ms": 0, "created_by": "ann", **version} for version in kept
        ],
    }


def sent(api: StubApi) -> bytes:
    return base64.b64decode(api.requests[-1].body["value_base64"])


@pytest.mark.parametrize("file", [(), ("-",)])
def test_a_secret_is_the_exact_bytes_of_standard_input(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch, file: tuple[str, ...]
) -> None:
    api.answers["PUT /secrets/stripe_key"] = Answer(body=stored())
    pipe(monkeypatch, b"s3cret\n\x00\xff")
    status, out, err = tower("secret", "put", "stripe_key", *file)
    assert (status, sent(api)) == (0, b"s3cret\n\x00\xff")
    assert out == "secret stripe_key: version 1 is kept\n"
    assert "s3cret" not in out + err


def test_a_secret_of_a_file_for_one_environment(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"s3cret")
    api.answers["PUT /secrets/stripe_key"] = Answer(body=stored())
    assert tower("secret", "put", "stripe_key", str(file), "--environment", "prod")[0] == 0
    assert sent(api) == b"s3cret"
    assert api.requests[-1].query == {"environment": "prod"}


def test_a_secret_is_asked_for_on_a_terminal(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["PUT /secrets/k"] = Answer(body=stored("k"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "s3cret")
    assert tower("secret", "put", "k")[0] == 0
    assert sent(api) == b"s3cret"


def test_a_secret_that_the_cluster_makes_is_seen_by_nobody(api: StubApi, tower: Tower) -> None:
    api.answers["PUT /secrets/k"] = Answer(body=stored("k"))
    assert tower("secret", "put", "k", "--generate")[0] == 0
    assert api.requests[-1].body == {"generate_bytes": 32}
    assert tower("secret", "put", "k", "--generate", "64")[0] == 0
    assert api.requests[-1].body == {"generate_bytes": 64}


def test_who_still_has_an_earlier_version_is_told(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = ({"version": 2, "used_by": []}, {"version": 1, "used_by": ["shop.api", "shop.web"]})
    api.answers["PUT /secrets/k"] = Answer(body=stored("k", *versions))
    pipe(monkeypatch, b"x")
    assert "shop.api, shop.web got an earlier version: deploy again" in tower("secret", "put", "k")[1]


@pytest.mark.parametrize("content", [b"", b"x" * (256 * 1024 + 1)])
def test_what_is_empty_or_too_large_is_not_sent(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    pipe(monkeypatch, content)
    status, _, err = tower("secret", "put", "k")
    assert (status, api.asked()) == (1, [])
    assert "empty" in err or "240 KiB" in err


def test_a_file_that_is_not_there_is_named(api: StubApi, tower: Tower) -> None:
    status, _, err = tower("secret", "put", "k", "/nonexistent/key")
    assert (status, api.asked()) == (1, [])
    assert "/nonexistent/key" in err


def test_secrets_are_listed_with_who_uses_them(api: StubApi, tower: Tower) -> None:
    versions = ({"version": 3, "used_by": ["shop.web"]}, {"version": 2, "used_by": ["shop.api"]})
    items = [stored("a", *versions), stored("b", environment="prod")]
    api.answers["GET /secrets"] = Answer(body={"items": items, "next_cursor": None})
    lines = tower("secret", "list")[1].splitlines()
    assert lines[0].split() == ["NAME", "ENVIRONMENT", "VERSION", "SIZE", "PUT", "BY", "USED", "BY"]
    assert lines[1].startswith("a     all          3        6 B")
    assert lines[1].endswith("shop.web, shop.api (version 2)")
    assert lines[2].startswith("b     prod         1")


def test_a_secret_is_removed(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /secrets/k"] = Answer(204)
    assert tower("secret", "remove", "k")[1] == "secret k is removed\n"
    assert api.requests[-1].query == {}


def test_there_is_no_way_to_show_a_secret(api: StubApi, tower: Tower) -> None:
    with pytest.raises(SystemExit) as ended:
        tower("secret", "show", "k")
    assert ended.value.code == 2
    assert api.asked() == []


# ---- configs ----------------------------------------------------------------------------------


def test_a_config_is_printed_as_it_is(api: StubApi, tower: Tower) -> None:
    view = {"name": "c", "version": 2, "value": "listen 80\r\n", "value_base64": None}
    api.answers["GET /configs/c"] = Answer(body=view)
    assert tower("config", "show", "c", "--version", "2", "--environment", "prod")[1] == "listen 80\r\n"
    assert api.requests[-1].query == {"environment": "prod", "version": "2"}


def test_a_config_that_is_no_text_is_printed_byte_by_byte(api: StubApi, tower: Tower) -> None:
    encoded = base64.b64encode(b"\x00\xfe").decode()
    api.answers["GET /configs/c"] = Answer(body={"value": None, "value_base64": encoded})
    assert tower("config", "show", "c")[1].encode(errors="surrogateescape") == b"\x00\xfe"


def test_configs_are_put_listed_and_removed(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "web.conf"
    file.write_bytes(b"listen 80\n")
    api.answers["PUT /configs/web.conf"] = Answer(body=stored("web.conf"))
    assert tower("config", "put", "web.conf", str(file))[1] == "config web.conf: version 1 is kept\n"
    assert sent(api) == b"listen 80\n"
    api.answers["GET /configs"] = Answer(body={"items": [], "next_cursor": None})
    assert tower("config", "list")[1] == "no configs; `tower config put NAME FILE` makes one\n"
    api.answers["DELETE /configs/web.conf"] = Answer(204)
    assert tower("config", "remove", "web.conf")[0] == 0


def test_without_a_name_the_settings_of_this_host_are_shown(api: StubApi, tower: Tower) -> None:
    status, out, _ = tower("config", "show", "--set", "node.name=h9")
    assert status == 0
    assert "node.name" in out
    assert api.asked() == []


# ---- registries -------------------------------------------------------------------------------


def test_a_password_comes_by_standard_input_and_is_not_printed(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = {"registry": "ghcr.io", "username": "ci", "changed_at_ms": 0, "changed_by": "ann"}
    api.answers["PUT /registries/ghcr.io"] = Answer(body={**view, "said": "Login Succeeded"})
    pipe(monkeypatch, b"s3cret\n")
    status, out, err = tower("registry", "login", "https://ghcr.io/", "--username", "ci")
    assert (status, out) == (0, "ghcr.io says: Login Succeeded\nhosts pull from ghcr.io as ci from now on\n")
    assert api.requests[-1].body == {"username": "ci", "password": "s3cret", "check_login": True}
    assert "s3cret" not in out + err


def test_a_login_may_be_kept_untried_and_one_that_could_not_be_tried_says_so(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = {"registry": "ghcr.io", "username": "ci", "changed_at_ms": 0, "changed_by": "ann"}
    api.answers["PUT /registries/ghcr.io"] = Answer(body={**view, "problem": "no route to it"})
    pipe(monkeypatch, b"s3cret\n")
    _, _, err = tower("registry", "login", "ghcr.io", "--username", "ci")
    assert "could not be tried: no route to it" in err
    pipe(monkeypatch, b"s3cret\n")
    assert tower("registry", "login", "ghcr.io", "--username", "ci", "--no-check")[0] == 0
    assert api.requests[-1].body == {"username": "ci", "password": "s3cret", "check_login": False}


def test_no_password_is_no_login(api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"\n")
    status, _, err = tower("registry", "login", "ghcr.io", "--username", "ci")
    assert (status, api.asked()) == (1, [])
    assert "no password" in err


def test_logins_are_listed_and_forgotten(api: StubApi, tower: Tower) -> None:
    view = {"registry": "host:5000", "username": "ci", "changed_at_ms": 0, "changed_by": "ann"}
    api.answers["GET /registries"] = Answer(body={"items": [view], "next_cursor": None})
    assert tower("registry", "list")[1].splitlines()[1].split()[:2] == ["host:5000", "ci"]
    assert json.loads(tower("registry", "list", "--json")[1]) == {"items": [view]}
    api.answers["DELETE /registries/host%3A5000"] = Answer(204)
    assert "is forgotten" in tower("registry", "logout", "host:5000")[1]

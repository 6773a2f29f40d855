"""`tower node maintenance` and `tower node fence`: what they ask of the interface, and what they say."""

from __future__ import annotations

import io
from typing import Any

import pytest

from agent.cli.main import main
from tests.support.stub_api import Answer, StubApi


def a_node(**fields: Any) -> dict[str, Any]:
    return {
        "id": "n_2",
        "name": "h2",
        "role": "voter",
        "status": "up",
        "is_leader": False,
        "address": "10.0.0.2",
        **fields,
    }


@pytest.fixture
def api(api: StubApi) -> StubApi:
    api.answers["GET /nodes"] = Answer(body={"items": [a_node()], "next_cursor": None})
    api.answers["POST /nodes/n_2/maintenance"] = Answer(body=a_node())
    api.answers["POST /nodes/n_2/fence"] = Answer(body=a_node())
    return api


def tower(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    said = capsys.readouterr()
    return status, said.out, said.err


def posted(api: StubApi) -> list[Any]:
    return [request.body for request in api.requests if request.method == "POST"]


@pytest.mark.parametrize(
    ("words", "body", "said"),
    [
        ((), {"duration_s": 300, "reason": ""}, "h2 may be away for 5m"),
        (
            ("--for", "20m", "--reason", "kernel"),
            {"duration_s": 1200, "reason": "kernel"},
            "h2 may be away for 20m",
        ),
        (("--end",), {"duration_s": 0, "reason": ""}, "h2 is no longer expected to be away"),
    ],
)
def test_a_host_is_given_leave_and_that_is_ended(
    api: StubApi,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    body: dict[str, Any],
    said: str,
) -> None:
    status, out, _ = tower(capsys, "node", "maintenance", "h2", *words)
    assert (status, posted(api)) == (0, [body])
    assert out.startswith(said)


def test_a_host_is_said_to_be_off_only_by_somebody_who_is_sure(
    api: StubApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    status, _, err = tower(capsys, "node", "fence", "h2")
    assert status == 2
    assert "might run twice" in err
    assert posted(api) == []
    status, out, _ = tower(capsys, "node", "fence", "h2", "--yes")
    assert status == 0
    assert out == "h2 counts as switched off: what it ran starts elsewhere\n"
    assert len(posted(api)) == 1


def test_the_list_shows_who_is_away_on_purpose_and_who_is_off(
    api: StubApi, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [
        a_node(name="away", status="suspect", maintenance_until_ms=1),
        a_node(name="off", status="down", is_fenced=True),
        a_node(name="lost", status="down", maintenance_until_ms=1),
        a_node(name="silent", status="up", is_unknown=True),
        a_node(name="new", status="up", facts={"hostname": "", "cpu_count": 0, "labels": {}}),
        a_node(name="old", status="up", facts={"hostname": "old", "cpu_count": 4, "labels": {}}),
    ]
    api.answers["GET /nodes"] = Answer(body={"items": nodes, "next_cursor": None})
    _, out, _ = tower(capsys, "node", "ls")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "maintenance" in lines["away"]
    assert "down, off" in lines["off"]
    assert "down " in lines["lost"]
    assert "maintenance" not in lines["lost"]
    assert "unknown" in lines["silent"]
    assert "joining" in lines["new"]
    assert " up " in lines["old"]

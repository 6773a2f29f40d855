"""`tower ask`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.ask import as_plain
from tests.support.cli_kit import Tower, captured_cli, served_cli
from tests.support.stub_api import Answer, StubApi

BEGAN = {"kind": "began", "conversation": "cv_1", "number": 1, "answerer": "rules", "no_model": "no-key"}
CALLED = {
    "kind": "tool-called",
    "id": "c1",
    "tool": "run-diagnosis",
    "title": "What is wrong, and why",
    "arguments": {"question": "slow", "hours": 6},
}
ANSWERED = {
    "kind": "tool-answered",
    "id": "c1",
    "text": "{}",
    "is_error": False,
    "plan_id": None,
    "references": [],
}
ENDED = {"kind": "ended", "how": "answered", "reason": "", "tokens": 0}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    with served_cli(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def tower(capsysbinary: pytest.CaptureFixture[bytes]) -> Tower:
    return captured_cli(capsysbinary)


def said(text: str) -> dict[str, Any]:
    return {"kind": "said", "text": text}


def a_stream(*events: dict[str, Any]) -> Answer:
    blocks = [f"data: {json.dumps(event)}\n\n" for event in events]
    content = ": an answer is being made\n\n".join(blocks).encode()
    return Answer(content=content, content_type="text/event-stream")


def test_an_answer_is_shown_as_plain_text_and_what_was_called_beside_it(api: StubApi, tower: Tower) -> None:
    api.answers["POST /assistant/conversations"] = a_stream(
        BEGAN, CALLED, ANSWERED, said("- **Critical**: web waits [60"), said(" %](ref:1) of the time.\n"),
        said("Done"), {"kind": "suggested", "questions": ["Is all well?"]}, {"kind": "of-tomorrow"}, ENDED,
    )  # fmt: skip
    status, out, err = tower("ask", "why is it", "slow", "--language", "it")
    assert status == 0
    assert out == "- Critical: web waits 60 % of the time.\nDone\n"
    assert err.splitlines() == [
        "> run-diagnosis question=slow hours=6",
        "? Is all well?",
        "go on with: tower ask --conversation cv_1 ...",
    ]
    (request,) = api.requests
    assert request.body == {"text": "why is it slow", "language": "it"}
    assert request.headers["Accept"] == "text/event-stream"


def test_a_conversation_is_gone_on_with(api: StubApi, tower: Tower) -> None:
    api.answers["POST /assistant/conversations/cv_1/exchanges"] = a_stream(BEGAN, said("Yes."), ENDED)
    _, out, _ = tower("ask", "--conversation", "cv_1", "and now?")
    assert out == "Yes.\n"


def test_a_plan_is_named_with_the_command_that_shows_it(api: StubApi, tower: Tower) -> None:
    api.answers["POST /assistant/conversations"] = a_stream(
        BEGAN, {**CALLED, "tool": "scale-service"}, {**ANSWERED, "plan_id": "pl_7"}, ENDED
    )
    assert "plan pl_7 waits: see `tower plan show pl_7`" in tower("ask", "scale shop.web to 4")[1]


def test_as_json_every_event_is_a_line(api: StubApi, tower: Tower) -> None:
    events = (BEGAN, said("Yes.\nNo."), ENDED)
    api.answers["POST /assistant/conversations"] = a_stream(*events)
    _, out, _ = tower("ask", "is all well", "--json")
    assert [json.loads(line) for line in out.splitlines()] == list(events)


@pytest.mark.parametrize(("how", "reason"), [("failed", "the model is overloaded"), ("cut-short", "")])
def test_an_answer_that_was_none_is_a_failure(api: StubApi, tower: Tower, how: str, reason: str) -> None:
    api.answers["POST /assistant/conversations"] = a_stream(BEGAN, {**ENDED, "how": how, "reason": reason})
    status, _, err = tower("ask", "why")
    assert status == 1
    assert f"the answer is {how}" in err
    assert reason in err


def test_an_answer_that_breaks_off_is_said_to(api: StubApi, tower: Tower) -> None:
    api.answers["POST /assistant/conversations"] = a_stream(BEGAN, said("It may"))
    status, out, err = tower("ask", "why")
    assert (status, out) == (1, "It may\n")
    assert "the answer broke off" in err


def test_a_refusal_is_told_as_every_other(api: StubApi, tower: Tower) -> None:
    problem = {
        "type": "urn:tower:problem:conflict",
        "title": "Not possible as things are",
        "detail": "an answer to you is being made already",
        "hint": "wait for it",
    }
    api.answers["POST /assistant/conversations"] = Answer(409, problem)
    status, _, err = tower("ask", "why")
    assert status == 1
    assert "an answer to you is being made already" in err


def test_what_was_asked_before_is_listed_and_forgotten(api: StubApi, tower: Tower) -> None:
    kept = {"id": "cv_1", "title": "why is it slow", "exchanges": 2, "begun_at_ms": 0, "changed_at_ms": 0}
    api.answers["GET /assistant/conversations"] = Answer(body={"items": [kept], "next_cursor": None})
    api.answers["DELETE /assistant/conversations/cv_1"] = Answer(204)
    status, out, _ = tower("ask", "--list")
    assert status == 0
    assert "cv_1" in out
    assert "why is it slow" in out
    assert json.loads(tower("ask", "--list", "--json")[1]) == {"items": [kept]}
    assert tower("ask", "--forget", "cv_1") == (0, "forgot cv_1\n", "")


@pytest.mark.parametrize("instead", [("--list",), ("--forget", "cv_1")])
def test_a_question_beside_what_takes_none_is_refused(
    api: StubApi, tower: Tower, instead: tuple[str, ...]
) -> None:
    status, _, err = tower("ask", "why", *instead)
    assert status == 2
    assert "take no question" in err
    assert api.requests == []


def test_a_question_has_words_and_not_too_many(api: StubApi, tower: Tower) -> None:
    assert tower("ask")[0] == 2
    assert tower("ask", " ")[0] == 2
    assert tower("ask", "x" * 4001)[0] == 2
    assert api.requests == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("**Critical**: *Raise it.*", "Critical: Raise it."),
        (r"\[see\](https://x.example) \<b\>\*", r"[see](https://x.example) <b>*"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a [chart](ref:12) and [log line](ref:2)", "a chart and log line"),
        ("\x1b]0;title\x07 red", "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER} red"),
    ],
)
def test_markdown_is_shown_without_its_marks(line: str, shown: str) -> None:
    assert as_plain(line) == shown

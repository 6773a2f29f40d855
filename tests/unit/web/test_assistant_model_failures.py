"""A model that refuses, fails, breaks off or talks nonsense: its asker is told, and nothing is half done."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx2
import pytest

from cluster.analytics.sentences import Language
from tests.support.messages_api import (
    Raw,
    Refusal,
    Reply,
    Step,
    a_messages_api,
    calls,
    says,
    text,
    tool_use,
)
from tests.support.model_kit import KEY, a_tool, asking
from web.assistant.answering import Ended, Ending, Said
from web.assistant.by_model import ByModel
from web.assistant.endings import REASONS

AGAIN = "Ask again"


async def test_a_refused_question_says_so_and_keeps_what_was_said() -> None:
    async with asking(says("I cannot", stop_reason="refusal")) as it:
        ended = await it.ask()
        assert (ended.how, it.said()) == (Ending.REFUSED, "I cannot")
        assert ended.reason == "The model declines to answer this. Ask in another way."


@pytest.mark.parametrize(
    ("stop_reason", "words"),
    [("max_tokens", "reached the length"), ("model_context_window_exceeded", "too long for the model")],
)
async def test_an_answer_that_reaches_a_limit_is_cut_short(stop_reason: str, words: str) -> None:
    async with asking(says("Once upon a", stop_reason=stop_reason)) as it:
        ended = await it.ask()
        assert (ended.how, it.said(), ended.tokens) == (Ending.CUT_SHORT, "Once upon a", 110)
        assert words in ended.reason


async def test_a_call_that_was_cut_off_is_not_made() -> None:
    half = {"type": "tool_use", "id": "b", "name": "scale-service", "input": '{"service": "shop.web", "rep'}
    whole = tool_use("a", "list-nodes")
    async with asking(calls(whole, half, stop_reason="max_tokens")) as it:
        assert (await it.ask()).how is Ending.CUT_SHORT
        assert it.registry.called == []
        assert len(it.parts) == 1


@pytest.mark.parametrize(
    ("cut", "words"), [("drop", "broke off"), ("close", "broke off"), ("error", "overloaded")]
)
async def test_a_stream_that_breaks_ends_the_answer_and_repeats_nothing(cut: str, words: str) -> None:
    ran: list[str] = []

    async def run(of: str) -> str:
        await asyncio.sleep(0)
        ran.append(of)
        return "done"

    async with asking(
        calls(tool_use("a", "probe", of="once")),
        says("Then it", cut=cut),
        says("A second try."),
        tools=(a_tool("probe", run),),
    ) as it:
        ended = await it.ask()
        assert (ended.how, it.said()) == (Ending.FAILED, "Then it")
        assert words in ended.reason
        assert AGAIN in ended.reason
        # What was read and written before the break is paid for.
        assert ended.tokens == 110 + 101 + len("Then it") // 3
        assert (ran, len(it.api.asked)) == (["once"], 2)


async def test_a_call_in_a_stream_that_breaks_is_not_made() -> None:
    async with asking(
        calls(tool_use("a", "scale-service", service="shop.web", replicas=3), cut="drop")
    ) as it:
        assert (await it.ask()).how is Ending.FAILED
        assert (it.registry.called, it.answered()) == ([], [])


OVERLOADED = Refusal(status=529, kind="overloaded_error", message="Overloaded")


async def test_an_overloaded_model_is_asked_again_before_it_says_anything() -> None:
    async with asking(OVERLOADED, Refusal(status=429, kind="rate_limit_error"), says("Well.")) as it:
        assert (await it.ask()).how is Ending.ANSWERED
        assert len(it.api.asked) == 3


async def test_three_times_is_enough() -> None:
    async with asking(OVERLOADED) as it:
        ended = await it.ask()
        assert (ended.how, ended.tokens, len(it.api.asked)) == (Ending.FAILED, 0, 3)
        assert ended.reason == "The model is overloaded. Ask again in a minute."


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal(status=401, kind="authentication_error"), "tower secret put model-key"),
        (Refusal(status=403, kind="permission_error"), "tower secret put model-key"),
        (Refusal(status=402, kind="billing_error"), "secret model-key cannot pay"),
        (Refusal(status=404, kind="not_found_error"), "no model claude-test"),
        (Refusal(status=429, kind="rate_limit_error"), "Ask again in a minute"),
        (Refusal(status=500), "is in trouble"),
        (Refusal(status=503, body="<h1>Bad gateway</h1>"), "is in trouble"),
        (Refusal(status=401, body="who are you"), "tower secret put model-key"),
        (Refusal(status=504, body=""), "did not answer in time"),
        (
            Refusal(status=400, kind="invalid_request_error", message="your credit\nis too low"),
            "does not take the request: your credit is too low",
        ),
        (Refusal(status=422, body="[1]"), "does not take the request: 422"),
    ],
)
async def test_a_refused_request_names_what_to_look_at(refusal: Refusal, words: str) -> None:
    async with asking(refusal) as it:
        ended = await it.ask()
        assert ended.how is Ending.FAILED
        assert words in ended.reason


async def test_a_question_that_is_too_long_for_the_api_is_cut_short() -> None:
    async with asking(Refusal(status=413, kind="request_too_large")) as it:
        ended = await it.ask(language=Language.IT)
        assert ended.how is Ending.CUT_SHORT
        assert ended.reason.startswith("Tutto questo è troppo lungo")


def events(*events: dict[str, Any]) -> Raw:
    return Raw(body="".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))


START = {
    "type": "message_start",
    "message": {
        "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip
STOP = {"type": "message_stop"}
LETTER = {"type": "text_delta", "text": "a"}


def ending(stop_reason: str) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 1}}


@pytest.mark.parametrize(
    "nonsense",
    [
        Raw(body="<html>Sign in</html>", media_type="text/html"),
        Raw(body=""),
        Raw(body="event: message_start\ndata: {not json\n\n"),
        Raw(body="event: message_start\ndata: [1, 2]\n\n"),
        Raw(body='event: message_start\ndata: "well"\n\n'),
        events({"type": "message_start"}),
        events({"type": "content_block_delta", "index": 0, "delta": LETTER}),
        events(START, {"type": "content_block_delta", "index": 7, "delta": LETTER}),
        events(START, {"type": "content_block_start", "index": 0}),
        events(STOP),
        events(START, STOP),
        events(START, {"type": "message_delta"}, STOP),
        events(START, ending("tired"), STOP),
        # It stops for tools, and names none.
        events(START, ending("tool_use"), STOP),
    ],
)
async def test_what_is_no_stream_of_messages_is_a_failure_and_no_crash(nonsense: Raw) -> None:
    async with asking(nonsense) as it:
        ended = await it.ask()
        assert ended.how is Ending.FAILED
        assert "Messages API" in ended.reason or AGAIN in ended.reason


async def test_arguments_that_are_no_json_are_a_failure() -> None:
    broken = {"type": "tool_use", "id": "a", "name": "list-nodes", "input": "{]"}
    async with asking(calls(broken)) as it:
        assert (await it.ask()).how is Ending.FAILED
        assert it.registry.called == []


async def test_half_a_character_is_replaced() -> None:
    async with asking(says("\ud83d well")) as it:
        assert (await it.ask()).how is Ending.ANSWERED
        assert it.said() == "? well"


async def test_nothing_is_sent_to_where_a_server_points() -> None:
    async with a_messages_api(says("Well.")) as elsewhere:
        there = f"{elsewhere.base_url}/v1/messages"
        async with asking(Refusal(status=307, body="", location=there)) as it:
            ended = await it.ask()
            assert ended.how is Ending.FAILED
            assert "Look at assistant.base_url" in ended.reason
        assert elsewhere.asked == []


async def test_a_model_that_cannot_be_reached_is_named_by_its_host_alone() -> None:
    async with a_messages_api(says("Well.")) as closed:
        address = closed.base_url.replace("://", "://somebody:hunter2@")
    async with asking(says("Well."), base_url=address) as it:
        ended = await it.ask()
        assert ended.how is Ending.FAILED
        assert "cannot be reached at 127.0.0.1." in ended.reason
        assert "hunter2" not in str(it.parts)


@pytest.mark.parametrize("key", ["", "two words", f"{KEY}\nsecond line", f"{KEY}è"])
async def test_a_key_that_is_none_is_sent_nowhere(key: str) -> None:
    async with asking(says("Well."), key=key) as it:
        assert "tower secret put model-key" in (await it.ask()).reason
        assert it.api.asked == []


@pytest.mark.parametrize("address", ["http://[::1", "https://a\nb/", "no address"])
async def test_an_address_that_is_none_is_a_failure(address: str) -> None:
    async with asking(says("Well."), base_url=address) as it:
        ended = await it.ask()
        assert ended.how is Ending.FAILED
        assert "assistant.base_url" in ended.reason


async def test_a_model_that_falls_silent_is_not_waited_for() -> None:
    brief = httpx2.Timeout(connect=5.0, read=0.05, write=5.0, pool=5.0)
    async with asking(says("Every day", hold=asyncio.Event()), timeout=brief) as it:
        ended = await it.ask()
        assert (ended.how, it.said()) == (Ending.FAILED, "Every")
        assert ended.reason == "The model did not answer in time. Ask again."


# ---- the key


async def test_the_key_is_sent_as_it_was_meant_without_a_line_break_of_its_file() -> None:
    async with asking(says("Well."), key=f"{KEY}\n") as it:
        assert (await it.ask()).how is Ending.ANSWERED
        assert it.api.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "step",
    [
        Refusal(status=401, kind="authentication_error", message=f"no such key {KEY}"),
        Refusal(status=400, kind="invalid_request_error", message=f"Bearer {KEY} is odd"),
        Refusal(status=422, body=KEY),
        Raw(body=f"event: message_start\ndata: {KEY}\n\n"),
        Reply(blocks=(text("I am"),), cut="error"),
    ],
)
async def test_the_key_is_in_nothing_that_is_told_or_logged(
    step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    # The product's own names are logged, nothing of libraries below a warning.
    caplog.set_level(logging.DEBUG, logger="web")
    async with asking(step) as it:
        ended = await it.ask()
        assert ended.how is Ending.FAILED
        told = f"{it.parts} {it.by!r} {it.by.name}"
        logged = " ".join(f"{record.__dict__}" for record in caplog.records if record.name.startswith("web"))
        assert "assistant.model_failed" in logged
        assert "QUITE-secret" not in told + logged


async def test_a_key_of_a_gateway_s_own_form_is_not_told_either() -> None:
    quoting = Refusal(status=400, kind="invalid_request_error", message="key team-blue:QUITE-secret is odd")
    async with asking(quoting, key="team-blue:QUITE-secret") as it:
        assert (await it.ask()).reason.endswith(": key [redacted] is odd")


async def test_a_failure_is_logged_with_what_an_operator_looks_for(caplog: pytest.LogCaptureFixture) -> None:
    async with asking(Refusal(status=404, kind="not_found_error")) as it:
        await it.ask()
        (record,) = (each for each in caplog.records if each.name == "web.assistant.by_model")
        told: dict[str, Any] = record.__dict__
        assert (told["msg"], told["status"], told["model_request_id"]) == (
            "assistant.model_failed",
            404,
            "req_1",
        )


# ---- words


def test_every_reason_is_said_in_both_languages_as_a_sentence() -> None:
    values = {"calls": "12", "secret": "s", "model": "m", "host": "h", "said": "no."}
    for key in sorted(REASONS.keys):
        english, italian = (REASONS.say(language, key, **values) for language in Language)
        assert english != italian
        assert english[0].isupper()
        assert italian[0].isupper()
        assert english.endswith("."), key


async def test_a_failure_between_two_parts_is_the_last_part() -> None:
    async with asking(says("Well", cut="drop")) as it:
        await it.ask()
        assert [type(part) for part in it.parts] == [Said, Ended]
        assert isinstance(it.by, ByModel)

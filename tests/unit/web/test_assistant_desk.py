"""Questions over the interface: answers come as they are made, are bounded, and are kept however they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from cluster.commands.access import RemoveUser
from cluster.commands.assistant import ForgetConversation, KeepExchange
from cluster.commands.settings import PutSetting
from cluster.model.access import Role
from cluster.model.assistant import DAY_MS, EXCHANGE_BYTES_MAX, EXCHANGES_MAX, KEPT_MS
from cluster.model.ids import PrincipalId
from cluster.model.plans import PlanDemand
from cluster.raft.replicator import NotCommitted
from cluster.store import records
from tests.support.deployments import deployed, service_of
from tests.support.scripted_answers import QUICK, Desk, a_desk, events_in, next_event
from tests.support.web_fakes import a_web_world
from web.assistant.answer import CHARACTERS_MAX, TOOLS_SHOWN_MAX
from web.assistant.answering import (
    Ended,
    Ending,
    Part,
    Reference,
    Said,
    Suggested,
    ToolAnswered,
    ToolCalled,
)
from web.assistant.desk import AT_ONCE_MAX
from web.auth.call import Call
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.registry import PlanNeeded

DONE = Ended(how=Ending.ANSWERED, tokens=120)
LOOKED = (
    ToolCalled(id="c1", tool="list-nodes", title="Hosts", arguments={"limit": 3}),
    ToolAnswered(id="c1", text="h1 is up", references=(Reference(number=1, label="h1", path="/cluster"),)),
)
ANSWER = (
    *LOOKED,
    Said(text="All is "),
    Said(text="[well](ref:1)."),
    Suggested(questions=("And now?",)),
    DONE,
)
SECRET_WORDS = "does project Bluebird fail"


async def test_an_answer_comes_part_by_part_and_can_be_read_again() -> None:
    async with a_desk(*ANSWER) as desk:
        began, *parts = await desk.ann.ask("is all well", language="it", looking_at="/services/shop.web")
        assert began == {
            "kind": "began",
            "conversation": began["conversation"],
            "number": 1,
            "answerer": "claude-test",
            "no_model": None,
        }
        assert [part["kind"] for part in parts] == [
            "tool-called", "tool-answered", "said", "said", "suggested", "ended",
        ]  # fmt: skip
        assert parts[1]["references"] == [{"number": 1, "label": "h1", "path": "/cluster"}]
        told = await desk.ann.get(f"/conversations/{began['conversation']}")
        (exchange,) = told["exchanges"]
        assert (exchange["question"], exchange["language"]) == ("is all well", "it")
        assert exchange["looking_at"] == "/services/shop.web"
        # Pieces of text are kept as one.
        assert [part["kind"] for part in exchange["parts"]] == [
            "tool-called", "tool-answered", "said", "suggested", "ended",
        ]  # fmt: skip
        assert exchange["parts"][2]["text"] == "All is [well](ref:1)."
        assert told["conversation"]["title"] == "is all well"


async def test_the_next_question_is_asked_with_what_was_said_before() -> None:
    async with a_desk(*ANSWER) as desk:
        began, *_ = await desk.ann.ask("is all well")
        second, *_ = await desk.ann.ask("and the hosts?", began["conversation"])
        assert (second["conversation"], second["number"]) == (began["conversation"], 2)
        (earlier,) = desk.scripted.questions[1].earlier
        # Without the marks of pages: those of the next answer have numbers of their own.
        assert (earlier.question, earlier.answer) == ("is all well", "All is well.")
        assert desk.scripted.questions[0].earlier == ()
        (listed,) = (await desk.ann.get("/conversations"))["items"]
        assert (listed["exchanges"], listed["title"]) == (2, "is all well")


async def test_the_language_is_the_one_that_is_asked_for_or_the_browser_s() -> None:
    async with a_desk(DONE) as desk:
        desk.ann.headers["Accept-Language"] = "it-IT,it;q=0.9"
        await desk.ann.ask("va tutto bene")
        await desk.ann.ask("is all well", language="en")
        assert [question.language for question in desk.scripted.questions] == ["it", "en"]


async def test_whoever_closes_the_connection_stops_the_answer_which_is_kept_as_far_as_it_came() -> None:
    async with a_desk(Said(text="It may be"), 77, asyncio.Event(), DONE) as desk:
        response = await desk.ann.open("why is it slow")
        assert (await next_event(response))["kind"] == "began"
        assert (await next_event(response))["text"] == "It may be"
        response.close()
        await desk.scripted.closed.wait()
        await desk.until_kept()
        (listed,) = (await desk.ann.get("/conversations"))["items"]
        (exchange,) = (await desk.ann.get(f"/conversations/{listed['id']}"))["exchanges"]
        assert [part["kind"] for part in exchange["parts"]] == ["said", "ended"]
        assert exchange["parts"][-1]["how"] == "stopped"
        # It was paid for, although it never came to its end.
        assert (await desk.ann.get())["tokens_used"] == 77


async def test_after_a_stop_the_next_question_is_not_refused() -> None:
    async with a_desk(asyncio.Event(), DONE) as desk:
        response = await desk.ann.open("one")
        await desk.scripted.began.wait()
        # Nobody has noticed yet when the next one comes.
        response.close()
        desk.scripted.parts = [DONE]
        assert (await desk.ann.ask("two"))[-1]["how"] == "answered"


@pytest.mark.parametrize(
    ("parts", "how", "reason"),
    [
        ([Ended(how=Ending.REFUSED, reason="not that")], "refused", "not that"),
        ([Ended(how=Ending.FAILED, reason="the model is overloaded")], "failed", "the model is overloaded"),
        ([RuntimeError("secret detail")], "failed", "something went wrong on the way"),
        ([Said(text="hm")], "failed", "it ended without an end"),
        ([LOOKED[0]] * (TOOLS_SHOWN_MAX + 1) + [DONE], "cut-short", "it called more than 12 tools"),
        ([Said(text="x" * 50_000)] * (CHARACTERS_MAX // 50_000 + 1), "cut-short", "it grew too long"),
    ],
)
async def test_however_an_answer_ends_it_says_so_and_is_kept(parts: list[Any], how: str, reason: str) -> None:
    async with a_desk(*parts) as desk:
        began, *_, ended = await desk.ann.ask("why")
        assert (ended["kind"], ended["how"]) == ("ended", how)
        assert reason in ended["reason"]
        assert "secret detail" not in json.dumps(ended)
        told = await desk.ann.get(f"/conversations/{began['conversation']}")
        assert told["exchanges"][0]["parts"][-1] == ended


async def test_an_answer_that_takes_too_long_is_cut_short_and_what_it_asks_of_others_ends() -> None:
    async with a_desk(Said(text="Let me see"), asyncio.Event(), pace=replace(QUICK, answer_s=0.05)) as desk:
        *_, ended = await desk.ann.ask("why")
        assert (ended["how"], desk.scripted.closed.is_set()) == ("cut-short", True)


async def test_one_answer_at_a_time_is_made_for_an_account_and_eight_at_a_host() -> None:
    wait = asyncio.Event()
    async with a_desk(wait, DONE) as desk:
        first = await desk.ann.open("one")
        assert (await desk.ann.get())["is_answering"]
        refused = await desk.ann.open("two")
        assert (refused.status, (await refused.json())["detail"]) == (
            409, "an answer to you is being made already",
        )  # fmt: skip
        others = []
        for number in range(AT_ONCE_MAX - 1):
            desk.world.add_user(f"u{number}", Role.VIEWER)
            others.append(await (await asker(desk, f"u{number}")).open("one"))
        late = await desk.eve.open("one")
        assert (late.status, late.headers["Retry-After"]) == (503, "10")
        wait.set()
        for response in (first, *others):
            assert events_in(await response.text())[-1]["how"] == "answered"
        assert (await desk.eve.ask("one"))[-1]["how"] == "answered"
        assert not (await desk.ann.get())["is_answering"]


async def asker(desk: Desk, name: str) -> Any:
    from tests.support.scripted_answers import Asker
    from tests.support.web_fakes import log_in

    return Asker(desk.client, await log_in(desk.client, name))


async def test_a_reader_hears_that_an_answer_is_being_made() -> None:
    go = asyncio.Event()
    async with a_desk(go, DONE) as desk:
        response = await desk.ann.open("why")
        assert (await next_event(response))["kind"] == "began"
        await desk.world.clock.advance(11)
        assert (await response.content.readuntil(b"\n\n")).startswith(b": ")
        go.set()
        assert (await next_event(response))["kind"] == "ended"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.content_type == "text/event-stream"


async def test_whose_account_goes_meanwhile_is_told_nothing_more() -> None:
    async with a_desk(asyncio.Event(), DONE) as desk:
        response = await desk.ann.open("why")
        await desk.scripted.began.wait()
        desk.world.state.must(RemoveUser(principal_id=PrincipalId("us_ann")))
        *_, ended = events_in(await response.text())
        assert (ended["how"], ended["reason"]) == ("stopped", "this account was removed")
        with desk.world.state.read() as txn:
            assert records.EXCHANGES.scan(txn) == []


async def test_nobody_sees_or_forgets_what_another_asked_whatever_their_role() -> None:
    async with a_desk(*ANSWER) as desk:
        began, *_ = await desk.ann.ask("is all well")
        path = f"/conversations/{began['conversation']}"
        for method in ("GET", "DELETE"):
            status, problem = await desk.eve.request(method, path)
            assert (status, problem["type"].rpartition(":")[2]) == (404, "not-found")
        assert (await desk.eve.open("go on", began["conversation"])).status == 404
        assert (await desk.eve.get("/conversations"))["items"] == []
        assert (await desk.ann.get(path))["conversation"]["exchanges"] == 1


async def test_a_conversation_can_be_forgotten() -> None:
    async with a_desk(*ANSWER) as desk:
        began, *_ = await desk.ann.ask("is all well")
        path = f"/conversations/{began['conversation']}"
        assert (await desk.ann.request("DELETE", path))[0] == 204
        assert (await desk.ann.request("GET", path))[0] == 404
        assert (await desk.ann.request("DELETE", path))[0] == 404
        assert any(isinstance(each, ForgetConversation) for each in desk.world.state.proposed)


async def test_what_was_asked_and_answered_lies_in_no_record_as_it_is() -> None:
    async with a_desk(Said(text=f"Yes, {SECRET_WORDS}"), DONE) as desk:
        await desk.ann.ask(SECRET_WORDS, looking_at="/services/bluebird.web")
        rows = desk.world.state.store.stored_range(b"", b"\xff", None, reverse=False)
        everything = b"".join(key + value for key, value in rows).lower()
        assert b"bluebird" not in everything
        (entry,) = [each for each in desk.world.state.audit() if each.stamp.action == "assistant.ask"]
        assert "claude-test answered" in entry.stamp.reason


async def test_an_exchange_of_one_conversation_does_not_open_in_another_place() -> None:
    async with a_desk(*ANSWER) as desk:
        one, *_ = await desk.ann.ask("one")
        two, *_ = await desk.ann.ask("two")
        kept = desk.kept()[0]
        desk.world.state.must(replace(kept, conversation_id=two["conversation"], number=2, tokens=0))
        status, problem = await desk.ann.request("GET", f"/conversations/{two['conversation']}")
        assert (status, problem["type"].rpartition(":")[2]) == (503, "unavailable")
        assert (await desk.ann.request("DELETE", f"/conversations/{two['conversation']}"))[0] == 204
        assert (await desk.ann.get(f"/conversations/{one['conversation']}"))["exchanges"]


async def test_two_answers_of_one_conversation_are_both_kept() -> None:
    async with a_desk(*ANSWER) as desk:
        began, *_ = await desk.ann.ask("one")
        conversation = began["conversation"]
        go = asyncio.Event()
        desk.scripted.parts = [go, *ANSWER]
        response = await desk.ann.open("two", conversation)
        await next_event(response)
        # At another host.
        desk.world.state.must(
            KeepExchange(
                principal_id="us_ann", conversation_id=conversation, number=2, sealed_title=b"", sealed=b"x",
                asked_at_ms=desk.world.clock.now_ms(),
            )
        )  # fmt: skip
        go.set()
        assert events_in(await response.text())[-1]["how"] == "answered"
        assert [each.number for each in desk.kept()[-2:]] == [2, 3]


async def test_a_conversation_has_an_end_and_is_kept_for_thirty_days() -> None:
    async with a_desk(DONE) as desk:
        began, *_ = await desk.ann.ask("one")
        for number in range(2, EXCHANGES_MAX + 1):
            desk.world.state.must(replace(desk.kept()[0], number=number, sealed=b"x", tokens=0))
        refused = await desk.ann.open("more", began["conversation"])
        assert refused.status == 409
        await desk.world.clock.advance(KEPT_MS / 1000)
        desk.ann.headers = (await asker(desk, "ann")).headers
        assert (await desk.ann.get("/conversations"))["items"] == []
        assert (await desk.ann.open("more", began["conversation"])).status == 404


async def test_long_results_are_cut_to_be_kept_and_the_words_stay() -> None:
    long = ToolAnswered(id="c1", text="line\n" * 16_000)
    async with a_desk(*[LOOKED[0], long] * 4, Said(text="So it is."), DONE) as desk:
        began, *parts = await desk.ann.ask("why")
        assert max(len(part.get("text", "")) for part in parts) == len(long.text)
        assert len(desk.kept()[0].sealed) <= EXCHANGE_BYTES_MAX
        (exchange,) = (await desk.ann.get(f"/conversations/{began['conversation']}"))["exchanges"]
        assert exchange["is_shortened"]
        assert exchange["parts"][-2]["text"] == "So it is."
        assert exchange["parts"][1]["text"].endswith("…")


async def test_an_answer_that_cannot_be_kept_says_so_and_is_paid_for_later() -> None:
    async with a_desk(Said(text="Yes."), DONE) as desk:
        desk.world.state.failures.append(NotCommitted("there is no leader"))
        *_, note, ended = await desk.ann.ask("is all well")
        assert "not in your history" in note["text"]
        assert "there is no leader" in note["text"]
        assert ended["how"] == "answered"
        assert (await desk.ann.get())["tokens_used"] == 120
        await desk.ann.ask("and now")
        assert (await desk.ann.get())["tokens_used"] == 240
        assert desk.kept()[0].tokens == 240


async def test_tokens_are_counted_for_each_account_and_day() -> None:
    async with a_desk(DONE) as desk:
        await desk.ann.ask("one")
        await desk.ann.ask("two")
        standing = await desk.ann.get()
        assert (standing["tokens_used"], standing["tokens_left"]) == (240, 999_760)
        assert desk.scripted.questions[1].tokens_left == 999_880
        assert standing["day_ends_ms"] % DAY_MS == 0
        assert (await desk.eve.get())["tokens_used"] == 0
        await desk.world.clock.advance((standing["day_ends_ms"] - desk.world.clock.now_ms()) / 1000)
        desk.ann.headers = (await asker(desk, "ann")).headers
        assert (await desk.ann.get())["tokens_used"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "   "},
        {"text": "x" * 4001},
        {"text": "why", "language": "de"},
        {"text": "why", "looking_at": "https://elsewhere.example"},
        {"text": "why", "more": 1},
        {},
    ],
)
async def test_what_is_no_question_is_refused_before_anybody_answers(body: dict[str, Any]) -> None:
    async with a_desk(DONE) as desk:
        status, _ = await desk.ann.request("POST", "/conversations", body)
        assert status == 422
        assert desk.scripted.questions == []


async def test_whoever_is_not_logged_in_asks_nothing() -> None:
    async with a_desk(DONE) as desk:
        desk.ann.headers = {}
        assert (await desk.ann.request("GET", ""))[0] == 401
        assert (await desk.ann.open("why")).status == 401
        assert desk.scripted.questions == []


@pytest.mark.parametrize("demand", list(PlanDemand))
@pytest.mark.parametrize("is_tainted", [True, False])
async def test_what_an_answer_would_change_waits_for_a_person(demand: PlanDemand, is_tainted: bool) -> None:
    world = a_web_world()
    deployed(world, "nd_1")
    world.state.must(PutSetting(key="plans.required", value=demand.value, expected_version=None))
    before = service_of(world).replicas

    def scaling(tainted: bool) -> Callable[[Context, Call], Awaitable[Part]]:
        async def call_it(context: Context, call: Call) -> Part:
            outcome = await REGISTRY.request(
                context, call, "scale-service", {"service": "shop.web", "replicas": 5}, is_tainted=tainted
            )
            assert isinstance(outcome, PlanNeeded)
            return ToolAnswered(id="c1", text=outcome.result.text, plan_id=outcome.plan.id)

        return call_it

    async with a_desk(scaling(is_tainted), DONE, world=world) as desk:
        _, answered, _ = await desk.ann.ask("scale shop.web to 5")
        assert service_of(world).replicas == before
        with world.state.read() as txn:
            plan = records.PLANS.get(txn, answered["plan_id"])
        assert plan is not None
        assert (plan.via, plan.asker.name) == ("assistant", "ann")
        assert ("containers wrote" if is_tainted else "a person approves") in plan.reason


async def test_a_stopping_host_ends_its_answers_and_keeps_them() -> None:
    world = a_web_world()
    async with a_desk(Said(text="Well"), asyncio.Event(), world=world) as desk:
        response = await desk.ann.open("why")
        await next_event(response)
        await desk.scripted.began.wait()
    (kept,) = [each for each in world.state.proposed if isinstance(each, KeepExchange)]
    assert kept.number == 1

"""Answers by rules: questions in two languages over states that are built for them, and what is asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cluster.analytics.sentences import Language
from cluster.commands.nodes import SetNodeStatus
from cluster.diagnosis.findings import Question as Diagnosed
from cluster.logs.events import event_text
from cluster.model.access import Role
from cluster.model.ids import NodeId
from cluster.model.log_history import LineStream, LogLevel
from cluster.model.metrics import SubjectKind
from cluster.model.node import NodeStatus
from cluster.model.rollout import RolloutPhase
from tests.support.deployments import a_rollout, service_of, transition
from tests.support.series_kit import days_of
from tests.support.state_builders import a_service, a_spec
from tests.support.web_fakes import WebWorld
from tests.unit.web.test_web_diagnosis import INJECTED, a_throttled_world, a_world, source_of
from tests.unit.web.test_web_tools import a_call, a_context
from web.assistant.answering import (
    Ended,
    Ending,
    Exchange,
    Part,
    Question,
    Said,
    Suggested,
    ToolAnswered,
    ToolCalled,
)
from web.assistant.by_rules import ByRules
from web.assistant.understanding import (
    Demand,
    Wish,
    asked_in,
    hours_in,
    is_about_everything,
    subject_at,
    wish_in,
)

EN, IT = Language.EN, Language.IT
_CITED = re.compile(r"\[[^\]]+\]\(ref:(\d+)\)")


async def answered(
    world: WebWorld,
    text: str,
    language: Language = EN,
    *,
    role: Role = Role.OPERATOR,
    looking_at: str = "",
    earlier: tuple[str, ...] = (),
) -> list[Part]:
    question = Question(
        text=text,
        language=language,
        now_ms=world.clock.now_ms(),
        looking_at=looking_at,
        earlier=tuple(Exchange(question=each, answer="") for each in earlier),
    )
    call = replace(a_call(world, role), via="assistant")
    return [part async for part in ByRules().answer(a_context(world), call, question)]


def words(parts: list[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Said))


def called(parts: list[Part]) -> list[tuple[str, dict[str, Any]]]:
    return [(part.tool, dict(part.arguments)) for part in parts if isinstance(part, ToolCalled)]


def suggested(parts: list[Part]) -> tuple[str, ...]:
    return next(part.questions for part in parts if isinstance(part, Suggested))


def check_whole(parts: list[Part]) -> None:
    """What is cited has a page, every call an answer, and the last part is the end."""
    numbers = {
        reference.number for part in parts if isinstance(part, ToolAnswered) for reference in part.references
    }
    assert {int(number) for number in _CITED.findall(words(parts))} <= numbers
    assert [part.id for part in parts if isinstance(part, ToolCalled)] == [
        part.id for part in parts if isinstance(part, ToolAnswered)
    ]
    assert isinstance(parts[-1], Ended)
    assert len(suggested(parts)) == 3


def a_filling_world() -> WebWorld:
    world, history, _ = a_world()
    days = days_of(28)
    history.add(
        SubjectKind.DISK, "/", disk_used_bytes=1e11 + days * 1e9, disk_size_bytes=np.full(len(days), 1.4e11)
    )
    history.add(SubjectKind.HOST, "h1", memory_bytes=np.full(len(days), 2.0**30))
    return world


def a_restarting_world() -> WebWorld:
    world, _, logs = a_world()
    now_us = world.clock.now_ms() * 1000
    for minutes in (2, 6, 11):
        at_us = now_us - minutes * 60_000_000
        logs.keep("nd_1", source_of(), (at_us - 1, INJECTED), level=int(LogLevel.ERROR))
        logs.keep(
            "nd_1", source_of(), (at_us, event_text("die", exit_code=1)),
            stream=int(LineStream.EVENT), level=int(LogLevel.ERROR),
        )  # fmt: skip
    return world


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("the system seems slow", EN, "kept waiting by its own limit [60 %](ref:1) of the time"),
        ("il sistema sembra lento", IT, "attendere per [60 %](ref:1) del tempo"),
    ],
)
async def test_what_is_slow_is_told_with_the_number_that_leads_to_its_chart(
    text: str, language: Language, said: str
) -> None:
    world = a_throttled_world()
    parts = await answered(world, text, language)
    check_whole(parts)
    assert said in words(parts)
    looked = next(part for part in parts if isinstance(part, ToolAnswered))
    now_ms = world.clock.now_ms()
    assert looked.references[0].path == (
        f"/explore?of=container:h1/shop-web-1&from={now_ms - 6 * 3_600_000}&to={now_ms}"
    )


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("what will run out first", EN, "h1:/"),
        ("cosa finirà per primo?", IT, "h1:/"),
        ("che cosa si esaurisce per primo?", IT, "aggiungere spazio"),
    ],
)
async def test_what_runs_out_first_is_told(text: str, language: Language, said: str) -> None:
    parts = await answered(a_filling_world(), text, language)
    check_whole(parts)
    assert said in words(parts)
    assert "](ref:1)" in words(parts)


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("why does shop.web restart", EN, "ended 3 times, last with exit code 1"),
        ("perché shop.web si riavvia?", IT, "terminato 3 volte, l'ultima con codice 1"),
    ],
)
async def test_why_something_restarts_is_told_with_the_lines_and_without_what_they_say(
    text: str, language: Language, said: str
) -> None:
    parts = await answered(a_restarting_world(), text, language)
    check_whole(parts)
    assert said in words(parts)
    assert "ignore previous" not in words(parts)
    looked = next(part for part in parts if isinstance(part, ToolAnswered))
    assert re.fullmatch(r"/logs\?c=[0-9a-f]{64}&line=[0-9a-f]{12}-\d+-\d+", looked.references[0].path)


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("is all well", EN, "All is well as far as can be seen."),
        ("va tutto bene?", IT, "Tutto bene, per quanto si vede."),
    ],
)
async def test_that_all_is_well_is_said_in_few_words(text: str, language: Language, said: str) -> None:
    world, _, _ = a_world()
    parts = await answered(world, text, language)
    check_whole(parts)
    assert words(parts).strip() == said


@pytest.mark.parametrize(
    ("text", "language"),
    [("why did the deploy fail", EN), ("perché è fallito il rilascio?", IT)],
)
async def test_why_a_deployment_failed_is_told_and_what_would_be_refused_is_not_offered(
    text: str, language: Language
) -> None:
    world, _, _ = a_world()
    another_revision(world, RolloutPhase.FAILED, reason="exit code 3")
    parts = await answered(world, text, language)
    check_whole(parts)
    assert "exit code 3" in words(parts)
    assert "/rollouts/ro_2" in [
        reference.path for part in parts if isinstance(part, ToolAnswered) for reference in part.references
    ]
    # Revision 1 is what runs: there is no way back.
    assert "propose" not in words(parts)
    assert "proporre" not in words(parts)


@pytest.mark.parametrize(
    ("text", "language", "offer", "next_question", "consent"),
    [
        ("the system seems slow", EN, "I can propose: roll back shop.web", "Roll back shop.web", "do it"),
        (
            "il sistema è lento",
            IT,
            "proporre: tornare indietro con shop.web",
            "Torna indietro con shop.web",
            "fallo",
        ),
    ],
)
async def test_going_back_is_offered_and_is_a_plan_once_it_is_asked_for(
    text: str, language: Language, offer: str, next_question: str, consent: str
) -> None:
    world = a_world_slower_since_a_deployment()
    before = service_of(world)
    parts = await answered(world, text, language)
    check_whole(parts)
    assert offer in words(parts)
    assert suggested(parts)[0] == next_question
    assert [tool for tool, _ in called(parts)] == ["run-diagnosis"]
    for demand in (consent, next_question):
        parts = await answered(world, demand, language, earlier=(text,))
        check_whole(parts)
        assert called(parts)[-1] == ("rollback-deploy", {"service": "shop.web"})
        check_planned(parts)
    assert service_of(world) == before
    # A viewer may not, and is offered nothing.
    assert offer not in words(await answered(world, text, language, role=Role.VIEWER))


def a_world_slower_since_a_deployment() -> WebWorld:
    world, history, _ = a_world()
    another_revision(world, RolloutPhase.SUCCEEDED)
    transition(world, stable_revision=2)
    hours = len(days_of(20))
    latency = np.full(hours, 50.0) + np.arange(hours) % 5
    latency[-6:] = 900.0
    history.add(
        SubjectKind.ROUTE, "shop.web@2", labels=(("service", "shop.web"),),
        latency_p95_ms=latency, requests=np.full(hours, 10.0),
    )  # fmt: skip
    return world


def another_revision(world: WebWorld, phase: RolloutPhase, *, reason: str = "") -> None:
    """Revision 2 of the service, whose rollout ended so."""
    before = service_of(world)
    world.state.must(
        a_service(
            spec=replace(a_spec(), image="registry.example/web:2"),
            replicas=1,
            expected_version=before.version,
        )
    )
    transition(world, rollout=a_rollout(world, phase=phase, reason=reason))


def check_planned(parts: list[Part]) -> None:
    last = [part for part in parts if isinstance(part, ToolAnswered)][-1]
    assert last.plan_id, last.text
    assert [reference.path for reference in last.references] == [f"/plans/{last.plan_id}"]


@pytest.mark.parametrize(
    ("text", "language", "tool", "arguments"),
    [
        ("Roll back shop.web to revision 1", EN, "rollback-deploy", {"service": "shop.web", "to": 1}),
        ("scale shop.web to 4", EN, "scale-service", {"service": "shop.web", "replicas": 4}),
        ("porta shop.web a 4", IT, "scale-service", {"service": "shop.web", "replicas": 4}),
        ("puoi riavviare shop.web?", IT, "restart-service", {"service": "shop.web"}),
    ],
)
async def test_what_is_asked_for_becomes_a_plan_and_nothing_is_done(
    text: str, language: Language, tool: str, arguments: dict[str, Any]
) -> None:
    world = a_world_slower_since_a_deployment()
    before = service_of(world)
    parts = await answered(world, text, language)
    check_whole(parts)
    assert called(parts) == [(tool, arguments)]
    check_planned(parts)
    assert service_of(world) == before


async def test_whoever_may_not_do_it_is_told_why() -> None:
    world, _, _ = a_world()
    parts = await answered(world, "scale shop.web to 4", role=Role.VIEWER)
    assert "needs role operator" in words(parts)
    assert [part.is_error for part in parts if isinstance(part, ToolAnswered)] == [True]


async def test_what_is_not_understood_is_said_and_how_all_is_told() -> None:
    world, _, _ = a_world()
    parts = await answered(world, "scrivi una poesia", IT)
    check_whole(parts)
    assert words(parts).startswith("Rispondo con regole e non ho capito.")
    assert called(parts) == [("run-diagnosis", {"question": "health", "hours": 6, "language": "it"})]


async def test_a_question_is_about_the_page_in_front_of_its_asker_unless_it_names_something() -> None:
    world = a_throttled_world()
    page = "/services/shop.web?tab=revisions"
    for text, subject in (
        ("why is it slow?", "shop.web"),
        ("perché è lento?", "shop.web"),
        ("the system seems slow", None),
        ("why is h1 slow?", "h1"),
    ):
        ((_, arguments),) = called(await answered(world, text, looking_at=page))
        assert arguments.get("subject") == subject, text
    # A page of something that is not there, or that the asker may not see.
    ((_, arguments),) = called(await answered(world, "why is it slow?", looking_at="/services/no.such"))
    assert "subject" not in arguments


async def test_what_the_asker_may_not_see_is_said_to_be_not_looked_at() -> None:
    world, _, _ = a_world()
    parts = await answered(world, "is all well", role=Role.NONE)
    ended = parts[-1]
    assert isinstance(ended, Ended)
    assert ended.how is Ending.REFUSED
    assert "service.read" in words(parts)


async def test_names_that_look_like_marks_are_shown_as_they_are() -> None:
    world, _, _ = a_world()
    world.state.must(
        SetNodeStatus(node_id=NodeId("nd_2"), status=NodeStatus.DOWN, reason="[see](https://x.example) <b>*")
    )
    said = words(await answered(world, "is all well"))
    assert r"\[see\](https://x.example) \<b\>\*" in said


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("do it", Wish(demand=Demand.DO_IT)),
        ("Sì, procedi!", Wish(demand=Demand.DO_IT)),
        ("please roll back shop.web", Wish(demand=Demand.ROLL_BACK, name="shop.web")),
        ("rollback to revision 3", Wish(demand=Demand.ROLL_BACK, count=3)),
        ("torna indietro con shop.web", Wish(demand=Demand.ROLL_BACK, name="shop.web")),
        ("annulla il rilascio di shop.web", Wish(demand=Demand.ROLL_BACK, name="shop.web")),
        ("scale the service shop.web to 4", Wish(demand=Demand.SCALE, name="shop.web", count=4)),
        ("can you restart shop.web?", Wish(demand=Demand.RESTART, name="shop.web")),
        ("restarts of shop.web", None),
        ("restart loop, why?", None),
        ("why does shop.web restart", None),
        ("why was it rolled back?", None),
        ("should I roll back?", None),
    ],
)
def test_a_demand_begins_with_its_verb_and_a_question_is_none(text: str, wish: Wish | None) -> None:
    assert wish_in(text) == wish


def test_a_demand_is_about_what_was_asked_before() -> None:
    assert asked_in("do it", ["why did the deploy fail", "write a poem"]) is Diagnosed.DEPLOY_FAILED
    assert asked_in("do it", []) is None
    assert asked_in("is it slow", ["why did the deploy fail"]) is Diagnosed.SLOW


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("was it slow yesterday", 48),
        ("errori nelle ultime 12 ore", 12),
        ("in the last 3 days", 72),
        ("in the last 900 hours", 168),
        ("last week", 168),
        ("is all well", 6),
    ],
)
def test_how_far_back_somebody_asks_is_understood(text: str, hours: int) -> None:
    assert hours_in(text, 6) == hours


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("/services/shop.web", "shop.web"),
        ("/containers/h1/shop-web-1?tab=logs", "shop-web-1"),
        ("/explore?of=container%3Ah1%2Fweb-1&range=6h", "web-1"),
        ("/explore?of=host:h1", "h1"),
        ("/explore?of=host:h1,host:h2", ""),
        ("/containers", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_pages_that_are_about_one_thing_are_known(path: str, subject: str) -> None:
    assert subject_at(path) == subject


def test_words_for_all_of_it_are_known_in_both_languages() -> None:
    assert is_about_everything("what will run out first")
    assert is_about_everything("va tutto bene")
    assert not is_about_everything("why does it restart")
    assert not is_about_everything("perché si riavvia")

"""Answers without a model: the built-in diagnosis, asked through the same tools, told in sentences.

It understands few questions and says so. What it says is true of what it looked at; it says what it did not
look at; and it does nothing that was not asked for, and then as a plan.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass

from cluster.analytics.sentences import Language
from cluster.diagnosis.findings import Question as Diagnosed
from web.assistant.answering import (
    Ended,
    Ending,
    Part,
    Question,
    Reference,
    Said,
    Suggested,
    ToolAnswered,
    ToolCalled,
)
from web.assistant.references import references_of
from web.assistant.rule_words import BOOK
from web.assistant.telling import TOLD_MAX, plain, suggestions, tell
from web.assistant.understanding import (
    Demand,
    Wish,
    asked_in,
    hours_in,
    is_about_everything,
    subject_at,
    wish_in,
)
from web.assistant.views import RULES
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.diagnosis import HOURS_DEFAULT, names_asked_about
from web.tools.problem_words import in_words
from web.tools.registry import PlanNeeded, ToolResult

DIAGNOSIS, ROLL_BACK = "run-diagnosis", "rollback-deploy"
_REFUSALS = frozenset({"forbidden", "not-authenticated"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A call that changes something, and what it does in words."""

    tool: str
    arguments: Mapping[str, object]
    words: str
    name: str = ""


@dataclass(slots=True)
class _Calls:
    """The calls of one answer, and where its references are."""

    context: Context
    call: Call
    count: int = 0
    next_number: int = 1

    def begin(self, tool: str, arguments: Mapping[str, object]) -> ToolCalled:
        self.count += 1
        known = REGISTRY.get(tool)
        title = tool if known is None else known.title
        return ToolCalled(id=f"call-{self.count}", tool=tool, title=title, arguments=arguments)

    async def make(self, called: ToolCalled) -> tuple[ToolAnswered, ToolResult | PlanNeeded | Problem]:
        """Make a call. The first of an answer has read nothing yet; what follows may be of what it read."""
        try:
            outcome = await REGISTRY.request(
                self.context, self.call, called.tool, called.arguments, is_tainted=self.count > 1
            )
        except Problem as problem:
            return ToolAnswered(id=called.id, text=in_words(problem), is_error=True), problem
        result = outcome.result if isinstance(outcome, PlanNeeded) else outcome
        references = references_of(called.tool, called.arguments, result.structured, self.next_number)
        self.next_number += len(references)
        answered = ToolAnswered(
            id=called.id,
            text=result.text,
            plan_id=outcome.plan.id if isinstance(outcome, PlanNeeded) else None,
            references=references,
        )
        return answered, outcome


class ByRules:
    """Answers by the rules of the diagnosis."""

    name = RULES

    async def answer(self, context: Context, call: Call, question: Question) -> AsyncGenerator[Part, None]:
        """Return the parts of an answer; see `Answerer`."""
        language = question.language
        calls = _Calls(context, call)
        wish = wish_in(question.text)
        asked = asked_in(question.text, [each.question for each in question.earlier])
        subject = await self._subject(context, call, question, wish)
        if wish is not None and wish.demand is not Demand.DO_IT:
            # What is to be done is said whole: nothing has to be looked at first.
            step = _step_of(wish, subject, language)
            if step is None:
                yield Said(text=BOOK.say(language, "of-what"))
            else:
                async for part in self._propose(calls, step, language):
                    yield part
            yield Suggested(questions=suggestions({}, Diagnosed.HEALTH, language))
            yield Ended(how=Ending.ANSWERED)
            return
        if asked is None and wish is None:
            yield Said(text=BOOK.say(language, "not-understood") + "\n\n")
        hours = hours_in(question.text, HOURS_DEFAULT)
        arguments = _without_empty(
            question=(asked or Diagnosed.HEALTH).value, subject=subject, hours=hours, language=language.value
        )
        called = calls.begin(DIAGNOSIS, arguments)
        yield called
        answered, outcome = await calls.make(called)
        yield answered
        if isinstance(outcome, Problem):
            how = Ending.REFUSED if outcome.kind in _REFUSALS else Ending.FAILED
            yield Said(text=BOOK.say(language, "failed", reason=plain(outcome.detail)))
            yield Ended(how=how, reason=outcome.detail)
            return
        assert isinstance(outcome, ToolResult), "it changes nothing"
        found = outcome.structured or {}
        steps = [step for step in _steps_in(found, language) if await _is_possible(context, call, step)]
        if wish is None:
            for text in self._told(found, answered.references, language, hours, steps):
                yield Said(text=text)
        elif steps:
            async for part in self._propose(calls, steps[0], language):
                yield part
        else:
            yield Said(text=BOOK.say(language, "nothing-to-do"))
        first = [BOOK.say(language, "ask-roll-back", name=each.name) for each in steps[:1] if each.name]
        yield Suggested(
            questions=suggestions(found, asked or Diagnosed.HEALTH, language, first if wish is None else ())
        )
        yield Ended(how=Ending.ANSWERED)

    @staticmethod
    async def _subject(context: Context, call: Call, question: Question, wish: Wish | None) -> str:
        """Return what is asked about: what the question names, or what its asker looks at."""
        named = await names_asked_about(context, call, question.text)
        if named:
            return named[0]
        if wish is not None and wish.demand is Demand.DO_IT:
            for earlier in reversed(question.earlier):
                named = await names_asked_about(context, call, earlier.question)
                if named:
                    return named[0]
        if is_about_everything(question.text):
            return ""
        seen = subject_at(question.looking_at)
        return seen if seen and await names_asked_about(context, call, seen) else ""

    @staticmethod
    def _told(
        found: Mapping[str, object],
        references: tuple[Reference, ...],
        language: Language,
        hours: int,
        steps: list[_Step],
    ) -> Iterator[str]:
        for text in tell(found, references, language, hours=hours):
            yield f"{text}\n"
        if steps:
            yield "\n" + BOOK.say(language, "can-do", step=plain(steps[0].words))

    @staticmethod
    async def _propose(calls: _Calls, step: _Step, language: Language) -> AsyncGenerator[Part, None]:
        called = calls.begin(step.tool, step.arguments)
        yield called
        answered, outcome = await calls.make(called)
        yield answered
        if isinstance(outcome, Problem):
            hint = f" ({outcome.hint})" if outcome.hint else ""
            yield Said(text=BOOK.say(language, "refused", reason=plain(outcome.detail) + hint))
        else:
            yield Said(text=BOOK.say(language, "planned", step=plain(step.words)))


def _step_of(wish: Wish, subject: str, language: Language) -> _Step | None:
    name = subject or wish.name
    if not name:
        return None
    match wish.demand:
        case Demand.ROLL_BACK:
            return _rolling_back(
                {"service": name, **({} if wish.count is None else {"to": wish.count})}, language
            )
        case Demand.SCALE:
            words = BOOK.say(language, "scale", name=name, count=str(wish.count))
            arguments = {"service": name, "replicas": wish.count}
            return _Step(tool="scale-service", arguments=arguments, words=_small(words), name=name)
        case Demand.RESTART:
            words = BOOK.say(language, "restart", name=name)
            return _Step(tool="restart-service", arguments={"service": name}, words=_small(words), name=name)
        case Demand.DO_IT:
            return None


async def _is_possible(context: Context, call: Call, step: _Step) -> bool:
    """Whether it would become a plan: what the asker may not do, or what is done already, is not offered."""
    tool = REGISTRY.get(step.tool)
    assert tool is not None, "a step is of a tool that there is"
    try:
        await tool.foresee(context, call, tool.input_model.model_validate(dict(step.arguments)))
    except Problem:
        return False
    return True


def _steps_in(found: Mapping[str, object], language: Language) -> Iterator[_Step]:
    """Return what the likeliest findings advise to change."""
    findings = found.get("findings")
    for finding in findings[:TOLD_MAX] if isinstance(findings, list) else ():
        for step in finding.get("next", ()):
            tool = REGISTRY.get(step["tool"])
            if tool is None or tool.is_read_only:
                continue
            if tool.name == ROLL_BACK:
                yield _rolling_back(step["arguments"], language)
            else:
                words = _small(BOOK.say(language, "do", tool=tool.name))
                yield _Step(tool=tool.name, arguments=step["arguments"], words=words)


def _rolling_back(arguments: Mapping[str, object], language: Language) -> _Step:
    name, to = str(arguments["service"]), arguments.get("to")
    if to is None:
        words = BOOK.say(language, "roll-back", name=name)
    else:
        words = BOOK.say(language, "roll-back-to", name=name, to=str(to))
    return _Step(tool=ROLL_BACK, arguments=arguments, words=_small(words), name=name)


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]


def _without_empty(**arguments: object) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value != ""}

"""The calls a model makes: under its asker's permissions, bounded in number, size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from web.assistant.answer import TOOLS_SHOWN_MAX
from web.assistant.answering import Reference, ToolAnswered, ToolCalled
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.answer_size import as_text, bounded
from web.tools.context import Context
from web.tools.problem_words import in_words
from web.tools.registry import PlanNeeded, Tool, ToolRegistry, ToolResult
from web.tools.untrusted import cleaned

RESULT_CHARACTERS_MAX = 20_000
RUNNING_MAX = 4
CALL_TIMEOUT_S = 60.0
_HEAD_CHARACTERS = 4_000
_NAME_CHARACTERS_MAX = 80
_UNTRUSTED_MARK = "<untrusted-output"
_NAMING_REGISTRIES = frozenset({"compose", "image"})
"""Arguments with images in them. Hosts ask the registry of each what it means, before there is a plan."""

ReferencesOf = Callable[[str, Mapping[str, object], Mapping[str, object] | None, int], tuple[Reference, ...]]
"""From a tool, its arguments, its result and the first number to the pages that show the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call as the model asks for it. Nothing says that there is such a tool. `arguments` None: what it gave
    is none."""

    id: str
    tool: str
    arguments: Mapping[str, object] | None


class ToolCalls:
    """The calls of one answer.

    Once it has read what containers or strangers wrote, it is tainted to its end: what it then asks for may
    be what they ask for. And it may have hosts ask no registry any more, for the name of an image can carry
    to a stranger what was read.
    """

    def __init__(
        self,
        context: Context,
        call: Call,
        *,
        registry: ToolRegistry,
        references_of: ReferencesOf,
        is_tainted: bool,
        timeout_s: float,
    ) -> None:
        self._context = context
        self._call = call
        self._registry = registry
        self._references_of = references_of
        self._is_tainted = is_tainted
        self._has_read_strangers = False
        self._timeout_s = timeout_s
        self._next_number = 1
        self._calls_left = TOOLS_SHOWN_MAX
        self.tools: tuple[Tool, ...] = registry.visible_to(context, call)

    @property
    def may_go_on(self) -> bool:
        """Whether another call would be made."""
        return self._calls_left > 0

    def take(self, wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
        """Return those of the calls, the first ones, that are made."""
        taken = tuple(wanted[: self._calls_left])
        self._calls_left -= len(taken)
        return taken

    def announce(self, wanted: Wanted) -> ToolCalled:
        """Return what the asker is shown while it runs."""
        name = cleaned(wanted.tool[:_NAME_CHARACTERS_MAX])
        tool = next((tool for tool in self.tools if tool.name == wanted.tool), None)
        return ToolCalled(
            id=wanted.id,
            tool=name,
            title=name if tool is None else tool.title,
            arguments=wanted.arguments or {},
        )

    async def run(self, wanted: Sequence[Wanted]) -> tuple[ToolAnswered, ...]:
        """Run calls beside each other, each once, and return what they gave, in their order.

        What one of them reads taints those that are asked for afterwards.
        """
        gate = asyncio.Semaphore(RUNNING_MAX)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._run_one(each, gate), name=f"assistant-{each.tool[:40]}")
                for each in wanted
            ]
        answers = tuple(
            self._answered(each, task.result()) for each, task in zip(wanted, running, strict=True)
        )
        if any(
            self._is_open_world(each) or _UNTRUSTED_MARK in answer.text
            for each, answer in zip(wanted, answers, strict=True)
        ):
            self._is_tainted = self._has_read_strangers = True
        return answers

    async def _run_one(self, wanted: Wanted, gate: asyncio.Semaphore) -> ToolResult | PlanNeeded | Problem:
        if wanted.arguments is None:
            return Problem("invalid", "the arguments are no object", hint="give them by name")
        if self._has_read_strangers and any(wanted.arguments.get(name) for name in _NAMING_REGISTRIES):
            return Problem(
                "conflict",
                "text that containers or strangers wrote was read for this answer, and after that no images"
                " are looked up: their names go to registries",
                hint="say what you would deploy; your asker can ask for it next, or deploy it themselves",
            )
        try:
            async with gate, asyncio.timeout(self._timeout_s):
                return await self._registry.request(
                    self._context, self._call, wanted.tool, wanted.arguments, is_tainted=self._is_tainted
                )
        except Problem as problem:
            return problem
        except TimeoutError:
            return Problem(
                "outcome-unknown",
                f"it was not done within {self._timeout_s:.0f} seconds, and is no longer waited for",
                hint="ask for less; if it changes something, look whether it did before calling it again",
            )

    def _answered(self, wanted: Wanted, outcome: ToolResult | PlanNeeded | Problem) -> ToolAnswered:
        if isinstance(outcome, Problem):
            return ToolAnswered(id=wanted.id, text=_cut(in_words(outcome)), is_error=True)
        result = outcome.result if isinstance(outcome, PlanNeeded) else outcome
        references = self._references_of(
            wanted.tool, wanted.arguments or {}, result.structured, self._next_number
        )
        self._next_number += len(references)
        return ToolAnswered(
            id=wanted.id,
            text=_text_of(result),
            plan_id=outcome.plan.id if isinstance(outcome, PlanNeeded) else None,
            references=references,
        )

    def _is_open_world(self, wanted: Wanted) -> bool:
        tool = self._registry.get(wanted.tool)
        return tool is not None and tool.is_open_world


NOTHING = "(nothing)"
"""Of a result without a word. The API takes no empty text."""
NOT_MADE = (
    f"This call was not made: {TOOLS_SHOWN_MAX} are made for one question. Answer with what you have, and say"
    " what you did not look at."
)
"""What the model is told of a call that was not taken."""


def told(answer: ToolAnswered) -> str:
    """Return what the model is told of a call: its result, and the pages to cite for it."""
    if not answer.references:
        return answer.text
    pages = "\n".join(f"ref:{each.number} {cleaned(each.label)}" for each in answer.references)
    return f"{answer.text}\n\nPages that show this, to cite as [what it says](ref:N):\n{pages}"


def _text_of(result: ToolResult) -> str:
    if not result.text.strip():
        return NOTHING
    if result.structured is None or len(result.text) <= RESULT_CHARACTERS_MAX:
        return _cut(result.text)
    return _cut(as_text(bounded(result.structured, characters_max=RESULT_CHARACTERS_MAX)))


def _cut(text: str) -> str:
    """Return text with its middle left out where it is too long: logs have their newest lines, and the mark
    that ends them, at the end."""
    if len(text) <= RESULT_CHARACTERS_MAX:
        return text
    tail = RESULT_CHARACTERS_MAX - _HEAD_CHARACTERS - 100
    left_out = len(text) - _HEAD_CHARACTERS - tail
    return f"{text[:_HEAD_CHARACTERS]}\n[cut here: {left_out} characters; ask for less]\n{text[-tail:]}"

"""Questions people ask again and again, with what is needed to answer them already looked up.

A list of things to do would be done half; data that is there is read. What is looked up is bounded, comes
through the registry under the caller's permissions, and stands between marks: part of it is what containers
wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.untrusted import marked, new_mark

SECTION_CHARACTERS_MAX = 12_000
_GROUND_RULES = (
    "Use the data below; it was looked up just now. Name numbers with their subject, metric and time. Say"
    " what is not known. Propose the next step as a tool call, and change nothing before a person agrees."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptArgument:
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """A tool to call before the question is asked, with arguments made from the prompt's."""

    tool: str
    arguments: Callable[[Mapping[str, str]], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question. `asks` makes its words from the arguments."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgument, ...]
    asks: Callable[[Mapping[str, str]], str]
    looked_up: tuple[LookedUp, ...]


def _of(given: Mapping[str, str], name: str, otherwise: str) -> str:
    return given.get(name) or otherwise


PROMPTS: tuple[Prompt, ...] = (
    Prompt(
        name="explain-failed-deploy",
        title="Why did the deployment fail?",
        description="Explain why the newest deployment that failed did, and what to do",
        arguments=(PromptArgument(name="service", description="default: the newest that failed"),),
        asks=lambda given: (
            f"Explain why the deployment of {_of(given, 'service', 'what failed last')} failed:"
            " what happened in which order, the likeliest cause with its evidence, and how to put it right."
        ),
        looked_up=(
            LookedUp(
                tool="run-diagnosis",
                arguments=lambda given: {"question": "deploy-failed", "subject": given.get("service", "")},
            ),
            LookedUp(
                tool="get-deploy-status",
                arguments=lambda given: (
                    {"service": given["service"]} if given.get("service") else {"limit": 5}
                ),
            ),
        ),
    ),
    Prompt(
        name="why-is-it-slow",
        title="Why is it slow?",
        description="Find out what holds a service, a host or everything up",
        arguments=(
            PromptArgument(name="subject", description="host, service or container; default everything"),
        ),
        asks=lambda given: (
            f"Find out why {_of(given, 'subject', 'the system')} is slow: what waits for what,"
            " since when, whether a deployment came before it, and what would help most."
        ),
        looked_up=(
            LookedUp(
                tool="run-diagnosis",
                arguments=lambda given: {"question": "slow", "subject": given.get("subject", "")},
            ),
            LookedUp(tool="get-metrics", arguments=lambda given: {"top": 5}),
        ),
    ),
    Prompt(
        name="capacity-review",
        title="Review of capacity",
        description="Say how much room there is, what runs out first, and what to do about it",
        arguments=(),
        asks=lambda given: (
            "Review the capacity of this cluster: how much room there is, what runs out first and when,"
            " whether the loss of a host is survived, and what to do in which order."
        ),
        looked_up=(
            LookedUp(tool="get-capacity-plan", arguments=lambda given: {}),
            LookedUp(tool="run-diagnosis", arguments=lambda given: {"question": "runs-out"}),
        ),
    ),
    Prompt(
        name="incident-summary",
        title="Summary of an incident",
        description="Sum up what is wrong or was in the last hours, for people who were not there",
        arguments=(PromptArgument(name="hours", description="how far back; default 6"),),
        asks=lambda given: (
            f"Sum up the last {_of(given, 'hours', '6')} hours for people who were not there: what"
            " happened when, who and what was affected, what was done, how it stands, what is still to do."
        ),
        looked_up=(
            LookedUp(tool="get-system-health", arguments=lambda given: {}),
            LookedUp(
                tool="run-diagnosis",
                arguments=lambda given: {"question": "health", "hours": hours_of(given)},
            ),
            LookedUp(tool="list-alerts", arguments=lambda given: {"state": "all"}),
            LookedUp(tool="get-deploy-status", arguments=lambda given: {"limit": 5}),
        ),
    ),
)
_BY_NAME = {prompt.name: prompt for prompt in PROMPTS}


def hours_of(given: Mapping[str, str]) -> int:
    """Return how many hours are meant. Raises Problem."""
    text = given.get("hours") or "6"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 168:
        raise invalid("hours", "a number from 1 to 168", value=text[:80])
    return int(text)


async def fill_prompt(context: Context, call: Call, name: str, given: Mapping[str, str]) -> str:
    """Return a prompt's question with what was looked up for it.

    What the caller may not look up, or what there is not, is named and left out. Raises Problem for a prompt
    or an argument there is not, and for a subject nobody knows.
    """
    prompt = _BY_NAME.get(name)
    if prompt is None:
        raise Problem(
            "not-found", f"there is no prompt {name[:80]!r}", hint=f"there are {', '.join(sorted(_BY_NAME))}"
        )
    known = {argument.name for argument in prompt.arguments}
    for unknown in sorted(set(given) - known):
        raise invalid(unknown[:80], f"this prompt takes {', '.join(sorted(known)) or 'no arguments'}")
    parts = [prompt.asks(given), _GROUND_RULES]
    calls = [(each.tool, each.arguments(given)) for each in prompt.looked_up]
    for place, (tool, arguments) in enumerate(calls):
        try:
            result = await REGISTRY.call(context, call, tool, arguments)
        except Problem as problem:
            if place == 0 and problem.kind != "forbidden":
                raise
            parts.append(f"{tool}: {problem.detail}")
            continue
        text = result.text
        if len(text) > SECTION_CHARACTERS_MAX:
            left = len(text) - SECTION_CHARACTERS_MAX
            text = f"{text[:SECTION_CHARACTERS_MAX]} [{left} characters more; call {tool}]"
        parts.append(marked(text, source=tool, mark=new_mark(context)))
    return "\n\n".join(parts)

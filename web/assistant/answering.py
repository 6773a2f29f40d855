"""What an answer is made of, and who makes one.

An answer is a sequence of parts, sent as they come and kept as they were sent. Two things can make one: a
model behind the Messages API, and the rules of the built-in diagnosis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from cluster.analytics.sentences import Language
from web.auth.call import Call
from web.tools.context import Context


class Ending(StrEnum):
    """How an answer ended. STOPPED: its reader wanted no more. CUT_SHORT: it reached a limit."""

    ANSWERED = "answered"
    STOPPED = "stopped"
    REFUSED = "refused"
    CUT_SHORT = "cut-short"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A page of the dashboard that shows what was looked up. Text points to it as `[84 %](ref:3)`."""

    number: int
    label: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A piece of the answer's text, in the Markdown that the dashboard renders."""

    kind: Literal["said"] = "said"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    """A tool is called. `arguments` are shown to the asker, and are JSON values."""

    kind: Literal["tool-called"] = "tool-called"
    id: str
    tool: str
    title: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswered:
    """What the call of that id gave: its result as text, or why there is none.

    `plan_id`: nothing was done; the plan with that id waits for a person.
    """

    kind: Literal["tool-answered"] = "tool-answered"
    id: str
    text: str
    is_error: bool = False
    plan_id: str | None = None
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """Questions that may be asked next."""

    kind: Literal["suggested"] = "suggested"
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last part of every answer. `reason` says in words why it was not ANSWERED, "" when it was.

    `tokens` is what the answer cost: read and written, whatever was kept from earlier requests.
    """

    kind: Literal["ended"] = "ended"
    how: Ending
    reason: str = ""
    tokens: int = 0


Part = Said | ToolCalled | ToolAnswered | Suggested | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question that was asked before in this conversation, and the text of its answer."""

    question: str
    answer: str


@dataclass(slots=True)
class Meter:
    """What an answer has cost so far. Kept up to date by who makes it: an answer that is closed early has no
    `Ended` to say so, and is paid for all the same."""

    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `looking_at` is the path of the dashboard's page in front of the asker, "" for none.

    `tokens_left` is what the asker may still use today.
    """

    text: str
    language: Language
    now_ms: int
    looking_at: str = ""
    earlier: Sequence[Exchange] = field(default_factory=tuple)
    tokens_left: int = 0
    meter: Meter = field(default_factory=Meter)


class Answerer(Protocol):
    """Makes answers.

    Its last part is an `Ended`, also after a failure of what it asks: it raises nothing but what is a
    programmer's error. Closed early (`aclose`), it stops what it asks of others at once.
    """

    @property
    def name(self) -> str:
        """What the asker is told answers: the model, or "rules"."""
        ...

    def answer(self, context: Context, call: Call, question: Question) -> AsyncIterator[Part]:
        """Return the parts of an answer. `call` is the asker's, with `via` "assistant"."""
        ...

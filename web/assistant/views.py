"""What the assistant's surface tells: who answers, conversations, and the events of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cluster.analytics.sentences import Language
from web.assistant.answering import Part

RULES = "rules"
"""The name of who answers without a model."""


class NoModel(StrEnum):
    """Why the rules answer and no model does.

    SWITCHED_OFF: nobody may use tokens here. USED_UP: the caller has used today's. NO_KEY: there is no such
    secret, or it cannot be opened. NOT_INSTALLED: the extra `assistant` is not there.
    """

    SWITCHED_OFF = "switched-off"
    NOT_INSTALLED = "not-installed"
    NO_KEY = "no-key"
    USED_UP = "used-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantView:
    """Who would answer now: `answerer` is the model or "rules", `no_model` why no model does.

    Tokens are the caller's of this day, which ends at `day_ends_ms`. `is_answering`: an answer to the caller
    is being made at this host, and another question waits until it has ended.
    """

    answerer: str
    model: str
    no_model: NoModel | None
    hint: str
    tokens_per_day: int
    tokens_used: int
    tokens_left: int
    day_ends_ms: int
    is_answering: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationView:
    """One conversation of the caller's; its title is how its first question begins."""

    id: str
    title: str
    exchanges: int
    begun_at_ms: int
    changed_at_ms: int
    forgotten_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeView:
    """A question and its answer, part by part as it was told. `is_shortened`: texts of tools were cut to be
    kept."""

    number: int
    asked_at_ms: int
    question: str
    language: Language
    looking_at: str
    answerer: str
    parts: tuple[Part, ...]
    is_shortened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTold:
    """A conversation with what was asked and answered, oldest first."""

    conversation: ConversationView
    exchanges: tuple[ExchangeView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The first event of an answer: where it is kept, and who makes it."""

    kind: Literal["began"] = "began"
    conversation: str
    number: int
    answerer: str
    no_model: NoModel | None


AnswerEvent = Began | Part
"""What the events of an answer hold: `Began`, then parts, the last of them `Ended`."""

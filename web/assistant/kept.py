"""An exchange as it is kept: a question with its answer as JSON, no larger than there is room for. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pydantic import TypeAdapter

from cluster.analytics.sentences import Language
from web.assistant.answering import Exchange, Part, Said, ToolAnswered, ToolCalled

TITLE_CHARACTERS_MAX = 80
_TEXT_CHARACTERS = (4_000, 1_000, 200)
"""How much of each text is kept, in turn, until an exchange fits."""
_CITED = re.compile(r"\[([^\]\n]*)\]\(ref:\d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was asked and answered. `is_shortened`: not every text is whole."""

    question: str
    language: Language
    looking_at: str
    answerer: str
    parts: tuple[Part, ...]
    is_shortened: bool = False


@cache
def _contents() -> TypeAdapter[Content]:
    # Made when the first is kept: a start should not wait for it.
    return TypeAdapter(Content)


def to_bytes(content: Content, bytes_max: int) -> bytes:
    """Return an exchange in at most `bytes_max`. Results of tools are cut first: they can be had again."""
    data = _contents().dump_json(content)
    for cut in (_cut_results, _cut_everything):
        for characters in _TEXT_CHARACTERS:
            if len(data) <= bytes_max:
                return data
            parts = tuple(cut(part, characters) for part in content.parts)
            data = _contents().dump_json(replace(content, parts=parts, is_shortened=True))
    if len(data) <= bytes_max:
        return data
    # As many pieces as there are, none of them is long: what ends it says how it ended.
    return _contents().dump_json(replace(content, parts=content.parts[-1:], is_shortened=True))


def from_bytes(data: bytes) -> Content:
    """Return an exchange that was kept. Raises ValueError for what is none."""
    return _contents().validate_json(data)


def joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts with pieces of text that follow each other as one."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, Said) and isinstance(last, Said):
            found[-1] = Said(text=last.text + part.text)
        else:
            found.append(part)
    return tuple(found)


def title_of(question: str) -> str:
    """Return what a conversation is called that begins with `question`: its beginning, as one line."""
    line = " ".join(question.split())
    if len(line) <= TITLE_CHARACTERS_MAX:
        return line
    return line[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"


def as_earlier(content: Content) -> Exchange:
    """Return an exchange as the next answer is told of it: in words, without marks of pages of its own."""
    said = "\n\n".join(part.text for part in content.parts if isinstance(part, Said))
    return Exchange(question=content.question, answer=_CITED.sub(r"\1", said))


def _cut_results(part: Part, characters: int) -> Part:
    return replace(part, text=_cut(part.text, characters)) if isinstance(part, ToolAnswered) else part


def _cut_everything(part: Part, characters: int) -> Part:
    match part:
        case ToolAnswered():
            return replace(part, text=_cut(part.text, 200), references=part.references[:10])
        case ToolCalled():
            return replace(part, arguments=_short_arguments(part, lambda text: _cut(text, characters)))
        case Said():
            return replace(part, text=_cut(part.text, 4 * characters))
        case _:
            return part


def _short_arguments(part: ToolCalled, cut: Callable[[str], str]) -> dict[str, object]:
    return {
        name: value if isinstance(value, bool | int | float) else cut(str(value))
        for name, value in part.arguments.items()
    }


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"

"""How large an answer of a tool may be: clients cut what is longer, and not where one would. Pure.

Lists lose their ends, the longest first, and the answer says that it is not whole and how to ask for less.
Texts of logs keep their newest lines themselves; what is cut here is any other text, at its end.
"""

from __future__ import annotations

import json
from typing import Any

CHARACTERS_MAX = 40_000
TEXT_LEFT = "\n[cut here: {left} characters more; {hint}]"
HINT = "ask for less: narrow it down, or give a smaller limit"
CURSOR_HINT = "ask for less with a smaller limit; next_cursor goes on behind the whole page"
_KEPT_OF_TEXT = 2_000
_TEXT_MIN = 4_000


def as_text(structured: dict[str, Any]) -> str:
    """Return JSON values as a tool's text."""
    return json.dumps(structured, separators=(",", ":"), ensure_ascii=False)


def bounded_text(text: str) -> str:
    """Return a text that is at most CHARACTERS_MAX long, with a word about what was left out."""
    if len(text) <= CHARACTERS_MAX:
        return text
    kept = text[: CHARACTERS_MAX - 200].rpartition("\n")[0] or text[: CHARACTERS_MAX - 200]
    return kept + TEXT_LEFT.format(left=len(text) - len(kept), hint=HINT)


def bounded(structured: dict[str, Any], *, characters_max: int = CHARACTERS_MAX) -> dict[str, Any]:
    """Return the same values, or fewer: as text at most `characters_max` long, then with `truncated` and
    `hint`."""
    size = len(as_text(structured))
    if size <= characters_max:
        return structured
    result: dict[str, Any] = json.loads(json.dumps(structured))
    result |= {"truncated": True, "hint": CURSOR_HINT if "next_cursor" in result else HINT}
    while len(as_text(result)) > characters_max and _shorten(result):
        pass
    return result


def _shorten(result: dict[str, Any]) -> bool:
    """Take the second half of what is largest away; False when there is nothing left to take."""
    largest: tuple[int, list[Any] | None, tuple[Any, Any] | None] = (0, None, None)
    waiting: list[tuple[Any, Any, Any]] = [(result, None, None)]
    while waiting:
        node, parent, key = waiting.pop()
        if isinstance(node, dict):
            waiting += [(value, node, name) for name, value in node.items()]
        elif isinstance(node, list):
            waiting += [(value, node, place) for place, value in enumerate(node)]
            size = len(json.dumps(node)) if len(node) > 1 else 0
            if size > largest[0]:
                largest = (size, node, None)
        elif isinstance(node, str) and len(node) > _TEXT_MIN and len(node) > largest[0]:
            largest = (len(node), None, (parent, key))
    size, items, text = largest
    if items is not None:
        del items[-max(1, len(items) // 4) :]
        return True
    if text is not None:
        parent, key = text
        parent[key] = parent[key][: max(_KEPT_OF_TEXT, len(parent[key]) // 2)] + " [cut]"
        return True
    return False

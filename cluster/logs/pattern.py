"""What is looked for in lines. Pure.

Regular expressions are Python's, whose matcher can take exponential time, and holds the interpreter's lock
while it does. So they are run where they can be killed (`agent.logbook.worker`), not restricted to what one
could prove harmless: people expect back-references and look-around, and a refusal of what is fine would be
the commoner harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cluster.logs.plain import plain_text
from cluster.model.log_history import PatternRefused

PATTERN_CHARACTERS_MAX = 1000

Matcher = Callable[[str], bool]


def matcher(pattern: str, *, is_regex: bool, is_case_sensitive: bool) -> Matcher | None:
    """Return whether a text has `pattern`; None when every text does. Raises PatternRefused."""
    if not pattern:
        return None
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise PatternRefused(
            f"it has {len(pattern)} characters; at most {PATTERN_CHARACTERS_MAX} are looked for"
        )
    if not is_regex:
        if is_case_sensitive:
            return lambda text: pattern in plain_text(text)
        lowered = pattern.lower()
        return lambda text: lowered in plain_text(text).lower()
    try:
        compiled = re.compile(pattern, 0 if is_case_sensitive else re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternRefused(f"it is not a regular expression: {error}") from error
    search = compiled.search
    return lambda text: search(plain_text(text)) is not None


@dataclass(frozen=True, slots=True)
class Literal:
    """A plain text that is found in many lines at once, ten times as fast as line by line.

    It holds where no line has terminal sequences.
    """

    text: str
    is_case_sensitive: bool

    def lines_of(self, text: str) -> list[int]:
        """Return the numbers of the lines of `text` that have it, each once and in order."""
        # `lower` may change how long a text is, but not where its lines end; an expression that ignores case
        # looks at each character by itself.
        text = text if self.is_case_sensitive else text.lower()
        wanted = self.text if self.is_case_sensitive else self.text.lower()
        found: list[int] = []
        number = position = 0
        at = text.find(wanted)
        while at >= 0:
            number += text.count("\n", position, at)
            found.append(number)
            position = text.find("\n", at)
            if position < 0:
                break
            at = text.find(wanted, position)
        return found


def literal_of(pattern: str, *, is_regex: bool, is_case_sensitive: bool) -> Literal | None:
    """Return the text that is looked for; None for an expression: it would see the lines around."""
    return None if is_regex or not pattern or "\n" in pattern else Literal(pattern, is_case_sensitive)

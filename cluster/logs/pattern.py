"""What is looked for in lines. Pure.

Regular expressions are Python's, whose matcher can take exponential time, and holds the interpreter's lock
while it does. So they are run where they can be killed (`agent.logbook.worker`), not restricted to what one
could prove harmless: people expect back-references and look-around, and a refusal of what is fine would be
the commoner harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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
    if not is_regex and is_case_sensitive:
        return lambda text: pattern in plain_text(text)
    try:
        # Python compares without regard to case faster by an expression than by folding every line.
        compiled = re.compile(
            pattern if is_regex else re.escape(pattern), 0 if is_case_sensitive else re.IGNORECASE
        )
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternRefused(f"it is not a regular expression: {error}") from error
    search = compiled.search
    return lambda text: search(plain_text(text)) is not None


def literal_of(pattern: str, *, is_regex: bool, is_case_sensitive: bool) -> str:
    """Return a text that every fitting line has as it is, "" when none is known: what lacks it is passed over
    unsplit."""
    return pattern if is_case_sensitive and not is_regex and "\x1b" not in pattern else ""

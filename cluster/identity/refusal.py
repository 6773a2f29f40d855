"""The answer "no": a code a program can act on, and a reason a person can."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Code = TypeVar("Code", bound=StrEnum, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Generic[Code]):
    """A refusal. `reason` says what was wrong and what to do next, and never holds a secret."""

    code: Code
    reason: str


def in_words(duration_ms: int) -> str:
    """Return a length of time for a sentence, rounded down to one unit: `45 s`, `3 min`, `2 h`, `5 days`."""
    seconds = max(0, duration_ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86_400} days"

"""What is wrong with a file, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong. `line` and `column` count from 1; 0 when it is about the file as a whole.

    `path` is as in `services.web.ports[0]`; `rule` says what is allowed, `hint` what to do next.
    """

    path: str
    rule: str
    line: int = 0
    column: int = 0
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " if self.line else ""
        hint = f" ({self.hint})" if self.hint else ""
        path = f"{self.path}: " if self.path else ""
        return f"{where}{path}{self.rule}{hint}"

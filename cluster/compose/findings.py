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

    `path` is as in `services.web.ports[0]`; `rule` says what is allowed, `hint` what to do next. `file` is
    the name the text was given under, "" for the only one.
    """

    path: str
    rule: str
    line: int = 0
    column: int = 0
    hint: str = ""
    severity: Severity = Severity.ERROR
    file: str = ""

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Where it comes among the findings of one file."""
        return (self.line, self.column, self.path, self.rule)

    @property
    def words(self) -> str:
        """What is wrong, without where it stands."""
        hint = f" ({self.hint})" if self.hint else ""
        path = f"{self.path}: " if self.path else ""
        return f"{path}{self.rule}{hint}"

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}" if self.line else ""
        where = ", ".join(part for part in (self.file, place) if part)
        return f"{where}: {self.words}" if where else self.words

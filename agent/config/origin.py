"""Where a setting's value came from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from agent.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who set a value: "flag", "env", "file" or "default", and where exactly."""

    layer: Literal["flag", "env", "file", "default"]
    place: str = ""

    def __str__(self) -> str:
        return self.place or self.layer


DEFAULT_ORIGIN = Origin(layer="default")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, and the origin of every key that is not at its default."""

    settings: Settings
    origins: Mapping[str, Origin]

    def origin(self, key: str) -> Origin:
        """Return where `key` ("section.name") got its value from."""
        return self.origins.get(key, DEFAULT_ORIGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with the settings: which key, its value, where it stands, the rule, the default."""

    key: str
    rule: str
    origin: Origin = DEFAULT_ORIGIN
    value: str | None = None
    default: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value is not None else ""
        where = f"{self.origin}: " if self.origin.layer != "default" else ""
        key = "" if self.key == self.origin.place else f"{self.key}{shown}: "
        text = f"{where}{key}{self.rule}"
        if self.default is not None:
            text = f"{text} (default: {self.default})"
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(Exception):
    """The settings cannot be used. `problems` has every reason found, the text is one per line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

"""Commands that are run around a deployment."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules

HOOKS_MAX = 16
TIMEOUT_DEFAULT_MS = 5 * 60_000
TIMEOUT_MAX_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command in a container of the new revision; whatever ends with another status than 0 has failed."""

    command: tuple[str, ...]
    timeout_ms: int = TIMEOUT_DEFAULT_MS

    def __post_init__(self) -> None:
        rules.check_count("hooks: command", self.command, 1024)
        if not self.command:
            raise ValueError("hooks: command is empty; give the words of a command")
        for word in self.command:
            rules.check_text("hooks: command", word, 128 * 1024)
        rules.check_range("hooks: timeout_ms", self.timeout_ms, 1000, TIMEOUT_MAX_MS)

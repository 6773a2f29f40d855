"""Commands on change windows and freezes."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.windows import ChangeWindow, Freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWindow:
    """Make a change window, or another one of the same id in its place."""

    window: ChangeWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWindow:
    window_id: str

    def __post_init__(self) -> None:
        rules.check_id("window id", self.window_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFreeze:
    """Begin a freeze, at once or later."""

    freeze: Freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class EndFreeze:
    """Forget a freeze, whether it has begun or not."""

    freeze_id: str

    def __post_init__(self) -> None:
        rules.check_id("freeze id", self.freeze_id)

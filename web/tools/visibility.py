"""What of the containers somebody sees: the one place that surfaces ask before they show any."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from web.auth.call import Call
from web.tools.context import Context
from web.tools.views import ContainerView


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What somebody sees. Sights of equal `key` see the same, so answers may be shared between them.

    `sees` null: everything.
    """

    key: Hashable = None
    sees: Callable[[ContainerView], bool] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sight) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


EVERYTHING = Sight()


def sight_of(context: Context, call: Call) -> Sight:
    """Return what the caller sees of the containers, given that they may see any."""
    return EVERYTHING

"""What the caller may do to each of many things, for lists that offer it.

Things that no rule tells apart have one answer: with one project in reach a thousand containers are two
questions.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from cluster.rbac import ACTIONS, Resource, Target
from web.auth.powers import Powers

CONTAINER_ACTIONS = tuple(
    name for name, action in sorted(ACTIONS.items()) if action.resource is Resource.CONTAINER
)
SERVICE_ACTIONS = tuple(
    name
    for name, action in sorted(ACTIONS.items())
    if action.resource in (Resource.SERVICE, Resource.ROLLOUT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRights:
    """Answers about `actions`, kept by which scopes mean a thing."""

    powers: Powers
    actions: tuple[str, ...]
    _known: dict[Hashable, tuple[str, ...]] = field(default_factory=dict)

    def of(self, target: Target) -> tuple[str, ...]:
        """Return which of the actions the caller may do to this."""
        signature = self.powers.signature(target)
        known = self._known.get(signature)
        if known is None:
            known = self._known[signature] = self._decide(target)
        return known

    def _decide(self, target: Target) -> tuple[str, ...]:
        return tuple(
            name
            for name in self.actions
            if self.powers.decide(name, replace(target, kind=ACTIONS[name].resource)).allowed
        )


def row_rights(powers: Powers, actions: tuple[str, ...]) -> RowRights | None:
    """Return what tells what may be done to each thing; None where it is the same for all of them."""
    if not any(map(powers.has_scopes, actions)):
        return None
    return RowRights(powers=powers, actions=actions)

"""What the caller may do to each of many things, for lists that offer it.

Things that no rule tells apart have one answer: a thousand containers of ten services are ten questions.
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
KEPT_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRights:
    """Answers about `actions`, kept by what rules can tell apart."""

    powers: Powers
    actions: tuple[str, ...]
    _known: dict[Hashable, tuple[str, ...]] = field(default_factory=dict)

    def of(self, target: Target) -> tuple[str, ...]:
        """Return which of the actions the caller may do to this."""
        labels = target.labels
        told_apart = (
            target.project,
            target.service_id,
            target.environment,
            target.node_id,
            target.hosts,
            target.name if self.powers.goes_by_names else None,
            None if labels is None else tuple(labels.get(key) for key in self.powers.label_keys),
        )
        known = self._known.get(told_apart)
        if known is None:
            if len(self._known) >= KEPT_MAX:
                self._known.clear()
            known = self._known[told_apart] = self._decide(target)
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

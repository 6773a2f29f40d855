"""Which tools a role is to see: by what each of them does, and who may do that."""

from __future__ import annotations

from cluster.model.access import Role
from cluster.rbac.actions import ACTIONS
from web.tools.catalog import REGISTRY

ORDER = (Role.NONE, Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def tools_of(role: str) -> list[str]:
    """Their names, in order."""
    rank = ORDER.index(Role(role))
    return sorted(
        tool.name
        for tool in REGISTRY.tools
        if any(ORDER.index(ACTIONS[action].role) <= rank for action in tool.actions)
    )

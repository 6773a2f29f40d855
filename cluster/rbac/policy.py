"""May this principal do that? Default deny; every answer has its reason."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.access import Role
from cluster.rbac.actions import ACTIONS


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why, for people and for the audit. `rule` is the id of the rule that
    decided, "" when none did."""

    allowed: bool
    reason: str
    rule: str = ""


def authorize(role: Role | None, action: str, resource: str) -> Decision:
    """Decide on `action` for a principal of `role` (None: nobody known).

    `resource` is `<kind>:<id>` or the kind alone; its kind must be the action's. Total: whatever is not
    known is denied.
    """
    if role is None:
        return Decision(False, f"{action}: log in, or send a token")
    known = ACTIONS.get(action)
    if known is None:
        return Decision(False, f"{action}: no such action")
    kind = resource.partition(":")[0]
    if kind != known.resource:
        return Decision(False, f"{action} is done to a {known.resource}, not to {resource!r}")
    if not role.includes(known.role):
        return Decision(False, f"{action} needs role {known.role}; yours is {role}")
    return Decision(True, f"role {role} includes {action}")


def narrowest(*roles: Role) -> Role:
    """Return the role that holds for a token: the least of the token's own and its owner's present one."""
    return min(roles, key=lambda role: role.rank)


def may_grant(granter: Role, granted: Role) -> Decision:
    """Nobody grants what they do not hold."""
    if granter.includes(granted):
        return Decision(True, f"role {granter} includes {granted}")
    return Decision(False, f"role {granter} cannot give the role {granted}: it is more than they hold")

"""Answers and their reasons, and what may be given on."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.access import Role


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why, for people and for the audit. `rule` is the id of the rule that
    decided, "" when none did."""

    allowed: bool
    reason: str
    rule: str = ""


def narrowest(*roles: Role) -> Role:
    """Return the role that holds for a token: the least of the token's own and its owner's present one."""
    return min(roles, key=lambda role: role.rank)


def may_grant(granter: Role, granted: Role) -> Decision:
    """Nobody grants what they do not hold."""
    if granter.includes(granted):
        return Decision(True, f"role {granter} includes {granted}")
    return Decision(False, f"role {granter} cannot give the role {granted}: it is more than they hold")

"""Who may do what: roles, bindings, the registry of actions, and the decision."""

from cluster.rbac.actions import ACTIONS, Action, Resource
from cluster.rbac.grants import Grants, Rule, built_in, grants_of
from cluster.rbac.policy import Decision, may_grant, narrowest
from cluster.rbac.targets import Target

__all__ = [
    "ACTIONS",
    "Action",
    "Decision",
    "Grants",
    "Resource",
    "Rule",
    "Target",
    "built_in",
    "grants_of",
    "may_grant",
    "narrowest",
]

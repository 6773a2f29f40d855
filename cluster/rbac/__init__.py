"""Who may do what: roles, the registry of actions, and the decision."""

from cluster.rbac.actions import ACTIONS, Action, Resource
from cluster.rbac.policy import Decision, authorize, may_grant, narrowest

__all__ = ["ACTIONS", "Action", "Decision", "Resource", "authorize", "may_grant", "narrowest"]

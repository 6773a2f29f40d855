"""Tools by what they are about, so that a program is given those it is for.

Each tool is in one set; those of `EVERYWHERE` are in all of them, since whoever is given a plan has to be
able to look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from web.auth.problems import Problem
from web.auth.tool_bounds import ToolBounds

READ_ONLY = "readonly"
"""What is said in an address for no changes."""


class Toolset(StrEnum):
    CONTAINERS = "containers"
    OBSERVE = "observe"
    ANALYTICS = "analytics"
    DEPLOY = "deploy"
    CLUSTER = "cluster"
    ADMIN = "admin"


_NAMES: Mapping[Toolset, str] = {
    Toolset.CONTAINERS: "list-containers get-container get-container-logs list-images start-container"
    " stop-container restart-container",
    Toolset.OBSERVE: "get-system-health run-diagnosis search-logs get-metrics get-metrics-history list-alerts"
    " acknowledge-alert silence-alerts",
    Toolset.ANALYTICS: "get-trend-analysis detect-anomalies get-performance-profile predict-resource-needs"
    " get-capacity-plan compare-baseline export-analytics-report",
    Toolset.DEPLOY: "deploy-rolling deploy-blue-green deploy-canary validate-deployment get-deploy-status"
    " steer-rollout switch-traffic rollback-deploy get-deployment-history compare-deployments"
    " promote-environment list-environments schedule-deploy list-schedules remove-schedule scale-service"
    " restart-service remove-service adopt-containers start-ab-test get-ab-test end-ab-test list-secrets"
    " generate-secret get-config put-config list-registries",
    Toolset.CLUSTER: "get-cluster-status list-nodes drain-node explain-service rebalance-service",
    Toolset.ADMIN: "get-audit-log list-webhooks test-webhook",
}
EVERYWHERE = frozenset({"get-plan", "list-plans", "withdraw-plan"})
TOOLSET_OF: Mapping[str, Toolset] = MappingProxyType(
    {name: toolset for toolset, names in _NAMES.items() for name in names.split()}
)
"""The set of each tool by its name."""


def why_outside(bounds: ToolBounds | None, name: str, *, is_read_only: bool) -> str | None:
    """Return why these bounds leave a tool out, None when they do not. None of them leaves everything out."""
    if bounds is None:
        return f"{name} is not among the tools of this address and this token"
    if bounds.is_read_only and not is_read_only:
        return f"{name} changes something, and this address or token only reads"
    if not bounds.toolsets or name in EVERYWHERE:
        return None
    toolset = TOOLSET_OF.get(name)
    if toolset is None or toolset.value not in bounds.toolsets:
        chosen = ", ".join(sorted(bounds.toolsets))
        return f"{name} is not among the toolsets of this address and token: {chosen}"
    return None


def bounds_of_path(chosen: str) -> ToolBounds:
    """Return the bounds that the end of an address asks for: "", "readonly" or names of toolsets with commas
    between, of which one may be readonly. Raises Problem (404) for a name there is none of.
    """
    names = frozenset(filter(None, chosen.split(",")))
    unknown = names - {READ_ONLY, *Toolset}
    if unknown:
        raise Problem(
            "not-found",
            f"there is no toolset {min(unknown)[:80]!r}",
            hint=f"there are {', '.join(Toolset)}, and {READ_ONLY}",
        )
    return ToolBounds(is_read_only=READ_ONLY in names, toolsets=names - {READ_ONLY})

"""Commands on plans."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.plans import TEXT_CHARS_MAX, Plan, PlanState, PlanVerdict

_ENDS = frozenset({PlanState.DONE, PlanState.FAILED, PlanState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePlan:
    """Keep a new plan, which waits for a person. Rejected when there is one of that id, or too many wait."""

    plan: Plan

    def __post_init__(self) -> None:
        if self.plan.state is not PlanState.WAITING:
            raise ValueError(f"state {self.plan.state}: a new plan waits")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePlan:
    """End the waiting of a plan: once, and before it expires. Approved, it is begun by `node_id`.

    `through` says where the person was asked: "dashboard", "cli", the MCP client.
    """

    plan_id: str
    verdict: PlanVerdict
    by: str
    by_principal: str = ""
    through: str = ""
    comment: str = ""
    node_id: str = ""

    def __post_init__(self) -> None:
        rules.check_id("plan id", self.plan_id)
        rules.check_text("by", self.by, 128)
        rules.check_text("by principal", self.by_principal, 128)
        rules.check_text("through", self.through, 32)
        rules.check_text("comment", self.comment, TEXT_CHARS_MAX)
        if (self.verdict is PlanVerdict.APPROVE) != bool(self.node_id):
            raise ValueError(f"node_id {self.node_id!r}: who approves says where it runs, and nobody else")
        if self.node_id:
            rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPlan:
    """Say how a plan ended that was begun: `done`, `failed`, or `unknown` when that cannot be said."""

    plan_id: str
    state: PlanState
    outcome: str = ""

    def __post_init__(self) -> None:
        rules.check_id("plan id", self.plan_id)
        rules.check_text("outcome", self.outcome, 2000)
        if self.state not in _ENDS:
            raise ValueError(f"state {self.state}: one of {', '.join(sorted(_ENDS))}")

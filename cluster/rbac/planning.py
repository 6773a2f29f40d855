"""Whether what a program asks for is done at once, or becomes a plan that a person approves. Pure.

What is asked for by people (dashboard, command line, interface) is never a plan: they are the ones who would
be asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.plans import PlanDemand, PlanRules

PROGRAMS = frozenset({"mcp", "assistant"})
"""Surfaces at whose other end a model chooses what is called."""


ASKING = frozenset({"plan.make", "plan.read", "plan.withdraw"})
"""What goes with every tool: a token for some actions may ask for those, and hear what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A call as far as that is decided by it.

    `is_reading`: it changes nothing, by what it is or by its arguments. `is_tainted`: whoever chose it has
    read what strangers wrote, as log lines are. `denial` is the rule of a role that lets nothing be done
    without a plan, "" for none.
    """

    via: str
    is_reading: bool
    is_destructive: bool
    is_tainted: bool = False
    denial: str = ""


def why_planned(use: ToolUse, rules: PlanRules) -> str | None:
    """Return why a person has to approve it, None when it may be done at once."""
    if use.is_reading or use.via not in PROGRAMS:
        return None
    if use.is_tainted:
        return "text that containers wrote was read before, and a person has to look at what follows from it"
    if use.via == "assistant":
        return "what the assistant proposes, a person approves"
    if use.denial:
        return f"{use.denial} lets programs change nothing without a plan"
    if rules.required is PlanDemand.ALL:
        return "everything that programs change needs the approval of a person here"
    if rules.required is PlanDemand.DESTRUCTIVE and use.is_destructive:
        return "what may disturb what runs needs the approval of a person when a program asks for it"
    return None

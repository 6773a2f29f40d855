"""The tools around plans. Approving is not among them: programs do not let each other through."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from web.auth.call import Call
from web.tools.arguments import Arguments, Named, Short
from web.tools.context import Context
from web.tools.plan_views import PlanView
from web.tools.planning import PLANS_PATH, change_words, radius_words
from web.tools.plans import OPEN, READ, WITHDRAW, get_plan, list_plans, withdraw_plan
from web.tools.registry import Tool
from web.tools.times import moment

SHOWN_MAX = 50


class OnePlan(Arguments):
    """Which plan."""

    plan: Named = Field(description="its id")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """One plan. `outcome` says how it ended, `next` what to do now."""

    plan: str
    state: str
    tool: str
    summary: str
    asked_by: str
    decided: str | None
    comment: str | None
    changes: tuple[str, ...] | None
    touches: tuple[str, ...] | None
    notes: tuple[str, ...] | None
    outcome: str | None
    next: str | None


async def _get_plan(context: Context, call: Call, given: OnePlan) -> PlanReport:
    return report_of(await get_plan(context, call, given.plan))


async def _withdraw_plan(context: Context, call: Call, given: OnePlan) -> PlanReport:
    return report_of(await withdraw_plan(context, call, given.plan))


class ListPlans(Arguments):
    """Which plans."""

    state: Short = Field(default=OPEN, description="open, all, or one such as waiting, done, refused")
    cursor: str | None = Field(default=None, max_length=2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLines:
    """Newest first."""

    plans: tuple[str, ...]
    next_cursor: str | None


async def _list_plans(context: Context, call: Call, given: ListPlans) -> PlanLines:
    page = await list_plans(context, call, state=given.state, cursor=given.cursor, limit=SHOWN_MAX)
    return PlanLines(plans=tuple(map(_line, page.items)), next_cursor=page.next_cursor)


def _line(view: PlanView) -> str:
    return (
        f"{view.id} {view.state}, {view.tool} for {view.asked_by} {moment(view.made_at_ms)}: {view.summary}"
    )


def report_of(view: PlanView) -> PlanReport:
    """Return a plan as programs are told of it."""
    decided = None
    if view.decided_by and view.decided_at_ms is not None:
        decided = f"{moment(view.decided_at_ms)} by {view.decided_by} ({view.decided_through})"
    return PlanReport(
        plan=view.id,
        state=view.state.value,
        tool=view.tool,
        summary=view.summary,
        asked_by=view.asked_by,
        decided=decided,
        comment=view.comment or None,
        changes=tuple(map(change_words, view.changes)) or None,
        touches=radius_words(view.touches) or None,
        notes=view.notes or None,
        outcome=view.outcome or None,
        next=_next(view),
    )


def _next(view: PlanView) -> str | None:
    match view.state.value:
        case "waiting":
            return f"a person approves or refuses it at {PLANS_PATH}{view.id}; call get-plan again later"
        case "running":
            return "call get-plan again in a few seconds"
        case "done" | "unknown":
            return f"call {view.look_at}" if view.look_at else None
        case "stale" | "expired":
            return "call the tool again if it is still wanted"
        case _:
            return None


PLAN_TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get-plan",
        title="One plan",
        description="Say whether a plan still waits for a person, and how an approved one ended.",
        input_model=OnePlan,
        output=PlanReport,
        action=READ,
        run=_get_plan,
    ),
    Tool(
        name="list-plans",
        title="Plans",
        description="List what programs asked for and a person has to approve, newest first.",
        input_model=ListPlans,
        output=PlanLines,
        action=READ,
        run=_list_plans,
    ),
    Tool(
        name="withdraw-plan",
        title="Take a plan back",
        description="Withdraw a plan that waits and was asked for in your name.",
        input_model=OnePlan,
        output=PlanReport,
        action=WITHDRAW,
        run=_withdraw_plan,
        is_read_only=False,
    ),
)

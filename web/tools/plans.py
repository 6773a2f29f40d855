"""Plans: which there are, and taking them back or turning them down. Approving is in `approving.py`."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.plans import DecidePlan
from cluster.model.plans import PLANS_PREFIX, Plan, PlanRules, PlanState, PlanVerdict, plan_rules
from cluster.rbac import Resource, Target
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call, Credential
from web.auth.problems import Problem, invalid
from web.auth.targets import service_target
from web.ports import Surroundings
from web.tools.admission import is_person
from web.tools.context import Context
from web.tools.listing import Page, page_of
from web.tools.plan_views import PlanNews, PlanView, plan_news, plan_view
from web.tools.references import is_key
from web.tools.visibility import sight_of

READ = "plan.read"
APPROVE = "plan.approve"
REFUSE = "plan.refuse"
WITHDRAW = "plan.withdraw"
OPEN = "open"
ALL = "all"

NEEDS_PERSON = "a person has to be logged in to approve a plan: programs do not let each other through"
FOUR_EYES = "somebody else has to approve it: plans.four_eyes is on, and it was asked for in your name"


def rules_in(txn: ReadTxn) -> PlanRules:
    """Return the settings of plans."""
    return plan_rules(records.setting_values(txn, PLANS_PREFIX))


def plan_target(txn: ReadTxn, plan: Plan) -> Target:
    """Return what a plan is to permissions: what its one service is; of several nothing is known."""
    if len(plan.touches.services) == 1:
        service = records.SERVICES.get(txn, plan.touches.services[0])
        if service is not None:
            return replace(service_target(txn, service, kind=Resource.PLAN), id=plan.id, name=plan.id)
    return Target(kind=Resource.PLAN, id=plan.id, name=plan.id)


async def list_plans(
    context: Context, call: Call, *, state: str = OPEN, cursor: str | None = None, limit: int
) -> Page[PlanView]:
    """Return plans that the caller sees, newest first: those of a state, "open" ones or "all".

    Raises Problem (422).
    """
    await context.authority.admit(call, READ, "plan")
    if state not in (OPEN, ALL, *PlanState):
        raise invalid("state", f"one of {', '.join((OPEN, ALL, *PlanState))}", value=state[:40])
    views = [
        view
        for view in read_plans(context, call)
        if state == ALL or view.state == state or (state == OPEN and view.state.is_open)
    ]
    return page_of(
        views, key=lambda view: (view.made_at_ms, view.id), cursor=cursor, limit=limit, reverse=True
    )


async def get_plan(context: Context, call: Call, plan_id: str) -> PlanView:
    """Return one plan. Raises Problem (404)."""
    await context.authority.admit(call, READ, f"plan:{plan_id}")
    return view_for(context, call, known_plan(context, call, plan_id))


async def refuse_plan(context: Context, call: Call, plan_id: str, *, comment: str = "") -> PlanView:
    """Turn a plan down. Raises Problem (404, 409)."""
    await context.authority.admit(call, REFUSE, f"plan:{plan_id}")
    plan = known_plan(context, call, plan_id)
    return await _end_waiting(context, call, plan, REFUSE, PlanVerdict.REFUSE, comment)


async def withdraw_plan(context: Context, call: Call, plan_id: str, *, comment: str = "") -> PlanView:
    """Take back what was asked for in one's own name. Raises Problem (403, 404, 409)."""
    await context.authority.admit(call, WITHDRAW, f"plan:{plan_id}")
    plan = known_plan(context, call, plan_id)
    if plan.asker.principal_id != call.known().principal_id:
        await context.authority.refuse(
            call,
            WITHDRAW,
            f"plan:{plan.id}",
            f"plan {plan.id} was asked for by {plan.asker.name}: it is for them to withdraw, and can be"
            " refused",
        )
    return await _end_waiting(context, call, plan, WITHDRAW, PlanVerdict.WITHDRAW, comment)


def read_plans(context: Context, call: Call) -> list[PlanView]:
    """Return all plans the caller sees."""
    with context.surroundings.state.read() as txn:
        found = records.PLANS.scan(txn)
    return [view_for(context, call, plan) for plan in found if sees(context, call, plan)]


def read_plan_news(surroundings: Surroundings) -> list[PlanNews]:
    """Return how far open plans are, for callers whose right to see them is decided."""
    now_ms = surroundings.clock.now_ms()
    with surroundings.state.read() as txn:
        found = [plan_news(plan, now_ms) for plan in records.PLANS.scan(txn)]
    return [news for news in found if news.state.is_open]


def sees(context: Context, call: Call, plan: Plan) -> bool:
    """Whether the caller may know of a plan: their own, and those about what they see.

    A plan about no service is for who may see everything.
    """
    if call.known().principal_id == plan.asker.principal_id:
        return True
    sight = sight_of(context, call)
    if not plan.touches.services:
        return sight.service is None
    return sight.service is None or all(map(sight.service, plan.touches.services))


def known_plan(context: Context, call: Call, plan_id: str) -> Plan:
    """Return a plan that the caller sees. Raises Problem (404)."""
    with context.surroundings.state.read() as txn:
        plan = records.PLANS.get(txn, plan_id) if is_key(plan_id) else None
    if plan is None or not sees(context, call, plan):
        raise Problem(
            "not-found", f"there is no plan {plan_id[:80]!r}", hint="`tower plan list` shows those there are"
        )
    return plan


def view_for(context: Context, call: Call, plan: Plan) -> PlanView:
    """Return a plan with what the caller may do about it."""
    now_ms = context.surroundings.clock.now_ms()
    if plan.state_at(now_ms) is not PlanState.WAITING:
        return plan_view(plan, now_ms)
    with context.surroundings.state.read() as txn:
        target, rules = plan_target(txn, plan), rules_in(txn)
    why_not = why_not_approve(context, call, plan, target, rules)
    can = [] if why_not else ["approve"]
    if context.authority.decide(call, REFUSE, target).allowed:
        can.append("refuse")
    if plan.asker.principal_id == call.known().principal_id:
        can.append("withdraw")
    return plan_view(plan, now_ms, can=tuple(can), why_not=why_not)


def why_not_approve(
    context: Context, call: Call, plan: Plan, target: Target, rules: PlanRules, *, is_asked: bool = False
) -> str:
    """Why the caller may not approve a plan, "" when they may.

    With `is_asked` it is the person at a client whom the client has asked: its token is a program's. What
    the plan does is decided by the plan's own action, too.
    """
    if not is_asked and not is_person(call):
        return NEEDS_PERSON
    if rules.four_eyes and plan.asker.principal_id == call.known().principal_id:
        return FOUR_EYES
    allowed = context.authority.decide(call, APPROVE, target)
    if allowed.allowed:
        kind, _, reference = plan.resource.partition(":")
        # Of what has no attributes here its use case knows more, and is asked before the plan is begun.
        is_known = kind in (Resource.SERVICE, Resource.ROLLOUT, Resource.NODE) and reference
        allowed = (
            context.authority.decide(call, plan.action, plan.resource)
            if is_known
            else context.authority.could(call, plan.action)
        )
    return "" if allowed.allowed else allowed.reason


def through(call: Call) -> str:
    """Return where a person has decided, for the record."""
    if call.via != "rest":
        return call.via
    return "dashboard" if call.known().credential is Credential.COOKIE else "command line"


async def _end_waiting(
    context: Context, call: Call, plan: Plan, action: str, verdict: PlanVerdict, comment: str
) -> PlanView:
    with context.surroundings.state.read() as txn:
        target = plan_target(txn, plan)
    command = decision_of(plan, call, verdict, comment)

    async def change(permit: Permit) -> None:
        await permit.propose(command, reason=comment)

    await context.authority.perform(call, action, target, change)
    return view_for(context, call, kept(context.surroundings, plan))


def decision_of(
    plan: Plan, call: Call, verdict: PlanVerdict, comment: str, *, node_id: str = "", asked: str = ""
) -> DecidePlan:
    """Return the command that ends a plan's waiting. Raises Problem for a comment that cannot be kept."""
    identity = call.known()
    try:
        return DecidePlan(
            plan_id=plan.id,
            verdict=verdict,
            by=identity.name,
            by_principal=identity.principal_id,
            through=asked or through(call),
            comment=comment,
            node_id=node_id,
        )
    except ValueError as error:
        raise invalid("comment", str(error)) from error


def kept(surroundings: Surroundings, plan: Plan) -> Plan:
    """Return a plan as it is now, or as it was when it is gone."""
    with surroundings.state.read() as txn:
        return records.PLANS.get(txn, plan.id) or plan

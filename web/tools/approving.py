"""Approving a plan, and running what was approved: once, in the name of who asked, whoever is connected.

The order is what keeps the promise: everything is looked at anew, the approval is committed, and only then is
the tool run. Of two who approve at two hosts one finds it decided. A host that dies in between leaves a plan
that is begun; nobody begins it again, and after a while everybody says that its end is not known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from cluster.commands.plans import EndPlan
from cluster.identity.errors import SealBroken
from cluster.identity.stored_secrets import open_plan_arguments
from cluster.model.events import clip
from cluster.model.plans import RUN_MS_MAX, TEXT_CHARS_MAX, Plan, PlanState, PlanVerdict
from cluster.model.schedules import NotAdmitted
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.middleware.errors import problem_of
from web.tools.askers import call_of
from web.tools.catalog import REGISTRY
from web.tools.context import Context
from web.tools.plan_views import PlanView
from web.tools.planning import canonical, fingerprint
from web.tools.plans import (
    APPROVE,
    decision_of,
    kept,
    known_plan,
    plan_target,
    rules_in,
    view_for,
    why_not_approve,
)
from web.tools.previewing import Preview
from web.tools.registry import Tool, ToolResult

log = logging.getLogger(__name__)

IN_CLIENT = "client"
RUN_TIMEOUT_S = 90.0
assert RUN_TIMEOUT_S * 1000 < RUN_MS_MAX, "how it ended is told before it counts as unknown"
END_TRIES = 5
END_RETRY_S = 2.0
_OUTCOME_CHARACTERS_MAX = 2000
_PASSING = frozenset(
    {"host-unavailable", "unavailable", "not-committed", "outcome-unknown", "internal", "audit-unavailable"}
)
_UNKNOWN = frozenset({"outcome-unknown", "internal", "unavailable"})


class _Stale(Exception):
    """A plan is not to be run any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A plan whose time has come: the call it makes, as who asked could make it now."""

    plan: Plan
    tool: Tool
    call: Call
    given: Any
    preview: Preview


async def approve_plan(
    context: Context, call: Call, plan_id: str, *, comment: str = "", is_asked: bool = False
) -> PlanView:
    """Approve a plan and begin it. Returns it as it is then: running, or ended already.

    With `is_asked` the caller's client has asked the person at it, and passes on that they said yes. Raises
    Problem: 403 for who may not (a program, somebody without the permission for what the plan does, its own
    asker with four eyes), 404, and 409 for one that was decided, has expired, or is not what it was any more.
    """
    authority, surroundings = context.authority, context.surroundings
    await authority.admit(call, APPROVE, f"plan:{plan_id}")
    plan = known_plan(context, call, plan_id)
    with surroundings.state.read() as txn:
        target, rules = plan_target(txn, plan), rules_in(txn)
    _refuse_decided(context, plan)
    if is_asked and not rules.in_client:
        await authority.refuse(
            call, APPROVE, str(target), "plans.in_client is off: approve it in the dashboard"
        )
    why_not = why_not_approve(context, call, plan, target, rules, is_asked=is_asked)
    if why_not:
        await authority.refuse(call, APPROVE, str(target), why_not)
    try:
        ready = await _ready(context, call, plan, "" if is_asked else call.known().name)
    except _Stale as stale:
        raise await _set_aside(context, call, plan, str(stale)) from stale
    # As the approver could do it: nobody has done through a program what they may not do themselves.
    await ready.tool.foresee(context, replace(call, approved_by=call.known().name), ready.given)
    context.background.check_room()
    command = decision_of(
        plan,
        call,
        PlanVerdict.APPROVE,
        comment,
        node_id=surroundings.cluster.node_id,
        asked=IN_CLIENT if is_asked else "",
    )

    reason = f"{plan.summary}; {comment}" if comment else plan.summary
    decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def begin() -> None:
        async def change(permit: Permit) -> Permit:
            await permit.propose(command, reason=reason)
            return permit

        try:
            permit = await authority.perform(call, APPROVE, target, change)
        except Exception as error:
            decided.set_exception(error)
            return
        decided.set_result(None)
        await _run(context, permit, ready)
        ended.set()

    # A connection that breaks off between the commit and the run must not leave one without the other.
    context.background.start(begin(), name=f"plan-{plan.id}")
    await asyncio.shield(decided)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(context.pace.rollout_wait_s):
            await ended.wait()
    return view_for(context, call, kept(surroundings, plan))


async def until_ended(context: Context, call: Call, plan_id: str, *, patience_s: float) -> PlanView:
    """Return a plan once it has ended, or as it is when patience has."""
    ended = asyncio.Event()

    def look(_: object) -> None:
        if not kept(context.surroundings, plan).state.is_open:
            ended.set()

    plan = known_plan(context, call, plan_id)
    unsubscribe = context.surroundings.state.subscribe(look)
    try:
        look(None)
        async with asyncio.timeout(patience_s):
            await ended.wait()
    except TimeoutError:
        pass
    finally:
        unsubscribe()
    return view_for(context, call, kept(context.surroundings, plan))


def _refuse_decided(context: Context, plan: Plan) -> None:
    state = plan.state_at(context.surroundings.clock.now_ms())
    if state is PlanState.WAITING:
        return
    by = f" by {plan.decided_by}" if plan.decided_by else ""
    what = "has expired" if state is PlanState.EXPIRED else f"is {state}{by} already"
    raise Problem(
        "conflict",
        f"plan {plan.id} {what}: it is approved once, or not at all",
        hint="have it asked for anew if it is still wanted",
        extra={"state": state.value},
    )


async def _ready(context: Context, call: Call, plan: Plan, approved_by: str) -> _Ready:
    """Return a plan as it can be run now.

    Raises _Stale when it cannot be any more, and Problem when that cannot be said at the moment.
    """
    via = f"plan {plan.id} approved by {call.known().name}"
    asker = call_of(context.surroundings, plan.asker, via=via)
    if isinstance(asker, NotAdmitted):
        raise _Stale(asker.reason)
    asker = replace(asker, approved_by=approved_by)
    tool = REGISTRY.get(plan.tool)
    if tool is None:
        raise _Stale(f"this version has no tool {plan.tool}")
    try:
        arguments = open_plan_arguments(plan, context.surroundings.cluster.keyring())
        given = tool.input_model.model_validate(json.loads(arguments))
    except SealBroken as error:
        raise Problem("unavailable", "this node cannot open the plan's arguments", retry_after_s=5) from error
    except ValidationError as error:
        raise _Stale(f"this version's {plan.tool} takes other arguments") from error
    try:
        preview = await tool.foresee(context, asker, given)
    except Problem as problem:
        if problem.kind in _PASSING:
            raise
        raise _Stale(f"for {plan.asker.name}: {problem.detail}") from problem
    if fingerprint(canonical(given), preview) != plan.fingerprint:
        raise _Stale("what it was made against has changed since")
    return _Ready(plan=plan, tool=tool, call=asker, given=given, preview=preview)


async def _set_aside(context: Context, call: Call, plan: Plan, why: str) -> Problem:
    """Close a plan that cannot be run as it was shown, and return what its approver is told (409)."""
    command = decision_of(plan, call, PlanVerdict.SET_ASIDE, clip(why, TEXT_CHARS_MAX))

    async def change(permit: Permit) -> None:
        await permit.propose(command, reason=why)

    with context.surroundings.state.read() as txn:
        target = plan_target(txn, plan)
    await context.authority.perform(call, APPROVE, target, change)
    return Problem(
        "conflict",
        f"plan {plan.id} is stale and nothing was done: {why}",
        hint="have it asked for anew if it is still wanted",
        extra={"state": PlanState.STALE.value},
    )


async def _run(context: Context, permit: Permit, ready: _Ready) -> None:
    """Do what was approved, and write down how it ended. Raises nothing but cancellation."""
    plan = ready.plan
    state, outcome = await _outcome(context, ready)
    log.info("plan.ended", extra={"plan_id": plan.id, "tool": plan.tool, "state": state.value})
    command = EndPlan(plan_id=plan.id, state=state, outcome=clip(outcome, _OUTCOME_CHARACTERS_MAX))
    for _ in range(END_TRIES):
        try:
            await permit.propose(command)
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning("plan.end_delayed", extra={"plan_id": plan.id, "reason": str(error)})
            await asyncio.sleep(END_RETRY_S)
        except Problem as problem:
            # Written by the try before, whose answer was lost.
            log.warning("plan.end_refused", extra={"plan_id": plan.id, "reason": problem.detail})
            return
        else:
            return


async def _outcome(context: Context, ready: _Ready) -> tuple[PlanState, str]:
    try:
        async with asyncio.timeout(RUN_TIMEOUT_S):
            result = await ready.tool.carry_out(context, ready.call, ready.given, ready.preview)
    except TimeoutError:
        return PlanState.UNKNOWN, f"it did not end within {RUN_TIMEOUT_S:.0f} s, and may have taken effect"
    except Exception as error:
        problem = problem_of(error, request_id=ready.call.request_id)
        state = PlanState.UNKNOWN if problem.kind in _UNKNOWN else PlanState.FAILED
        return state, problem.detail + (f"; {problem.hint}" if problem.hint else "")
    return PlanState.DONE, outcome_of(result)


def outcome_of(result: ToolResult) -> str:
    """Return what is kept of a result: what was done, to which revisions, where to look.

    Not the rest: it was made for who asked, and may show what others are not to see, as values of an
    environment.
    """
    told = result.structured or {}
    done, following, services = told.get("done"), told.get("next"), told.get("services")
    parts = [done] if isinstance(done, str) else []
    for each in services if isinstance(services, list) else []:
        if isinstance(each, dict) and {"service", "revision"} <= each.keys():
            parts.append(f"{each['service']} revision {each['revision']}")
    parts += [following] if isinstance(following, str) and following else []
    return "; ".join(parts) or "done"

"""Handlers of the commands on plans.

That a plan is decided once, and so begun once, is what these keep: whoever approves at another node at the
same moment finds it decided.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.commands.plans import DecidePlan, EndPlan, MakePlan
from cluster.model.events import EventKind, EventSubject, Severity
from cluster.model.plans import (
    ENDED_KEPT,
    ENDED_KEPT_MS,
    OPEN_MAX,
    OPEN_OF_ASKER_MAX,
    Plan,
    PlanState,
    PlanVerdict,
)
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event
from cluster.store.records import PLANS

_STATES = {
    PlanVerdict.APPROVE: PlanState.RUNNING,
    PlanVerdict.REFUSE: PlanState.REFUSED,
    PlanVerdict.WITHDRAW: PlanState.WITHDRAWN,
    PlanVerdict.SET_ASIDE: PlanState.STALE,
}
_WORDS = {
    PlanState.RUNNING: "approves",
    PlanState.REFUSED: "refuses",
    PlanState.WITHDRAWN: "withdraws",
}


def make_plan(entry: Entry, command: MakePlan) -> Outcome:
    plan = command.plan
    if PLANS.get(entry.txn, plan.id) is not None:
        return Rejected(f"there is a plan {plan.id} already", Code.ALREADY_EXISTS)
    if plan.expires_at_ms <= entry.now_ms:
        return Rejected(f"plan {plan.id} has expired already", Code.EXPIRED)
    known = PLANS.scan(entry.txn)
    still_open = [each for each in known if each.state_at(entry.now_ms).is_open]
    asked = sum(each.asker.principal_id == plan.asker.principal_id for each in still_open)
    if asked >= OPEN_OF_ASKER_MAX:
        return Rejected(
            f"{asked} plans of {plan.asker.name} are open, which is the most: have some decided or withdrawn",
            Code.FULL,
        )
    if len(still_open) >= OPEN_MAX:
        return Rejected(f"{OPEN_MAX} plans are open, which is the most: have some decided first", Code.FULL)
    _forget(entry, known)
    after = replace(plan, made_at_ms=entry.now_ms, version=1)
    PLANS.put(entry.txn, after)
    _tell(entry, after, EventKind.PLAN_WAITING, f"A plan waits for approval: {plan.summary}")
    return Applied(plan.id)


def decide_plan(entry: Entry, command: DecidePlan) -> Outcome:
    plan = PLANS.get(entry.txn, command.plan_id)
    if plan is None:
        return _no_plan(command.plan_id)
    state = plan.state_at(entry.now_ms)
    if state is PlanState.EXPIRED:
        return Rejected(f"plan {plan.id} has expired: it has to be asked for anew", Code.EXPIRED)
    if state is not PlanState.WAITING:
        return Rejected(f"plan {plan.id} is {state}: it was decided", Code.VERSION_CONFLICT)
    after = replace(
        plan,
        state=_STATES[command.verdict],
        version=plan.version + 1,
        decided_by=command.by,
        decided_by_principal=command.by_principal,
        decided_through=command.through,
        decided_at_ms=entry.now_ms,
        comment=command.comment,
        node_id=command.node_id,
    )
    if not after.state.is_open:
        after = replace(after, sealed_arguments=b"", ended_at_ms=entry.now_ms)
    PLANS.put(entry.txn, after)
    if after.state is PlanState.STALE:
        summary = f"A plan is set aside: {plan.summary}"
    else:
        summary = f"{command.by} {_WORDS[after.state]} a plan: {plan.summary}"
    _tell(entry, after, EventKind.PLAN_DECIDED, summary)
    return Applied(after.version)


def end_plan(entry: Entry, command: EndPlan) -> Outcome:
    plan = PLANS.get(entry.txn, command.plan_id)
    if plan is None:
        return _no_plan(command.plan_id)
    if plan.state is not PlanState.RUNNING:
        return Rejected(f"plan {plan.id} is {plan.state}, and does not run", Code.VERSION_CONFLICT)
    after = replace(
        plan,
        state=command.state,
        version=plan.version + 1,
        sealed_arguments=b"",
        ended_at_ms=entry.now_ms,
        outcome=command.outcome,
    )
    PLANS.put(entry.txn, after)
    severity = Severity.INFO if command.state is PlanState.DONE else Severity.WARNING
    _tell(entry, after, EventKind.PLAN_ENDED, f"A plan ended as {command.state}: {plan.summary}", severity)
    return Applied(after.version)


def _forget(entry: Entry, known: list[Plan]) -> None:
    """Make room: what has ended long ago, or is more than is kept, goes. The audit knows of it."""
    ended = sorted(
        (each for each in known if not each.state_at(entry.now_ms).is_open),
        key=lambda each: (each.ended_at_ms or each.expires_at_ms, each.id),
    )
    spare = max(0, len(ended) - ENDED_KEPT + 1)
    for number, each in enumerate(ended):
        if number < spare or (each.ended_at_ms or each.expires_at_ms) + ENDED_KEPT_MS <= entry.now_ms:
            PLANS.delete(entry.txn, each.id)


def _tell(entry: Entry, plan: Plan, kind: EventKind, summary: str, severity: Severity | None = None) -> None:
    services = plan.touches.services
    record_event(
        entry,
        kind,
        # What is about several services is told to who may be told of all.
        subject=EventSubject(service_id=services[0] if len(services) == 1 else ""),
        summary=summary,
        details={
            "plan": plan.id,
            "tool": plan.tool,
            "state": plan.state.value,
            "asked_by": plan.asker.name,
            "by": plan.decided_by,
            "comment": plan.comment,
        },
        severity=severity,
    )


def _no_plan(plan_id: str) -> Rejected:
    return Rejected(f"there is no plan {plan_id}", Code.NOT_FOUND)

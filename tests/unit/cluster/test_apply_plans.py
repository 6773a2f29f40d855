"""What the log keeps of plans: each is decided once, and so begun once."""

from __future__ import annotations

import pytest

from cluster.commands import Code
from cluster.commands.plans import DecidePlan, EndPlan, MakePlan
from cluster.model.events import EventKind
from cluster.model.plans import (
    ENDED_KEPT,
    ENDED_KEPT_MS,
    OPEN_MAX,
    OPEN_OF_ASKER_MAX,
    RUN_MS_MAX,
    Plan,
    PlanDemand,
    PlanRules,
    PlanState,
    PlanVerdict,
    default_plan_values,
    plan_rules,
)
from cluster.rbac.planning import ToolUse, why_planned
from cluster.store.records import EVENTS, PLANS
from tests.support.state_builders import START_MS, Replica, a_plan


def approve(plan_id: str = "pl_1", node: str = "n1") -> DecidePlan:
    return DecidePlan(plan_id=plan_id, verdict=PlanVerdict.APPROVE, by="eve", node_id=node)


def refuse(plan_id: str = "pl_1") -> DecidePlan:
    return DecidePlan(plan_id=plan_id, verdict=PlanVerdict.REFUSE, by="eve")


def the_plan(replica: Replica, plan_id: str = "pl_1") -> Plan:
    plan = PLANS.get(replica.txn, plan_id)
    assert plan is not None
    return plan


def with_plan() -> Replica:
    replica = Replica()
    replica.must(MakePlan(plan=a_plan()))
    return replica


def test_of_two_who_approve_at_two_hosts_one_begins_it() -> None:
    replica = with_plan()
    replica.must(approve(node="n1"))
    assert replica.refusal(approve(node="n2")).code is Code.VERSION_CONFLICT
    plan = the_plan(replica)
    assert (plan.state, plan.node_id, plan.decided_at_ms) == (PlanState.RUNNING, "n1", replica.now_ms)


@pytest.mark.parametrize("verdict", [each for each in PlanVerdict if each is not PlanVerdict.APPROVE])
def test_what_was_turned_down_is_not_approved_and_its_arguments_are_gone(verdict: PlanVerdict) -> None:
    replica = with_plan()
    replica.must(DecidePlan(plan_id="pl_1", verdict=verdict, by="eve"))
    assert replica.refusal(approve()).code is Code.VERSION_CONFLICT
    assert not the_plan(replica).state.is_open
    assert the_plan(replica).sealed_arguments == b""


def test_what_has_expired_is_not_approved() -> None:
    replica = with_plan()
    replica.now_ms = the_plan(replica).expires_at_ms
    assert replica.refusal(approve()).code is Code.EXPIRED
    assert the_plan(replica).state_at(replica.now_ms) is PlanState.EXPIRED


def test_a_plan_that_ended_does_not_end_again() -> None:
    replica = with_plan()
    assert replica.refusal(EndPlan(plan_id="pl_1", state=PlanState.DONE)).code is Code.VERSION_CONFLICT
    replica.must(approve())
    replica.must(EndPlan(plan_id="pl_1", state=PlanState.DONE, outcome="3 replicas"))
    assert replica.refusal(EndPlan(plan_id="pl_1", state=PlanState.FAILED)).code is Code.VERSION_CONFLICT
    plan = the_plan(replica)
    assert (plan.state, plan.outcome, plan.sealed_arguments) == (PlanState.DONE, "3 replicas", b"")


def test_the_end_of_a_plan_whose_host_died_is_not_known_after_a_while() -> None:
    replica = with_plan()
    replica.must(approve())
    plan = the_plan(replica)
    assert plan.state_at(replica.now_ms + RUN_MS_MAX - 1) is PlanState.RUNNING
    assert plan.state_at(replica.now_ms + RUN_MS_MAX) is PlanState.UNKNOWN
    replica.now_ms += RUN_MS_MAX
    assert replica.refusal(approve()).code is Code.VERSION_CONFLICT


def test_nobody_fills_the_list_for_everybody() -> None:
    replica = Replica()
    for number in range(OPEN_OF_ASKER_MAX):
        replica.must(MakePlan(plan=a_plan(f"pl_{number}")))
    assert replica.refusal(MakePlan(plan=a_plan("pl_more"))).code is Code.FULL
    for number in range(OPEN_MAX - OPEN_OF_ASKER_MAX):
        replica.must(MakePlan(plan=a_plan(f"pl_o{number}", asker=f"asker{number // OPEN_OF_ASKER_MAX}")))
    assert replica.refusal(MakePlan(plan=a_plan("pl_last", asker="bob"))).code is Code.FULL
    replica.must(refuse("pl_0"))
    replica.must(MakePlan(plan=a_plan("pl_more")))


def test_plans_that_ended_are_kept_in_number_and_time() -> None:
    replica = Replica()
    for number in range(ENDED_KEPT + 3):
        replica.must(MakePlan(plan=a_plan(f"pl_{number:04d}", expires_at_ms=replica.now_ms + 60_000)))
        replica.must(refuse(f"pl_{number:04d}"))
        replica.now_ms += 1
    kept = [plan.id for plan in PLANS.scan(replica.txn)]
    assert (len(kept), kept[0]) == (ENDED_KEPT, "pl_0003")
    replica.now_ms += ENDED_KEPT_MS
    replica.must(MakePlan(plan=a_plan("pl_new", expires_at_ms=replica.now_ms + 60_000)))
    assert [plan.id for plan in PLANS.scan(replica.txn)] == ["pl_new"]


def test_people_are_told_that_a_plan_waits_who_decided_and_how_it_ended() -> None:
    replica = with_plan()
    replica.must(approve())
    replica.must(EndPlan(plan_id="pl_1", state=PlanState.DONE))
    assert [event.kind for event in EVENTS.scan(replica.txn)] == [
        EventKind.PLAN_WAITING,
        EventKind.PLAN_DECIDED,
        EventKind.PLAN_ENDED,
    ]
    assert {event.subject.service_id for event in EVENTS.scan(replica.txn)} == {"shop.web"}


def test_a_plan_that_cannot_wait_is_not_kept() -> None:
    replica = Replica()
    late = MakePlan(plan=a_plan(expires_at_ms=START_MS))
    assert replica.refusal(late).code is Code.EXPIRED
    with pytest.raises(ValueError, match="a new plan waits"):
        MakePlan(plan=a_plan(state=PlanState.RUNNING))
    with pytest.raises(ValueError, match="who approves says where it runs"):
        DecidePlan(plan_id="pl_1", verdict=PlanVerdict.APPROVE, by="eve")


def a_use(**fields: object) -> ToolUse:
    defaults: dict[str, object] = {"via": "mcp", "is_reading": False, "is_destructive": True}
    return ToolUse(**{**defaults, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("use", "demand", "is_planned"),
    [
        (a_use(), PlanDemand.DESTRUCTIVE, True),
        (a_use(via="assistant"), PlanDemand.DESTRUCTIVE, True),
        (a_use(via="rest"), PlanDemand.ALL, False),
        (a_use(is_reading=True, is_tainted=True), PlanDemand.ALL, False),
        (a_use(is_destructive=False), PlanDemand.DESTRUCTIVE, False),
        (a_use(is_destructive=False), PlanDemand.ALL, True),
        (a_use(), PlanDemand.NONE, False),
        (a_use(is_destructive=False, is_tainted=True), PlanDemand.NONE, True),
        (a_use(is_destructive=False, denial="binding:bd_1#0"), PlanDemand.NONE, True),
    ],
)
def test_what_a_program_changes_becomes_a_plan_where_it_has_to(
    use: ToolUse, demand: PlanDemand, is_planned: bool
) -> None:
    assert (why_planned(use, PlanRules(required=demand)) is not None) is is_planned


def test_settings_of_plans_are_safe_by_default_and_wrong_ones_named() -> None:
    assert plan_rules({}) == plan_rules(default_plan_values()) == PlanRules()
    assert plan_rules({"plans.required": "all", "plans.four_eyes": "true"}).four_eyes
    with pytest.raises(ValueError, match=r"plans\.required 'some': one of none, destructive, all"):
        plan_rules({"plans.required": "some"})

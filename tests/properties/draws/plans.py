"""Plans that are made, decided by several at once, run and end, in time and too late."""

from __future__ import annotations

from cluster.commands import plans
from cluster.model.plans import PlanState, PlanVerdict
from cluster.store.records import PLANS
from tests.properties.draws.context import Choices, Draw
from tests.support.state_builders import a_plan


def plan_commands(draw: Draw) -> Choices:
    rng = draw.rng
    present = [each.id for each in PLANS.scan(draw.txn, limit=50)]
    plan_id = draw.mostly(present, ["pl_1", "pl_2", "pl_3"])
    verdict = rng.choice(list(PlanVerdict))
    return [
        lambda: plans.MakePlan(
            plan=a_plan(f"pl_{rng.randrange(1, 30)}", expires_at_ms=draw.soon(), asker=rng.choice("abc"))
        ),
        lambda: plans.DecidePlan(
            plan_id=plan_id,
            verdict=verdict,
            by="eve",
            node_id="n1" if verdict is PlanVerdict.APPROVE else "",
        ),
        lambda: plans.EndPlan(
            plan_id=plan_id,
            state=rng.choice([PlanState.DONE, PlanState.FAILED, PlanState.UNKNOWN]),
            outcome="it went as it went",
        ),
    ]

"""A rollout goes on under the next leader, wherever the one before it died."""

from __future__ import annotations

import pytest

from cluster.commands import Code, Rejected
from cluster.model.ids import ServiceId
from cluster.model.rollout import RolloutPhase
from cluster.model.service import RolloutPolicy
from tests.simulation.orchestration import Behaviour
from tests.simulation.orchestration_leader import Death, LedWorld
from tests.support.state_builders import a_spec

WEB = ServiceId("shop.web")
POLICY = RolloutPolicy(monitor_ms=300, drain_timeout_ms=2_000, start_deadline_ms=5_000, retries=0)
LIMIT_MS = 180_000


async def roll(*, die_at: int = 0, death: Death = Death.BEFORE, image: str = "v2") -> LedWorld:
    """Deploy, then deploy another image, with the leader dying at proposal `die_at` of the second one."""
    led = LedWorld(seed=die_at)
    world = led.world
    world.behaviours["bad"] = Behaviour(is_good=False)

    def has_ended(count: int) -> bool:
        ended = [rollout for rollout in world.rollouts(WEB) if rollout.phase.is_terminal]
        return len(ended) == count and world.is_at_rest()

    world.deploy(a_spec("v1"), policy=POLICY)
    await led.lead(lambda: None, until=lambda: has_ended(1), limit_ms=LIMIT_MS)
    led.proposals = 0
    led.die_at, led.death = die_at, death

    def deploy_another() -> None:
        world.deploy(a_spec(image), policy=POLICY)

    await led.lead(deploy_another, until=lambda: has_ended(2), limit_ms=LIMIT_MS)
    return led


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize(
    ("image", "phase", "revision"),
    [("v2", RolloutPhase.SUCCEEDED, 2), ("bad", RolloutPhase.ROLLED_BACK, 1)],
)
async def test_a_leader_that_dies_at_any_step_is_replaced_and_the_rollout_ends(
    death: Death, image: str, phase: RolloutPhase, revision: int
) -> None:
    undisturbed = await roll(image=image)
    steps = undisturbed.proposals
    assert steps > 5
    for die_at in range(1, steps + 1):
        led = await roll(die_at=die_at, death=death, image=image)
        newest = led.world.rollouts(WEB)[0]
        assert newest.phase is phase, (die_at, newest)
        assert {copy.revision for copy in led.world.assignments()} == {revision}
        led.world.check_final()
        for outcome in led.late_outcomes:
            assert isinstance(outcome, Rejected), (die_at, outcome)
            assert outcome.code is Code.FENCED

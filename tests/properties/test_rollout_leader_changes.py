"""A rollout goes on under the next leader, wherever the one before it died."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from cluster.commands import Code, Rejected
from cluster.commands.services import SteerRollout
from cluster.model.ids import ServiceId
from cluster.model.rollout import RolloutPhase, StagePhase, Steer
from cluster.model.service import RolloutPolicy
from cluster.model.strategy import Analysis, BlueGreen, Canary, Shift, Strategy, TrafficStep
from tests.simulation.orchestration import Behaviour, World
from tests.simulation.orchestration_leader import Death, LedWorld
from tests.simulation.orchestration_traffic import Answers
from tests.support.state_builders import a_spec

WEB = ServiceId("shop.web")
STEPS = (TrafficStep(permille=250, hold_ms=12_000), TrafficStep(permille=1000))
POLICY = RolloutPolicy(
    monitor_ms=300,
    drain_timeout_ms=2_000,
    start_deadline_ms=5_000,
    retries=0,
    shift=Shift(
        blue_green=BlueGreen(steps=STEPS, monitor_ms=2_000, keep_ms=3_000),
        canary=Canary(steps=STEPS),
        analysis=Analysis(warmup_ms=0, failure_rate_margin=0.2),
    ),
)
LIMIT_MS = 300_000


@dataclass(frozen=True, slots=True)
class Story:
    """What is deployed, what a person asks once the rollout watches its first share, and how it ends."""

    strategy: Strategy
    image: str
    phase: RolloutPhase
    revision: int
    steer: Steer | None = None


STORIES = {
    "rolling": Story(Strategy.ROLLING, "v2", RolloutPhase.SUCCEEDED, 2),
    "rolling that does not start": Story(Strategy.ROLLING, "bad", RolloutPhase.ROLLED_BACK, 1),
    "blue-green": Story(Strategy.BLUE_GREEN, "v2", RolloutPhase.SUCCEEDED, 2),
    "blue-green that does not start": Story(Strategy.BLUE_GREEN, "bad", RolloutPhase.ROLLED_BACK, 1),
    "canary": Story(Strategy.CANARY, "v2", RolloutPhase.SUCCEEDED, 2),
    "canary that is worse": Story(Strategy.CANARY, "failing", RolloutPhase.ROLLED_BACK, 1),
    "canary that is aborted": Story(Strategy.CANARY, "v2", RolloutPhase.ROLLED_BACK, 1, Steer.ABORT),
    "canary that is promoted": Story(Strategy.CANARY, "failing", RolloutPhase.SUCCEEDED, 2, Steer.PROMOTE),
}


async def roll(story: Story, *, die_at: int = 0, death: Death = Death.BEFORE) -> LedWorld:
    """Deploy, then deploy another image, with the leader dying at proposal `die_at` of the second one."""
    led = LedWorld(seed=die_at)
    world = led.world
    world.behaviours["bad"] = Behaviour(is_good=False)
    world.traffic.answers["failing"] = Answers(failure_rate=0.5)
    policy = replace(POLICY, shift=replace(POLICY.shift, strategy=story.strategy))

    def has_ended(count: int) -> bool:
        ended = [rollout for rollout in world.rollouts(WEB) if rollout.phase.is_terminal]
        return len(ended) == count and world.is_at_rest()

    world.deploy(a_spec("v1"), policy=policy)
    await led.lead(lambda: None, until=lambda: has_ended(1), limit_ms=LIMIT_MS)
    world.traffic.requests_per_s[WEB] = 10
    led.proposals = 0
    led.die_at, led.death = die_at, death

    def deploy_another() -> None:
        world.deploy(a_spec(story.image), policy=policy)

    await led.lead(deploy_another, until=steered(world, story, lambda: has_ended(2)), limit_ms=LIMIT_MS)
    return led


def steered(world: World, story: Story, is_over: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it is over; until then, the story's person asks once."""
    asked: list[Steer] = []
    seen = -1

    def look() -> bool:
        nonlocal seen
        if seen == world.replica.index:
            # Nothing was committed since the last look.
            return False
        seen = world.replica.index
        rollout = world.rollouts(WEB)[0]
        is_watching = rollout.stage is not None and rollout.stage.phase is StagePhase.WATCHING
        if story.steer is not None and is_watching and not asked and not rollout.phase.is_terminal:
            asked.append(story.steer)
            world.must(
                SteerRollout(rollout_id=rollout.id, steer=story.steer, by="ann"),
                client="person",
                leader_term=0,
            )
        return is_over()

    return look


DEATHS = tuple(Death)
IS_WHOLE = os.environ.get("HYPOTHESIS_PROFILE", "dev") != "dev"
PARTS = [
    pytest.param(death, part, id=f"{death}-{part}")
    for number, death in enumerate(DEATHS)
    for part in range(len(DEATHS))
    if IS_WHOLE or part == number
]
"""Every kind of death at a third of the steps each, all steps together; with `make verify`, at every step."""


@pytest.mark.parametrize(("death", "part"), PARTS)
@pytest.mark.parametrize("name", STORIES)
async def test_a_leader_that_dies_at_any_step_is_replaced_and_the_rollout_ends(
    death: Death, part: int, name: str
) -> None:
    story = STORIES[name]
    undisturbed = await roll(story)
    steps = undisturbed.proposals
    assert steps > 5
    for die_at in range(1 + part, steps + 1, len(DEATHS)):
        led = await roll(story, die_at=die_at, death=death)
        newest = led.world.rollouts(WEB)[0]
        assert newest.phase is story.phase, (die_at, newest)
        assert {copy.revision for copy in led.world.assignments()} == {story.revision}
        assert led.world.traffic.lost.get(WEB, 0) == 0
        led.world.check_final()
        for outcome in led.late_outcomes:
            assert isinstance(outcome, Rejected), (die_at, outcome)
            assert outcome.code is Code.FENCED

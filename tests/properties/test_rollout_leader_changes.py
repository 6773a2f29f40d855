"""A rollout goes on under the next leader, wherever the one before it died."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from cluster.commands import Code, Rejected
from cluster.commands.services import AttemptRevision, StartExperiment, SteerRollout
from cluster.model.experiment import Experiment, Match, MatchKind
from cluster.model.hooks import Hook
from cluster.model.ids import ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase, Steer
from cluster.model.service import Aim, RolloutPolicy
from cluster.model.strategy import Analysis, BlueGreen, Canary, Shift, Strategy, TrafficStep
from tests.simulation.orchestration import Behaviour, World
from tests.simulation.orchestration_leader import Death, LedWorld
from tests.simulation.orchestration_traffic import Answers
from tests.support.state_builders import a_spec
from tests.support.whole_run import IS_WHOLE

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


Act = Callable[[World, Rollout], object]


@dataclass(frozen=True, slots=True)
class Story:
    """What is deployed, what a person does once the rollout is in phase `at` (None: has ended), and how the
    newest one ends.
    """

    strategy: Strategy
    image: str
    phase: RolloutPhase
    revision: int
    act: Act | None = None
    at: StagePhase | None = StagePhase.WATCHING
    needs_approval: bool = False
    rollouts: int = 2
    pre_deploy: tuple[Hook, ...] = ()
    post_deploy: tuple[Hook, ...] = ()
    experiment: Experiment | None = None

    @property
    def policy_with_hooks(self) -> RolloutPolicy:
        return replace(self.policy, pre_deploy=self.pre_deploy, post_deploy=self.post_deploy)

    @property
    def policy(self) -> RolloutPolicy:
        steps = (replace(STEPS[0], needs_approval=self.needs_approval), *STEPS[1:])
        canary = replace(POLICY.shift.canary, steps=steps)
        return replace(POLICY, shift=replace(POLICY.shift, strategy=self.strategy, canary=canary))


def ask(steer: Steer) -> Act:
    def act(world: World, rollout: Rollout) -> None:
        command = SteerRollout(rollout_id=rollout.id, steer=steer, by="ann")
        world.must(command, client="person", leader_term=0)

    return act


def deploy_newer(world: World, _rollout: Rollout) -> None:
    view = world.view(WEB)
    assert view is not None
    world.deploy(a_spec("v3"), policy=view.service.policy)


def go_back(world: World, _rollout: Rollout) -> None:
    command = AttemptRevision(service_id=WEB, revision=1, aim=Aim.ROLLBACK, by="ann")
    world.must(command, client="person", leader_term=0)


MATCHES = (Match(kind=MatchKind.HEADER, name="X-Beta", value="yes"),)
GOOD, BAD = (Hook(command=(word,), timeout_ms=4_000) for word in ("good", "bad"))
STORIES = {
    "rolling": Story(Strategy.ROLLING, "v2", RolloutPhase.SUCCEEDED, 2),
    "rolling that does not start": Story(Strategy.ROLLING, "bad", RolloutPhase.ROLLED_BACK, 1),
    "rolling with hooks": Story(
        Strategy.ROLLING, "v2", RolloutPhase.SUCCEEDED, 2, pre_deploy=(GOOD,), post_deploy=(GOOD,)
    ),
    "blue-green whose last hook fails": Story(
        Strategy.BLUE_GREEN, "v2", RolloutPhase.ROLLED_BACK, 1, pre_deploy=(GOOD,), post_deploy=(BAD,)
    ),
    "blue-green": Story(Strategy.BLUE_GREEN, "v2", RolloutPhase.SUCCEEDED, 2),
    "blue-green that does not start": Story(Strategy.BLUE_GREEN, "bad", RolloutPhase.ROLLED_BACK, 1),
    "blue-green that is taken back": Story(
        Strategy.BLUE_GREEN, "v2", RolloutPhase.SUCCEEDED, 1, act=go_back, at=None, rollouts=3
    ),
    "canary": Story(Strategy.CANARY, "v2", RolloutPhase.SUCCEEDED, 2),
    "canary that is worse": Story(Strategy.CANARY, "failing", RolloutPhase.ROLLED_BACK, 1),
    "canary that is aborted": Story(Strategy.CANARY, "v2", RolloutPhase.ROLLED_BACK, 1, act=ask(Steer.ABORT)),
    "canary that is promoted": Story(
        Strategy.CANARY, "failing", RolloutPhase.SUCCEEDED, 2, act=ask(Steer.PROMOTE)
    ),
    "canary that is approved": Story(
        Strategy.CANARY,
        "v2",
        RolloutPhase.SUCCEEDED,
        2,
        act=ask(Steer.APPROVE),
        at=StagePhase.APPROVAL,
        needs_approval=True,
    ),
    "canary that is superseded": Story(
        Strategy.CANARY, "v2", RolloutPhase.SUCCEEDED, 3, act=deploy_newer, rollouts=3
    ),
    "experiment that its date ends": Story(
        Strategy.ROLLING,
        "failing",
        RolloutPhase.ROLLED_BACK,
        1,
        experiment=Experiment(replicas=2, permille=250, matches=MATCHES, for_ms=12_000),
    ),
    "experiment that a person ends for b": Story(
        Strategy.ROLLING,
        "v2",
        RolloutPhase.SUCCEEDED,
        2,
        act=ask(Steer.PROMOTE),
        experiment=Experiment(replicas=1, matches=MATCHES),
    ),
}


async def roll(story: Story, *, die_at: int = 0, death: Death = Death.BEFORE) -> LedWorld:
    """Deploy, then deploy another image, with the leader dying at proposal `die_at` of the second one."""
    led = LedWorld(seed=die_at)
    world = led.world
    world.behaviours["bad"] = Behaviour(is_good=False)
    world.traffic.answers["failing"] = Answers(failure_rate=0.5)
    policy = story.policy

    def has_ended(count: int) -> bool:
        ended = [rollout for rollout in world.rollouts(WEB) if rollout.phase.is_terminal]
        return len(ended) == count and world.is_at_rest()

    world.deploy(a_spec("v1"), policy=policy)
    await led.lead(lambda: None, until=lambda: has_ended(1), limit_ms=LIMIT_MS)
    world.traffic.requests_per_s[WEB] = 10
    world.traffic.matching[WEB] = 0.3
    led.proposals = 0
    led.die_at, led.death = die_at, death

    def deploy_another() -> None:
        if story.experiment is None:
            world.deploy(a_spec(story.image), policy=story.policy_with_hooks)
        else:
            command = StartExperiment(
                service_id=WEB, spec=a_spec(story.image), experiment=story.experiment, by="ann"
            )
            world.must(command, client="person", leader_term=0)

    await led.lead(
        deploy_another, until=acted(world, story, lambda: has_ended(story.rollouts)), limit_ms=LIMIT_MS
    )
    return led


def acted(world: World, story: Story, is_over: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it is over; before, the story's person acts once."""
    seen, has_acted = -1, False

    def look() -> bool:
        nonlocal seen, has_acted
        if seen == world.replica.index:
            # Nothing was committed since the last look.
            return False
        seen = world.replica.index
        rollout = world.rollouts(WEB)[0]
        stage = rollout.stage
        if rollout.phase.is_terminal:
            is_there = story.at is None and rollout.to_revision == 2
        else:
            is_there = stage is not None and stage.phase is story.at
        if story.act is not None and is_there and not has_acted:
            has_acted = True
            story.act(world, rollout)
        return is_over()

    return look


DEATHS = tuple(Death)
PARTS = len(DEATHS)
MAIN = ("rolling", "blue-green", "canary")


def is_run(name: str, death: int, part: int) -> bool:
    """Whether a leader dies this way at this third of the story's steps, in a run that is not whole.

    The three strategies have a death at every step, the other stories at a third of theirs.
    """
    if name in MAIN:
        return part == death
    turn = list(STORIES).index(name)
    return (death, part) == (turn % PARTS, turn // PARTS % PARTS)


CASES = [
    pytest.param(name, death, part, id=f"{name}-{death}-{part}")
    for name in STORIES
    for number, death in enumerate(DEATHS)
    for part in range(PARTS)
    if IS_WHOLE or is_run(name, number, part)
]


@pytest.mark.parametrize(("name", "death", "part"), CASES)
async def test_a_leader_that_dies_at_any_step_is_replaced_and_the_rollout_ends(
    name: str, death: Death, part: int
) -> None:
    story = STORIES[name]
    undisturbed = await roll(story)
    steps = undisturbed.proposals
    assert steps > 5
    for die_at in range(1 + part, steps + 1, PARTS):
        led = await roll(story, die_at=die_at, death=death)
        newest = led.world.rollouts(WEB)[0]
        assert newest.phase is story.phase, (die_at, newest)
        assert {copy.revision for copy in led.world.assignments()} == {story.revision}
        assert led.world.traffic.lost.get(WEB, 0) == 0
        assert set(led.world.hooks.begun.values()) <= {1}
        led.world.check_final()
        for outcome in led.late_outcomes:
            assert isinstance(outcome, Rejected), (die_at, outcome)
            assert outcome.code is Code.FENCED

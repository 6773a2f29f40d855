"""Staged rollouts under traffic, from the first replica to the last request, and every way back."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cluster.commands.services import AttemptRevision, SetSplit, SteerRollout
from cluster.model.ids import NodeId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase, Steer
from cluster.model.service import Aim, FailureAction, ReplicaPhase, RolloutPolicy, Service
from cluster.model.strategy import (
    Analysis,
    BlueGreen,
    Canary,
    InconclusiveAction,
    Shift,
    Strategy,
    TrafficStep,
)
from tests.simulation.orchestration import Behaviour, World
from tests.simulation.orchestration_traffic import Answers
from tests.support.state_builders import a_spec
from tests.support.whole_run import IS_WHOLE

WEB = ServiceId("shop.web")
STEPS = (
    TrafficStep(permille=100, hold_ms=30_000),
    TrafficStep(permille=500, hold_ms=30_000),
    TrafficStep(permille=1000),
)
STAGED = (Strategy.BLUE_GREEN, Strategy.CANARY)
SEEDS = range(4 if IS_WHOLE else 1)


def a_policy(strategy: Strategy, **fields: Any) -> RolloutPolicy:
    steps = fields.pop("steps", STEPS)
    blue_green = {"keep_ms": 30_000, "monitor_ms": 10_000, **fields.pop("blue_green", {})}
    shift = Shift(
        strategy=strategy,
        blue_green=BlueGreen(steps=steps, **blue_green),
        canary=Canary(steps=steps),
        analysis=fields.pop("analysis", Analysis(warmup_ms=5_000)),
    )
    policy = RolloutPolicy(
        monitor_ms=1_000,
        drain_timeout_ms=2_000,
        start_deadline_ms=10_000,
        progress_deadline_ms=60_000,
        retries=0,
        shift=shift,
    )
    return replace(policy, **fields)


@dataclass
class Shop:
    """A service with traffic, rolled out once and at rest."""

    world: World
    policy: RolloutPolicy
    replicas: int = 4

    @property
    def service(self) -> Service:
        view = self.world.view(WEB)
        assert view is not None
        return view.service

    @property
    def rollout(self) -> Rollout:
        return self.world.rollouts(WEB)[0]

    @property
    def share(self) -> int:
        """What the newest rollout's revision gets, in permille."""
        assert self.rollout.stage is not None
        return self.service.split.permille_of(self.rollout.stage.colour)

    @property
    def lost(self) -> int:
        return self.world.traffic.lost.get(WEB, 0)

    def deploy(self, image: str) -> None:
        self.world.deploy(a_spec(image), replicas=self.replicas, policy=self.policy)
        self.world.run(1)

    def steer(self, steer: Steer) -> None:
        self.world.must(
            SteerRollout(rollout_id=self.rollout.id, steer=steer, by="ann"), client="person", leader_term=0
        )

    def ask_back(self, revision: int) -> None:
        self.world.must(
            AttemptRevision(service_id=WEB, revision=revision, aim=Aim.ROLLBACK, by="ann"),
            client="person",
            leader_term=0,
        )

    def set_split(self, green_permille: int) -> None:
        self.world.must(
            SetSplit(service_id=WEB, green_permille=green_permille, by="ann"), client="person", leader_term=0
        )

    def until(self, phase: StagePhase, index: int = 0, limit_ms: int = 600_000) -> None:
        """Let time pass until the rollout is there."""
        for _ in range(limit_ms // 20):
            stage = self.rollout.stage
            if stage is not None and (stage.index, stage.phase) == (index, phase):
                return
            self.world.run(20)
        raise AssertionError((phase, index, self.world.describe()))

    def until_end(self, limit_ms: int = 1_800_000) -> Rollout:
        for _ in range(limit_ms // 500):
            if self.rollout.phase.is_terminal:
                return self.rollout
            self.world.run(500)
        raise AssertionError(self.world.describe())

    def running(self) -> set[int]:
        return {copy.revision for copy in self.world.assignments()}


def a_shop(
    strategy: Strategy,
    *,
    seed: int = 0,
    hosts: tuple[str, ...] = ("h1", "h2", "h3"),
    requests_per_s: float = 60.0,
    **fields: Any,
) -> Shop:
    world = World(hosts, rng=random.Random(seed))
    world.behaviours |= {
        "crashing": Behaviour(is_good=False),
        "brief": Behaviour(lasts_ms=30_000, phase=ReplicaPhase.UNHEALTHY),
    }
    world.traffic.answers |= {"failing": Answers(failure_rate=0.05), "slow": Answers(latency_ms=60)}
    shop = Shop(world, a_policy(strategy, **fields))
    shop.deploy("v1")
    world.settle()
    if requests_per_s:
        world.traffic.requests_per_s[WEB] = requests_per_s / len(hosts)
    world.run(10_000)
    return shop


# ---- forward ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STAGED)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_revision_gets_all_requests_step_by_step_and_none_is_lost(
    strategy: Strategy, seed: int
) -> None:
    shop = a_shop(strategy, seed=seed)
    shop.deploy("v2")
    shares = set()
    while not shop.rollout.phase.is_terminal:
        shares.add(shop.service.split.green_permille)
        shop.world.run(1_000)
    assert shares == {0, 100, 500, 1000}
    assert shop.rollout.phase is RolloutPhase.SUCCEEDED, shop.rollout.reason
    assert shop.rollout.verdict.startswith("undecided")
    assert shop.rollout.evidence is not None
    assert shop.service.stable_revision == 2
    shop.world.settle()
    shop.world.run(40_000)
    shop.world.check_final()
    assert shop.running() == {2}
    assert shop.world.traffic.sent[WEB] > 5_000
    assert shop.lost == 0


def test_a_canary_has_its_replicas_before_its_share() -> None:
    shop = a_shop(Strategy.CANARY)
    shop.deploy("v2")
    seen: dict[int, int] = {}
    while not shop.rollout.phase.is_terminal:
        view = shop.world.view(WEB)
        assert view is not None
        able = sum(view.is_available(copy) for copy in view.assignments if copy.revision == 2)
        seen[shop.share] = min(able, seen.get(shop.share, able))
        shop.world.run(100)
    assert {share: seen[share] for share in (100, 500, 1000)} == {100: 1, 500: 3, 1000: 4}


def test_the_next_rollout_uses_the_other_colour() -> None:
    shop = a_shop(Strategy.CANARY, analysis=Analysis(is_on=False))
    for number, green_permille in ((2, 1000), (3, 0), (4, 1000)):
        shop.deploy(f"v{number}")
        assert shop.until_end().phase is RolloutPhase.SUCCEEDED
        assert shop.service.split.green_permille == green_permille
    assert shop.lost == 0


def test_blue_green_without_enough_traffic_to_judge_by_switches_at_once_and_says_so() -> None:
    shop = a_shop(Strategy.BLUE_GREEN, requests_per_s=0.3)
    shop.deploy("v2")
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert "the first step is 100 %" in ended.reason
    assert ended.stage is not None
    assert len(ended.stage.steps) == 1


def test_a_canary_leaves_out_steps_with_too_little_traffic_and_says_so() -> None:
    analysis = Analysis(warmup_ms=0, failure_rate_margin=0.1)
    shop = a_shop(Strategy.CANARY, requests_per_s=6, analysis=analysis)
    shop.deploy("v2")
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert "are left out: 10 %" in ended.reason
    assert ended.stage is not None
    assert [step.permille for step in ended.stage.steps] == [500, 1000]


def test_what_is_replaced_is_kept_for_its_time_and_then_taken_down() -> None:
    shop = a_shop(Strategy.BLUE_GREEN)
    shop.deploy("v2")
    assert "revision 1 is kept for 30 s" in shop.until_end().reason
    shop.world.run(25_000)
    assert shop.running() == {1, 2}
    shop.world.run(10_000)
    assert shop.running() == {2}
    assert shop.service.kept is None
    assert shop.lost == 0


# ---- back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STAGED)
@pytest.mark.parametrize(("image", "word"), [("failing", "failed"), ("slow", "latency|took longer")])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_worse_revision_is_taken_back_while_it_has_a_part_of_the_requests(
    strategy: Strategy, image: str, word: str, seed: int
) -> None:
    shop = a_shop(strategy, seed=seed)
    shop.deploy(image)
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "revision 2 is worse" in ended.reason
    assert re.search(word, ended.reason)
    assert ended.evidence is not None
    assert shop.service.split.green_permille == 0
    shop.world.settle()
    shop.world.check_final()
    assert shop.running() == {1}
    assert shop.lost == 0


@pytest.mark.parametrize("strategy", STAGED)
def test_a_revision_that_does_not_start_gets_no_request(strategy: Strategy) -> None:
    shop = a_shop(strategy)
    token = shop.service.split.token
    shop.deploy("crashing")
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "cannot open the database" in ended.reason
    assert shop.service.split.token == token
    assert shop.running() == {1}


@pytest.mark.parametrize("strategy", STAGED)
def test_a_revision_whose_replicas_all_become_unhealthy_is_taken_back_at_once(strategy: Strategy) -> None:
    shop = a_shop(strategy)
    shop.deploy("brief")
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "unhealthy" in ended.reason
    assert shop.service.split.green_permille == 0


@pytest.mark.parametrize("strategy", STAGED)
@pytest.mark.parametrize(
    ("phase", "index"),
    [
        (StagePhase.DEPLOYING, 0),
        (StagePhase.SWITCHING, 0),
        (StagePhase.WATCHING, 0),
        (StagePhase.WATCHING, 1),
        (StagePhase.WATCHING, 2),
        (StagePhase.RETIRING, 2),
    ],
)
def test_it_is_aborted_in_any_phase_without_a_lost_request(
    strategy: Strategy, phase: StagePhase, index: int
) -> None:
    shop = a_shop(strategy, blue_green={"keep_ms": 0})
    shop.deploy("v2")
    shop.until(phase, index)
    shop.steer(Steer.ABORT)
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason == "back on revision 1: aborted by ann"
    assert shop.service.split.green_permille == 0
    shop.world.run(20_000)
    assert shop.running() == {1}
    assert shop.lost == 0


def test_inside_the_time_it_is_kept_the_way_back_is_one_commit() -> None:
    shop = a_shop(Strategy.BLUE_GREEN)
    shop.deploy("v2")
    shop.until_end()
    shop.world.run(5_000)
    before = shop.world.transitions
    shop.ask_back(1)
    shop.world.lead()
    assert shop.world.transitions - before == 1
    assert shop.service.split.green_permille == 0
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED
    assert (shop.service.stable_revision, shop.service.kept) == (1, None)
    assert shop.running() == {1}
    assert shop.lost == 0


def test_a_step_of_blue_green_that_nothing_speaks_against_is_passed_after_a_longer_look() -> None:
    shop = a_shop(Strategy.BLUE_GREEN, requests_per_s=6)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING)
    began_ms = shop.world.now_ms
    shop.until(StagePhase.WATCHING, 1)
    assert shop.world.now_ms - began_ms > 60_000
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED


def test_once_it_is_gone_the_way_back_is_a_rollout_without_steps() -> None:
    shop = a_shop(Strategy.CANARY)
    shop.deploy("v2")
    shop.until_end()
    shop.world.run(10_000)
    shop.ask_back(1)
    shop.world.lead()
    began_ms = shop.world.now_ms
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert shop.world.now_ms - began_ms < 20_000
    assert shop.service.stable_revision == 1
    assert shop.lost == 0


def test_a_router_that_never_shares_as_ordered_ends_the_rollout() -> None:
    shop = a_shop(Strategy.CANARY, requests_per_s=0, analysis=Analysis(is_on=False))
    shop.deploy("v2")
    shop.until(StagePhase.DEPLOYING)
    shop.world.run(1_000)
    deaf = shop.world.hosts[NodeId("h3")]
    deaf.is_deaf = True
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.FAILED
    assert "not every router" in ended.reason
    deaf.is_deaf = False
    shop.world.settle()
    shop.world.check_final()
    assert shop.running() == {1}


# ---- people ----------------------------------------------------------------------------------------------


def test_nobody_who_approves_within_the_time_is_a_no() -> None:
    shop = a_shop(Strategy.BLUE_GREEN, blue_green={"is_promoted_by_itself": False, "approval_ms": 30_000})
    shop.deploy("v2")
    shop.until(StagePhase.APPROVAL)
    assert shop.share == 0
    assert "approve" in shop.rollout.reason
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "nobody approved it within 30 s" in ended.reason


def test_a_preview_is_small_until_somebody_approves() -> None:
    shop = a_shop(Strategy.BLUE_GREEN, blue_green={"is_promoted_by_itself": False, "preview_replicas": 1})
    shop.deploy("v2")
    shop.until(StagePhase.APPROVAL)
    assert sum(copy.revision == 2 for copy in shop.world.assignments()) == 1
    shop.steer(Steer.APPROVE)
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED
    assert shop.lost == 0


def test_a_step_that_wants_approval_is_left_with_it() -> None:
    steps = (replace(STEPS[0], needs_approval=True), STEPS[2])
    shop = a_shop(Strategy.CANARY, steps=steps)
    shop.deploy("v2")
    shop.until(StagePhase.APPROVAL)
    shop.world.run(120_000)
    assert shop.share == 100
    shop.steer(Steer.APPROVE)
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED


def test_a_gate_does_not_keep_a_worse_revision_in_service() -> None:
    steps = (TrafficStep(permille=100, hold_ms=1_000, needs_approval=True), STEPS[2])
    shop = a_shop(Strategy.CANARY, steps=steps, analysis=Analysis(warmup_ms=0, requests_min=0))
    shop.deploy("v2")
    shop.until(StagePhase.APPROVAL)
    shop.world.traffic.answers["v2"] = Answers(failure_rate=0.3)
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "is worse" in ended.reason


@pytest.mark.parametrize("strategy", STAGED)
def test_paused_it_keeps_both_revisions_and_the_shares_and_goes_on_where_it_was(strategy: Strategy) -> None:
    shop = a_shop(strategy)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING, 1)
    shop.steer(Steer.PAUSE)
    shop.world.run(150_000)
    assert shop.rollout.phase is RolloutPhase.PAUSED
    assert (shop.share, shop.running()) == (500, {1, 2})
    shop.steer(Steer.RESUME)
    shop.world.run(10_000)
    assert shop.rollout.phase is RolloutPhase.RUNNING
    assert shop.rollout.stage is not None
    assert (shop.rollout.stage.index, shop.rollout.stage.phase) == (1, StagePhase.WATCHING)
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED
    assert shop.lost == 0


def test_shares_set_by_hand_pause_it_and_it_goes_on_from_them() -> None:
    shop = a_shop(Strategy.BLUE_GREEN)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING, 0)
    shop.set_split(300)
    shop.world.run(60_000)
    assert shop.rollout.phase is RolloutPhase.PAUSED
    assert shop.share == 300
    shop.steer(Steer.RESUME)
    shop.until(StagePhase.WATCHING, 1)
    assert shop.share == 500
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED
    assert shop.lost == 0


@pytest.mark.parametrize("strategy", STAGED)
def test_promoted_it_skips_the_steps_and_the_judge(strategy: Strategy) -> None:
    shop = a_shop(strategy, blue_green={"keep_ms": 0})
    shop.deploy("failing")
    shop.until(StagePhase.WATCHING, 0)
    shop.steer(Steer.PROMOTE)
    began_ms = shop.world.now_ms
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert "promoted by ann" in ended.reason
    assert shop.world.now_ms - began_ms < 20_000
    assert shop.lost == 0


# ---- what a failure does ---------------------------------------------------------------------------------


def test_with_pause_a_worse_revision_keeps_its_share_for_a_person() -> None:
    shop = a_shop(Strategy.CANARY, failure_action=FailureAction.PAUSE)
    shop.deploy("failing")
    for _ in range(200):
        shop.world.run(1_000)
    assert shop.rollout.phase is RolloutPhase.PAUSED
    assert "for a person to decide" in shop.rollout.reason
    assert shop.share > 0
    shop.steer(Steer.ABORT)
    assert shop.until_end().phase is RolloutPhase.ROLLED_BACK
    assert shop.lost == 0


@pytest.mark.parametrize(
    ("action", "phase"),
    [
        (InconclusiveAction.PAUSE, RolloutPhase.PAUSED),
        (InconclusiveAction.PROMOTE, RolloutPhase.SUCCEEDED),
        (InconclusiveAction.ROLLBACK, RolloutPhase.ROLLED_BACK),
    ],
)
def test_a_step_that_cannot_be_judged_is_held_longer_and_then_does_as_told(
    action: InconclusiveAction, phase: RolloutPhase
) -> None:
    analysis = Analysis(warmup_ms=0, requests_min=30, on_inconclusive=action)
    shop = a_shop(Strategy.CANARY, requests_per_s=6, analysis=analysis, steps=(STEPS[0], STEPS[2]))
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING)
    # The traffic that the plan counted on is gone.
    shop.world.traffic.requests_per_s[WEB] = 0.4
    shop.world.run(300_000)
    assert shop.rollout.phase is phase
    if phase is RolloutPhase.PAUSED:
        assert "too-little" in shop.rollout.reason
        shop.steer(Steer.RESUME)
        assert shop.until_end().phase is RolloutPhase.SUCCEEDED


def test_without_any_figures_it_waits_and_is_then_taken_back() -> None:
    shop = a_shop(Strategy.CANARY, analysis=Analysis(warmup_ms=0, silence_ms=60_000))
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING)
    del shop.world.traffic.requests_per_s[WEB]
    shop.world.run(90_000)
    assert (shop.rollout.phase, shop.share) == (RolloutPhase.RUNNING, 100)
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "nobody knows how revision 2 does" in ended.reason


def crash(shop: Shop, revision: int) -> None:
    for host in shop.world.hosts.values():
        for container in host.containers.values():
            if container.key.revision == revision:
                container.phase = ReplicaPhase.EXITED


def test_when_the_old_revision_dies_the_new_one_takes_over_unjudged() -> None:
    shop = a_shop(Strategy.CANARY)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING)
    shop.world.behaviours["v1"] = Behaviour(is_good=False)
    crash(shop, 1)
    shop.world.run(5_000)
    assert shop.share == 1000
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert "revision 1 has no healthy replica: the new one gets all requests unjudged" in ended.reason


def test_when_the_old_revision_recovers_it_has_its_requests_back_and_the_rollout_goes_on() -> None:
    shop = a_shop(Strategy.CANARY)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING, 1)
    crash(shop, 1)
    shop.world.run(5_000)
    assert shop.share == 1000
    assert "the new one has all requests meanwhile" in shop.rollout.reason
    shop.until(StagePhase.WATCHING, 1)
    assert shop.share == 500
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert not ended.is_unjudged


def test_a_canary_that_is_lost_with_its_host_is_brought_up_again() -> None:
    shop = a_shop(Strategy.CANARY, hosts=("h1", "h2", "h3", "h4"))
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING)
    [canary] = [copy for copy in shop.world.assignments() if copy.revision == 2]
    shop.world.cut(canary.node_id)
    ended = shop.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED, ended.reason


# ---- superseded ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STAGED)
@pytest.mark.parametrize("index", [0, 1, 2] if IS_WHOLE else [1])
def test_a_newer_revision_takes_the_place_of_one_on_its_way(strategy: Strategy, index: int) -> None:
    shop = a_shop(strategy)
    shop.deploy("v2")
    shop.until(StagePhase.WATCHING, index)
    shop.deploy("v3")
    assert shop.until_end().phase is RolloutPhase.SUCCEEDED
    assert shop.service.stable_revision == 3
    assert shop.world.rollouts(WEB)[1].phase is RolloutPhase.CANCELLED
    shop.world.run(40_000)
    assert shop.running() == {3}
    assert shop.lost == 0

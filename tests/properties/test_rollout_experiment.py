"""Experiments under traffic: both variants side by side, until a person or a date ends them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.commands import Code, Rejected
from cluster.commands.services import (
    AttemptRevision,
    PutService,
    ScaleService,
    SetSplit,
    StartExperiment,
    SteerRollout,
)
from cluster.model.experiment import Experiment, ExperimentRun, Match, MatchKind, Variant
from cluster.model.ids import ServiceId
from cluster.model.judging import ArmTotals
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase, Steer
from cluster.model.service import Aim, Fencing, ReplicaPhase, RolloutPolicy, Service
from cluster.model.strategy import Analysis, BlueGreen, Colour, Shift
from cluster.rollout.judge.folding import totals
from tests.simulation.orchestration import Behaviour, World
from tests.simulation.orchestration_traffic import Answers
from tests.support.state_builders import a_spec

WEB = ServiceId("shop.web")
BETA = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
POLICY = RolloutPolicy(
    monitor_ms=1_000,
    drain_timeout_ms=2_000,
    start_deadline_ms=10_000,
    progress_deadline_ms=60_000,
    retries=0,
    shift=Shift(blue_green=BlueGreen(monitor_ms=1_000, keep_ms=0), analysis=Analysis(warmup_ms=0)),
)


@dataclass
class Trial:
    """A service of three replicas with traffic, and the experiment on it."""

    world: World

    @property
    def service(self) -> Service:
        view = self.world.view(WEB)
        assert view is not None
        return view.service

    @property
    def rollout(self) -> Rollout:
        return self.world.rollouts(WEB)[0]

    @property
    def run(self) -> ExperimentRun:
        assert self.rollout.experiment is not None
        return self.rollout.experiment

    @property
    def lost(self) -> int:
        return self.world.traffic.lost.get(WEB, 0)

    def ask(self, command: object) -> Any:
        return self.world.must(command, client="person", leader_term=0)

    def refusal(self, command: object) -> Rejected:
        outcome = self.world.apply(command, client="person", leader_term=0)
        assert isinstance(outcome, Rejected), outcome
        return outcome

    def start(self, image: str = "v2", **fields: Any) -> None:
        wanted: dict[str, Any] = {"replicas": 2, "permille": 200, **fields}
        self.ask(
            StartExperiment(service_id=WEB, spec=a_spec(image), experiment=Experiment(**wanted), by="ann")
        )
        self.world.lead()

    def end(self, steer: Steer) -> None:
        self.ask(SteerRollout(rollout_id=self.rollout.id, steer=steer, by="bob"))

    def until_begun(self) -> None:
        self.until(lambda: self.run.began_at_ms > 0)

    def until_end(self) -> Rollout:
        self.until(lambda: self.rollout.phase.is_terminal)
        return self.rollout

    def until(self, is_there: Any, limit_ms: int = 600_000) -> None:
        for _ in range(limit_ms // 100):
            if is_there():
                return
            self.world.run(100)
        raise AssertionError(self.world.describe())

    def running(self) -> set[int]:
        return {copy.revision for copy in self.world.assignments()}

    def counted(self) -> tuple[ArmTotals, ArmTotals]:
        assert self.rollout.judge is not None
        return totals(self.rollout.judge)


def a_trial(seed: int = 0) -> Trial:
    world = World(("h1", "h2", "h3"), rng=random.Random(seed))
    world.behaviours |= {
        "crashing": Behaviour(is_good=False),
        "brief": Behaviour(lasts_ms=30_000, phase=ReplicaPhase.UNHEALTHY),
    }
    world.traffic.answers |= {"failing": Answers(failure_rate=0.9), "slow": Answers(latency_ms=90)}
    world.deploy(a_spec("v1"), replicas=3, policy=POLICY)
    world.settle()
    world.traffic.requests_per_s[WEB] = 20
    world.run(10_000)
    return Trial(world)


def test_both_variants_get_their_requests_and_the_date_ends_it_with_a() -> None:
    trial = a_trial()
    trial.start(for_ms=40_000)
    trial.until_begun()
    began_ms = trial.world.now_ms
    assert trial.service.split.permille_of(Colour.GREEN) == 200
    trial.world.run(35_000)
    assert trial.rollout.is_experiment
    a, b = trial.counted()
    assert a.requests + b.requests > 1_500
    assert 0.15 < b.requests / (a.requests + b.requests) < 0.25
    ended = trial.until_end()
    assert 40_000 <= trial.world.now_ms - began_ms <= 60_000
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason == "back on revision 1: the experiment's time was over"
    assert (trial.run.keep, trial.run.ended_by) == (Variant.A, "")
    assert (trial.service.revision, trial.service.stable_revision, trial.service.newest_revision) == (1, 1, 2)
    trial.world.settle()
    assert trial.running() == {1}
    assert trial.lost == 0


def test_at_its_date_b_takes_over_when_that_was_asked_for() -> None:
    trial = a_trial()
    trial.start(until_ms=trial.world.now_ms + 20_000, keep=Variant.B)
    ended = trial.until_end()
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert trial.run.keep is Variant.B
    assert trial.service.stable_revision == 2
    trial.world.settle()
    assert trial.running() == {2}
    assert len(trial.world.assignments()) == 3
    assert trial.lost == 0


@pytest.mark.parametrize(
    ("steer", "phase", "keep", "left"),
    [
        (Steer.ABORT, RolloutPhase.ROLLED_BACK, Variant.A, 1),
        (Steer.PROMOTE, RolloutPhase.SUCCEEDED, Variant.B, 2),
    ],
)
def test_a_person_ends_it_for_either_variant(
    steer: Steer, phase: RolloutPhase, keep: Variant, left: int
) -> None:
    trial = a_trial()
    trial.start()
    trial.until_begun()
    trial.world.run(20_000)
    counted = trial.counted()
    trial.end(steer)
    assert trial.until_end().phase is phase
    assert (trial.run.keep, trial.run.ended_by) == (keep, "bob")
    assert [arm.requests for arm in trial.counted()] >= [arm.requests for arm in counted]
    assert trial.service.split.targeting is None
    trial.world.settle()
    trial.world.check_final()
    assert trial.running() == {left}
    assert trial.lost == 0


def test_requests_with_the_header_are_bs_without_any_share_by_chance() -> None:
    trial = a_trial()
    trial.world.traffic.matching[WEB] = 0.1
    trial.start(permille=0, matches=(BETA,))
    trial.until_begun()
    targeting = trial.service.split.targeting
    assert targeting is not None
    assert (targeting.matches, targeting.colour, trial.service.split.green_permille) == (
        (BETA,),
        Colour.GREEN,
        0,
    )
    trial.world.run(60_000)
    a, b = trial.counted()
    assert 0.07 < b.requests / (a.requests + b.requests) < 0.13
    trial.end(Steer.ABORT)
    trial.until_end()
    assert trial.service.split.targeting is None
    assert trial.lost == 0


@pytest.mark.parametrize("image", ["failing", "slow"])
def test_however_bad_b_is_nothing_is_taken_back(image: str) -> None:
    trial = a_trial()
    trial.start(image)
    trial.until_begun()
    trial.world.run(60_000)
    assert trial.rollout.is_experiment
    assert trial.rollout.verdict == ""
    assert trial.service.split.green_permille == 200


def test_what_does_not_start_gets_no_request_and_is_given_up() -> None:
    trial = a_trial()
    token = trial.service.split.token
    trial.start("crashing")
    ended = trial.until_end()
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert "cannot open the database" in ended.reason
    assert trial.run.began_at_ms == 0
    assert trial.service.split.token == token
    assert trial.running() == {1}


def test_a_variant_that_has_nobody_lends_its_requests_and_gets_them_back() -> None:
    trial = a_trial()
    trial.start("brief")
    trial.until_begun()
    trial.until(lambda: trial.service.split.green_permille == 0)
    assert "b (revision 2) has no healthy replica" in trial.rollout.reason
    assert trial.rollout.is_experiment
    trial.until(lambda: trial.service.split.green_permille == 200)
    assert trial.rollout.is_experiment


def test_nothing_else_is_changed_while_it_goes_on_and_the_refusal_says_what_to_do() -> None:
    trial = a_trial()
    trial.start()
    commands = [
        PutService(service_id=WEB, project="shop", name="web", spec=a_spec("v3"), replicas=3, policy=POLICY),
        AttemptRevision(service_id=WEB, revision=2, aim=Aim.RETRY, by="ann"),
        ScaleService(service_id=WEB, replicas=5, by="ann"),
        SetSplit(service_id=WEB, green_permille=500, by="ann"),
        StartExperiment(
            service_id=WEB, spec=a_spec("v3"), experiment=Experiment(replicas=1, permille=10), by="ann"
        ),
    ]
    for is_begun in (False, True):
        if is_begun:
            trial.until_begun()
        for command in commands:
            refused = trial.refusal(command)
            assert refused.code is Code.IN_USE, command
            assert "tower experiment end shop.web --keep a" in refused.reason
    pause = trial.refusal(SteerRollout(rollout_id=trial.rollout.id, steer=Steer.PAUSE, by="ann"))
    assert "nothing to pause" in pause.reason
    trial.end(Steer.ABORT)
    trial.until_end()
    trial.ask(ScaleService(service_id=WEB, replicas=2, by="ann"))


def test_what_cannot_be_compared_is_refused() -> None:
    trial = a_trial()
    plan = Experiment(replicas=1, permille=10)
    same = trial.refusal(StartExperiment(service_id=WEB, spec=a_spec("v1"), experiment=plan, by="ann"))
    assert "b must differ" in same.reason
    many = Experiment(replicas=4, permille=10)
    more = trial.refusal(StartExperiment(service_id=WEB, spec=a_spec("v2"), experiment=many, by="ann"))
    assert "at most as many as a, which has 3" in more.reason
    fenced = {"fencing": Fencing.STRICT, "spec": a_spec("v1"), "replicas": 1}
    trial.ask(PutService(service_id=WEB, project="shop", name="web", policy=POLICY, **fenced))
    trial.world.lead()
    trial.world.settle()
    twice = trial.refusal(StartExperiment(service_id=WEB, spec=a_spec("v2"), experiment=plan, by="ann"))
    assert "never runs twice" in twice.reason


def test_without_a_route_it_ends_before_anything_is_started() -> None:
    trial = a_trial()
    plan = Experiment(replicas=1, permille=10)
    unrouted = a_spec("v2", route=None)
    trial.ask(StartExperiment(service_id=WEB, spec=unrouted, experiment=plan, by="ann"))
    trial.world.lead()
    assert trial.rollout.phase is RolloutPhase.FAILED
    assert "without a route" in trial.rollout.reason
    assert trial.running() == {1}
    assert trial.service.revision == 1


def test_a_lost_host_of_b_changes_nothing_but_the_host() -> None:
    trial = a_trial()
    trial.start()
    trial.until_begun()
    host = next(copy.node_id for copy in trial.world.assignments() if copy.revision == 2)
    trial.world.cut(host)
    trial.world.run(60_000)
    assert trial.rollout.is_experiment
    assert trial.rollout.stage is not None
    assert trial.rollout.stage.phase is StagePhase.WATCHING
    assert trial.service.split.green_permille == 200
    view = trial.world.view(WEB)
    assert view is not None
    assert sum(view.is_available(copy) for copy in view.assignments if copy.revision == 2) == 2

"""What the log refuses around an experiment, and what is left of one that ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.services import (
    AttemptRevision,
    CommitTransition,
    RemoveService,
    ScaleService,
    SetSplit,
    StartExperiment,
)
from cluster.model.experiment import Experiment, ExperimentRun, Match, MatchKind, Targeting, Variant
from cluster.model.ids import RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, Stage
from cluster.model.service import Aim, Fencing, Service
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.store.records import REVISIONS, SERVICES
from tests.support.state_builders import START_MS, Replica, a_node, a_service, a_spec

WEB = ServiceId("shop.web")
B = a_spec("registry.example/web:2")
PLAN = Experiment(replicas=1, permille=200, is_sticky=True, for_ms=60_000)


def a_replica(**service: Any) -> Replica:
    """A service of two replicas that runs whole, and a leader."""
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_service(**service))
    replica.lead()
    commit(replica, stable_revision=1)
    return replica


def service_of(replica: Replica) -> Service:
    found = SERVICES.get(replica.txn, WEB)
    assert found is not None
    return found


def commit(replica: Replica, **fields: Any) -> None:
    version = service_of(replica).version
    replica.must(CommitTransition(service_id=WEB, expected_version=version, **fields))


def a_start(spec: Any = B, **fields: Any) -> StartExperiment:
    return StartExperiment(service_id=WEB, spec=spec, experiment=PLAN, by="ann", **fields)


def a_rollout(replica: Replica, **fields: Any) -> Rollout:
    service = service_of(replica)
    defaults: dict[str, Any] = {
        "id": RolloutId("r1"),
        "service_id": WEB,
        "from_revision": service.stable_revision,
        "to_revision": service.revision,
        "phase": RolloutPhase.RUNNING,
        "step": 1,
        "started_at_ms": START_MS,
        "changed_at_ms": START_MS,
        "deadline_ms": START_MS + 60_000,
        "strategy": Strategy.BLUE_GREEN,
        "aim": Aim.EXPERIMENT,
        "attempt": service.attempt.number,
        "stage": Stage(steps=(TrafficStep(permille=1000),), colour=Colour.GREEN),
        "experiment": ExperimentRun(plan=PLAN, began_at_ms=START_MS),
    }
    return Rollout(**{**defaults, **fields})


def trying() -> Replica:
    """An experiment goes on."""
    replica = a_replica()
    replica.must(a_start())
    commit(replica, rollout=a_rollout(replica), green_permille=200)
    return replica


# ---- starting


def test_b_is_the_next_revision_and_the_stable_one_stays_stable() -> None:
    replica = a_replica()
    replica.must(a_start())
    service = service_of(replica)
    assert (service.stable_revision, service.revision) == (1, 2)
    assert (service.attempt.aim, service.attempt.by) == (Aim.EXPERIMENT, "ann")
    assert service.attempt.experiment == PLAN
    revision = REVISIONS.get(replica.txn, WEB, 2)
    assert revision is not None
    assert revision.spec == B


@pytest.mark.parametrize(
    ("replica", "command", "words"),
    [
        (lambda: a_replica(), a_start(a_spec()), "b must differ"),
        (lambda: a_replica(fencing=Fencing.STRICT, replicas=1), a_start(), "never runs twice"),
        (
            lambda: a_replica(),
            StartExperiment(service_id=WEB, spec=B, experiment=Experiment(replicas=3, permille=1), by="ann"),
            "at most as many as a",
        ),
        (trying, a_start(a_spec("registry.example/web:3")), "an experiment of ann"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(
    replica: Callable[[], Replica], command: StartExperiment, words: str
) -> None:
    made = replica()
    before = service_of(made)
    assert words in made.refusal(command).reason
    assert service_of(made) == before


def test_what_never_ran_whole_is_nothing_to_compare_with() -> None:
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_service())
    assert "no revision of shop.web has run whole" in replica.refusal(a_start()).reason


def test_an_experiment_waits_for_a_rollout_that_is_under_way() -> None:
    replica = a_replica()
    replica.must(a_service(spec=a_spec("registry.example/web:9")))
    commit(replica, rollout=a_rollout(replica, aim=Aim.DEPLOY, experiment=None))
    refused = replica.refusal(a_start())
    assert (refused.code, "r1 of shop.web is under way" in refused.reason) == (Code.IN_USE, True)


def test_an_attempt_of_that_kind_says_of_which_requests() -> None:
    with pytest.raises(ValueError, match="StartExperiment says"):
        AttemptRevision(service_id=WEB, revision=1, aim=Aim.EXPERIMENT, by="ann")


# ---- while it goes on


@pytest.mark.parametrize(
    "command",
    [
        a_service(spec=a_spec("registry.example/web:3")),
        AttemptRevision(service_id=WEB, revision=1, aim=Aim.ROLLBACK, by="bob"),
        ScaleService(service_id=WEB, replicas=1, by="bob"),
        SetSplit(service_id=WEB, green_permille=500, by="bob"),
    ],
    ids=["deploying", "going back", "scaling", "sharing by hand"],
)
@pytest.mark.parametrize("is_begun", [True, False])
def test_nobody_changes_what_is_being_compared(command: Any, *, is_begun: bool) -> None:
    replica = a_replica()
    replica.must(a_start())
    if is_begun:
        commit(replica, rollout=a_rollout(replica), green_permille=200)
    before = service_of(replica)
    refused = replica.refusal(command)
    assert refused.code is Code.IN_USE
    assert "tower experiment end shop.web --keep a" in refused.reason
    assert service_of(replica) == before


def test_a_service_can_be_removed_all_the_same() -> None:
    replica = trying()
    replica.must(RemoveService(service_id=WEB))
    assert service_of(replica).is_removed


def test_what_decides_before_the_shares_is_a_change_of_the_split() -> None:
    replica = trying()
    before = service_of(replica).split
    beta = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
    targeting = Targeting(colour=Colour.GREEN, matches=(beta,))
    commit(replica, green_permille=200, targeting=targeting)
    split = service_of(replica).split
    assert (split.green_permille, split.targeting) == (200, targeting)
    assert split.token > before.token
    commit(replica, green_permille=200, targeting=targeting)
    assert service_of(replica).split == split


# ---- at its end


def test_b_is_nobodys_wish_any_more_when_a_was_kept() -> None:
    replica = trying()
    run = ExperimentRun(plan=PLAN, began_at_ms=START_MS, keep=Variant.A, ended_by="ann")
    commit(replica, rollout=a_rollout(replica, phase=RolloutPhase.ROLLED_BACK, experiment=run))
    service = service_of(replica)
    assert (service.revision, service.stable_revision, service.rollout_id) == (1, 1, None)
    # Its number is not given again.
    assert replica.must(a_service(spec=a_spec("registry.example/web:3")))[0] == 3


def test_b_is_the_service_when_it_was_kept() -> None:
    replica = trying()
    run = ExperimentRun(plan=PLAN, began_at_ms=START_MS, keep=Variant.B, ended_by="ann")
    ended = a_rollout(replica, phase=RolloutPhase.SUCCEEDED, experiment=run)
    commit(replica, rollout=ended, stable_revision=2)
    service = service_of(replica)
    assert (service.revision, service.stable_revision) == (2, 2)


# ---- what one may ask for


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        (MatchKind.HEADER, "X Beta", "1", "1 to 64 letters"),
        (MatchKind.HEADER, "Host", "1", "use it themselves"),
        (MatchKind.HEADER, "X-Tower-Colour", "blue", "use it themselves"),
        (MatchKind.COOKIE, "tower-share", "1", "use it themselves"),
        (MatchKind.COOKIE, "plan", 'a"b', "1 to 128 letters"),
        (MatchKind.COOKIE, "plan", "a`b", "1 to 128 letters"),
        (MatchKind.HEADER, "X-Beta", "a b", "1 to 128 letters"),
        (MatchKind.HEADER, "X-Beta", "a\nb", "1 to 128 letters"),
        (MatchKind.HEADER, "X-Beta", "", "1 to 128 letters"),
    ],
)
def test_names_and_values_are_such_that_no_router_takes_them_for_anything_else(
    kind: MatchKind, name: str, value: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Match(kind=kind, name=name, value=value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "b would get no requests"),
        ({"permille": 1000}, "permille"),
        ({"permille": 100, "for_ms": 10, "until_ms": 0}, "for_ms"),
        ({"permille": 100, "for_ms": 60_000, "until_ms": 1}, "give one of the two"),
        ({"matches": (Match(kind=MatchKind.HEADER, name="X-B", value="1"),), "is_sticky": True}, "is_sticky"),
    ],
)
def test_an_experiment_that_makes_no_sense_cannot_be_written_down(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Experiment(replicas=1, **fields)

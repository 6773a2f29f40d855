"""What people ask of services and their rollouts, and what the leader commits of it."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.services import (
    AssignmentOrder,
    AttemptRevision,
    CommitTransition,
    RemoveService,
    ScaleService,
    SetSplit,
    SteerRollout,
)
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase, Steer, Steering
from cluster.model.service import Aim, DesiredState, Kept, Service, Split
from cluster.model.strategy import Colour, Strategy, TrafficStep
from cluster.store.records import ASSIGNMENTS, ROLLOUTS, SERVICES
from tests.support.state_builders import START_MS, Replica, a_node, a_service, a_spec

WEB = ServiceId("shop.web")
STAGE = Stage(steps=(TrafficStep(permille=1000),), colour=Colour.GREEN)


def a_replica() -> Replica:
    """A host, a service with revisions 1 (stable) and 2, and a leader."""
    replica = Replica()
    replica.must(a_node("n1"))
    replica.must(a_service())
    replica.must(a_service(spec=a_spec("registry.example/web:2")))
    replica.lead()
    commit(replica, stable_revision=1)
    return replica


def service_of(replica: Replica) -> Service:
    found = SERVICES.get(replica.txn, WEB)
    assert found is not None
    return found


def rollout_of(replica: Replica) -> Rollout:
    found = ROLLOUTS.get(replica.txn, "r1")
    assert found is not None
    return found


def a_transition(replica: Replica, **fields: Any) -> CommitTransition:
    return CommitTransition(service_id=WEB, expected_version=service_of(replica).version, **fields)


def commit(replica: Replica, **fields: Any) -> None:
    replica.must(a_transition(replica, **fields))


def a_rollout(phase: RolloutPhase = RolloutPhase.RUNNING, **fields: Any) -> Rollout:
    defaults: dict[str, Any] = {"strategy": Strategy.CANARY, "stage": STAGE, **fields}
    return Rollout(
        id=RolloutId("r1"),
        service_id=WEB,
        from_revision=1,
        to_revision=2,
        phase=phase,
        step=1,
        started_at_ms=START_MS,
        changed_at_ms=START_MS,
        deadline_ms=START_MS,
        **defaults,
    )


def in_phase(phase: StagePhase) -> Stage:
    return Stage(steps=STAGE.steps, colour=Colour.GREEN, phase=phase)


def serving(colour: Colour, ordinal: int = 0) -> AssignmentOrder:
    revision = 1 if colour is Colour.BLUE else 2
    return AssignmentOrder(
        revision=revision,
        ordinal=ordinal,
        node_id=NodeId("n1"),
        desired=DesiredState.SERVING,
        colour=colour,
    )


def steer(what: Steer) -> SteerRollout:
    return SteerRollout(rollout_id=RolloutId("r1"), steer=what, by="ann", reason="why not")


def share(green_permille: int) -> SetSplit:
    return SetSplit(service_id=WEB, green_permille=green_permille, by="ann")


def attempt(revision: int, **fields: Any) -> AttemptRevision:
    return AttemptRevision(
        **{"service_id": WEB, "revision": revision, "aim": Aim.ROLLBACK, "by": "ann", **fields}
    )


# ---- attempts --------------------------------------------------------------------------------------------


def test_each_deployment_is_another_attempt_and_says_whose() -> None:
    replica = a_replica()
    before = service_of(replica).attempt
    replica.must(a_service(spec=a_spec("registry.example/web:3"), created_by="u2", is_unjudged=True))
    after = service_of(replica).attempt
    assert (after.number, after.aim, after.by, after.is_unjudged) == (
        before.number + 1,
        Aim.DEPLOY,
        "u2",
        True,
    )


def test_an_earlier_revision_is_attempted_again_without_a_new_number() -> None:
    replica = a_replica()
    commit(replica, stable_revision=2)
    before = service_of(replica)
    assert list(replica.must(attempt(1))) == [1, before.version + 1]
    after = service_of(replica)
    assert (after.revision, after.newest_revision) == (1, 2)
    assert (after.attempt.number, after.attempt.aim, after.attempt.by) == (
        before.attempt.number + 1,
        Aim.ROLLBACK,
        "ann",
    )


def test_a_new_spec_after_a_roll_back_gets_a_number_that_was_never_used() -> None:
    replica = a_replica()
    commit(replica, stable_revision=2)
    replica.must(attempt(1))
    assert replica.must(a_service(spec=a_spec("registry.example/web:3")))[0] == 3


def test_what_runs_is_not_attempted_and_what_is_under_way_not_twice() -> None:
    replica = a_replica()
    assert "is what runs" in replica.refusal(attempt(1)).reason
    commit(replica, rollout=a_rollout())
    assert "abort rollout r1" in replica.refusal(attempt(1)).reason
    assert replica.refusal(attempt(2)).code is Code.IN_USE
    assert replica.refusal(attempt(9)).code is Code.NOT_FOUND


def test_the_same_revision_is_attempted_again_once_its_rollout_ended() -> None:
    replica = a_replica()
    commit(replica, rollout=a_rollout(RolloutPhase.ROLLED_BACK))
    before = service_of(replica).attempt.number
    replica.must(attempt(2, aim=Aim.RETRY))
    assert service_of(replica).attempt.number == before + 1


@pytest.mark.parametrize(
    "command",
    [attempt(2), share(0), ScaleService(service_id=WEB, replicas=3)],
    ids=lambda each: type(each).__name__,
)
def test_nothing_is_asked_of_a_service_that_is_being_removed(command: object) -> None:
    replica = a_replica()
    replica.must(RemoveService(service_id=WEB))
    assert replica.refusal(command).code is Code.IN_USE


def test_scaling_changes_the_number_and_nothing_else() -> None:
    replica = a_replica()
    before = service_of(replica)
    assert replica.must(ScaleService(service_id=WEB, replicas=7)) == before.version + 1
    assert (service_of(replica).replicas, service_of(replica).attempt) == (7, before.attempt)
    assert replica.must(ScaleService(service_id=WEB, replicas=7)) == before.version + 1
    stale = ScaleService(service_id=WEB, replicas=8, expected_version=before.version)
    assert replica.refusal(stale).code is Code.VERSION_CONFLICT


# ---- steering --------------------------------------------------------------------------------------------


def test_what_is_asked_is_kept_with_the_rollout_until_the_leader_carries_it_out() -> None:
    replica = a_replica()
    commit(replica, rollout=a_rollout())
    version = service_of(replica).version
    assert replica.must(steer(Steer.ABORT)) == version + 1
    assert rollout_of(replica).steering == Steering(
        steer=Steer.ABORT, by="ann", at_ms=START_MS, reason="why not"
    )
    stale = CommitTransition(service_id=WEB, expected_version=version, rollout=a_rollout())
    assert replica.refusal(stale).code is Code.VERSION_CONFLICT


@pytest.mark.parametrize(
    ("rollout", "allowed"),
    [
        (a_rollout(), {Steer.PAUSE, Steer.PROMOTE, Steer.ABORT}),
        (a_rollout(strategy=Strategy.ROLLING, stage=None), {Steer.PAUSE, Steer.ABORT}),
        (a_rollout(stage=in_phase(StagePhase.APPROVAL)), set(Steer) - {Steer.RESUME}),
        (a_rollout(stage=in_phase(StagePhase.RETIRING)), {Steer.PROMOTE, Steer.ABORT}),
        (a_rollout(RolloutPhase.PAUSED), {Steer.RESUME, Steer.PROMOTE, Steer.ABORT}),
        (a_rollout(RolloutPhase.ROLLING_BACK), set()),
        (a_rollout(RolloutPhase.SUCCEEDED), set()),
    ],
    ids=["running", "rolling", "approval", "retiring", "paused", "rolling back", "ended"],
)
def test_each_state_has_what_can_be_asked_in_it(rollout: Rollout, allowed: set[Steer]) -> None:
    for what in Steer:
        replica = a_replica()
        commit(replica, rollout=rollout)
        if what in allowed:
            replica.must(steer(what))
        else:
            refused = replica.refusal(steer(what))
            assert refused.code is Code.INVALID
            assert "r1" in refused.reason


def test_a_rollout_that_is_not_there_cannot_be_steered() -> None:
    assert a_replica().refusal(steer(Steer.ABORT)).code is Code.NOT_FOUND


# ---- shares of the requests ------------------------------------------------------------------------------


def test_a_share_by_hand_has_the_index_as_its_token_and_says_whose_it_is() -> None:
    replica = a_replica()
    commit(replica, orders=(serving(Colour.BLUE), serving(Colour.GREEN)))
    token = replica.must(share(250))
    assert token == replica.index
    assert service_of(replica).split == Split(
        green_permille=250, token=token, changed_at_ms=START_MS, by="ann"
    )


@pytest.mark.parametrize(("colour", "permille"), [(Colour.BLUE, 1), (Colour.GREEN, 999)])
def test_nobody_is_sent_to_a_colour_without_a_replica(colour: Colour, permille: int) -> None:
    replica = a_replica()
    commit(replica, orders=(serving(colour),))
    refused = replica.refusal(share(permille))
    assert refused.code is Code.INVALID
    assert f"no {colour.other} replica" in refused.reason


def test_sharing_by_hand_pauses_the_rollout_under_way() -> None:
    replica = a_replica()
    commit(replica, rollout=a_rollout(), orders=(serving(Colour.BLUE), serving(Colour.GREEN)))
    replica.must(share(300))
    paused = rollout_of(replica)
    assert (paused.phase, paused.paused_ms) == (RolloutPhase.PAUSED, START_MS)
    assert "ann shared the requests by hand" in paused.reason
    replica.now_ms += 5_000
    replica.must(share(400))
    assert rollout_of(replica).paused_ms == START_MS


@pytest.mark.parametrize(
    "rollout",
    [a_rollout(RolloutPhase.ROLLING_BACK), a_rollout(stage=in_phase(StagePhase.RETIRING))],
    ids=["rolling back", "retiring"],
)
def test_shares_are_not_set_by_hand_while_one_revision_is_taken_down(rollout: Rollout) -> None:
    replica = a_replica()
    commit(replica, rollout=rollout, orders=(serving(Colour.BLUE), serving(Colour.GREEN)))
    assert replica.refusal(share(300)).code is Code.IN_USE


def test_a_committed_share_gets_a_token_only_when_it_changes() -> None:
    replica = a_replica()
    commit(replica, green_permille=100)
    split = service_of(replica).split
    assert (split.green_permille, split.token, split.by) == (100, replica.index, "")
    commit(replica, green_permille=100)
    assert service_of(replica).split == split


def test_a_replica_keeps_the_colour_it_began_with() -> None:
    replica = a_replica()
    commit(replica, orders=(serving(Colour.GREEN),))
    again = AssignmentOrder(
        revision=2, ordinal=0, node_id=NodeId("n1"), desired=DesiredState.DRAINING, colour=Colour.BLUE
    )
    commit(replica, orders=(again,))
    [copy] = ASSIGNMENTS.scan(replica.txn, WEB)
    assert (copy.colour, copy.desired) == (Colour.GREEN, DesiredState.DRAINING)


# ---- what is kept ----------------------------------------------------------------------------------------


def test_what_was_replaced_is_kept_until_that_is_ended() -> None:
    replica = a_replica()
    kept = Kept(revision=1, colour=Colour.BLUE, until_ms=START_MS + 1_000)
    commit(replica, kept=kept, stable_revision=2)
    commit(replica)
    assert service_of(replica).kept == kept
    replica.must(a_service(spec=a_spec("registry.example/web:3")))
    assert service_of(replica).kept == kept
    commit(replica, is_kept_ended=True)
    assert service_of(replica).kept is None


def test_only_a_revision_that_is_there_is_kept() -> None:
    replica = a_replica()
    unknown = Kept(revision=9, colour=Colour.BLUE, until_ms=START_MS)
    assert replica.refusal(a_transition(replica, kept=unknown)).code is Code.NOT_FOUND

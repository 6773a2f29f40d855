"""What hosts may say of hooks, and when it counts."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.commands.outcome import Code
from cluster.commands.services import CommitTransition, RemoveService, ReportHook
from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.store.records import ROLLOUTS, SERVICES
from tests.support.state_builders import Replica, a_node, a_service

WEB = ServiceId("shop.web")
RO = RolloutId("ro_1")


def a_run(phase: HookPhase = HookPhase.ORDERED) -> HookRun:
    return HookRun(
        kind=HookKind.PRE,
        number=0,
        hook=Hook(command=("/app/migrate",)),
        phase=phase,
        node_id=NodeId("n1"),
        attempts=2,
    )


def a_report(phase: HookPhase, **fields: Any) -> ReportHook:
    defaults: dict[str, Any] = {
        "node_id": NodeId("n1"),
        "rollout_id": RO,
        "kind": HookKind.PRE,
        "number": 0,
        "attempt": 2,
    }
    return ReportHook(phase=phase, **{**defaults, **fields})


class State(Replica):
    """A rollout with one hook."""

    def __init__(self, run: HookRun, phase: RolloutPhase = RolloutPhase.RUNNING) -> None:
        super().__init__()
        self.lead()
        self.must(a_node("n1"))
        self.must(a_service())
        rollout = Rollout(
            id=RO,
            service_id=WEB,
            from_revision=0,
            to_revision=1,
            phase=phase,
            step=0,
            started_at_ms=self.now_ms,
            changed_at_ms=self.now_ms,
            deadline_ms=self.now_ms + 60_000,
            hooks=(run,),
        )
        self.must(CommitTransition(service_id=WEB, expected_version=1, rollout=rollout))

    @property
    def run(self) -> HookRun:
        rollout = ROLLOUTS.get(self.txn, RO)
        assert rollout is not None
        return rollout.hooks[0]

    @property
    def version(self) -> int:
        service = SERVICES.get(self.txn, WEB)
        assert service is not None
        return service.version


def test_a_hook_begins_and_ends_with_log_time_and_a_new_version_each() -> None:
    state = State(a_run())
    state.now_ms += 1_000
    assert state.must(a_report(HookPhase.RUNNING)) == state.version == 3
    assert (state.run.phase, state.run.since_ms) == (HookPhase.RUNNING, state.now_ms)
    failed = a_report(HookPhase.FAILED, exit_code=3, reason="ended with exit code 3", tail="no table")
    state.must(failed)
    assert (state.run.phase, state.run.exit_code, state.run.tail) == (HookPhase.FAILED, 3, "no table")
    assert state.version == 4


def test_a_leader_that_has_not_seen_the_end_of_a_hook_cannot_overwrite_it() -> None:
    state = State(a_run())
    rollout = ROLLOUTS.get(state.txn, RO)
    state.must(a_report(HookPhase.RUNNING))
    stale = CommitTransition(service_id=WEB, expected_version=2, rollout=rollout)
    assert state.refusal(stale).code is Code.VERSION_CONFLICT
    assert state.run.phase is HookPhase.RUNNING


def test_a_repeated_report_changes_nothing() -> None:
    state = State(a_run())
    assert state.must(a_report(HookPhase.RUNNING)) == state.must(a_report(HookPhase.RUNNING)) == 3


@pytest.mark.parametrize(
    "late",
    [
        {"attempt": 1},
        {"node_id": NodeId("n2")},
        {"number": 1},
        {"kind": HookKind.POST},
    ],
)
def test_who_is_not_asked_may_not_begin(late: dict[str, Any]) -> None:
    state = State(a_run())
    assert "does not ask" in state.refusal(a_report(HookPhase.RUNNING, **late)).reason
    assert state.run.phase is HookPhase.ORDERED


@pytest.mark.parametrize("phase", [RolloutPhase.ROLLING_BACK, RolloutPhase.FAILED])
def test_a_hook_of_a_rollout_that_does_not_go_on_may_not_begin(phase: RolloutPhase) -> None:
    state = State(a_run(), phase)
    assert state.refusal(a_report(HookPhase.RUNNING)).code is Code.INVALID


@pytest.mark.parametrize("phase", [HookPhase.SUCCEEDED, HookPhase.FAILED, HookPhase.LOST])
def test_a_known_outcome_is_not_changed(phase: HookPhase) -> None:
    state = State(a_run(phase))
    assert state.refusal(a_report(HookPhase.SUCCEEDED)).code is Code.INVALID
    assert state.run.phase is phase


def test_what_has_not_begun_cannot_have_succeeded_but_may_have_failed() -> None:
    state = State(a_run())
    assert "has not begun" in state.refusal(a_report(HookPhase.SUCCEEDED)).reason
    state.must(a_report(HookPhase.FAILED, reason="cannot pull"))
    assert state.run.phase is HookPhase.FAILED


def test_a_rollout_nobody_knows_is_said_so() -> None:
    state = State(a_run())
    state.must(RemoveService(service_id=WEB))
    assert state.refusal(a_report(HookPhase.RUNNING, rollout_id="ro_9")).code is Code.NOT_FOUND

"""Single decisions about the commands before and after a rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun, hook_container_name
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.model.rollout import Rollout, RolloutPhase, Steer, Steering, StepPhase
from cluster.model.service import Aim, Attempt, FailureAction, RolloutPolicy, VolumeKind, VolumeMount
from cluster.model.strategy import Shift, Strategy
from cluster.rollout import ServiceView, resume
from cluster.rollout.hooks import ATTEMPTS_MAX, RETURN_MS, SILENCE_MS
from tests.support.state_builders import a_spec
from tests.unit.cluster.test_rollout_decisions import (
    NOW_MS,
    WEB,
    a_node,
    a_rollout,
    a_step,
    a_view,
    decision,
    orders,
    rollout_of,
)

MIGRATE = Hook(command=("/app/migrate",), timeout_ms=30_000)
WARM = Hook(command=("/app/warm",), timeout_ms=30_000)
OLD = "1/0@h1 serving healthy"
NEW = "2/0@h2 serving healthy"
DOWN = a_node("h2", NodeStatus.DOWN)


def a_policy(**fields: Any) -> RolloutPolicy:
    return RolloutPolicy(**{"monitor_ms": 0, "pre_deploy": (MIGRATE,), **fields})


def a_run(phase: HookPhase, kind: HookKind = HookKind.PRE, **fields: Any) -> HookRun:
    defaults: dict[str, Any] = {"number": 0, "hook": MIGRATE, "attempts": 1, "since_ms": NOW_MS - 1_000}
    if phase.is_at_host:
        defaults |= {"node_id": NodeId("h2"), "deadline_ms": NOW_MS + 5_000}
    return HookRun(kind=kind, phase=phase, **{**defaults, **fields})


def with_run(run: HookRun, **fields: Any) -> ServiceView:
    """A rollout from 1 to 2 of which nothing but this run has happened."""
    rollout = replace(a_rollout(), hooks=(run,))
    return a_view(OLD, revision=2, rollout=rollout, policy=a_policy(), **fields)


def after_traffic(run: HookRun, **fields: Any) -> ServiceView:
    """The new revision serves, the old one is gone, the last hook is left."""
    rollout = replace(a_rollout(a_step(StepPhase.DONE)), hooks=(run,))
    return a_view(NEW, revision=2, rollout=rollout, **fields)


def run_of(view: ServiceView) -> HookRun:
    (run,) = rollout_of(view).hooks
    return run


# ---- before the first replica ----------------------------------------------------------------------------


def test_the_first_hook_is_ordered_before_any_replica_of_the_new_revision() -> None:
    view = a_view(OLD, revision=2, policy=a_policy(post_deploy=(WARM,)))
    assert orders(view) == []
    before, after = rollout_of(view).hooks
    assert (before.phase, before.node_id, before.attempts) == (HookPhase.ORDERED, "h1", 1)
    assert (after.phase, after.kind) == (HookPhase.WAITING, HookKind.POST)


@pytest.mark.parametrize("phase", [HookPhase.ORDERED, HookPhase.RUNNING])
def test_nothing_is_started_while_a_hook_is_under_way(phase: HookPhase) -> None:
    view = with_run(a_run(phase))
    assert orders(view) == []
    assert "pre_deploy hook 1" in rollout_of(view).reason


def test_what_serves_is_kept_whole_while_a_hook_is_under_way() -> None:
    view = with_run(a_run(HookPhase.RUNNING), replicas=2)
    assert orders(view) == ["1/1@h2 started"]


def test_once_the_hooks_have_passed_the_new_revision_is_started() -> None:
    assert orders(with_run(a_run(HookPhase.SUCCEEDED, exit_code=0))) == ["2/0@h1 started"]


def test_hooks_run_one_after_the_other() -> None:
    runs = (a_run(HookPhase.SUCCEEDED), a_run(HookPhase.WAITING, number=1, attempts=0))
    view = a_view(OLD, revision=2, policy=a_policy(), rollout=replace(a_rollout(), hooks=runs))
    assert [run.phase for run in rollout_of(view).hooks] == [HookPhase.SUCCEEDED, HookPhase.ORDERED]


def test_the_time_to_make_progress_begins_when_the_hooks_have_ended() -> None:
    rollout = replace(a_rollout(), deadline_ms=NOW_MS - 1, hooks=(a_run(HookPhase.SUCCEEDED),))
    view = a_view(OLD, revision=2, policy=a_policy(), rollout=rollout)
    assert rollout_of(view).phase is RolloutPhase.RUNNING


def test_a_hook_that_failed_ends_the_rollout_with_nothing_changed_and_says_what_it_printed() -> None:
    failed = a_run(
        HookPhase.FAILED, node_id=NodeId("h2"), exit_code=3, reason="ended with exit code 3", tail="no table"
    )
    view = with_run(failed)
    assert orders(view) == []
    ended = rollout_of(view)
    assert ended.phase is RolloutPhase.FAILED
    assert ended.reason == (
        "nothing was changed: pre_deploy hook 1 `/app/migrate` failed on host-h2: ended with exit code 3"
        "\nno table"
    )


def test_a_hook_before_a_canary_keeps_its_replicas_from_being_started() -> None:
    policy = a_policy(shift=Shift(strategy=Strategy.CANARY))
    view = a_view(OLD, revision=2, policy=policy)
    assert rollout_of(view).stage is not None
    assert orders(view) == []
    assert orders(replace(view, rollout=rollout_of(view))) == []


def test_a_roll_back_runs_no_hooks() -> None:
    view = a_view(OLD, revision=2, policy=a_policy(post_deploy=(WARM,)))
    back = replace(view, service=replace(view.service, attempt=Attempt(number=1, aim=Aim.ROLLBACK)))
    assert rollout_of(back).hooks == ()


def test_a_retry_runs_only_what_has_not_succeeded() -> None:
    done = replace(a_rollout(phase=RolloutPhase.FAILED), hooks=(a_run(HookPhase.SUCCEEDED),))
    failed = replace(done, hooks=(a_run(HookPhase.FAILED),))
    view = a_view(OLD, revision=2, policy=a_policy(), last_rollout=done)
    view = replace(view, service=replace(view.service, attempt=Attempt(number=1, aim=Aim.RETRY)))
    assert run_of(view).phase is HookPhase.SUCCEEDED
    assert orders(view) == ["2/0@h1 started"]
    assert run_of(replace(view, last_rollout=failed)).phase is HookPhase.ORDERED


def test_another_command_is_not_taken_for_one_that_succeeded() -> None:
    done = replace(a_rollout(phase=RolloutPhase.FAILED), hooks=(a_run(HookPhase.SUCCEEDED),))
    view = a_view(OLD, revision=2, policy=a_policy(pre_deploy=(WARM,)), last_rollout=done)
    view = replace(view, service=replace(view.service, attempt=Attempt(number=1, aim=Aim.RETRY)))
    assert run_of(view).phase is HookPhase.ORDERED


def test_a_hook_runs_where_the_volume_is() -> None:
    volume = VolumeMount(kind=VolumeKind.VOLUME, source="data", target="/data")
    specs = {number: a_spec(f"v{number}", volumes=(volume,)) for number in (1, 2)}
    view = a_view("1/0@h3 serving healthy", revision=2, policy=a_policy(), specs=specs)
    assert run_of(view).node_id == "h3"


def test_without_a_host_a_hook_waits_and_then_fails_in_words() -> None:
    volume = VolumeMount(kind=VolumeKind.VOLUME, source="data", target="/data")
    specs = {number: a_spec(f"v{number}", volumes=(volume,)) for number in (1, 2)}
    view = a_view("1/0@h9 serving healthy", revision=2, policy=a_policy(), specs=specs, nodes=(a_node("h9"),))
    waiting = run_of(view)
    assert (waiting.phase, waiting.node_id) == (HookPhase.WAITING, None)
    late = replace(waiting, deadline_ms=NOW_MS)
    ended = rollout_of(replace(view, rollout=replace(a_rollout(), hooks=(late,))))
    assert ended.phase is RolloutPhase.FAILED
    assert "there is no host for it: no host can take it" in ended.reason


# ---- hosts that are lost or silent -----------------------------------------------------------------------


def test_a_hook_that_was_not_begun_goes_to_another_host_when_its_own_is_lost() -> None:
    moved = run_of(with_run(a_run(HookPhase.ORDERED), nodes=(DOWN,)))
    assert (moved.phase, moved.attempts) == (HookPhase.ORDERED, 2)


def test_a_hook_whose_host_is_lost_while_it_runs_is_not_run_twice() -> None:
    ended = rollout_of(with_run(a_run(HookPhase.RUNNING), nodes=(DOWN,)))
    assert ended.phase is RolloutPhase.FAILED
    assert ended.hooks[0].phase is HookPhase.LOST
    assert "nobody knows how far it came; it is not run twice unless it says retry: true" in ended.reason


@pytest.mark.parametrize("is_repeatable", [False, True])
def test_an_agent_that_is_back_soon_finds_its_hook_waited_for(is_repeatable: bool) -> None:
    hook = replace(MIGRATE, is_repeatable=is_repeatable)
    down = replace(DOWN, status_at_ms=NOW_MS - RETURN_MS + 1)
    view = with_run(a_run(HookPhase.RUNNING, hook=hook), nodes=(down,))
    waiting = rollout_of(view)
    assert (waiting.phase, waiting.hooks[0].phase) == (RolloutPhase.RUNNING, HookPhase.RUNNING)
    assert waiting.hooks[0].attempts == 1
    assert decision(replace(view, rollout=waiting)).wake_at_ms == NOW_MS + 1


def test_a_repeatable_hook_is_run_again_elsewhere_a_few_times() -> None:
    repeatable = replace(MIGRATE, is_repeatable=True)
    again = run_of(with_run(a_run(HookPhase.RUNNING, hook=repeatable), nodes=(DOWN,)))
    assert (again.phase, again.attempts, again.node_id) == (HookPhase.ORDERED, 2, "h1")
    last = a_run(HookPhase.RUNNING, hook=repeatable, attempts=ATTEMPTS_MAX)
    assert "it was begun 3 times" in rollout_of(with_run(last, nodes=(DOWN,))).reason


def test_an_end_that_nobody_hears_of_is_given_up_only_after_the_hooks_own_time() -> None:
    whole_ms = MIGRATE.timeout_ms + SILENCE_MS
    silent = a_run(HookPhase.RUNNING, since_ms=NOW_MS - whole_ms, deadline_ms=0)
    assert rollout_of(with_run(silent)).hooks[0].phase is HookPhase.LOST
    later = replace(silent, since_ms=silent.since_ms + 1)
    assert run_of(with_run(later)).phase is HookPhase.RUNNING
    assert decision(replace(with_run(later), rollout=rollout_of(with_run(later)))).wake_at_ms == NOW_MS + 1


def test_a_host_that_does_not_begin_fails_the_rollout() -> None:
    late = a_run(HookPhase.ORDERED, deadline_ms=NOW_MS)
    assert "its host did not begin it in time" in rollout_of(with_run(late)).reason


def test_a_new_leader_gives_a_hook_at_least_a_minute() -> None:
    transition = resume(with_run(a_run(HookPhase.RUNNING)), NOW_MS)
    assert transition is not None
    assert transition.rollout is not None
    assert transition.rollout.hooks[0].deadline_ms == NOW_MS + 60_000


# ---- people ----------------------------------------------------------------------------------------------


def test_a_paused_rollout_orders_no_hook() -> None:
    view = with_run(a_run(HookPhase.WAITING, attempts=0))
    assert view.rollout is not None
    paused = replace(view, rollout=replace(view.rollout, phase=RolloutPhase.PAUSED, paused_ms=NOW_MS))
    assert decision(paused).transition is None


def test_an_abort_before_the_first_replica_ends_the_rollout_at_once() -> None:
    view = with_run(a_run(HookPhase.RUNNING))
    assert view.rollout is not None
    steering = Steering(steer=Steer.ABORT, by="ann", at_ms=NOW_MS)
    ended = rollout_of(replace(view, rollout=replace(view.rollout, steering=steering)))
    assert ended.phase is RolloutPhase.ROLLED_BACK


def test_who_resumes_after_a_last_hook_failed_passes_it_over() -> None:
    view = after_traffic(a_run(HookPhase.FAILED, HookKind.POST))
    assert view.rollout is not None
    steering = Steering(steer=Steer.RESUME, by="ann", at_ms=NOW_MS)
    paused = replace(view.rollout, phase=RolloutPhase.PAUSED, paused_ms=NOW_MS, steering=steering)
    ended = rollout_of(replace(view, rollout=paused))
    assert ended.phase is RolloutPhase.SUCCEEDED
    assert "post_deploy hook 1 failed, and was passed over by ann" in ended.reason


# ---- after the last replica ------------------------------------------------------------------------------


def test_the_last_hooks_are_ordered_before_the_rollout_is_said_to_have_succeeded() -> None:
    view = after_traffic(a_run(HookPhase.WAITING, HookKind.POST, attempts=0))
    waiting = rollout_of(view)
    assert (waiting.phase, waiting.hooks[0].phase) == (RolloutPhase.RUNNING, HookPhase.ORDERED)
    done = after_traffic(a_run(HookPhase.SUCCEEDED, HookKind.POST))
    assert rollout_of(done).phase is RolloutPhase.SUCCEEDED


@pytest.mark.parametrize(
    ("action", "phase"),
    [
        (FailureAction.ROLLBACK, RolloutPhase.ROLLING_BACK),
        (FailureAction.PAUSE, RolloutPhase.PAUSED),
        (FailureAction.CONTINUE, RolloutPhase.SUCCEEDED),
    ],
)
def test_a_last_hook_that_failed_does_what_the_policy_says(
    action: FailureAction, phase: RolloutPhase
) -> None:
    policy = RolloutPolicy(monitor_ms=0, failure_action=action)
    failed = a_run(HookPhase.FAILED, HookKind.POST, reason="ended with exit code 1")
    ended: Rollout = rollout_of(after_traffic(failed, policy=policy))
    assert ended.phase is phase
    assert "ended with exit code 1" in ended.reason


def test_no_replicas_name_can_be_a_hooks() -> None:
    assert hook_container_name(WEB, 3, HookKind.PRE, 0) == "tower-shop.web-3-pre-0"

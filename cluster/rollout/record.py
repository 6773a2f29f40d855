"""What a decision becomes: the rollout's next state, and the transition that commits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, StepPhase
from cluster.model.service import RolloutPolicy
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.rollout.decision import Decision, Transition
from cluster.rollout.plan import Plan
from cluster.rollout.steps import Advanced
from cluster.rollout.view import ServiceView

REASON_CHARS_MAX = 4096


def end(rollout: Rollout, phase: RolloutPhase, reason: str, now_ms: int) -> Rollout:
    return replace(rollout, phase=phase, reason=clip(reason), changed_at_ms=now_ms)


def clip(reason: str) -> str:
    return reason if len(reason) <= REASON_CHARS_MAX else reason[: REASON_CHARS_MAX - 1] + "…"


def sentence(*parts: str) -> str:
    """The parts that say something, as one reason."""
    return clip("; ".join(dict.fromkeys(part for part in parts if part)))


def transition_of(
    plan: Plan,
    *,
    rollout: Rollout | None = None,
    stable_revision: int | None = None,
    is_service_forgotten: bool = False,
) -> Transition | None:
    """Return what to commit of a plan, None when that is nothing."""
    service = plan.view.service
    made = Transition(
        service_id=service.id,
        expected_version=service.version,
        rollout=rollout,
        orders=plan.orders,
        forget=tuple(plan.forget),
        stable_revision=stable_revision,
        is_service_forgotten=is_service_forgotten,
        green_permille=plan.green_permille,
        kept=plan.kept,
        is_kept_ended=plan.is_kept_ended,
        targeting=plan.targeting,
    )
    nothing = Transition(service_id=service.id, expected_version=service.version)
    return None if made == nothing else made


def decision_of(plan: Plan, transition: Transition | None) -> Decision:
    return Decision(
        transition=transition,
        wake_at_ms=plan.wake_at_ms,
        awaits_routers=plan.awaits_routers,
        blocked=plan.blocked,
    )


def go_on(plan: Plan, rollout: Rollout) -> Decision:
    """Commit the plan, and the rollout if anything of it has changed."""
    view = plan.view
    moved = replace(rollout, step=rollout.step + bool(plan.orders))
    if moved == view.rollout and rollout.id == view.service.rollout_id:
        return decision_of(plan, transition_of(plan))
    moved = replace(moved, changed_at_ms=plan.now_ms)
    return decision_of(plan, transition_of(plan, rollout=moved))


def progress_deadline_ms(
    rollout: Rollout, steps: Sequence[ReplicaProgress], now_ms: int, policy: RolloutPolicy
) -> int:
    """Return until when there must be progress: as before, unless there is some."""

    def places(of: Sequence[ReplicaProgress]) -> list[tuple[int, StepPhase, str | None, int]]:
        return [(step.ordinal, step.phase, step.node_id, step.attempts) for step in of]

    if places(steps) == places(rollout.replicas):
        return rollout.deadline_ms
    return max(rollout.deadline_ms, now_ms + policy.progress_deadline_ms)


def what_is_waited_for(plan: Plan, steps: Sequence[ReplicaProgress]) -> str:
    """Say for people why there is no progress."""
    if plan.blocked:
        return "; ".join(plan.blocked)
    open_steps = [step for step in steps if step.phase is not StepPhase.DONE]
    if not open_steps:
        return "replicas that are not wanted any more are not removed"
    return "; ".join(
        f"replica {step.ordinal} is {step.phase}"
        + (f" on {plan.view.name_of(step.node_id)}" if step.node_id is not None else "")
        for step in open_steps[:8]
    )


def no_progress(view: ServiceView, why: str) -> str:
    return f"no progress for {view.service.policy.progress_deadline_ms / 1000:g} s: {why}"


def is_failed_for_good(each: Advanced, policy: RolloutPolicy) -> bool:
    return each.progress.attempts > policy.retries


def fatal_failure(advanced: Sequence[Advanced], policy: RolloutPolicy) -> str:
    """Return why a rollout fails by its replicas, "" while no more have failed for good than may."""
    failed = [each for each in advanced if is_failed_for_good(each, policy)]
    if len(failed) * WHOLE_PERMILLE <= policy.failures_max_permille * len(advanced):
        return ""
    newest = next((each.failure for each in failed if each.failure), "")
    return newest or f"replica {failed[0].progress.ordinal} has failed for good"


def failures_text(advanced: Sequence[Advanced], policy: RolloutPolicy) -> str:
    """Say for people what failed in this look, and what follows; "" when nothing did."""
    failed = [each for each in advanced if each.failure]
    again = any(not is_failed_for_good(each, policy) for each in failed)
    return sentence(
        *(each.failure for each in failed),
        "it is tried on another host if there is one" if again else "",
        "it is left as it was" if failed and not again else "",
    )

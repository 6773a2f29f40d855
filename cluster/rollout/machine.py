"""Decide what to do about one service: start, advance and end rollouts, and keep what is rolled out.

Everything is told from what is committed and from the time: the same view gives the same decision, on
whichever node and however often, and a decision that was committed is not made again.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import Variant
from cluster.model.hooks import HookKind
from cluster.model.ids import RolloutId
from cluster.model.rollout import Rollout, RolloutPhase, Stage, Steer, StepPhase
from cluster.model.service import DesiredState
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.rollout import rolling, staged
from cluster.rollout.colours import (
    has_available,
    leave_dead_colour,
    main_colour,
    settle_other,
    targets_at_rest,
    targets_while_paused,
    tend,
)
from cluster.rollout.decision import Decision, Transition
from cluster.rollout.experiments import ended
from cluster.rollout.hooks import (
    is_waiting_to_begin,
    run_hooks,
    with_later_deadlines,
    with_time_since_hooks,
)
from cluster.rollout.plan import Plan
from cluster.rollout.record import decision_of, end, go_on, transition_of
from cluster.rollout.starting import start
from cluster.rollout.steering import steer
from cluster.rollout.view import ChooseHost, ServiceView

RESUME_GRACE_MS = 60_000
"""What a new leader gives every step at least: it knows nothing of the time between the leaders."""


def decide(view: ServiceView, now_ms: int, *, rollout_id: RolloutId, choose: ChooseHost) -> Decision:
    """Return what to commit for the service now, and when to decide again.

    `now_ms` is the leader's clock, never behind the log's time. `rollout_id` is the id of the rollout if one
    starts. Some changes take several commits (a rollout is ended before the next one starts): decide again
    after each, until there is no transition.
    """
    service = view.service
    if service.is_removed:
        return _remove(view, now_ms)
    if view.rollout is not None:
        if view.rollout.attempt != service.attempt.number:
            return _supersede(view, view.rollout, now_ms)
        return _advance(view, steer(view, view.rollout, now_ms), now_ms, choose)
    if _is_to_be_rolled_out(view):
        begun = start(view, now_ms, rollout_id)
        if begun.phase.is_terminal:
            plan = Plan(view, now_ms)
            return decision_of(plan, transition_of(plan, rollout=begun))
        return _advance(view, begun, now_ms, choose)
    return _keep(view, None, now_ms, choose)


def resume(view: ServiceView, now_ms: int) -> Transition | None:
    """Return what a new leader commits before it decides: no step of a rollout ends sooner than a minute on.

    Deadlines were written by another clock, and the time without a leader was no one's fault.
    """
    rollout = view.rollout
    if rollout is None or rollout.phase not in (RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK):
        return None
    least_ms = now_ms + RESUME_GRACE_MS
    resumed = replace(
        rollout,
        deadline_ms=max(rollout.deadline_ms, least_ms),
        stage=_later(rollout.stage, least_ms),
        replicas=tuple(
            replace(step, deadline_ms=max(step.deadline_ms, least_ms))
            if step.phase in (StepPhase.WAITING, StepPhase.STARTING) and step.deadline_ms
            else step
            for step in rollout.replicas
        ),
        hooks=with_later_deadlines(rollout.hooks, least_ms),
    )
    if resumed == rollout:
        return None
    return transition_of(Plan(view, now_ms), rollout=replace(resumed, changed_at_ms=now_ms))


def _later(stage: Stage | None, least_ms: int) -> Stage | None:
    if stage is None or not stage.deadline_ms:
        return stage
    return replace(stage, deadline_ms=max(stage.deadline_ms, least_ms))


def _is_to_be_rolled_out(view: ServiceView) -> bool:
    service = view.service
    if service.revision == service.stable_revision or service.revision not in view.revisions:
        return False
    # An attempt is rolled out once, however it ends.
    return view.last_rollout is None or view.last_rollout.attempt != service.attempt.number


def _advance(view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> Decision:
    is_aborted = rollout.steering is not None and rollout.steering.steer is Steer.ABORT
    if is_waiting_to_begin(rollout) and rollout.to_revision in view.revisions and not is_aborted:
        return _prepare(view, rollout, now_ms, choose)
    if rollout.hooks and rollout.phase is RolloutPhase.RUNNING:
        rollout = with_time_since_hooks(rollout, view.service.policy.progress_deadline_ms)
    if rollout.stage is not None:
        return staged.advance(view, rollout, now_ms, choose)
    if rollout.phase is RolloutPhase.PAUSED and rollout.steering is None:
        return _keep(view, rollout, now_ms, choose)
    return rolling.roll(view, rollout, now_ms, choose)


def _prepare(view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> Decision:
    """Run what comes before the first replica; everything stays as it is meanwhile."""
    if rollout.phase is RolloutPhase.PAUSED:
        return _keep(view, rollout, now_ms, choose)
    plan = Plan(view, now_ms)
    hooked = run_hooks(plan, rollout, HookKind.PRE, choose)
    if hooked.failure:
        reason = f"nothing was changed: {hooked.failure}"
        return decision_of(
            plan,
            transition_of(plan, rollout=end(hooked.rollout, RolloutPhase.FAILED, reason, now_ms)),
        )
    _tend_present(plan, hooked.rollout, choose)
    return go_on(plan, hooked.rollout)


def _remove(view: ServiceView, now_ms: int) -> Decision:
    plan = Plan(view, now_ms)
    for copy in view.assignments:
        if copy.desired is not DesiredState.REMOVED:
            plan.retire(copy)
        if view.is_alive(copy.node_id):
            if copy.desired is DesiredState.REMOVED and plan.can_forget(copy):
                plan.forget.append(copy.key)
        elif copy.key not in plan.forget and not plan.lingers(copy):
            # A host that is away removes what nobody asks it for any more when it is back.
            plan.forget.append(copy.key)
    rollout = view.rollout
    if rollout is not None:
        rollout = ended(rollout, Variant.A, now_ms)
        rollout = end(rollout, RolloutPhase.CANCELLED, "the service is being removed", now_ms)
    is_forgotten = set(plan.forget) == {copy.key for copy in view.assignments}
    return decision_of(plan, transition_of(plan, rollout=rollout, is_service_forgotten=is_forgotten))


def _supersede(view: ServiceView, rollout: Rollout, now_ms: int) -> Decision:
    """End a rollout that another attempt takes the place of; no revision in between keeps requests."""
    plan = Plan(view, now_ms)
    if rollout.stage is not None:
        stable = rollout.stage.colour.other
        if has_available(view.of_colour(stable)):
            plan.share(stable, WHOLE_PERMILLE)
        else:
            leave_dead_colour(plan)
        rollout = ended(rollout, Variant.A, now_ms)
    reason = f"revision {view.service.revision} took its place"
    cancelled = end(rollout, RolloutPhase.CANCELLED, reason, now_ms)
    return decision_of(plan, transition_of(plan, rollout=cancelled))


def _keep(view: ServiceView, paused: Rollout | None, now_ms: int, choose: ChooseHost) -> Decision:
    """Keep what is there as it should be: at rest, or while a rolling update is paused."""
    plan = Plan(view, now_ms)
    _tend_present(plan, paused, choose)
    return decision_of(plan, transition_of(plan)) if paused is None else go_on(plan, paused)


def _tend_present(plan: Plan, waiting: Rollout | None, choose: ChooseHost) -> None:
    main = main_colour(plan.view)
    own = plan.view.of_colour(main)
    targets = targets_at_rest(own) if waiting is None else targets_while_paused(own, waiting)
    tend(plan, main, targets, choose)
    settle_other(plan, main, is_rolling=waiting is not None and waiting.stage is None)

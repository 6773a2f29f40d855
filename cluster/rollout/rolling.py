"""A rollout that replaces replicas one by one, and its way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.hooks import HookKind
from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, Steer, StepPhase
from cluster.model.service import Aim, Assignment, DesiredState, FailureAction
from cluster.rollout.colours import (
    main_colour,
    meets_another_revision,
    settle_other,
    targets_while_paused,
)
from cluster.rollout.converge import Convergence, Judged
from cluster.rollout.decision import Decision
from cluster.rollout.hooks import run_hooks
from cluster.rollout.limits import Limits, limits
from cluster.rollout.plan import Plan
from cluster.rollout.record import (
    clip,
    decision_of,
    end,
    failures_text,
    fatal_failure,
    go_on,
    is_failed_for_good,
    no_progress,
    progress_deadline_ms,
    sentence,
    transition_of,
    what_is_waited_for,
)
from cluster.rollout.slots import Slot, build_slots
from cluster.rollout.steering import by_whom
from cluster.rollout.steps import Advanced, Stepper
from cluster.rollout.upkeep import judge
from cluster.rollout.view import ChooseHost, ServiceView, is_healthy


def roll(view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> Decision:
    """Decide on a rolling update that is under way, or begins with this decision."""
    steering = rollout.steering
    if steering is not None and steering.steer is Steer.ABORT:
        return _turn_back(view, replace(rollout, steering=None), by_whom("aborted", steering), now_ms, choose)
    return _Roll(view, rollout, now_ms, choose).decide()


class _Roll:
    """One look at a rolling update."""

    def __init__(self, view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> None:
        self._whole = view
        self._colour = main_colour(view)
        self._view = view.of_colour(self._colour)
        self._rollout = rollout
        self._is_back = rollout.phase is RolloutPhase.ROLLING_BACK
        self._is_way_back = self._is_back or rollout.aim is Aim.ROLLBACK
        self._target = rollout.from_revision if self._is_back else rollout.to_revision
        self._policy = view.service.policy
        self._plan = Plan(view, now_ms)
        self._now_ms = now_ms
        self._choose = choose

    def decide(self) -> Decision:
        rollout, plan = self._rollout, self._plan
        if self._target not in self._view.revisions:
            reason = sentence(rollout.reason, f"revision {self._target} is not known any more")
            ended = end(rollout, RolloutPhase.FAILED, reason, self._now_ms)
            return decision_of(plan, transition_of(plan, rollout=ended))
        before = {step.ordinal: step for step in rollout.replicas}
        slots = build_slots(self._view, self._targets(before))
        is_update = rollout.from_revision > 0 or any(
            meets_another_revision(self._view, slot) for slot in slots
        )
        bounds = limits(self._view, self._target, is_update=is_update, is_rolling_back=self._is_way_back)
        stepper = Stepper(
            plan,
            monitor_ms=0 if self._is_way_back or rollout.is_unjudged else self._policy.monitor_ms,
            is_rolling_back=self._is_back,
        )
        advanced = [self._advance(stepper, slot, before.get(slot.ordinal)) for slot in slots]
        failures = sum(bool(each.failure) for each in advanced)
        self._rollout = rollout = replace(rollout, failures=rollout.failures + failures)
        why = self._why_failed(advanced)
        if why:
            return _fail(self._whole, rollout, why, self._now_ms, self._choose)
        settle_other(plan, self._colour, is_rolling=True)
        Convergence(
            plan=plan,
            view=self._view,
            colour=self._colour,
            judged=[each.judged for each in advanced],
            limits=bounds,
            choose=self._choose,
            retry_at=lambda slot, _is_fresh: self._next_batch_at_ms(slot, advanced),
        ).run()
        steps = tuple(stepper.settle(each) for each in advanced)
        return self._conclude(advanced, steps, slots, bounds)

    def _conclude(
        self,
        advanced: Sequence[Advanced],
        steps: tuple[ReplicaProgress, ...],
        slots: Sequence[Slot],
        bounds: Limits,
    ) -> Decision:
        rollout, plan, view = self._rollout, self._plan, self._view
        is_everywhere = all(each.judged.is_proven or _is_done(each) for each in advanced)
        left = self._leftovers(slots)
        if is_everywhere and not left:
            return self._finish(steps, "")
        deadline_ms = progress_deadline_ms(rollout, steps, self._now_ms, self._policy)
        if not plan.is_due(deadline_ms):
            reason = self._reason(bounds, failures_text(advanced, self._policy))
            return go_on(plan, replace(rollout, replicas=steps, reason=reason, deadline_ms=deadline_ms))
        if is_everywhere:
            return self._finish(steps, f"; {len(left)} old replicas are not removed yet")
        stuck = no_progress(view, what_is_waited_for(plan, steps))
        return _fail(self._whole, rollout, stuck, self._now_ms, self._choose)

    # ---- replicas that failed for good ----

    def _targets(self, before: dict[int, ReplicaProgress]) -> dict[int, int]:
        """A replica that failed for good, as long as that is allowed, stays with what serves it."""
        targets = dict.fromkeys(range(self._view.service.replicas), self._target)
        failed = [
            step.ordinal
            for step in before.values()
            if step.ordinal in targets and step.attempts > self._policy.retries
        ]
        if failed and not self._is_back:
            present = targets_while_paused(self._view, self._rollout)
            targets |= {ordinal: present[ordinal] for ordinal in failed if ordinal in present}
        return targets

    def _advance(self, stepper: Stepper, slot: Slot, before: ReplicaProgress | None) -> Advanced:
        if before is None or before.attempts <= self._policy.retries:
            return stepper.advance(slot, before)
        if slot.target != self._target:
            return Advanced(judge(self._plan, slot), before)
        if slot.candidate is not None:
            return stepper.advance(slot, before)
        # There is no revision it could stay with.
        return Advanced(Judged(slot, is_proven=True, is_given_up=True), before)

    def _why_failed(self, advanced: Sequence[Advanced]) -> str:
        if self._is_back or self._policy.failure_action is not FailureAction.CONTINUE:
            return fatal_failure(advanced, self._policy)
        if advanced and all(is_failed_for_good(each, self._policy) for each in advanced):
            return next(
                (each.failure for each in advanced if each.failure), "every replica has failed for good"
            )
        return ""

    # ---- batches ----

    def _next_batch_at_ms(self, slot: Slot, advanced: Sequence[Advanced]) -> int:
        """A while passes between two batches; what nobody stands in for does not wait."""
        if not any(self._view.is_available(copy) for copy in slot.olds):
            return self._now_ms
        finished = [each.progress.since_ms for each in advanced if _is_done(each)]
        return max(finished, default=self._now_ms - self._policy.delay_ms) + self._policy.delay_ms

    def _leftovers(self, slots: Sequence[Slot]) -> list[Assignment]:
        """What still runs and should not."""
        staying = {slot.candidate.key for slot in slots if slot.candidate is not None}
        return [
            copy
            for copy in self._whole.assignments
            if copy.key not in staying and self._plan.takes_room(copy)
        ]

    def _finish(self, steps: tuple[ReplicaProgress, ...], note: str) -> Decision:
        if self._is_way_back:
            return self._succeed(steps, note)
        hooked = run_hooks(self._plan, self._rollout, HookKind.POST, self._choose)
        self._rollout = replace(hooked.rollout, replicas=steps)
        if hooked.failure:
            return _fail(self._whole, self._rollout, hooked.failure, self._now_ms, self._choose)
        return self._succeed(steps, note) if hooked.is_over else go_on(self._plan, self._rollout)

    def _succeed(self, steps: tuple[ReplicaProgress, ...], note: str) -> Decision:
        rollout, plan = self._rollout, self._plan
        count = self._view.service.replicas
        if self._is_back:
            phase, stable = RolloutPhase.ROLLED_BACK, None
            reason = f"back on revision {rollout.from_revision}{note}: {rollout.reason}"
        else:
            phase, stable = RolloutPhase.SUCCEEDED, rollout.to_revision
            failed = sum(step.attempts > self._policy.retries for step in steps)
            reason = f"{count - failed} of {count} replicas run revision {rollout.to_revision}{note}"
            reason = sentence(reason, rollout.note)
        ended = replace(
            end(rollout, phase, reason, self._now_ms), replicas=steps, step=rollout.step + bool(plan.orders)
        )
        return decision_of(plan, transition_of(plan, rollout=ended, stable_revision=stable))

    def _reason(self, bounds: Limits, failures: str) -> str:
        """Why the rollout stands where it does."""
        rollout = self._rollout
        if self._is_back:
            return rollout.reason
        if failures:
            return failures
        if rollout.failures:
            return rollout.reason
        return sentence(rollout.note or bounds.reason, *self._plan.blocked)


def _is_done(advanced: Advanced) -> bool:
    return advanced.progress.phase is StepPhase.DONE


def _fail(view: ServiceView, rollout: Rollout, why: str, now_ms: int, choose: ChooseHost) -> Decision:
    """End the way forward: back to the stable revision, or stop here. A roll-back is never rolled back."""
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        reason = f"{rollout.reason}; the roll-back to revision {rollout.from_revision} failed: {why}"
        return _stop(view, rollout, RolloutPhase.FAILED, reason, now_ms)
    if view.service.policy.failure_action is FailureAction.PAUSE:
        return _stop(view, replace(rollout, paused_ms=now_ms), RolloutPhase.PAUSED, why, now_ms)
    return _turn_back(view, rollout, why, now_ms, choose)


def _turn_back(view: ServiceView, rollout: Rollout, why: str, now_ms: int, choose: ChooseHost) -> Decision:
    if rollout.from_revision not in view.revisions:
        reason = f"{why}; there is no earlier revision to go back to"
        return _stop(view, rollout, RolloutPhase.FAILED, reason, now_ms)
    turned = replace(
        rollout,
        phase=RolloutPhase.ROLLING_BACK,
        replicas=(),
        reason=clip(why),
        paused_ms=0,
        deadline_ms=now_ms + view.service.policy.progress_deadline_ms,
    )
    return roll(view, turned, now_ms, choose)


def _stop(view: ServiceView, rollout: Rollout, phase: RolloutPhase, reason: str, now_ms: int) -> Decision:
    """Leave what serves as it is, and give up what was on its way."""
    plan = Plan(view, now_ms)
    for copy in view.of_colour(main_colour(view)).assignments:
        if copy.revision == rollout.to_revision and not is_healthy(copy):
            if copy.desired is DesiredState.STARTED:
                plan.order(copy, DesiredState.REMOVED)
            elif copy.desired is DesiredState.SERVING:
                plan.order(copy, DesiredState.STARTED)
    ended = end(rollout, phase, reason, now_ms)
    return decision_of(plan, transition_of(plan, rollout=ended))

"""A staged rollout on its way to the new revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.model.hooks import HookKind
from cluster.model.rollout import ReplicaProgress, RolloutPhase, Stage, StagePhase
from cluster.model.service import Aim, Assignment, DesiredState, FailureAction, Kept, ReplicaPhase
from cluster.model.strategy import WHOLE_PERMILLE, Strategy, TrafficStep
from cluster.rollout.colours import retire_all
from cluster.rollout.converge import Convergence
from cluster.rollout.decision import Decision
from cluster.rollout.evidence import (
    affordable_steps,
    commit_at_ms,
    may_pass_unproven,
    verdict_on,
    with_new_step,
    with_traffic,
    with_verdict,
    without_news,
)
from cluster.rollout.hooks import run_hooks
from cluster.rollout.judge import StepEnd, Verdict, VerdictKind, plan_extend
from cluster.rollout.judge.pacing import EXTENSION_MIN_MS
from cluster.rollout.limits import Limits
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
from cluster.rollout.slots import build_slots
from cluster.rollout.staged_look import StagedLook, is_approval_due, wanted
from cluster.rollout.staged_return import turn_back
from cluster.rollout.starting import WHOLE_STEP
from cluster.rollout.steps import Advanced, Stepper
from cluster.rollout.view import ServiceView

TAKE_OVER_MS = 30_000
"""How long the old revision may have nobody who answers before the new one is promoted."""
LOOK_MS = 5_000
"""How often at least it is asked whether there is enough to judge by, once a step's time is over."""

_BAD = frozenset({ReplicaPhase.UNHEALTHY, ReplicaPhase.EXITED, ReplicaPhase.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What became of the new revision's replicas in one look. `failures` and `why_failed` are for people, ""
    where there are none."""

    is_ready: bool
    failures: str
    why_failed: str


class Forward(StagedLook):
    """A look at one."""

    _verdict: Verdict | None = None

    def decide(self) -> Decision:
        if self.stage.phase is StagePhase.RETIRING:
            return self._retiring()
        if self.stage.phase is not StagePhase.SWITCHING:
            # While shares change, nobody knows which share an interval was counted under.
            self.rollout = with_traffic(self.new, self.rollout, self.now_ms)
        if self._has_foreign_requests():
            return self._clear_colour()
        if self._must_take_over():
            self._take_over()
        elif self._has_nobody():
            return self._nobody_answers()
        worse = self._judge()
        if worse:
            return self._fail(worse)
        readiness = self.advance_both()
        if readiness.why_failed:
            return self._fail(readiness.why_failed)
        match self.stage.phase:
            case StagePhase.DEPLOYING:
                return self._deploying(readiness)
            case StagePhase.APPROVAL:
                return self._approval()
            case StagePhase.SWITCHING:
                return self._switching()
            case _:
                return self._watching(readiness.is_ready)

    # ---- the replicas of the new revision ----

    def advance_both(self) -> Readiness:
        """Keep the old revision's replicas up, and bring the new one's up."""
        self.tend_old()
        advanced, steps = self._advance_new()
        failures = sum(bool(each.failure) for each in advanced)
        self.rollout = replace(self.rollout, failures=self.rollout.failures + failures)
        why = self._why_failed(advanced)
        if not why:
            # What was found out about replicas stays, whatever becomes of the step.
            self.rollout = replace(
                self.rollout,
                deadline_ms=progress_deadline_ms(self.rollout, steps, self.now_ms, self.policy),
                replicas=steps,
            )
        is_ready = all(
            each.judged.is_proven or is_failed_for_good(each, self.policy) for each in advanced
        ) and (not self.replicas or any(each.judged.is_proven for each in advanced))
        return Readiness(is_ready=is_ready, failures=failures_text(advanced, self.policy), why_failed=why)

    def _has_foreign_requests(self) -> bool:
        """Whether what an earlier rollout left in this colour gets requests, or may."""
        is_foreign = any(
            copy.revision != self.rollout.to_revision
            and copy.desired is DesiredState.SERVING
            and self.view.is_alive(copy.node_id)
            for copy in self.new.assignments
        )
        return is_foreign and (self.share > 0 or not self.view.is_split_everywhere())

    def _clear_colour(self) -> Decision:
        self.tend_old()
        if self.share and (self.is_old_available() or not self.replicas):
            self.give_back()
        self.plan.awaits_routers = True
        return self._within_deadline("an earlier revision still gets requests")

    def _advance_new(self) -> tuple[list[Advanced], tuple[ReplicaProgress, ...]]:
        count = wanted(self)
        before = {step.ordinal: step for step in self.rollout.replicas}
        stepper = Stepper(
            self.plan,
            monitor_ms=0 if self.rollout.is_unjudged else self.policy.monitor_ms,
            is_rolling_back=False,
        )
        advanced = [
            stepper.advance(slot, before.get(slot.ordinal))
            for slot in build_slots(self.new, dict.fromkeys(range(count), self.rollout.to_revision))
        ]
        for each in advanced:
            each.judged.is_given_up = is_failed_for_good(each, self.policy)
        Convergence(
            plan=self.plan,
            view=self.new,
            colour=self.stage.colour,
            judged=[each.judged for each in advanced],
            limits=Limits(surge=max(1, self.replicas - count), unavailable=0),
            choose=self.choose,
            retry_at=lambda _slot, _is_fresh: self.now_ms,
            keeps_others=False,
        ).run()
        return advanced, tuple(stepper.settle(each) for each in advanced)

    def _why_failed(self, advanced: Sequence[Advanced]) -> str:
        if self.policy.failure_action is not FailureAction.CONTINUE:
            return fatal_failure(advanced, self.policy)
        if advanced and all(is_failed_for_good(each, self.policy) for each in advanced):
            return next(
                (each.failure for each in advanced if each.failure), "every replica has failed for good"
            )
        return ""

    # ---- when one of the two has nobody left ----

    def _must_take_over(self) -> bool:
        return self.replicas > 0 and not self.is_old_available() and self.is_new_available()

    def _take_over(self) -> None:
        """Give the new revision all requests while the old one answers none, and for good if that lasts.

        There is nobody to judge by, and nobody to keep requests for.
        """
        revision = self.rollout.from_revision
        if self.share < WHOLE_PERMILLE:
            self._enter(StagePhase.DEPLOYING, self.stage)
            self.plan.share(self.stage.colour, WHOLE_PERMILLE)
            why = f"revision {revision} has no healthy replica: the new one has all requests meanwhile"
            self.rollout = replace(self.rollout, reason=why)
        elif not self._is_last and self.plan.is_due(self.view.service.split.changed_at_ms + TAKE_OVER_MS):
            why = f"revision {revision} has no healthy replica: the new one gets all requests unjudged"
            self.rollout = replace(self.rollout, note=sentence(self.rollout.note, why), is_unjudged=True)
            stage = replace(self.stage, steps=(*self.stage.steps[: self.stage.index], WHOLE_STEP))
            self._enter(StagePhase.SWITCHING, stage)

    def _has_borrowed_requests(self) -> bool:
        """Whether the new revision has more than its step because the old one had nobody."""
        return (
            self.stage.phase is StagePhase.DEPLOYING
            and self.share > self._step.permille
            and not self.view.service.split.by
        )

    def _return_borrowed(self) -> None:
        """Go on from the step before, once the old revision is whole again."""
        able = {copy.ordinal for copy in self.old.assignments if self.view.is_available(copy)}
        if len(able) >= self.replicas:
            index = self.stage.index
            before = self.stage.steps[index - 1].permille if index else 0
            self.plan.share(self.stage.colour, before)

    def _has_nobody(self) -> bool:
        """Whether the new revision gets requests that it cannot answer, and the old one could."""
        if not (self.share and self.replicas) or self.is_new_available():
            return False
        return self.is_old_available()

    def _nobody_answers(self) -> Decision:
        """The new revision gets requests and has no replica that is healthy."""
        failed = [
            copy
            for copy in self.new.assignments
            if copy.revision == self.rollout.to_revision
            and self.view.is_alive(copy.node_id)
            and copy.desired is not DesiredState.REMOVED
            and copy.observed.phase in _BAD
        ]
        if failed:
            words = "; ".join(_how(self.view, copy) for copy in failed[:4])
            return self._fail(f"no replica of revision {self.rollout.to_revision} is healthy: {words}")
        # Its hosts were lost, which is not its fault: it is brought up again, and goes on from there.
        self._enter(StagePhase.DEPLOYING, self.stage)
        self.give_back()
        self.tend_old()
        _, steps = self._advance_new()
        return self._go_on(replicas=steps)

    # ---- phases ----

    def _enter(self, phase: StagePhase, stage: Stage, *, deadline_ms: int = 0) -> None:
        self.stage = replace(stage, phase=phase, since_ms=self.now_ms, deadline_ms=deadline_ms, extended_ms=0)
        self.rollout = replace(
            self.rollout,
            stage=self.stage,
            reason="",
            deadline_ms=self.now_ms + self.policy.progress_deadline_ms,
        )
        if deadline_ms:
            self.plan.is_due(deadline_ms)

    def await_replicas(self, failures: str) -> Decision:
        """Go on waiting for the new revision's replicas, and say for what."""
        waits = what_is_waited_for(self.plan, self.rollout.replicas)
        if failures:
            reason = failures
        elif self.rollout.failures:
            reason = self.rollout.reason
        else:
            reason = sentence(self.rollout.note, *self.plan.blocked)
        return self._within_deadline(waits, reason)

    def _deploying(self, readiness: Readiness) -> Decision:
        if self.plan.green_permille is not None or self._has_borrowed_requests():
            if self.plan.green_permille is None:
                self._return_borrowed()
            return self._within_deadline(
                f"revision {self.rollout.from_revision} is not whole again", self.rollout.reason
            )
        if not readiness.is_ready:
            return self.await_replicas(readiness.failures)
        if is_approval_due(self):
            return self._ask()
        if not self.share and self._leave_out_steps():
            # With another first step, another number of replicas may be needed.
            return self._go_on()
        self._switch()
        return self._go_on()

    def _leave_out_steps(self) -> bool:
        """Leave out the steps that there is too little traffic for, as soon as that is known."""
        if self.stage.index:
            return False
        steps, note = affordable_steps(self.view, self.rollout)
        if steps == self.stage.steps:
            return False
        self._enter(StagePhase.DEPLOYING, replace(self.stage, steps=steps))
        self.rollout = replace(self.rollout, note=sentence(self.rollout.note, note))
        return True

    def _ask(self) -> Decision:
        shift = self.policy.shift
        is_canary = self.rollout.strategy is Strategy.CANARY
        approval_ms = shift.canary.approval_ms if is_canary else shift.blue_green.approval_ms
        stage = replace(self.stage, approved_by="")
        self._enter(StagePhase.APPROVAL, stage, deadline_ms=self.now_ms + approval_ms)
        whole = "all requests" if self._next_step().permille == WHOLE_PERMILLE else "its next share"
        reason = sentence(
            self.rollout.note, f"waits for somebody to approve that the new revision gets {whole}"
        )
        return self._go_on(reason=reason)

    def _next_step(self) -> TrafficStep:
        """The step that an approval leads to."""
        steps, index = self.stage.steps, self.stage.index
        return steps[index] if self.share < steps[index].permille else steps[min(index + 1, len(steps) - 1)]

    def _approval(self) -> Decision:
        if self.stage.approved_by:
            if self.share < self._step.permille:
                self._enter(StagePhase.DEPLOYING, self.stage)
            else:
                self._enter(StagePhase.DEPLOYING, replace(self.stage, index=self.stage.index + 1))
            return self._go_on()
        if self.plan.is_due(self.stage.deadline_ms):
            waited_s = (self.now_ms - self.stage.since_ms) / 1000
            return turn_back(
                self.view, self.rollout, f"nobody approved it within {waited_s:g} s", self.now_ms, self.choose
            )
        return self._go_on()

    @property
    def _step(self) -> TrafficStep:
        return self.stage.steps[self.stage.index]

    @property
    def _is_last(self) -> bool:
        return self.stage.index == len(self.stage.steps) - 1

    def _switch(self) -> None:
        self._enter(StagePhase.SWITCHING, self.stage)
        self.plan.share(self.stage.colour, self._step.permille)

    def _switching(self) -> Decision:
        if self.plan.green_permille is not None or not self.plan.is_split_everywhere():
            return self._within_deadline("not every router shares the requests as ordered", self.rollout.note)
        if self.share != self._step.permille:
            # By hand, or because nobody was left of one of the two.
            self._switch()
            return self._go_on()
        # An approval is for one step.
        stage = replace(self.stage, approved_by="", approved_ahead_by="")
        self._enter(StagePhase.WATCHING, stage, deadline_ms=self.now_ms + self._hold_ms())
        self.rollout = with_new_step(self.rollout, now_ms=self.now_ms, hold_ms=self._hold_ms())
        return self._go_on()

    def _hold_ms(self) -> int:
        if self.rollout.is_unjudged:
            return 0
        if not self._is_last:
            return self._step.hold_ms
        is_canary = self.rollout.strategy is Strategy.CANARY
        monitor_ms = self.policy.monitor_ms if is_canary else self.policy.shift.blue_green.monitor_ms
        return max(self._step.hold_ms, monitor_ms)

    def _watching(self, is_ready: bool) -> Decision:
        if not self._is_time_over():
            return self._go_on()
        if not is_ready:
            return self._within_deadline(
                what_is_waited_for(self.plan, self.rollout.replicas), since_ms=self.stage.deadline_ms
            )
        if self._is_last:
            return self._hand_over()
        match self._step_end():
            case StepEnd.EXTEND:
                self.plan.wake_at(self.now_ms + LOOK_MS)
                extended_ms = max(self._step.hold_ms, EXTENSION_MIN_MS)
                self.rollout = replace(
                    self.rollout,
                    stage=replace(self.stage, extended_ms=extended_ms),
                    reason=self._extended_reason(),
                )
                return self._go_on()
            case StepEnd.PAUSE:
                return self._pause(
                    f"the step cannot be judged: {self.rollout.verdict}; resume to pass it, or abort"
                )
            case StepEnd.ROLL_BACK:
                why = f"the step cannot be judged: {self.rollout.verdict}"
                return turn_back(self.view, self.rollout, why, self.now_ms, self.choose)
            case StepEnd.PASS:
                return self._pass()

    def _extended_reason(self) -> str:
        by = self.stage.approved_ahead_by
        return sentence(
            "the step takes longer: there is not enough to judge by yet",
            f"approved by {by}, goes on then" if by else "",
        )

    def _is_time_over(self) -> bool:
        if self.rollout.is_unjudged:
            return True
        return self.plan.is_due(self.stage.deadline_ms)

    def _step_end(self) -> StepEnd:
        verdict = self._verdict
        if verdict is None or self.stage.approved_by:
            return StepEnd.PASS
        if verdict.kind is VerdictKind.SILENT:
            return StepEnd.EXTEND
        step_end = plan_extend(
            verdict,
            hold_ms=self._step.hold_ms,
            held_ms=self.now_ms - self.stage.since_ms,
            analysis=self.policy.shift.analysis,
        )
        return StepEnd.PASS if step_end is StepEnd.PAUSE and may_pass_unproven(self.rollout) else step_end

    def _pass(self) -> Decision:
        is_approved = self.stage.approved_ahead_by or self.rollout.is_unjudged
        if self._step.needs_approval and not is_approved:
            return self._ask()
        stage = replace(self.stage, index=self.stage.index + 1, approved_ahead_by="")
        self._enter(StagePhase.DEPLOYING, stage)
        return self._go_on()

    # ---- the judge ----

    def _judge(self) -> str:
        """Ask the judge, whatever the rollout waits for; returns why it is to be taken back, "" if not."""
        state = self.rollout.judge
        if not self.share or self.stage.phase is StagePhase.SWITCHING or state is None:
            return ""
        is_over = self.stage.phase is StagePhase.WATCHING and not self._is_last and self._is_time_over()
        self._verdict = verdict_on(self.rollout, self.policy, self.now_ms, is_step_over=is_over)
        if self._verdict is None:
            return ""
        self.rollout = with_verdict(self.rollout, self.policy, self._verdict)
        if self._verdict.kind is VerdictKind.WORSE:
            return f"revision {self.rollout.to_revision} is worse: {self._verdict.reason}"
        if self._verdict.kind is VerdictKind.SILENT and not self._is_last:
            # Nothing is passed meanwhile; it may be that only the counting stopped.
            back_at_ms = state.heard_at_ms + 2 * self.policy.shift.analysis.silence_ms
            if self.plan.is_due(back_at_ms):
                return f"nobody knows how revision {self.rollout.to_revision} does: {self._verdict.reason}"
        return ""

    def _go_on(self, **changes: Any) -> Decision:
        """Commit what there is; news of the judge alone are committed now and then."""
        rollout, before = replace(self.rollout, **changes), self.view.rollout
        if before is not None and rollout != before:
            quiet = without_news(before, rollout)
            if quiet == before and not self.plan.is_due(commit_at_ms(before, rollout)):
                rollout = quiet
        return go_on(self.plan, rollout)

    # ---- the end ----

    def _hand_over(self) -> Decision:
        """The new revision is what runs, once the last hooks say so too; the old one is kept for a while, or
        taken down.
        """
        hooked = run_hooks(self.plan, self.rollout, HookKind.POST, self.choose)
        self.rollout = hooked.rollout
        if hooked.failure:
            return self._fail(hooked.failure)
        if not hooked.is_over:
            return self._go_on()
        keep_ms = self._keep_ms()
        if not keep_ms or not self.is_old_available():
            self._enter(StagePhase.RETIRING, self.stage)
            return self._go_on()
        self.plan.kept = Kept(
            revision=self.rollout.from_revision,
            colour=self.stage.colour.other,
            until_ms=self.now_ms + keep_ms,
        )
        self.plan.is_kept_ended = False
        note = f"; revision {self.rollout.from_revision} is kept for {keep_ms / 1000:g} s"
        return self._succeed(note)

    def _keep_ms(self) -> int:
        if self.rollout.aim is Aim.ROLLBACK or not self.replicas:
            return 0
        shift = self.policy.shift
        is_canary = self.rollout.strategy is Strategy.CANARY
        return shift.canary.keep_ms if is_canary else shift.blue_green.keep_ms

    def _retiring(self) -> Decision:
        self.tend_new(self.replicas)
        left = retire_all(self.plan, self.stage.colour.other)
        if not left:
            return self._succeed("")
        if self.plan.is_due(self.rollout.deadline_ms):
            return self._succeed(f"; {len(left)} old replicas are not removed yet")
        return self._go_on()

    def _succeed(self, note: str) -> Decision:
        rollout, count = self.rollout, self.replicas
        failed = sum(step.attempts > self.policy.retries for step in rollout.replicas)
        reason = f"{count - failed} of {count} replicas run revision {rollout.to_revision}{note}"
        ended = replace(
            end(rollout, RolloutPhase.SUCCEEDED, sentence(reason, rollout.note), self.now_ms),
            step=rollout.step + bool(self.plan.orders),
        )
        made = transition_of(self.plan, rollout=ended, stable_revision=rollout.to_revision)
        return decision_of(self.plan, made)

    def _within_deadline(self, waits: str, reason: str = "", *, since_ms: int = 0) -> Decision:
        """Go on waiting, unless there was no progress for too long."""
        deadline_ms = max(
            self.rollout.deadline_ms, since_ms + self.policy.progress_deadline_ms * bool(since_ms)
        )
        if self.plan.is_due(deadline_ms):
            return self._fail(no_progress(self.view, waits))
        return self._go_on(reason=reason)

    def _fail(self, why: str) -> Decision:
        if self.policy.failure_action is not FailureAction.PAUSE:
            return turn_back(self.view, self.rollout, why, self.now_ms, self.choose)
        return self._pause(f"{why}; both revisions and their shares are kept for a person to decide")

    def _pause(self, why: str) -> Decision:
        paused = replace(self.rollout, phase=RolloutPhase.PAUSED, paused_ms=self.now_ms, reason=clip(why))
        return StagedLook(self.view, paused, self.now_ms, self.choose).hold_still()


def _how(view: ServiceView, copy: Assignment) -> str:
    why = f" ({copy.observed.reason})" if copy.observed.reason else ""
    return f"replica {copy.ordinal} on {view.name_of(copy.node_id)} is {copy.observed.phase}{why}"

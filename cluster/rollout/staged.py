"""A rollout that brings the new revision up beside the old one and moves the requests over in steps.

Blue-green and canary are the same machine over other steps. The old revision keeps all its replicas until the
new one has had every request long enough, so that the way back is one change of shares, from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, Stage, StagePhase, Steer
from cluster.model.service import Aim, Assignment, DesiredState, FailureAction, Kept, ReplicaPhase
from cluster.model.strategy import WHOLE_PERMILLE, Strategy, TrafficStep
from cluster.rollout.colours import has_available, leave_dead_colour, retire_all, tend, tend_without_starting
from cluster.rollout.converge import Convergence
from cluster.rollout.decision import Decision
from cluster.rollout.limits import Limits
from cluster.rollout.plan import Plan
from cluster.rollout.record import (
    clip,
    decision_of,
    end,
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
from cluster.rollout.starting import WHOLE_STEP
from cluster.rollout.steering import by_whom
from cluster.rollout.steps import Advanced, Stepper
from cluster.rollout.view import ChooseHost, ServiceView

_BAD = frozenset({ReplicaPhase.UNHEALTHY, ReplicaPhase.EXITED, ReplicaPhase.FAILED})

HEADROOM = 1.25
"""How many replicas more than its share of the requests needs a new revision has: it is cold, and shares are
never exact."""


def advance(view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> Decision:
    """Decide on a staged rollout that is under way, or begins with this decision."""
    if rollout.from_revision not in view.revisions or rollout.to_revision not in view.revisions:
        reason = sentence(rollout.reason, "one of its revisions is not known any more")
        plan = Plan(view, now_ms)
        return decision_of(
            plan, transition_of(plan, rollout=end(rollout, RolloutPhase.FAILED, reason, now_ms))
        )
    steering = rollout.steering
    if steering is not None and steering.steer is Steer.ABORT:
        aborted = replace(rollout, steering=None)
        return turn_back(view, aborted, by_whom("aborted", steering), now_ms, choose)
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return _Return(view, rollout, now_ms, choose).decide()
    if rollout.phase is RolloutPhase.PAUSED:
        return _Look(view, rollout, now_ms, choose).hold_still()
    return _Forward(view, rollout, now_ms, choose).decide()


def turn_back(view: ServiceView, rollout: Rollout, why: str, now_ms: int, choose: ChooseHost) -> Decision:
    """Give all requests back to the old revision, whatever the rollout was doing."""
    stage = rollout.stage
    assert stage is not None
    returning = replace(
        stage,
        phase=StagePhase.RETURNING,
        since_ms=now_ms,
        deadline_ms=0,
        is_old_reduced=stage.phase is StagePhase.RETIRING,
    )
    turned = replace(
        rollout,
        phase=RolloutPhase.ROLLING_BACK,
        stage=returning,
        replicas=(),
        reason=clip(why),
        paused_ms=0,
        deadline_ms=now_ms + view.service.policy.progress_deadline_ms,
    )
    return advance(view, turned, now_ms, choose)


class _Look:
    """One look at a staged rollout: what there is of both colours, and what is to be ordered."""

    def __init__(self, view: ServiceView, rollout: Rollout, now_ms: int, choose: ChooseHost) -> None:
        assert rollout.stage is not None
        self.view = view
        self.rollout = rollout
        self.stage = rollout.stage
        self.now_ms = now_ms
        self.choose = choose
        self.policy = view.service.policy
        self.replicas = view.service.replicas
        self.old = view.of_colour(self.stage.colour.other)
        self.new = view.of_colour(self.stage.colour)
        self.share = view.service.split.permille_of(self.stage.colour)
        self.plan = Plan(view, now_ms)
        self.plan.is_kept_ended = view.service.kept is not None

    def tend_old(self) -> None:
        targets = dict.fromkeys(range(self.replicas), self.rollout.from_revision)
        tend(self.plan, self.stage.colour.other, targets, self.choose)

    def tend_new(self, count: int) -> None:
        tend(self.plan, self.stage.colour, dict.fromkeys(range(count), self.rollout.to_revision), self.choose)

    def give_back(self) -> None:
        """Give the old revision all requests."""
        self.plan.share(self.stage.colour.other, WHOLE_PERMILLE)

    def is_new_available(self) -> bool:
        return has_available(self.new, self.rollout.to_revision)

    def is_old_available(self) -> bool:
        return has_available(self.old)

    def hold_still(self) -> Decision:
        """Keep both revisions, and the shares, as they are, for as long as a person wants."""
        rollout = self.rollout
        went_to = leave_dead_colour(self.plan)
        if went_to is not None:
            revision = rollout.to_revision if went_to is self.stage.colour else rollout.from_revision
            why = f"revision {revision} has all requests meanwhile, because the other has no healthy replica"
            rollout = replace(rollout, reason=sentence(rollout.reason, why))
        self.tend_old()
        self.tend_new(wanted(self))
        return go_on(self.plan, rollout)


def wanted(look: _Look) -> int:
    """Return how many replicas of the new revision the present step needs."""
    step = look.stage.steps[min(look.stage.index, len(look.stage.steps) - 1)]
    if look.rollout.strategy is Strategy.CANARY:
        return canary_replicas(look.replicas, step.permille)
    preview = look.policy.shift.blue_green.preview_replicas
    if preview and not look.share and is_approval_due(look):
        return min(preview, look.replicas)
    return look.replicas


def canary_replicas(replicas: int, permille: int) -> int:
    """Return how many of `replicas` a share needs: at least one, with some headroom, never more than all."""
    return min(replicas, max(1, math.ceil(replicas * permille * HEADROOM / WHOLE_PERMILLE)))


def is_approval_due(look: _Look) -> bool:
    """Whether a person is to be asked before the new revision gets its first requests."""
    return (
        look.rollout.strategy is Strategy.BLUE_GREEN
        and not look.policy.shift.blue_green.is_promoted_by_itself
        and not look.rollout.is_unjudged
        and not look.stage.approved_by
        and not look.share
    )


# ---- forward ---------------------------------------------------------------------------------------------


class _Forward(_Look):
    """A look at a rollout on its way to the new revision."""

    def decide(self) -> Decision:
        if self.stage.phase is StagePhase.RETIRING:
            return self._retiring()
        if self._has_foreign_requests():
            return self._clear_colour()
        if self.replicas and self.share < WHOLE_PERMILLE and self._must_take_over():
            self._take_over()
        elif self._has_nobody():
            return self._nobody_answers()
        self.tend_old()
        advanced, steps = self._advance_new()
        failures = [each.failure for each in advanced if each.failure]
        self.rollout = replace(self.rollout, failures=self.rollout.failures + len(failures))
        why = self._why_failed(advanced)
        if why:
            return self._fail(why)
        is_ready = all(
            each.judged.is_proven or is_failed_for_good(each, self.policy) for each in advanced
        ) and (not self.replicas or any(each.judged.is_proven for each in advanced))
        # What was found out about replicas stays, whatever becomes of the step.
        self.rollout = replace(
            self.rollout,
            deadline_ms=progress_deadline_ms(self.rollout, steps, self.now_ms, self.policy),
            replicas=steps,
        )
        match self.stage.phase:
            case StagePhase.DEPLOYING:
                return self._deploying(is_ready, failures)
            case StagePhase.APPROVAL:
                return self._approval()
            case StagePhase.SWITCHING:
                return self._switching()
            case _:
                return self._watching(is_ready)

    # ---- the replicas of the new revision ----

    def _has_foreign_requests(self) -> bool:
        """Whether what an earlier rollout left in this colour gets requests, or may."""
        is_foreign = any(copy.revision != self.rollout.to_revision for copy in self.new.assignments)
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
        return not self.is_old_available() and self.is_new_available()

    def _has_nobody(self) -> bool:
        """Whether the new revision gets requests that it cannot answer, and the old one could."""
        if not (self.share and self.replicas) or self.is_new_available():
            return False
        return self.is_old_available()

    def _take_over(self) -> None:
        """Nobody is left to judge by, or to keep requests for: the new revision takes them all."""
        why = f"revision {self.rollout.from_revision} has no healthy replica: the new one gets all requests"
        self.rollout = replace(self.rollout, note=sentence(self.rollout.note, why), is_unjudged=True)
        index = min(self.stage.index, len(self.stage.steps) - 1)
        stage = replace(self.stage, steps=(*self.stage.steps[:index], WHOLE_STEP), index=index)
        self._enter(StagePhase.SWITCHING, stage)
        self.plan.share(self.stage.colour, WHOLE_PERMILLE)

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
        return go_on(self.plan, replace(self.rollout, replicas=steps))

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

    def _deploying(self, is_ready: bool, failures: Sequence[str]) -> Decision:
        if not is_ready:
            waits = what_is_waited_for(self.plan, self.rollout.replicas)
            if failures:
                reason = sentence(*failures, "it is tried on another host if there is one")
            elif self.rollout.failures:
                reason = self.rollout.reason
            else:
                reason = sentence(self.rollout.note, *self.plan.blocked)
            return self._within_deadline(waits, reason)
        if is_approval_due(self):
            return self._ask()
        self._switch()
        return go_on(self.plan, self.rollout)

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
        return go_on(self.plan, replace(self.rollout, reason=reason))

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
            return go_on(self.plan, self.rollout)
        if self.plan.is_due(self.stage.deadline_ms):
            waited_s = (self.now_ms - self.stage.since_ms) / 1000
            return turn_back(
                self.view, self.rollout, f"nobody approved it within {waited_s:g} s", self.now_ms, self.choose
            )
        return go_on(self.plan, self.rollout)

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
            return go_on(self.plan, self.rollout)
        self._enter(StagePhase.WATCHING, self.stage, deadline_ms=self.now_ms + self._hold_ms())
        return go_on(self.plan, self.rollout)

    def _hold_ms(self) -> int:
        if self.rollout.is_unjudged:
            return 0
        if not self._is_last:
            return self._step.hold_ms
        is_canary = self.rollout.strategy is Strategy.CANARY
        monitor_ms = self.policy.monitor_ms if is_canary else self.policy.shift.blue_green.monitor_ms
        return max(self._step.hold_ms, monitor_ms)

    def _watching(self, is_ready: bool) -> Decision:
        ends_ms = self.stage.since_ms if self.rollout.is_unjudged else self.stage.deadline_ms
        if not self.plan.is_due(ends_ms):
            return go_on(self.plan, self.rollout)
        if not is_ready:
            return self._within_deadline(
                what_is_waited_for(self.plan, self.rollout.replicas), since_ms=ends_ms
            )
        if self._is_last:
            return self._hand_over()
        if self._step.needs_approval and not self.rollout.is_unjudged:
            return self._ask()
        self._enter(StagePhase.DEPLOYING, replace(self.stage, index=self.stage.index + 1))
        return go_on(self.plan, self.rollout)

    # ---- the end ----

    def _hand_over(self) -> Decision:
        """The new revision is what runs; the old one is kept for a while, or taken down."""
        keep_ms = self._keep_ms()
        if not keep_ms or not self.is_old_available():
            self._enter(StagePhase.RETIRING, self.stage)
            return go_on(self.plan, self.rollout)
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
        return go_on(self.plan, self.rollout)

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
        return go_on(self.plan, replace(self.rollout, reason=reason))

    def _fail(self, why: str) -> Decision:
        if self.policy.failure_action is not FailureAction.PAUSE:
            return turn_back(self.view, self.rollout, why, self.now_ms, self.choose)
        paused = replace(
            self.rollout,
            phase=RolloutPhase.PAUSED,
            paused_ms=self.now_ms,
            reason=sentence(why, "both revisions and their shares are kept for a person to decide"),
        )
        return _Look(self.view, paused, self.now_ms, self.choose).hold_still()


def _how(view: ServiceView, copy: Assignment) -> str:
    why = f" ({copy.observed.reason})" if copy.observed.reason else ""
    return f"replica {copy.ordinal} on {view.name_of(copy.node_id)} is {copy.observed.phase}{why}"


# ---- back ------------------------------------------------------------------------------------------------


class _Return(_Look):
    """A look at a rollout on its way back to the old revision."""

    def decide(self) -> Decision:
        self.tend_old()
        if self.stage.phase is StagePhase.RETIRING:
            return self._retiring()
        tend_without_starting(self.plan, self.stage.colour, self.rollout.to_revision)
        if self.share:
            if not self._can_take_all():
                return self._within_deadline(
                    f"revision {self.rollout.from_revision} cannot take the requests"
                )
            self.give_back()
            return go_on(self.plan, self.rollout)
        if not self.plan.is_split_everywhere():
            return self._within_deadline("not every router gives the old revision all requests")
        stage = replace(self.stage, phase=StagePhase.RETIRING, since_ms=self.now_ms)
        deadline_ms = self.now_ms + self.policy.progress_deadline_ms
        return go_on(self.plan, replace(self.rollout, stage=stage, deadline_ms=deadline_ms))

    def _can_take_all(self) -> bool:
        """Whether there is somebody to take them; when it was being taken down, whether it is whole again."""
        if not self.replicas:
            return True
        if not self.is_old_available():
            return False
        if not self.stage.is_old_reduced or not self.is_new_available():
            return True
        serving = {
            copy.ordinal
            for copy in self.old.assignments
            if self.view.is_available(copy) and self.plan.is_routed(copy)
        }
        return len(serving) >= self.replicas

    def _retiring(self) -> Decision:
        left = retire_all(self.plan, self.stage.colour)
        if left and not self.plan.is_due(self.rollout.deadline_ms):
            return go_on(self.plan, self.rollout)
        late = (
            f"; {len(left)} replicas of revision {self.rollout.to_revision} are not removed yet"
            if left
            else ""
        )
        reason = f"back on revision {self.rollout.from_revision}{late}: {self.rollout.reason}"
        return self._end(RolloutPhase.ROLLED_BACK, reason)

    def _within_deadline(self, waits: str) -> Decision:
        if not self.plan.is_due(self.rollout.deadline_ms):
            return go_on(self.plan, self.rollout)
        why = no_progress(self.view, waits)
        reason = f"{self.rollout.reason}; the way back to revision {self.rollout.from_revision} failed: {why}"
        return self._end(RolloutPhase.FAILED, reason)

    def _end(self, phase: RolloutPhase, reason: str) -> Decision:
        ended = end(self.rollout, phase, reason, self.now_ms)
        return decision_of(self.plan, transition_of(self.plan, rollout=ended))

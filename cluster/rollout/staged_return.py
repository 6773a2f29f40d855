"""A staged rollout on its way back to the old revision."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import Variant
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase
from cluster.rollout.colours import retire_all, tend_without_starting
from cluster.rollout.decision import Decision
from cluster.rollout.experiments import ended
from cluster.rollout.record import clip, decision_of, end, go_on, no_progress, transition_of
from cluster.rollout.staged_look import StagedLook
from cluster.rollout.view import ChooseHost, ServiceView


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
        ended(rollout, Variant.A, now_ms),
        phase=RolloutPhase.ROLLING_BACK,
        stage=returning,
        replicas=(),
        reason=clip(why),
        paused_ms=0,
        deadline_ms=now_ms + view.service.policy.progress_deadline_ms,
    )
    return Return(view, turned, now_ms, choose).decide()


class Return(StagedLook):
    """A look at one."""

    def decide(self) -> Decision:
        self.tend_old()
        if self.stage.phase is StagePhase.RETIRING:
            return self._retiring()
        tend_without_starting(self.plan, self.stage.colour, self.rollout.to_revision)
        if self.gets_requests():
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

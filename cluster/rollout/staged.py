"""A rollout that brings the new revision up beside the old one and moves the requests over in steps.

Blue-green and canary are the same machine over other steps. The old revision keeps all its replicas until the
new one has had every request long enough, so that the way back is one change of shares, from anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.model.rollout import Rollout, RolloutPhase, Steer
from cluster.rollout.decision import Decision
from cluster.rollout.plan import Plan
from cluster.rollout.record import decision_of, end, sentence, transition_of
from cluster.rollout.staged_forward import Forward
from cluster.rollout.staged_look import StagedLook
from cluster.rollout.staged_return import Return, turn_back
from cluster.rollout.staged_trial import Trial
from cluster.rollout.steering import by_whom
from cluster.rollout.view import ChooseHost, ServiceView


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
        is_trial = view.rollout is not None and view.rollout.is_experiment
        what = "the experiment was ended" if is_trial else "aborted"
        return turn_back(view, aborted, by_whom(what, steering), now_ms, choose)
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return Return(view, rollout, now_ms, choose).decide()
    if rollout.phase is RolloutPhase.PAUSED:
        return StagedLook(view, rollout, now_ms, choose).hold_still()
    if rollout.is_experiment:
        return Trial(view, rollout, now_ms, choose).decide()
    return Forward(view, rollout, now_ms, choose).decide()

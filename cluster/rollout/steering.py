"""What people ask of a rollout under way, carried out with the next decision."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import Variant
from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase, Steer, Steering, why_not
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.rollout.evidence import verdict_on, with_new_step
from cluster.rollout.experiments import ended
from cluster.rollout.hooks import waive, with_later_deadlines
from cluster.rollout.judge import VerdictKind, begin
from cluster.rollout.record import sentence
from cluster.rollout.starting import WHOLE_STEP, index_above
from cluster.rollout.view import ServiceView

HOOK_GRACE_MS = 60_000
"""What a hook that is under way gets at least when its rollout is resumed: its host did not pause."""


def steer(view: ServiceView, rollout: Rollout, now_ms: int) -> Rollout:
    """Return the rollout with what was asked of it done, as far as that is told from the rollout alone.

    To abort is left to its strategy, which finds `steering` still there. What cannot be done any more,
    because the rollout went on meanwhile, is dropped.
    """
    steering = rollout.steering
    if steering is None:
        return rollout
    if why_not(rollout, steering.steer):
        return replace(rollout, steering=None)
    match steering.steer:
        case Steer.APPROVE if rollout.stage is not None and rollout.stage.may_be_approved_ahead:
            stage = replace(rollout.stage, approved_ahead_by=steering.by)
            words = f"approved by {steering.by}, goes on when the step's time is over"
            words += f" ({steering.reason})" if steering.reason else ""
            return replace(rollout, stage=stage, reason=words, steering=None)
        case Steer.APPROVE:
            approved = replace(_resume(view, rollout, now_ms), steering=None)
            assert approved.stage is not None
            return replace(approved, stage=replace(approved.stage, approved_by=steering.by))
        case Steer.PAUSE:
            return replace(
                rollout,
                phase=RolloutPhase.PAUSED,
                paused_ms=now_ms,
                reason=by_whom("paused", steering),
                steering=None,
            )
        case Steer.RESUME:
            resumed = waive(_resume(view, rollout, now_ms), steering.by)
            return replace(_insist(view, resumed, steering, now_ms), steering=None)
        case Steer.PROMOTE:
            promoted = replace(_resume(view, rollout, now_ms), is_unjudged=True, steering=None)
            note = by_whom("promoted", steering)
            promoted = promote(view, replace(promoted, note=sentence(rollout.note, note)), now_ms)
            return ended(promoted, Variant.B, now_ms, by=steering.by)
        case Steer.ABORT:
            return ended(rollout, Variant.A, now_ms, by=steering.by)


def by_whom(what: str, steering: Steering) -> str:
    return f"{what} by {steering.by}" + (f": {steering.reason}" if steering.reason else "")


def promote(view: ServiceView, rollout: Rollout, now_ms: int) -> Rollout:
    """Return a staged rollout with nothing but the last step before it."""
    stage = rollout.stage
    if stage is None or stage.phase is StagePhase.RETIRING:
        return rollout
    last = len(stage.steps) - 1
    is_there = stage.index == last and stage.phase in (StagePhase.SWITCHING, StagePhase.WATCHING)
    if is_there and not rollout.is_experiment:
        return rollout
    stage = Stage(
        steps=(*stage.steps[: min(stage.index, last)], WHOLE_STEP),
        colour=stage.colour,
        index=min(stage.index, last),
        since_ms=now_ms,
        approved_by=stage.approved_by,
    )
    return replace(
        rollout,
        is_unjudged=True,
        stage=stage,
        deadline_ms=now_ms + view.service.policy.progress_deadline_ms,
    )


def _resume(view: ServiceView, rollout: Rollout, now_ms: int) -> Rollout:
    """Return the rollout as it was paused, with what had to happen in time moved by the pause.

    What failed for good is tried again. When the requests were shared by hand meanwhile, it goes on with the
    first step that gives the new revision more.
    """
    if rollout.phase is not RolloutPhase.PAUSED:
        return rollout
    paused_ms = max(0, now_ms - rollout.paused_ms) if rollout.paused_ms else 0

    def moved(at_ms: int) -> int:
        return at_ms + paused_ms if at_ms else 0

    stage = rollout.stage
    if stage is not None:
        stage = replace(stage, since_ms=moved(stage.since_ms), deadline_ms=moved(stage.deadline_ms))
        if view.service.split.by:
            share = view.service.split.permille_of(stage.colour)
            stage = replace(
                stage,
                index=index_above(stage.steps, share),
                phase=StagePhase.SWITCHING if share == WHOLE_PERMILLE else StagePhase.DEPLOYING,
                since_ms=now_ms,
                deadline_ms=0,
                extended_ms=0,
            )
    return replace(
        rollout,
        phase=RolloutPhase.RUNNING,
        paused_ms=0,
        reason="",
        stage=stage,
        deadline_ms=max(moved(rollout.deadline_ms), now_ms + view.service.policy.progress_deadline_ms),
        replicas=tuple(
            replace(step, attempts=0, since_ms=moved(step.since_ms), deadline_ms=moved(step.deadline_ms))
            for step in rollout.replicas
        ),
        hooks=with_later_deadlines(rollout.hooks, now_ms + HOOK_GRACE_MS),
    )


def _insist(view: ServiceView, rollout: Rollout, steering: Steering, now_ms: int) -> Rollout:
    """Return a resumed rollout without what would only pause it again.

    Who resumes a step that could not be judged has it passed; one that was found worse is judged anew.
    """
    stage, policy = rollout.stage, view.service.policy
    if stage is None or stage.phase is not StagePhase.WATCHING:
        return rollout
    verdict = verdict_on(rollout, policy, now_ms, is_step_over=True)
    if verdict is not None and verdict.kind is VerdictKind.WORSE:
        hold_ms = stage.steps[stage.index].hold_ms
        stage = replace(stage, since_ms=now_ms, deadline_ms=now_ms + hold_ms, extended_ms=0)
        anew = replace(rollout, stage=stage, judge=begin(now_ms=now_ms))
        return with_new_step(anew, now_ms=now_ms, hold_ms=hold_ms)
    if stage.deadline_ms <= now_ms:
        return replace(rollout, stage=replace(stage, approved_by=steering.by))
    return rollout

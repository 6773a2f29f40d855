"""A new rollout: which strategy it follows, with which steps, and why that is not what the policy says."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.experiment import Experiment, ExperimentRun, Variant
from cluster.model.ids import RolloutId
from cluster.model.rollout import Rollout, RolloutPhase, Stage
from cluster.model.service import Aim
from cluster.model.strategy import WHOLE_PERMILLE, Strategy, TrafficStep
from cluster.rollout.colours import has_available, main_colour
from cluster.rollout.hooks import hooks_of
from cluster.rollout.limits import limits
from cluster.rollout.view import ServiceView

WHOLE_STEP = TrafficStep(permille=WHOLE_PERMILLE)


def start(view: ServiceView, now_ms: int, rollout_id: RolloutId) -> Rollout:
    """Return the rollout of the service's newest attempt, as it begins."""
    service = view.service
    attempt = service.attempt
    rollout = Rollout(
        id=rollout_id,
        service_id=service.id,
        from_revision=service.stable_revision,
        to_revision=service.revision,
        phase=RolloutPhase.RUNNING,
        step=0,
        started_at_ms=now_ms,
        changed_at_ms=now_ms,
        deadline_ms=now_ms + service.policy.progress_deadline_ms,
        aim=attempt.aim,
        attempt=attempt.number,
        by=attempt.by,
        # What ran before was judged then; going back to it must not wait.
        is_unjudged=attempt.is_unjudged or attempt.aim is Aim.ROLLBACK,
        hooks=hooks_of(view),
    )
    shift = service.policy.shift
    if attempt.experiment is not None:
        return _as_experiment(view, rollout, attempt.experiment)
    is_kept = _is_kept(view)
    if not shift.strategy.is_staged and not is_kept:
        return rollout
    why_not = _why_not_staged(view)
    if why_not:
        if not shift.strategy.is_staged:
            return rollout
        return replace(rollout, note=f"a rolling update, not {shift.strategy}: {why_not}")
    strategy = shift.strategy if shift.strategy.is_staged else Strategy.BLUE_GREEN
    is_whole_at_once = rollout.is_unjudged or not shift.strategy.is_staged
    steps = (WHOLE_STEP,) if is_whole_at_once else shift.steps
    colour = main_colour(view).other
    share = service.split.permille_of(colour) if is_kept else 0
    stage = Stage(steps=steps, colour=colour, index=index_above(steps, share), since_ms=now_ms)
    return replace(rollout, strategy=strategy, stage=stage)


def _as_experiment(view: ServiceView, rollout: Rollout, experiment: Experiment) -> Rollout:
    """Return the rollout that holds both revisions side by side until it is ended."""
    why_not = _why_not_staged(view)
    if why_not:
        # A rolling update instead would be no experiment.
        reason = f"two revisions cannot be there side by side: {why_not}"
        run = ExperimentRun(plan=experiment, keep=Variant.A, ended_at_ms=rollout.started_at_ms)
        return replace(rollout, phase=RolloutPhase.FAILED, reason=reason, hooks=(), experiment=run)
    stage = Stage(steps=(WHOLE_STEP,), colour=main_colour(view).other, since_ms=rollout.started_at_ms)
    return replace(
        rollout, strategy=Strategy.BLUE_GREEN, stage=stage, experiment=ExperimentRun(plan=experiment)
    )


def index_above(steps: tuple[TrafficStep, ...], permille: int) -> int:
    """Return the first step that gives more than `permille`; the last one when none does."""
    return next((index for index, step in enumerate(steps) if step.permille > permille), len(steps) - 1)


def _is_kept(view: ServiceView) -> bool:
    """Whether the wanted revision is still up beside the present one: back to it is one switch."""
    kept = view.service.kept
    if kept is None or kept.revision != view.service.revision:
        return False
    return has_available(view.of_colour(kept.colour), kept.revision)


def _why_not_staged(view: ServiceView) -> str:
    service = view.service
    if service.stable_revision not in view.revisions:
        return "a first deployment has no steps"
    if not service.replicas:
        return "no replica is wanted"
    if not (view.is_routed(service.revision) and view.is_routed(service.stable_revision)):
        return "without a route there are no requests to share"
    bounds = limits(view, service.revision, is_update=True)
    return "" if bounds.is_start_first else bounds.reason

"""Where a staged rollout stands, in the words of its strategy. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.model.rollout import Rollout, RolloutPhase, Stage, StagePhase
from cluster.model.service import Assignment, DesiredState
from cluster.model.strategy import WHOLE_PERMILLE, Strategy
from web.tools.views import SplitView, StageView


def stage_of(
    rollout: Rollout, split: SplitView | None, assignments: Sequence[Assignment]
) -> StageView | None:
    """Return the stage of a rollout, None for one without: a rolling update, or one that ended well.

    `assignments` are the service's on hosts that are not down, `split` how its requests are shared now.
    """
    stage = rollout.stage
    if stage is None or not stage.steps or rollout.phase is RolloutPhase.SUCCEEDED:
        return None
    place = min(stage.index, len(stage.steps) - 1)
    step = stage.steps[place]
    permille = step.permille
    if split is not None:
        permille = next(share.permille for share in split.shares if share.colour is stage.colour)
    is_held = stage.phase is StagePhase.WATCHING and not rollout.phase.is_terminal
    return StageView(
        name=_name(rollout, stage, assignments),
        words=_words(rollout, stage, split, assignments),
        colour=stage.colour,
        step=place + 1,
        steps=stage.steps,
        permille=permille,
        since_ms=stage.since_ms,
        hold_until_ms=stage.deadline_ms if is_held and stage.deadline_ms else None,
        deadline_ms=stage.deadline_ms,
        approved_by=stage.approved_ahead_by or stage.approved_by,
    )


def percent(permille: int) -> str:
    """Return a share for people: `2.5 %`."""
    return f"{permille / 10:g} %"


def _name(rollout: Rollout, stage: Stage, assignments: Sequence[Assignment]) -> str:
    if rollout.is_experiment:
        return "experiment"
    is_canary = rollout.strategy is Strategy.CANARY
    new, old = ("canary", "stable") if is_canary else ("green", "blue")
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return f"return_to_{old}"
    match stage.phase:
        case StagePhase.DEPLOYING:
            return f"health_check_{new}" if _runs(rollout, assignments) else f"deploy_{new}"
        case StagePhase.SWITCHING:
            return "switch_traffic"
        case StagePhase.WATCHING:
            # On its way to green blue-green is switching still; a canary is there to be watched.
            return f"monitor_{new}" if is_canary or _is_whole(stage) else "switch_traffic"
        case StagePhase.APPROVAL:
            return "approve"
        case StagePhase.RETURNING:
            return f"return_to_{old}"
        case StagePhase.RETIRING:
            return f"decommission_{old}"


def _words(rollout: Rollout, stage: Stage, split: SplitView | None, assignments: Sequence[Assignment]) -> str:
    new, old = stage.colour.value, stage.colour.other.value
    if rollout.is_experiment:
        return _experiment_words(rollout)
    place = min(stage.index, len(stage.steps) - 1)
    step = f"step {place + 1} of {len(stage.steps)}, {percent(stage.steps[place].permille)}"
    step = f"canary {step}" if rollout.strategy is Strategy.CANARY else f"{step} to {new}"
    if rollout.phase.is_terminal:
        return f"ended at {step}"
    if rollout.phase is RolloutPhase.ROLLING_BACK:
        return f"requests go back to {old}"
    match stage.phase:
        case StagePhase.DEPLOYING if _runs(rollout, assignments):
            return f"{step}: {new} is up, its health is awaited"
        case StagePhase.DEPLOYING:
            return f"{step}: {new} is being brought up"
        case StagePhase.SWITCHING:
            return f"{step}: {_awaited(split)}"
        case StagePhase.WATCHING:
            longer = ", longer than planned" if stage.extended_ms else ""
            by = stage.approved_ahead_by
            return f"{step}: watched{longer}" + (f", approved by {by}" if by else "")
        case StagePhase.APPROVAL:
            return f"{step}: waits for approval"
        case StagePhase.RETURNING:
            return f"requests go back to {old}"
        case StagePhase.RETIRING:
            return f"{new} has all requests, {old} is being taken down"


def _awaited(split: SplitView | None) -> str:
    if split is None or not split.waiting_for:
        return "shared by every router"
    return f"not yet in force on {', '.join(split.waiting_for)}"


def _is_whole(stage: Stage) -> bool:
    return stage.steps[min(stage.index, len(stage.steps) - 1)].permille == WHOLE_PERMILLE


def _runs(rollout: Rollout, assignments: Sequence[Assignment]) -> bool:
    """Whether every copy of the new revision that was ordered runs, by what its host says."""
    copies = [
        each
        for each in assignments
        if each.revision == rollout.to_revision
        and each.desired in (DesiredState.STARTED, DesiredState.SERVING)
    ]
    return bool(copies) and all(each.observed.phase.is_running for each in copies)


def _experiment_words(rollout: Rollout) -> str:
    run = rollout.experiment
    assert run is not None
    see = f"`tower experiment status {rollout.service_id}` compares them"
    if not run.began_at_ms:
        return f"experiment: b (revision {rollout.to_revision}) is brought up"
    return f"experiment: a is revision {rollout.from_revision}, b revision {rollout.to_revision}; {see}"

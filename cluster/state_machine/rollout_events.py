"""What is told of rollouts: that they begin, how far they are, and how they end."""

from __future__ import annotations

from cluster.model.events import EventKind, EventSubject, headline
from cluster.model.rollout import Rollout, RolloutPhase, StagePhase
from cluster.model.strategy import WHOLE_PERMILLE
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event

_PHASE_KINDS = {
    RolloutPhase.PAUSED: EventKind.ROLLOUT_PAUSED,
    RolloutPhase.RUNNING: EventKind.ROLLOUT_RESUMED,
    RolloutPhase.ROLLING_BACK: EventKind.ROLLOUT_ROLLING_BACK,
    RolloutPhase.SUCCEEDED: EventKind.ROLLOUT_SUCCEEDED,
    RolloutPhase.ROLLED_BACK: EventKind.ROLLOUT_ROLLED_BACK,
    RolloutPhase.FAILED: EventKind.ROLLOUT_FAILED,
    RolloutPhase.CANCELLED: EventKind.ROLLOUT_ABORTED,
}

_WORDS = {
    EventKind.ROLLOUT_STARTED: "has begun",
    EventKind.ROLLOUT_PAUSED: "is paused",
    EventKind.ROLLOUT_RESUMED: "goes on",
    EventKind.ROLLOUT_WAITING: "waits for an approval",
    EventKind.ROLLOUT_ROLLING_BACK: "goes back",
    EventKind.ROLLOUT_SUCCEEDED: "has succeeded",
    EventKind.ROLLOUT_ROLLED_BACK: "was rolled back",
    EventKind.ROLLOUT_FAILED: "has failed",
    EventKind.ROLLOUT_ABORTED: "was given up",
}


def note_rollout(entry: Entry, before: Rollout | None, after: Rollout) -> None:
    """Tell how a rollout differs from what it was; None when it is new. Little things are not told."""
    if before is None:
        _tell(entry, after, EventKind.ROLLOUT_STARTED)
    phase = RolloutPhase.RUNNING if before is None else before.phase
    if phase is not after.phase:
        _tell(entry, after, _PHASE_KINDS[after.phase])
        return
    if after.phase is not RolloutPhase.RUNNING or before is None or after.stage is None:
        return
    stood = None if before.stage is None else before.stage.phase
    if after.stage.phase is stood:
        return
    if after.stage.phase is StagePhase.APPROVAL:
        _tell(entry, after, EventKind.ROLLOUT_WAITING)
    elif after.stage.phase is StagePhase.WATCHING:
        _tell(entry, after, EventKind.ROLLOUT_STEP)


def _tell(entry: Entry, rollout: Rollout, kind: EventKind) -> None:
    percent = _percent(rollout)
    words = _WORDS.get(kind, f"has {percent} of the requests")
    reason = headline(rollout.reason)
    because = f": {reason}" if reason else ""
    if rollout.from_revision:
        way = f"from revision {rollout.from_revision} to {rollout.to_revision}"
    else:
        way = f"to revision {rollout.to_revision}"
    record_event(
        entry,
        kind,
        subject=EventSubject(service_id=rollout.service_id, rollout_id=rollout.id),
        summary=f"Rollout of {rollout.service_id} {way} {words}{because}",
        details={
            "from_revision": str(rollout.from_revision or ""),
            "to_revision": str(rollout.to_revision),
            "strategy": rollout.strategy.value,
            "aim": rollout.aim.value,
            "phase": rollout.phase.value,
            "share": percent,
            "by": rollout.by,
            "reason": reason,
            "verdict": rollout.verdict,
            "note": rollout.note,
        },
    )


def _percent(rollout: Rollout) -> str:
    stage = rollout.stage
    if stage is None or stage.index >= len(stage.steps):
        return ""
    return f"{100 * stage.steps[stage.index].permille / WHOLE_PERMILLE:g} %"

"""One replica's way through a rollout: image, start, router, watch; then the old one's drain and removal.

The step is recorded with the time it began, so that a new leader goes on where the last one was. What a step
waits for is always read from the assignments: a step never moves on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.ids import NodeId
from cluster.model.rollout import ReplicaProgress, StepPhase
from cluster.model.service import Assignment, DesiredState, ReplicaPhase
from cluster.rollout.converge import Judged
from cluster.rollout.plan import DRAIN_MARGIN_MS, Plan
from cluster.rollout.slots import Slot
from cluster.rollout.view import is_healthy

CRASHES_MAX = 3
"""A container its host had to start again so often before it was healthy will not become so."""
EXITED_PATIENCE_MS = 10_000
"""How long one that ended may take to run again."""

UNKNOWN = -1
"""How often it was started again does not matter: it served before, or does not serve yet."""

_PROVEN = frozenset({StepPhase.DRAINING, StepPhase.REMOVING, StepPhase.DONE})
_BAD = frozenset({ReplicaPhase.EXITED, ReplicaPhase.UNHEALTHY})


@dataclass(frozen=True, slots=True)
class Advanced:
    """A slot after one look. `failure` says for people why its candidate was given up, "" if it was not."""

    judged: Judged
    progress: ReplicaProgress
    failure: str = ""


class Stepper:
    """Judges candidates for one rollout."""

    def __init__(self, plan: Plan, *, monitor_ms: int, is_rolling_back: bool) -> None:
        self._plan = plan
        self._policy = plan.view.service.policy
        self._monitor_ms = monitor_ms
        self._is_rolling_back = is_rolling_back

    def advance(self, slot: Slot, before: ReplicaProgress | None) -> Advanced:
        """Look at a slot's candidate and order what follows for it."""
        copy = slot.candidate
        if copy is None:
            return self._at(slot, before, StepPhase.WAITING, None)
        if not self._plan.view.is_alive(copy.node_id):
            return self._stranded(slot, copy, before)
        failure, deadline_ms = self._find_failure(slot, copy, before)
        if failure:
            return self._give_up(slot, copy, before, failure)
        if copy.desired is not DesiredState.SERVING:
            if is_healthy(copy):
                self._plan.order(copy, DesiredState.SERVING)
                return self._at(slot, before, StepPhase.ROUTING, copy.node_id)
            phase = _starting_phase(copy, before)
            return self._at(slot, before, phase, copy.node_id, deadline_ms)
        return self._serving(slot, copy, before)

    def settle(self, advanced: Advanced) -> ReplicaProgress:
        """Return the progress once it is known where a missing candidate was ordered."""
        judged, progress = advanced.judged, advanced.progress
        if judged.started_on is None:
            return progress
        deadline_ms = self._plan.now_ms + self._policy.pull_deadline_ms
        self._plan.wake_at(deadline_ms)
        return ReplicaProgress(
            ordinal=progress.ordinal,
            phase=StepPhase.WAITING,
            node_id=judged.started_on,
            old_node_id=progress.old_node_id,
            old_revision=progress.old_revision,
            attempts=progress.attempts,
            since_ms=self._plan.now_ms,
            deadline_ms=deadline_ms,
        )

    def _serving(self, slot: Slot, copy: Assignment, before: ReplicaProgress | None) -> Advanced:
        same = before if before is not None and before.node_id == copy.node_id else None
        if same is not None and same.phase in _PROVEN:
            return self._proven(slot, copy, before)
        if not self._plan.is_routed(copy):
            return self._at(slot, before, StepPhase.ROUTING, copy.node_id)
        if before is None:
            # It served before this rollout began: there is nothing to watch it for.
            return self._proven(slot, copy, before)
        since_ms = (
            same.since_ms if same is not None and same.phase is StepPhase.MONITORING else self._plan.now_ms
        )
        if self._plan.is_due(since_ms + self._monitor_ms):
            return self._proven(slot, copy, before)
        return self._at(slot, before, StepPhase.MONITORING, copy.node_id, since_ms + self._monitor_ms)

    def _proven(self, slot: Slot, copy: Assignment, before: ReplicaProgress | None) -> Advanced:
        if slot.olds:
            phase = StepPhase.DRAINING
        elif any(self._plan.takes_room(old) for old in slot.removed):
            phase = StepPhase.REMOVING
        else:
            phase = StepPhase.DONE
        deadline_ms = 0
        if phase is StepPhase.DRAINING:
            is_same = before is not None and before.phase is phase and before.node_id == copy.node_id
            since_ms = before.since_ms if before is not None and is_same else self._plan.now_ms
            deadline_ms = since_ms + self._policy.longest_drain_ms + DRAIN_MARGIN_MS
        return self._at(slot, before, phase, copy.node_id, deadline_ms, is_proven=True)

    def _stranded(self, slot: Slot, copy: Assignment, before: ReplicaProgress | None) -> Advanced:
        """Only its host will do, and that is down: it has the volume, or may still run the replica."""
        self._plan.block_stranded(copy)
        was_done = before is not None and before.phase is StepPhase.DONE and before.node_id == copy.node_id
        # A roll-back has done all it can for it: when the host is back, it is what it was.
        is_done = was_done or self._is_rolling_back
        phase = StepPhase.DONE if is_done else StepPhase.WAITING
        return self._at(slot, before, phase, copy.node_id)

    def _give_up(
        self, slot: Slot, copy: Assignment, before: ReplicaProgress | None, failure: str
    ) -> Advanced:
        self._plan.order(copy, DesiredState.REMOVED)
        slot.candidate = None
        slot.removed.append(copy)
        failed = ReplicaProgress(
            ordinal=slot.ordinal,
            phase=StepPhase.WAITING,
            attempts=1 + (0 if before is None else before.attempts),
            since_ms=self._plan.now_ms,
        )
        host = self._plan.view.name_of(copy.node_id)
        why = f": {copy.observed.reason}" if copy.observed.reason else ""
        return self._at(
            slot, failed, StepPhase.WAITING, None, failure=f"replica {slot.ordinal} on {host} {failure}{why}"
        )

    def _find_failure(self, slot: Slot, copy: Assignment, before: ReplicaProgress | None) -> tuple[str, int]:
        """Return what is wrong with a candidate ("" when nothing is), and until when it may take."""
        phase = copy.observed.phase
        if phase is ReplicaPhase.FAILED:
            return "failed", 0
        if copy.desired is DesiredState.SERVING:
            return (_crash(copy, before) if phase is ReplicaPhase.HEALTHY else _lapse(phase)), 0
        if phase is ReplicaPhase.HEALTHY:
            return "", 0
        if phase is ReplicaPhase.REMOVED:
            return "was removed by someone else", 0
        if copy.observed.restarts >= CRASHES_MAX:
            return f"ended {copy.observed.restarts} times before it was healthy", 0
        deadline_ms = self._deadline_ms(copy, before)
        if not self._plan.is_due(deadline_ms):
            return "", deadline_ms
        if _starting_phase(copy, before) is StepPhase.WAITING:
            return f"did not have its image within {_seconds(self._policy.pull_deadline_ms)}", 0
        if phase is ReplicaPhase.EXITED:
            return "ended and did not run again", 0
        return f"did not become healthy within {_seconds(self._policy.start_deadline_ms)}", 0

    def _deadline_ms(self, copy: Assignment, before: ReplicaProgress | None) -> int:
        phase, now_ms = _starting_phase(copy, before), self._plan.now_ms
        whole_ms = self._policy.start_deadline_ms
        if phase is StepPhase.WAITING:
            whole_ms = self._policy.pull_deadline_ms
        is_same = before is not None and before.phase is phase and before.node_id == copy.node_id
        if before is None or not is_same:
            since_ms, present_ms = now_ms, now_ms + whole_ms
        else:
            since_ms, present_ms = before.since_ms, before.deadline_ms
        if copy.observed.phase in _BAD:
            return min(present_ms, max(now_ms, since_ms) + EXITED_PATIENCE_MS)
        # It runs again: its time is what it was. A new leader may have given more.
        return max(present_ms, since_ms + whole_ms)

    def _at(
        self,
        slot: Slot,
        before: ReplicaProgress | None,
        phase: StepPhase,
        node_id: NodeId | None,
        deadline_ms: int = 0,
        *,
        is_proven: bool = False,
        failure: str = "",
    ) -> Advanced:
        old = slot.olds[0] if slot.olds else None
        is_same = before is not None and before.phase is phase and before.node_id == node_id
        progress = ReplicaProgress(
            ordinal=slot.ordinal,
            phase=phase,
            node_id=node_id,
            old_node_id=None if old is None else old.node_id,
            old_revision=0 if old is None else old.revision,
            attempts=0 if before is None else before.attempts,
            since_ms=before.since_ms if before is not None and is_same else self._plan.now_ms,
            deadline_ms=deadline_ms,
            restarts=_restarts_at_first(slot.candidate, before, phase),
        )
        return Advanced(Judged(slot, is_proven=is_proven), progress, failure)


def _starting_phase(copy: Assignment, before: ReplicaProgress | None) -> StepPhase:
    if copy.observed.phase in (ReplicaPhase.PENDING, ReplicaPhase.PULLING):
        # A host that looks at it anew does not take back that the image was there.
        if before is not None and before.phase is StepPhase.STARTING and before.node_id == copy.node_id:
            return StepPhase.STARTING
        return StepPhase.WAITING
    return StepPhase.STARTING


def _restarts_at_first(copy: Assignment | None, before: ReplicaProgress | None, phase: StepPhase) -> int:
    """How often the container had been started again when it was first to serve in this rollout."""
    if copy is None:
        return UNKNOWN
    if before is not None and before.node_id == copy.node_id and before.restarts != UNKNOWN:
        return before.restarts
    return copy.observed.restarts if phase in (StepPhase.ROUTING, StepPhase.MONITORING) else UNKNOWN


def _crash(copy: Assignment, before: ReplicaProgress | None) -> str:
    """Say so when it ended and was started again between two looks: it seems healthy each time."""
    if before is None or before.node_id != copy.node_id or before.restarts == UNKNOWN:
        return ""
    return "ended after it had been healthy" if copy.observed.restarts > before.restarts else ""


def _lapse(phase: ReplicaPhase) -> str:
    match phase:
        case ReplicaPhase.UNHEALTHY:
            return "became unhealthy after it had been healthy"
        case ReplicaPhase.EXITED:
            return "ended after it had been healthy"
        case ReplicaPhase.REMOVED:
            return "was removed by someone else"
        case _:
            return "started again after it had been healthy"


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:g} s"

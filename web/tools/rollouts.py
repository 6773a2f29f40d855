"""Rollouts: how far a change has come, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.model.ids import NodeId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.call import Call
from web.auth.problems import Problem
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.nodes import lost_in, names_in
from web.tools.views import ReplicaStepView, RolloutView

NOWHERE = NodeId("")
"""The host of a replica that none was chosen for."""


async def list_rollouts(context: Context, call: Call, *, service: str = "") -> list[RolloutView]:
    """Return the rollouts that are remembered, newest first; of one service if it is named."""
    await context.authority.require(call, "rollout.read", "rollout")
    with context.surroundings.state.read() as txn:
        names = names_in(txn)
        rollouts = [
            rollout for rollout in records.ROLLOUTS.scan(txn) if not service or rollout.service_id == service
        ]
        views = [rollout_view(txn, rollout, names) for rollout in rollouts]
    return sorted(views, key=lambda view: (view.started_at_ms, view.id), reverse=True)


async def get_rollout(context: Context, call: Call, rollout_id: str) -> RolloutView:
    """Return one rollout. Raises Problem (404)."""
    await context.authority.require(call, "rollout.read", f"rollout:{rollout_id}")
    with context.surroundings.state.read() as txn:
        rollout = records.ROLLOUTS.get(txn, rollout_id) if is_key(rollout_id) else None
        if rollout is None:
            raise Problem(
                "not-found",
                f"there is no rollout {rollout_id[:80]!r}",
                hint="`tower rollout list` shows those that are remembered: the last 20 of each service",
            )
        return rollout_view(txn, rollout, names_in(txn))


def read_newest(surroundings: Surroundings) -> list[RolloutView]:
    """Return each service's newest rollout, for callers whose right to see them was decided."""
    with surroundings.state.read() as txn:
        names = names_in(txn)
        return [
            rollout_view(txn, rollout, names)
            for service in records.SERVICES.scan(txn)
            for rollout in rollouts_of_service(txn, service.id, limit=1)
        ]


def rollout_view(txn: ReadTxn, rollout: Rollout, names: Mapping[str, str]) -> RolloutView:
    """Return a rollout as it is shown; `names` are the hosts' by id."""
    service: Service | None = None
    assignments: Sequence[Assignment] = ()
    if not rollout.phase.is_terminal:
        service = records.SERVICES.get(txn, rollout.service_id)
        assignments = on_live_hosts(records.ASSIGNMENTS.scan(txn, rollout.service_id), lost_in(txn))
    said = {
        (assignment.revision, assignment.ordinal, assignment.node_id): assignment.observed.reason
        for assignment in assignments
    }
    coming = target_of(rollout)
    return RolloutView(
        id=rollout.id,
        service_id=rollout.service_id,
        from_revision=rollout.from_revision,
        to_revision=rollout.to_revision,
        phase=rollout.phase,
        progress=progress_of(rollout, service, assignments),
        reason=rollout.reason,
        failures=rollout.failures,
        started_at_ms=rollout.started_at_ms,
        changed_at_ms=rollout.changed_at_ms,
        ended_at_ms=rollout.changed_at_ms if rollout.phase.is_terminal else None,
        deadline_ms=rollout.deadline_ms,
        replicas=tuple(
            ReplicaStepView(
                ordinal=step.ordinal,
                phase=step.phase,
                reason=said.get((coming, step.ordinal, step.node_id or NOWHERE), ""),
                node_id=step.node_id,
                node_name=names.get(step.node_id or "", ""),
                old_node_id=step.old_node_id,
                old_node_name=names.get(step.old_node_id or "", ""),
                old_revision=step.old_revision,
                attempts=step.attempts,
            )
            for step in rollout.replicas
        ),
    )


def target_of(rollout: Rollout) -> int:
    """Return the revision that a rollout is bringing its replicas to now."""
    is_back = rollout.phase is RolloutPhase.ROLLING_BACK
    return rollout.from_revision if is_back else rollout.to_revision


def progress_of(rollout: Rollout, service: Service | None, assignments: Sequence[Assignment]) -> str:
    """Return in words how far a rollout has come: by what serves, not by what was asked for."""
    wanted = len(rollout.replicas) if service is None else service.replicas
    match rollout.phase:
        case RolloutPhase.RUNNING | RolloutPhase.PAUSED:
            ready = ready_replicas(assignments, rollout.to_revision)
            paused = ", paused" if rollout.phase is RolloutPhase.PAUSED else ""
            return f"{ready} of {_replicas(wanted)} on revision {rollout.to_revision}{paused}"
        case RolloutPhase.ROLLING_BACK if rollout.from_revision:
            ready = ready_replicas(assignments, rollout.from_revision)
            return f"{ready} of {_replicas(wanted)} back on revision {rollout.from_revision}"
        case RolloutPhase.ROLLING_BACK:
            return "taking the new replicas down: there is no revision to go back to"
        case RolloutPhase.SUCCEEDED:
            return f"every replica is on revision {rollout.to_revision}"
        case RolloutPhase.ROLLED_BACK:
            return (
                f"back on revision {rollout.from_revision}" if rollout.from_revision else "taken down again"
            )
        case RolloutPhase.FAILED:
            return f"did not reach revision {rollout.to_revision}"
        case RolloutPhase.CANCELLED:
            return f"ended before revision {rollout.to_revision} was reached"


def on_live_hosts(assignments: Sequence[Assignment], lost: frozenset[NodeId]) -> list[Assignment]:
    """Return the assignments without those of hosts that are down, whatever these said last."""
    return [assignment for assignment in assignments if assignment.node_id not in lost]


def ready_replicas(assignments: Sequence[Assignment], revision: int | None = None) -> int:
    """Return how many replicas serve and are healthy, on one revision or any."""
    return len(
        {
            assignment.ordinal
            for assignment in assignments
            if assignment.desired is DesiredState.SERVING
            and assignment.observed.phase is ReplicaPhase.HEALTHY
            and revision in (None, assignment.revision)
        }
    )


def is_key(text: str) -> bool:
    """Whether text of a stranger can be looked up at all."""
    return 0 < len(text) <= 128 and text.isascii() and text.isprintable()


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"

"""Rollouts: how far a change has come, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.model.ids import NodeId, name_in
from cluster.model.rollout import Rollout, RolloutPhase, Steer, why_not
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.call import Call
from web.ports import Surroundings
from web.tools.behaviour import behaviour_of, limits_of
from web.tools.context import Context
from web.tools.nodes import lost_in, names_in
from web.tools.references import find_rollout
from web.tools.splits import split_in
from web.tools.stages import stage_of
from web.tools.views import HookRunView, ReplicaStepView, RolloutView, StageView, SteeringView
from web.tools.visibility import sight_of

NOWHERE = NodeId("")
"""The host of a replica that none was chosen for."""


async def list_rollouts(context: Context, call: Call, *, service: str = "") -> list[RolloutView]:
    """Return the rollouts that are remembered, newest first; of one service if its id or name is given."""
    await context.authority.admit(call, "rollout.read", "rollout")
    sees = sight_of(context, call).rollout
    with context.surroundings.state.read() as txn:
        names = names_in(txn)
        rollouts = [
            rollout
            for rollout in records.ROLLOUTS.scan(txn)
            if not service or service in (rollout.service_id, name_in(rollout.service_id))
        ]
        if sees is not None:
            rollouts = [rollout for rollout in rollouts if sees(rollout.service_id)]
        views = [rollout_view(txn, rollout, names) for rollout in rollouts]
    return sorted(views, key=lambda view: (view.started_at_ms, view.id), reverse=True)


async def get_rollout(context: Context, call: Call, reference: str) -> RolloutView:
    """Return a rollout by its id, or the newest of the service that is called so. Raises Problem."""
    await context.authority.require(call, "rollout.read", f"rollout:{reference}")
    with context.surroundings.state.read() as txn:
        return rollout_view(txn, find_rollout(txn, reference), names_in(txn))


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
    split = None if service is None else split_in(txn, service, assignments)
    stage = stage_of(rollout, split, assignments)
    steering = rollout.steering
    return RolloutView(
        id=rollout.id,
        service_id=rollout.service_id,
        from_revision=rollout.from_revision,
        to_revision=rollout.to_revision,
        phase=rollout.phase,
        progress=progress_of(rollout, service, assignments, stage),
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
        strategy=rollout.strategy,
        aim=rollout.aim,
        is_unjudged=rollout.is_unjudged,
        asked_by=rollout.by,
        stage=stage,
        split=split,
        behaviour=behaviour_of(rollout),
        verdict=rollout.verdict,
        limits=limits_of(rollout),
        steering=None
        if steering is None or rollout.phase.is_terminal
        else SteeringView(steer=steering.steer, by=steering.by, at_ms=steering.at_ms, reason=steering.reason),
        paused_at_ms=rollout.paused_ms or None,
        can=tuple(steer for steer in Steer if not why_not(rollout, steer)),
        hooks=tuple(
            HookRunView(
                kind=run.kind,
                number=run.number + 1,
                command=run.hook.command,
                phase=run.phase,
                node_id=run.node_id,
                node_name=names.get(run.node_id or "", ""),
                attempts=run.attempts,
                since_ms=run.since_ms or None,
                timeout_ms=run.hook.timeout_ms,
                exit_code=run.exit_code,
                reason=run.reason,
                tail=run.tail,
            )
            for run in rollout.hooks
        ),
    )


def target_of(rollout: Rollout) -> int:
    """Return the revision that a rollout is bringing its replicas to now."""
    is_back = rollout.phase is RolloutPhase.ROLLING_BACK
    return rollout.from_revision if is_back else rollout.to_revision


def progress_of(
    rollout: Rollout,
    service: Service | None,
    assignments: Sequence[Assignment],
    stage: StageView | None = None,
) -> str:
    """Return in words how far a rollout has come: by what serves, not by what was asked for."""
    wanted = len(rollout.replicas) if service is None else service.replicas
    match rollout.phase:
        case RolloutPhase.RUNNING | RolloutPhase.PAUSED if stage is not None:
            # How many it needs follows from its share, so "of how many" would say little.
            ready = ready_replicas(assignments, rollout.to_revision)
            paused = ", paused" if rollout.phase is RolloutPhase.PAUSED else ""
            return f"{stage.words}; {_replicas(ready)} ready on revision {rollout.to_revision}{paused}"
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


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"

"""What people ask of a rollout under way: approve, pause, resume, promote, abort; and to try one again."""

from __future__ import annotations

from cluster.commands.services import AttemptRevision, SteerRollout
from cluster.model.ids import RolloutId
from cluster.model.rollout import Rollout, Steer, why_not
from cluster.model.service import Aim, Service
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.admission import require_person
from web.tools.attempts import begun
from web.tools.context import Context
from web.tools.nodes import names_in
from web.tools.references import find_rollout
from web.tools.rollouts import rollout_view
from web.tools.service_rights import require_revision
from web.tools.soon import soon
from web.tools.views import RolloutView, ServiceChanged
from web.tools.windows import about, closed_among, problem_of_closed
from web.tools.wishes import as_things_are, propose_on, wish_of

ACTION_OF = {steer: f"rollout.{steer.value}" for steer in Steer}
"""What one has to be allowed for each thing that can be asked of a rollout."""
RETRY = "rollout.retry"


async def steer_rollout(
    context: Context, call: Call, reference: str, steer: Steer, *, reason: str = ""
) -> RolloutView:
    """Ask something of a rollout: of that id, or of the newest one of the service that is called so.

    Returns it as it is then; `steering` is still there when the leader has not got to it within a moment.
    Raises Problem: 409 when that cannot be asked of it now, with what can.
    """
    action = ACTION_OF[steer]
    await context.authority.require(call, action, f"rollout:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        rollout = find_rollout(txn, reference)
        service = records.SERVICES.get(txn, rollout.service_id)
        if service is not None and steer in (Steer.APPROVE, Steer.PROMOTE):
            require_person(txn, call, service, f"to {steer} a rollout")
    refused = why_not(rollout, steer)
    if refused:
        raise _cannot(rollout, refused)

    async def change(permit: Permit) -> None:
        await ask_of_rollout(permit, rollout.id, steer, by=call.known().name, reason=reason)

    await context.authority.perform(
        call, action, f"rollout:{rollout.id}", change, recorded_as=f"rollout.{steer.value}"
    )

    def look(txn: ReadTxn) -> bool | None:
        known = records.ROLLOUTS.get(txn, rollout.id)
        return True if known is None or known.steering is None else None

    await soon(surroundings, look, patience_s=context.pace.rollout_wait_s)
    with surroundings.state.read() as txn:
        return rollout_view(txn, records.ROLLOUTS.get(txn, rollout.id) or rollout, names_in(txn))


async def ask_of_rollout(
    permit: Permit, rollout_id: RolloutId, steer: Steer, *, by: str, reason: str
) -> object:
    """Have the leader told what is asked, and return the service's version. Raises Problem (409)."""
    command = SteerRollout(rollout_id=rollout_id, steer=steer, by=by, reason=reason)
    try:
        return await permit.propose(command, reason=reason)
    except Problem as problem:
        # It ended, or moved on, since it was looked at.
        raise as_things_are(problem) from problem


async def retry_rollout(context: Context, call: Call, reference: str) -> ServiceChanged:
    """Try the revision of a rollout that ended badly again. Raises Problem (404, 409)."""
    await context.authority.require(call, RETRY, f"rollout:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        rollout = find_rollout(txn, reference)
        service = records.SERVICES.get(txn, rollout.service_id)
        assert service is not None, "a rollout goes with its service"
        _check_retry(service, rollout)
    targets = await require_revision(context, call, RETRY, service, rollout.to_revision)
    with surroundings.state.read() as txn:
        closed = closed_among(txn, [about(service)], surroundings.clock.now_ms())
    if closed:
        raise problem_of_closed(closed)
    seen = wish_of(service)

    def plan(_: ReadTxn, present: Service | None, version: int) -> AttemptRevision:
        assert present is not None, "the wish is the same"
        return AttemptRevision(
            service_id=present.id,
            revision=rollout.to_revision,
            aim=Aim.RETRY,
            by=call.known().name,
            expected_version=version,
        )

    async def change(permit: Permit) -> object:
        return await propose_on(permit, surroundings, service.id, seen, plan)

    result = await context.authority.perform(call, RETRY, f"rollout:{rollout.id}", change, on=targets)
    return await begun(context, service.id, result, done=f"revision {rollout.to_revision} is tried again")


def _check_retry(service: Service, rollout: Rollout) -> None:
    if not rollout.phase.is_terminal:
        raise _cannot(rollout, "it is still under way")
    if service.rollout_id is not None:
        raise Problem(
            "conflict",
            f"rollout {service.rollout_id} of {service.id} is under way",
            hint=f"wait for its end: tower rollout status {service.id} --wait",
        )
    if rollout.to_revision == service.stable_revision:
        raise Problem(
            "conflict",
            f"revision {rollout.to_revision} of {service.id} is what runs: there is nothing to try again",
            hint=f"`tower restart {service.id}` replaces its replicas by new ones",
        )


def _cannot(rollout: Rollout, refused: str) -> Problem:
    possible = [steer.value for steer in Steer if not why_not(rollout, steer)]
    hint = f"what can be asked of it now: {', '.join(possible)}" if possible else ""
    if rollout.phase.is_terminal:
        hint = f"`tower history {rollout.service_id}` shows what became of it"
    return Problem("conflict", f"rollout {rollout.id} of {rollout.service_id}: {refused}", hint=hint)

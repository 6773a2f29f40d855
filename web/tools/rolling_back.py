"""Going back: to the revision before, or to any that is remembered."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.commands.services import AttemptRevision
from cluster.model.ids import RolloutId
from cluster.model.rollout import RolloutPhase, Steer
from cluster.model.service import Aim, Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.attempts import begun
from web.tools.context import Context
from web.tools.references import find_service
from web.tools.service_rights import require_revision
from web.tools.steering import ask_of_rollout
from web.tools.views import ServiceChanged
from web.tools.wishes import propose_on, wish_of

ROLLBACK = "service.rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to get back: by aborting a rollout, or by having a revision rolled out."""

    revision: int
    abort: RolloutId | None = None
    is_unjudged: bool = True
    done: str = ""
    note: str = ""


async def rollback_service(
    context: Context, call: Call, reference: str, *, to: int | None = None, reason: str = ""
) -> ServiceChanged:
    """Have an earlier revision run again: `to`, or the last one that was stable before the present one.

    During a rollout that means to abort it. A revision that is kept running beside gets the requests at once;
    any other is made again from its pinned digest. What was stable once is not judged again. Raises Problem:
    404 for an unknown service or revision, 409 when there is nothing to go back to.
    """
    await context.authority.require(call, ROLLBACK, f"service:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        service = find_service(txn, reference)
        way = way_back(txn, service, to)
    targets = await require_revision(context, call, ROLLBACK, service, way.revision)
    seen = wish_of(service)
    by = call.known().name

    def plan(txn: ReadTxn, present: Service | None, version: int) -> AttemptRevision:
        assert present is not None, "the wish is the same"
        return AttemptRevision(
            service_id=present.id,
            revision=way.revision,
            aim=Aim.ROLLBACK,
            by=by,
            is_unjudged=way.is_unjudged,
            expected_version=version,
        )

    async def change(permit: Permit) -> object:
        if way.abort is not None:
            version = await ask_of_rollout(permit, way.abort, Steer.ABORT, by=by, reason=reason)
            return [way.revision, version]
        return await propose_on(permit, surroundings, service.id, seen, plan, reason=reason)

    result = await context.authority.perform(call, ROLLBACK, f"service:{service.id}", change, on=targets)
    return await begun(context, service.id, result, done=way.done, note=way.note)


def last_stable_before(txn: ReadTxn, service: Service) -> int | None:
    """Return the newest revision older than the stable one that was rolled out whole and is remembered.

    Older by number, not by time: after going back from a bad 3 to 2, the one before is 1 and not 3 again.
    """
    stable = was_stable(txn, service)
    older = [
        revision.number
        for revision in records.REVISIONS.scan(txn, service.id)
        if revision.number < service.stable_revision and revision.number in stable
    ]
    return max(older, default=None)


def was_stable(txn: ReadTxn, service: Service) -> frozenset[int]:
    """Return the revisions that every replica was on once, as far as their rollouts are remembered."""
    known = {service.stable_revision} if service.stable_revision else set[int]()
    if service.kept is not None:
        known.add(service.kept.revision)
    for rollout in rollouts_of_service(txn, service.id):
        # What a rollout comes from was stable when it began.
        known.add(rollout.from_revision)
        if rollout.phase is RolloutPhase.SUCCEEDED:
            known.add(rollout.to_revision)
    return frozenset(known - {0})


def way_back(txn: ReadTxn, service: Service, to: int | None) -> Way:
    """Return how a service goes back. Raises Problem as `rollback_service` does."""
    rollout = None if service.rollout_id is None else records.ROLLOUTS.get(txn, service.rollout_id)
    if rollout is not None and to in (None, rollout.from_revision):
        if rollout.phase is RolloutPhase.ROLLING_BACK:
            raise Problem(
                "conflict",
                f"rollout {rollout.id} of {service.id} is going back already",
                hint=f"follow it: tower rollout status {service.id} --wait",
            )
        if not rollout.from_revision:
            raise Problem(
                "conflict",
                f"{service.id} is being deployed for the first time: there is no revision to go back to",
                hint=f"`tower rollout abort {service.id}` takes the new replicas down",
            )
        return Way(
            revision=rollout.from_revision,
            abort=rollout.id,
            done=f"rollout {rollout.id} to revision {rollout.to_revision} is aborted: {service.id} goes back"
            f" to revision {rollout.from_revision}",
        )
    if to is None:
        if service.revision != service.stable_revision:
            raise _taken_back_already(txn, service)
        to = service.kept.revision if service.kept is not None else last_stable_before(txn, service)
        if to is None:
            raise Problem(
                "conflict",
                f"no revision of {service.id} from before revision {service.stable_revision} is known to have"
                " run whole",
                hint=f"`tower history {service.id}` lists what is remembered; name one with --to",
            )
    elif records.REVISIONS.get(txn, service.id, to) is None:
        raise _forgotten(txn, service, to)
    elif to == service.stable_revision:
        raise Problem("conflict", f"revision {to} of {service.id} is what runs")
    is_proven = to in was_stable(txn, service)
    superseded = "" if rollout is None else f"; that supersedes rollout {rollout.id}"
    how = "from its pinned image"
    if service.kept is not None and service.kept.revision == to:
        how = "which still runs, so the requests go back at once"
    return Way(
        revision=to,
        is_unjudged=is_proven,
        done=f"{service.id} goes back to revision {to}, {how}{superseded}",
        note=""
        if is_proven
        else f"revision {to} is not known to have run whole before, so it is judged like a new one",
    )


def _taken_back_already(txn: ReadTxn, service: Service) -> Problem:
    if not service.stable_revision:
        return Problem(
            "conflict",
            f"no revision of {service.id} has run whole yet: there is nothing to go back to",
            hint=f"`tower rollout status {service.id}` says what became of it",
        )
    before = last_stable_before(txn, service)
    further = "" if before is None else f"; to go further back, name it: --to {before}"
    return Problem(
        "conflict",
        f"revision {service.revision} of {service.id} did not last: revision {service.stable_revision} runs",
        hint=f"`tower history {service.id}` says what became of it{further}",
    )


def _forgotten(txn: ReadTxn, service: Service, to: int) -> Problem:
    numbers = [revision.number for revision in records.REVISIONS.scan(txn, service.id)]
    newest = service.newest_revision or service.revision
    what = "is forgotten" if 0 < to <= newest else "there has never been"
    return Problem(
        "not-found",
        f"revision {to} of {service.id} {what}",
        hint=f"remembered are {', '.join(map(str, numbers))}",
        errors=(FieldError(field="to", rule="a revision that is remembered", value=to),),
    )

"""What a service was, revision by revision, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.model.rollout import Rollout
from cluster.model.service import Revision, Service
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.call import Call
from web.auth.problems import FieldError, Problem
from web.tools.behaviour import BehaviourView, behaviour_of, new_totals
from web.tools.context import Context
from web.tools.references import find_service
from web.tools.rolling_back import was_stable
from web.tools.spec_diff import diff_specs
from web.tools.views import AttemptView, ComparisonView, HistoryEntry, HistoryView


async def get_history(context: Context, call: Call, reference: str) -> HistoryView:
    """Return the revisions of a service that are remembered (the last 20), newest first. Raises Problem."""
    await context.authority.require(call, "service.read", f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        shows_values = context.authority.decide(call, "service.inspect", f"service:{service.id}").allowed
        return HistoryView(service_id=service.id, revisions=_entries(txn, service, shows_values))


async def compare_revisions(
    context: Context, call: Call, reference: str, before: int | None, after: int | None
) -> ComparisonView:
    """Return what differs from one revision to another, and how they answered side by side.

    Without `after` the newest; without `before` the one it took the place of. Raises Problem.
    """
    await context.authority.require(call, "service.read", f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        shows_values = context.authority.decide(call, "service.inspect", f"service:{service.id}").allowed
        known = {revision.number: revision for revision in records.REVISIONS.scan(txn, service.id)}
        rollouts = rollouts_of_service(txn, service.id)
        new = _known(service, known, after if after is not None else max(known), "after")
        if before is None:
            before = _replaced(new.number, known, rollouts)
            if before is None:
                raise _nothing_before(service, new)
        old = _known(service, known, before, "before")
        behaviour = _side_by_side(rollouts, old.number, new.number)
    return ComparisonView(
        service_id=service.id,
        before=old.number,
        after=new.number,
        changes=diff_specs(old.spec, new.spec, shows_values=shows_values),
        behaviour=behaviour,
        note=_note(old.number, new.number, behaviour),
    )


def _entries(txn: ReadTxn, service: Service, shows_values: bool) -> tuple[HistoryEntry, ...]:
    known = {revision.number: revision for revision in records.REVISIONS.scan(txn, service.id)}
    rollouts = rollouts_of_service(txn, service.id)
    stable = was_stable(txn, service)
    entries = []
    for revision in known.values():
        replaced = _replaced(revision.number, known, rollouts)
        before = None if replaced is None else known[replaced]
        attempts = [each for each in rollouts if each.to_revision == revision.number]
        entries.append(
            HistoryEntry(
                revision=revision.number,
                state=_state(service, revision.number, attempts, stable),
                image=revision.spec.image,
                digest=revision.spec.digest,
                created_at_ms=revision.created_at_ms,
                created_by=revision.created_by,
                compared_with=0 if before is None else before.number,
                changes=()
                if before is None
                else diff_specs(before.spec, revision.spec, shows_values=shows_values),
                attempts=tuple(map(_attempt, attempts)),
                promoted_from=revision.promoted_from,
            )
        )
    return tuple(reversed(entries))


def _state(service: Service, number: int, attempts: Sequence[Rollout], stable: frozenset[int]) -> str:
    if attempts and attempts[0].id == service.rollout_id:
        return "rolling-out"
    if number == service.stable_revision:
        return "stable"
    if service.kept is not None and service.kept.revision == number:
        return "kept"
    if number in stable:
        return "was-stable"
    return "failed" if attempts else "never-run"


def _attempt(rollout: Rollout) -> AttemptView:
    counted = None if rollout.judge is None else new_totals(rollout.judge)
    if counted is not None and not counted.requests:
        counted = None
    return AttemptView(
        rollout_id=rollout.id,
        aim=rollout.aim,
        strategy=rollout.strategy,
        from_revision=rollout.from_revision,
        phase=rollout.phase,
        asked_by=rollout.by,
        is_unjudged=rollout.is_unjudged,
        reason=rollout.reason,
        verdict=rollout.verdict,
        started_at_ms=rollout.started_at_ms,
        ended_at_ms=rollout.changed_at_ms if rollout.phase.is_terminal else None,
        requests=None if counted is None else counted.requests,
        failures=None if counted is None else counted.failures,
        lost=None if counted is None else counted.lost,
    )


def _side_by_side(rollouts: Sequence[Rollout], before: int, after: int) -> BehaviourView | None:
    """How the two answered in the newest rollout from one to the other, whichever way."""
    for rollout in rollouts:
        if {rollout.from_revision, rollout.to_revision} == {before, after}:
            found = behaviour_of(rollout)
            if found is not None:
                return found
    return None


def _note(before: int, after: int, behaviour: BehaviourView | None) -> str:
    if behaviour is None:
        return (
            f"revisions {before} and {after} never answered requests side by side while a judge counted, so"
            " nothing is said of how they compare: at different times much else is different too"
        )
    if behaviour.new.revision != after:
        return f"they answered side by side when {behaviour.new.revision} was the new one of the two"
    return ""


def _known(service: Service, known: Mapping[int, Revision], number: int, field: str) -> Revision:
    revision = known.get(number)
    if revision is None:
        raise Problem(
            "not-found",
            f"revision {number} of {service.id} is not known",
            hint=f"remembered are {', '.join(map(str, sorted(known)))}",
            errors=(FieldError(field=field, rule="a revision that is remembered", value=number),),
        )
    return revision


def _replaced(number: int, known: Mapping[int, Revision], rollouts: Sequence[Rollout]) -> int | None:
    """The revision that one took the place of when it was new; else the one before it by number.

    After going back from 2 to 1, what 3 changed is what it changed of 1.
    """
    first = next((each for each in reversed(rollouts) if each.to_revision == number), None)
    if first is not None and first.from_revision in known and first.from_revision != number:
        return first.from_revision
    return max((each for each in known if each < number), default=None)


def _nothing_before(service: Service, revision: Revision) -> Problem:
    return Problem(
        "conflict",
        f"no revision of {service.id} from before revision {revision.number} is remembered",
        hint="there is nothing to compare it with yet",
    )

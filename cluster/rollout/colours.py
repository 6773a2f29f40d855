"""The two colours of a service: which one is in charge, and what is kept or left over in the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.model.rollout import Rollout
from cluster.model.service import Assignment, DesiredState, Kept
from cluster.model.strategy import WHOLE_PERMILLE, Colour
from cluster.rollout.converge import Convergence, Judged
from cluster.rollout.limits import Limits, limits
from cluster.rollout.plan import Plan
from cluster.rollout.slots import Slot, build_slots
from cluster.rollout.upkeep import judge, retry_at
from cluster.rollout.view import ChooseHost, NoHost, ServiceView, WantedReplica, is_removal_confirmed


def main_colour(view: ServiceView) -> Colour:
    """The colour of the stable revision, which replicas belong to unless a staged rollout brings them."""
    service = view.service
    if view.rollout is not None and view.rollout.stage is not None:
        return view.rollout.stage.colour.other
    return service.split.colour if service.kept is None else service.kept.colour.other


def has_available(view: ServiceView, revision: int | None = None) -> bool:
    """Whether a replica answers requests, of `revision` if one is asked for."""
    return any(view.is_available(copy) and revision in (None, copy.revision) for copy in view.assignments)


def leave_dead_colour(plan: Plan) -> Colour | None:
    """Take all requests away from a colour that has nobody to answer them, if the other one has.

    Returns the colour they went to. No share, whoever ordered it, is worth failing every request of it.
    """
    view = plan.view
    for colour in Colour:
        share = view.service.split.permille_of(colour)
        if (
            share
            and not has_available(view.of_colour(colour))
            and has_available(view.of_colour(colour.other))
        ):
            plan.share(colour.other, WHOLE_PERMILLE)
            return colour.other
    return None


# ---- keeping one colour as it should be ------------------------------------------------------------------


def tend(plan: Plan, colour: Colour, targets: Mapping[int, int], choose: ChooseHost) -> list[Judged]:
    """Keep the replicas of one colour as `targets` (ordinal -> revision) says; returns the slots."""
    view = plan.view.of_colour(colour)
    judged = [judge(plan, slot) for slot in build_slots(view, targets)]
    _converge(plan, view, colour, judged, choose)
    return judged


def tend_without_starting(plan: Plan, colour: Colour, revision: int) -> None:
    """Let those replicas of `revision` that are there and answer go on serving; none is replaced."""
    view = plan.view.of_colour(colour)
    targets = {
        copy.ordinal: revision
        for copy in view.assignments
        if copy.revision == revision
        and copy.desired is not DesiredState.REMOVED
        and copy.ordinal < view.service.replicas
        and view.is_alive(copy.node_id)
        and not view.is_draining(copy.node_id)
        and copy.key not in view.to_leave
    }
    judged = [judge(plan, slot) for slot in build_slots(view, dict(sorted(targets.items())))]
    for each in judged:
        each.is_given_up = True
    _converge(plan, view, colour, judged, _nowhere)


def retire_all(plan: Plan, colour: Colour) -> list[Assignment]:
    """Take every replica of a colour without requests down; returns those that are still there."""
    view = plan.view.of_colour(colour)
    _converge(plan, view, colour, [], _nowhere)
    return [copy for copy in view.assignments if plan.takes_room(copy)]


def _converge(
    plan: Plan, view: ServiceView, colour: Colour, judged: Sequence[Judged], choose: ChooseHost
) -> None:
    Convergence(
        plan=plan,
        view=view,
        colour=colour,
        judged=judged,
        limits=_limits_of(view, judged),
        choose=choose,
        retry_at=lambda slot, is_fresh: retry_at(slot, is_fresh, plan),
    ).run()


def _limits_of(view: ServiceView, judged: Sequence[Judged]) -> Limits:
    target = max((each.slot.target for each in judged), default=0)
    bounds = limits(view, target, is_update=any(meets_another_revision(view, each.slot) for each in judged))
    if view.service.stable_revision in view.revisions:
        return bounds
    # Which replicas there are to be is told from those that are there: one taken down would not come back.
    surge = 0 if bounds.reason else view.service.policy.max_surge
    return Limits(surge=surge, unavailable=0, reason=bounds.reason)


def meets_another_revision(view: ServiceView, slot: Slot) -> bool:
    """Whether something made from another revision is there, or is not known to be gone."""
    return any(
        copy.revision != slot.target and view.is_alive(copy.node_id) and not is_removal_confirmed(copy)
        for copy in (*slot.olds, *slot.removed)
    )


def _nowhere(_wanted: WantedReplica) -> NoHost:
    return NoHost("none is to be started")


# ---- the other colour, while no staged rollout is under way ----------------------------------------------


def settle_other(plan: Plan, main: Colour, *, is_rolling: bool = False) -> None:
    """Keep what was replaced for its time, and take down whatever else the other colour still has.

    A rolling update (`is_rolling`) ends what is kept: there is one revision to go back to.
    """
    view = plan.view
    kept = view.service.kept
    share = view.service.split.permille_of(main.other)
    if kept is not None and not is_rolling and not _is_kept_over(plan, kept, share):
        leave_dead_colour(plan)
        tend_without_starting(plan, kept.colour, kept.revision)
        return
    if kept is not None:
        plan.is_kept_ended = True
    if share or view.service.split.targeting is not None:
        # Set by hand, or left by a rollout that could not even be taken back.
        if has_available(view.of_colour(main)) or not view.service.replicas:
            plan.share(main, WHOLE_PERMILLE)
        else:
            leave_dead_colour(plan)
        tend_without_starting(plan, main.other, _serving_revision(view.of_colour(main.other)))
    elif view.of_colour(main.other).assignments and plan.is_split_everywhere():
        retire_all(plan, main.other)


def _is_kept_over(plan: Plan, kept: Kept, share: int) -> bool:
    """Its time is over, unless it has requests again; or nothing is left of it."""
    is_there = any(
        copy.revision == kept.revision and copy.desired is not DesiredState.REMOVED
        for copy in plan.view.of_colour(kept.colour).assignments
    )
    return not is_there or (not share and plan.is_due(kept.until_ms))


def _serving_revision(view: ServiceView) -> int:
    """The revision most of a colour's requests are answered by."""
    revisions = [copy.revision for copy in view.assignments if view.is_available(copy)]
    return max(revisions, key=lambda revision: (revisions.count(revision), revision), default=0)


# ---- what is wanted --------------------------------------------------------------------------------------


def targets_at_rest(view: ServiceView) -> dict[int, int]:
    """Ordinal -> revision, without a rollout under way."""
    stable = view.service.stable_revision
    if stable in view.revisions:
        return dict.fromkeys(range(view.service.replicas), stable)
    # The first rollout failed: what it brought that far is kept, the rest is not tried again.
    return _targets_of_copies(view, preferred=0)


def targets_while_paused(view: ServiceView, rollout: Rollout) -> dict[int, int]:
    """Each replica stays with the revision that serves it, the old one where both do."""
    targets = _targets_of_copies(view, preferred=rollout.from_revision)
    if rollout.from_revision in view.revisions:
        for ordinal in range(view.service.replicas):
            targets.setdefault(ordinal, rollout.from_revision)
    return targets


def _targets_of_copies(view: ServiceView, *, preferred: int) -> dict[int, int]:
    best: dict[int, Assignment] = {}
    for copy in sorted(view.assignments, key=lambda copy: _standing(view, copy, preferred)):
        if (
            copy.ordinal < view.service.replicas
            and copy.desired is not DesiredState.REMOVED
            and copy.revision in view.revisions
        ):
            best.setdefault(copy.ordinal, copy)
    return {ordinal: copy.revision for ordinal, copy in sorted(best.items())}


def _standing(view: ServiceView, copy: Assignment, preferred: int) -> tuple[bool, bool, bool, int, int, str]:
    return (
        not view.is_available(copy),
        copy.desired is not DesiredState.SERVING,
        copy.revision != preferred,
        -copy.revision,
        copy.token,
        copy.node_id,
    )

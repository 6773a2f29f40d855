"""Changing what is wanted of a service, against what its owner had seen of it.

The leader moves a service on several times a second while it is rolled out, and each move is a new version.
That is no conflict with a person; that another person wanted something else meanwhile is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cluster.commands import Code
from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.ids import ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import Fencing, RolloutPolicy, Service
from cluster.raft.replicator import ReadLevel
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.problems import Problem
from web.ports import Surroundings
from web.tools.nodes import names_in
from web.tools.rollouts import rollout_view

TRIES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Of a service, what people decide. Two of them differ when somebody wanted something else.

    `replicas` None: it is scaled by itself, which is nobody's wish.
    """

    revision: int
    attempt: int
    replicas: int | None
    policy: RolloutPolicy
    placement: PlacementRules
    fencing: Fencing
    is_removed: bool
    autoscale: AutoscalePolicy | None = None


def wish_of(service: Service | None) -> Wish | None:
    """Return what people decided of a service; None for one that is not there."""
    if service is None:
        return None
    return Wish(
        revision=service.revision,
        attempt=service.attempt.number,
        replicas=None if service.autoscale is not None else service.replicas,
        policy=service.policy,
        placement=service.placement,
        fencing=service.fencing,
        is_removed=service.is_removed,
        autoscale=service.autoscale,
    )


async def propose_on(
    permit: Permit,
    surroundings: Surroundings,
    service_id: ServiceId,
    seen: Wish | None,
    plan: Callable[[ReadTxn, Service | None, int], object],
    *,
    reason: str = "",
) -> object:
    """Have the command of `plan(txn, service, version)` applied while the wish is still `seen`.

    The plan is made again whenever the leader moved the service meanwhile; it may raise Problem. Raises
    Problem (409) when somebody else was quicker, saying who and what is under way.
    """
    for _ in range(TRIES_MAX):
        with surroundings.state.read() as txn:
            service = records.SERVICES.get(txn, service_id)
            if wish_of(service) != seen:
                raise _changed_meanwhile(txn, service_id, service, seen)
            command = plan(txn, service, 0 if service is None else service.version)
        try:
            return await permit.propose(command, resource=f"service:{service_id}", reason=reason)
        except Problem as problem:
            if problem.extra.get("code") != Code.VERSION_CONFLICT.value:
                raise as_things_are(problem) from problem
        # This node may be behind what the conflict was with.
        await surroundings.state.point(ReadLevel.LINEARIZABLE)
    raise Problem(
        "conflict",
        f"{service_id} moves on faster than it can be changed",
        hint="try again in a moment",
        retry_after_s=1,
    )


def as_things_are(problem: Problem) -> Problem:
    """Return the problem of a command that is right in itself and not possible in the present state."""
    if problem.extra.get("code") != Code.INVALID.value:
        return problem
    return Problem("conflict", problem.detail, hint=problem.hint, extra=problem.extra)


def under_way(txn: ReadTxn, service: Service) -> str:
    """Return in words what is under way with a service, "" when nothing is."""
    rollout = None if service.rollout_id is None else records.ROLLOUTS.get(txn, service.rollout_id)
    if rollout is None:
        return ""
    by = f" of {rollout.by}" if rollout.by else ""
    progress = rollout_view(txn, rollout, names_in(txn)).progress
    return f"rollout {rollout.id}{by} is {rollout.phase.value}: {progress}"


def _changed_meanwhile(
    txn: ReadTxn, service_id: ServiceId, service: Service | None, seen: Wish | None
) -> Problem:
    if service is None:
        return Problem("conflict", f"{service_id} was removed meanwhile", hint="look at `tower services`")
    if service.is_removed:
        what = "it is being removed"
    else:
        if seen is not None and service.attempt.number == seen.attempt:
            what = "somebody changed its number of replicas, or how it is rolled out or placed"
        else:
            what = f"{service.attempt.by or 'somebody'} asked for revision {service.revision}"
        moving = under_way(txn, service)
        if moving:
            what += f"; {moving}"
    return Problem(
        "conflict",
        f"{service_id} was changed meanwhile: {what}",
        hint=f"see `tower rollout status {service_id}`, and ask again if you still want to",
        extra={"code": Code.VERSION_CONFLICT.value},
    )

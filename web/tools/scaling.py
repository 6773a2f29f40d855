"""How many replicas a service has, and new ones for old ones of the same make."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.services import PutService, ScaleService
from cluster.model.service import Service, ServiceSpec
from cluster.store import ReadTxn, records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.admission import admission_to
from web.tools.attempts import begun
from web.tools.context import Context
from web.tools.references import find_service
from web.tools.times import moment
from web.tools.views import ServiceChanged
from web.tools.wishes import propose_on, wish_of

SCALE = "service.scale"
RESTART = "service.restart"
RESTARTED = "tower.restarted"
"""The label that makes a revision of the same specification another one."""


async def scale_service(
    context: Context, call: Call, reference: str, replicas: int, *, is_override: bool = False
) -> ServiceChanged:
    """Change how many replicas a service has, until its file is deployed again.

    With `is_override` also of one that is scaled by itself: then it is not, until then. Raises Problem (409
    without it).
    """
    await context.authority.require(call, SCALE, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = scalable(txn, reference, replicas, is_override=is_override)
    by = call.known().name
    is_held = service.autoscale is not None and is_override
    is_as_asked = service.replicas == replicas and (not is_held or bool(service.scale_held_by))

    async def change(permit: Permit) -> object:
        if is_as_asked and not service.is_removed:
            permit.nothing_changed()
            return service.version
        return await permit.propose(
            ScaleService(service_id=service.id, replicas=replicas, by=by, is_held=is_held)
        )

    version = await context.authority.perform(call, SCALE, f"service:{service.id}", change)
    assert isinstance(version, int)
    is_same = service.replicas == replicas
    done = (
        f"{service.id} has {replicas} replicas"
        if is_same
        else (f"{service.id} goes from {service.replicas} to {replicas} replicas")
    )
    if is_held:
        done += ", and is not scaled by itself until it is deployed again"
    next_time = "scales it by itself again" if is_held else "sets the number that stands there"
    following = "`tower services` shows how many are ready; the next `tower deploy` of its file " + next_time
    return ServiceChanged(
        service_id=service.id,
        revision=service.revision,
        version=version,
        rollout_id=service.rollout_id,
        done=done,
        next="" if is_same and not is_held else following,
    )


def scalable(txn: ReadTxn, reference: str, replicas: int, *, is_override: bool) -> Service:
    """Return a service that may have so many replicas. Raises Problem as `scale_service` does."""
    service = find_service(txn, reference)
    policy = service.autoscale
    if policy is not None and not is_override:
        raise Problem(
            "conflict",
            f"{service.id} is scaled between {policy.replicas_min} and {policy.replicas_max} replicas by"
            " itself",
            hint="change x-tower.scaling in its file, or have your number hold until the next deployment:"
            f" tower scale {service.id}={replicas} --override",
        )
    admission = admission_to(txn, service.environment, service.project)
    if admission is not None:
        admission.check_scale(txn, service, replicas)
    return service


async def restart_service(context: Context, call: Call, reference: str) -> ServiceChanged:
    """Replace the replicas of a service by new ones of the same specification, as its policy says.

    They are a revision of their own, which differs by one label: so the old ones serve until the new ones
    do, and going back is possible. Raises Problem (404, 409).
    """
    await context.authority.require(call, RESTART, f"service:{reference}")
    surroundings = context.surroundings
    with surroundings.state.read() as txn:
        service = restartable(txn, reference)
        revision = records.REVISIONS.get(txn, service.id, service.stable_revision)
        assert revision is not None, "the stable revision is kept"
    seen = wish_of(service)
    spec = restarted(revision.spec, moment(surroundings.clock.now_ms()))

    def plan(_: ReadTxn, present: Service | None, version: int) -> PutService:
        assert present is not None, "the wish is the same"
        return PutService(
            service_id=present.id,
            project=present.project,
            name=present.name,
            spec=spec,
            replicas=present.replicas,
            policy=present.policy,
            created_by=call.known().name,
            expected_version=version,
            fencing=present.fencing,
            # What it is made from has proven itself already.
            is_unjudged=True,
            placement=present.placement,
            environment=present.environment,
            bound=revision.bound,
            labels=present.labels,
            autoscale=present.autoscale,
        )

    async def change(permit: Permit) -> object:
        return await propose_on(permit, surroundings, service.id, seen, plan)

    result = await context.authority.perform(call, RESTART, f"service:{service.id}", change)
    return await begun(
        context, service.id, result, done=f"the replicas of {service.id} are replaced by new ones"
    )


def restartable(txn: ReadTxn, reference: str) -> Service:
    """Return a service whose replicas can be replaced now. Raises Problem as `restart_service` does."""
    service = find_service(txn, reference)
    if service.rollout_id is not None:
        raise Problem(
            "conflict",
            f"rollout {service.rollout_id} of {service.id} is under way, and replaces its replicas",
            hint=f"wait for its end: tower rollout status {service.id} --wait",
        )
    if not service.stable_revision:
        raise Problem(
            "conflict",
            f"no revision of {service.id} has run whole yet: there is nothing to restart",
            hint=f"`tower rollout retry {service.id}` tries it again",
        )
    return service


def restarted(spec: ServiceSpec, mark: str) -> ServiceSpec:
    """Return the specification with the mark of a restart."""
    return replace(spec, labels=tuple(sorted({**dict(spec.labels), RESTARTED: mark}.items())))


def without_restart(spec: ServiceSpec) -> ServiceSpec:
    """Return the specification without the mark of a restart."""
    return replace(spec, labels=tuple(pair for pair in spec.labels if pair[0] != RESTARTED))


def with_restart_of(spec: ServiceSpec, present: ServiceSpec | None) -> ServiceSpec:
    """Return a file's specification with the restart mark of the present one.

    No file knows of it; without it the next deployment of the same file would replace every replica again.
    """
    mark = None if present is None else dict(present.labels).get(RESTARTED)
    return spec if mark is None else restarted(spec, mark)

"""What deploying, going back, scaling and steering would come to, as a plan shows it.

Each refuses what its use case refuses: nobody should be asked about what is not possible anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

from cluster.model.events import clip
from cluster.model.plans import SUMMARY_CHARS_MAX, PlanChange
from cluster.model.rollout import Steer, why_not
from cluster.model.strategy import Colour
from cluster.store import records
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.checking import finding_words
from web.tools.context import Context
from web.tools.deployments import DEPLOY, Foreseen, foresee
from web.tools.preparing import DeployRequest
from web.tools.previewing import (
    Preview,
    bounded,
    changes_of,
    preview_of_service,
    radius_of_services,
)
from web.tools.references import find_rollout, find_service
from web.tools.rolling_back import ROLLBACK, way_back
from web.tools.scaling import RESTART, SCALE, restartable, scalable
from web.tools.services import REMOVE
from web.tools.spec_diff import Effect, diff_specs
from web.tools.splits import split_in
from web.tools.stages import percent
from web.tools.steering import ACTION_OF, RETRY
from web.tools.traffic import SWITCH, share_of


async def preview_scaling(
    context: Context, call: Call, reference: str, replicas: int, *, is_override: bool
) -> Preview:
    await context.authority.require(call, SCALE, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = scalable(txn, reference, replicas, is_override=is_override)
    change = PlanChange(
        field="replicas", before=str(service.replicas), after=str(replicas), effect=Effect.IN_PLACE.value
    )
    return preview_of_service(
        context,
        service.id,
        action=SCALE,
        summary=f"{{service}} goes from {service.replicas} to {replicas} replicas",
        changes=(change,),
        notes=("it is not scaled by itself any more until it is deployed again",) if is_override else (),
        # Of one that is scaled by itself the number is nobody's wish, and goes on moving.
        against=() if service.autoscale is not None else (service.replicas,),
    )


async def preview_restart(context: Context, call: Call, reference: str) -> Preview:
    await context.authority.require(call, RESTART, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = restartable(txn, reference)
    return preview_of_service(
        context,
        service.id,
        action=RESTART,
        summary=f"the {service.replicas} replicas of {{service}} are replaced by new ones of the same make",
    )


async def preview_removal(context: Context, call: Call, reference: str) -> Preview:
    await context.authority.require(call, REMOVE, f"service:{reference}")
    return preview_of_service(
        context,
        reference,
        action=REMOVE,
        summary="{service} is taken down: its replicas end and its route answers no more",
        notes=("named volumes stay",),
    )


async def preview_rollback(context: Context, call: Call, reference: str, to: int | None) -> Preview:
    await context.authority.require(call, ROLLBACK, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        way = way_back(txn, service, to)
        present = records.REVISIONS.get(txn, service.id, service.revision)
        wanted = records.REVISIONS.get(txn, service.id, way.revision)
    changes = [
        PlanChange(
            field="revision",
            before=str(service.revision),
            after=str(way.revision),
            effect=Effect.RECREATE.value,
        ),
    ]
    if present is not None and wanted is not None:
        changes += changes_of("", diff_specs(present.spec, wanted.spec, shows_values=False))
    kept, notes = bounded(tuple(changes), (way.note,) if way.note else ())
    return preview_of_service(
        context,
        service.id,
        action=ROLLBACK,
        summary=f"{way.done}".replace("{", "{{").replace("}", "}}"),
        changes=kept,
        notes=notes,
        against=(way.revision, way.abort or "", service.stable_revision),
    )


async def preview_switch(
    context: Context, call: Call, reference: str, *, colour: Colour | None, permille: int | None
) -> Preview:
    await context.authority.require(call, SWITCH, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        target, share = share_of(txn, service, colour=colour, permille=permille)
        before = service.split.permille_of(target)
        split = split_in(txn, service, records.ASSIGNMENTS.scan(txn, service.id))
    down = () if split is None else tuple(each.node_name for each in split.routers if each.is_down)
    return preview_of_service(
        context,
        service.id,
        action=SWITCH,
        summary=f"{target} of {{service}} gets {percent(share)} of the requests",
        changes=(
            PlanChange(
                field=f"requests.{target}",
                before=percent(before),
                after=percent(share),
                effect=Effect.IN_PLACE.value,
            ),
        ),
        notes=(f"routers that are down take it in when they return: {', '.join(down)}",) if down else (),
        against=(before, share, target.value),
    )


async def preview_steering(context: Context, call: Call, reference: str, action: str) -> Preview:
    name = RETRY if action == "retry" else ACTION_OF[Steer(action)]
    await context.authority.require(call, name, f"rollout:{reference}")
    with context.surroundings.state.read() as txn:
        rollout = find_rollout(txn, reference)
        touches = radius_of_services(txn, [rollout.service_id])
    refused = "" if action == "retry" else why_not(rollout, Steer(action))
    if refused:
        raise Problem("conflict", f"rollout {rollout.id} of {rollout.service_id}: {refused}")
    stage = None if rollout.stage is None else rollout.stage.index
    return Preview(
        action=name,
        resource=f"rollout:{rollout.id}",
        summary=f"{action} the rollout of {rollout.service_id} from revision"
        f" {rollout.from_revision or 'none'} to {rollout.to_revision}",
        touches=touches,
        look_at=f"get-deploy-status with service={rollout.service_id}",
        # A step is approved, and not the one after it. To give up, or to stop, is meant at any step.
        against=(rollout.id, rollout.phase.value, stage if action == Steer.APPROVE else None),
    )


async def preview_deployment(context: Context, call: Call, request: DeployRequest) -> Preview:
    seen = await foresee(context, call, request)
    return preview_of_view(context, seen, action=DEPLOY, verb="deploy")


def preview_of_view(context: Context, seen: Foreseen, *, action: str, verb: str) -> Preview:
    """Return what a plan shows of a deployment that was tried dry."""
    view = seen.view
    changed = [each for each in view.services if each.changed]
    with context.surroundings.state.read() as txn:
        touches = radius_of_services(
            txn,
            (each.service_id for each in changed),
            hosts=(each.node_name for each in view.hosts if each.node_name),
        )
    changes = tuple(
        change
        for each in changed
        for change in (
            PlanChange(
                subject=each.service_id,
                field="revision",
                before=None if each.revision == 1 else str(each.revision - 1),
                after=str(each.revision),
                effect=Effect.RECREATE.value,
            ),
            *changes_of(each.service_id, each.changes),
        )
    )
    kept, notes = bounded(changes, (*map(finding_words, view.findings), *view.warnings))
    return Preview(
        action=action,
        resource="service",
        summary=clip(_deployed(view.project, [each.service_id for each in changed], verb), SUMMARY_CHARS_MAX),
        changes=kept,
        touches=touches,
        notes=notes,
        look_at="".join(f"get-deploy-status with service={each.service_id}" for each in changed[:1]),
        against=seen.against,
    )


def _deployed(project: str, services: Iterable[str], verb: str) -> str:
    names = ", ".join(services)
    return f"{verb} {names} of project {project}" if names else f"project {project}: nothing changes"

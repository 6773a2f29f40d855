"""What a call of a tool would come to, before it is made: for the person who is asked about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass

from cluster.encoding import codec, pack
from cluster.model.events import clip
from cluster.model.plans import (
    CHANGES_MAX,
    NOTES_MAX,
    TEXT_CHARS_MAX,
    TOUCHED_MAX,
    BlastRadius,
    PlanChange,
)
from cluster.model.service import DesiredState, Service
from cluster.rbac import Resource
from cluster.store import ReadTxn, records
from web.auth.call import Call
from web.tools.context import Context
from web.tools.nodes import names_in
from web.tools.references import find_service
from web.tools.spec_diff import FieldChange, hide_values
from web.tools.wishes import wish_of

ID_CHARACTERS_MIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is going to be done. `action` on `resource` is what its caller has to be allowed.

    `against` are the values it was told from: when they are others later, it would be something else. What
    moves by itself and changes nothing of it (numbers, progress of others) is not among them.
    """

    action: str
    resource: str
    summary: str
    changes: tuple[PlanChange, ...] = ()
    touches: BlastRadius = field(default_factory=BlastRadius)
    notes: tuple[str, ...] = ()
    look_at: str = ""
    against: tuple[object, ...] = ()


def digest_of(*values: object) -> str:
    """Return a digest of values: text, numbers, bytes, None, dataclasses and tuples of them.

    Equal on all nodes of one version. Another version may know more fields, and then has it asked anew.
    """
    return hashlib.sha256(pack([_plain(value) for value in values])).hexdigest()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, codec(type(value)).encode(value)]
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def radius_of(
    *,
    services: Iterable[str] = (),
    containers: Iterable[str] = (),
    hosts: Iterable[str] = (),
    routes: Iterable[str] = (),
) -> BlastRadius:
    """Return what is touched, each once and in order, as much as is kept."""
    groups = [sorted({each for each in names if each}) for names in (services, containers, hosts, routes)]
    kept = [tuple(each[:TOUCHED_MAX]) for each in groups]
    left_out = sum(map(len, groups)) - sum(map(len, kept))
    return BlastRadius(services=kept[0], containers=kept[1], hosts=kept[2], routes=kept[3], left_out=left_out)


def radius_of_services(txn: ReadTxn, service_ids: Iterable[str], hosts: Iterable[str] = ()) -> BlastRadius:
    """Return what hangs on services: their containers, the hosts those are on, the routes to them.

    `hosts` are more by name.
    """
    names = names_in(txn)
    wanted = tuple(service_ids)
    containers: list[str] = []
    routes: list[str] = []
    on = list(hosts)
    for service_id in wanted:
        for copy in records.ASSIGNMENTS.scan(txn, service_id):
            if copy.desired is not DesiredState.REMOVED:
                containers.append(copy.container_name)
                on.append(names.get(copy.node_id, copy.node_id))
        service = records.SERVICES.get(txn, service_id)
        revision = None if service is None else records.REVISIONS.get(txn, service_id, service.revision)
        if revision is not None and revision.spec.route is not None:
            routes.append(revision.spec.route.host)
    return radius_of(services=wanted, containers=containers, hosts=on, routes=routes)


def changes_of(subject: str, changes: Iterable[FieldChange]) -> tuple[PlanChange, ...]:
    """Return differences as a plan keeps them. What may be a secret is not told: who reads plans is many."""
    return tuple(
        PlanChange(
            subject=subject,
            field=clip(each.field, 256),
            before=None if each.before is None else clip(each.before, TEXT_CHARS_MAX),
            after=None if each.after is None else clip(each.after, TEXT_CHARS_MAX),
            effect=each.effect.value,
        )
        for each in hide_values(changes)
    )


def bounded(
    changes: tuple[PlanChange, ...], notes: Iterable[str]
) -> tuple[tuple[PlanChange, ...], tuple[str, ...]]:
    """Return differences and notes as many as are kept, with a note of how many are not."""
    told = [clip(note, TEXT_CHARS_MAX) for note in dict.fromkeys(notes)]
    if len(changes) > CHANGES_MAX:
        told.insert(0, f"{len(changes) - CHANGES_MAX} more differences are not listed")
    return changes[:CHANGES_MAX], tuple(told[:NOTES_MAX])


def preview_of_service(
    context: Context,
    reference: str,
    *,
    action: str,
    summary: str,
    changes: tuple[PlanChange, ...] = (),
    notes: tuple[str, ...] = (),
    against: tuple[object, ...] = (),
) -> Preview:
    """Return what is done to one service; `{service}` in the summary is its id. Raises Problem (404, 409).

    It is told from what people want of the service, besides `against`.
    """
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        touches = radius_of_services(txn, [service.id])
    return Preview(
        action=action,
        resource=f"service:{service.id}",
        summary=clip(summary.format(service=service.id), 400),
        changes=tuple(_about(service, each) for each in changes),
        touches=touches,
        notes=notes,
        look_at=f"get-deploy-status with service={service.id}",
        against=(wish_of(service), *against),
    )


def _about(service: Service, change: PlanChange) -> PlanChange:
    return PlanChange(
        subject=service.id,
        field=change.field,
        before=change.before,
        after=change.after,
        effect=change.effect,
    )


async def preview_by_name(context: Context, call: Call, *, action: str, resource: str, title: str) -> Preview:
    """Return what is known of a call from what it is done to: `<kind>:<reference>`, or a kind alone.

    Raises Problem for what the caller may not.
    """
    kind, _, reference = resource.partition(":")
    if not reference:
        await context.authority.admit(call, action, kind)
        return Preview(action=action, resource=kind, summary=title)
    if kind == Resource.SERVICE and reference != "*":
        await context.authority.require(call, action, resource)
        return preview_of_service(context, reference, action=action, summary=f"{title}: {{service}}")
    await context.authority.admit(call, action, resource)
    if kind == Resource.CONTAINER:
        return await _preview_of_container(context, reference, action=action, title=title)
    hosts = (reference,) if kind == Resource.NODE else ()
    return Preview(
        action=action,
        resource=resource,
        summary=clip(f"{title}: {reference}", 400),
        touches=radius_of(hosts=hosts),
    )


async def _preview_of_container(context: Context, reference: str, *, action: str, title: str) -> Preview:
    views = await context.views.read(patience_s=context.pace.list_patience_s)
    with context.surroundings.state.read() as txn:
        names = names_in(txn)
    found = sorted(
        (names.get(host.node_id, host.node_id), each.name, each.id, each.state)
        for host in views
        if host.inventory is not None
        for each in host.inventory.containers
        if reference == each.name or (len(reference) >= ID_CHARACTERS_MIN and each.id.startswith(reference))
    )
    return Preview(
        action=action,
        resource=f"container:{reference}",
        summary=clip(f"{title}: {reference}", 400),
        touches=radius_of(
            containers=(name for _, name, _, _ in found), hosts=(host for host, _, _, _ in found)
        ),
        # A container that was made anew is another one, and one that has stopped is not what was looked at.
        against=tuple(found),
    )

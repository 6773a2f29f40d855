"""Services: what is deployed, whether it is as it should be, and taking it down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from cluster.commands.services import RemoveService
from cluster.model.container import ContainerOptions, LogDriver
from cluster.model.ids import NodeId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import (
    Assignment,
    DesiredState,
    ReplicaPhase,
    Revision,
    Service,
    ServiceSpec,
)
from cluster.model.strategy import Colour
from cluster.store import ReadTxn, records
from cluster.store.records import rollouts_of_service
from web.auth.authority import Permit
from web.auth.call import Call
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.drift import as_it_runs, reality_of
from web.tools.nodes import lost_in, names_in
from web.tools.references import find_service
from web.tools.rollouts import on_live_hosts, ready_replicas, rollout_view
from web.tools.scaling_views import scaling_changes, scaling_view
from web.tools.splits import split_in
from web.tools.views import (
    AssignmentView,
    KeptView,
    ReplicaTrouble,
    RevisionView,
    ServedRevision,
    ServiceDetail,
    ServiceView,
    SpecView,
    shallow,
)
from web.tools.visibility import sight_of
from web.tools.watch_views import watch_view

REMOVE = "service.remove"
TROUBLES_MAX = 10
_ENDED_BADLY = (RolloutPhase.FAILED, RolloutPhase.ROLLED_BACK, RolloutPhase.CANCELLED)


async def list_services(context: Context, call: Call) -> list[ServiceView]:
    """Return the services by id."""
    await context.authority.admit(call, "service.read", "service")
    sight = sight_of(context, call)
    return [
        sight.with_service_rights(view)
        for view in read_services(context.surroundings)
        if sight.service is None or sight.service(view.id)
    ]


async def get_service(context: Context, call: Call, reference: str) -> ServiceDetail:
    """Return one service by id or name, with everything about it and with what its hosts run.

    Raises Problem (404, 409).
    """
    await context.authority.require(call, "service.read", f"service:{reference}")
    # First, because nothing may be waited for while the state is read.
    hosts = await context.views.read(patience_s=context.pace.list_patience_s)
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)
        shows_values = context.authority.decide(call, "service.inspect", f"service:{service.id}").allowed
        names = names_in(txn)
        assignments = records.ASSIGNMENTS.scan(txn, service.id)
        newest = rollouts_of_service(txn, service.id, limit=1)
        revisions = records.REVISIONS.scan(txn, service.id)
        reality = reality_of(
            service.id, assignments, {each.number: each.spec for each in revisions}, hosts, names
        )
        running = as_it_runs(assignments, reality, names)
        view = _view(txn, service, running, names)
        detail = ServiceDetail(
            **shallow(sight_of(context, call).with_service_rights(view)),
            policy=service.policy,
            revisions=tuple(_revision(revision, shows_values) for revision in reversed(revisions)),
            assignments=tuple(_assignment(assignment, names) for assignment in assignments),
            rollout=rollout_view(txn, newest[0], names) if newest else None,
            fencing=service.fencing,
            placement=service.placement,
            labels=dict(service.labels),
            split=split_in(txn, service, on_live_hosts(running, lost_in(txn))),
            running=reality.running,
            drift=reality.drift,
            unseen=reality.unseen,
            scaling=scaling_view(service, None),
            scalings=scaling_changes(service),
        )
    if service.autoscale is None:
        return detail
    standing = await context.surroundings.scaling.standing(service.id)
    return replace(detail, scaling=scaling_view(service, standing))


async def remove_service(context: Context, call: Call, reference: str) -> ServiceView:
    """Have a service and its replicas taken down. Returns it as it is then: removing. Raises Problem."""
    await context.authority.require(call, REMOVE, f"service:{reference}")
    with context.surroundings.state.read() as txn:
        service = find_service(txn, reference)

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveService(service_id=ServiceId(service.id)))

    await context.authority.perform(call, REMOVE, f"service:{service.id}", change)
    with context.surroundings.state.read() as txn:
        names = names_in(txn)
        removed = records.SERVICES.get(txn, service.id) or service
        return _view(txn, removed, records.ASSIGNMENTS.scan(txn, service.id), names)


def read_services(surroundings: Surroundings) -> list[ServiceView]:
    """Return the services by id, for callers whose right to see them was decided."""
    with surroundings.state.read() as txn:
        names = names_in(txn)
        return [
            _view(txn, service, records.ASSIGNMENTS.scan(txn, service.id), names)
            for service in records.SERVICES.scan(txn)
        ]


def status_of(service: Service, rollout: Rollout | None, ready: int, last: Rollout | None = None) -> str:
    """Return the one word for how a service is. `last` is its newest rollout, ended or not."""
    if service.is_removed:
        return "removing"
    if rollout is not None and not rollout.phase.is_terminal:
        return "rolling-out"
    if service.replicas == 0:
        return "stopped"
    if ready >= service.replicas:
        return "running"
    if service.stable_revision:
        return "degraded"
    return "failed" if last is not None and last.phase in _ENDED_BADLY else "starting"


def troubles_of(
    service: Service,
    assignments: Sequence[Assignment],
    names: Mapping[str, str],
    lost: frozenset[NodeId] = frozenset(),
) -> tuple[ReplicaTrouble, ...]:
    """Return the first replicas that should serve and do not, each with what its newest copy's host said.

    `lost` are the hosts that are down.
    """
    if service.is_removed:
        return ()
    copies: dict[int, list[Assignment]] = defaultdict(list)
    for assignment in assignments:
        copies[assignment.ordinal].append(assignment)
    missing = (
        ordinal
        for ordinal in range(service.replicas)
        if not ready_replicas(on_live_hosts(copies[ordinal], lost))
    )
    return tuple(_trouble(ordinal, copies[ordinal], names, lost) for ordinal in islice(missing, TROUBLES_MAX))


def _trouble(
    ordinal: int, copies: Sequence[Assignment], names: Mapping[str, str], lost: frozenset[NodeId]
) -> ReplicaTrouble:
    if not copies:
        return ReplicaTrouble(
            ordinal=ordinal, node_name="", is_host_down=False, phase=ReplicaPhase.PENDING, reason=""
        )
    newest = max(copies, key=lambda copy: copy.token)
    return ReplicaTrouble(
        ordinal=ordinal,
        node_name=names.get(newest.node_id, newest.node_id),
        is_host_down=newest.node_id in lost,
        phase=newest.observed.phase,
        reason=newest.observed.reason,
    )


def _view(
    txn: ReadTxn, service: Service, assignments: Sequence[Assignment], names: Mapping[str, str]
) -> ServiceView:
    revision = records.REVISIONS.get(txn, service.id, service.revision)
    rollout = None if service.rollout_id is None else records.ROLLOUTS.get(txn, service.rollout_id)
    newest = rollouts_of_service(txn, service.id, limit=1)
    lost = lost_in(txn)
    live = on_live_hosts(assignments, lost)
    ready = ready_replicas(live)
    on = {assignment.node_id for assignment in live if assignment.observed.phase.is_running}
    route = None if revision is None else revision.spec.route
    kept = service.kept
    return ServiceView(
        id=service.id,
        project=service.project,
        name=service.name,
        status=status_of(service, rollout, ready, newest[0] if newest else None),
        replicas_wanted=0 if service.is_removed else service.replicas,
        replicas_ready=ready,
        revision=service.revision,
        stable_revision=service.stable_revision,
        image="" if revision is None else revision.spec.image,
        digest="" if revision is None else revision.spec.digest,
        nodes=tuple(sorted(names.get(node_id, node_id) for node_id in on)),
        routes=() if route is None else (route.host,),
        serving=_serving(txn, service, live, names),
        troubles=troubles_of(service, assignments, names, lost),
        rollout_id=service.rollout_id,
        version=service.version,
        created_at_ms=service.created_at_ms,
        changed_at_ms=service.changed_at_ms,
        strategy=service.policy.shift.strategy,
        kept=None
        if kept is None
        else KeptView(revision=kept.revision, colour=kept.colour, until_ms=kept.until_ms),
        watch=watch_view(txn, service.id, "" if revision is None else revision.spec.digest),
        adopted=sum(copy.is_adopted and copy.desired is not DesiredState.REMOVED for copy in live),
    )


def _serving(
    txn: ReadTxn, service: Service, live: Sequence[Assignment], names: Mapping[str, str]
) -> tuple[ServedRevision, ...]:
    served: list[ServedRevision] = []
    answering = [
        each
        for each in live
        if each.desired is DesiredState.SERVING and each.observed.phase is ReplicaPhase.HEALTHY
    ]
    for number in sorted({assignment.revision for assignment in answering}):
        revision = records.REVISIONS.get(txn, service.id, number)
        if revision is None:
            continue
        on = {each.node_id for each in answering if each.revision == number}
        served.append(
            ServedRevision(
                revision=number,
                image=revision.spec.image,
                digest=revision.spec.digest,
                replicas=ready_replicas(live, number),
                nodes=tuple(sorted(names.get(node_id, node_id) for node_id in on)),
                permille=None if revision.spec.route is None else _share(service, answering, number),
            )
        )
    return tuple(served)


def _share(service: Service, answering: Sequence[Assignment], revision: int) -> int:
    """The share of the requests a revision gets: within a colour, replicas share alike."""
    share = 0.0
    for colour in Colour:
        group = [each.revision for each in answering if each.colour is colour]
        if group:
            share += service.split.permille_of(colour) * group.count(revision) / len(group)
    return round(share)


def _revision(revision: Revision, shows_values: bool) -> RevisionView:
    return RevisionView(
        number=revision.number,
        created_at_ms=revision.created_at_ms,
        created_by=revision.created_by,
        spec=_spec(revision.spec, shows_values),
    )


def _spec(spec: ServiceSpec, shows_values: bool) -> SpecView:
    return SpecView(
        image=spec.image,
        digest=spec.digest,
        command=spec.command,
        environment={name: value if shows_values else None for name, value in spec.environment},
        ports=spec.ports,
        volumes=spec.volumes,
        healthcheck=spec.healthcheck,
        resources=spec.resources,
        labels=dict(spec.labels),
        stop_grace_period_ms=spec.stop_grace_period_ms,
        route=spec.route,
        secrets=spec.secrets,
        configs=spec.configs,
        options=spec.options if shows_values else _without_log_options(spec.options),
    )


def _without_log_options(options: ContainerOptions) -> ContainerOptions:
    """A driver that sends the log somewhere is given its token as an option."""
    return options if options.log is None else replace(options, log=LogDriver(name=options.log.name))


def _assignment(assignment: Assignment, names: Mapping[str, str]) -> AssignmentView:
    observed = assignment.observed
    return AssignmentView(
        revision=assignment.revision,
        ordinal=assignment.ordinal,
        node_id=assignment.node_id,
        node_name=names.get(assignment.node_id, assignment.node_id),
        container_name=assignment.container_name,
        container_id=observed.container_id,
        desired=assignment.desired,
        phase=observed.phase,
        reason=observed.reason,
        address=observed.address,
        port=observed.port,
        restarts=observed.restarts,
        changed_at_ms=assignment.changed_at_ms,
        observed_at_ms=observed.observed_at_ms,
        colour=assignment.colour,
    )

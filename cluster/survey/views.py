"""Between the stored records and the pure decisions: what each of them is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node
from cluster.model.service import Revision, RouterState, Service
from cluster.placement import Landscape, Occupant, Placed, Request
from cluster.rollout import (
    ChooseHost,
    NoHost,
    Occupying,
    Order,
    ServiceView,
    WantedReplica,
    occupying,
)
from cluster.store import ReadTxn
from cluster.store.records import (
    ASSIGNMENTS,
    NODES,
    REVISIONS,
    ROLLOUTS,
    ROUTERS,
    SERVICES,
    rollouts_of_service,
)
from cluster.survey.environments import rules_in


def read_nodes(txn: ReadTxn) -> dict[NodeId, Node]:
    return {node.id: node for node in NODES.scan(txn)}


def read_routers(txn: ReadTxn) -> dict[NodeId, RouterState]:
    return {router.node_id: router for router in ROUTERS.scan(txn)}


def read_view(
    txn: ReadTxn,
    service_id: ServiceId,
    nodes: Mapping[NodeId, Node],
    routers: Mapping[NodeId, RouterState],
) -> ServiceView | None:
    """Return everything about one service; None when there is no such service (any more).

    Its rules on hosts are those of its environment, too.
    """
    service = SERVICES.get(txn, service_id)
    if service is None:
        return None
    service = replace(service, placement=rules_in(txn, service.environment, service.placement))
    assignments = tuple(ASSIGNMENTS.scan(txn, service_id))
    under_way = None if service.rollout_id is None else ROLLOUTS.get(txn, service.rollout_id)
    newest = rollouts_of_service(txn, service_id, limit=1)
    ended = newest[0] if newest and newest[0].phase.is_terminal else None
    wanted = {service.revision, service.stable_revision, *(each.revision for each in assignments)}
    if service.kept is not None:
        wanted.add(service.kept.revision)
    for rollout in (under_way, ended):
        if rollout is not None:
            wanted |= {rollout.from_revision, rollout.to_revision}
    return ServiceView(
        service=service,
        revisions=_read_revisions(txn, service_id, wanted),
        assignments=assignments,
        nodes=nodes,
        routers=routers,
        rollout=under_way,
        last_rollout=ended,
    )


def _read_revisions(txn: ReadTxn, service_id: ServiceId, numbers: Iterable[int]) -> dict[int, Revision]:
    found = (REVISIONS.get(txn, service_id, number) for number in sorted(numbers) if number)
    return {revision.number: revision for revision in found if revision is not None}


def occupants_of(view: ServiceView) -> tuple[Occupant, ...]:
    """Return what takes up room on hosts, for the placement of other services."""
    return tuple(_occupant(view.service, each) for each in occupying(view, view.assignments))


def ordered_occupants(view: ServiceView, orders: Iterable[Order]) -> tuple[Occupant, ...]:
    """Return what `orders` will add to that once they are committed."""
    present = {copy.key for copy in view.assignments}
    return tuple(
        Occupant(
            service_id=view.service.id,
            project=view.service.scope,
            node_id=order.key.node_id,
            spec=view.revisions[order.key.revision].spec,
            is_pinned=view.is_pinned(order.key.revision),
        )
        for order in orders
        if order.key not in present and order.key.revision in view.revisions
    )


def chooser(service: Service, landscape: Landscape) -> ChooseHost:
    """Return the placement of one service's replicas among everything else."""

    def choose(wanted: WantedReplica, /) -> NodeId | NoHost:
        choice = landscape.choose(
            Request(
                service_id=service.id,
                project=service.scope,
                spec=wanted.spec,
                rules=service.placement,
                own=tuple(_occupant(service, each) for each in wanted.occupying),
                siblings=wanted.siblings,
                avoid=wanted.avoid,
                pinned_to=wanted.pinned_to,
            )
        )
        return choice.node_id if isinstance(choice, Placed) else NoHost(choice.reason)

    return choose


def oriented(view: ServiceView, landscape: Landscape, now_ms: int) -> ServiceView:
    """Return the view with what placement says of where the service is: its home, and what is to leave.

    To leave are replicas on hosts that the service's rules have come to exclude, and those that somebody
    asked to be moved.
    """
    service = view.service
    own = occupants_of(view)
    unfit = landscape.unfit(service.id, service.scope, service.placement)
    return replace(
        view,
        home=landscape.home(service.id, service.scope, own),
        to_leave=frozenset(
            copy.key for copy in view.assignments if copy.node_id in unfit or now_ms < copy.leave_by_ms
        ),
    )


def _occupant(service: Service, each: Occupying) -> Occupant:
    return Occupant(
        service_id=service.id,
        project=service.scope,
        node_id=each.node_id,
        spec=each.spec,
        is_leaving=each.is_leaving,
        is_pinned=each.is_pinned,
    )

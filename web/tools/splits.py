"""How a service's requests are shared, and on which hosts that is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, RouterState, Service
from cluster.model.strategy import Colour
from cluster.store import ReadTxn, records
from web.tools.views import RouterAckView, ShareView, SplitView


def split_in(txn: ReadTxn, service: Service, live: Sequence[Assignment]) -> SplitView | None:
    """Return how requests are shared, None for a service that gets none through the routers.

    `live` are its assignments on hosts that are not down.
    """
    revision = records.REVISIONS.get(txn, service.id, service.stable_revision or service.revision)
    if revision is None or revision.spec.route is None:
        return None
    routers = routers_in(txn)
    lost = {node_id for node_id, (_, is_down) in routers.items() if is_down}
    names = {node.id: node.name for node in records.NODES.scan(txn)}
    acks = tuple(
        RouterAckView(
            node_id=node_id,
            node_name=names.get(node_id, node_id),
            is_down=is_down,
            has_routed=not is_down and router.has_routed(service.split.token),
        )
        for node_id, (router, is_down) in sorted(routers.items())
    )
    states = [router for node_id, (router, _) in routers.items() if node_id not in lost]
    return SplitView(
        shares=tuple(
            ShareView(
                colour=colour,
                permille=service.split.permille_of(colour),
                revisions=tuple(sorted({each.revision for each in live if each.colour is colour})),
                replicas=len(available(live, colour, states)),
            )
            for colour in Colour
        ),
        token=service.split.token,
        changed_at_ms=service.split.changed_at_ms,
        by=service.split.by,
        routers=acks,
        waiting_for=tuple(ack.node_name for ack in acks if not (ack.is_down or ack.has_routed)),
    )


def routers_in(txn: ReadTxn) -> Mapping[NodeId, tuple[RouterState, bool]]:
    """Return the members' routers, and whether their host is down: what such a one does is not known."""
    nodes = {node.id: node for node in records.NODES.scan(txn) if node.is_member}
    return {
        router.node_id: (router, nodes[router.node_id].status is NodeStatus.DOWN)
        for router in records.ROUTERS.scan(txn)
        if router.node_id in nodes
    }


def available(live: Sequence[Assignment], colour: Colour, routers: Sequence[RouterState]) -> frozenset[int]:
    """Return the replicas of a colour that would answer a request, whichever live router sends it."""
    return frozenset(
        each.ordinal
        for each in live
        if each.colour is colour
        and each.desired is DesiredState.SERVING
        and each.observed.phase is ReplicaPhase.HEALTHY
        and all(router.has_routed(each.token) for router in routers)
    )

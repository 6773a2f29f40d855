"""What is on every host, and which host suits one more replica best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeStatus
from cluster.model.service import PublishedPort, ServiceSpec
from cluster.placement.request import Choice, Occupant, Placed, Request, Unplaceable

REASONS_SHOWN = 8
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (what a port may be published on, not a listener)
_MIB = 1024 * 1024


def direct_groups(services: Iterable[tuple[ServiceId, str, ServiceSpec]]) -> dict[str, frozenset[ServiceId]]:
    """Return, by project, the services that reach each other directly and so belong on one host.

    Those are the services without a route, where a project has two or more: without an overlay network they
    find each other on their own host only. `services` are (id, project, newest specification).
    """
    unrouted: dict[str, set[ServiceId]] = {}
    for service_id, project, spec in services:
        if project and spec.route is None:
            unrouted.setdefault(project, set()).add(service_id)
    return {project: frozenset(found) for project, found in unrouted.items() if len(found) > 1}


class Landscape:
    """The hosts and what is on them. Deterministic: equal contents give equal answers."""

    def __init__(
        self,
        nodes: Mapping[NodeId, Node],
        occupants: Mapping[ServiceId, tuple[Occupant, ...]],
        groups: Mapping[str, frozenset[ServiceId]] | None = None,
        troubled: Mapping[NodeId, str] | None = None,
    ) -> None:
        """`groups` are those of `direct_groups`; `troubled` hosts get nothing now, for the reason given."""
        self._nodes = {node_id: nodes[node_id] for node_id in sorted(nodes) if nodes[node_id].is_member}
        self._occupants = occupants
        self._groups: Mapping[str, frozenset[ServiceId]] = groups or {}
        self._troubled: Mapping[NodeId, str] = troubled or {}

    def home(self, service_id: ServiceId, project: str, own: Iterable[Occupant] = ()) -> NodeId | None:
        """Return the host this service belongs on because others of its project are there; None: anywhere.

        Where a volume holds one of the group, that host, alive or not. Else the one that has most of the
        group, of the hosts that are not being left.
        """
        group = self._groups.get(project, frozenset())
        if service_id not in group:
            return None
        members = [
            occupant
            for occupant in self._all_but(service_id, own)
            if occupant.service_id in group and not occupant.is_leaving
        ]
        pinned = Counter(occupant.node_id for occupant in members if occupant.is_pinned)
        staying = Counter(occupant.node_id for occupant in members if self._is_lasting(occupant.node_id))
        most = pinned or staying
        return min(most, key=lambda node_id: (-most[node_id], node_id)) if most else None

    def choose(self, request: Request) -> Choice:
        """Return the best host, or why there is none.

        Of the hosts that will do: the one with the fewest replicas of this service, then with the most of
        the services of its project it reaches directly, then with the fewest replicas in all, then the
        first by id.
        """
        home = self.home(request.service_id, request.project, request.own)
        others = list(self._all_but(request.service_id, request.own))
        by_host: dict[NodeId, list[Occupant]] = {}
        for occupant in others:
            by_host.setdefault(occupant.node_id, []).append(occupant)
        siblings = Counter(request.siblings)
        refusals: list[str] = []
        best: tuple[tuple[int, int, int, str], NodeId] | None = None
        for node_id, node in self._nodes.items():
            on_host = by_host.get(node_id, [])
            refusal = self._refuse(node, on_host, request, home)
            if refusal is not None:
                refusals.append(f"{node.name} {refusal}")
                continue
            mates = sum(_are_mates(request, occupant) for occupant in on_host)
            rank = (siblings[node_id], -mates, len(on_host), node_id)
            if best is None or rank < best[0]:
                best = rank, node_id
        return Unplaceable(_explain(refusals)) if best is None else Placed(best[1])

    def _all_but(self, service_id: ServiceId, own: Iterable[Occupant]) -> Iterable[Occupant]:
        others = (found for each, found in self._occupants.items() if each != service_id)
        return chain(chain.from_iterable(others), own)

    def _is_lasting(self, node_id: NodeId) -> bool:
        node = self._nodes.get(node_id)
        return node is not None and node.status is not NodeStatus.DOWN and not node.is_draining

    def _refuse(
        self, node: Node, on_host: list[Occupant], request: Request, home: NodeId | None
    ) -> str | None:
        if request.pinned_to not in (None, node.id):
            return f"does not have its volume, which is on {self._name(request.pinned_to)}"
        if request.pinned_to is None and home not in (None, node.id):
            return f"is not where the services it talks to are: {self._name(home)}"
        if node.status is not NodeStatus.UP:
            return f"is {node.status}"
        # A volume's host is no matter of choice, and a host that is being emptied keeps what cannot move.
        if node.is_draining and request.pinned_to is None:
            return "is being drained"
        if node.id in request.avoid:
            return request.avoid[node.id]
        if node.id in self._troubled:
            return self._troubled[node.id]
        return _find_conflict(request.spec, on_host) or _find_shortage(node, request.spec, on_host)

    def _name(self, node_id: NodeId | None) -> str:
        node = None if node_id is None else self._nodes.get(node_id)
        if node is None:
            return f"a host that has left ({node_id})"
        return node.name if node.status is NodeStatus.UP else f"{node.name} ({node.status})"


def _are_mates(request: Request, occupant: Occupant) -> bool:
    """Whether one of the two can be reached from the other on its own host only."""
    return (
        occupant.service_id != request.service_id
        and occupant.project == request.project != ""
        and not occupant.is_leaving
        and (occupant.spec.route is None or request.spec.route is None)
    )


def _find_conflict(spec: ServiceSpec, on_host: list[Occupant]) -> str | None:
    for port in spec.ports:
        if not port.host_port:
            continue
        for occupant in on_host:
            if any(_collide(port, other) for other in occupant.spec.ports):
                return f"has port {port.host_port}/{port.protocol} in use by {occupant.service_id}"
    return None


def _collide(one: PublishedPort, other: PublishedPort) -> bool:
    return (
        one.host_port == other.host_port
        and one.protocol is other.protocol
        and (one.host_ip == other.host_ip or bool(_EVERY_ADDRESS & {one.host_ip, other.host_ip}))
    )


def _find_shortage(node: Node, spec: ServiceSpec, on_host: list[Occupant]) -> str | None:
    """Reservations against what the host has; what is not told on either side is not compared."""
    cpu = spec.resources.cpu_reservation_millis
    if cpu and node.facts.cpu_count:
        taken = sum(occupant.spec.resources.cpu_reservation_millis or 0 for occupant in on_host)
        free = 1000 * node.facts.cpu_count - taken
        if cpu > free:
            return f"has {max(free, 0) / 1000:g} CPU not reserved, of {cpu / 1000:g} needed"
    memory = spec.resources.memory_reservation_bytes
    if memory and node.facts.memory_bytes:
        taken = sum(occupant.spec.resources.memory_reservation_bytes or 0 for occupant in on_host)
        free = node.facts.memory_bytes - taken
        if memory > free:
            return f"has {max(free, 0) // _MIB} MiB not reserved, of {-(-memory // _MIB)} MiB needed"
    return None


def _explain(refusals: list[str]) -> str:
    if not refusals:
        return "no host can take it: the cluster has none"
    shown = refusals[:REASONS_SHOWN]
    more = len(refusals) - len(shown)
    return "no host can take it: " + "; ".join([*shown, f"and {more} more"] if more else shown)

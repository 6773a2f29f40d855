"""What is on every host, and which host suits one more replica best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeStatus
from cluster.model.placing import HostAttribute, PlacementRules
from cluster.model.service import ServiceSpec
from cluster.placement.attributes import values_of, violations
from cluster.placement.quota import Amounts
from cluster.placement.request import (
    Choice,
    Objection,
    ObjectionKind,
    Occupant,
    Placed,
    Rank,
    Request,
    Unplaceable,
    Verdict,
)
from cluster.placement.room import conflicts, has_room, shortages

REASONS_SHOWN = 8


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


def apart_of(project: str, rules: PlacementRules) -> frozenset[ServiceId]:
    """Return the services these rules keep off the hosts of a service of `project`.

    `project` is within its environment, if it has one ("staging.shop"), and so is what the rules name.
    """
    environment = project.rpartition(".")[0]
    return frozenset(
        ServiceId(f"{environment}.{reference}" if environment else reference)
        if "." in reference
        else ServiceId(f"{project}.{reference}")
        for reference in rules.apart_from
    )


class Landscape:
    """The hosts and what is on them. Deterministic: equal contents give equal answers."""

    def __init__(
        self,
        nodes: Mapping[NodeId, Node],
        occupants: Mapping[ServiceId, tuple[Occupant, ...]],
        groups: Mapping[str, frozenset[ServiceId]] | None = None,
        troubled: Mapping[NodeId, str] | None = None,
        rules: Mapping[ServiceId, tuple[str, PlacementRules]] | None = None,
        sizes: Mapping[ServiceId, Amounts] | None = None,
    ) -> None:
        """`groups` are those of `direct_groups`; `troubled` hosts get nothing now, for the reason given.

        `rules` are the (project, rules) of every service, for what they ask of the others; `sizes` what all
        replicas of a service reserve together, for those that belong on one host.
        """
        self._nodes = {node_id: nodes[node_id] for node_id in sorted(nodes) if nodes[node_id].is_member}
        self._occupants = occupants
        self._groups: Mapping[str, frozenset[ServiceId]] = groups or {}
        self._troubled: Mapping[NodeId, str] = troubled or {}
        self._rules: Mapping[ServiceId, tuple[str, PlacementRules]] = rules or {}
        self._sizes: Mapping[ServiceId, Amounts] = sizes or {}

    @property
    def nodes(self) -> Mapping[NodeId, Node]:
        """The hosts, by id."""
        return self._nodes

    def changed(
        self,
        *,
        nodes: Mapping[NodeId, Node] | None = None,
        occupants: Mapping[ServiceId, tuple[Occupant, ...]] | None = None,
        groups: Mapping[str, frozenset[ServiceId]] | None = None,
        rules: Mapping[ServiceId, tuple[str, PlacementRules]] | None = None,
        sizes: Mapping[ServiceId, Amounts] | None = None,
    ) -> Landscape:
        """Return the same with other hosts, groups or rules, or with other replicas of some services."""
        return Landscape(
            self._nodes if nodes is None else nodes,
            self._occupants if occupants is None else {**self._occupants, **occupants},
            self._groups if groups is None else groups,
            self._troubled,
            self._rules if rules is None else rules,
            self._sizes if sizes is None else sizes,
        )

    def home(self, service_id: ServiceId, project: str, own: Iterable[Occupant] = ()) -> NodeId | None:
        """Return the host this service belongs on because others of its project are there; None: anywhere.

        Where a volume holds one of the group, that host, alive or not. Else the one that has most of the
        group, of the hosts that are not being left and that every service of the group may be on.
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
        together = [self._rules[each][1] for each in sorted(group) if each in self._rules]
        staying = Counter(
            occupant.node_id for occupant in members if self._is_lasting(occupant.node_id, together)
        )
        most = pinned or staying
        return min(most, key=lambda node_id: (-most[node_id], node_id)) if most else None

    def unfit(self, service_id: ServiceId, project: str, rules: PlacementRules) -> dict[NodeId, str]:
        """Return the hosts that this service's replicas are to leave by its rules, with what they break.

        Of a group, the rules of each are the rules of all: they belong on one host.
        """
        several = self._rules_of(service_id, project, rules)
        found = {node_id: violations(node, several) for node_id, node in self._nodes.items()}
        return {node_id: reasons[0] for node_id, reasons in found.items() if reasons}

    def choose(self, request: Request) -> Choice:
        """Return the best host, or why there is none.

        Of the hosts that will do, the one with the least `Rank`: for the first of several services that
        belong on one host, where all of them would fit; then where the fewest replicas of this service are,
        over each spread preference and then on the host itself; then with the most of the services of its
        project it reaches directly; then with the fewest replicas in all; then the first by id.
        """
        if request.quota is not None:
            used = request.quota_used.plus(request.spec, len(request.siblings) + 1)
            refusal = request.quota.refuse(used)
            if refusal is not None:
                return Unplaceable(refusal)
        verdicts = self.judge(request)
        fit = [verdict.rank for verdict in verdicts if not verdict.objections]
        if fit:
            return Placed(min(fit).node_id)
        return Unplaceable(_explain([f"{verdict.name} {verdict.objections[0].text}" for verdict in verdicts]))

    def judge(self, request: Request) -> tuple[Verdict, ...]:
        """Return for every host, by id, what speaks against it and how good it is."""
        home = self.home(request.service_id, request.project, request.own)
        several = self._rules_of(request.service_id, request.project, request.rules)
        by_host: dict[NodeId, list[Occupant]] = {}
        for occupant in self._all_but(request.service_id, request.own):
            by_host.setdefault(occupant.node_id, []).append(occupant)
        siblings = Counter(request.siblings)
        places = {node_id: self._place(node, request.rules.spread) for node_id, node in self._nodes.items()}
        together = [
            Counter(places[node_id][: level + 1] for node_id in siblings.elements() if node_id in places)
            for level in range(len(request.rules.spread))
        ]
        group = self._founded(request, home)
        verdicts = []
        for node_id, node in self._nodes.items():
            on_host = by_host.get(node_id, [])
            rank = Rank(
                is_cramped=not self._fits(group, node, on_host, request.rules.headroom_percent),
                together=tuple(counts[places[node_id][: level + 1]] for level, counts in enumerate(together)),
                beside=siblings[node_id],
                mates=-sum(_are_mates(request, occupant) for occupant in on_host),
                crowd=len(on_host),
                node_id=node_id,
            )
            objections = tuple(self._objections(node, on_host, request, home, several, siblings[node_id]))
            verdicts.append(Verdict(node_id=node_id, name=node.name, objections=objections, rank=rank))
        return tuple(verdicts)

    def _founded(self, request: Request, home: NodeId | None) -> frozenset[ServiceId]:
        """The services that will have to follow this replica to its host; none when it follows others."""
        if home is not None or request.pinned_to is not None:
            return frozenset()
        group = self._groups.get(request.project, frozenset())
        return group if request.service_id in group else frozenset()

    def _fits(
        self, group: frozenset[ServiceId], node: Node, on_host: list[Occupant], headroom_percent: int
    ) -> bool:
        needed = Amounts()
        for member in sorted(group):
            needed = needed.and_also(self._sizes.get(member, Amounts()))
        others = [occupant for occupant in on_host if occupant.service_id not in group]
        return has_room(node, needed, others, headroom_percent)

    def _place(self, node: Node, spread: Sequence[HostAttribute]) -> tuple[str, ...]:
        return tuple(values_of(node, attribute)[0] for attribute in spread)

    def _all_but(self, service_id: ServiceId, own: Iterable[Occupant]) -> Iterable[Occupant]:
        others = (found for each, found in self._occupants.items() if each != service_id)
        return chain(chain.from_iterable(others), own)

    def _rules_of(self, service_id: ServiceId, project: str, rules: PlacementRules) -> list[PlacementRules]:
        group = self._groups.get(project, frozenset())
        if service_id not in group:
            return [rules]
        mates = (self._rules[each][1] for each in sorted(group - {service_id}) if each in self._rules)
        return [rules, *mates]

    def _is_lasting(self, node_id: NodeId, several: Sequence[PlacementRules]) -> bool:
        node = self._nodes.get(node_id)
        return (
            node is not None
            and node.status is not NodeStatus.DOWN
            and not node.is_draining
            and not violations(node, several)
        )

    def _objections(
        self,
        node: Node,
        on_host: list[Occupant],
        request: Request,
        home: NodeId | None,
        several: Sequence[PlacementRules],
        beside: int,
    ) -> Iterator[Objection]:
        """Everything that speaks against a host, what can be helped least first."""
        if request.pinned_to not in (None, node.id):
            where = self._name(request.pinned_to)
            yield Objection(ObjectionKind.VOLUME, f"does not have its volume, which is on {where}")
        yield from _all(ObjectionKind.RULE, violations(node, several))
        if request.pinned_to is None and home not in (None, node.id):
            where = self._name(home)
            yield Objection(ObjectionKind.HOME, f"is not where the services it talks to are: {where}")
        if node.status is not NodeStatus.UP:
            yield Objection(ObjectionKind.STATE, f"is {node.status}")
        # A volume's host is no matter of choice: one that is being emptied keeps what cannot move, and the
        # margin that others leave free is there for it.
        if node.is_draining and request.pinned_to is None:
            yield Objection(ObjectionKind.STATE, "is being drained")
        if node.id in request.avoid:
            yield Objection(ObjectionKind.AVOIDED, request.avoid[node.id])
        if node.id in self._troubled:
            yield Objection(ObjectionKind.STATE, self._troubled[node.id])
        yield from _all(ObjectionKind.RULE, self._crowding(on_host, request, beside))
        yield from _all(ObjectionKind.PORT, conflicts(request.spec, on_host))
        headroom = 0 if request.pinned_to is not None else request.rules.headroom_percent
        yield from _all(ObjectionKind.ROOM, shortages(node, request.spec, on_host, headroom))

    def _crowding(self, on_host: list[Occupant], request: Request, beside: int) -> Iterator[str]:
        """Which replicas there it must not be beside."""
        apart = apart_of(request.project, request.rules)
        most = 1 if request.service_id in apart else request.rules.replicas_per_host_max
        if most and beside >= most:
            yield f"has {beside} of its replicas, of {most} allowed on one host"
        for other in sorted({each.service_id for each in on_host} - {request.service_id}):
            if other in apart:
                yield f"has {other}, which it is to be apart from"
            elif other in self._rules and request.service_id in apart_of(*self._rules[other]):
                yield f"has {other}, which is to be apart from it"

    def _name(self, node_id: NodeId | None) -> str:
        node = None if node_id is None else self._nodes.get(node_id)
        if node is None:
            return f"a host that has left ({node_id})"
        return node.name if node.status is NodeStatus.UP else f"{node.name} ({node.status})"


def _all(kind: ObjectionKind, texts: Iterable[str]) -> Iterator[Objection]:
    return (Objection(kind, text) for text in texts)


def _are_mates(request: Request, occupant: Occupant) -> bool:
    """Whether one of the two can be reached from the other on its own host only."""
    return (
        occupant.service_id != request.service_id
        and occupant.project == request.project != ""
        and not occupant.is_leaving
        and (occupant.spec.route is None or request.spec.route is None)
    )


def _explain(refusals: list[str]) -> str:
    if not refusals:
        return "no host can take it: the cluster has none"
    shown = refusals[:REASONS_SHOWN]
    more = len(refusals) - len(shown)
    return "no host can take it: " + "; ".join([*shown, f"and {more} more"] if more else shown)

"""The replicas there are, and what placement would be asked for one of them today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.model.ids import NodeId, ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import ServiceSpec
from cluster.placement.request import Occupant, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One replica on the host it is to be on. `pinned_to` is the host that has its volume."""

    ordinal: int
    node_id: NodeId
    revision: int
    spec: ServiceSpec
    pinned_to: NodeId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One service: its rules, and its replicas that are somewhere.

    `spec` is what one more replica would be made from, `replicas` how many are wanted. `occupants` is all
    that takes up room: more than the residents while some are replaced. `pins` are the hosts with volumes,
    by ordinal, of replicas that are nowhere too. `busy`: why nothing of it can be moved now, if so.
    """

    service_id: ServiceId
    project: str
    spec: ServiceSpec
    rules: PlacementRules
    replicas: int
    residents: tuple[Resident, ...] = ()
    occupants: tuple[Occupant, ...] = ()
    pins: Mapping[int, NodeId] = field(default_factory=dict)
    busy: str = ""

    def one_more(self) -> Request:
        """A host for one more replica; for a missing one where its volume is."""
        present = {resident.ordinal for resident in self.residents}
        missing = [ordinal for ordinal in range(self.replicas) if ordinal not in present]
        return Request(
            service_id=self.service_id,
            project=self.project,
            spec=self.spec,
            rules=self.rules,
            own=self.occupants,
            siblings=tuple(resident.node_id for resident in self.residents),
            pinned_to=self.pins.get(missing[0]) if missing else None,
        )

    def instead_of(self, resident: Resident) -> Request:
        """A host for this replica, as if it were nowhere."""
        return Request(
            service_id=self.service_id,
            project=self.project,
            spec=resident.spec,
            rules=self.rules,
            own=without(self.occupants, resident),
            siblings=tuple(other.node_id for other in self.residents if other.ordinal != resident.ordinal),
            pinned_to=resident.pinned_to,
        )

    def occupant(self, resident: Resident) -> Occupant:
        """What the replica takes up."""
        return Occupant(
            service_id=self.service_id,
            project=self.project,
            node_id=resident.node_id,
            spec=resident.spec,
            is_pinned=resident.pinned_to is not None,
        )


def without(occupants: Sequence[Occupant], resident: Resident) -> tuple[Occupant, ...]:
    """Return the occupants but one: the resident's container."""
    for number, occupant in enumerate(occupants):
        if (
            occupant.node_id == resident.node_id
            and occupant.spec == resident.spec
            and not occupant.is_leaving
        ):
            return (*occupants[:number], *occupants[number + 1 :])
    return tuple(occupants)

"""What becomes of a host's replicas when it is emptied, told before it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from cluster.model.ids import NodeId, ServiceId
from cluster.placement.landscape import Landscape
from cluster.placement.request import ObjectionKind, Placed
from cluster.placement.residents import Household, Resident, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """A replica that finds another host."""

    service_id: ServiceId
    ordinal: int
    to: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """A replica that does not. `kind` is the reason in two words, `reason` in full."""

    service_id: ServiceId
    ordinal: int
    kind: str
    reason: str


Fate: TypeAlias = Moves | Stays


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainForecast:
    """What would become of every replica on a host, and how many containers there are none of ours."""

    node_id: NodeId
    fates: tuple[Fate, ...]
    unmanaged: int = 0

    @property
    def moving(self) -> tuple[Moves, ...]:
        return tuple(fate for fate in self.fates if isinstance(fate, Moves))

    @property
    def staying(self) -> tuple[Stays, ...]:
        return tuple(fate for fate in self.fates if isinstance(fate, Stays))

    @property
    def summary(self) -> str:
        """The forecast in one line, such as "6 containers move, 2 cannot (local volume)"."""
        if self.moving:
            parts = [f"{_containers(len(self.moving))} {'moves' if len(self.moving) == 1 else 'move'}"]
        else:
            parts = ["no container moves"]
        if self.staying:
            kinds = ", ".join(sorted({fate.kind for fate in self.staying}))
            parts.append(f"{len(self.staying)} cannot ({kinds})")
        if self.unmanaged:
            parts.append(f"{self.unmanaged} not managed here {'stays' if self.unmanaged == 1 else 'stay'}")
        return ", ".join(parts)


def forecast_drain(
    landscape: Landscape, node_id: NodeId, households: Iterable[Household], *, unmanaged: int = 0
) -> DrainForecast:
    """Return where the replicas on a host would go, one after the other, as things are now.

    The services by id, and each replica counts at its new place for those after it.
    """
    nodes = dict(landscape.nodes)
    if node_id in nodes:
        nodes[node_id] = replace(nodes[node_id], is_draining=True)
    landscape = landscape.changed(nodes=nodes)
    fates: list[Fate] = []
    for household in sorted(households, key=lambda household: household.service_id):
        for resident in [each for each in household.residents if each.node_id == node_id]:
            fate = _fate(landscape, household, resident)
            fates.append(fate)
            if isinstance(fate, Moves):
                household = moved(household, resident, fate.to)
                landscape = landscape.changed(occupants={household.service_id: household.occupants})
    return DrainForecast(node_id=node_id, fates=tuple(fates), unmanaged=unmanaged)


def moved(household: Household, resident: Resident, to: NodeId) -> Household:
    """Return the service with one replica on another host."""
    there = replace(resident, node_id=to)
    return replace(
        household,
        residents=tuple(there if each == resident else each for each in household.residents),
        occupants=(*without(household.occupants, resident), household.occupant(there)),
    )


def _fate(landscape: Landscape, household: Household, resident: Resident) -> Fate:
    if resident.pinned_to is not None:
        return Stays(
            service_id=household.service_id,
            ordinal=resident.ordinal,
            kind=ObjectionKind.VOLUME.value,
            reason="its volume is on this host, and nothing copies it",
        )
    request = household.instead_of(resident)
    choice = landscape.choose(request)
    if isinstance(choice, Placed):
        return Moves(service_id=household.service_id, ordinal=resident.ordinal, to=choice.node_id)
    # Every other host has an objection: what they have in common is what to say in short.
    others = [each for each in landscape.judge(request) if each.node_id != resident.node_id]
    kinds = {each.objections[0].kind for each in others if each.objections}
    return Stays(
        service_id=household.service_id,
        ordinal=resident.ordinal,
        kind=kinds.pop().value if len(kinds) == 1 else "no other host",
        reason=choice.reason,
    )


def _containers(count: int) -> str:
    return f"{count} container" if count == 1 else f"{count} containers"

"""Where the replicas of a deployment would be, told before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cluster.model.ids import NodeId, ServiceId
from cluster.placement.landscape import Landscape
from cluster.placement.quota import Amounts, Quota
from cluster.placement.request import Occupant, Placed, Request
from cluster.placement.residents import Household, Resident, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A service as a deployment would leave it: `household` has the new rules, specification and replicas,
    and the residents there are now.

    `is_stop_first`: an old replica goes before its successor starts. `keeps_old`: all old ones stay until
    every new one is there (blue-green).
    """

    household: Household
    is_stop_first: bool = False
    keeps_old: bool = False
    quota: Quota | None = None
    quota_used: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReplica:
    """Where one replica is going to be. `node_id` None: nowhere, for `reason`. `is_new`: a container is
    started for it."""

    service_id: ServiceId
    ordinal: int
    node_id: NodeId | None
    is_new: bool
    reason: str = ""


def plan_placement(landscape: Landscape, wanted: Iterable[Wanted]) -> tuple[PlannedReplica, ...]:
    """Return a host, or why there is none, for every replica, services by id and replicas in order.

    As the leader does it: one replica at a time, old containers taking up room until their successors have
    taken over, so that what an update needs besides is counted. `landscape` knows the groups and rules as
    they will be.
    """
    planned: list[PlannedReplica] = []
    for each in sorted(wanted, key=lambda each: each.household.service_id):
        replicas, occupants = _plan_service(landscape, each)
        planned += replicas
        landscape = landscape.changed(occupants={each.household.service_id: occupants})
    return tuple(planned)


def _plan_service(landscape: Landscape, wanted: Wanted) -> tuple[list[PlannedReplica], tuple[Occupant, ...]]:
    household = wanted.household
    present = {resident.ordinal: resident for resident in household.residents}
    own = household.occupants
    unfit = landscape.unfit(household.service_id, household.project, household.rules)
    planned: list[PlannedReplica] = []
    settled: list[NodeId] = []
    given_up: list[Resident] = []
    for ordinal in range(household.replicas):
        old = present.get(ordinal)
        if old is not None and old.spec == household.spec and _may_stay(landscape, old, unfit):
            settled.append(old.node_id)
            planned.append(
                PlannedReplica(
                    service_id=household.service_id, ordinal=ordinal, node_id=old.node_id, is_new=False
                )
            )
            continue
        room = without(own, old) if old is not None and wanted.is_stop_first else own
        choice = landscape.choose(
            Request(
                service_id=household.service_id,
                project=household.project,
                spec=household.spec,
                rules=household.rules,
                own=room,
                siblings=tuple(settled),
                pinned_to=household.pins.get(ordinal),
                quota=wanted.quota,
                quota_used=wanted.quota_used,
            )
        )
        if not isinstance(choice, Placed):
            planned.append(
                PlannedReplica(
                    service_id=household.service_id,
                    ordinal=ordinal,
                    node_id=None,
                    is_new=True,
                    reason=choice.reason,
                )
            )
            continue
        new = Resident(
            ordinal=ordinal,
            node_id=choice.node_id,
            revision=0,
            spec=household.spec,
            pinned_to=household.pins.get(ordinal),
        )
        own = (*room, household.occupant(new))
        if old is not None and wanted.keeps_old:
            given_up.append(old)
        elif old is not None and not wanted.is_stop_first:
            own = without(own, old)
        settled.append(choice.node_id)
        planned.append(
            PlannedReplica(
                service_id=household.service_id, ordinal=ordinal, node_id=choice.node_id, is_new=True
            )
        )
    for old in [*given_up, *(each for each in household.residents if each.ordinal >= household.replicas)]:
        own = without(own, old)
    return planned, own


def _may_stay(landscape: Landscape, resident: Resident, unfit: dict[NodeId, str]) -> bool:
    if resident.pinned_to is not None:
        return resident.pinned_to == resident.node_id
    node = landscape.nodes.get(resident.node_id)
    return node is not None and node.is_schedulable and resident.node_id not in unfit

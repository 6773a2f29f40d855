"""Every service with where it is, for questions about placement that no rollout asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.model.ids import NodeId, ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import Assignment, DesiredState, Revision, RolloutPolicy, ServiceSpec
from cluster.placement import (
    Amounts,
    Household,
    Landscape,
    PlannedReplica,
    Quota,
    Resident,
    Wanted,
    amounts,
    direct_groups,
    plan_placement,
)
from cluster.rollout import ServiceView
from cluster.rollout.limits import limits
from cluster.rollout.slots import find_pin
from cluster.store import ReadTxn
from cluster.store.records import SERVICES
from cluster.survey.views import occupants_of, read_nodes, read_routers, read_view


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A service as a deployment would make it. `spec` has the image's digest, or every replica looks new.

    `project` is within its environment (`Service.scope`), and `rules` say which hosts that has.

    With `quota`, `quota_used` is what the other services of its environment reserve when all their replicas
    are there.
    """

    service_id: ServiceId
    project: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy
    rules: PlacementRules
    quota: Quota | None = None
    quota_used: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The hosts, what is on them, and the services that are not being removed, by id."""

    landscape: Landscape
    households: Mapping[ServiceId, Household]
    views: Mapping[ServiceId, ServiceView]

    def plan(self, intents: Sequence[Intent]) -> tuple[PlannedReplica, ...]:
        """Return where the replicas of a deployment would be, or why nowhere; nothing is changed.

        Groups and rules count as the deployment would leave them.
        """
        wanted = [self._wanted(intent) for intent in intents]
        households = {**self.households, **{each.household.service_id: each.household for each in wanted}}
        return plan_placement(_with_rules(self.landscape, households.values()), wanted)

    def _wanted(self, intent: Intent) -> Wanted:
        present = self.households.get(intent.service_id)
        view = self.views.get(intent.service_id)
        if present is None or view is None:
            return Wanted(
                household=Household(
                    service_id=intent.service_id,
                    project=intent.project,
                    spec=intent.spec,
                    rules=intent.rules,
                    replicas=intent.replicas,
                ),
                quota=intent.quota,
                quota_used=intent.quota_used,
            )
        number = max(view.revisions, default=0) + 1
        after = replace(
            view,
            service=replace(
                view.service, replicas=intent.replicas, policy=intent.policy, placement=intent.rules
            ),
            revisions={
                **view.revisions,
                number: Revision(
                    service_id=intent.service_id,
                    number=number,
                    spec=intent.spec,
                    created_at_ms=0,
                    created_by="",
                ),
            },
        )
        household = replace(
            present,
            spec=intent.spec,
            rules=intent.rules,
            replicas=intent.replicas,
            pins=_pins(after, number),
        )
        bounds = limits(after, number, is_update=True)
        return Wanted(
            household=household,
            is_stop_first=not bounds.is_start_first,
            keeps_old=intent.policy.shift.strategy.is_staged,
            quota=intent.quota,
            quota_used=intent.quota_used,
        )


def take_census(txn: ReadTxn, *, troubled: Mapping[NodeId, str] | None = None) -> Census:
    """Return what is where, as committed. `troubled` hosts take nothing now, for the reason given."""
    nodes, routers = read_nodes(txn), read_routers(txn)
    views: dict[ServiceId, ServiceView] = {}
    for service in SERVICES.scan(txn):
        view = read_view(txn, service.id, nodes, routers)
        if view is not None:
            views[service.id] = view
    households = {
        service_id: household
        for service_id, view in views.items()
        if not view.service.is_removed and (household := household_of(view)) is not None
    }
    occupants = {service_id: occupants_of(view) for service_id, view in views.items()}
    landscape = _with_rules(Landscape(nodes, occupants, troubled=troubled), households.values())
    return Census(landscape=landscape, households=households, views=views)


def household_of(view: ServiceView) -> Household | None:
    """Return one service as placement sees it; None when its newest specification is not known."""
    service = view.service
    spec = view.spec(service.revision)
    if spec is None:
        return None
    best: dict[int, Assignment] = {}
    for copy in sorted(view.assignments, key=lambda copy: _standing(view, copy)):
        is_going = copy.desired in (DesiredState.DRAINING, DesiredState.REMOVED)
        if copy.ordinal < service.replicas and not is_going and copy.revision in view.revisions:
            best.setdefault(copy.ordinal, copy)
    pins = _pins(view, service.revision)
    return Household(
        service_id=service.id,
        project=service.scope,
        spec=spec,
        rules=service.placement,
        replicas=service.replicas,
        residents=tuple(_resident(view, copy) for _, copy in sorted(best.items())),
        occupants=occupants_of(view),
        pins=pins,
        busy="" if service.rollout_id is None else f"its rollout {service.rollout_id} is under way",
    )


def _resident(view: ServiceView, copy: Assignment) -> Resident:
    return Resident(
        ordinal=copy.ordinal,
        node_id=copy.node_id,
        revision=copy.revision,
        spec=view.revisions[copy.revision].spec,
        pinned_to=find_pin(view, copy.ordinal, copy.revision, _copies(view, copy.ordinal)),
    )


def _pins(view: ServiceView, revision: int) -> dict[int, NodeId]:
    found = {
        ordinal: find_pin(view, ordinal, revision, _copies(view, ordinal))
        for ordinal in range(view.service.replicas)
    }
    return {ordinal: node_id for ordinal, node_id in found.items() if node_id is not None}


def _copies(view: ServiceView, ordinal: int) -> list[Assignment]:
    return [copy for copy in view.assignments if copy.ordinal == ordinal]


def _standing(view: ServiceView, copy: Assignment) -> tuple[bool, bool, int, int, NodeId]:
    """The copy that stands for its replica comes first: one that serves, of the newest revision."""
    return (
        not view.is_available(copy),
        copy.desired is not DesiredState.SERVING,
        -copy.revision,
        copy.token,
        copy.node_id,
    )


def _with_rules(landscape: Landscape, households: Iterable[Household]) -> Landscape:
    known = list(households)
    return landscape.changed(
        groups=direct_groups((each.service_id, each.project, each.spec) for each in known),
        rules={each.service_id: (each.project, each.rules) for each in known},
        sizes={each.service_id: amounts([(each.spec, each.replicas)]) for each in known},
    )

"""How much room hosts have, when it is used up, and what more replicas or a lost host would do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cluster.analytics.capacity import Amount, Change, HostRoom, after_changes, in_all, worst_use
from cluster.analytics.exhaustion import Exhaustion, Outlook, find_exhaustion
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_capacity import (
    tell_loss,
    tell_more,
    tell_only_host,
    tell_room,
    tell_survival,
)
from cluster.analytics.sentences_trend import Topic, tell_exhaustion
from cluster.metrics.query import Selector
from cluster.model.ids import NodeId
from cluster.model.metrics import SubjectKind
from cluster.model.node import Node
from cluster.model.service import REPLICAS_MAX, ServiceSpec
from cluster.placement import Placed, Stays, forecast_drain, forecast_more
from cluster.survey import Census
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.analytics_data import Hours, Scope, make_scope, read_hours, unit_of
from web.tools.analytics_trend import READ, limit_of, metrics_for_trend, notes_of
from web.tools.analytics_views import exhaustion_view
from web.tools.capacity_views import (
    CapacityView,
    FullView,
    LossView,
    MoreView,
    StuckView,
    room_view,
)
from web.tools.context import Context
from web.tools.nodes import find_node, members, node_names
from web.tools.placement import find_household, read_census
from web.tools.visibility import require_whole

ALL = {Language.EN: "the cluster", Language.IT: "il cluster"}
LOSSES_MAX = 20
"""Of so many hosts, the largest, it is told what their loss would do."""
_MILLI = 1000
_METRICS = ("cpu_percent", "memory_bytes", "disk_used_bytes", "inodes_used")
_OF_REPLICAS = ("cpu_percent", "memory_bytes")
_WORST_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """More replicas of a service, or a host that is lost; "" and 0 for neither."""

    service: str = ""
    replicas: int = 0
    lost: str = ""


async def get_capacity_plan(
    context: Context, call: Call, *, what_if: WhatIf | None = None, language: Language = Language.EN
) -> CapacityView:
    """Return the room of every host and of all together, when it is used up, and what would become of it.

    It also says what runs where, which asks for more than reading metrics. Raises Problem (404, 409, 422).
    """
    await require_whole(context, call, (READ, "node.read", "service.read"), "the capacity plan")
    asked = what_if or WhatIf()
    if asked.service and not 1 <= asked.replicas <= REPLICAS_MAX:
        raise invalid("replicas", f"1 to {REPLICAS_MAX} more of a service", value=asked.replicas)
    if asked.replicas and not asked.service:
        raise invalid("service", "say of which service the replicas are")
    nodes = members(context.surroundings)
    lost = find_node(context.surroundings, asked.lost).id if asked.lost else None
    census = await read_census(context)
    if asked.service:
        find_household(census, asked.service)
    names = node_names(context.surroundings)
    subjects = await context.surroundings.history.subjects(
        Selector(kinds=(SubjectKind.HOST, SubjectKind.DISK, SubjectKind.CONTAINER))
    )
    scopes = [make_scope([subject], names) for subject in subjects]
    replicas = [
        scope
        for scope in scopes
        if scope.kind is SubjectKind.CONTAINER and scope.service in census.households
    ]
    scopes = [scope for scope in scopes if scope.kind is not SubjectKind.CONTAINER]
    metrics = list(dict.fromkeys(each for name in _METRICS for each in metrics_for_trend(name)))
    planning = _Planning(
        nodes=nodes,
        names=names,
        census=census,
        scopes=scopes,
        hours=await read_hours(context, scopes, metrics),
        replicas=replicas,
        replica_hours=await read_hours(context, replicas, _OF_REPLICAS, days=_WORST_DAYS),
        language=language,
    )
    async with context.analysing:
        return await asyncio.to_thread(planning.plan, asked, lost)


@dataclass(frozen=True, kw_only=True)
class _Planning:
    nodes: Sequence[Node]
    names: Mapping[str, str]
    census: Census
    scopes: Sequence[Scope]
    hours: Hours
    replicas: Sequence[Scope]
    replica_hours: Hours
    language: Language

    def plan(self, asked: WhatIf, lost: NodeId | None) -> CapacityView:
        rooms = self._rooms()
        together = replace(in_all(rooms), name=ALL[self.language])
        full = self._full(rooms)
        said = [*tell_room(self.language, together)]
        if len(rooms) > 1:
            known = [room for room in rooms if room.is_known or together.is_known]
            if together.is_new:
                # Said of all of them together; each need not repeat it.
                known = [replace(room, hours_known=None) for room in known]
            said += [sentence for room in known for sentence in tell_room(self.language, room)]
        for each in full:
            if each.exhaustion.outlook in (Outlook.FILLING.value, Outlook.FULL.value):
                said += each.exhaustion.said
        more, after = None, rooms
        if asked.service:
            more, after = self._more(rooms, asked)
            said = [
                *tell_more(
                    self.language, more.service_id, asked=more.asked, hosts=more.hosts, reason=more.reason,
                    tight=more.tight,
                ),
                *said,
            ]  # fmt: skip
        largest = sorted(rooms, key=lambda room: -(room.size.memory_bytes or 0.0))[:LOSSES_MAX]
        losses = [self._loss(rooms, room) for room in largest if lost is None or room.node_id == lost]
        if lost is not None:
            said = [each.said for each in losses] + said
            after = self._without(rooms, lost)
        elif losses and all(each.is_survived for each in losses):
            if any(each.replicas for each in losses):
                said.append(tell_survival(self.language))
        else:
            said += [each.said for each in losses if not each.is_survived]
        is_asked = bool(asked.service) or lost is not None
        return CapacityView(
            hosts=tuple(room_view(room) for room in rooms),
            cluster=room_view(together),
            full=tuple(full),
            losses=tuple(losses),
            more=more,
            after=tuple(room_view(room) for room in after) if is_asked else (),
            said=tuple(dict.fromkeys(said)),
            notes=notes_of(self.hours),
        )

    # ---- as it is -----------------------------------------------------------------------------

    def _rooms(self) -> tuple[HostRoom, ...]:
        hosts = {scope.node_id: scope for scope in self.scopes if scope.kind is SubjectKind.HOST}
        reserved = self._reserved()
        rooms = []
        for node in self.nodes:
            size = Amount(
                cpu_cores=float(node.facts.cpu_count) or None,
                memory_bytes=float(node.facts.memory_bytes) or None,
            )
            used, hours_known = Amount(), None
            scope = hosts.get(node.id)
            if scope is not None:
                hours_known = max(
                    self.hours.of(scope, name).hours_known for name in ("cpu_percent", "memory_bytes")
                )
                share = worst_use(self.hours.of(scope, "cpu_percent"))
                if size.memory_bytes is None:
                    size = replace(size, memory_bytes=limit_of(scope, self.hours, "memory_bytes")[0])
                used = Amount(
                    cpu_cores=None if share is None or not size.cpu_cores else share / 100 * size.cpu_cores,
                    memory_bytes=worst_use(self.hours.of(scope, "memory_bytes")),
                )
            rooms.append(
                HostRoom(
                    node_id=node.id,
                    name=node.name,
                    size=size,
                    used=used,
                    reserved=reserved.get(node.id, Amount(cpu_cores=0.0, memory_bytes=0.0)),
                    hours_known=hours_known,
                )
            )
        return tuple(rooms)

    def _reserved(self) -> dict[str, Amount]:
        found: dict[str, Amount] = {}
        for household in self.census.households.values():
            for occupant in household.occupants:
                before = found.get(occupant.node_id, Amount(cpu_cores=0.0, memory_bytes=0.0))
                found[occupant.node_id] = before.plus(_reserved_by(occupant.spec))
        return found

    def _full(self, rooms: Sequence[HostRoom]) -> list[FullView]:
        """When each resource of each host is used up, and the memory of all together, the soonest first."""
        known = {room.node_id for room in rooms}
        found = []
        hosts = [each for each in self.scopes if each.kind is SubjectKind.HOST and each.node_id in known]
        if len(hosts) > 1:
            subjects = tuple(subject for scope in hosts for subject in scope.subjects)
            together = Scope(name=ALL[self.language], kind=SubjectKind.HOST, subjects=subjects)
            view = self._full_of(together, "memory_bytes")
            found = [] if view is None else [view]
        for scope in self.scopes:
            if scope.node_id not in known:
                continue
            metrics = ("cpu_percent", "memory_bytes")
            if scope.kind is SubjectKind.DISK:
                metrics = ("disk_used_bytes", "inodes_used")
            found += [view for metric in metrics if (view := self._full_of(scope, metric)) is not None]
        found.sort(key=lambda view: view.exhaustion.days if view.exhaustion.days is not None else np.inf)
        return found

    def _full_of(self, scope: Scope, metric: str) -> FullView | None:
        limit, share = limit_of(scope, self.hours, metric)
        series = self.hours.of(scope, metric)
        if limit is None or not series.hours_known:
            return None
        found: Exhaustion = find_exhaustion(series, limit * share / 100)
        topic = Topic(name=scope.name, metric=metric, unit=unit_of(metric))
        return FullView(
            subject=scope.name,
            metric=metric,
            exhaustion=exhaustion_view(
                found, share, limit, series.end_ms, tell_exhaustion(self.language, topic, found, share)
            ),
        )

    # ---- as it would be -----------------------------------------------------------------------

    @cached_property
    def _use_of_replicas(self) -> dict[str, Amount]:
        """What one replica of each service uses in its worst hours: the most of those there are."""
        found: dict[str, Amount] = {}
        for scope in self.replicas:
            share = worst_use(self.replica_hours.of(scope, "cpu_percent"))
            memory = worst_use(self.replica_hours.of(scope, "memory_bytes"))
            before = found.get(scope.service, Amount())
            found[scope.service] = Amount(
                cpu_cores=_most(before.cpu_cores, None if share is None else share / 100),
                memory_bytes=_most(before.memory_bytes, memory),
            )
        return found

    @cached_property
    def _reserved_by_replica(self) -> dict[str, Amount]:
        return {
            service_id: _reserved_by(household.spec)
            for service_id, household in self.census.households.items()
        }

    def _after(self, rooms: Sequence[HostRoom], changes: Sequence[Change]) -> tuple[HostRoom, ...]:
        return after_changes(rooms, changes, self._use_of_replicas, self._reserved_by_replica)

    def _more(self, rooms: Sequence[HostRoom], asked: WhatIf) -> tuple[MoreView, tuple[HostRoom, ...]]:
        household = find_household(self.census, asked.service)
        choices = forecast_more(self.census.landscape, household, asked.replicas)
        placed = [choice for choice in choices if isinstance(choice, Placed)]
        changes = [Change(service_id=household.service_id, to_node=choice.node_id) for choice in placed]
        after = self._after(rooms, changes)
        reason = next((choice.reason for choice in choices if not isinstance(choice, Placed)), "")
        return (
            MoreView(
                service_id=household.service_id,
                asked=asked.replicas,
                hosts=tuple(self.names.get(choice.node_id, choice.node_id) for choice in placed),
                reason=reason,
                tight=_newly_tight(rooms, after),
            ),
            after,
        )

    def _without(self, rooms: Sequence[HostRoom], lost: NodeId) -> tuple[HostRoom, ...]:
        forecast = forecast_drain(self.census.landscape, lost, self.census.households.values())
        changes = [
            Change(service_id=fate.service_id, from_node=lost, to_node=fate.to) for fate in forecast.moving
        ]
        return tuple(room for room in self._after(rooms, changes) if room.node_id != lost)

    def _loss(self, rooms: Sequence[HostRoom], room: HostRoom) -> LossView:
        lost = NodeId(room.node_id)
        forecast = forecast_drain(self.census.landscape, lost, self.census.households.values())
        tight = _newly_tight(rooms, self._without(rooms, lost))
        stuck = _stuck(forecast.staying)
        reason = stuck[0].reason if stuck else ""
        if len(rooms) == 1:
            said = tell_only_host(self.language, room.name)
        else:
            said = tell_loss(
                self.language, room.name, replicas=len(forecast.fates), staying=len(forecast.staying),
                reason=reason, tight=tight,
            )  # fmt: skip
        return LossView(
            node_id=room.node_id,
            name=room.name,
            replicas=len(forecast.fates),
            moving=len(forecast.moving),
            stuck=stuck,
            tight=tight,
            is_survived=len(rooms) > 1 and not forecast.staying and not tight,
            said=said,
        )


def _stuck(staying: Sequence[Stays]) -> tuple[StuckView, ...]:
    together: dict[tuple[str, str], int] = {}
    for fate in staying:
        together[fate.service_id, fate.reason] = together.get((fate.service_id, fate.reason), 0) + 1
    return tuple(
        StuckView(service_id=service_id, replicas=count, reason=reason)
        for (service_id, reason), count in together.items()
    )


def _newly_tight(before: Sequence[HostRoom], after: Sequence[HostRoom]) -> tuple[str, ...]:
    were = {room.node_id for room in before if not room.is_comfortable}
    return tuple(room.name for room in after if not room.is_comfortable and room.node_id not in were)


def _reserved_by(spec: ServiceSpec) -> Amount:
    resources = spec.resources
    return Amount(
        cpu_cores=(resources.cpu_reservation_millis or 0) / _MILLI,
        memory_bytes=float(resources.memory_reservation_bytes or 0),
    )


def _most(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)

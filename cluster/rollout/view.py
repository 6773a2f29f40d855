"""What a decision is made from, and the questions asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from cluster.model.ids import NodeId
from cluster.model.metric_limits import CopySamples
from cluster.model.node import Node, NodeStatus
from cluster.model.placing import Failover
from cluster.model.rollout import Rollout
from cluster.model.service import (
    Assignment,
    AssignmentKey,
    DesiredState,
    Fencing,
    ReplicaPhase,
    Revision,
    RouterState,
    Service,
    ServiceSpec,
    VolumeKind,
)
from cluster.model.strategy import Colour
from cluster.model.traffic import TrafficInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupying:
    """A replica of the service that takes up room on a host, is leaving it, or was ordered just before."""

    node_id: NodeId
    spec: ServiceSpec
    is_leaving: bool = False
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedReplica:
    """A host is wanted for a replica made from `spec`.

    `occupying` is everything of this service that takes up room, `siblings` the hosts of the replicas that
    stay, `avoid` hosts it must not go to, with the reason, `pinned_to` the host that has its volume.
    """

    spec: ServiceSpec
    occupying: tuple[Occupying, ...] = ()
    siblings: tuple[NodeId, ...] = ()
    avoid: Mapping[NodeId, str] = field(default_factory=dict)
    pinned_to: NodeId | None = None


@dataclass(frozen=True, slots=True)
class NoHost:
    """Why there is no host, for people."""

    reason: str


class ChooseHost(Protocol):
    """Placement, as this package sees it. Deterministic, and never chooses a host that is to be avoided."""

    def __call__(self, wanted: WantedReplica, /) -> NodeId | NoHost: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One service and everything a decision on it depends on, at one moment.

    `rollout` is the one under way, `last_rollout` the newest that ended. `routers` are the hosts' routers
    that have ever reported. `leases_over` are the hosts whose lease has surely run out, so that they run no
    fenced replica; `lease_ends_ms` says when that will be of others, where it is known. `home` is the host
    its project belongs on, when that matters. `to_leave` are copies that may not stay where they are, as if
    their host were being drained. `traffic` are the newest intervals of every host while the service is
    judged by them, and `samples` what hosts measured of its replicas; some were taken in before. `beside` are
    copies that are not decided on here, because they are of the other colour.
    """

    service: Service
    revisions: Mapping[int, Revision]
    assignments: tuple[Assignment, ...]
    nodes: Mapping[NodeId, Node]
    routers: Mapping[NodeId, RouterState]
    rollout: Rollout | None = None
    last_rollout: Rollout | None = None
    leases_over: frozenset[NodeId] = frozenset()
    lease_ends_ms: Mapping[NodeId, int] = field(default_factory=dict)
    home: NodeId | None = None
    to_leave: frozenset[AssignmentKey] = frozenset()
    traffic: tuple[TrafficInterval, ...] = ()
    beside: tuple[Assignment, ...] = ()
    samples: tuple[CopySamples, ...] = ()

    def of_colour(self, colour: Colour) -> ServiceView:
        """The same with the copies of one colour only; the others are beside them."""
        return replace(
            self,
            assignments=tuple(copy for copy in self.assignments if copy.colour is colour),
            beside=tuple(copy for copy in self.assignments if copy.colour is not colour),
        )

    def spec(self, revision: int) -> ServiceSpec | None:
        found = self.revisions.get(revision)
        return None if found is None else found.spec

    def is_gone(self, node_id: NodeId) -> bool:
        """Whether the host has left for good: nothing it was to do will be done, or needs to be."""
        node = self.nodes.get(node_id)
        return node is None or not node.is_member

    def is_alive(self, node_id: NodeId) -> bool:
        """Whether the host is not known to be down. A suspect one may still run and route everything."""
        node = self.nodes.get(node_id)
        return node is not None and node.is_member and node.status is not NodeStatus.DOWN

    @property
    def is_fenced(self) -> bool:
        """Whether no replica of the service may ever run twice."""
        return self.service.fencing is not Fencing.NONE

    def may_linger(self, copy: Assignment) -> bool:
        """Whether a fenced replica may still run on a host that is down or has left.

        One made to stop by itself is gone when the host's lease is over. Of others, a person must say so.
        """
        node = self.nodes.get(copy.node_id)
        if not self.is_fenced or self.is_alive(copy.node_id) or is_removal_confirmed(copy):
            return False
        if node is None or node.is_fenced:
            return False
        if self.stops_by_itself(copy):
            return copy.node_id not in self.leases_over
        return node.is_member

    def stops_by_itself(self, copy: Assignment) -> bool:
        """Whether its host stops it when the host's lease ends, and whether that is enough."""
        spec = self.spec(copy.revision)
        return self.service.fencing is Fencing.STRICT and spec is not None and spec.fencing is Fencing.STRICT

    def is_draining(self, node_id: NodeId) -> bool:
        node = self.nodes.get(node_id)
        return node is not None and node.is_draining

    def is_schedulable(self, node_id: NodeId) -> bool:
        node = self.nodes.get(node_id)
        return node is not None and node.is_schedulable

    def name_of(self, node_id: NodeId) -> str:
        """The host's name, for people."""
        node = self.nodes.get(node_id)
        return str(node_id) if node is None else node.name

    def is_routed(self, revision: int) -> bool:
        spec = self.spec(revision)
        return spec is not None and spec.route is not None

    def is_pinned(self, revision: int) -> bool:
        """Whether its replicas stay where their volume is."""
        spec = self.spec(revision)
        return spec is not None and bool(volume_names(spec))

    def is_waited_for(self, copy: Assignment) -> bool:
        """Whether a replica on a lost host waits for that host, by what its service asks for then."""
        match self.service.placement.failover:
            case Failover.NONE:
                return True
            case Failover.RESTART:
                # Its volume is left behind, once nothing writes to it any more.
                return self.may_linger(copy)
            case Failover.AUTO:
                return self.is_pinned(copy.revision)

    def is_available(self, assignment: Assignment) -> bool:
        """Whether requests are answered by this replica."""
        return (
            assignment.desired is DesiredState.SERVING
            and is_healthy(assignment)
            and self.is_alive(assignment.node_id)
        )

    def is_routed_everywhere(self, assignment: Assignment) -> bool:
        """Whether every live router has the newest wish for this replica in force."""
        return not self.is_routed(assignment.revision) or all(
            router.has_routed(assignment.token) for router in self._live_routers()
        )

    def is_drained_everywhere(self, assignment: Assignment) -> bool:
        """Whether no live router has a request in flight to this replica, which it sends no new ones."""
        return not self.is_routed(assignment.revision) or all(
            router.has_drained(assignment.token) for router in self._live_routers()
        )

    def is_split_everywhere(self) -> bool:
        """Whether every live router shares the requests as it was ordered last."""
        return all(router.has_routed(self.service.split.token) for router in self._live_routers())

    def _live_routers(self) -> list[RouterState]:
        # One that is down is not waited for: nobody reaches a replica through it, or nobody we can know of.
        return [router for node_id, router in self.routers.items() if self.is_alive(node_id)]


def is_healthy(assignment: Assignment) -> bool:
    return assignment.observed.phase is ReplicaPhase.HEALTHY


def is_removal_confirmed(assignment: Assignment) -> bool:
    return assignment.desired is DesiredState.REMOVED and assignment.observed.phase is ReplicaPhase.REMOVED


def volume_names(spec: ServiceSpec) -> frozenset[str]:
    """The named volumes of a specification."""
    return frozenset(
        mount.source for mount in spec.volumes if mount.kind is VolumeKind.VOLUME and mount.source
    )

"""What is asked for one replica, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from cluster.model.ids import NodeId, ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import ServiceSpec
from cluster.placement.quota import Amounts, Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """One replica that takes up room on a host, or is about to.

    `is_leaving`: its removal is under way; until then it holds its ports and memory. `is_pinned`: it cannot
    be anywhere else, because its volume is there.
    """

    service_id: ServiceId
    project: str
    node_id: NodeId
    spec: ServiceSpec
    is_leaving: bool = False
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A host is wanted for one more replica made from `spec`.

    `own` is all of this service that takes up room now or was chosen just before; it stands in for what the
    landscape knows of the service. `siblings` are the hosts of the replicas that stay, once each: new ones
    spread away from them. `avoid` are hosts it must not go to, with the reason. `pinned_to` is the one host
    that has its volume. With `quota`, `quota_used` is what the other services of its environment reserve.
    """

    service_id: ServiceId
    project: str
    spec: ServiceSpec
    rules: PlacementRules = field(default_factory=PlacementRules)
    own: tuple[Occupant, ...] = ()
    siblings: tuple[NodeId, ...] = ()
    avoid: Mapping[NodeId, str] = field(default_factory=dict)
    pinned_to: NodeId | None = None
    quota: Quota | None = None
    quota_used: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True, slots=True)
class Placed:
    """The host to use."""

    node_id: NodeId


@dataclass(frozen=True, slots=True)
class Unplaceable:
    """No host will do; `reason` says for people why each of them will not."""

    reason: str


Choice: TypeAlias = Placed | Unplaceable


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """How good a host is for a replica, compared from the first field to the last; less is better.

    `is_cramped`: the services that would have to follow this replica would not all fit. `together` are the
    replicas that stay, counted over the hosts with the same value of each spread preference, the most
    important first. `beside` are those on the host itself, `mates` (negative) the replicas there of the
    services of its project it reaches directly, `crowd` all replicas there.
    """

    is_cramped: bool
    together: tuple[int, ...]
    beside: int
    mates: int
    crowd: int
    node_id: NodeId

    @property
    def spread(self) -> tuple[int, ...]:
        """What says how evenly the service is spread, and nothing else."""
        return (*self.together, self.beside)


class ObjectionKind(StrEnum):
    """What sort of thing speaks against a host, in words that fit a summary."""

    VOLUME = "local volume"
    RULE = "placement rules"
    HOME = "what it talks to"
    STATE = "hosts that take nothing"
    AVOIDED = "hosts that it is to leave"
    ROOM = "no room"
    PORT = "host port"


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that speaks against a host; `text` says it for people, after the host's name."""

    kind: ObjectionKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What speaks against a host (nothing: it will do), and how good it is."""

    node_id: NodeId
    name: str
    objections: tuple[Objection, ...]
    rank: Rank

    @property
    def breaks_rules(self) -> bool:
        """Whether the service's own rules, or those of another on the host, are among the objections."""
        return any(objection.kind is ObjectionKind.RULE for objection in self.objections)

"""What is asked for one replica, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import ServiceSpec


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
    that has its volume.
    """

    service_id: ServiceId
    project: str
    spec: ServiceSpec
    own: tuple[Occupant, ...] = ()
    siblings: tuple[NodeId, ...] = ()
    avoid: Mapping[NodeId, str] = field(default_factory=dict)
    pinned_to: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """The host to use."""

    node_id: NodeId


@dataclass(frozen=True, slots=True)
class Unplaceable:
    """No host will do; `reason` says for people why each of them will not."""

    reason: str


Choice: TypeAlias = Placed | Unplaceable

"""What a capacity plan is to its readers."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.analytics.capacity import Amount, HostRoom
from web.tools.analytics_views import ExhaustionView, rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountView:
    """Processors and memory; null where it is not known."""

    cpu_cores: float | None
    memory_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomView:
    """A host, or all together (with an empty id). `used` is in the worst hours of the last week (95th
    percentile), `reserved` what services reserve, `free` the size less the larger of both. `is_comfortable`:
    an hour worse than usual still fits."""

    node_id: str
    name: str
    size: AmountView
    used: AmountView
    used_percent: AmountView
    reserved: AmountView
    free: AmountView
    is_comfortable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FullView:
    """When one resource of a host, or of all together, is used up."""

    subject: str
    metric: str
    exhaustion: ExhaustionView


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckView:
    """Replicas of a service that find no host, and why."""

    service_id: str
    replicas: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LossView:
    """What the loss of one host would do: `moving` of its `replicas` find room elsewhere, `tight` are the
    hosts that would be short of room then."""

    node_id: str
    name: str
    replicas: int
    moving: int
    stuck: tuple[StuckView, ...]
    tight: tuple[str, ...]
    is_survived: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreView:
    """What more replicas of a service would do. `hosts` are the names of those they would be on."""

    service_id: str
    asked: int
    hosts: tuple[str, ...]
    reason: str
    tight: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityView:
    """How much room there is, when it is used up, and what would become of it. With a what-if, `after` are
    the hosts as they would be then."""

    hosts: tuple[RoomView, ...]
    cluster: RoomView
    full: tuple[FullView, ...]
    losses: tuple[LossView, ...]
    more: MoreView | None
    after: tuple[RoomView, ...]
    said: tuple[str, ...]
    notes: tuple[str, ...]


def room_view(room: HostRoom) -> RoomView:
    return RoomView(
        node_id=room.node_id,
        name=room.name,
        size=_amount_view(room.size),
        used=_amount_view(room.used),
        used_percent=_amount_view(room.used_percent, 3),
        reserved=_amount_view(room.reserved),
        free=_amount_view(room.free),
        is_comfortable=room.is_comfortable,
    )


def _amount_view(amount: Amount, digits: int = 4) -> AmountView:
    return AmountView(
        cpu_cores=rounded(amount.cpu_cores, digits), memory_bytes=rounded(amount.memory_bytes, digits)
    )

"""Whether a host has the ports and the room that one more replica takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.model.node import Node
from cluster.model.service import PublishedPort, ServiceSpec
from cluster.placement.quota import Amounts, amounts
from cluster.placement.request import Occupant

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (what a port may be published on, not a listener)
_MIB = 1024 * 1024


def conflicts(spec: ServiceSpec, on_host: Sequence[Occupant]) -> Iterator[str]:
    """Yield the host ports that are taken, for people, after the host's name."""
    for port in spec.ports:
        if not port.host_port:
            continue
        holder = next(
            (each for each in on_host if any(_collide(port, other) for other in each.spec.ports)), None
        )
        if holder is not None:
            yield f"has port {port.host_port}/{port.protocol} in use by {holder.service_id}"


def _collide(one: PublishedPort, other: PublishedPort) -> bool:
    return (
        one.host_port == other.host_port
        and one.protocol is other.protocol
        and (one.host_ip == other.host_ip or bool(_EVERY_ADDRESS & {one.host_ip, other.host_ip}))
    )


def has_room(node: Node, needed: Amounts, on_host: Sequence[Occupant], headroom_percent: int) -> bool:
    """Whether so much can be reserved besides what is there, of what the host tells."""
    taken = amounts((occupant.spec, 1) for occupant in on_host)
    has_cpu = not node.facts.cpu_count or (
        taken.cpu_millis + needed.cpu_millis <= _cpu_millis(node, headroom_percent)
    )
    has_memory = not node.facts.memory_bytes or (
        taken.memory_bytes + needed.memory_bytes <= _memory_bytes(node, headroom_percent)
    )
    return has_cpu and has_memory


def _cpu_millis(node: Node, headroom_percent: int) -> int:
    return 10 * node.facts.cpu_count * (100 - headroom_percent)


def _memory_bytes(node: Node, headroom_percent: int) -> int:
    return node.facts.memory_bytes * (100 - headroom_percent) // 100


def shortages(
    node: Node, spec: ServiceSpec, on_host: Sequence[Occupant], headroom_percent: int
) -> Iterator[str]:
    """Yield what the host has too little of, for people, after its name.

    Reservations are held against what the host has but `headroom_percent` of it; what is not told on either
    side is not compared.
    """
    kept = f" ({headroom_percent} % is kept free)" if headroom_percent else ""
    cpu = spec.resources.cpu_reservation_millis
    if cpu and node.facts.cpu_count:
        taken = sum(occupant.spec.resources.cpu_reservation_millis or 0 for occupant in on_host)
        free = _cpu_millis(node, headroom_percent) - taken
        if cpu > free:
            yield f"has {max(free, 0) / 1000:g} CPU not reserved, of {cpu / 1000:g} needed{kept}"
    memory = spec.resources.memory_reservation_bytes
    if memory and node.facts.memory_bytes:
        taken = sum(occupant.spec.resources.memory_reservation_bytes or 0 for occupant in on_host)
        free = _memory_bytes(node, headroom_percent) - taken
        if memory > free:
            yield f"has {max(free, 0) // _MIB} MiB not reserved, of {-(-memory // _MIB)} MiB needed{kept}"

"""How much room hosts have, and how much they would have if replicas came or a host went.

Two answers stand side by side, because both can stop a deployment: what is reserved (placement holds it
against a host's size), and what is really used, the 95th percentile of the hours. Where replicas would go is
decided elsewhere; here it is counted what that makes of each host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.analytics.series import Hourly

WORST = 0.95
HOURS_MIN = 24
"""Of fewer hours, the worst is not known: nights, backups and busy times of day may all be missing."""
COMFORTABLE_PERCENT = 85.0
"""Use beyond this share leaves no room for an hour that is worse than usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Processors (cores) and memory (bytes); None: not known."""

    cpu_cores: float | None = None
    memory_bytes: float | None = None

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        """Return both together; what is not known of the other adds nothing."""
        return Amount(
            cpu_cores=_sum(self.cpu_cores, other.cpu_cores, sign),
            memory_bytes=_sum(self.memory_bytes, other.memory_bytes, sign),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoom:
    """One host: its size, what is used in its worst hours, of how many (None: not told), what is reserved."""

    node_id: str
    name: str
    size: Amount
    used: Amount
    reserved: Amount
    hours_known: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether it was measured for too short a time to have shown its worst hours."""
        return self.hours_known is not None and self.hours_known < HOURS_MIN

    @property
    def used_percent(self) -> Amount:
        """Use in per cent of the size."""
        return _percent(self.used, self.size)

    @property
    def free(self) -> Amount:
        """The size less what is used or reserved, whichever is more; never below 0."""
        return Amount(
            cpu_cores=_free(self.size.cpu_cores, self.used.cpu_cores, self.reserved.cpu_cores),
            memory_bytes=_free(self.size.memory_bytes, self.used.memory_bytes, self.reserved.memory_bytes),
        )

    @property
    def is_known(self) -> bool:
        """Whether there is a size, and something was measured."""
        sizes = (self.size.cpu_cores, self.size.memory_bytes)
        used = (self.used.cpu_cores, self.used.memory_bytes)
        return any(each is not None for each in sizes) and any(each is not None for each in used)

    @property
    def is_comfortable(self) -> bool:
        """Whether an hour worse than usual still fits, of what is known."""
        shares = (self.used_percent.cpu_cores, self.used_percent.memory_bytes)
        return all(share is None or share <= COMFORTABLE_PERCENT for share in shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One replica that comes to a host (`to_node`), leaves one (`from_node`), or both."""

    service_id: str
    from_node: str | None = None
    to_node: str | None = None


def worst_use(hourly: Hourly, *, hours: int = 7 * 24) -> float | None:
    """Return the 95th percentile of the last `hours` hourly means; None without any."""
    window = hourly.values[-hours:]
    window = window[np.isfinite(window)]
    return float(np.quantile(window, WORST)) if len(window) else None


def after_changes(
    hosts: Sequence[HostRoom],
    changes: Iterable[Change],
    used_by_replica: Mapping[str, Amount],
    reserved_by_replica: Mapping[str, Amount],
) -> tuple[HostRoom, ...]:
    """Return the hosts as they would be with replicas moved, each using what its fellows use at their worst.

    A replica whose use was never measured counts with what it reserves. The worst hours of several are added
    up, as if they came together: this errs on the safe side.
    """
    rooms = {host.node_id: host for host in hosts}
    for change in changes:
        reserved = reserved_by_replica.get(change.service_id, Amount())
        measured = used_by_replica.get(change.service_id, Amount())
        used = Amount(
            cpu_cores=reserved.cpu_cores if measured.cpu_cores is None else measured.cpu_cores,
            memory_bytes=reserved.memory_bytes if measured.memory_bytes is None else measured.memory_bytes,
        )
        for node_id, sign in ((change.from_node, -1), (change.to_node, 1)):
            if node_id in rooms:
                room = rooms[node_id]
                rooms[node_id] = replace(
                    room, used=room.used.plus(used, sign), reserved=room.reserved.plus(reserved, sign)
                )
    return tuple(rooms.values())


def in_all(hosts: Sequence[HostRoom]) -> HostRoom:
    """Return the hosts as if they were one, of what is known of each."""
    return HostRoom(
        node_id="",
        name="",
        size=_total([host.size for host in hosts]),
        used=_total([host.used for host in hosts]),
        reserved=_total([host.reserved for host in hosts]),
        hours_known=max((each.hours_known for each in hosts if each.hours_known is not None), default=None),
    )


def _total(amounts: Sequence[Amount]) -> Amount:
    cores = [each.cpu_cores for each in amounts if each.cpu_cores is not None]
    memory = [each.memory_bytes for each in amounts if each.memory_bytes is not None]
    return Amount(cpu_cores=sum(cores) if cores else None, memory_bytes=sum(memory) if memory else None)


def _sum(one: float | None, other: float | None, sign: int) -> float | None:
    if one is None:
        return None
    return max(0.0, one + sign * (other or 0.0))


def _free(size: float | None, used: float | None, reserved: float | None) -> float | None:
    return None if size is None else max(0.0, size - max(used or 0.0, reserved or 0.0))


def _percent(part: Amount, whole: Amount) -> Amount:
    def share(one: float | None, other: float | None) -> float | None:
        return None if one is None or not other else 100 * one / other

    return Amount(
        cpu_cores=share(part.cpu_cores, whole.cpu_cores),
        memory_bytes=share(part.memory_bytes, whole.memory_bytes),
    )

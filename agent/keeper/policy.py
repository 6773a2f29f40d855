"""What is to be done about fenced containers at a moment. Pure."""

from __future__ import annotations

from enum import Enum

from agent.keeper.lease_file import Lease

KILL_BUDGET_MS = 3_000
"""A container is killed so long before the lease ends: an engine under load takes its time."""
GRACE_MS = 1_500
"""It is asked to stop so long before it is killed."""
LABEL_FENCED = "tower.fenced"
LABEL_CLUSTER = "tower.cluster"
STRICT = "strict"
"""The value of LABEL_FENCED of what has to stop by itself."""


class Due(Enum):
    """What fenced containers have coming."""

    NOTHING = "nothing"
    STOP = "stop"
    KILL = "kill"


def what_is_due(lease: Lease, now_ms: int, boot_id: str) -> Due:
    """Return what to do at `now_ms` of CLOCK_BOOTTIME in the boot `boot_id`."""
    if not lease.is_guarding:
        return Due.NOTHING
    left_ms = runs_on_ms(lease, now_ms, boot_id)
    if left_ms <= 0:
        return Due.KILL
    return Due.STOP if left_ms <= GRACE_MS else Due.NOTHING


def runs_on_ms(lease: Lease, now_ms: int, boot_id: str) -> int:
    """How long until fenced containers are killed; a lease of another boot is worth nothing."""
    return lease.deadline_ms - KILL_BUDGET_MS - now_ms if lease.boot_id == boot_id else 0

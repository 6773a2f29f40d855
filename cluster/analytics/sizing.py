"""Whether what a service may use, and has reserved, fits what its worst hours need.

The worst hour is the 95th percentile over a week, of the replica that needs most: replicas share one
specification. A limit is advised with a third more than that, since an hour hides shorter peaks; a
reservation without more, since reserving is what placement counts with, and what is reserved too much stands
idle.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.analytics.capacity import HOURS_MIN

MIB = 1024 * 1024
LIMIT_MARGIN = 1.33
TIGHT_SHARE = 0.9
"""Of a limit: who needs more than that is about to be killed."""
IDLE_BYTES_MIN = 256 * MIB
IDLE_SHARE_MIN = 0.5
"""What is unused in the worst hours is worth giving back from so much on, and from such a share of it."""
RESERVED_SHARE_MIN = 0.7
"""A reservation below that share of what is used lets placement fill a host that is full."""
SMALL_BYTES = 64 * MIB
"""Less is not worth advice."""
_LIMIT_STEP = 64 * MIB
_RESERVATION_STEP = 32 * MIB


class Advice(StrEnum):
    """RAISE: the limit is nearly reached. RESERVE: too little is reserved. LOWER: limit or reservation are
    far above what is used. FINE, and UNKNOWN where too few hours were measured."""

    RAISE = "raise"
    RESERVE = "reserve"
    LOWER = "lower"
    FINE = "fine"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Advice on memory in bytes; what is to stay as it is, is None. `idle` could be given back by each
    replica."""

    advice: Advice
    limit: float | None = None
    reservation: float | None = None
    idle: float = 0.0


def size_memory(
    worst: float | None, *, limit: float | None, reserved: float | None, hours_known: int
) -> Sizing:
    """Return what limit and reservation a replica should have that needs `worst` bytes in its worst hours.

    `limit` and `reserved` None: there is none.
    """
    if worst is None or hours_known < HOURS_MIN:
        return Sizing(advice=Advice.UNKNOWN)
    good_limit = _whole(worst * LIMIT_MARGIN, _LIMIT_STEP)
    good_reservation = _whole(worst, _RESERVATION_STEP)
    if limit is not None and worst >= TIGHT_SHARE * limit:
        is_short = (reserved or 0.0) < RESERVED_SHARE_MIN * worst
        return Sizing(
            advice=Advice.RAISE, limit=good_limit, reservation=good_reservation if is_short else None
        )
    if (reserved or 0.0) < RESERVED_SHARE_MIN * worst and worst >= SMALL_BYTES:
        return Sizing(advice=Advice.RESERVE, reservation=good_reservation)
    idle_reserved = _idle(reserved, good_reservation)
    idle_limit = _idle(limit, good_limit)
    if idle_reserved or idle_limit:
        return Sizing(
            advice=Advice.LOWER,
            limit=good_limit if idle_limit else None,
            reservation=good_reservation if idle_reserved else None,
            # What is only allowed and not reserved takes nothing from anybody.
            idle=idle_reserved,
        )
    return Sizing(advice=Advice.FINE)


def _idle(given: float | None, needed: float) -> float:
    if given is None:
        return 0.0
    idle = given - needed
    return idle if idle >= max(IDLE_BYTES_MIN, IDLE_SHARE_MIN * given) else 0.0


def _whole(value: float, step: int) -> float:
    return float(-(-int(value) // step) * step)

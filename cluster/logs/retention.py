"""Which segments of the history are let go of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GIB = 1024**3
AUTOMATIC_BYTES_MAX = 2 * GIB
AUTOMATIC_SHARE = 20
RESERVE_BYTES_MAX = GIB
RESERVE_SHARE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSize:
    """A segment that is no longer written to."""

    number: int
    end_us: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be kept. `reserve_bytes` of the disk stay free, whatever else fills it: the log of the cluster
    is on it too, and logs of containers are what is missed least."""

    bytes_max: int
    age_max_us: int
    reserve_bytes: int


def bounds_for(*, bytes_max: int, age_max_d: int, disk_bytes: int) -> Bounds:
    """Return the bounds on a disk of that size. `bytes_max` 0: a twentieth of it, at most 2 GiB."""
    return Bounds(
        bytes_max=bytes_max or min(AUTOMATIC_BYTES_MAX, disk_bytes // AUTOMATIC_SHARE),
        age_max_us=age_max_d * 86_400_000_000,
        reserve_bytes=min(RESERVE_BYTES_MAX, disk_bytes // RESERVE_SHARE),
    )


def to_drop(
    segments: Sequence[SegmentSize], bounds: Bounds, *, now_us: int, open_bytes: int, free_bytes: int
) -> list[int]:
    """Return the numbers of the segments to let go of, the oldest first.

    `open_bytes` are in the segment that is written to, which stays.
    """
    dropped: list[int] = []
    kept_bytes = open_bytes + sum(segment.bytes for segment in segments)
    for segment in sorted(segments, key=lambda each: each.number):
        is_old = segment.end_us < now_us - bounds.age_max_us
        if not is_old and kept_bytes <= bounds.bytes_max and free_bytes >= bounds.reserve_bytes:
            break
        dropped.append(segment.number)
        kept_bytes -= segment.bytes
        free_bytes += segment.bytes
    return dropped

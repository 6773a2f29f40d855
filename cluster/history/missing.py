"""Ranges of time a history knows it has not got: few, apart from each other, in order."""

from __future__ import annotations

from collections.abc import Sequence

RANGES_MAX = 64

Ranges = list[tuple[int, int]]


def ranges(held: object) -> Ranges:
    """Return the ranges as they were stored; none for anything else."""
    if not isinstance(held, Sequence) or isinstance(held, str | bytes):
        return []
    return [(int(start), int(end)) for start, end in held]


def covered(held: Ranges, start_ms: int, end_ms: int) -> Ranges:
    """Return `held` with [start_ms, end_ms). Where they become too many, the two nearest become one: what is
    between is then asked for in vain, but nothing is left out."""
    found: Ranges = []
    for start, end in sorted([*held, (start_ms, end_ms)]):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    while len(found) > RANGES_MAX:
        at = min(range(len(found) - 1), key=lambda place: found[place + 1][0] - found[place][1])
        found[at : at + 2] = [(found[at][0], found[at + 1][1])]
    return found


def uncovered(held: Ranges, start_ms: int, end_ms: int) -> Ranges:
    """Return `held` without [start_ms, end_ms)."""
    if end_ms <= start_ms:
        return held
    found: Ranges = []
    for start, end in held:
        if end <= start_ms or end_ms <= start:
            found.append((start, end))
            continue
        if start < start_ms:
            found.append((start, start_ms))
        if end_ms < end:
            found.append((end_ms, end))
    # Cutting one in two may have made one too many.
    return found if len(found) <= RANGES_MAX else covered(found, *found[0])

"""How much events come in bunches: one cause, many failures. Evidence is divided by it.

Measured on blocks of time over all routers, for each revision by itself, in two ways:

- Of the t events in two neighbouring blocks, independent ones fall into the first like its share s of the
  requests: their squared deviation from t s is t s (1 - s) on average. Bunches of m events that fall into one
  block deviate m times as much. A rate that rises and stays, such as an incident, deviates at its edges only.
- For the new revision also each block's squared deviation from its mean over the rollout. Two bunches in
  neighbouring blocks look alike to the first way, and it takes few of them where the share is small. What
  fails from the start deviates in neither way; what begins to fail later is found some blocks later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from cluster.model.judging import Dispersion

_PRIOR_EVENTS = 1
"""As if one independent event had been seen: a single pair says little."""
_CHANCE = 0.6
"""So much dispersion of independent events is by chance; tempering by it would only cost power."""
_SHARE_MIN = 0.2
"""A block that has just begun counts as a quarter of its neighbour: one event in it would say too much."""
_LEFT_MIN = 0.1


class Events(NamedTuple):
    """Events among `total` requests in one block."""

    block: int
    events: int
    total: int


def closed(before: Dispersion, block: Events, following: Events | None) -> Dispersion:
    """Return the sums with a block that changes no more, and its pair with the one that follows, if any."""
    square, events = _pair(block, following) if following is not None else (0.0, 0)
    return Dispersion(
        pair_square_milli=before.pair_square_milli + round(1000 * square),
        pair_events=before.pair_events + events,
        events=before.events + block.events,
        totals=before.totals + block.total,
        events_squared=before.events_squared + block.events**2,
        totals_squared=before.totals_squared + block.total**2,
        products=before.products + block.events * block.total,
    )


def factor(old: Iterable[float], new: Iterable[float]) -> float:
    """Return the greatest of the measures, less what is chance, at least 1.

    The greatest, not a mean: a bunch that hit only the new revision must not look like many independent
    failures because the old one's were independent.
    """
    return max(1.0, *(each - _CHANCE for each in (*old, *new)))


def between_neighbours(before: Dispersion, blocks: Sequence[Events]) -> float:
    """Return the first measure. While there is no pair, all events are taken for one bunch."""
    square, events = before.pair_square_milli / 1000, before.pair_events
    is_paired = before.totals > 0
    for one, other in pairwise(blocks):
        if other.block == one.block + 1:
            more, of = _pair(one, other)
            square += more
            events += of
            is_paired = True
    if not is_paired:
        events = sum(each.events for each in blocks)
        square = events**2
    return (square + _PRIOR_EVENTS) / (events + _PRIOR_EVENTS)


def around_mean(before: Dispersion, blocks: Sequence[Events]) -> float:
    """Return the second measure."""
    sums = before
    for each in blocks:
        sums = closed(sums, each, None)
    if not sums.totals:
        return 1.0
    rate = sums.events / sums.totals
    square = sums.events_squared - 2 * rate * sums.products + rate * rate * sums.totals_squared
    # The mean is that of the same blocks: with few of them they deviate less from it than from the true one.
    left = max(_LEFT_MIN, 1 - sums.totals_squared / sums.totals**2)
    return (square / left + _PRIOR_EVENTS) / (sums.events + _PRIOR_EVENTS)


def _pair(one: Events, other: Events) -> tuple[float, int]:
    """Return the squared deviation, as a multiple of one independent event's, and the number of events."""
    events = one.events + other.events
    if not events:
        return 0.0, 0
    share = min(1 - _SHARE_MIN, max(_SHARE_MIN, one.total / (one.total + other.total)))
    return (one.events - events * share) ** 2 / (share * (1 - share)), events

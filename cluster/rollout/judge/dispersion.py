"""How much events come in bunches, measured on pairs of neighbouring intervals of one host.

Of the t events of one revision in two neighbouring intervals, independent ones fall into the first like its
share s of the requests: their squared deviation from t s is on average t s (1 - s). Bunches of m events that
fall into one interval deviate m times as much. Pairs are compared within themselves, so that a rate that
rises and stays, an incident or a revision that begins to fail, is not taken for a bunch but at its edges.
"""

from __future__ import annotations

from cluster.model.judging import Dispersion

_PRIOR_EVENTS = 2
"""As if two independent events had been seen: a single pair says little."""
_SHARE_MIN = 0.2
"""Intervals more different than 1 to 4 are not compared: one event in the smaller one would say too much."""


def with_pair(
    dispersion: Dispersion, first_events: int, first_total: int, second_events: int, second_total: int
) -> Dispersion:
    events = first_events + second_events
    if not events or not first_total or not second_total:
        return dispersion
    share = first_total / (first_total + second_total)
    if not _SHARE_MIN <= share <= 1 - _SHARE_MIN:
        return dispersion
    deviation = first_events - events * share
    square = deviation * deviation / (share * (1 - share))
    return Dispersion(
        square_milli=dispersion.square_milli + round(1000 * square), events=dispersion.events + events
    )


def factor(*arms: Dispersion) -> float:
    """Return the greatest dispersion among the arms, at least 1.

    The greatest, not the pooled one: a bunch that hit only the new revision must not look like many
    independent failures because the old one's were independent.
    """
    return max(
        1.0,
        *((arm.square_milli / 1000 + _PRIOR_EVENTS) / (arm.events + _PRIOR_EVENTS) for arm in arms),
    )

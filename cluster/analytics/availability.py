"""Availability: in which share of the time something of a group answered.

A group is up at a moment when at least one of its containers runs and its check does not say that it is
unhealthy; down when none does; and unknown when nothing was measured, as when no agent ran. Time that is
unknown counts neither way. That is the share of the ITU's definition (ITU-T E.800, 2.1.1.2), sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cluster.analytics.series import Values

_RUNNING = 1.0
_UNHEALTHY = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Availability:
    """What a group's record says. Shares are 0 to 1, NaN where nothing is known.

    `up` is the share of the known time, `known` the share of all time in which anything is known; `course` is
    `up` of each of equal stretches, float64[s].
    """

    up: float
    known: float
    course: Values


def is_up(states: Values, healths: Values) -> Values:
    """Return whether a group was up: 1, 0 or NaN; float64[t] of float64[n, t] containers over times.

    `states` and `healths` are the metrics of these names (`cluster.model.metrics`), NaN where not measured.
    """
    known = np.isfinite(states)
    serving = known & (states == _RUNNING) & ~(healths == _UNHEALTHY)
    return np.where(known.any(axis=0), serving.any(axis=0).astype(float), np.nan)


def availability_of(up: Values, *, stretches: int) -> Availability:
    """Return the availability of what was up so, over all of the time and over that many equal stretches.

    Raises ValueError for fewer moments than stretches.
    """
    if not 1 <= stretches <= len(up):
        raise ValueError(f"stretches {stretches}: 1 to {len(up)}, as many as there are moments")
    edges = np.linspace(0, len(up), stretches + 1).astype(int)
    course = np.array([_share(up[a:b]) for a, b in pairwise(edges)])
    return Availability(up=_share(up), known=float(np.isfinite(up).mean()), course=course)


def _share(up: Values) -> float:
    known = up[np.isfinite(up)]
    return float(known.mean()) if len(known) else float("nan")

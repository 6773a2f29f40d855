"""Steps: days on which much came or went at a time, beside a growth that goes on between them."""

from __future__ import annotations

import numpy as np

from cluster.analytics.rank_statistics import MAD_TO_SD
from cluster.analytics.series import Values

_STEP_SDS = 6.0


def find_steps(days: Values) -> Values:
    """Return the day-to-day differences that are steps, 0 elsewhere; float64[d-1] of float64[d] days.

    Those beyond six robust standard deviations, three times the usual growth and 0.2 % of the level. Gaps
    are no steps.
    """
    differences = np.diff(days)
    finite = differences[np.isfinite(differences)]
    if len(finite) < 4:
        return np.zeros(len(differences))
    usual = float(np.median(finite))
    spread = float(MAD_TO_SD * np.median(np.abs(finite - usual)))
    # Of a line without noise every rounding error would be a step.
    least = max(_STEP_SDS * spread, 3 * abs(usual), 0.002 * float(np.nanmedian(np.abs(days))))
    is_step = np.isfinite(differences) & (np.abs(differences - usual) > least)
    return np.where(is_step, differences - usual, 0.0)

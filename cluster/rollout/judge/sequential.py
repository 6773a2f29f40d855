"""Evidence that may be looked at at any time, for rare events of two revisions that serve side by side.

Of the events (failures, slow requests) of both revisions in one step through one router, a revision that is
no worse has a share q like its share of the requests; one whose rate is r times the old one's has the share
p = r q / (r q + 1 - q). The likelihood ratio of the two, averaged over several r, is an e-process: whatever
the time one looks, it exceeds 1/alpha with a chance of at most alpha (Ville). What happens to both
revisions alike, such as an incident of a shared database, changes how many events there are, not their
shares. S. Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", Statistical Science
38 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

FAILURE_RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
FAILURE_WEIGHTS = (1, 1, 2, 4, 4, 2, 1)
"""The most on 5 and 10: what a small service's rollout has barely enough requests to find."""
SLOW_RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0)
SLOW_WEIGHTS = (1, 1, 1, 1, 1)
PER_NAT = 1_000_000


def log_likelihood_ratio(
    ratio: float, new_events: int, new_total: int, old_events: int, old_total: int
) -> int:
    """Return the logarithm of the likelihood ratio in millionths, rounded down: rounding adds no evidence.

    0 where either revision had no request: then nothing was compared.
    """
    if not new_total or not old_total or not new_events + old_events:
        return 0
    share = new_total / (new_total + old_total)
    # log(p / q) and log((1 - p) / (1 - q)) share their denominator.
    base = math.log1p(share * (ratio - 1))
    return math.floor(PER_NAT * (new_events * (math.log(ratio) - base) - old_events * base))


def added(evidence: Sequence[int], more: Iterable[int]) -> tuple[int, ...]:
    """Return the sums; an empty `evidence` is all zeros."""
    if not evidence:
        return tuple(more)
    return tuple(one + other for one, other in zip(evidence, more, strict=True))


def e_value(log_ratios: Sequence[int], weights: Sequence[int], dispersion: float) -> float:
    """Return the weighted mean over the rate ratios, each tempered: its logarithm is divided by `dispersion`.

    Events that come in bunches of that size carry as much evidence as one each. A power below 1 of a
    likelihood ratio is an e value too (Jensen).
    """
    if not log_ratios:
        return 1.0
    logs = [each / PER_NAT / dispersion for each in log_ratios]
    top = max(logs)
    mean = sum(weight * math.exp(each - top) for weight, each in zip(weights, logs, strict=True)) / sum(
        weights
    )
    return math.exp(min(600.0, top)) * mean

"""How the false-rollback budget of one rollout is shared among the tests.

Their chances of a false alarm add up at most (Boole), so the shares add up to one.
"""

from __future__ import annotations

from cluster.model.strategy import Analysis

FAILURES_SHARE = 0.8
SLOW_SHARE = 0.1
SHIFT_SHARE = 0.1


def failures_e_needed(analysis: Analysis) -> float:
    """An e value of 1/alpha is reached with a chance of at most alpha, ever (J. Ville, 1939)."""
    return 1 / (analysis.budget * FAILURES_SHARE)


def slow_e_needed(analysis: Analysis) -> float:
    return 1 / (analysis.budget * SLOW_SHARE)


def shift_alpha(analysis: Analysis, steps: int) -> float:
    """The p-value one step's test must reach: it is looked at once per step."""
    return analysis.budget * SHIFT_SHARE / max(1, steps)

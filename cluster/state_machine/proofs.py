"""Using up what shows that somebody has a second factor."""

from __future__ import annotations

import hmac
from dataclasses import replace

from cluster.commands.outcome import Code, Rejected
from cluster.model.second_factors import SecondFactor


def use_proof(factor: SecondFactor, step: int, recovery_hash: bytes) -> SecondFactor | Rejected:
    """Return the factor after a code of time step `step`, or a recovery code, was accepted for good.

    That a code is right was decided with the secret; here it is decided that it counts once.
    """
    if recovery_hash:
        left = tuple(each for each in factor.recovery_hashes if not hmac.compare_digest(each, recovery_hash))
        if len(left) == len(factor.recovery_hashes):
            return Rejected("this recovery code is wrong or was used already", Code.EXPIRED)
        return replace(factor, recovery_hashes=left)
    if step <= factor.last_step:
        return Rejected("this code was used already: wait for the next one", Code.EXPIRED)
    return replace(factor, last_step=step)

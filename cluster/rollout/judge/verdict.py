"""What the judge says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VerdictKind(StrEnum):
    """WORSE: roll back now. UNDECIDED: go on watching. SILENT: no host has reported for too long.

    Only when a step's time is over: GOOD, the step may be passed; TOO_LITTLE, there were too few requests to
    judge by; INCONCLUSIVE, there were enough, but the new revision may still be too much worse.
    """

    WORSE = "worse"
    UNDECIDED = "undecided"
    SILENT = "silent"
    GOOD = "good"
    TOO_LITTLE = "too-little"
    INCONCLUSIVE = "inconclusive"


class Cause(StrEnum):
    """What a revision was found WORSE by. USER_LIMIT is not part of the false-rollback budget."""

    NONE = ""
    FAILURES = "failures"
    SLOW_REQUESTS = "slow-requests"
    LATENCY_SHIFT = "latency-shift"
    ALL_FAILING = "all-failing"
    USER_LIMIT = "user-limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`reason` is for people and has the numbers."""

    kind: VerdictKind
    reason: str
    cause: Cause = Cause.NONE

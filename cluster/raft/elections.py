"""When to stand for election, and whether to let another one stand.

Pre-vote (Ongaro 2014, section 9.6) asks a majority before the term is raised, so that a node that
cannot hear the leader cannot depose it. A voter refuses while it hears a leader ("stickiness"); this
is also what makes the leader's lease valid, and needs the leader to stop when it loses its quorum.
"""

from __future__ import annotations

import random

from cluster.raft.types import Timing

RETRY_DOUBLINGS_MAX = 5


class Candidacy:
    """The rounds of one node's attempts to become leader."""

    def __init__(self, timing: Timing, rng: random.Random) -> None:
        self._timing = timing
        self._rng = rng
        self._round = 0
        self._attempts = 0
        self._granted: set[str] | None = None
        self._voted: set[str] = set()

    @property
    def round(self) -> int:
        return self._round

    def begin_pre_vote(self) -> int:
        """Start a round; answers to earlier rounds no longer count."""
        self._round += 1
        self._granted = set()
        return self._round

    def grant(self, voter: str, round_number: int) -> int:
        """Count a grant of the present round. Returns how many voters have granted, 0 if there is no such
        round.
        """
        if self._granted is None or round_number != self._round:
            return 0
        self._granted.add(voter)
        return len(self._granted)

    def end_pre_vote(self) -> None:
        self._granted = None

    @property
    def is_asking(self) -> bool:
        return self._granted is not None

    def begin_vote(self) -> None:
        self._voted.clear()
        self._granted = None

    def count_vote(self, voter: str) -> bool:
        """Whether this is the voter's first vote in the present term."""
        if voter in self._voted:
            return False
        self._voted.add(voter)
        return True

    def retry_delay_s(self) -> float:
        """How long to wait before asking again.

        Short at first, since most failures are split votes on a fast network, and doubling with each
        attempt, since on a slow one the answers need longer than the first delay to come back.
        """
        scale = 1 << min(self._attempts, RETRY_DOUBLINGS_MAX)
        self._attempts += 1
        delay = self._rng.uniform(self._timing.retry_min_s, self._timing.retry_max_s) * scale
        return min(delay, self._timing.election_max_s * 2)

    def settle(self) -> None:
        """A leader is known: the next attempt starts afresh."""
        self._attempts = 0
        self._granted = None

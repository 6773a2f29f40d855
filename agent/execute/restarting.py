"""Whether, and when, a container that ended is started again. Pure: times are a monotonic clock's seconds."""

from __future__ import annotations

from collections import deque

from cluster.model.container import RestartCondition, RestartRule

BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 30.0
ATTEMPTS_REMEMBERED = 1000


class Restarts:
    """The starts of one container after it ended by itself."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=ATTEMPTS_REMEMBERED)
        self._in_a_row = 0

    def note_end(self) -> None:
        """It ended, and is to be started again."""
        self._in_a_row += 1

    def note_attempt(self, now_s: float) -> None:
        """It is started again now."""
        self._at_s.append(now_s)

    def note_steady(self) -> None:
        """It has been well for a while: what comes next is another story."""
        self._in_a_row = 0

    def pause_s(self, rule: RestartRule) -> float:
        """How long to wait before the next start: what the rule says, else longer with each in a row."""
        if rule.delay_ms:
            return rule.delay_ms / 1000
        return min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(self._in_a_row, 16))

    def why_not(self, rule: RestartRule, *, exit_code: int, now_s: float) -> str:
        """Why it stays ended, for people; "" when it is to be started again."""
        if rule.condition is RestartCondition.NONE:
            return "its restart policy is none"
        if rule.condition is RestartCondition.ON_FAILURE and exit_code == 0:
            return "it ended well, and its restart policy is on-failure"
        if rule.attempts_max:
            since_s = now_s - rule.window_ms / 1000 if rule.window_ms else float("-inf")
            attempts = sum(at_s >= since_s for at_s in self._at_s)
            if attempts >= rule.attempts_max:
                return f"it was started again {attempts} times, as often as its restart policy allows"
        return ""

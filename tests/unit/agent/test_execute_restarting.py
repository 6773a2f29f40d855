"""Whether a container that ended is started again, and when."""

from __future__ import annotations

import pytest

from agent.execute.restarting import BACKOFF_MAX_S, BACKOFF_MIN_S, Restarts
from cluster.model.container import RestartCondition, RestartRule


def why_not(
    rule: RestartRule, *, exit_code: int = 1, started_at_s: tuple[float, ...] = (), now_s: float = 100.0
) -> str:
    restarts = Restarts()
    for at_s in started_at_s:
        restarts.note_attempt(at_s)
    return restarts.why_not(rule, exit_code=exit_code, now_s=now_s)


def test_without_a_rule_it_is_always_started_again() -> None:
    many = tuple(float(at_s) for at_s in range(100))
    assert why_not(RestartRule(), exit_code=0, started_at_s=many) == ""


@pytest.mark.parametrize(
    ("condition", "exit_code", "reason"),
    [
        (RestartCondition.NONE, 1, "its restart policy is none"),
        (RestartCondition.NONE, 0, "its restart policy is none"),
        (RestartCondition.ON_FAILURE, 0, "it ended well, and its restart policy is on-failure"),
        (RestartCondition.ON_FAILURE, 1, ""),
        (RestartCondition.ANY, 0, ""),
    ],
)
def test_a_condition_decides_by_how_it_ended(
    condition: RestartCondition, exit_code: int, reason: str
) -> None:
    assert why_not(RestartRule(condition=condition), exit_code=exit_code) == reason


def test_attempts_count_within_their_window_alone() -> None:
    rule = RestartRule(attempts_max=2, window_ms=60_000)
    assert why_not(rule, started_at_s=(30.0, 50.0)) == ""
    assert why_not(rule, started_at_s=(50.0, 90.0)).startswith("it was started again 2 times")
    assert why_not(rule, started_at_s=(50.0, 90.0), now_s=120.0) == ""
    assert why_not(RestartRule(attempts_max=2), started_at_s=(1.0, 2.0)) != ""


def test_pauses_grow_until_it_is_steady_unless_the_rule_says_how_long() -> None:
    restarts = Restarts()
    pauses = []
    for _ in range(7):
        pauses.append(restarts.pause_s(RestartRule()))
        restarts.note_end()
    assert pauses == [BACKOFF_MIN_S, 2.0, 4.0, 8.0, 16.0, BACKOFF_MAX_S, BACKOFF_MAX_S]
    assert restarts.pause_s(RestartRule(delay_ms=5_000)) == 5.0
    restarts.note_steady()
    assert restarts.pause_s(RestartRule()) == BACKOFF_MIN_S

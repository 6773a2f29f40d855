"""What may be said of two variants of an experiment, metric by metric."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.model.judging import ArmTotals, Block, JudgeState
from cluster.model.traffic import latency_bound_ms, latency_bucket
from cluster.rollout.judge import Conclusion, MetricComparison, compare


def timed(median_ms: float, count: int) -> tuple[tuple[int, int], ...]:
    """Latencies in three buckets around a median."""
    middle = latency_bucket(median_ms)
    return ((middle - 4, count // 4), (middle, count // 2), (middle + 4, count // 4))


def an_arm(requests: int, failures: int = 0, median_ms: float = 20.0, **fields: Any) -> ArmTotals:
    latencies = timed(median_ms, requests) if requests >= 4 else ()
    return ArmTotals(**{"requests": requests, "failures": failures, "latencies": latencies, **fields})


def compared(a: ArmTotals, b: ArmTotals, **fields: Any) -> dict[str, MetricComparison]:
    # Watched long enough that it is known how much failures come in bunches: not at all.
    blocks = tuple(Block(index=index) for index in range(8))
    state = JudgeState(step_old=a, step_new=b, **{"blocks": blocks, **fields})
    return {each.metric: each for each in compare(state).metrics}


@pytest.fixture(autouse=True)
def independent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.rollout.judge.folding.is_watched_long_enough", lambda _: True)


def test_a_variant_that_fails_clearly_more_is_worse_and_it_is_said_by_how_much() -> None:
    failures = compared(an_arm(20_000, 40), an_arm(20_000, 400))["error_rate"]
    assert failures.conclusion is Conclusion.WORSE
    assert failures.difference.value == pytest.approx(0.018)
    assert failures.difference.low is not None
    assert failures.difference.high is not None
    assert 0.01 < failures.difference.low < 0.018 < failures.difference.high < 0.03
    assert failures.words.startswith("b fails more often: 1.")
    assert failures.words.endswith("more of 100 requests")


def test_success_is_failure_seen_from_the_other_side() -> None:
    found = compared(an_arm(20_000, 40), an_arm(20_000, 400))
    failures, successes = found["error_rate"], found["success_rate"]
    assert successes.conclusion is failures.conclusion
    assert successes.b.value == pytest.approx(0.98)
    assert failures.difference.high is not None
    assert successes.difference.low == -failures.difference.high
    assert successes.words.startswith("b succeeds less often: 1.")


def test_a_variant_that_is_clearly_faster_is_better() -> None:
    latency = compared(an_arm(20_000, median_ms=40.0), an_arm(20_000, median_ms=20.0))["latency_p50"]
    assert latency.conclusion is Conclusion.BETTER
    assert latency.a.value == pytest.approx(latency_bound_ms(latency_bucket(40.0)))
    assert latency.difference.high is not None
    assert latency.difference.high < 0
    assert latency.words.startswith("b's median is shorter: by ")


def test_what_may_be_either_is_said_to_be_undecided_with_both_ends() -> None:
    found = compared(an_arm(500, 3), an_arm(500, 5))
    assert found["error_rate"].conclusion is Conclusion.UNDECIDED
    assert found["error_rate"].words.startswith(
        "which fails more often cannot be said yet: b may be anywhere"
    )
    assert "shorter to" in found["latency_p50"].words


@pytest.mark.parametrize(("a", "b", "empty"), [(0, 100, "a"), (100, 0, "b"), (0, 0, "a")])
def test_without_a_request_nothing_is_said(a: int, b: int, empty: str) -> None:
    for each in compared(an_arm(a), an_arm(b)).values():
        assert each.conclusion is Conclusion.NO_DATA
        assert f"of {empty} was" in each.words
        assert each.difference.value is None


def test_what_is_not_bounded_is_not_a_number() -> None:
    for each in compared(an_arm(0), an_arm(3)).values():
        for measured in (each.a, each.b, each.difference):
            assert all(bound is None or abs(bound) < float("inf") for bound in (measured.low, measured.high))


def test_what_comes_in_bunches_is_weaker_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    independent = compared(an_arm(20_000, 40), an_arm(20_000, 110))["error_rate"]
    monkeypatch.setattr("cluster.rollout.judge.folding.is_watched_long_enough", lambda _: False)
    bunched = compared(an_arm(20_000, 40), an_arm(20_000, 110))["error_rate"]
    assert (independent.conclusion, bunched.conclusion) == (Conclusion.WORSE, Conclusion.UNDECIDED)


def test_earlier_times_count_too() -> None:
    """Requests were lent for a while: what was counted before that still counts."""
    found = compared(an_arm(100), an_arm(100), old=an_arm(20_000, 40), new=an_arm(20_000, 400))
    assert found["error_rate"].conclusion is Conclusion.WORSE

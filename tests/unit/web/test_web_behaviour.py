"""How two revisions answered, in numbers with their uncertainty."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model.ids import RolloutId, ServiceId
from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.traffic import latency_bound_ms, latency_bucket
from web.tools.behaviour import behaviour_of, percentile


def a_rollout(judge: JudgeState | None, **fields: Any) -> Rollout:
    defaults: dict[str, Any] = {
        "id": RolloutId("ro_1"),
        "service_id": ServiceId("shop.web"),
        "from_revision": 1,
        "to_revision": 2,
        "phase": RolloutPhase.RUNNING,
        "step": 1,
        "started_at_ms": 0,
        "changed_at_ms": 0,
        "deadline_ms": 1,
        "judge": judge,
    }
    return Rollout(**{**defaults, **fields})


def totals(requests: int, failures: int = 0, **fields: Any) -> ArmTotals:
    return ArmTotals(requests=requests, failures=failures, **fields)


def test_the_steps_before_and_the_present_one_count_together() -> None:
    state = JudgeState(
        old=totals(900, 2, lost=1, latencies=((3, 10),)),
        step_old=totals(100, 1, latencies=((3, 5), (9, 1))),
        new=totals(50),
        step_new=totals(50, 5, retried=2),
    )
    view = behaviour_of(a_rollout(state))
    assert view is not None
    assert (view.old.requests, view.old.failures.count, view.old.lost) == (1000, 3, 1)
    assert (view.new.requests, view.new.failures.count, view.new.retried) == (100, 5, 2)
    assert view.difference == pytest.approx(0.047)
    assert view.difference_low < view.difference < view.difference_high
    assert view.new.failures.low < 0.05 < view.new.failures.high
    assert view.old.p50 is not None
    assert view.new.p50 is None


@pytest.mark.parametrize(
    "rollout",
    [
        a_rollout(None),
        a_rollout(JudgeState()),
        a_rollout(JudgeState(old=totals(10))),
        a_rollout(JudgeState(new=totals(10))),
        a_rollout(JudgeState(old=totals(10), new=totals(10)), from_revision=0),
    ],
)
def test_without_two_that_answered_side_by_side_nothing_is_said(rollout: Rollout) -> None:
    assert behaviour_of(rollout) is None


def test_an_empty_histogram_has_no_percentile() -> None:
    assert percentile((), 0.5) is None


@given(
    counts=st.dictionaries(st.integers(0, 175), st.integers(1, 1000), min_size=1),
    share=st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_percentile_lies_within_its_interval_and_that_within_what_was_seen(
    counts: dict[int, int], share: float
) -> None:
    latencies = tuple(sorted(counts.items()))
    found = percentile(latencies, share)
    assert found is not None
    lowest, highest = latency_bound_ms(min(counts)), latency_bound_ms(max(counts))
    assert lowest <= found.low_ms <= found.value_ms <= found.high_ms <= highest


def test_the_interval_of_a_percentile_holds_the_true_one_as_often_as_it_says() -> None:
    rng = random.Random(7)
    held = 0
    runs = 400
    for _ in range(runs):
        counts: dict[int, int] = {}
        for _ in range(300):
            bucket = latency_bucket(rng.lognormvariate(3.0, 1.0))
            counts[bucket] = counts.get(bucket, 0) + 1
        found = percentile(tuple(sorted(counts.items())), 0.5)
        assert found is not None
        # exp(3.0) is the median of what was drawn; the interval's ends are ends of buckets.
        true_ms = latency_bound_ms(latency_bucket(20.0855))
        held += found.low_ms <= true_ms <= found.high_ms
    assert held / runs >= 0.95

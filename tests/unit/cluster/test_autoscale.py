"""How many replicas a service is to have: what each target asks for, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscale import (
    Decision,
    Memory,
    ReplicaLoad,
    Situation,
    bounded_by,
    decide,
    recommend,
)
from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric, ScaleTarget
from cluster.model.environments import Environment

CPU = ScaleTarget(metric=ScaleMetric.CPU, value=70)
MEMORY = ScaleTarget(metric=ScaleMetric.MEMORY, value=80)
REQUESTS = ScaleTarget(metric=ScaleMetric.REQUESTS, value=100)
LATENCY = ScaleTarget(metric=ScaleMetric.LATENCY, value=250)


def a_policy(*targets: ScaleTarget, **fields: object) -> AutoscalePolicy:
    policy = AutoscalePolicy(replicas_min=2, replicas_max=10, targets=targets or (CPU,))
    return replace(policy, **fields)  # type: ignore[arg-type]


def using(*cpu: float | None, unready: int = 0) -> tuple[ReplicaLoad, ...]:
    ready = tuple(ReplicaLoad(is_ready=True, cpu_percent=each) for each in cpu)
    return ready + (ReplicaLoad(is_ready=False),) * unready


def wanted(
    target: ScaleTarget,
    replicas: tuple[ReplicaLoad, ...] = (),
    *,
    current: int | None = None,
    requests_per_s: float | None = None,
    latency_p95_ms: float | None = None,
) -> int | None:
    found = recommend(
        target,
        current=len(replicas) if current is None else current,
        tolerance_percent=10,
        replicas=replicas,
        requests_per_s=requests_per_s,
        latency_p95_ms=latency_p95_ms,
    )
    return found.wanted


# ---- what a target asks for -------------------------------------------------------------------------


def test_the_number_is_in_proportion_to_what_is_observed() -> None:
    assert wanted(CPU, using(140, 140)) == 4
    assert wanted(CPU, using(35, 35, 35, 35)) == 2


def test_a_part_of_a_replica_is_a_whole_one() -> None:
    assert wanted(CPU, using(80, 80, 80)) == 4


def test_nothing_changes_within_the_tolerance() -> None:
    assert wanted(CPU, using(76, 76, 76)) == 3
    assert wanted(CPU, using(64, 64, 64)) == 3
    assert wanted(REQUESTS, current=3, requests_per_s=329) == 3


def test_a_replica_without_numbers_does_nothing_when_more_are_asked_for() -> None:
    assert wanted(CPU, using(140, 140, None)) == 4
    assert wanted(CPU, using(90, 90, None)) == 3


def test_a_replica_without_numbers_does_its_part_when_fewer_are_asked_for() -> None:
    assert wanted(CPU, using(10, 10, None, None)) == 3
    assert wanted(CPU, using(10, 10, 10, 10)) == 1


def test_replicas_that_are_starting_are_counted_in_before_more_are_asked_for() -> None:
    assert wanted(CPU, using(140, unready=1)) == 2
    assert wanted(CPU, using(280, unready=1)) == 4


def test_there_is_no_answer_without_any_number() -> None:
    assert wanted(CPU, using(None, None)) is None
    assert wanted(CPU, using(unready=2)) is None
    assert wanted(REQUESTS, using(50, 50)) is None
    assert wanted(LATENCY, using(50, 50)) is None


def test_memory_is_looked_at_as_cpu_is() -> None:
    assert wanted(MEMORY, (ReplicaLoad(is_ready=True, memory_percent=96),) * 5) == 6


def test_requests_are_divided_among_replicas() -> None:
    assert wanted(REQUESTS, current=2, requests_per_s=450) == 5
    assert wanted(REQUESTS, current=5, requests_per_s=0) == 1


def test_a_latency_asks_for_more_in_proportion_to_what_serves() -> None:
    assert wanted(LATENCY, using(1, 1), latency_p95_ms=400) == 4
    assert wanted(LATENCY, using(1, unready=1), latency_p95_ms=400) == 2


def test_a_latency_lets_one_replica_go_only_far_below_its_target() -> None:
    assert wanted(LATENCY, using(1, 1, 1), latency_p95_ms=130) == 3
    assert wanted(LATENCY, using(1, 1, 1), latency_p95_ms=20) == 2


# ---- what is made of it -----------------------------------------------------------------------------


class Watched:
    """A service that is looked at every five seconds, and does as it is told."""

    def __init__(self, policy: AutoscalePolicy, current: int) -> None:
        self.policy = policy
        self.current = current
        self.memory = Memory()
        self.now_ms = 0
        self.changed_at_ms: int | None = None
        self.decisions: list[Decision] = []

    def look(
        self,
        *replicas: ReplicaLoad,
        busy: str = "",
        requests_per_s: float | None = None,
        latency_p95_ms: float | None = None,
        is_rate_complete: bool = True,
    ) -> Decision:
        changed_ago_ms = None if self.changed_at_ms is None else self.now_ms - self.changed_at_ms
        decision, self.memory = decide(
            self.policy,
            Situation(
                now_ms=self.now_ms,
                current=self.current,
                replicas=replicas,
                changed_ago_ms=changed_ago_ms,
                busy=busy,
                requests_per_s=requests_per_s,
                latency_p95_ms=latency_p95_ms,
                is_rate_complete=is_rate_complete,
            ),
            self.memory,
        )
        self.now_ms += 5000
        self.decisions.append(decision)
        if decision.replicas is not None:
            self.current = decision.replicas
            self.changed_at_ms = self.now_ms - 5000
        return decision

    def with_cpu(self, percent: float, *, seconds: int = 5) -> int:
        for _ in range(seconds // 5):
            self.look(*using(*[percent] * self.current))
        return self.current


def test_more_are_there_at_once_and_at_most_twice_as_many() -> None:
    assert Watched(a_policy(), 2).with_cpu(100) == 3
    assert Watched(a_policy(), 2).with_cpu(700) == 4


def test_the_next_step_waits_for_the_cooldown() -> None:
    it = Watched(a_policy(), 2)
    it.with_cpu(700)
    decision = it.look(*using(*[700] * 4))
    assert decision.replicas is None
    assert "the last change is 5 s ago" in decision.reason
    assert it.with_cpu(700, seconds=10) == 8


def test_fewer_have_to_be_enough_for_a_whole_window() -> None:
    it = Watched(a_policy(), 8)
    assert it.with_cpu(10, seconds=295) == 8
    assert "2 would do, and have to for 300 s" in it.decisions[-1].reason
    assert it.with_cpu(10, seconds=10) == 4


def test_one_look_that_needs_them_keeps_all_for_another_window() -> None:
    it = Watched(a_policy(), 8)
    it.with_cpu(10, seconds=250)
    it.with_cpu(70)
    assert it.with_cpu(10, seconds=295) == 8
    assert it.with_cpu(10, seconds=10) == 4


def test_a_window_for_more_is_waited_for_too() -> None:
    it = Watched(a_policy(up_stabilisation_ms=30_000), 2)
    it.with_cpu(50, seconds=60)
    assert it.with_cpu(100, seconds=30) == 2
    assert it.with_cpu(100, seconds=10) == 3


def test_a_new_leader_adds_at_once_and_takes_away_only_after_a_window() -> None:
    it = Watched(a_policy(), 6)
    it.with_cpu(10, seconds=290)
    it.memory = Memory()
    assert it.with_cpu(10, seconds=295) == 6
    it.memory = Memory()
    assert it.with_cpu(140) == 10


def test_nothing_changes_while_a_rollout_is_under_way() -> None:
    it = Watched(a_policy(), 8)
    it.with_cpu(10, seconds=290)
    decision = it.look(*using(900, 900), busy="rollout ro_1 is under way")
    assert decision.replicas is None
    assert decision.reason == "rollout ro_1 is under way"
    # What was seen before it says nothing of the new revision.
    assert it.with_cpu(10, seconds=295) == 8


def test_the_target_that_asks_for_the_most_decides() -> None:
    it = Watched(a_policy(CPU, REQUESTS), 4)
    decision = it.look(*using(70, 70, 70, 70), requests_per_s=650)
    assert decision.replicas == 7
    assert decision.reason == "requests_per_second 162 of 100/s"


def test_an_unknown_target_lets_add_and_not_take_away() -> None:
    it = Watched(a_policy(CPU, REQUESTS, down_stabilisation_ms=0), 4)
    assert it.look(*using(10, 10, 10, 10)).replicas is None
    assert it.look(*using(100, 100, 100, 100)).replicas == 6


def test_a_silent_router_keeps_what_there_is() -> None:
    it = Watched(a_policy(REQUESTS, down_stabilisation_ms=0), 4)
    assert it.look(requests_per_s=10, is_rate_complete=False).replicas is None
    assert it.look(requests_per_s=10).replicas == 2


def test_without_fresh_numbers_nothing_changes() -> None:
    decision = Watched(a_policy(), 4).look(*using(None, None, None, None))
    assert (decision.replicas, decision.wanted) == (None, None)
    assert decision.reason == "there are no fresh numbers"


def test_bounds_hold_whatever_is_observed() -> None:
    assert Watched(a_policy(), 12).with_cpu(900) == 10
    assert Watched(a_policy(), 1).with_cpu(1) == 2
    it = Watched(a_policy(down_stabilisation_ms=0), 10)
    assert it.with_cpu(0, seconds=120) == 2
    assert it.with_cpu(1000, seconds=120) == 10


def test_a_service_scaled_to_nothing_stays_there() -> None:
    decision = Watched(a_policy(), 0).look()
    assert decision.replicas is None
    assert "a person has to bring it back" in decision.reason


def test_what_was_too_slow_is_not_tried_again_while_there_are_as_many_requests() -> None:
    it = Watched(a_policy(LATENCY, down_stabilisation_ms=10_000, replicas_min=1), 2)
    it.look(*using(1, 1), requests_per_s=100, latency_p95_ms=400)
    assert it.current == 4
    for _ in range(60):
        it.look(*using(*[1] * it.current), requests_per_s=95, latency_p95_ms=20)
    assert it.current == 3
    for _ in range(60):
        it.look(*using(*[1] * it.current), requests_per_s=20, latency_p95_ms=20)
    assert it.current == 1


# ---- where it is --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [(0, 0, (2, 10)), (3, 0, (3, 10)), (0, 5, (2, 5)), (12, 0, (12, 12)), (0, 1, (1, 1))],
)
def test_an_environment_narrows_the_bounds(low: int, high: int, bounds: tuple[int, int]) -> None:
    policy = bounded_by(a_policy(), Environment(name="production", replicas_min=low, replicas_max=high))
    assert (policy.replicas_min, policy.replicas_max) == bounds


def test_without_an_environment_the_policy_stands() -> None:
    assert bounded_by(a_policy(), None) == a_policy()


# ---- whatever is observed -------------------------------------------------------------------------------

LOADS = st.lists(
    st.builds(
        ReplicaLoad,
        is_ready=st.booleans(),
        cpu_percent=st.none() | st.floats(0, 2000, allow_nan=False),
        memory_percent=st.none() | st.floats(0, 200, allow_nan=False),
    ),
    max_size=12,
)


@given(
    looks=st.lists(
        st.tuples(
            LOADS,
            st.none() | st.floats(0, 1e6, allow_nan=False),
            st.none() | st.floats(0, 1e5, allow_nan=False),
            st.sampled_from(["", "", "", "rollout"]),
        ),
        max_size=20,
    ),
    current=st.integers(2, 10),
    down_ms=st.sampled_from([0, 20_000, 300_000]),
    up_ms=st.sampled_from([0, 15_000]),
)
def test_it_stays_in_bounds_changes_in_steps_and_never_while_busy(
    looks: list[tuple[list[ReplicaLoad], float | None, float | None, str]],
    current: int,
    down_ms: int,
    up_ms: int,
) -> None:
    policy = a_policy(
        CPU, MEMORY, REQUESTS, LATENCY, down_stabilisation_ms=down_ms, up_stabilisation_ms=up_ms
    )
    it = Watched(policy, current)
    for loads, rate, latency, busy in looks:
        before, changed_at_ms = it.current, it.changed_at_ms
        decision = it.look(*loads, requests_per_s=rate, latency_p95_ms=latency, busy=busy)
        assert 2 <= it.current <= 10
        assert decision.reason
        if decision.replicas is None:
            assert it.current == before
            continue
        assert not busy
        assert before != it.current <= 2 * before
        assert it.current >= before - max(1, before // 2)
        if changed_at_ms is not None:
            assert it.now_ms - 5000 - changed_at_ms >= policy.cooldown_ms
        if it.current < before:
            # A look that is not older than the window never asked for what is taken away.
            assert all(wanted <= before for _, wanted in it.memory.looks)
            assert it.now_ms - 5000 >= down_ms

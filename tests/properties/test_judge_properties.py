"""What holds for the judge whatever arrives, and in whatever order."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cluster.encoding import codec
from cluster.model.ids import NodeId, ServiceId
from cluster.model.judging import JudgeState
from cluster.model.strategy import Analysis, TrafficStep
from cluster.model.traffic import BUCKETS_MAX, ArmTraffic, TrafficInterval
from cluster.rollout.judge import begin, begin_step, evidence, judge, merge_steps, take_in
from cluster.rollout.judge.confidence import newcombe, wilson
from cluster.rollout.judge.sequential import (
    FAILURE_RATIOS,
    FAILURE_WEIGHTS,
    PER_NAT,
    e_value,
    log_likelihood_ratio,
)

OLD, NEW = 1, 2
INTERVAL_MS = 10_000
ON = Analysis()


@st.composite
def arms(draw: st.DrawFn, revision: int) -> ArmTraffic:
    requests = draw(st.integers(0, 200))
    buckets = draw(st.lists(st.integers(0, BUCKETS_MAX - 1), max_size=4, unique=True))
    return ArmTraffic(
        revision=revision,
        requests=requests,
        failures=draw(st.integers(0, requests)),
        latencies=tuple((bucket, draw(st.integers(1, 100))) for bucket in sorted(buckets)),
    )


@st.composite
def interval_lists(draw: st.DrawFn) -> list[TrafficInterval]:
    """All intervals of up to three hosts, in the order of their closing."""
    return [
        TrafficInterval(
            service_id=ServiceId("shop"),
            node_id=NodeId(f"host-{host}"),
            epoch="run-1",
            sequence=sequence,
            duration_ms=INTERVAL_MS,
            arms=(draw(arms(OLD)), draw(arms(NEW))),
        )
        for sequence in range(1, draw(st.integers(1, 6)) + 1)
        for host in range(draw(st.integers(1, 3)))
    ]


def step() -> JudgeState:
    return begin_step(begin(now_ms=0), now_ms=0, hold_ms=300_000)


def fed(state: JudgeState, intervals: list[TrafficInterval], *, now_ms: int) -> JudgeState:
    return take_in(state, intervals, old_revision=OLD, new_revision=NEW, now_ms=now_ms)


@given(interval_lists(), st.randoms(use_true_random=False))
def test_the_order_of_intervals_and_their_repetition_change_nothing(intervals, random):  # type: ignore[no-untyped-def]
    now_ms = 1_000_000
    mixed = [*intervals, *random.choices(intervals, k=5)]
    random.shuffle(mixed)

    assert fed(step(), mixed, now_ms=now_ms) == fed(step(), intervals, now_ms=now_ms)


@given(interval_lists(), st.integers(0, 4))
def test_hosts_that_repeat_their_last_intervals_count_as_those_that_do_not(intervals, repeated):  # type: ignore[no-untyped-def]
    plain = repeating = step()
    for index, interval in enumerate(intervals):
        now_ms = interval.sequence * INTERVAL_MS
        plain = fed(plain, [interval], now_ms=now_ms)
        repeating = fed(repeating, intervals[max(0, index - repeated) : index + 1], now_ms=now_ms)

    assert repeating == plain


@given(interval_lists(), st.randoms(use_true_random=False))
def test_intervals_that_come_late_count_as_those_in_time(intervals, random):  # type: ignore[no-untyped-def]
    """Each by itself. What may differ is the block of time they are thought to be of, and runs."""
    in_time = step()
    for interval in intervals:
        in_time = fed(in_time, [interval], now_ms=1_000_000)
    shuffled = list(intervals)
    random.shuffle(shuffled)
    late = step()
    for interval in shuffled:
        late = fed(late, [interval], now_ms=1_000_000)

    # What is slow is known once there are enough latencies, so only failures are the same to the last one.
    assert [(each.old.failures, each.new.failures, each.new.requests) for each in late.strata] == [
        (each.old.failures, each.new.failures, each.new.requests) for each in in_time.strata
    ]
    assert late.step_new.latencies == in_time.step_new.latencies
    assert {(each.node_id, each.sequence) for each in late.seen} == {
        (each.node_id, each.sequence) for each in in_time.seen
    }


@given(interval_lists(), st.integers(1, 3))
def test_the_state_survives_the_log_at_any_point_and_judging_goes_on_the_same(intervals, cut):  # type: ignore[no-untyped-def]
    state = fed(step(), intervals[:cut], now_ms=200_000)
    restored = codec(JudgeState).decode(codec(JudgeState).encode(state))

    assert restored == state
    one, other = (fed(each, intervals, now_ms=300_000) for each in (state, restored))
    assert evidence(one, ON) == evidence(other, ON)
    assert judge(one, ON, steps=4, now_ms=300_000, is_step_over=True) == judge(
        other, ON, steps=4, now_ms=300_000, is_step_over=True
    )


counts = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))


@given(counts)
def test_evidence_rises_with_every_failure_of_the_new_revision_and_falls_with_the_old_ones(each):  # type: ignore[no-untyped-def]
    new_failed, new_good, old_failed, old_good = each
    new, old = new_failed + new_good + 1, old_failed + old_good + 1

    def value(new_events: int, old_events: int) -> float:
        return e_value(
            [log_likelihood_ratio(ratio, new_events, new, old_events, old) for ratio in FAILURE_RATIOS],
            FAILURE_WEIGHTS,
            1.0,
        )

    here = value(new_failed, old_failed)
    assert value(new_failed + 1, old_failed) > here
    assert value(new_failed, old_failed + 1) < here


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 40))
def test_an_e_value_is_one_on_average_when_the_revisions_are_the_same(new, old, events):  # type: ignore[no-untyped-def]
    """Of events that are independent, the new revision's are binomial: the exact mean over all of them."""
    share = new / (new + old)
    mean = 0.0
    for hit in range(events + 1):
        chance = math.comb(events, hit) * share**hit * (1 - share) ** (events - hit)
        logs = [log_likelihood_ratio(ratio, hit, new, events - hit, old) for ratio in FAILURE_RATIOS]
        mean += chance * e_value(logs, FAILURE_WEIGHTS, 1.0)

    assert 0.999 < mean < 1 + 1e-9


@given(st.lists(st.integers(-50, 50), min_size=7, max_size=7), st.floats(1, 50))
def test_tempering_never_makes_evidence_of_what_was_none(nats, dispersion):  # type: ignore[no-untyped-def]
    logs = [each * PER_NAT for each in nats]

    assert e_value(logs, FAILURE_WEIGHTS, dispersion) <= max(1.0, math.exp(max(nats))) * (1 + 1e-9)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_intervals_hold_the_rate_and_the_difference(hits, misses, base_hits, base_misses):  # type: ignore[no-untyped-def]
    total, base_total = hits + misses + 1, base_hits + base_misses + 1
    low, high = wilson(hits, total, 1.96)
    assert 0 <= low <= hits / total <= high <= 1

    low, high = newcombe(hits, total, base_hits, base_total, 1.96)
    assert -1 <= low <= hits / total - base_hits / base_total <= high <= 1


@given(
    st.lists(st.integers(1, 999), max_size=6, unique=True),
    st.floats(0, 1000),
    st.integers(0, 1000),
)
def test_steps_that_are_left_keep_their_order_and_the_last_two(shares, requests_per_s, requests_min):  # type: ignore[no-untyped-def]
    steps = tuple(TrafficStep(permille=share, hold_ms=60_000) for share in (*sorted(shares), 1000))

    kept, note = merge_steps(steps, requests_per_s=requests_per_s, requests_min=requests_min)

    assert [each for each in steps if each in kept] == list(kept)
    assert kept[-2:] == steps[-2:]
    assert bool(note) == (kept != steps)

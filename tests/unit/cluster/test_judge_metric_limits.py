"""Limits on metrics: what of a new revision's replicas is past them, and what may not be said of it yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.encoding import codec
from cluster.model.ids import NodeId, ServiceId
from cluster.model.judging import JudgeState
from cluster.model.metric_limits import ROUTER, CopySamples, MetricLimit, quantity
from cluster.model.metrics import BY_NAME, STEP_MS
from cluster.model.strategy import Analysis
from cluster.rollout.judge import Cause, Verdict, VerdictKind, begin, evidence, judge, take_in_samples

OLD, NEW = 1, 2
MIB = 1024**2
BEGAN_MS = 1_800_000_000_000
A, B = NodeId("host-a"), NodeId("host-b")
MEMORY = MetricLimit(metric="memory_bytes", max_value=512 * MIB)
RATIO = MetricLimit(metric="cpu_percent", ratio_max=1.5)


def samples(
    *values: float,
    metric: str = "memory_bytes",
    node: NodeId = A,
    revision: int = NEW,
    ordinal: int = 0,
    first: int = 0,
    unit: float = MIB,
) -> CopySamples:
    """Samples of one replica, ten seconds apart, in MiB."""
    scale = BY_NAME[metric].scale
    return CopySamples(
        service_id=ServiceId("shop"),
        node_id=node,
        revision=revision,
        ordinal=ordinal,
        metric=BY_NAME[metric].number,
        points=tuple(
            (BEGAN_MS + (first + number) * STEP_MS, round(value * unit * scale))
            for number, value in enumerate(values)
        ),
    )


def cpu(*values: float, revision: int = NEW, node: NodeId = A, first: int = 0) -> CopySamples:
    return samples(*values, metric="cpu_percent", revision=revision, node=node, first=first, unit=1)


def with_limits(*limits: MetricLimit) -> Analysis:
    return Analysis(metrics=limits, requests_min=0)


def after(
    *told: CopySamples, limits: tuple[MetricLimit, ...] = (MEMORY,), state: JudgeState | None = None
) -> JudgeState:
    return take_in_samples(
        begin(now_ms=BEGAN_MS) if state is None else state,
        with_limits(*limits),
        told,
        new_revision=NEW,
        counted_from_ms={
            (node, revision, ordinal): BEGAN_MS
            for node in (A, B)
            for revision in (OLD, NEW)
            for ordinal in (ROUTER, 0, 1)
        },
    )


def asked(
    state: JudgeState, *limits: MetricLimit, is_step_over: bool = False, next_permille: int = 0
) -> Verdict:
    return judge(
        state,
        with_limits(*(limits or (MEMORY,))),
        steps=1,
        now_ms=BEGAN_MS,
        is_step_over=is_step_over,
        next_permille=next_permille,
    )


def test_a_replica_past_a_limit_for_its_time_makes_the_revision_worse_and_the_reason_has_both_numbers() -> (
    None
):
    verdict = asked(after(samples(*[712] * 7)))
    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.USER_LIMIT)
    assert verdict.reason == "memory_bytes of replica 0 of the new revision 712 MiB > 512 MiB for 1 min"


def test_a_moment_past_a_limit_is_not_enough_and_a_sample_within_it_begins_the_time_anew() -> None:
    assert asked(after(samples(*[712] * 6))).kind is VerdictKind.UNDECIDED
    assert asked(after(samples(712, 712, 712, 400, 712, 712, 712, 712))).kind is VerdictKind.UNDECIDED


def test_samples_with_a_long_gap_between_them_are_not_in_a_row() -> None:
    gap = after(samples(712), samples(712, first=7), samples(712, first=14))
    assert asked(gap).kind is VerdictKind.UNDECIDED


def test_the_old_revision_may_be_past_every_limit() -> None:
    state = after(samples(*[900] * 9, revision=OLD), samples(*[100] * 9))
    assert asked(state).kind is VerdictKind.UNDECIDED


def test_one_bad_replica_of_two_is_enough_and_is_named() -> None:
    state = after(samples(*[100] * 9), samples(*[600] * 9, node=B, ordinal=1))
    assert asked(state).reason.startswith("memory_bytes of replica 1 of the new revision 600 MiB")


def test_a_floor_is_a_limit_too() -> None:
    floor = MetricLimit(metric="rx_bytes_per_s", min_value=1024, for_ms=20_000)
    state = after(samples(100, 100, 100, metric="rx_bytes_per_s", unit=1), limits=(floor,))
    assert asked(state, floor).reason == (
        "rx_bytes_per_s of replica 0 of the new revision 100 B/s < 1 KiB/s for 20 s"
    )


def test_events_are_counted_together_and_one_too_many_is_past_the_limit_at_once() -> None:
    kills = MetricLimit(metric="oom_kills", max_value=1, for_ms=0)
    once = after(samples(0, 1, 0, metric="oom_kills", unit=1), limits=(kills,))
    assert asked(once, kills).kind is VerdictKind.UNDECIDED
    twice = after(samples(1, metric="oom_kills", unit=1, first=3), limits=(kills,), state=once)
    assert asked(twice, kills).reason == "oom_kills of replica 0 of the new revision 2 > 1"


def test_a_ratio_is_of_both_revisions_means_over_the_same_time() -> None:
    old, new = cpu(*[20.0] * 8, revision=OLD), cpu(*[20.0, 40.0] * 4)
    other = cpu(*[50.0] * 8, node=B)
    state = after(old, new, other, limits=(RATIO,))
    verdict = asked(state, RATIO)
    assert verdict.kind is VerdictKind.WORSE
    assert "2 times the old one's: 40 % against 20 % a replica for 1 min" in verdict.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((20.0,) * 8, (29.0,) * 8),
        ((20.0,) * 4, (90.0,) * 8),
        ((0.0,) * 8, (90.0,) * 8),
        ((), (90.0,) * 8),
    ],
    ids=["below", "too little of the old one", "nothing to compare with", "no old one"],
)
def test_a_ratio_says_nothing_below_it_or_without_both_for_its_time(
    old: tuple[float, ...], new: tuple[float, ...]
) -> None:
    state = after(cpu(*old, revision=OLD), cpu(*new), limits=(RATIO,))
    assert asked(state, RATIO).kind is VerdictKind.UNDECIDED


def test_a_step_is_not_passed_before_a_limit_could_be_looked_at() -> None:
    none = asked(after(), is_step_over=True)
    assert none.kind is VerdictKind.TOO_LITTLE
    assert none.reason == "memory_bytes of the new revision: no samples yet (max 512 MiB for 1 min)"
    few = asked(after(samples(1, 1)), is_step_over=True)
    assert "2 of 3 samples yet" in few.reason
    assert asked(after(samples(1, 1, 1)), is_step_over=True).kind is VerdictKind.GOOD


def test_a_ratio_waits_for_samples_of_the_old_revision_too() -> None:
    state = after(cpu(1, 1, 1), limits=(RATIO,))
    assert "old revision: no samples yet" in asked(state, RATIO, is_step_over=True).reason


def test_the_figures_of_each_revision_are_in_the_evidence_and_survive_the_log() -> None:
    state = after(
        samples(*[700] * 9), samples(*[500] * 9, node=B, ordinal=1), samples(*[90] * 9, revision=OLD)
    )
    (found,) = evidence(state, with_limits(MEMORY)).limits
    assert (found.new_worst, found.new_mean) == (700 * MIB, 600 * MIB)
    assert (found.old_worst, found.old_mean) == (90 * MIB, 90 * MIB)
    assert (found.new_worst_ordinal, found.new_worst_node_id, found.is_past) == (0, A, True)
    assert found.text == (
        "memory_bytes of replica 0 of the new revision 700 MiB, mean 600 MiB, the old revision's mean 90 MiB"
        " (past max 512 MiB for 1 min)"
    )
    assert codec(JudgeState).decode(codec(JudgeState).encode(state)) == state


def test_figures_are_there_from_the_first_sample_and_words_once_they_say_something() -> None:
    at_once = replace(MEMORY, for_ms=0)
    (few,) = evidence(after(samples(400)), with_limits(MEMORY)).limits
    (past,) = evidence(after(samples(712), limits=(at_once,)), with_limits(at_once)).limits
    assert (few.new_worst, few.is_past) == (400 * MIB, False)
    assert "1 of 3 samples yet" in few.text
    assert (past.new_worst, past.is_past) == (712 * MIB, True)
    assert past.text == "memory_bytes of replica 0 of the new revision 712 MiB (past max 512 MiB)"


def test_what_a_router_measures_of_a_revision_is_limited_too() -> None:
    slow = MetricLimit(metric="latency_p95_ms", max_value=250, for_ms=0)
    told = samples(300, metric="latency_p95_ms", ordinal=ROUTER, unit=1)
    assert asked(after(told, limits=(slow,)), slow).reason == (
        "latency_p95_ms of the new revision through one router 300 ms > 250 ms"
    )


def test_nothing_counts_of_a_replica_that_warms_up_is_not_known_or_of_before_the_step() -> None:
    told = samples(*[712] * 9)
    names = {(A, NEW, 0): BEGAN_MS + 9 * STEP_MS}
    state, analysis = begin(now_ms=BEGAN_MS), with_limits(MEMORY)
    for counted_from_ms in (names, {}):
        after_all = take_in_samples(
            state, analysis, [told], new_revision=NEW, counted_from_ms=counted_from_ms
        )
        assert after_all is state
    later = replace(state, step_began_at_ms=BEGAN_MS + 9 * STEP_MS)
    assert after(told, state=later) is later


memories = st.lists(st.integers(0, 1024), min_size=1, max_size=12)


@given(
    new=memories,
    other=memories,
    old=memories,
    heard=st.lists(st.integers(0, 12), max_size=6),
    order=st.permutations(range(3)),
)
def test_repeats_pieces_and_the_order_of_hosts_change_nothing(
    new: list[int], other: list[int], old: list[int], heard: list[int], order: list[int]
) -> None:
    limits = (MEMORY, MetricLimit(metric="memory_bytes", ratio_max=2, for_ms=30_000))
    told = [samples(*new), samples(*other, node=B, ordinal=1), samples(*old, revision=OLD)]
    state = begin(now_ms=BEGAN_MS)
    for count in [*sorted(heard), 12]:
        # Hosts tell again what they told before, with what has come since.
        so_far = [replace(each, points=each.points[:count]) for each in told]
        state = after(*(so_far[number] for number in order), limits=limits, state=state)
        assert after(*so_far, limits=limits, state=state) is state
    assert state == after(*told, limits=limits)


@given(values=memories)
def test_a_revision_is_worse_just_when_its_newest_seven_samples_are_past_the_limit(values: list[int]) -> None:
    newest = values[-7:]
    is_past = len(newest) == 7 and min(newest) > 512
    assert (asked(after(samples(*values))).kind is VerdictKind.WORSE) == is_past


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"metric": "load_1", "max_value": 1}, "not measured of each revision"),
        ({"metric": "health", "max_value": 1}, "not measured of each revision"),
        ({"metric": "memory_bytes"}, "no limit"),
        ({"metric": "memory_bytes", "ratio_max": 0.5}, "ratio_max 0.5"),
        ({"metric": "memory_bytes", "max_value": 1, "min_value": 2}, "min 2 is above max 1"),
        ({"metric": "restarts", "ratio_max": 2}, "counts events"),
        ({"metric": "memory_bytes", "max_value": 1, "for_ms": 10**8}, "for_ms"),
        ({"metric": "memory_bytes", "max_value": float("nan")}, "max nan"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_with_the_rule(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        MetricLimit(**fields)


def test_quantities_are_said_as_people_do() -> None:
    said = [
        quantity(712 * MIB, "bytes"),
        quantity(85, "percent"),
        quantity(12_345, "count"),
        quantity(0.5, "ms"),
    ]
    assert said == ["712 MiB", "85 %", "12,345", "0.5 ms"]

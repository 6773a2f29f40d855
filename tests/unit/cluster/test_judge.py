"""The judge of rollouts: what makes a new revision worse, what does not, and what it says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.encoding import codec
from cluster.model.ids import NodeId, ServiceId
from cluster.model.judging import Evidence, JudgeState
from cluster.model.strategy import Analysis, InconclusiveAction, TrafficStep
from cluster.model.traffic import ArmTraffic, TrafficInterval, latency_bound_ms, latency_bucket
from cluster.rollout.judge import (
    Cause,
    StepEnd,
    Verdict,
    VerdictKind,
    begin,
    begin_step,
    evidence,
    judge,
    merge_steps,
    plan_extend,
    take_in,
)
from cluster.rollout.judge.confidence import newcombe, wilson
from cluster.rollout.judge.histograms import mann_whitney

OLD, NEW = 1, 2
INTERVAL_MS = 10_000
ON = Analysis()
FAST = ((latency_bucket(20), 60), (latency_bucket(40), 36), (latency_bucket(80), 4))


def interval(
    sequence: int,
    *,
    old: int = 95,
    new: int = 5,
    old_failures: int = 0,
    new_failures: int = 0,
    node: str = "host-a",
    epoch: str = "run-1",
    old_ms: tuple[tuple[int, int], ...] = (),
    new_ms: tuple[tuple[int, int], ...] = (),
    new_revision: int = NEW,
    retried: int = 0,
) -> TrafficInterval:
    return TrafficInterval(
        service_id=ServiceId("shop"),
        node_id=NodeId(node),
        epoch=epoch,
        sequence=sequence,
        duration_ms=INTERVAL_MS,
        arms=(
            ArmTraffic(revision=OLD, requests=old, failures=old_failures, latencies=old_ms),
            ArmTraffic(
                revision=new_revision, requests=new, failures=new_failures, retried=retried, latencies=new_ms
            ),
        ),
    )


def in_step(hold_ms: int = 300_000) -> JudgeState:
    return begin_step(begin(now_ms=0), now_ms=0, hold_ms=hold_ms)


def after(state: JudgeState, *intervals: TrafficInterval, judged_after_ms: int = 0) -> JudgeState:
    """Take intervals in one by one, each as it closes."""
    for each in intervals:
        state = take_in(
            state,
            [each],
            old_revision=OLD,
            new_revision=NEW,
            judged_after_ms=judged_after_ms,
            now_ms=each.sequence * INTERVAL_MS,
        )
    return state


def asked(
    state: JudgeState,
    analysis: Analysis = ON,
    *,
    now_ms: int = 0,
    is_step_over: bool = False,
    next_permille: int = 100,
) -> Verdict:
    return judge(
        state,
        analysis,
        steps=4,
        now_ms=now_ms or state.heard_at_ms,
        is_step_over=is_step_over,
        next_permille=next_permille,
    )


def test_a_revision_that_keeps_failing_beside_one_that_does_not_is_worse_and_the_reason_has_the_numbers() -> (
    None
):
    verdict = asked(after(in_step(), *(interval(n, new_failures=1) for n in range(1, 9))))

    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.FAILURES)
    assert verdict.reason.startswith(
        "the new revision failed 8 of 40 (20.00%) requests, the old one 0 of 760 (0.00%): e "
    )
    assert verdict.reason.endswith("over 125")


def test_what_fails_grossly_is_found_before_bunches_can_be_measured() -> None:
    verdict = asked(after(in_step(), interval(1, old=2250, new=250, new_failures=50)))

    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.FAILURES)
    assert "tempered for bunches of 16.0" in verdict.reason


@pytest.mark.parametrize("bunch", [5, 10])
def test_a_bunch_or_two_in_the_first_seconds_are_no_reason_to_roll_back(bunch: int) -> None:
    state = after(
        in_step(),
        interval(1, old=2250, new=250, new_failures=bunch),
        interval(2, old=2250, new=250, new_failures=bunch),
    )

    assert asked(state).kind is VerdictKind.UNDECIDED


def test_failures_a_client_was_spared_by_another_replica_count() -> None:
    verdict = asked(after(in_step(), *(interval(n, retried=1) for n in range(1, 9))))

    assert verdict.cause is Cause.FAILURES


def test_failures_of_both_alike_say_nothing() -> None:
    state = after(in_step(), *(interval(n, old_failures=19, new_failures=1) for n in range(1, 30)))

    assert asked(state).kind is VerdictKind.UNDECIDED
    assert evidence(state, ON).failure_e < 1


def test_one_bunch_of_failures_is_no_reason_to_roll_back() -> None:
    quiet = [interval(n) for n in range(1, 20)]
    state = after(in_step(), *quiet, interval(20, new_failures=5), interval(21))

    assert asked(state).kind is VerdictKind.UNDECIDED
    assert evidence(state, ON).failure_dispersion > 3


def test_a_revision_that_begins_to_fail_later_is_found_within_a_minute_and_a_half() -> None:
    state = after(in_step(), *(interval(n) for n in range(1, 31)))

    for sequence in range(31, 40):
        state = after(state, interval(sequence, new_failures=5))
        if asked(state).kind is VerdictKind.WORSE:
            break
    assert sequence <= 39
    assert asked(state).kind is VerdictKind.WORSE


def test_rates_too_small_to_matter_are_not_worse_however_sure_they_are() -> None:
    state = after(in_step(), *(interval(n, old=100_000, new=100_000, new_failures=20) for n in range(1, 40)))

    assert evidence(state, ON).failure_e > 1e6
    assert asked(state).kind is VerdictKind.UNDECIDED
    assert asked(state, replace(ON, failure_rate_effect=0.0001)).kind is VerdictKind.WORSE


def test_a_revision_that_fails_everything_is_worse_even_with_nothing_beside_it() -> None:
    state = after(in_step(), *(interval(n, old=0, new=8, new_failures=8) for n in range(1, 4)))

    verdict = asked(state)

    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.ALL_FAILING)
    assert verdict.reason == "the last 24 requests of the new revision all failed"


def test_when_the_old_revision_fails_everything_too_going_back_would_help_nobody() -> None:
    state = after(in_step(), *(interval(n, old_failures=95, new_failures=5) for n in range(1, 9)))

    assert asked(state).kind is VerdictKind.UNDECIDED


def test_one_router_that_reaches_no_new_replica_is_not_everything_failing() -> None:
    intervals = [
        each
        for n in range(1, 4)
        for each in (
            interval(n, old=0, new=8, new_failures=8),
            interval(n, old=0, new=8, node="host-b"),
        )
    ]

    assert asked(after(in_step(), *intervals)).kind is VerdictKind.UNDECIDED


def test_more_requests_above_the_old_95th_percentile_are_worse() -> None:
    slow = ((latency_bucket(20), 3), (latency_bucket(200), 2))
    state = after(in_step(), *(interval(n, old_ms=FAST, new_ms=slow) for n in range(1, 20)))

    verdict = asked(state)

    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.SLOW_REQUESTS)
    assert f"longer than {latency_bound_ms(latency_bucket(40)):.3g} ms" in verdict.reason


def test_a_shift_of_all_latencies_is_found_at_the_end_of_the_step_only() -> None:
    slower = ((latency_bucket(30), 4), (latency_bucket(40), 1))
    state = after(in_step(200_000), *(interval(n, old_ms=FAST, new_ms=slower) for n in range(1, 21)))

    assert asked(state).kind is VerdictKind.UNDECIDED
    verdict = asked(state, is_step_over=True)
    assert (verdict.kind, verdict.cause) == (VerdictKind.WORSE, Cause.LATENCY_SHIFT)


def test_the_latencies_of_a_step_are_compared_once() -> None:
    slower = ((latency_bucket(30), 4), (latency_bucket(40), 1))
    state = after(in_step(100_000), *(interval(n, old_ms=FAST, new_ms=FAST[:1]) for n in range(1, 11)))
    look = state.shift

    later = after(state, *(interval(n, old_ms=FAST, new_ms=slower) for n in range(11, 40)))

    assert look is not None
    assert later.shift == look
    assert begin_step(later, now_ms=400_000).shift is None


def test_nothing_is_counted_while_replicas_warm_up_or_the_share_changes() -> None:
    intervals = [interval(n, new_failures=5) for n in range(1, 7)]

    warming = after(in_step(), *intervals, judged_after_ms=60_001)
    before_the_step = after(begin_step(begin(now_ms=0), now_ms=55_000), *intervals)

    assert (warming.step_new.requests, before_the_step.step_new.requests) == (0, 0)


def test_intervals_of_other_revisions_are_ignored() -> None:
    state = after(in_step(), *(interval(n, new_revision=3, new_failures=5) for n in range(1, 9)))

    assert state.step_new.requests == 0
    assert state.step_old.requests == 8 * 95


def test_a_host_repeats_itself_and_a_new_run_of_its_agent_counts_anew() -> None:
    state = after(in_step(), interval(1), interval(2))
    again = take_in(
        state, [interval(1), interval(2)], old_revision=OLD, new_revision=NEW, now_ms=2 * INTERVAL_MS
    )
    restarted = after(state, interval(3, epoch="run-2"))

    assert again is state
    assert restarted.step_new.requests == 15


def test_a_sequence_that_jumps_far_ahead_costs_nothing() -> None:
    state = after(in_step(), interval(1), interval(2**50))

    assert state.step_new.requests == 10
    assert state.seen[0].window == 1


def test_when_no_host_reports_the_judge_is_silent_even_at_the_end_of_a_step() -> None:
    state = after(in_step(), *(interval(n) for n in range(1, 31)))

    verdict = asked(state, now_ms=300_000 + ON.silence_ms, is_step_over=True)

    assert verdict.kind is VerdictKind.SILENT
    assert "for 300 s" in verdict.reason


def test_a_step_with_too_few_requests_is_not_passed_and_says_what_could_have_been_missed() -> None:
    verdict = asked(after(in_step(), *(interval(n, new=1) for n in range(1, 31))), is_step_over=True)

    assert verdict.kind is VerdictKind.TOO_LITTLE
    assert verdict.reason == (
        "the new revision got 30 requests in this step, 50 are needed; a failure rate below 10.0% may show no"
        " failure among so many"
    )


def test_a_step_is_passed_when_the_next_share_could_do_little_harm_at_worst() -> None:
    state = after(in_step(), *(interval(n) for n in range(1, 31)))

    assert asked(state, is_step_over=True, next_permille=100).kind is VerdictKind.GOOD
    verdict = asked(state, is_step_over=True, next_permille=1000)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "at 100 % of the requests it would fail at most 1.7" in verdict.reason


@pytest.mark.parametrize(
    ("limit", "is_breached"),
    [
        ({"error_rate_max": 0.05}, True),
        ({"error_rate_max": 0.08}, False),
        ({"success_rate_min": 0.95}, True),
        ({"success_rate_min": 0.92}, False),
        ({"latency_p50_ms_max": 15.0}, True),
        ({"latency_p50_ms_max": 25.0}, False),
        ({"latency_p95_ms_max": 30.0}, True),
        ({"latency_p95_ms_max": 100.0}, False),
        ({"latency_p99_ms_max": 50.0}, True),
        ({"latency_ratio_max": 1.0}, False),
    ],
)
def test_a_limit_is_breached_when_its_confidence_bound_is_past_it(
    limit: dict[str, float], is_breached: bool
) -> None:
    state = after(
        in_step(),
        *(
            interval(n, old=100, new=100, old_failures=10, new_failures=10, old_ms=FAST, new_ms=FAST)
            for n in range(1, 5)
        ),
    )

    verdict = asked(state, Analysis(**limit))  # type: ignore[arg-type]

    assert (verdict.cause is Cause.USER_LIMIT) is is_breached
    assert (next(iter(limit)).removesuffix("_max").removesuffix("_min") in verdict.reason) is is_breached


def test_a_p95_beyond_its_ratio_to_the_old_ones_is_past_the_limit() -> None:
    slow = ((latency_bucket(20), 60), (latency_bucket(160), 40))
    state = after(in_step(), *(interval(n, old_ms=FAST, new_ms=slow) for n in range(1, 4)))

    assert asked(state, Analysis(latency_ratio_max=1.5)).cause is Cause.USER_LIMIT
    assert asked(state, Analysis(latency_ratio_max=5.0)).kind is VerdictKind.UNDECIDED


def test_without_analysis_a_step_is_passed_by_its_time() -> None:
    state = after(in_step(), *(interval(n, new_failures=5) for n in range(1, 9)))
    off = Analysis(is_on=False)

    assert asked(state, off).kind is VerdictKind.UNDECIDED
    assert asked(state, off, is_step_over=True).kind is VerdictKind.GOOD


def test_evidence_of_earlier_steps_is_kept_and_their_shares_are_not_mixed() -> None:
    state = after(in_step(), *(interval(n, new_failures=int(n == 5)) for n in range(1, 11)))
    before = evidence(state, ON)

    state = begin_step(state, now_ms=100_000, hold_ms=300_000)

    assert evidence(state, ON).failure_e == pytest.approx(before.failure_e)
    assert (state.new.requests, state.step_new.requests, state.strata) == (50, 0, ())


def test_the_figures_have_intervals_and_survive_the_log() -> None:
    state = after(
        in_step(), *(interval(n, old_ms=FAST, new_ms=FAST, new_failures=int(n == 3)) for n in range(1, 20))
    )

    figures = evidence(state, ON)

    assert figures.new.failures.count == 1
    assert figures.new.failures.low < 1 / 95 < figures.new.failures.high
    assert figures.old.p50_ms == latency_bound_ms(latency_bucket(20))
    assert figures.slow_above_ms == latency_bound_ms(latency_bucket(40))
    assert codec(Evidence).decode(codec(Evidence).encode(figures)) == figures
    assert codec(JudgeState).decode(codec(JudgeState).encode(state)) == state


def test_intervals_of_rates_are_those_of_the_papers() -> None:
    """Newcombe 1998 II, table II: 56/70 less 48/80, methods 10; and 0 of 20 by Wilson."""
    assert newcombe(56, 70, 48, 80, 1.959964) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_rank_test_agrees_with_counting_every_pair() -> None:
    new = [1, 2, 2, 3, 5, 5]
    old = [1, 1, 2, 3, 3, 4, 5]
    wins = sum((a > b) + 0.5 * (a == b) for a in new for b in old)

    probability, _ = mann_whitney(
        tuple((each, new.count(each)) for each in sorted(set(new))),
        tuple((each, old.count(each)) for each in sorted(set(old))),
        1.0,
    )

    assert probability == pytest.approx(wins / 42)


STEPS = tuple(
    TrafficStep(permille=share, hold_ms=300_000 if share < 1000 else 0) for share in (50, 100, 250, 500, 1000)
)


def test_steps_with_too_few_requests_are_left_out_and_the_plan_says_so() -> None:
    steps, note = merge_steps(STEPS, requests_per_s=1, requests_min=50)

    assert [step.permille for step in steps] == [250, 500, 1000]
    assert note == (
        "at 1 requests per second these steps would end with fewer than 50 requests of the new revision and"
        " are left out: 5 % (15), 10 % (30); the first step is 25 %"
    )


def test_a_rollout_never_goes_from_nothing_to_everything_unjudged() -> None:
    steps, _ = merge_steps(STEPS, requests_per_s=0.0, requests_min=50)

    assert [step.permille for step in steps] == [500, 1000]


def test_steps_stay_when_they_wait_for_a_person_have_enough_or_nothing_is_known() -> None:
    approved = (replace(STEPS[0], needs_approval=True), *STEPS[1:])

    assert merge_steps(approved, requests_per_s=0.0, requests_min=50)[0][0] == approved[0]
    assert merge_steps(STEPS, requests_per_s=100, requests_min=50) == (STEPS, "")
    assert merge_steps(STEPS, requests_per_s=None, requests_min=50) == (STEPS, "")


@pytest.mark.parametrize(
    ("kind", "held_ms", "action", "expected"),
    [
        (VerdictKind.GOOD, 300_000, InconclusiveAction.PAUSE, StepEnd.PASS),
        (VerdictKind.WORSE, 300_000, InconclusiveAction.PROMOTE, StepEnd.ROLL_BACK),
        (VerdictKind.INCONCLUSIVE, 599_999, InconclusiveAction.PAUSE, StepEnd.EXTEND),
        (VerdictKind.INCONCLUSIVE, 600_000, InconclusiveAction.PAUSE, StepEnd.PAUSE),
        (VerdictKind.TOO_LITTLE, 600_000, InconclusiveAction.PROMOTE, StepEnd.PASS),
        (VerdictKind.TOO_LITTLE, 600_000, InconclusiveAction.ROLLBACK, StepEnd.ROLL_BACK),
        (VerdictKind.SILENT, 600_000, InconclusiveAction.PROMOTE, StepEnd.PAUSE),
    ],
)
def test_an_undecided_step_is_held_twice_its_time_and_then_the_user_decides(
    kind: VerdictKind, held_ms: int, action: InconclusiveAction, expected: StepEnd
) -> None:
    end = plan_extend(
        Verdict(kind=kind, reason=""),
        hold_ms=300_000,
        held_ms=held_ms,
        analysis=Analysis(on_inconclusive=action),
    )

    assert end is expected

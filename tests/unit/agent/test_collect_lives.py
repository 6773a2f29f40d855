"""Restarts and kills, whatever tells of them and whatever was missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.collect.lives import LifeCounts, Lives

WEB = "web"
NOW = 1_700_000_000_000


def lives_with(*, has_run: bool = False) -> Lives:
    lives = Lives()
    lives.on_seen(WEB, has_run=has_run)
    return lives


def test_the_first_start_is_no_restart_and_every_later_one_is() -> None:
    lives = lives_with()
    lives.on_start(WEB, NOW)
    assert lives.take(WEB) == LifeCounts()
    lives.on_start(WEB, NOW + 60_000)
    lives.on_start(WEB, NOW + 90_000)
    assert lives.take(WEB) == LifeCounts(restarts=2, restarts_total=2)
    assert lives.take(WEB) == LifeCounts(restarts_total=2)


def test_a_container_that_ran_before_the_agent_did_is_restarted_by_its_next_start() -> None:
    lives = lives_with(has_run=True)
    lives.on_start(WEB, NOW)
    assert lives.take(WEB).restarts == 1


def test_restarts_before_the_agent_are_in_the_total_and_no_news() -> None:
    lives = lives_with(has_run=True)
    lives.on_inspected(WEB, restart_count=7, started_at_ms=NOW)
    assert lives.take(WEB) == LifeCounts(restarts_total=7)


def test_restarts_whose_events_were_missed_are_counted_once() -> None:
    lives = lives_with(has_run=True)
    lives.on_inspected(WEB, restart_count=0, started_at_ms=NOW)
    lives.on_start(WEB, NOW + 10_000)
    lives.on_inspected(WEB, restart_count=3, started_at_ms=NOW + 30_000)
    assert lives.take(WEB).restarts == 3
    lives.on_inspected(WEB, restart_count=3, started_at_ms=NOW + 30_000)
    assert lives.take(WEB).restarts == 0


def test_a_missed_start_by_hand_sets_the_engines_count_back_and_is_a_restart() -> None:
    lives = lives_with(has_run=True)
    lives.on_inspected(WEB, restart_count=5, started_at_ms=NOW)
    lives.take(WEB)
    lives.on_inspected(WEB, restart_count=0, started_at_ms=NOW + 50_000)
    assert lives.take(WEB).restarts == 1


def test_a_start_that_was_inferred_before_its_event_came_is_one() -> None:
    lives = lives_with(has_run=True)
    lives.on_inspected(WEB, restart_count=0, started_at_ms=NOW)
    lives.on_inspected(WEB, restart_count=1, started_at_ms=NOW + 30_000)
    lives.on_start(WEB, NOW + 30_150)
    assert lives.take(WEB).restarts == 1


def test_a_restart_that_is_counted_before_it_is_made_is_one() -> None:
    lives = lives_with(has_run=True)
    lives.on_inspected(WEB, restart_count=0, started_at_ms=NOW)
    # It ended, and the engine is about to start it.
    lives.on_inspected(WEB, restart_count=1, started_at_ms=NOW)
    lives.on_start(WEB, NOW + 60_000)
    lives.on_inspected(WEB, restart_count=1, started_at_ms=NOW + 60_010)
    assert lives.take(WEB).restarts == 1
    # The same, and the event is missed.
    lives.on_inspected(WEB, restart_count=2, started_at_ms=NOW + 60_010)
    lives.on_inspected(WEB, restart_count=2, started_at_ms=NOW + 90_000)
    assert lives.take(WEB) == LifeCounts(restarts=1, restarts_total=2)


def test_what_the_engine_tells_again_after_a_break_is_not_counted_again() -> None:
    lives = lives_with(has_run=True)
    for _ in range(2):
        lives.on_start(WEB, NOW)
        lives.on_start(WEB, NOW + 400)
        lives.on_oom(WEB, NOW * 10**6)
    assert lives.take(WEB) == LifeCounts(restarts=2, oom_kills=1, restarts_total=2, oom_kills_total=1)


def test_a_kill_that_both_the_kernel_and_the_engine_tell_of_is_one() -> None:
    lives = lives_with()
    lives.on_start(WEB, NOW)
    lives.on_read(WEB, 0)
    lives.on_read(WEB, 1)
    assert lives.take(WEB).oom_kills == 1
    lives.on_oom(WEB, 1)
    assert lives.take(WEB) == LifeCounts(oom_kills_total=1)


def test_a_kill_that_ended_the_container_is_known_from_the_engine_alone() -> None:
    lives = lives_with()
    lives.on_start(WEB, NOW)
    lives.on_read(WEB, 2)
    lives.take(WEB)
    for number in range(3):
        lives.on_oom(WEB, number)
    lives.on_start(WEB, NOW + 5000)
    lives.on_read(WEB, 0)
    assert lives.take(WEB) == LifeCounts(restarts=1, oom_kills=1, restarts_total=1, oom_kills_total=3)


def test_what_the_engine_tells_several_times_of_one_kill_is_one_as_long_as_the_kernel_is_read() -> None:
    lives = lives_with()
    lives.on_start(WEB, NOW)
    lives.on_oom(WEB, 1)
    lives.on_oom(WEB, 2)
    lives.on_read(WEB, 1)
    lives.on_oom(WEB, 3)
    assert lives.take(WEB).oom_kills == 1
    lives.on_read(WEB, 1)
    assert lives.take(WEB) == LifeCounts(oom_kills_total=1)


def test_a_kill_told_after_the_kernel_was_read_is_counted_when_it_cannot_be_read_again() -> None:
    lives = lives_with()
    lives.on_start(WEB, NOW)
    lives.on_read(WEB, 0)
    lives.on_oom(WEB, 1)
    assert lives.take(WEB).oom_kills == 0
    assert lives.take(WEB) == LifeCounts(oom_kills=1, oom_kills_total=1)


def test_where_the_kernel_keeps_no_count_the_engine_is_believed() -> None:
    lives = lives_with(has_run=True)
    lives.on_read(WEB, None)
    lives.on_oom(WEB, 1)
    assert lives.take(WEB).oom_kills == 1


def test_kills_before_the_agent_are_no_news_and_a_new_control_group_begins_at_zero() -> None:
    lives = lives_with(has_run=True)
    lives.on_read(WEB, 9)
    assert lives.take(WEB).oom_kills == 0
    lives.on_read(WEB, 10)
    assert lives.take(WEB).oom_kills == 1
    lives.on_read(WEB, 2)
    assert lives.take(WEB) == LifeCounts(oom_kills=2, oom_kills_total=3)


def test_containers_that_are_gone_are_forgotten() -> None:
    lives = lives_with(has_run=True)
    lives.on_start(WEB, NOW)
    lives.retain(())
    assert lives.take(WEB) == LifeCounts()


STEPS = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 10**6)),
    st.tuples(st.just("oom"), st.integers(0, 10**10)),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("inspect"), st.integers(0, 5)),
    st.tuples(st.just("take"), st.just(0)),
)


@given(st.lists(STEPS, max_size=40))
def test_totals_never_fall_and_are_the_sum_of_what_was_taken(steps: list[tuple[str, int]]) -> None:
    lives = lives_with()
    lives.on_inspected(WEB, restart_count=0, started_at_ms=NOW)
    known: LifeCounts | None = None
    for what, number in [*steps, ("take", 0)]:
        match what:
            case "start":
                lives.on_start(WEB, NOW + number)
            case "oom":
                lives.on_oom(WEB, number)
            case "read":
                lives.on_read(WEB, number)
            case "inspect":
                lives.on_inspected(WEB, restart_count=number, started_at_ms=NOW + number)
            case _:
                counts = lives.take(WEB)
                assert counts.restarts >= 0
                assert counts.oom_kills >= 0
                if known is not None:
                    assert counts.restarts_total == known.restarts_total + counts.restarts
                    assert counts.oom_kills_total == known.oom_kills_total + counts.oom_kills
                known = counts

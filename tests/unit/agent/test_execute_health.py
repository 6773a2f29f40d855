"""From what is seen of a container to its phase."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.execute.health import FAILURES_MAX, SETTLED_S, HealthJudge, Sample, exit_words, printable
from agent.execute.observing import LINES, why_it_ended
from agent.ports import ContainerDetail, ContainerSpec, EngineUnavailable, Health
from cluster.model.service import HealthCheck, Observation, ReplicaPhase, ServiceSpec
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine
from tests.support.host_kit import IMAGE
from tests.support.state_builders import a_spec

ROUTED = a_spec()
PLAIN = a_spec(route=None)
CHECKED = a_spec(healthcheck=HealthCheck(test=("CMD", "true")))


def a_sample(
    *,
    health: Health = Health.NONE,
    is_paused: bool = False,
    running_for_s: float = 60.0,
    probe: str | None = "",
) -> Sample:
    return Sample(health=health, is_paused=is_paused, running_for_s=running_for_s, probe=probe)


def phases(judge: HealthJudge, *samples: Sample) -> list[ReplicaPhase]:
    return [judge.judge(sample).phase for sample in samples]


FAILING = a_sample(probe="/ answered 503")
PASSING = a_sample()
S, H, U = ReplicaPhase.STARTING, ReplicaPhase.HEALTHY, ReplicaPhase.UNHEALTHY


def test_it_is_healthy_at_the_first_success() -> None:
    judge = HealthJudge(ROUTED)
    assert phases(judge, FAILING, PASSING) == [S, H]
    assert judge.was_healthy


def test_one_that_was_never_healthy_is_starting_however_often_it_fails() -> None:
    judge = HealthJudge(ROUTED)
    assert phases(judge, *[FAILING] * (10 * FAILURES_MAX)) == [S] * (10 * FAILURES_MAX)
    assert judge.judge(FAILING).reason == "warming up: / answered 503"
    assert not judge.was_healthy


def test_one_that_was_healthy_is_unhealthy_after_so_many_failures_in_a_row() -> None:
    judge = HealthJudge(ROUTED, was_healthy=True)
    assert phases(judge, *[FAILING] * FAILURES_MAX) == [H] * (FAILURES_MAX - 1) + [U]
    assert judge.judge(FAILING).reason == "/ answered 503"


def test_a_success_in_between_begins_the_count_anew() -> None:
    judge = HealthJudge(ROUTED, was_healthy=True)
    for _ in range(5):
        assert phases(judge, FAILING, FAILING, PASSING) == [H, H, H]


def test_an_unhealthy_one_is_healthy_again_at_the_first_success() -> None:
    judge = HealthJudge(ROUTED, was_healthy=True)
    assert phases(judge, *[FAILING] * FAILURES_MAX, PASSING, FAILING) == [H, H, U, H, H]


@pytest.mark.parametrize("was_healthy", [False, True])
def test_a_paused_one_is_unhealthy_at_once_and_says_what_to_do(was_healthy: bool) -> None:
    verdict = HealthJudge(ROUTED, was_healthy=was_healthy).judge(a_sample(is_paused=True, probe=None))
    assert verdict.phase is U
    assert "unpause" in verdict.reason


@pytest.mark.parametrize("probe", ["", None])
def test_a_check_of_its_own_that_fails_counts_at_once_whatever_the_probe_says(probe: str | None) -> None:
    judge = HealthJudge(CHECKED, was_healthy=True)
    assert judge.judge(a_sample(health=Health.UNHEALTHY, probe=probe)).phase is U


def test_a_check_of_the_service_is_waited_for() -> None:
    judge = HealthJudge(CHECKED)
    assert phases(judge, a_sample(health=Health.STARTING), a_sample(health=Health.HEALTHY)) == [S, H]


def test_a_check_from_the_image_is_not_waited_for_where_the_probe_passes() -> None:
    assert HealthJudge(ROUTED).judge(a_sample(health=Health.STARTING)).phase is H


def test_a_check_from_the_image_is_all_there_is_to_wait_for_without_a_route() -> None:
    judge = HealthJudge(PLAIN)
    starting = a_sample(health=Health.STARTING, probe=None)
    assert phases(judge, starting, a_sample(health=Health.HEALTHY, probe=None)) == [S, H]


def test_a_probe_that_fails_outweighs_a_check_that_passes() -> None:
    assert HealthJudge(CHECKED).judge(a_sample(health=Health.HEALTHY, probe="no answer")).phase is S


def test_without_route_and_check_it_is_healthy_once_it_has_run_a_moment_and_says_how_little_that_is() -> None:
    judge = HealthJudge(PLAIN)
    early, late = (a_sample(probe=None, running_for_s=SETTLED_S + each) for each in (-0.1, 0.0))
    assert judge.judge(early).phase is S
    verdict = judge.judge(late)
    assert verdict.phase is H
    assert "nothing more is known" in verdict.reason


def test_a_wall_clock_that_is_set_back_unsettles_nothing() -> None:
    judge = HealthJudge(PLAIN)
    judge.judge(a_sample(probe=None))
    early = a_sample(probe=None, running_for_s=0.0)
    assert phases(judge, *[early] * (FAILURES_MAX + 1)) == [H] * (FAILURES_MAX + 1)


@given(
    st.lists(
        st.builds(
            a_sample,
            health=st.sampled_from(Health),
            is_paused=st.booleans(),
            running_for_s=st.floats(0, 100),
            probe=st.sampled_from([None, "", "/ answered 503"]),
        ),
        min_size=1,
    ),
    st.sampled_from([ROUTED, PLAIN, CHECKED]),
)
def test_healthy_is_said_only_after_a_success_and_a_success_is_always_believed(
    samples: list[Sample], spec: ServiceSpec
) -> None:
    judge = HealthJudge(spec)
    for sample in samples:
        verdict = judge.judge(sample)
        is_success = sample.running_for_s >= SETTLED_S and not (
            sample.is_paused or sample.probe or sample.health in (Health.STARTING, Health.UNHEALTHY)
        )
        if is_success:
            assert verdict.phase is H
        if verdict.phase is H:
            assert judge.was_healthy
        if sample.is_paused or sample.health is Health.UNHEALTHY:
            assert verdict.phase is U
        assert verdict.phase is H or verdict.reason


# ---- how it ended -----------------------------------------------------------------------------


async def an_ended_container(exit_code: int = 3) -> tuple[FakeEngine, ContainerDetail]:
    engine = FakeEngine(FakeClock())
    engine.add_image(IMAGE)
    container = await engine.create(ContainerSpec(name="web", image=IMAGE))
    await engine.start(container)
    engine.crash(container, exit_code=exit_code)
    return engine, await engine.inspect(container)


async def test_its_end_is_told_by_the_exit_code_and_what_it_printed_last() -> None:
    _, detail = await an_ended_container()
    assert exit_words(detail, "") == "ended with exit code 3"
    assert exit_words(detail, "cannot open\nthe database") == (
        "ended with exit code 3:\ncannot open\nthe database"
    )


async def test_one_that_was_killed_for_its_memory_or_never_ran_says_that_instead() -> None:
    _, detail = await an_ended_container(137)
    assert "more memory than its limit" in exit_words(replace(detail, oom_killed=True), "")
    assert exit_words(replace(detail, error="exec: no such file"), "") == "could not run: exec: no such file"


async def test_of_long_last_words_the_end_is_told() -> None:
    _, detail = await an_ended_container()
    words = exit_words(detail, "x" * 5000 + "the cause")
    assert len(words) == 1024
    assert words.startswith("ended with exit code 3:\nxx")
    assert words.endswith("the cause")


async def test_an_error_longer_than_a_reason_may_be_is_cut() -> None:
    _, detail = await an_ended_container()
    assert len(exit_words(replace(detail, error="e" * 5000), "last words")) == 1024


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_whatever_a_container_prints_its_last_words_fit_an_observation(error: str, lines: str) -> None:
    detail = replace(DETAIL, error=error)
    reason = exit_words(detail, lines)
    assert Observation(reason=reason).reason == printable(reason) == reason


async def test_its_last_lines_are_read_from_its_log() -> None:
    engine, detail = await an_ended_container()
    for number in range(2 * LINES):
        engine.write(detail.id, f"line {number}\x1b")
    told = (await why_it_ended(engine, detail)).splitlines()
    assert told == ["ended with exit code 3:", *(f"line {number}" for number in range(LINES, 2 * LINES))]


async def test_without_its_log_the_exit_code_is_told_alone() -> None:
    engine, detail = await an_ended_container()
    engine.write(detail.id, "last words")
    engine.go_away()
    assert await why_it_ended(engine, detail) == "ended with exit code 3"


async def test_a_log_that_breaks_off_is_not_told_half() -> None:
    class BreakingEngine(FakeEngine):
        async def logs(self, container, **options):  # type: ignore[no-untyped-def]  # as the parent's
            async for line in super().logs(container, **options):
                yield line
                raise EngineUnavailable("Docker went away")

    engine = BreakingEngine(FakeClock())
    engine.add_image(IMAGE)
    container = await engine.create(ContainerSpec(name="web", image=IMAGE))
    await engine.start(container)
    engine.write(container, "half of it")
    engine.crash(container)
    assert await why_it_ended(engine, await engine.inspect(container)) == "ended with exit code 1"


DETAIL = ContainerDetail(
    **{
        **dict.fromkeys(("id", "name", "image", "image_id", "command", "status", "error"), ""),
        **dict.fromkeys(("restart_policy", "user", "working_dir", "hostname", "stop_signal"), ""),
        **dict.fromkeys(("cgroup_parent", "log_driver", "platform"), ""),
        **dict.fromkeys(("created_at_ms", "pid", "restart_count"), 0),
        **dict.fromkeys(("started_at_ms", "finished_at_ms", "stop_grace_s"), None),
        **dict.fromkeys(("memory_limit_bytes", "cpu_limit", "pids_limit"), None),
        **dict.fromkeys(("oom_killed", "tty", "privileged"), False),
        **dict.fromkeys(("entrypoint", "arguments"), ()),
        "state": "exited",
        "health": Health.NONE,
        "labels": {},
        "environment": {},
        "exit_code": 1,
    }
)

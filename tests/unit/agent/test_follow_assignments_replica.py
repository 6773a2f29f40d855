"""One replica of a host: from an order to a container, and from the container to what is reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.execute.health import FAILURES_MAX
from agent.execute.replica import LABEL_CONFIG, LABEL_TOKEN, container_spec
from agent.follow.assignments_replica import (
    BACKOFF_MAX_S,
    INSPECT_S,
    PROBE_S,
    PROGRESS_S,
    STEADY_AFTER_S,
    STEADY_PROBE_S,
)
from agent.ports import ContainerSpec, Health, PortTaken, PullProgress, PullRefused, PullRefusedReason
from cluster.model.container import ContainerOptions, RestartCondition, RestartRule
from cluster.model.service import (
    DesiredState,
    HealthCheck,
    Observation,
    PublishedPort,
    ReplicaPhase,
    Route,
)
from tests.support.fake_engine import FakeEngine
from tests.support.host_kit import (
    ADDRESS,
    IMAGE,
    FollowingHost,
    a_replica,
    name_of,
    refusal,
)
from tests.support.state_builders import a_spec

NAME = name_of()
STARTED, SERVING, DRAINING, REMOVED = DesiredState
MISSING = "demo/missing:1"


def phases(it: FollowingHost) -> list[ReplicaPhase]:
    """Every phase that was told, without repetitions."""
    told = [report.observed.phase for command in it.state.reports for report in command.reports]
    return [phase for index, phase in enumerate(told) if index == 0 or told[index - 1] is not phase]


async def a_healthy_replica(it: FollowingHost) -> str:
    """Return its container's id."""
    await it.until_phase(ReplicaPhase.HEALTHY)
    return it.state.observed().container_id


# ---- bringing it up ---------------------------------------------------------------------------


async def test_a_replica_that_is_ordered_runs_and_is_healthy_where_it_answers() -> None:
    it = FollowingHost()
    it.state.deploy()
    token = it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=2)
    detail = await it.engine.inspect(NAME)
    observed = it.state.observed()
    assert it.engine.running() == [NAME]
    assert detail.labels[LABEL_TOKEN] == str(token)
    assert (observed.container_id, observed.address, observed.restarts) == (detail.id, ADDRESS, 0)
    assert [port.host_port for port in detail.ports] == [observed.port]
    assert it.prober.asked[0] == (ADDRESS, observed.port, "/", "shop.example")


async def test_a_steady_replica_tells_nothing_more() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        told, index = len(it.state.proposed), it.state.replica.index
        await it.pass_time(600)
    assert (len(it.state.proposed), it.state.replica.index) == (told, index)
    assert told <= 4


async def test_a_steady_replica_is_asked_less_often() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.prober.asked.clear()
        await it.pass_time(STEADY_AFTER_S - 2)
        assert len(it.prober.asked) >= (STEADY_AFTER_S - 2) / PROBE_S - 2
        await it.pass_time(2)
        it.prober.asked.clear()
        await it.pass_time(60)
    assert 60 / STEADY_PROBE_S - 2 <= len(it.prober.asked) <= 60 / STEADY_PROBE_S + 2


async def test_nothing_is_started_before_the_state_is_caught_up_and_a_leader_is_known() -> None:
    it = FollowingHost()
    it.is_caught_up.clear()
    it.is_led.clear()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(60)
        it.is_led.set()
        await it.pass_time(60)
        it.is_led.clear()
        it.is_caught_up.set()
        await it.pass_time(60)
        assert it.engine.calls == []
        it.is_led.set()
        await it.pass_time(1)
    assert it.engine.running() == [NAME]


async def test_nothing_is_started_when_the_leader_is_lost_during_the_pull() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.held["pull"] = asyncio.Event()
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(60)
        it.is_led.clear()
        it.engine.held["pull"].set()
        await it.pass_time(60)
        assert it.engine.calls == [f"pull {MISSING}"]
        it.is_led.set()
        await it.pass_time(1)
    assert it.engine.running() == [NAME]


async def test_a_host_brings_up_a_few_replicas_at_a_time_and_the_others_say_that_they_wait() -> None:
    it = FollowingHost()
    it.slots = 1
    it.engine.publish(MISSING)
    it.engine.held["pull"] = asyncio.Event()
    it.state.deploy(a_spec(MISSING), service="shop.slow")
    it.state.deploy()
    it.state.order(STARTED, service="shop.slow")
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(5)
        assert it.state.observed().phase is ReplicaPhase.PENDING
        assert it.state.observed().reason == "waits for its turn to pull and start"
        it.engine.held["pull"].set()
        await it.pass_time(5)
    assert it.engine.running() == sorted([NAME, name_of(service="shop.slow")])


# ---- the image --------------------------------------------------------------------------------


async def test_an_image_that_is_missing_is_pulled() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
    assert it.engine.count("pull") == 1


async def test_the_progress_of_a_pull_is_told_now_and_then() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)

    async def pull(ref: str, *, on_progress, **options):  # type: ignore[no-untyped-def]  # as the engine's
        for percent in range(100):
            on_progress(
                PullProgress(
                    status="Downloading", layer="aa", current_bytes=percent * 10**6, total_bytes=10**8
                )
            )
            await it.clock.sleep(0.1)
        return await FakeEngine.pull(it.engine, ref)

    it.engine.pull = pull  # type: ignore[method-assign]  # a slow one
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(9)
        assert it.state.observed().phase is ReplicaPhase.PULLING
        assert it.state.observed().reason.startswith("pulling demo/missing:1: 0 of 1 layers, 8")
        assert len(it.state.reports) <= 9 / PROGRESS_S + 2
        await a_healthy_replica(it)


@pytest.mark.parametrize("reason", [PullRefusedReason.UNREACHABLE, PullRefusedReason.RATE_LIMITED])
async def test_a_pull_that_may_pass_is_tried_again_and_the_replica_does_not_fail(
    reason: PullRefusedReason,
) -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.refused["pull"] = PullRefused("the registry is away", status=500, reason=reason)
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(120)
        assert it.state.observed().phase is ReplicaPhase.PULLING
        assert it.state.observed().reason == "the registry is away; trying again"
        assert ReplicaPhase.FAILED not in phases(it)
        del it.engine.refused["pull"]
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=BACKOFF_MAX_S + 1)


async def test_a_pull_that_somebody_has_to_mend_fails_the_replica_and_is_tried_ever_less_often() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.refused["pull"] = PullRefused(
        "the registry wants a login", status=401, reason=PullRefusedReason.AUTH
    )
    attempts = 0

    async def counting(call: str, container: str) -> None:
        nonlocal attempts
        attempts += call.startswith("pull")
        await ask(call, container)

    ask, it.engine._ask = it.engine._ask, counting  # type: ignore[method-assign]  # counted
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED, within_s=2)
        assert it.state.observed().reason == "the registry wants a login"
        await it.pass_time(300)
        assert 300 / BACKOFF_MAX_S <= attempts <= 300 / BACKOFF_MAX_S + 6
        del it.engine.refused["pull"]
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=BACKOFF_MAX_S + 1)


async def test_an_image_that_is_nowhere_fails_the_replica() -> None:
    it = FollowingHost()
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED, within_s=2)
    assert "demo/missing:1" in it.state.observed().reason


async def test_an_image_that_is_removed_before_the_container_is_made_is_pulled_again() -> None:
    it = FollowingHost()
    it.engine.held["create"] = asyncio.Event()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(1)
        it.engine._images.clear()
        it.engine.held["create"].set()
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
    assert it.engine.count("pull") == 1
    assert ReplicaPhase.FAILED not in phases(it)


async def test_a_pull_is_cut_short_by_an_order_to_remove() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.held["pull"] = asyncio.Event()
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(5)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=1)
    assert it.engine.calls == []


# ---- failures ---------------------------------------------------------------------------------


async def test_a_port_that_is_taken_fails_the_replica_with_the_engines_words() -> None:
    it = FollowingHost()
    it.engine.refused[f"start {NAME}"] = PortTaken("port 80 is already in use", status=500, port=80)
    it.state.deploy(a_spec(IMAGE, ports=(PublishedPort(container_port=8080, host_port=80),)))
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED, within_s=2)
        assert it.state.observed().reason == "port 80 is already in use"
        it.engine.refused.clear()
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=BACKOFF_MAX_S)
    assert it.engine.count("create") == 1


async def test_a_name_that_a_stranger_has_fails_the_replica_and_the_stranger_runs_on() -> None:
    it = FollowingHost()
    await it.stranger(NAME)
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED, within_s=2)
        assert "rename or remove it" in it.state.observed().reason
        await it.pass_time(60)
    assert it.engine.running() == [NAME]
    assert it.engine.count("stop") == it.engine.count("remove") == 0


async def test_an_engine_that_is_away_is_no_failure_and_nothing_is_forgotten() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        told = len(it.state.proposed)
        it.engine.go_away()
        await it.pass_time(120)
        assert len(it.state.proposed) == told
        it.engine.come_back()
        await it.pass_time(60)
    assert it.state.observed().phase is ReplicaPhase.HEALTHY
    assert it.state.observed().container_id == container
    assert len(it.state.proposed) == told
    assert it.engine.count("start") == 1


async def test_an_engine_that_is_away_from_the_beginning_is_waited_for() -> None:
    it = FollowingHost()
    it.engine.go_away()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(60)
        assert it.state.proposed == []
        it.engine.come_back()
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=30)


# ---- how it is --------------------------------------------------------------------------------


async def test_a_replica_that_stops_answering_is_unhealthy_after_a_few_attempts_and_then_healthy_again() -> (
    None
):
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.prober.problem = "/ answered 503"
        await it.pass_time(PROBE_S * (FAILURES_MAX - 1))
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=2)
        assert it.state.observed().reason == "/ answered 503"
        it.prober.problem = ""
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=1)


async def test_a_verdict_of_the_containers_own_check_is_told_at_once() -> None:
    it = FollowingHost()
    it.state.deploy(a_spec(IMAGE, healthcheck=HealthCheck(test=("CMD", "true"))))
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.engine.set_health(container, Health.UNHEALTHY)
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=0.3)
    assert it.state.observed().reason == "its health check fails"


async def test_a_replica_that_somebody_pauses_is_unhealthy_and_gets_no_requests() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        await it.engine.pause(container)
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=0.5)
        assert it.state.observed().port == 0
        assert "unpause" in it.state.observed().reason
        await it.engine.unpause(container)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=0.5)
        assert it.state.observed().port != 0


async def test_a_missed_event_is_made_up_for_by_looking_now_and_then() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.engine._find(container).health = Health.UNHEALTHY
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=INSPECT_S + 1)
    assert it.state.observed().reason == "its health check fails"


async def test_a_wildcard_route_is_asked_for_a_name_below_it() -> None:
    it = FollowingHost()
    route = Route(host="*.shop.example", port=8080, health_path="/up")
    it.state.deploy(a_spec(IMAGE, route=route))
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
    assert it.prober.asked[0][2:] == ("/up", "shop.example")


# ---- when it ends -----------------------------------------------------------------------------


async def test_one_that_ends_tells_why_with_its_last_words_and_is_started_again() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.engine.write(container, "cannot open the database\x07")
        it.engine.crash(container, exit_code=3)
        await it.until_phase(ReplicaPhase.EXITED, within_s=1)
        ended = it.state.observed()
        assert ended.reason == "ended with exit code 3:\ncannot open the database"
        assert (ended.port, ended.address, ended.container_id) == (0, "", container)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
    assert it.state.observed().restarts == 1
    assert it.engine.count("create") == 1
    assert it.engine.count("start") == 2


async def test_one_whose_rule_forbids_it_stays_ended_and_says_so() -> None:
    it = FollowingHost()
    rule = RestartRule(condition=RestartCondition.ON_FAILURE)
    it.state.deploy(a_spec(IMAGE, options=ContainerOptions(restart=rule)))
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.engine.crash(container, exit_code=0)
        await it.until_phase(ReplicaPhase.EXITED, within_s=1)
        await it.pass_time(600)
        told = len(it.state.reports)
        assert it.state.observed().phase is ReplicaPhase.EXITED
        assert it.state.observed().reason.startswith(
            "it ended well, and its restart policy is on-failure; ended"
        )
        assert it.engine.count("start") == 1
        await it.pass_time(600)
        assert len(it.state.reports) == told
        await it.engine.start(container)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
        it.engine.crash(container, exit_code=1)
        await it.until_phase(ReplicaPhase.EXITED, within_s=1)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
    assert (await it.engine.inspect(NAME)).restart_policy == "no"


async def test_one_with_a_limit_of_attempts_is_started_so_often_and_no_more() -> None:
    it = FollowingHost()
    rule = RestartRule(attempts_max=2, delay_ms=3_000)
    it.state.deploy(a_spec(IMAGE, options=ContainerOptions(restart=rule)))
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        for _ in range(2):
            it.engine.crash(container)
            await it.pass_time(2)
            assert it.state.observed().phase is ReplicaPhase.EXITED
            await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
        it.engine.crash(container)
        await it.pass_time(600)
        assert it.state.observed().reason.startswith("it was started again 2 times")
    assert it.engine.count("start") == 3


async def test_one_that_the_engine_keeps_restarting_is_left_to_it_and_says_why_it_ends() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        starts = it.engine.count("start")
        it.prober.problem = "nothing listens"
        for _ in range(10):
            it.engine.keep_restarting(container)
            await it.pass_time(2)
            await it.engine.restart_by_policy(container)
            await it.pass_time(2)
        assert it.state.observed().phase is ReplicaPhase.EXITED
        assert it.state.observed().reason == "ended with exit code 1"
        assert it.state.observed().restarts == 10
        # Never "healthy" or "starting" in between, and a report for each end at most.
        assert phases(it)[-1] is ReplicaPhase.EXITED
        assert len(it.state.reports) <= 3 + 2 * 10
        it.prober.problem = ""
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=INSPECT_S + 1)
    assert it.engine.count("start") - starts == 10
    assert it.engine.count("create") == 1


async def test_after_a_restart_it_is_not_healthy_before_it_answers() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.engine.keep_restarting(container)
        await it.pass_time(0.2)
        it.prober.problem = "nothing listens"
        await it.engine.restart_by_policy(container)
        await it.pass_time(10)
        assert it.state.observed().phase is ReplicaPhase.EXITED
        it.prober.problem = ""
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=1)
    assert phases(it)[-2:] == [ReplicaPhase.EXITED, ReplicaPhase.HEALTHY]


async def test_a_restart_too_fast_to_be_seen_begins_its_health_anew() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        it.prober.problem = "nothing listens"
        await it.engine.restart(container)
        await it.until_phase(ReplicaPhase.STARTING, within_s=1)
        assert it.state.observed().reason == "warming up: nothing listens"
        it.prober.problem = ""
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=1)
    assert it.engine.count("create") == 1


async def test_one_that_is_stopped_again_and_again_is_started_less_and_less_often() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        before = it.engine.count("start")
        for _ in range(2400):
            if it.engine.running():
                await it.engine.stop(NAME)
            await it.pass_time(0.25)
        often = it.engine.count("start") - before
        assert 600 / (BACKOFF_MAX_S + 1) <= often <= 600 / BACKOFF_MAX_S + 6
        # One that has run well for a while is not held to account for what was long ago.
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=BACKOFF_MAX_S + 1)
        await it.pass_time(STEADY_AFTER_S + 5)
        await it.engine.stop(NAME)
        await it.until_phase(ReplicaPhase.EXITED, within_s=2)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=3)


async def test_a_container_that_somebody_removes_is_made_again() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        await it.engine.remove(container, force=True)
        await it.pass_time(3)
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
    assert it.state.observed().container_id not in ("", container)
    assert ReplicaPhase.FAILED not in phases(it)


async def test_a_container_that_somebody_removes_is_not_healthy_while_its_turn_has_not_come() -> None:
    it = FollowingHost()
    it.slots = 1
    it.engine.publish(MISSING)
    it.engine.held["pull"] = asyncio.Event()
    it.state.deploy()
    it.state.order(STARTED)
    it.state.deploy(a_spec(MISSING), service="shop.slow")
    async with it.running():
        container = await a_healthy_replica(it)
        it.state.order(STARTED, service="shop.slow")
        await it.pass_time(1)
        await it.engine.remove(container, force=True)
        await it.pass_time(1)
        observed = it.state.observed()
        assert (observed.phase, observed.port) == (ReplicaPhase.PENDING, 0)
        assert "removed by someone else" in observed.reason
        it.engine.held["pull"].set()
        await a_healthy_replica(it)


async def test_a_container_that_is_removed_before_it_is_started_is_made_again_without_a_failure() -> None:
    it = FollowingHost()
    it.engine.held["start"] = asyncio.Event()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(1)
        await FakeEngine.remove(it.engine, NAME, force=True)
        it.engine.held.pop("start").set()
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=5)
    assert ReplicaPhase.FAILED not in phases(it)


# ---- a restart of the agent -------------------------------------------------------------------


async def test_a_container_that_runs_is_watched_at_once_after_a_restart_and_not_touched() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
    calls = list(it.engine.calls)
    it.is_caught_up.clear()
    it.is_led.clear()
    async with it.running():
        await it.pass_time(30)
        it.prober.problem = "/ answered 503"
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=10)
    assert it.engine.calls == calls
    assert it.state.observed().container_id == container


async def test_a_restart_of_the_agent_tells_nothing_of_what_runs_as_before() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
    told = len(it.state.proposed)
    async with it.running():
        await it.pass_time(60)
    assert len(it.state.proposed) == told


async def test_a_replica_that_misses_one_probe_right_after_a_restart_stays_in_service() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
    told = len(it.state.proposed)
    it.prober.problem = "no answer"
    async with it.running():
        await it.pass_time(PROBE_S)
        it.prober.problem = ""
        await it.pass_time(30)
    assert len(it.state.proposed) == told


async def test_a_container_that_ended_while_the_agent_was_down_is_not_healthy_while_it_waits() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
    it.engine.crash(container)
    it.is_led.clear()
    async with it.running():
        await it.pass_time(5)
        assert it.state.observed().phase is ReplicaPhase.PENDING
        assert it.engine.count("start") == 1
        it.is_led.set()
        await a_healthy_replica(it)
    assert it.engine.count("create") == 1


async def test_a_container_of_a_newer_order_than_is_known_here_waits_for_that_order() -> None:
    it = FollowingHost()
    it.state.deploy()
    token = it.state.order(STARTED)
    spec = container_spec(a_replica(), token=token + 1, address=ADDRESS)
    await it.engine.ensure_network("tower-shop", labels={})
    newer = ContainerSpec(name=NAME, image=IMAGE, labels={**spec.labels, LABEL_CONFIG: "another"})
    await FakeEngine.create(it.engine, newer)
    async with it.running():
        await it.pass_time(1)
        assert it.engine.calls == [f"create {NAME}"]
        it.state.order(SERVING)
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=2)
    assert it.engine.count("remove") == 1


async def test_an_order_that_is_overtaken_does_not_try_in_a_busy_loop() -> None:
    it = FollowingHost()
    it.state.deploy()
    token = it.state.order(STARTED)
    spec = container_spec(a_replica(), token=token + 1, address=ADDRESS)
    await it.engine.ensure_network("tower-shop", labels={})
    await FakeEngine.create(it.engine, ContainerSpec(name=NAME, image=IMAGE, labels=spec.labels))
    looks = 0
    inspect = it.engine.inspect

    async def counting(container: str):  # type: ignore[no-untyped-def]  # as the engine's
        nonlocal looks
        looks += 1
        return await inspect(container)

    it.engine.inspect = counting  # type: ignore[method-assign]  # counted
    async with it.running():
        await it.pass_time(1)
        it.engine.set_health(NAME, Health.HEALTHY)  # an event of the container
        await it.pass_time(BACKOFF_MAX_S)
    assert 1 <= looks <= 5


# ---- other orders -----------------------------------------------------------------------------


async def test_an_order_of_the_same_aim_restarts_nothing_and_is_reported_under_its_own_token() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        container = await a_healthy_replica(it)
        for desired in (SERVING, STARTED, SERVING, DRAINING):
            it.state.order(desired)
            await it.pass_time(0.5)
        told = len(it.state.reports)
        it.prober.problem = "/ answered 503"
        await it.until_phase(ReplicaPhase.UNHEALTHY, within_s=2)
    later = [report for command in it.state.reports[told:] for report in command.reports]
    assert {report.token for report in later} == {it.state.assignment().token}
    assert it.state.observed().container_id == container
    assert it.engine.count("start") == 1


async def test_an_order_that_is_renewed_during_a_pull_is_carried_out_by_the_same_pull() -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.held["pull"] = asyncio.Event()
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(5)
        token = it.state.order(SERVING)
        await it.pass_time(1)
        it.engine.held["pull"].set()
        await a_healthy_replica(it)
    assert it.engine.count("pull") == 1
    assert (await it.engine.inspect(NAME)).labels[LABEL_TOKEN] == str(token)


async def test_a_replica_is_taken_down_and_that_is_told() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=1)
        told = len(it.state.proposed)
        await it.pass_time(60)
        assert len(it.state.proposed) == told
    assert it.engine.names() == []
    assert replace(it.state.observed(), observed_at_ms=0) == Observation(phase=ReplicaPhase.REMOVED)


async def test_a_replica_that_this_host_s_own_router_still_sends_to_is_not_taken_down() -> None:
    it = FollowingHost()
    it.state.deploy(a_spec(IMAGE, route=Route(host="shop.example", port=8080)))
    async with it.running():
        it.state.order(STARTED)
        await it.until_phase(ReplicaPhase.HEALTHY)
        seen = it.state.observed()
        it.is_unrouted.clear()
        it.state.order(REMOVED)
        await it.pass_time(30)
        assert it.engine.running() == [NAME]
        it.is_unrouted.set()
        await it.until_phase(ReplicaPhase.REMOVED)
    assert it.engine.names() == []
    assert it.waited_for[0] == ("shop.web", f"{seen.address}:{seen.port}")


async def test_taking_down_waits_for_a_state_that_is_caught_up_but_for_no_leader() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
    it.state.order(REMOVED)
    it.is_caught_up.clear()
    it.is_led.clear()
    async with it.running():
        await it.pass_time(30)
        assert it.engine.running() == [NAME]
        it.is_caught_up.set()
        await it.pass_time(1)
    assert it.engine.names() == []


async def test_a_container_that_comes_back_after_it_was_taken_down_is_taken_down_again() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=1)
        # As when the engine carries out a create whose caller has gone.
        spec = container_spec(a_replica(), token=1, address=ADDRESS)
        await FakeEngine.create(it.engine, spec)
        await it.pass_time(1)
    assert it.engine.names() == []


async def test_a_removal_that_the_engine_refuses_is_tried_again_until_it_works() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.engine.refused["remove"] = refusal("device or resource busy")
        it.state.order(REMOVED)
        await it.pass_time(60)
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
        it.engine.refused.clear()
        await it.until_phase(ReplicaPhase.REMOVED, within_s=BACKOFF_MAX_S + 1)
    assert it.engine.names() == []


async def test_a_removal_waits_for_an_engine_that_is_away() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.engine.go_away()
        it.state.order(REMOVED)
        await it.pass_time(60)
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
        it.engine.come_back()
        await it.until_phase(ReplicaPhase.REMOVED, within_s=30)


async def test_a_removal_that_waits_for_a_newer_order_goes_on_with_it() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED, REMOVED)
    spec = container_spec(a_replica(), token=it.state.replica.index + 2, address=ADDRESS)
    await it.engine.ensure_network("tower-shop", labels={})
    await FakeEngine.create(it.engine, ContainerSpec(name=NAME, image=IMAGE, labels=spec.labels))
    async with it.running():
        await it.pass_time(5)
        assert it.engine.names() == [NAME]
        it.state.forget(is_flushed=False)
        it.state.order(STARTED, is_flushed=False)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=1)
    assert it.engine.names() == []


async def test_a_replica_that_is_wanted_again_at_once_is_not_said_to_be_removed() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=1)
        told = len(it.state.reports)
        # Both in one flush, as the leader commits them; and then the leader is lost.
        it.is_led.clear()
        it.state.forget(is_flushed=False)
        token = it.state.order(STARTED)
        await it.pass_time(5)
        it.is_led.set()
        await a_healthy_replica(it)
    later = [report for command in it.state.reports[told:] for report in command.reports]
    assert {report.token for report in later} == {token}
    assert ReplicaPhase.REMOVED not in [report.observed.phase for report in later]
    assert it.engine.running() == [NAME]


async def test_a_removal_that_is_under_way_says_nothing_of_the_order_that_follows() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await a_healthy_replica(it)
        it.engine.held["remove"] = asyncio.Event()
        it.state.order(REMOVED)
        await it.pass_time(1)
        it.state.forget(is_flushed=False)
        token = it.state.order(STARTED)
        it.is_led.clear()
        it.engine.held.pop("remove").set()  # at the very moment of the new order
        await it.pass_time(5)
        told = [report for command in it.state.reports for report in command.reports]
        assert (token, ReplicaPhase.REMOVED) not in [(each.token, each.observed.phase) for each in told]
        it.is_led.set()
        await a_healthy_replica(it)


@pytest.mark.parametrize("step", ["pull", "create", "start"])
async def test_two_aims_never_act_on_one_container_at_a_time(step: str) -> None:
    it = FollowingHost()
    it.engine.publish(MISSING)
    it.engine.held[step] = asyncio.Event()
    it.state.deploy(a_spec(MISSING))
    it.state.order(STARTED)
    async with it.running():
        await it.pass_time(1)
        it.engine.held[step].set()
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED, within_s=2)
        it.state.forget()
        it.state.order(STARTED)
        it.engine.held.clear()
        await a_healthy_replica(it)
    assert it.engine.most_acting == 1
    assert it.engine.running() == [NAME]

"""A replica that must never run twice, on one host: started by a lease only, and stopped when that ends."""

from __future__ import annotations

from agent.follow.lease import START_MS
from agent.keeper.policy import GRACE_MS, KILL_BUDGET_MS, LABEL_FENCED
from cluster.failover import LEASE_MS
from cluster.model.service import DesiredState, Fencing, ReplicaPhase
from tests.support.host_kit import FollowingHost, name_of

NAME = name_of()
STARTED, SERVING, _, REMOVED = DesiredState

RUNS_FOR_S = (LEASE_MS - KILL_BUDGET_MS) / 1000
"""How long one runs on after the last answered heartbeat left."""


def a_singleton(fencing: Fencing = Fencing.STRICT) -> FollowingHost:
    it = FollowingHost()
    it.state.deploy(replicas=1, fencing=fencing)
    return it


async def beat_for(it: FollowingHost, seconds: float) -> None:
    for _ in range(round(seconds / 0.5)):
        it.grant()
        await it.pass_time(0.5)


async def test_it_is_not_started_before_this_host_has_a_lease() -> None:
    it = a_singleton()
    async with it.running():
        it.state.order(STARTED)
        await it.pass_time(30)
        assert it.engine.running() == []
        assert it.state.observed().reason == "waits until this host is sure that it runs nowhere else"
        it.grant()
        await it.pass_time(2)
        assert it.engine.running() == [NAME]


async def test_its_container_is_labelled_and_never_started_by_the_engine() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED)
        await beat_for(it, 2)
        found = await it.engine.see(NAME)
        assert found.labels[LABEL_FENCED] == "strict"
        assert found.restart_policy == "no"


async def test_the_keeper_knows_of_it_before_it_runs() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        assert it.keeper.handed is not None
        assert not it.keeper.handed.is_guarding
        it.keeper.problem = "waits for this host's keeper to start"
        it.state.order(STARTED)
        await beat_for(it, 2)
        assert it.keeper.handed.is_guarding
        assert it.engine.running() == []
        assert it.state.observed().reason == "waits for this host's keeper to start"
        it.keeper.problem = ""
        await beat_for(it, 2)
        assert it.engine.running() == [NAME]


async def test_a_lease_that_is_about_to_end_starts_nothing() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        await it.pass_time(RUNS_FOR_S - (GRACE_MS + START_MS) / 1000 + 0.1)
        it.state.order(STARTED)
        await it.pass_time(1)
        assert it.engine.count("start") == 0


async def test_it_goes_on_while_heartbeats_are_answered() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 60)
        assert it.engine.running() == [NAME]
        assert it.engine.count("start") == 1


async def test_it_is_asked_to_stop_and_then_killed_before_the_lease_ends() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 2)
        it.grant()
        await it.pass_time(RUNS_FOR_S - GRACE_MS / 1000 - 0.3)
        assert it.engine.running() == [NAME]
        await it.pass_time(0.6)
        # A first process without a handler does not end by being asked.
        assert it.engine.running() == [NAME]
        assert it.engine.signals == [(NAME, "SIGTERM")]
        await it.pass_time(GRACE_MS / 1000)
        assert it.engine.running() == []
        assert it.engine.signals == [(NAME, "SIGTERM"), (NAME, "SIGKILL")]


async def test_it_runs_again_when_the_host_has_a_lease_again() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 2)
        await it.pass_time(60)
        assert it.engine.running() == []
        await beat_for(it, 3)
        assert it.engine.running() == [NAME]


async def test_one_that_is_started_by_hand_without_a_lease_is_killed() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 2)
        await it.pass_time(60)
        await it.engine.start(NAME)
        await it.pass_time(1.1)
        assert it.engine.running() == []


async def test_an_order_that_was_overtaken_in_the_state_starts_nothing() -> None:
    it = a_singleton()
    async with it.running():
        it.state.order(STARTED)
        await it.pass_time(1)
        # Committed, but not yet noticed by the worker: it wakes for the lease first.
        it.state.order(REMOVED, is_flushed=False)
        it.state.replica.store.flush()
        it.grant()
        await it.pass_time(5)
        assert it.engine.count("start") == 0


async def test_after_a_restart_of_the_agent_it_is_adopted_while_the_lease_lasts() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 2)
    async with it.running():
        await beat_for(it, 5)
        assert it.engine.running() == [NAME]
        assert it.engine.count("start") == 1
    await it.pass_time(60)
    async with it.running():
        await it.pass_time(1)
        assert it.engine.running() == []


async def test_one_that_only_a_person_may_move_runs_on_without_a_lease_but_needs_one_to_start() -> None:
    it = a_singleton(Fencing.MANUAL)
    async with it.running():
        it.state.order(STARTED, SERVING)
        await it.pass_time(5)
        assert it.engine.running() == []
        await beat_for(it, 2)
        assert it.engine.running() == [NAME]
        await it.pass_time(600)
        assert it.engine.running() == [NAME]
        assert (await it.engine.see(NAME)).restart_policy == "no"


async def test_other_replicas_need_no_lease_and_keep_running_without_one() -> None:
    it = FollowingHost()
    it.state.deploy()
    async with it.running():
        it.state.order(STARTED, SERVING)
        await it.until_phase(ReplicaPhase.HEALTHY)
        await it.pass_time(600)
        assert it.engine.running() == [NAME]


async def test_what_was_stopped_for_want_of_a_lease_says_so() -> None:
    it = a_singleton()
    async with it.running():
        it.grant()
        it.state.order(STARTED, SERVING)
        await beat_for(it, 2)
        await it.pass_time(LEASE_MS / 1000)
        told = [report.observed.reason for command in it.state.reports for report in command.reports]
        assert any(reason.startswith("stopped, as this host has lost the cluster") for reason in told)

"""What a host runs: each order has its worker, and nothing runs that nobody asks for."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.execute.replica import LABEL_CLUSTER, LABEL_TOKEN, container_spec
from agent.follow.assignments import SWEEP_RETRY_S
from agent.follow.caught_up import RETRY_S, CaughtUp
from agent.ports import EngineUnavailable
from cluster.model.ids import NodeId
from cluster.model.service import DesiredState, ReplicaPhase
from cluster.store.records import ASSIGNMENTS
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine
from tests.support.host_kit import (
    ADDRESS,
    HERE,
    IMAGE,
    WEB,
    FollowingHost,
    HostState,
    a_replica,
    name_of,
    refusal,
)
from tests.support.state_builders import a_node, a_spec

NAME = name_of()
STARTED, SERVING, DRAINING, REMOVED = DesiredState


async def a_stray(it: FollowingHost, ordinal: int = 0, token: int = 1, **labels: str) -> str:
    """A running container of this cluster, labelled otherwise where `labels` say so."""
    spec = container_spec(a_replica(ordinal=ordinal), token=token, address=ADDRESS)
    await it.engine.ensure_network("tower-shop", labels={})
    container = await FakeEngine.create(it.engine, replace(spec, labels={**spec.labels, **labels}))
    await FakeEngine.start(it.engine, container)
    it.engine.calls.clear()
    return container


# ---- orders -----------------------------------------------------------------------------------


async def test_a_host_runs_what_it_is_ordered_and_nothing_that_others_are() -> None:
    it = FollowingHost()
    it.state.replica.must(a_node("n2"), client="join", leader_term=0)
    it.state.deploy(replicas=3)
    it.state.order(STARTED, ordinal=0)
    it.state.order(STARTED, ordinal=1, node=NodeId("n2"))
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.state.order(STARTED, ordinal=2)
        await it.until_phase(ReplicaPhase.HEALTHY, ordinal=2)
    assert it.engine.running() == [NAME, name_of(2)]


async def test_two_revisions_of_a_replica_run_side_by_side() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(SERVING)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.state.deploy(a_spec(IMAGE, environment=(("A", "1"),)))
        it.state.order(STARTED, revision=2)
        await it.until_phase(ReplicaPhase.HEALTHY, revision=2)
        assert it.engine.running() == [NAME, name_of(revision=2)]
        it.state.order(DRAINING, REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED)
    assert it.engine.running() == [name_of(revision=2)]


async def test_orders_of_many_transitions_in_one_flush_are_carried_out_as_the_last_one_says() -> None:
    it = FollowingHost()
    it.state.deploy()
    async with it.running():
        it.state.order(STARTED, SERVING, DRAINING, is_flushed=False)
        it.state.order(REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED)
    assert it.engine.calls == []


async def test_an_order_that_is_forgotten_ends_its_worker_and_its_container() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running() as assignments:
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.state.order(REMOVED, is_flushed=False)
        it.state.forget()
        await it.pass_time(5)
        assert it.engine.names() == []
        assert assignments._lanes == assignments._by_name == {}
        assert it.fence.newest(NAME) == 0
        asked = len(it.prober.asked)
        await it.pass_time(60)
        assert len(it.prober.asked) == asked


async def test_an_order_that_comes_back_while_its_worker_ends_is_carried_out_by_one_worker() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running() as assignments:
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.engine.held["stop"] = asyncio.Event()
        for _ in range(5):
            it.state.order(REMOVED)
            await asyncio.sleep(0)
            it.state.forget()
            await asyncio.sleep(0)
            it.state.order(STARTED)
            await asyncio.sleep(0)
        it.engine.held.pop("stop").set()
        await it.until_phase(ReplicaPhase.HEALTHY, within_s=20)
        assert len(assignments._lanes) == 1
    assert it.engine.running() == [NAME]
    assert it.engine.most_acting == 1


async def test_a_snapshot_of_an_older_state_takes_nothing_back() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.fence.permit(NAME, it.state.assignment().token + 10)
        it.state.order(REMOVED)
        await it.pass_time(10)
        assert it.engine.running() == [NAME]


async def test_a_snapshot_is_looked_through_as_a_whole() -> None:
    it = FollowingHost()
    it.state.deploy()
    async with it.running():
        await it.pass_time(1)
        it.state.order(STARTED, is_flushed=False)
        subscribers, it.state.replica.store._subscribers = it.state.replica.store._subscribers, []
        it.state.replica.store.flush()
        it.state.replica.store._subscribers = subscribers
        await it.pass_time(1)
        assert it.engine.calls == []
        it.state.replica.store.tell_everything_changed()
        await it.until_phase(ReplicaPhase.HEALTHY)


# ---- containers without an order --------------------------------------------------------------


async def test_a_container_that_nobody_asks_for_is_removed_after_a_read_that_the_leader_confirmed() -> None:
    it = FollowingHost()
    await a_stray(it)
    it.state.is_cut = True
    async with it.running():
        await it.pass_time(60)
        assert it.engine.running() == [NAME]
        assert 60 / SWEEP_RETRY_S - 1 <= it.state.points <= 60 / SWEEP_RETRY_S + 2
        it.state.is_cut = False
        await it.pass_time(SWEEP_RETRY_S + 1)
    assert it.engine.names() == []


async def test_a_container_that_turns_out_to_be_asked_for_is_not_removed() -> None:
    it = FollowingHost()
    it.state.deploy()
    container = await a_stray(it)
    confirm = it.state.point

    async def catch_up(*args: Any, **fields: Any) -> Any:
        if it.state.points == 0:
            it.state.order(STARTED)  # it was committed long ago, and becomes known here now
        return await confirm(*args, **fields)

    it.state.point = catch_up  # type: ignore[method-assign]  # what a read brings
    async with it.running():
        await it.pass_time(1)
        assert it.state.points == 1
        await it.until_phase(ReplicaPhase.HEALTHY)
    assert it.state.observed().container_id == container
    assert it.engine.count("stop") == 0


async def test_a_container_that_is_asked_for_while_others_are_removed_is_not_removed() -> None:
    it = FollowingHost()
    it.state.deploy(replicas=2)
    await a_stray(it, 0)
    container = await a_stray(it, 1)
    it.engine.held[f"stop {NAME}"] = asyncio.Event()
    async with it.running():
        await it.pass_time(1)
        it.state.order(STARTED, ordinal=1)
        await it.until_phase(ReplicaPhase.HEALTHY, ordinal=1)
        it.engine.held[f"stop {NAME}"].set()
        await it.pass_time(10)
    assert it.engine.running() == [name_of(1)]
    assert it.state.observed(ordinal=1).container_id == container
    assert it.engine.count(f"stop {name_of(1)}") == 0


async def test_a_container_that_is_asked_for_while_it_is_removed_runs_again() -> None:
    it = FollowingHost()
    it.state.deploy()
    await a_stray(it)
    it.engine.held["stop"] = asyncio.Event()
    async with it.running():
        await it.pass_time(1)
        it.state.order(STARTED)
        await it.pass_time(1)
        it.engine.held.pop("stop").set()
        await it.pass_time(10)
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
    assert it.engine.running() == [NAME]
    assert it.engine.count("remove") == 0


@pytest.mark.parametrize(
    "labels",
    [
        {LABEL_CLUSTER: "c2"},
        {LABEL_CLUSTER: ""},
        {LABEL_TOKEN: ""},
        {LABEL_TOKEN: "9" * 5000},
        {"tower.ordinal": "7"},
    ],
)
async def test_containers_of_others_are_never_touched(labels: dict[str, str]) -> None:
    it = FollowingHost()
    await a_stray(it, **labels)
    await it.stranger("database")
    it.engine.calls.clear()
    async with it.running():
        await it.pass_time(300)
        assert it.engine.calls == []
        assert it.state.points == 0
    assert it.engine.running() == sorted(["database", NAME])


async def test_a_container_of_an_order_to_remove_is_its_workers_and_not_swept() -> None:
    it = FollowingHost()
    it.state.deploy()
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.engine.refused["stop"] = refusal()
        it.state.order(REMOVED)
        await it.pass_time(60)
    assert it.state.points == 0


@pytest.mark.parametrize("error", [refusal("device or resource busy"), EngineUnavailable("Docker restarts")])
async def test_a_stray_that_cannot_be_removed_is_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    it = FollowingHost()
    await a_stray(it, 0)
    await a_stray(it, 1)
    it.engine.refused[f"remove {NAME}"] = error
    with caplog.at_level(logging.WARNING):
        async with it.running():
            await it.pass_time(30)
            assert it.engine.names() == [NAME]
            assert 30 / SWEEP_RETRY_S - 2 <= caplog.text.count("stray.not_removed") <= 30 / SWEEP_RETRY_S + 2
            it.engine.refused.clear()
            await it.pass_time(SWEEP_RETRY_S + 1)
    assert it.engine.names() == []


async def test_nothing_is_swept_by_what_was_known_before_the_engine_went_away() -> None:
    it = FollowingHost()
    async with it.running():
        it.engine.go_away()
        await it.pass_time(10)
        it.engine.come_back()
        await a_stray(it)
        it.engine.go_away()
        await it.pass_time(60)
        it.engine.come_back()
        await it.pass_time(60)
    assert it.engine.names() == []


async def test_a_host_at_rest_asks_nothing_of_the_cluster() -> None:
    it = FollowingHost()
    it.state.deploy(replicas=3)
    for ordinal in range(3):
        it.state.order(SERVING, ordinal=ordinal)
    await it.stranger("database")
    async with it.running():
        for ordinal in range(3):
            await it.until_phase(ReplicaPhase.HEALTHY, ordinal=ordinal)
        await it.pass_time(1)
        told, points = len(it.state.proposed), it.state.points
        await it.pass_time(600)
    assert (len(it.state.proposed), it.state.points) == (told, points)


# ---- any order of anything --------------------------------------------------------------------


class Fate:
    """What may happen to a host, by name."""

    def __init__(self, it: FollowingHost) -> None:
        self.it = it

    def _desired(self, ordinal: int) -> DesiredState | None:
        with self.it.state.read() as txn:
            found = ASSIGNMENTS.get(txn, WEB, 1, ordinal, HERE)
        return None if found is None else found.desired

    async def happen(self, what: str, ordinal: int) -> None:
        it, desired = self.it, self._desired(ordinal)
        engine, name = it.engine, name_of(ordinal)
        is_there = name in engine.names() and not engine._unavailable
        match what:
            case "start" if desired is None:
                it.state.order(STARTED, ordinal=ordinal)
            case "serve" if desired in (STARTED, DRAINING):
                it.state.order(SERVING, ordinal=ordinal)
            case "drain" if desired is SERVING:
                it.state.order(DRAINING, ordinal=ordinal)
            case "remove" if desired not in (None, REMOVED):
                it.state.order(REMOVED, ordinal=ordinal)
            case "forget" if desired is REMOVED:
                it.state.forget(ordinal=ordinal)
            case "go away":
                engine.go_away()
            case "come back":
                engine.come_back()
            case "crash" if is_there and name in engine.running():
                engine.crash(name)
            case "destroy" if is_there:
                await FakeEngine.remove(engine, name, force=True)
            case "refuse":
                engine.refused[f"remove {name}"] = refusal()
            case "allow":
                engine.refused.clear()
            case "cut":
                it.state.is_cut = True
                it.is_led.clear()
            case "heal":
                it.state.is_cut = False
                it.is_led.set()
            case "sicken":
                it.prober.problem = "/ answered 503"
            case "recover":
                it.prober.problem = ""


HAPPENINGS = (
    *("start", "serve", "drain", "remove", "forget", "go away", "come back", "crash", "destroy"),
    *("refuse", "allow", "cut", "heal", "sicken", "recover", "restart the agent"),
)
STEPS = st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 1), st.sampled_from([0.0, 0.05, 0.6, 4.0]))


@settings(max_examples=30)
@given(st.lists(STEPS, max_size=25))
async def test_whatever_happened_in_the_end_exactly_what_is_wanted_runs_and_is_reported(
    steps: list[tuple[str, int, float]],
) -> None:
    it = FollowingHost()
    it.state.deploy(replicas=2)
    fate = Fate(it)
    parts: list[list[tuple[str, int, float]]] = [[]]
    for step in steps:
        if step[0] == "restart the agent":
            parts.append([])
        else:
            parts[-1].append(step)
    for number, part in enumerate(parts):
        async with it.running():
            for what, ordinal, seconds in part:
                await fate.happen(what, ordinal)
                await it.pass_time(seconds)
            if number == len(parts) - 1:
                for what in ("come back", "allow", "heal", "recover"):
                    await fate.happen(what, 0)
                await it.pass_time(90)
                for ordinal in (0, 1):
                    desired = fate._desired(ordinal)
                    is_wanted = desired not in (None, REMOVED)
                    assert (name_of(ordinal) in it.engine.running()) is is_wanted
                    if desired is not None:
                        observed = it.state.observed(ordinal=ordinal)
                        phase = ReplicaPhase.HEALTHY if is_wanted else ReplicaPhase.REMOVED
                        assert observed.phase is phase
                        assert bool(observed.port) is is_wanted
                told = len(it.state.proposed)
                await it.pass_time(120)
                assert len(it.state.proposed) == told
    assert it.engine.most_acting <= 1
    assert set(it.engine.names()) == set(it.engine.running())


# ---- whether the state is caught up -----------------------------------------------------------


async def test_the_state_is_caught_up_with_the_first_read_that_a_leader_confirms() -> None:
    clock, state = FakeClock(), HostState()
    state.is_cut = True
    caught_up = CaughtUp(state, clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(caught_up.run())
        waiting = group.create_task(caught_up.wait())
        await clock.advance(10 * RETRY_S)
        assert 10 <= state.points <= 12
        assert not waiting.done()
        state.is_cut = False
        await clock.advance(RETRY_S)
        assert waiting.done()
        assert running.done()
    await caught_up.run()
    await caught_up.wait()

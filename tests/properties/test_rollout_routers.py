"""Routers that cannot reach a replica hold its rollout back, and no other."""

from __future__ import annotations

import random

import pytest

from cluster.model.ids import NodeId, ServiceId
from cluster.model.rollout import RolloutPhase
from cluster.model.service import RolloutPolicy, Route
from tests.simulation.orchestration import World
from tests.support.state_builders import a_spec

WEB, API, BLOG = ServiceId("shop.web"), ServiceId("shop.api"), ServiceId("press.blog")
PROGRESS_S = 120
POLICY = RolloutPolicy(
    monitor_ms=300,
    drain_timeout_ms=2_000,
    start_deadline_ms=5_000,
    progress_deadline_ms=PROGRESS_S * 1000,
    retries=0,
)


def deploy(world: World, service: ServiceId, image: str) -> None:
    spec = a_spec(image, route=Route(host=f"{service}.example", port=8080))
    world.deploy(spec, service=service, replicas=2, policy=POLICY)


def newest(world: World, service: ServiceId) -> tuple[int, RolloutPhase]:
    rollout = world.rollouts(service)[0]
    return rollout.to_revision, rollout.phase


def a_world(seed: int) -> World:
    """Two hosts and two services that serve; h2's router is about to lose sight of one of them."""
    world = World(("h1", "h2"), rng=random.Random(seed))
    deploy(world, WEB, "v1")
    deploy(world, API, "v1")
    world.settle()
    world.hosts[NodeId("h2")].unreached.add(WEB)
    deploy(world, WEB, "v2")
    world.run(3_000)
    return world


@pytest.mark.parametrize("seed", range(5))
def test_a_replica_that_one_host_cannot_reach_for_a_while_holds_back_its_own_rollout_only(seed: int) -> None:
    world = a_world(seed)
    deploy(world, API, "v2")
    deploy(world, BLOG, "v1")
    world.run(20_000)
    assert newest(world, WEB) == (2, RolloutPhase.RUNNING)
    assert newest(world, API) == (2, RolloutPhase.SUCCEEDED)
    assert newest(world, BLOG) == (1, RolloutPhase.SUCCEEDED)
    at_rest = world.replica.index
    world.run(20_000)
    assert world.replica.index == at_rest, "waiting proposes nothing"
    world.hosts[NodeId("h2")].unreached.clear()
    world.run(20_000)
    assert newest(world, WEB) == (2, RolloutPhase.SUCCEEDED)
    world.settle()
    world.check_final()


@pytest.mark.parametrize("seed", range(5))
def test_a_replica_that_stays_out_of_reach_is_rolled_back_and_the_rollouts_after_it_succeed(
    seed: int,
) -> None:
    world = a_world(seed)
    world.run(PROGRESS_S * 1000)
    assert world.rollouts(WEB)[0].phase in (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK)
    for number in range(2, 5):
        deploy(world, API, f"v{number}")
        world.run(20_000)
        assert newest(world, API) == (number, RolloutPhase.SUCCEEDED)

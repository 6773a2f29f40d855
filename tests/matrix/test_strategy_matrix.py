"""Every strategy with everything that can happen to it, under load on three real hosts: `make verify` only.

One rollout after the other on one lab; each test begins with a good version that runs whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.support.lab import agents_on_a_lab
from tests.support.shop import Shop
from tests.support.strategies import (
    ANALYSIS,
    FAULTS,
    REQUESTS_MIN,
    STRATEGIES,
    Release,
    interrupt,
    kill_leader,
    other_colour,
    roll_forward,
    settle,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_numbers = itertools.count(1)
NEW = sorted(STRATEGIES)
QUIET_FAULTS = ("crash-loop", "never-healthy")
"""Faults that show before a version gets requests."""
SEEN_FAULTS = ("errors", "slow", "turns-unhealthy", "crashes", "leak")


@pytest.fixture(scope="module")
def lab_with_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("shop")
    with agents_on_a_lab("m", directory) as agents:
        yield Shop(agents.lab, agents, directory)


@pytest.fixture
def shop(lab_with_app: Shop) -> Shop:
    """The app in a good version on hosts that are all up."""
    for host in lab_with_app.lab.hosts:
        lab_with_app.lab.heal(host.name)
        lab_with_app.lab.start(host.name)
    lab_with_app.agents.wait_until_voting()
    settle(lab_with_app, Release(version=f"good-{next(_numbers)}"))
    return lab_with_app


def a_version(kind: str) -> str:
    return f"{kind}-{next(_numbers)}"


@pytest.mark.parametrize("strategy", NEW)
def test_it_rolls_forward(shop: Shop, strategy: str) -> None:
    version = a_version("new")
    rollout, seen = roll_forward(shop, Release(version=version, strategy=strategy))
    assert rollout["phase"] == "succeeded", rollout["reason"]
    assert seen.lost() == []
    assert seen.count >= REQUESTS_MIN
    assert seen.answers[version]
    assert shop.is_whole()


@pytest.mark.parametrize("fault", QUIET_FAULTS)
@pytest.mark.parametrize("strategy", NEW)
def test_a_version_that_cannot_run_reaches_nobody(shop: Shop, strategy: str, fault: str) -> None:
    version = a_version(fault)
    tower = {"start_deadline": "4s", "retries": 0}
    rollout, seen = roll_forward(
        shop, Release(version=version, strategy=strategy, environment=FAULTS[fault], tower=tower)
    )
    assert rollout["phase"] == "rolled-back", rollout["reason"]
    assert seen.lost() == []
    assert seen.answers[version] == 0
    assert shop.is_whole()


@pytest.mark.parametrize("strategy", NEW)
def test_a_version_that_crashes_as_soon_as_it_is_healthy_costs_no_request(shop: Shop, strategy: str) -> None:
    tower = {"start_deadline": "4s", "retries": 0}
    version = a_version("short-lived")
    rollout, seen = roll_forward(
        shop,
        Release(version=version, strategy=strategy, environment=FAULTS["crash-once-healthy"], tower=tower),
    )
    assert rollout["phase"] == "rolled-back", rollout["reason"]
    assert seen.lost() == []
    assert shop.is_whole()


@pytest.mark.parametrize("fault", SEEN_FAULTS)
@pytest.mark.parametrize("strategy", ["blue-green", "canary"])
def test_a_bad_version_is_undone_and_its_own_answers_are_all_that_failed(
    shop: Shop, strategy: str, fault: str
) -> None:
    version = a_version(fault)
    bad_colour = other_colour(shop)
    limits = {"analysis": {**ANALYSIS, "latency": {"p95": "100ms"}}}
    rollout, seen = roll_forward(
        shop, Release(version=version, strategy=strategy, environment=FAULTS[fault], tower=limits)
    )
    assert rollout["phase"] == "rolled-back", rollout["reason"]
    assert seen.lost(version, bad_colour) == []
    assert shop.is_whole()


def test_a_slow_canary_is_found_beside_the_old_version_without_a_limit_of_the_users(shop: Shop) -> None:
    steps = [{"weight": 50, "for": "100s"}, {"weight": 100}]
    rollout, seen = roll_forward(
        shop,
        Release(
            version=a_version("slower"),
            strategy="canary",
            environment={"LATENCY_MS": "25", "SLOW_RATE": "0.3"},
            tower={"canary": {"steps": steps}},
        ),
    )
    assert rollout["phase"] == "rolled-back", rollout["reason"]
    assert seen.lost() == []
    assert shop.is_whole()


@pytest.mark.parametrize("strategy", NEW)
def test_it_is_aborted(shop: Shop, strategy: str) -> None:
    rollout, seen = interrupt(
        shop,
        Release(version=a_version("unwanted"), strategy=strategy),
        lambda: shop.tower("rollout", "abort", "shop.web"),
    )
    assert rollout["phase"] == "rolled-back", rollout["reason"]
    assert seen.lost() == []
    assert shop.is_whole()


@pytest.mark.parametrize("strategy", NEW)
def test_it_goes_on_when_the_leader_is_killed(shop: Shop, strategy: str) -> None:
    rollout, seen = interrupt(
        shop, Release(version=a_version("survivor"), strategy=strategy), lambda: kill_leader(shop)
    )
    assert rollout["phase"] == "succeeded", rollout["reason"]
    assert seen.lost() == []
    assert shop.is_whole()


@pytest.mark.parametrize("strategy", NEW)
def test_it_goes_on_when_a_host_is_cut_off(shop: Shop, strategy: str) -> None:
    leader = shop.agents.leader()
    lost = next(host for host in shop.lab.hosts if host.name != leader.name)
    rollout, seen = interrupt(
        shop, Release(version=a_version("cut"), strategy=strategy), lambda: shop.lab.cut(lost.name)
    )
    assert rollout["phase"] in ("succeeded", "rolled-back"), rollout["reason"]
    # Whoever asked the host that was cut got no answer, and what was in flight to its replicas was lost.
    elsewhere = [failure for failure in seen.lost() if failure.address != lost.ip]
    in_flight_max = 20
    assert len(elsewhere) <= in_flight_max, elsewhere
    shop.lab.heal(lost.name)
    shop.agents.wait("every replica runs once", shop.is_whole, tell=shop.tell, timeout_s=90)

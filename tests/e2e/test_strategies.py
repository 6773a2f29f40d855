"""Rolling, blue-green and canary rollouts of a real app under load, forward and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import agents_on_a_lab
from tests.support.shop import Shop
from tests.support.strategies import (
    ANALYSIS,
    FAULTS,
    REQUESTS_MIN,
    Release,
    begin,
    interrupt,
    kill_leader,
    roll_forward,
    settle,
    under_load,
    wait_for_share,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("shop")
    with agents_on_a_lab("s", directory) as agents:
        shop = Shop(agents.lab, agents, directory)
        settle(shop, Release(version="base"))
        yield shop


def test_green_takes_over_from_blue_without_one_lost_request(shop: Shop) -> None:
    rollout, seen = roll_forward(shop, Release(version="green", strategy="blue-green"))
    assert rollout["phase"] == "succeeded", rollout
    assert seen.lost() == []
    assert seen.count >= REQUESTS_MIN
    assert seen.answers["green"]
    assert shop.is_whole()


def test_a_canary_that_fails_requests_is_taken_back_and_its_failures_are_the_only_ones(shop: Shop) -> None:
    rollout, seen = roll_forward(
        shop, Release(version="flaky", strategy="canary", environment=FAULTS["errors"])
    )
    assert rollout["phase"] == "rolled-back", rollout
    assert "failed" in rollout["reason"]
    assert seen.lost("flaky") == []
    assert seen.answers["flaky"]
    assert shop.is_whole()


def test_a_canary_goes_on_when_its_leader_is_killed(shop: Shop) -> None:
    rollout, seen = interrupt(shop, Release(version="survivor", strategy="canary"), lambda: kill_leader(shop))
    assert rollout["phase"] == "succeeded", rollout
    assert seen.lost() == []
    assert seen.answers["survivor"]
    assert shop.is_whole()


def test_a_canary_past_a_limit_on_memory_is_taken_back_before_it_runs_out(shop: Shop) -> None:
    limit = {"metric": "memory_bytes", "max": "24MiB", "for": "0s"}
    release = Release(
        version="leaky",
        strategy="canary",
        # Past its limit after 12 s, out of memory (64 MiB) after 32: a sample is taken every 10.
        environment={"LEAK_KIB_PER_S": "2048"},
        tower={
            "analysis": {**ANALYSIS, "metrics": [limit]},
            "canary": {"steps": [{"weight": 10, "for": "40s"}, {"weight": 100}]},
        },
    )
    with under_load(shop) as load:
        begin(shop, release)
        rollout = shop.wait_for_end()
    assert rollout["phase"] == "rolled-back", rollout
    assert "memory_bytes of replica 0 of the new revision" in rollout["reason"]
    assert "> 24 MiB" in rollout["reason"]
    assert [found["is_past"] for found in rollout["limits"]] == [True]
    assert load.seen.answers["leaky"]
    assert load.seen.lost() == []


@pytest.mark.verify
def test_blue_stays_untouched_when_green_never_becomes_healthy(shop: Shop) -> None:
    rollout, seen = roll_forward(
        shop,
        Release(
            version="sick",
            strategy="blue-green",
            environment=FAULTS["never-healthy"],
            tower={"start_deadline": "3s", "retries": 0},
        ),
    )
    assert rollout["phase"] == "rolled-back", rollout
    assert seen.lost() == []
    assert not seen.answers["sick"]
    assert shop.is_whole()


@pytest.mark.verify
def test_an_aborted_canary_leaves_nothing_behind(shop: Shop) -> None:
    rollout, seen = interrupt(
        shop,
        Release(version="unwanted", strategy="canary"),
        lambda: shop.tower("rollout", "abort", "shop.web"),
    )
    assert rollout["phase"] == "rolled-back", rollout
    assert seen.lost() == []
    assert shop.is_whole()


def test_a_kept_blue_is_switched_back_to_at_once(shop: Shop) -> None:
    with under_load(shop) as load:
        begin(
            shop,
            Release(
                version="regretted",
                strategy="blue-green",
                tower={"blue_green": {"steps": [{"weight": 100}], "monitor": "1s", "keep_blue": "10m"}},
            ),
        )
        assert shop.wait_for_end()["phase"] == "succeeded"
        before = load.seen.answers.copy()
        shop.tower("rollback", "shop.web")
        wait_for_share(shop, load, "regretted")
        load.wait_more(200)
        shop.wait_for_end()
        load.wait_more(500)
        after = load.seen.answers - before
    assert load.seen.lost() == []
    assert after.most_common(1)[0][0] != "regretted"

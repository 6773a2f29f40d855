"""How often the judge is wrong, by simulated rollouts: 2,000 per case in a whole run, 800 otherwise.

The table of what was measured is in cluster/rollout/DESIGN.md. TOWER_JUDGE_RUNS says how many runs instead.
"""

from __future__ import annotations

import os

import pytest

from cluster.encoding import codec
from cluster.model.judging import JudgeState
from cluster.rollout.judge import Cause, VerdictKind
from tests.simulation.judge_worlds import (
    Incident,
    World,
    asked_always_and_seldom,
    outcomes,
    replay,
    rolled_back,
    share,
)
from tests.support.whole_run import IS_WHOLE

RUNS = int(os.environ.get("TOWER_JUDGE_RUNS", "2000" if IS_WHOLE else "800"))
SEED = 20_261_130
BUDGET = 0.01
"""Of identical versions, over all tests together: the default."""

IDENTICAL = {
    "0.5 % fail, 1 request per second": World(rps=1),
    "0.5 % fail, 5 requests per second, three routers": World(rps=5, hosts=3),
    "0.5 % fail, 50 requests per second": World(rps=50),
    "failures in bunches of 3": World(rps=5, bunch=3),
    "failures in bunches of 10": World(rps=5, bunch=10, hosts=2),
    "an incident of both, 5 requests per second": World(
        rps=5, old_rate=0.002, new_rate=0.002, incident=Incident(step=1, from_s=60, to_s=240, rate=0.1)
    ),
    "an incident of both, 50 requests per second": World(
        rps=50, old_rate=0.002, new_rate=0.002, incident=Incident(step=3, from_s=60, to_s=240, rate=0.1)
    ),
    "the same lognormal latencies": World(rps=5, latencies="same"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", IDENTICAL)
def test_an_identical_version_is_rolled_back_in_one_of_a_hundred_rollouts_at_most(name: str) -> None:
    found = rolled_back(IDENTICAL[name], RUNS, seed=SEED)

    assert len(found) <= BUDGET * RUNS, share(found, RUNS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("percent", [2, 5])
def test_ten_times_the_failures_are_caught_in_99_of_100_rollouts_at_5_requests_per_second(
    percent: int,
) -> None:
    found = rolled_back(World(rps=5, old_rate=0.002, new_rate=percent / 100), RUNS, seed=SEED)

    assert len(found) >= 0.99 * RUNS, share(found, RUNS)
    assert {each.verdict.cause for each in found} == {Cause.FAILURES}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("latencies", ["shifted", "tail"])
def test_a_quarter_more_latency_and_a_long_tail_are_caught_at_50_requests_per_second(latencies: str) -> None:
    runs = RUNS // 4
    found = rolled_back(World(rps=50, latencies=latencies), runs, seed=SEED)

    slower = [each for each in found if each.verdict.cause in (Cause.SLOW_REQUESTS, Cause.LATENCY_SHIFT)]
    assert len(slower) >= 0.99 * runs, share(found, runs)


@pytest.mark.timeout(300)
def test_a_bad_version_never_gets_all_requests_and_a_good_one_mostly_does() -> None:
    runs = RUNS // 10
    bad = outcomes(World(rps=5, old_rate=0.002, new_rate=0.02), runs, seed=SEED)
    good = outcomes(World(rps=50), runs, seed=SEED)

    assert not [each for each in bad if each.kind is VerdictKind.GOOD]
    assert sum(each.kind is VerdictKind.GOOD for each in good) >= 0.95 * runs


@pytest.mark.parametrize(
    "world",
    [World(rps=5, bunch=3, hosts=2), World(rps=5, old_rate=0.002, new_rate=0.02)],
    ids=["same", "worse"],
)
def test_not_asking_the_judge_while_it_cannot_find_a_version_worse_changes_no_outcome(world: World) -> None:
    for always, seldom in asked_always_and_seldom(world, 60, seed=SEED):
        if always.is_rolled_back:
            assert seldom == always
        else:
            assert seldom is None or not seldom.is_rolled_back


def test_what_is_remembered_of_a_busy_rollout_is_a_few_kilobytes() -> None:
    state = replay(World(rps=200, hosts=3, latencies="tail"), seed=SEED)

    assert len(codec(JudgeState).encode(state)) < 4096

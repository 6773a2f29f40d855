"""Autoscaling against loads that change: it gets there, it does not flap, and it stays within its bounds."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest

from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric, ScaleTarget
from tests.simulation.autoscaled_service import CAPACITY_PER_S, Load, Run, simulate
from tests.support.whole_run import IS_WHOLE

CPU = ScaleTarget(metric=ScaleMetric.CPU, value=70)
REQUESTS = ScaleTarget(metric=ScaleMetric.REQUESTS, value=70)
LATENCY = ScaleTarget(metric=ScaleMetric.LATENCY, value=250)
TARGETS = {"cpu": CPU, "requests": REQUESTS, "latency": LATENCY}
SEEDS = range(20 if IS_WHOLE else 6)
MINUTE_S = 60


def a_policy(target: ScaleTarget) -> AutoscalePolicy:
    return AutoscalePolicy(replicas_min=2, replicas_max=20, targets=(target,))


def a_step(second: float) -> float:
    return 100 if second < 5 * MINUTE_S else 1000


def a_ramp(second: float) -> float:
    return 100 + min(900.0, second)


def a_sine(second: float, *, period_s: float) -> float:
    return 600 + 400 * math.sin(2 * math.pi * second / period_s)


def a_flash_crowd(second: float) -> float:
    return 1400 if 10 * MINUTE_S <= second < 14 * MINUTE_S else 100


def steady(second: float) -> float:
    return 500


def bursts(second: float, *, seed: int) -> float:
    """Each ten seconds another load, of which every fifth is double."""
    rng = random.Random(seed * 100_000 + int(second // 10))
    return rng.uniform(300, 500) * (2 if rng.random() < 0.2 else 1)


def needed(rate: float) -> float:
    return rate / CAPACITY_PER_S / 0.7


def run_of(target: ScaleTarget, load: Load, *, seed: int, minutes: int, **more: object) -> Run:
    run = simulate(a_policy(target), load, seed=seed, seconds=minutes * MINUTE_S, **more)  # type: ignore[arg-type]
    assert all(2 <= count <= 20 for _, count in run.replicas)
    return run


@pytest.mark.parametrize("name", ["cpu", "requests"])
def test_a_step_is_followed_within_three_minutes_and_kept(name: str) -> None:
    for seed in SEEDS:
        run = run_of(TARGETS[name], a_step, seed=seed, minutes=40, noise=0.05)
        assert run.at(8 * MINUTE_S) >= needed(1000) * 0.9
        # What came too much in the rush goes again; after that it stays.
        assert needed(1000) * 0.9 <= run.at(39 * MINUTE_S) <= needed(1000) * 1.2 + 1
        assert run.turns() <= 1


def test_a_latency_over_its_target_is_brought_below_it_and_never_oscillates() -> None:
    for seed in SEEDS:
        run = run_of(LATENCY, a_step, seed=seed, minutes=120)
        # 10 replicas are saturated by it: more are needed, and as many are kept.
        assert all(count > 10 for at_s, count in run.replicas if at_s > 9 * MINUTE_S)
        assert run.turns() <= 1


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_ramp_is_followed_without_a_turn(name: str) -> None:
    for seed in SEEDS:
        run = run_of(TARGETS[name], a_ramp, seed=seed, minutes=18, noise=0.05)
        assert run.at(18 * MINUTE_S) >= (11 if name == "latency" else needed(1000) * 0.9)
        assert run.turns() <= (0 if name != "latency" else 1)
        assert run.overloaded_s <= 30


@pytest.mark.parametrize("name", ["cpu", "requests"])
def test_a_slow_wave_turns_it_no_more_often_than_itself(name: str) -> None:
    periods = 4
    for seed in SEEDS:
        wave = partial(a_sine, period_s=3600)
        run = run_of(TARGETS[name], wave, seed=seed, minutes=60 * periods, replicas=9, noise=0.05)
        assert run.turns() <= 2 * periods
        assert run.overloaded_s == 0
        peak = max(count for _, count in run.replicas)
        assert needed(1000) * 0.9 <= peak <= needed(1000) * 1.3
        assert min(count for at_s, count in run.replicas if at_s > 3600) <= needed(200) + 2


@pytest.mark.parametrize("name", ["cpu", "requests"])
def test_a_wave_shorter_than_the_window_keeps_what_its_crest_needs(name: str) -> None:
    for seed in SEEDS:
        run = run_of(TARGETS[name], partial(a_sine, period_s=120), seed=seed, minutes=60, noise=0.05)
        settled = [count for at_s, count in run.replicas if at_s > 20 * MINUTE_S]
        assert run.turns() <= 2
        assert min(settled) >= needed(1000) * 0.85


# No replica uses more than all it may, so by its use nobody knows how much more there is to do.
@pytest.mark.parametrize(("name", "minutes"), [("cpu", 3), ("requests", 1.5)])
def test_a_flash_crowd_is_met_within_minutes_and_leaves_again(name: str, minutes: float) -> None:
    for seed in SEEDS:
        run = run_of(TARGETS[name], a_flash_crowd, seed=seed, minutes=45, noise=0.05)
        assert run.at((10 + minutes) * MINUTE_S) * CAPACITY_PER_S >= 1400
        # Nothing goes before a whole window without the crowd.
        assert run.at(18.5 * MINUTE_S) >= 14
        assert run.at(44 * MINUTE_S) == 2
        assert run.turns() == 1


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_steady_load_measured_with_noise_changes_nothing_once_it_has_settled(name: str) -> None:
    for seed in SEEDS:
        run = run_of(TARGETS[name], steady, seed=seed, minutes=120, replicas=8, noise=0.15)
        late = [change for change in run.changes if change[0] > 30 * MINUTE_S]
        assert len(late) <= 2
        assert run.turns() <= 2


def test_bursts_do_not_make_it_flap() -> None:
    for seed in SEEDS:
        run = run_of(CPU, partial(bursts, seed=seed), seed=seed, minutes=120, noise=0.1)
        # 24 windows: a turn downwards takes a whole one.
        assert run.turns() <= 24


def test_leaders_that_change_all_the_time_take_nothing_away_too_early() -> None:
    changes = frozenset(range(0, 45 * MINUTE_S, 200))
    for seed in SEEDS:
        run = run_of(CPU, a_flash_crowd, seed=seed, minutes=45, noise=0.05, leader_changes_s=changes)
        assert run.at(13 * MINUTE_S) * CAPACITY_PER_S >= 1400
        assert all(after > before for _, before, after in run.changes)


def test_replicas_that_start_slowly_do_not_make_it_ask_for_more_than_it_needs() -> None:
    for seed in SEEDS:
        run = run_of(CPU, a_step, seed=seed, minutes=15, start_s=60, noise=0.05)
        assert max(count for _, count in run.replicas) <= needed(1000) * 1.25
        assert run.at(13 * MINUTE_S) >= needed(1000) * 0.9

"""Rollouts as the judge sees them, drawn by the thousand: requests, failures, latencies by host and interval.

Shares of 5, 10, 25 and 50 % for five minutes each, like the table that the judge is measured by.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.model.judging import JudgeState
from cluster.model.strategy import Analysis
from cluster.model.traffic import BUCKETS_MAX, ArmTraffic, TrafficInterval, latency_bound_ms
from cluster.rollout.judge import (
    StepEnd,
    Verdict,
    VerdictKind,
    begin,
    begin_step,
    judge,
    plan_extend,
    take_in,
)
from cluster.rollout.judge.budget import failures_e_needed
from cluster.rollout.judge.limits import ALL_FAILING_INTERVALS
from cluster.rollout.judge.sequential import FAILURE_RATIOS

SHARES_PERMILLE = (50, 100, 250, 500)
HOLD_S = 300
LOOK_S = 60
BUNCH_S = 2.0
CHUNK = 250
_OLD, _NEW = 1, 2
_SIGMA = 0.58
_MEDIAN_MS = 100.0

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """For a while both revisions fail at `rate`; seconds since the step began."""

    step: int
    from_s: int
    to_s: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class World:
    """`bunch` is how many failures one cause has on average (geometric), within BUNCH_S.

    `latencies` are lognormal: the new revision's are the "same", "shifted" by a quarter, or 5 % of them five
    times as long ("tail"); "none": nothing is timed.
    """

    rps: float
    old_rate: float = 0.005
    new_rate: float = 0.005
    bunch: int = 1
    incident: Incident | None = None
    latencies: str = "none"
    hosts: int = 1
    interval_s: int = 10


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of one run: arrays by interval and host. Of many runs: by run first."""

    requests: tuple[Counts, Counts]
    failures: tuple[Counts, Counts]
    latencies: tuple[Counts, Counts] | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a rollout ended, when, and by what."""

    kind: VerdictKind
    minutes: float
    verdict: Verdict

    @property
    def is_rolled_back(self) -> bool:
        return self.kind is VerdictKind.WORSE


def rolled_back(world: World, runs: int, *, seed: int) -> list[Outcome]:
    """Return the runs that are rolled back when each step takes exactly its time.

    The judge is not asked while it cannot say so (`_may_be_worse`): that saves most of the time.
    """
    analysis = Analysis()
    found = []
    for steps, asked_from in _drawn(world, runs, seed, HOLD_S, analysis):
        if asked_from is not None:
            outcome = play(world, steps, analysis, is_extended=False, asked_from=asked_from)
            if outcome.is_rolled_back:
                found.append(outcome)
    return found


def outcomes(world: World, runs: int, *, seed: int) -> list[Outcome]:
    """Return how runs end when the judge passes steps, or has them held up to twice their time."""
    analysis = Analysis()
    return [
        play(world, steps, analysis, is_extended=True)
        for steps, _ in _drawn(world, runs, seed, 2 * HOLD_S, analysis)
    ]


def asked_always_and_seldom(
    world: World, runs: int, *, seed: int
) -> Iterator[tuple[Outcome, Outcome | None]]:
    """Yield each run's outcome when the judge is asked at every look, and as `rolled_back` has it."""
    analysis = Analysis()
    for steps, asked_from in _drawn(world, runs, seed, HOLD_S, analysis):
        seldom = None
        if asked_from is not None:
            seldom = play(world, steps, analysis, is_extended=False, asked_from=asked_from)
        yield play(world, steps, analysis, is_extended=False), seldom


def play(
    world: World, steps: tuple[Step, ...], analysis: Analysis, *, is_extended: bool, asked_from: int = 0
) -> Outcome:
    """Put one run through the judge, which is asked every LOOK_S and at the end of each step.

    It is not asked before the interval `asked_from`, counted from the first step's first.
    """
    state = begin(now_ms=0)
    now_s = sequence = 0
    verdict = Verdict(kind=VerdictKind.UNDECIDED, reason="")
    for number, step in enumerate(steps):
        state = begin_step(state, now_ms=now_s * 1000, hold_ms=HOLD_S * 1000)
        next_permille = (*SHARES_PERMILLE, 1000)[number + 1]
        began_s = now_s
        fresh: list[TrafficInterval] = []
        for index in range(len(step.requests[0])):
            now_s += world.interval_s
            sequence += 1
            fresh += _intervals(world, step, index, sequence)
            held_s = now_s - began_s
            is_asked = sequence > asked_from and held_s % LOOK_S == 0
            if not is_asked and held_s != HOLD_S:
                continue
            state = take_in(state, fresh, old_revision=_OLD, new_revision=_NEW, now_ms=now_s * 1000)
            fresh = []
            if is_asked:
                verdict = judge(
                    state,
                    analysis,
                    steps=len(steps),
                    now_ms=now_s * 1000,
                    is_step_over=held_s >= HOLD_S,
                    next_permille=next_permille,
                )
            if verdict.kind is VerdictKind.WORSE:
                return Outcome(kind=verdict.kind, minutes=now_s / 60, verdict=verdict)
            if held_s < HOLD_S:
                continue
            if not is_extended:
                break
            end = plan_extend(verdict, hold_ms=HOLD_S * 1000, held_ms=held_s * 1000, analysis=analysis)
            if end is StepEnd.PAUSE:
                return Outcome(kind=verdict.kind, minutes=now_s / 60, verdict=verdict)
            if end is StepEnd.PASS:
                break
    return Outcome(kind=VerdictKind.GOOD, minutes=now_s / 60, verdict=verdict)


def replay(world: World, *, seed: int) -> JudgeState:
    """Return what the judge remembers at the end of one run that it does not interrupt."""
    (steps, _), *_ = _drawn(world, 1, seed, HOLD_S, Analysis())
    state, now_s, sequence = begin(now_ms=0), 0, 0
    for step in steps:
        state = begin_step(state, now_ms=now_s * 1000, hold_ms=HOLD_S * 1000)
        for index in range(len(step.requests[0])):
            now_s += world.interval_s
            sequence += 1
            state = take_in(
                state,
                _intervals(world, step, index, sequence),
                old_revision=_OLD,
                new_revision=_NEW,
                now_ms=now_s * 1000,
            )
    return state


def share(found: list[Outcome], runs: int) -> str:
    """Say how many percent of the runs were rolled back, by what, and the median minute."""
    minutes = sorted(each.minutes for each in found)
    causes = Counter(each.verdict.cause.value for each in found)
    median = minutes[len(minutes) // 2] if minutes else 0.0
    return f"{len(found) / runs:.2%} of {runs:,}, half of them by minute {median:.1f}: {dict(causes)}"


def _intervals(world: World, step: Step, index: int, sequence: int) -> Iterator[TrafficInterval]:
    for host in range(world.hosts):
        arms = []
        for arm, revision in enumerate((_OLD, _NEW)):
            histogram: tuple[tuple[int, int], ...] = ()
            if step.latencies is not None:
                counts = step.latencies[arm][index, host]
                used = np.nonzero(counts)[0]
                histogram = tuple(zip(used.tolist(), counts[used].tolist(), strict=True))
            arms.append(
                ArmTraffic(
                    revision=revision,
                    requests=step.requests[arm][index, host].item(),
                    failures=step.failures[arm][index, host].item(),
                    latencies=histogram,
                )
            )
        yield TrafficInterval(
            service_id="shop",  # type: ignore[arg-type]
            node_id=f"host-{host}",  # type: ignore[arg-type]
            epoch="run-1",
            sequence=sequence,
            duration_ms=world.interval_s * 1000,
            arms=tuple(arms),
        )


def _drawn(
    world: World, runs: int, seed: int, step_s: int, analysis: Analysis
) -> Iterator[tuple[tuple[Step, ...], int | None]]:
    """Yield each run's steps, and the interval from which the judge must be asked; None: never."""
    for first in range(0, runs, CHUNK):
        count = min(CHUNK, runs - first)
        random = np.random.default_rng([seed, first])
        drawn = [_draw_step(random, world, count, number, step_s) for number in range(len(SHARES_PERMILLE))]
        may_be_worse = _may_be_worse(drawn, analysis)
        for run in range(count):
            steps = tuple(
                Step(
                    requests=(step.requests[0][run], step.requests[1][run]),
                    failures=(step.failures[0][run], step.failures[1][run]),
                    latencies=(
                        None
                        if world.latencies == "none"
                        else (
                            _latencies(random, step.requests[0][run], _probabilities("same")),
                            _latencies(random, step.requests[1][run], _probabilities(world.latencies)),
                        )
                    ),
                )
                for step in drawn
            )
            if world.latencies != "none":
                yield steps, 0
            else:
                yield steps, int(may_be_worse[run].argmax()) if may_be_worse[run].any() else None


def _draw_step(random: np.random.Generator, world: World, runs: int, number: int, step_s: int) -> Step:
    """Draw a step of many runs: arrays by run, interval and host. Latencies are drawn run by run."""
    shape = (runs, step_s // world.interval_s, world.hosts)
    requests = random.poisson(world.rps * world.interval_s / world.hosts, shape)
    new = random.binomial(requests, SHARES_PERMILLE[number] / 1000)
    rates = []
    for rate in (world.old_rate, world.new_rate):
        by_interval = np.full(shape[1], rate)
        if world.incident is not None and world.incident.step == number:
            during = slice(world.incident.from_s // world.interval_s, world.incident.to_s // world.interval_s)
            by_interval[during] = np.maximum(by_interval[during], world.incident.rate)
        rates.append(by_interval[None, :, None])
    old = requests - new
    return Step(
        requests=(old, new),
        failures=(_failures(random, world, old, rates[0]), _failures(random, world, new, rates[1])),
        latencies=None,
    )


def _failures(random: np.random.Generator, world: World, requests: Counts, rate: NDArray[Any]) -> Counts:
    if world.bunch == 1:
        return random.binomial(requests, rate)
    # Causes hit the revision, not a router: a bunch is spread over the hosts. It may reach over into the
    # next interval.
    causes = random.poisson((requests * rate).sum(axis=2) / world.bunch)
    size = np.where(causes > 0, causes + random.negative_binomial(np.maximum(causes, 1), 1 / world.bunch), 0)
    reaches_over = random.random(causes.shape) < BUNCH_S / world.interval_s
    at_once = np.where(reaches_over, random.binomial(size, 0.5), size)
    total = at_once.copy()
    total[:, 1:] += (size - at_once)[:, :-1]
    spread = random.multinomial(total, np.full(world.hosts, 1 / world.hosts))
    return np.minimum(spread, requests)


def _may_be_worse(drawn: list[Step], analysis: Analysis) -> NDArray[np.bool_]:
    """Say by run and interval whether failures may make the judge call the new revision worse.

    It cannot while the untempered evidence of the best rate ratio is below what is needed: the e value is a
    mean over ratios, and tempering only lowers what is above 1. Nor can all requests be failing before there
    were three intervals in which all did.
    """
    runs = len(drawn[0].requests[0])
    before = np.zeros((len(FAILURE_RATIOS), runs))
    by_step = []
    for step in drawn:
        (old, new), (old_failed, new_failed) = (
            tuple(np.cumsum(each, axis=1) for each in pair) for pair in (step.requests, step.failures)
        )
        is_compared = (old > 0) & (new > 0)
        new_share = np.where(is_compared, new / np.maximum(1, old + new), 0.0)
        highest = np.full(old.shape[:2], -np.inf)
        for index, ratio in enumerate(FAILURE_RATIOS):
            base = np.log1p(new_share * (ratio - 1))
            by_host = np.where(is_compared, new_failed * (math.log(ratio) - base) - old_failed * base, 0.0)
            evidence = before[index][:, None] + by_host.sum(axis=2)
            highest = np.maximum(highest, evidence)
            before[index] = evidence[:, -1]
        # The judge rounds to millionths.
        is_enough = highest >= math.log(failures_e_needed(analysis)) - 0.001
        is_failing = (step.requests[1] > 0) & (step.failures[1] == step.requests[1])
        by_step.append(is_enough | (np.cumsum(is_failing, axis=1) >= ALL_FAILING_INTERVALS).any(axis=2))
    return np.concatenate(by_step, axis=1)


def _latencies(random: np.random.Generator, requests: Counts, probabilities: NDArray[Any]) -> Counts:
    return random.multinomial(requests, probabilities)


def _probabilities(kind: str) -> NDArray[Any]:
    if kind == "tail":
        return 0.95 * _lognormal(_MEDIAN_MS) + 0.05 * _lognormal(5 * _MEDIAN_MS)
    return _lognormal({"same": 1.0, "shifted": 1.25}[kind] * _MEDIAN_MS)


def _lognormal(median_ms: float) -> NDArray[Any]:
    below = [
        0.5 * (1 + math.erf(math.log(latency_bound_ms(bucket) / median_ms) / _SIGMA / math.sqrt(2)))
        for bucket in range(BUCKETS_MAX - 1)
    ]
    return np.diff(np.array([0.0, *below, 1.0]))

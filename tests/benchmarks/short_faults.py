"""Made series of no known metric with short faults: spikes, dips, steps, a value that freezes, noise.

A third character beside those of `faulty_series`: made row by row, of any unit, with regimes, bursts and
heavy tails, and faults of minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.benchmarks.faulty_series import FaultySeries, Values

ROWS = 14 * 288
SHAPES = ("even", "log-normal", "wandering", "few events", "every so often", "regimes")
FAULTS = ("spike", "dip", "step", "frozen", "noise", "burst")


def make(seed: int, each: int) -> Iterator[FaultySeries]:
    """Yield `each` series of every shape with each fault, and as many without one."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        for fault in (*FAULTS, ""):
            for _ in range(each):
                yield _make(shape, fault, rng)


def _make(shape: str, fault: str, rng: np.random.Generator) -> FaultySeries:
    rows = _base(shape, rng)
    begin = length = -1
    if fault:
        begin = int(rng.integers(1200, ROWS - 332))
        length = _hurt(fault, rows, begin, float(np.std(rows[:1200])), rng)
    rows *= 10 ** rng.uniform(0, 3)
    return FaultySeries(
        metric="",
        shape=shape,
        fault=fault,
        values=np.repeat(rows, 5),
        begin=5 * begin if fault else -1,
        end=5 * (begin + length) if fault else -1,
    )


def _base(shape: str, rng: np.random.Generator) -> Values:
    at = np.arange(ROWS)
    season = rng.choice([0, 0, 0.2, 0.5]) * np.sin(2 * np.pi * at / 288 + rng.uniform(0, 2 * np.pi))
    if shape == "even":
        return np.asarray(1 + season + 0.05 * rng.standard_normal(ROWS))
    if shape == "log-normal":
        return np.asarray(np.exp(season + 0.4 * rng.standard_normal(ROWS)))
    if shape == "wandering":
        steps = 0.05 * rng.standard_t(3, ROWS)
        for row in range(1, ROWS):
            steps[row] += 0.97 * steps[row - 1]
        return np.asarray(1 + season + steps)
    if shape == "few events":
        rare = (rng.random(ROWS) < 0.02) * rng.exponential(30, ROWS)
        return np.asarray(rng.poisson(3 * (1 + season), ROWS) + rare)
    if shape == "every so often":
        rows = 1 + season + 0.02 * rng.standard_normal(ROWS)
        rows[:: int(rng.integers(10, 80))] += rng.uniform(0.5, 2)
        return np.asarray(rows)
    regime = np.cumsum(rng.random(ROWS) < 0.004)
    levels = rng.uniform(0.6, 1.4, int(regime.max()) + 1)
    return np.asarray(levels[regime] + 0.03 * rng.standard_normal(ROWS))


def _hurt(fault: str, rows: Values, begin: int, spread: float, rng: np.random.Generator) -> int:
    """Put the fault into `rows`; returns how many it lasts."""
    length = {"step": 144, "frozen": 100, "noise": 100, "burst": 30}.get(fault, 0)
    if fault == "spike":
        length = int(rng.integers(1, 6))
        rows[begin : begin + length] += spread * rng.uniform(5, 12)
    elif fault == "dip":
        length = int(rng.integers(2, 20))
        rows[begin : begin + length] = rows[:1200].min() - spread * rng.uniform(0, 3)
    elif fault == "step":
        rows[begin:] += spread * rng.choice([-1, 1]) * rng.uniform(3, 6)
    elif fault == "frozen":
        rows[begin : begin + length] = rows[begin - 1]
    elif fault == "noise":
        rows[begin : begin + length] += 3 * spread * rng.standard_normal(length)
    else:
        rows[begin : begin + length] += 4 * spread * np.abs(rng.standard_normal(length))
    return length

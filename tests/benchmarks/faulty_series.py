"""Made series of containers and hosts with one fault each, or none, and when the fault is.

Two generators that share no code for their noise and shapes: `TUNING` is what the detector was built with,
`REPORTING` is what its figures are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.watched import is_count

MINUTE_MS = 60_000
MINUTES_PER_DAY = 1440
DAYS = 21
MINUTES = DAYS * MINUTES_PER_DAY
START_MS = 1_767_571_200_000
"""A Monday, midnight UTC."""
HEALTHY_DAYS = 9

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaultySeries:
    """A value for each minute of three weeks; the fault is at the minutes [begin, end), -1 without one.

    After the end the way back is a consequence: anomalies up to `GRACE` minutes later are not held against a
    detector, nor do they count for it.
    """

    metric: str
    shape: str
    fault: str
    values: Values
    begin: int = -1
    end: int = -1

    @property
    def days(self) -> float:
        return len(self.values) / MINUTES_PER_DAY

    def rows(self, minutes: int = 5) -> Values:
        """What a row of so many minutes is: the mean, of events the sum."""
        together = self.values.reshape(-1, minutes)
        return np.asarray(together.sum(axis=1) if is_count(self.metric) else together.mean(axis=1))


GRACE = 6 * 60


def _ar1(rng: np.random.Generator, n: int, phi: float) -> Values:
    noise = rng.normal(0, np.sqrt(1 - phi * phi), n)
    out = np.empty(n)
    last = 0.0
    for place, value in enumerate(noise):
        last = phi * last + value
        out[place] = last
    return out


def _minutes() -> tuple[Values, Values]:
    t = np.arange(MINUTES)
    return (t % MINUTES_PER_DAY) / MINUTES_PER_DAY, t // MINUTES_PER_DAY


class Tuning:
    """Gaussian noise with memory, sines, boxes."""

    def idle(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = np.abs(0.3 + 0.1 * rng.normal(size=MINUTES))
        for at in rng.integers(0, MINUTES - 5, 60):
            v[at : at + 2] += rng.uniform(0.5, 2)
        return "cpu_percent", v

    def web(self, rng: np.random.Generator) -> tuple[str, Values]:
        day, number = _minutes()
        depth = rng.uniform(0.3, 0.7)
        base = 1 + depth * np.sin(2 * np.pi * (day - rng.uniform(0.2, 0.4)))
        base *= np.where(number % 7 >= 5, rng.uniform(0.5, 0.9), 1.0)
        v = base * np.exp(0.08 * _ar1(rng, MINUTES, 0.98) + 0.1 * rng.normal(size=MINUTES))
        return "rx_bytes_per_s", v * rng.uniform(2e5, 5e6)

    def batch(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = np.abs(2 + 0.5 * _ar1(rng, MINUTES, 0.9))
        hour = rng.integers(0, 24) * 60
        for number in range(DAYS):
            at = number * MINUTES_PER_DAY + hour + int(rng.normal(0, 3))
            v[max(at, 0) : max(at, 0) + int(rng.integers(20, 40))] += rng.uniform(60, 95)
        return "cpu_percent", v

    def queue(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = 5 * np.exp(0.7 * _ar1(rng, MINUTES, 0.95))
        for at in rng.integers(0, MINUTES - 60, 21 * 6):
            v[at : at + int(rng.integers(3, 40))] += rng.exponential(40)
        return "cpu_percent", np.minimum(v, 200)

    def jvm(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = np.empty(MINUTES)
        level, floor = 0.3, 0.3
        speed = rng.uniform(0.002, 0.02)
        for place in range(MINUTES):
            level += speed * rng.uniform(0.5, 1.5)
            if level > 0.7 + 0.05 * rng.normal():
                level = floor + 0.03 * abs(rng.normal())
            v[place] = level
        return "memory_bytes", v * rng.uniform(5e8, 4e9)

    def latency(self, rng: np.random.Generator) -> tuple[str, Values]:
        day, _ = _minutes()
        v = (1 + 0.3 * np.sin(2 * np.pi * (day - 0.3))) * np.exp(0.25 * rng.normal(size=MINUTES))
        for at in rng.integers(0, MINUTES - 5, 80):
            v[at : at + int(rng.integers(1, 4))] *= rng.uniform(1.5, 4)
        return "latency_p95_ms", v * rng.uniform(20, 200)

    def disk(self, rng: np.random.Generator) -> tuple[str, Values]:
        size = 100e9
        growth = rng.uniform(0.1, 0.8) * 1e9 / MINUTES_PER_DAY
        v = 30e9 + np.cumsum(np.abs(rng.normal(growth, growth, MINUTES)))
        hour = rng.integers(0, MINUTES_PER_DAY)
        saw = (np.arange(MINUTES) - hour) % MINUTES_PER_DAY * rng.uniform(0.2, 1) * 1e9 / MINUTES_PER_DAY
        v += saw
        for at in rng.integers(0, MINUTES, 2):
            v[at:] -= rng.uniform(1, 4) * 1e9
        return "disk_used_bytes", np.clip(v, 1e9, size)

    magnitude = (1.6, 2.5)


class Reporting:
    """Gamma and Student noise, piecewise days, Poisson arrivals."""

    def idle(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = rng.gamma(2, 0.1, MINUTES)
        v[:: int(rng.integers(13, 61))] += rng.uniform(0.2, 1.5)
        return "cpu_percent", v

    def web(self, rng: np.random.Generator) -> tuple[str, Values]:
        day, number = _minutes()
        knots = np.sort(rng.uniform(0, 1, 5))
        heights = rng.uniform(0.3, 1.3, 5)
        base = np.interp(day, knots, heights, period=1)
        weekend = np.interp((day + 0.05) % 1, knots, heights * rng.uniform(0.4, 1.0, 5), period=1)
        base = np.where(number % 7 >= 5, weekend, base)
        base *= 1 + 0.12 * np.repeat(rng.standard_normal(DAYS), MINUTES_PER_DAY)
        rate = base * rng.uniform(50, 3000)
        return "requests", rng.poisson(np.maximum(rate, 1) * rng.gamma(30, 1 / 30, MINUTES)).astype(float)

    def batch(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = rng.gamma(3, 1, MINUTES)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(0, MINUTES_PER_DAY))
            length = int(rng.integers(8, 90))
            for number in range(DAYS):
                begin = number * MINUTES_PER_DAY + at + int(rng.integers(0, 4))
                v[begin : begin + int(length * rng.uniform(0.8, 1.25))] += rng.uniform(30, 50)
        return "cpu_percent", v

    def queue(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = np.zeros(MINUTES)
        at = 0
        while at < MINUTES:
            at += 1 + int(rng.exponential(rng.choice([20, 120])))
            length = 1 + int(rng.pareto(1.5) * 4)
            v[at : at + min(length, 240)] += rng.uniform(20, 100)
            at += length
        return "cpu_percent", np.minimum(v + rng.gamma(1, 1, MINUTES), 200)

    def jvm(self, rng: np.random.Generator) -> tuple[str, Values]:
        day, _ = _minutes()
        period = rng.uniform(20, 400)
        phase = np.cumsum(np.maximum(0.2, 1 + 0.6 * np.sin(2 * np.pi * day) + 0.2 * rng.normal(size=MINUTES)))
        v = 0.4 + 0.3 * (phase / period % 1) + 0.02 * rng.standard_t(4, MINUTES)
        return "memory_bytes", np.abs(v) * rng.uniform(3e8, 8e9)

    def latency(self, rng: np.random.Generator) -> tuple[str, Values]:
        v = rng.uniform(5, 400) * (1 + rng.gamma(1.2, 0.15, MINUTES))
        v[rng.random(MINUTES) < 0.01] *= rng.uniform(2, 6)
        return "latency_p95_ms", v

    def disk(self, rng: np.random.Generator) -> tuple[str, Values]:
        daily = rng.uniform(0.02, 0.5) * 1e9
        v = 40e9 + np.repeat(np.cumsum(rng.gamma(2, daily / 2 / 144, MINUTES // 10)), 10)
        every = int(rng.choice([1, 3, 7])) * MINUTES_PER_DAY
        v += (
            (np.arange(MINUTES) + rng.integers(0, every))
            % every
            / MINUTES_PER_DAY
            * daily
            * rng.uniform(0.5, 2)
        )
        for at in rng.integers(0, MINUTES, 3):
            v[at:] -= rng.uniform(0.5, 8) * 1e9
        return "disk_used_bytes", np.clip(v, 1e9, 100e9)

    magnitude = (1.5, 3.0)


Generator = Tuning | Reporting
TUNING = Tuning()
REPORTING = Reporting()
SHAPES = ("idle", "web", "batch", "queue", "jvm", "latency", "disk")
FAULTS: dict[str, tuple[str, ...]] = {
    "leak": ("jvm", "idle-memory"),
    "cpu pinned": ("idle", "batch", "queue"),
    "restart loop": ("jvm", "restarts"),
    "traffic to zero": ("web",),
    "level shift": ("web", "latency", "jvm"),
    "daily pattern broken": ("web", "batch"),
    "disk fill": ("disk",),
}


def _base(generator: Generator, shape: str, rng: np.random.Generator) -> tuple[str, Values]:
    if shape == "idle-memory":
        level = rng.uniform(1e8, 2e9)
        return "memory_bytes", level * (1 + 0.01 * _ar1(rng, MINUTES, 0.995))
    if shape == "restarts":
        v = np.zeros(MINUTES)
        v[rng.integers(0, MINUTES, 2)] = 1
        return "restarts", v
    make: Callable[[np.random.Generator], tuple[str, Values]] = getattr(generator, shape)
    return make(rng)


def _hurt(
    generator: Generator, fault: str, metric: str, v: Values, begin: int, rng: np.random.Generator
) -> int:
    """Put the fault into `v`; returns where it ends."""
    hours = float(rng.uniform(3, 12))
    if fault == "leak":
        hours = float(rng.uniform(8, 36))
    end = min(MINUTES, begin + int(hours * 60))
    span = slice(begin, end)
    length = end - begin
    if fault == "leak":
        v[span] += np.linspace(0, rng.uniform(0.6, 1.5), length) * np.median(v[:begin])
    elif fault == "cpu pinned":
        v[span] = rng.choice([100.0, 200.0]) - np.abs(rng.normal(0, 0.5, length))
    elif fault == "restart loop":
        if metric == "restarts":
            every = int(rng.integers(1, 6))
            v[begin:end:every] += 1
        else:
            every = int(rng.integers(2, 15))
            v[span] = np.median(v) * (np.arange(length) % every) / every * rng.uniform(0.3, 0.9)
    elif fault == "traffic to zero":
        v[span] *= rng.choice([0.0, 0.02])
    elif fault == "level shift":
        end = min(MINUTES, begin + MINUTES_PER_DAY)
        low, high = generator.magnitude
        factor = rng.uniform(low, high)
        v[begin:] *= factor if metric != "requests" or rng.random() < 0.5 else 1 / factor
    elif fault == "daily pattern broken":
        end = min(MINUTES, begin + MINUTES_PER_DAY)
        day = v[begin - 2 * MINUTES_PER_DAY : begin - MINUTES_PER_DAY].copy()
        shift = int(rng.integers(6, 18)) * 60
        v[begin:end] = np.roll(day, shift)[: end - begin]
    elif fault == "disk fill":
        v[begin:] += np.minimum(np.arange(MINUTES - begin), length) * rng.uniform(8e9, 40e9) / length
    return end


def make(generator: Generator, seed: int, each: int) -> Iterator[FaultySeries]:
    """Yield `each` series of every fault and shape, and as many without a fault of every shape."""
    rng = np.random.default_rng(seed)
    for fault, shapes in FAULTS.items():
        for shape in shapes:
            for _ in range(each):
                metric, values = _base(generator, shape, rng)
                begin = int(
                    rng.integers(HEALTHY_DAYS, DAYS - 3) * MINUTES_PER_DAY + rng.integers(0, MINUTES_PER_DAY)
                )
                end = _hurt(generator, fault, metric, values, begin, rng)
                yield FaultySeries(
                    metric=metric, shape=shape, fault=fault, values=values, begin=begin, end=end
                )
    for shape in (*SHAPES, "idle-memory"):
        for _ in range(each):
            metric, values = _base(generator, shape, rng)
            yield FaultySeries(metric=metric, shape=shape, fault="", values=values)

"""Made series by the hour, to forecast, to call trends, to fill: with what happens to real ones.

Seasons are no plain sines: there are weekends, days that differ as a whole, bursts, restarts, steps. No
constant of a method comes from them; that growth is to be taken out before a daily pattern is made, and that
log rotation reaches a limit with its tops, they did show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cluster.analytics.series import HOUR_MS, HOURS_PER_DAY, Hourly, Values

Rng = np.random.Generator
END_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS


def as_hourly(values: Values) -> Hourly:
    return Hourly(END_MS, values)


def wandering(rng: Rng, count: int, phi: float) -> Values:
    """AR(1) noise of unit variance that begins in its stationary state."""
    shocks = rng.normal(0, np.sqrt(1 - phi * phi), count)
    out = np.empty(count)
    last = rng.normal()
    for place in range(count):
        last = phi * last + shocks[place]
        out[place] = last
    return out


def _grid(days: int) -> tuple[Values, Values]:
    """The hour of the day and the number of the day of each hour."""
    hours = np.arange(days * HOURS_PER_DAY)
    return hours % HOURS_PER_DAY / HOURS_PER_DAY, hours // HOURS_PER_DAY


def traffic(rng: Rng, days: int) -> Values:
    """Requests of people: days of any shape, weekends, days that are busier as a whole, Poisson arrivals."""
    day, number = _grid(days)
    knots = np.sort(rng.uniform(0, 1, 5))
    base = np.interp(day, knots, rng.uniform(0.3, 1.3, 5), period=1)
    base *= np.where(number % 7 >= 5, rng.uniform(0.4, 1.0), 1.0)
    base *= np.repeat(np.exp(0.12 * rng.standard_normal(days)), HOURS_PER_DAY)
    rate = base * rng.uniform(50, 3000)
    return np.asarray(rng.poisson(rate * rng.gamma(40, 1 / 40, len(rate))), dtype=np.float64)


def job(rng: Rng, days: int) -> Values:
    """A processor that is idle but for a job at night that takes as long as it takes."""
    values = rng.gamma(3, 1, days * HOURS_PER_DAY)
    at = int(rng.integers(0, HOURS_PER_DAY))
    for number in range(days):
        begin = number * HOURS_PER_DAY + at
        values[begin : begin + int(rng.integers(1, 4))] += rng.uniform(30, 60)
    return np.asarray(values)


def heap(rng: Rng, days: int) -> Values:
    """Memory that rises and is collected."""
    period = rng.uniform(5, 60)
    phase = np.cumsum(np.abs(1 + 0.3 * rng.normal(size=days * HOURS_PER_DAY)))
    return np.asarray(2e9 * (0.4 + 0.3 * (phase / period % 1) + 0.02 * rng.standard_t(4, len(phase))))


def walk(rng: Rng, days: int) -> Values:
    """A level that wanders for days."""
    return np.asarray(1e9 * np.exp(0.15 * wandering(rng, days * HOURS_PER_DAY, 0.99)))


def growth(rng: Rng, days: int) -> Values:
    """A data base that grows while people work."""
    day, _ = _grid(days)
    added = np.maximum(0, np.sin(2 * np.pi * (day - 0.25))) * rng.gamma(5, 0.2, len(day))
    return np.asarray(5e9 + 4e6 * np.cumsum(added))


def shifted(rng: Rng, days: int) -> Values:
    """A daily pattern whose level is another one since some day."""
    day, _ = _grid(days)
    values = (1 + 0.3 * np.sin(2 * np.pi * (day - rng.uniform()))) * np.exp(
        0.1 * wandering(rng, len(day), 0.8)
    )
    values[int(rng.uniform(0.3, 0.9) * len(values)) :] *= rng.uniform(1.4, 2.2)
    return np.asarray(40 * values)


def queue(rng: Rng, days: int) -> Values:
    """Work that comes in bursts of hours, with a heavy tail."""
    values = rng.gamma(1, 1, days * HOURS_PER_DAY)
    at = 0
    while at < len(values):
        at += 1 + int(rng.exponential(10))
        values[at : at + 1 + int(rng.pareto(1.5) * 2)] += rng.uniform(20, 100)
    return np.asarray(np.minimum(values, 200))


def two_peaks(rng: Rng, days: int) -> Values:
    """Mornings and evenings, and noise that depends on itself."""
    day, _ = _grid(days)
    shape = np.exp(-(((day - 0.38) / 0.07) ** 2)) + 0.7 * np.exp(-(((day - 0.85) / 0.05) ** 2))
    return np.asarray((10 + 50 * shape) * np.exp(0.12 * wandering(rng, len(day), 0.9)))


SHAPES: dict[str, Callable[[Rng, int], Values]] = {
    "traffic": traffic,
    "nightly job": job,
    "heap": heap,
    "wandering level": walk,
    "growing data": growth,
    "shifted level": shifted,
    "bursts": queue,
    "two peaks": two_peaks,
}


# ---- what fills


def _filling(rng: Rng, days: int, per_day: float = 1.0) -> tuple[Values, Values]:
    at = np.arange(days * HOURS_PER_DAY) / HOURS_PER_DAY
    return at, 30 + per_day * at + 1.5 * np.sin(2 * np.pi * at) + 0.4 * rng.normal(size=len(at))


Filling = Callable[[Rng], tuple[Values, float, float]]
"""A series, its limit, and in how many days it reaches it."""


def plain(days: int) -> Filling:
    def make(rng: Rng) -> tuple[Values, float, float]:
        _, values = _filling(rng, days)
        return values, 30 + days + 20, 20.0

    return make


def cleanup(days: int) -> Filling:
    def make(rng: Rng) -> tuple[Values, float, float]:
        at, values = _filling(rng, days)
        return values - 8 * (at > rng.uniform(0.3, 0.8) * days), 30 + days - 8 + 20, 20.0

    return make


def burst(rng: Rng) -> tuple[Values, float, float]:
    at, values = _filling(rng, 14)
    begin = rng.uniform(2, 11)
    return values + 15 * ((at > begin) & (at < begin + 0.5)), 30 + 14 + 20, 20.0


def rotation(days: int) -> Filling:
    """Logs that are removed every seven days, under data that grows by 0.3 a day: a top reaches the limit."""

    def make(rng: Rng) -> tuple[Values, float, float]:
        at, values = _filling(rng, days, 0.3)
        phase = rng.uniform(0, 7)
        tooth = 0.7 * ((at + phase) % 7)
        ahead = np.arange(60 * HOURS_PER_DAY) / HOURS_PER_DAY
        later = 30 + 0.3 * (days + ahead) + 1.5 * np.sin(2 * np.pi * ahead)
        later += 0.7 * ((days + ahead + phase) % 7)
        limit = 30 + 0.3 * days + 12.0
        return values + tooth, limit, float(ahead[np.argmax(later >= limit)])

    return make


def faster(rng: Rng) -> tuple[Values, float, float]:
    """Growth that doubled twelve days ago."""
    at, values = _filling(rng, 30, 0)
    grown = np.where(at < 18, at, 18 + 2 * (at - 18))
    return values + grown, 30 + float(grown[-1]) + 20, 10.0


def by_share(percent_a_week: float, days: int) -> Filling:
    def make(rng: Rng) -> tuple[Values, float, float]:
        at, wave = _filling(rng, days, 0)
        factor = 1 + percent_a_week / 100
        return wave * factor ** (at / 7), 30 * factor ** ((days + 10) / 7), 10.0

    return make


FILLINGS: dict[str, Filling] = {
    "7 days, plain": plain(7),
    "14 days, plain": plain(14),
    "14 days, one clean-up": cleanup(14),
    "30 days, one clean-up": cleanup(30),
    "14 days, a burst of 12 hours": burst,
    "14 days, log rotation every week": rotation(14),
    "30 days, log rotation every week": rotation(30),
    "30 days, growth doubles": faster,
    "14 days, 15 % more every week": by_share(15, 14),
    "30 days, 15 % more every week": by_share(15, 30),
    "14 days, 50 % more every week": by_share(50, 14),
}

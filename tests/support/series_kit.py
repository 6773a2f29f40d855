"""Series of hourly means to try statistics on."""

from __future__ import annotations

import numpy as np

from cluster.analytics.series import HOUR_MS, HOURS_PER_DAY, Hourly, Values

END_MS = 1_790_000_000_000 - 1_790_000_000_000 % HOUR_MS


def hourly(values: Values | list[float]) -> Hourly:
    """Return a series that ends on the hour."""
    return Hourly(END_MS, np.asarray(values, dtype=np.float64))


def wandering(rng: np.random.Generator, count: int, phi: float) -> Values:
    """Return AR(1) noise of unit variance."""
    shocks = rng.normal(0, np.sqrt(1 - phi * phi), count)
    out = np.empty(count)
    last = rng.normal()
    for place, shock in enumerate(shocks):
        last = phi * last + shock
        out[place] = last
    return out


def days_of(count: int) -> Values:
    """Return the time of each hour, in days."""
    return np.arange(count * HOURS_PER_DAY) / HOURS_PER_DAY


def daily_wave(rng: np.random.Generator, days: int, *, phi: float = 0.7, noise: float = 0.04) -> Values:
    """Return a level of 100 with a daily season of 25 % and wandering noise."""
    at = days_of(days)
    return np.asarray(100 * (1 + 0.25 * np.sin(2 * np.pi * at)) * (1 + noise * wandering(rng, len(at), phi)))


def filling(rng: np.random.Generator, days: int, *, per_day: float = 1.0) -> Values:
    """Return a disk that grows from 30, with a daily season of 1.5 and noise of 0.4."""
    at = days_of(days)
    return np.asarray(30 + per_day * at + 1.5 * np.sin(2 * np.pi * at) + 0.4 * rng.normal(size=len(at)))

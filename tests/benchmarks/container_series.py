"""Generated series of containers of several kinds, as whole numbers of the metrics' scales: for measuring how
much room they take, not for judging what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model.metrics import BY_NAME, Metric

Values = NDArray[np.int64]
Floats = NDArray[np.float64]

METRICS = tuple(
    BY_NAME[name]
    for name in (
        "cpu_percent",
        "memory_bytes",
        "rx_bytes_per_s",
        "tx_bytes_per_s",
        "read_bytes_per_s",
        "write_bytes_per_s",
        "pids",
        "throttled_percent",
    )
)
STEP_S = 10
DAY_CELLS = 86_400 // STEP_S
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """What a container's numbers are like: processor in percent, memory in MiB, traffic in KiB/s."""

    name: str
    count: int
    cpu: float
    memory_mib: float
    rx_kib: float
    tx_kib: float
    write_kib: float
    pids: int
    wave: float
    """How much of its load follows the hour of the day, 0 to 1."""
    bursts: float = 0.0
    """Share of the time it works at full load."""


KINDS = (
    Kind("idle", 4, 0.05, 30, 0.02, 0.02, 0, 5, 0.0),
    Kind("web", 6, 12, 180, 120, 800, 4, 24, 0.7),
    Kind("db", 3, 25, 900, 300, 400, 900, 60, 0.5),
    Kind("batch", 3, 2, 250, 1, 1, 20, 8, 0.0, 0.08),
    Kind("worker", 2, 18, 220, 60, 40, 10, 12, 0.3, 0.2),
    Kind("jvm", 2, 15, 1400, 80, 90, 15, 80, 0.5),
)
CONTAINERS = sum(kind.count for kind in KINDS)


def containers(days: int, seed: int) -> Iterator[tuple[str, dict[Metric, Values]]]:
    """Yield each container's name and its series, one value every STEP_S."""
    for kind in KINDS:
        for number in range(kind.count):
            random = np.random.default_rng([seed, KINDS.index(kind), number])
            yield f"{kind.name}-{number}", _series(kind, days * DAY_CELLS, random)


def _series(kind: Kind, cells: int, random: np.random.Generator) -> dict[Metric, Values]:
    load = _load(kind, cells, random)
    cpu = kind.cpu * load * random.lognormal(0, 0.15, cells)
    quota = kind.cpu * 3
    grown = np.cumsum(random.random(cells) < 0.02) % 900
    memory = kind.memory_mib * 256 * (1 + 0.05 * load) + grown * 8 + random.integers(-3, 4, cells)
    if kind.name == "jvm":
        # A heap that fills and is collected.
        memory = memory + (np.arange(cells) * (0.5 + load)) % 25_000
    quiet = random.random(cells) < (0.9 if kind.name == "idle" else 0.02)
    rows = {
        "cpu_percent": np.where(quiet, 0.0, cpu) * 100,
        "memory_bytes": np.round(memory) * PAGE_BYTES,
        "rx_bytes_per_s": np.where(quiet, 0, kind.rx_kib * 1024 * load * random.lognormal(0, 0.3, cells)),
        "tx_bytes_per_s": np.where(quiet, 0, kind.tx_kib * 1024 * load * random.lognormal(0, 0.3, cells)),
        "read_bytes_per_s": np.where(random.random(cells) < 0.03, 1, 0)
        * random.integers(1, 400, cells)
        * 409,
        "write_bytes_per_s": np.round(
            np.where(random.random(cells) < 0.4, kind.write_kib, 0)
            * load
            * random.lognormal(0, 0.5, cells)
            / 4
        )
        * 409,
        "pids": kind.pids + np.round(load * kind.pids * 0.2 * (random.random(cells) < 0.95)),
        "throttled_percent": np.where(cpu > quota, (cpu - quota) / np.maximum(cpu, 0.01) * 10_000, 0),
    }
    return {metric: np.round(rows[metric.name]).astype(np.int64) for metric in METRICS}


def _load(kind: Kind, cells: int, random: np.random.Generator) -> Floats:
    """How busy it is: 1 on average, following the day, with a slow wandering of its own."""
    hours = np.arange(cells) * STEP_S / 3600
    daily = 1 + kind.wave * np.sin((hours - 9 + random.normal(0, 1)) / 24 * 2 * np.pi)
    steps = random.normal(0, 0.02, cells // 30 + 1)
    wander = np.repeat(np.cumsum(steps) - np.linspace(0, steps.sum(), len(steps)), 30)[:cells]
    if kind.bursts:
        works = np.repeat(random.random(cells // 90 + 1) < kind.bursts, 90)[:cells]
        daily = daily * np.where(works, 1 / kind.bursts, 0.05)
    found: Floats = np.maximum(daily * np.exp(np.clip(wander, -1, 1)), 0.01)
    return found

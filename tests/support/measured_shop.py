"""A shop on three hosts as it is measured for a while: courses of days and weeks, growth, a leak, and an
incident two hours ago that began with a disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model.metrics import STEP_MS, SubjectKind
from tests.support.history_loader import DAY_MS, HOUR_MS, Generated, a_subject

GIB = 1024.0**3
MIB = 1024.0**2
INCIDENT_MS = (2 * HOUR_MS, HOUR_MS + 40 * 60_000)
"""How long ago it began and ended."""

Floats = NDArray[np.float64]

SERVICES = (
    ("web", 60.0, 0.35, 1.0),
    ("api", 45.0, 0.6, 0.7),
    ("db", 25.0, 1.6, 0.2),
    ("cache", 6.0, 0.25, 0.1),
    ("worker", 80.0, 0.5, 0.05),
    ("search", 30.0, 1.2, 0.1),
)
"""Name, percent of a processor, GiB of memory, share of the network."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Series of equal steps from `start_ms` on."""

    start_ms: int
    step_ms: int
    series: list[Generated]


def segments_of(node_ids: list[str], now_ms: int, *, days: int) -> list[Segment]:
    """Return what was measured in the last `days` days: the newer, the finer."""
    end_ms = now_ms - now_ms % STEP_MS
    bounds = [
        (days * DAY_MS, min(days, 6) * DAY_MS, HOUR_MS),
        (min(days, 6) * DAY_MS, 6 * HOUR_MS, 300_000),
        (6 * HOUR_MS, 0, STEP_MS),
    ]
    segments = []
    last_ms = 0
    for first_ago, last_ago, step_ms in bounds:
        start_ms = max(last_ms, end_ms - first_ago)
        start_ms -= start_ms % step_ms
        start_ms += step_ms if start_ms < last_ms else 0
        stop_ms = end_ms - last_ago
        count = (stop_ms - start_ms) // step_ms
        if first_ago <= last_ago or count <= 0:
            continue
        last_ms = start_ms + count * step_ms
        times = start_ms + np.arange(count) * step_ms
        series = [
            each
            for place, node_id in enumerate(node_ids)
            for each in _host(node_id, place, times.astype(np.float64), float(end_ms), days, step_ms)
        ]
        segments.append(Segment(start_ms=start_ms, step_ms=step_ms, series=series))
    return segments


def _host(node_id: str, place: int, times: Floats, end_ms: float, days: int, step_ms: int) -> list[Generated]:
    rng = np.random.default_rng(1000 * place + int(times[0]) % 997)
    count = len(times)
    day = times / DAY_MS
    ago = end_ms - times
    # Busy in the afternoon, quiet on two days of the week, a little more every month.
    wave = 1 + 0.45 * np.sin(2 * np.pi * (day - 0.4)) + 0.12 * np.sin(4 * np.pi * day)
    wave = wave * np.where(day.astype(np.int64) % 7 >= 5, 0.7, 1.0) * (1 + 0.25 * (1 - ago / (400 * DAY_MS)))
    during = ((ago <= INCIDENT_MS[0]) & (ago >= INCIDENT_MS[1])).astype(np.float64)
    growth = 1 - ago / (days * DAY_MS)
    flat = np.ones(count)

    def noisy(values: Floats, share: float = 0.06) -> Floats:
        return np.abs(np.asarray(values * (1 + share * rng.standard_normal(count))))

    found: list[Generated] = []

    def add(kind: SubjectKind, name: str, labels: dict[str, str], key: str | None, **metrics: Floats) -> None:
        subject = a_subject(kind, node_id, name, key=key, **labels)
        found.extend(
            Generated(subject=subject, metric=metric, values=values) for metric, values in metrics.items()
        )

    hurt = during if place == 1 else 0.15 * during
    size = 16 * GIB
    add(
        SubjectKind.HOST,
        "host",
        {},
        None,
        cpu_percent=np.minimum(99.0, noisy(22 * wave + 45 * hurt)),
        cpu_user_percent=noisy(15 * wave + 8 * hurt),
        cpu_system_percent=noisy(5 * wave + 5 * hurt),
        cpu_iowait_percent=noisy(0.8 * wave + 34 * hurt, 0.2),
        memory_bytes=noisy((6 + place + 2.5 * growth) * GIB * flat, 0.01),
        memory_limit_bytes=size * flat,
        swap_bytes=noisy(0.2 * GIB * flat, 0.02),
        load_1=noisy(1.6 * wave + 9 * hurt, 0.12),
        load_5=noisy(1.6 * wave + 7 * hurt, 0.05),
        rx_bytes_per_s=noisy(3.2e6 * wave, 0.12),
        tx_bytes_per_s=noisy(5.1e6 * wave * (1 - 0.5 * hurt), 0.12),
        read_bytes_per_s=noisy(1.4e6 * wave + 9.5e7 * hurt, 0.25),
        write_bytes_per_s=noisy(3.1e6 * wave, 0.2),
        pressure_cpu_percent=noisy(1.2 * wave + 6 * hurt, 0.3),
        pressure_memory_percent=noisy(0.1 * flat, 0.5),
        pressure_io_percent=noisy(0.7 * wave + 55 * hurt, 0.3),
    )
    for mount, used, capacity in (("/", 0.45, 60.0), ("/srv", 0.6, 200.0)):
        level = used + (0.28 * growth if mount == "/srv" else 0.02 * growth) + 0.03 * place
        add(
            SubjectKind.DISK,
            mount,
            {},
            None,
            disk_used_bytes=noisy(level * capacity * GIB, 0.0006),
            disk_size_bytes=capacity * GIB * flat,
            inodes_used=noisy(1.2e6 * level, 0.0005),
            inodes_max=4e6 * flat,
        )
    add(
        SubjectKind.SENSOR,
        "cpu package",
        {},
        None,
        temperature_celsius=noisy(44 + 8 * wave + 11 * hurt, 0.02),
    )
    for number, (name, busy, memory, traffic) in enumerate(SERVICES):
        leak = 1.0 + (0.6 * growth if name == "db" else 0.0)
        slow = hurt if name in ("db", "api", "search") else 0.3 * hurt
        restarts = np.zeros(count)
        kills = np.zeros(count)
        if name == "worker" and place == 2:
            at = int(np.argmin(np.abs(ago - 5 * HOUR_MS)))
            restarts[at] = 1.0 if abs(ago[at] - 5 * HOUR_MS) <= step_ms else 0.0
            kills[at] = restarts[at]
        add(
            SubjectKind.CONTAINER,
            f"shop-{name}-{place + 1}",
            {"project": "shop", "service": f"shop.{name}", "environment": "production"},
            f"{place:02x}{number:02x}" + "ab" * 30,
            cpu_percent=noisy(busy * wave * 0.6 * (1 + (1.2 if name == "db" else 0.4) * slow), 0.1),
            memory_bytes=noisy(memory * leak * GIB * flat, 0.015),
            memory_limit_bytes=(3.0 if name == "db" else 2.0) * GIB * flat,
            throttled_percent=noisy((8 if name == "worker" else 0.2) * wave, 0.4),
            rx_bytes_per_s=noisy(2e6 * traffic * wave, 0.15),
            tx_bytes_per_s=noisy(3e6 * traffic * wave, 0.15),
            read_bytes_per_s=noisy(1e5 * flat + (8.8e7 * hurt if name == "db" else 0.0), 0.3),
            write_bytes_per_s=noisy(4e5 * wave, 0.3),
            pids=noisy(12 * flat, 0.1),
            restarts=restarts,
            oom_kills=kills,
        )
    for name, rate in (("web", 42.0), ("api", 28.0)):
        requests = rng.poisson(np.maximum(0.0, rate * wave * (1 - 0.35 * hurt)) * step_ms / 1000).astype(
            float
        )
        share = 0.002 + 0.09 * hurt
        add(
            SubjectKind.ROUTE,
            f"shop.{name}",
            {"project": "shop", "service": f"shop.{name}", "environment": "production"},
            f"shop.{name}@4",
            requests=requests,
            errors=rng.binomial(requests.astype(np.int64), share).astype(float),
            lost=np.zeros(count),
            latency_p50_ms=noisy(18 + 6 * wave + 60 * hurt, 0.08),
            latency_p95_ms=noisy(70 + 25 * wave + 640 * hurt, 0.1),
            latency_p99_ms=noisy(140 + 50 * wave + 1900 * hurt, 0.15),
        )
    return found

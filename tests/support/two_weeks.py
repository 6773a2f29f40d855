"""Two weeks of a shop on three hosts, and agents that find them on their disks and send them.

On every host: `web` with a daily pattern, `mongodb` that grows by 15 % a week towards its limit, `worker`
that is throttled since yesterday, and a file system that fills.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.clock import SystemClock
from cluster.model.metrics import BY_NAME, SubjectKind
from tests.support.history_loader import DAY_MS, Generated, a_subject, spool
from tests.support.lab import Host, Lab, LabAgents

DAYS = 14
GIB = 1024.0**3
MONGODB_LIMIT = 1.6 * GIB


def two_weeks(node_id: str, seed: int, *, step_ms: int) -> list[Generated]:
    """Return the series of one host, which end with the same moment."""
    count = DAYS * DAY_MS // step_ms
    rng = np.random.default_rng(seed)
    day = np.arange(count) * step_ms / DAY_MS

    def noisy(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        return np.asarray(values * (1 + share * rng.standard_normal(count)))

    wave = 1 + 0.4 * np.sin(2 * np.pi * day)
    flat = np.ones(count)
    yesterday = np.where(day >= DAYS - 1, 1.0, 0.0)
    things: dict[tuple[SubjectKind, str], dict[str, NDArray[np.float64]]] = {
        (SubjectKind.HOST, "host"): {
            "cpu_percent": noisy(20 * wave, 0.1),
            "load_1": noisy(0.8 * wave, 0.1),
            "rx_bytes_per_s": noisy(2e6 * wave, 0.1),
            "tx_bytes_per_s": noisy(3e6 * wave, 0.1),
        },
        (SubjectKind.DISK, "/srv"): {
            "disk_used_bytes": noisy((50 + day) * GIB, 0.0005),
            "disk_size_bytes": 84 * GIB * flat,
        },
        (SubjectKind.CONTAINER, "web"): {
            "cpu_percent": noisy(30 * wave, 0.1),
            "memory_bytes": noisy(0.3 * GIB * flat, 0.01),
            "rx_bytes_per_s": noisy(1e6 * wave, 0.1),
            "tx_bytes_per_s": noisy(2e6 * wave, 0.1),
        },
        (SubjectKind.CONTAINER, "mongodb"): {
            "cpu_percent": noisy(10 * flat, 0.1),
            "memory_bytes": noisy(GIB * 1.15 ** (day / 7), 0.002),
            "memory_limit_bytes": MONGODB_LIMIT * flat,
        },
        (SubjectKind.CONTAINER, "worker"): {
            "cpu_percent": noisy(50 * flat, 0.05),
            "memory_bytes": noisy(0.2 * GIB * flat, 0.01),
            "throttled_percent": np.abs(noisy(0.2 + 45 * yesterday, 0.1)),
        },
    }
    series = []
    for place, ((kind, name), metrics) in enumerate(things.items()):
        key = f"{seed:04x}{place:060x}" if kind is SubjectKind.CONTAINER else None
        labels = {"service": f"shop.{name}", "project": "shop"} if kind is SubjectKind.CONTAINER else {}
        subject = a_subject(kind, node_id, f"{name}-{seed}" if key else name, key=key, **labels)
        for metric, values in metrics.items():
            assert kind in BY_NAME[metric].kinds
            series.append(Generated(subject=subject, metric=metric, values=values))
    return series


class LoadedAgents(LabAgents):
    """A lab's agents, each with two weeks on its disk at its first start. Between the end of those and the
    first sample of its own an agent has a gap."""

    def __init__(self, lab: Lab, logs: Path, *, step_ms: int = 60_000) -> None:
        super().__init__(lab, logs)
        self._step_ms = step_ms
        self.end_ms = SystemClock().now_ms() // step_ms * step_ms - step_ms
        self._loaded: set[str] = set()
        self.samples = 0

    def start(self, host: Host) -> None:
        if host.name not in self._loaded:
            self._loaded.add(host.name)
            self._load(host)
        super().start(host)

    def _load(self, host: Host) -> None:
        identity = host.data_directory / "agent" / "identity" / "node.json"
        node_id = json.loads(identity.read_text())["node_id"]
        series = two_weeks(node_id, len(self._loaded), step_ms=self._step_ms)
        self.samples += sum(len(each.values) for each in series)
        spool(
            host.data_directory / "agent" / "samples",
            series,
            start_ms=self.end_ms - DAYS * DAY_MS,
            step_ms=self._step_ms,
        )

    def wait_until_sent(self, timeout_s: float = 120) -> None:
        """Wait until every host has sent its weeks, and the first has taken them in and rolled them up."""

        def is_sent(directory: Path) -> bool:
            return len(list(directory.glob("*.block"))) <= 1

        for host in self.hosts:
            self.wait(
                f"{host.name} has sent two weeks",
                partial(is_sent, host.data_directory / "agent" / "samples"),
                timeout_s=timeout_s,
                tell=partial(self.log_of, host),
            )
        client = self.client(self.hosts[0])

        def is_known() -> bool:
            found = [
                client.get("/analytics/trend", subject=f"mongodb-{number + 1}", metric="memory")
                for number in range(len(self.hosts))
            ]
            return all(each["days_known"] >= DAYS for each in found)

        self.wait("the first host has it all", is_known, timeout_s=timeout_s, tell=lambda: "")


VERBS: dict[str, tuple[str, dict[str, object]]] = {
    "get-metrics-history": ("/metrics/history", {"subject": "mongodb-1", "metric": "memory", "since": "14d"}),
    "get-trend-analysis": ("/analytics/trend", {"subject": "mongodb-1", "metric": "memory"}),
    "detect-anomalies": ("/analytics/anomalies", {"subject": "worker-1", "since": "24h"}),
    "get-performance-profile": ("/analytics/profile", {"subject": "worker-1"}),
    "predict-resource-needs": ("/analytics/forecast", {"subject": "web-1"}),
    "get-capacity-plan": ("/analytics/capacity", {}),
    "compare-baseline": ("/analytics/baseline", {"subject": "worker-1"}),
    "export-analytics-report": ("/analytics/report", {"format": "html"}),
}
"""The eight analytics verbs, as REST has them."""

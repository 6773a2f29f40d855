"""What this host's replicas of services that are scaled by themselves use, from the last half minute."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from agent.clock import Clock
from agent.collect.live_window import LiveWindow, Metric, SeriesKey, SeriesValues
from agent.follow.assignments_reports import SharedState
from cluster.model.autoscaling import USAGES_MAX, ReplicaUsage
from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import Assignment
from cluster.store.records import assignments_of_node

SPAN_S = 30
"""A single sample of ten seconds is a moment; more than a few of them hide a rush."""
SLOTS_SILENT_MAX = 3
"""After so many samples that are missing, what was measured before is not told any more."""


class ReplicaUsages:
    """Reads the live window of this host, which the collector fills."""

    def __init__(self, *, node_id: NodeId, state: SharedState, window: LiveWindow, clock: Clock) -> None:
        self._node_id = node_id
        self._state = state
        self._window = window
        self._clock = clock

    def read(self, services: Collection[ServiceId]) -> tuple[ReplicaUsage, ...]:
        """Return the usage of each running replica here of these services.

        A replica without a fresh number is left out.
        """
        with self._state.read() as txn:
            copies = [each for each in assignments_of_node(txn, self._node_id) if each.service_id in services]
        running = [each for each in copies if each.observed.container_id]
        if not running:
            return ()
        keys = [
            SeriesKey(each.observed.container_id, metric)
            for each in running
            for metric in (Metric.CPU_PERCENT, Metric.MEMORY_BYTES)
        ]
        series = self._window.read(keys)
        rows = {key: row for row, key in enumerate(series.keys)}
        found = (self._usage(each, series, rows) for each in running)
        return tuple(usage for usage in found if usage is not None)[:USAGES_MAX]

    def _usage(
        self, copy: Assignment, series: SeriesValues, rows: Mapping[SeriesKey, int]
    ) -> ReplicaUsage | None:
        span = max(1, SPAN_S * 1000 // self._window.slot_ms)
        newest_ms = 0
        means: dict[Metric, float | None] = {}
        for metric in (Metric.CPU_PERCENT, Metric.MEMORY_BYTES):
            values = series.values[rows[SeriesKey(copy.observed.container_id, metric)]][-span:]
            times_ms = series.times_ms[-span:]
            known = [
                (float(value), int(at_ms))
                for value, at_ms in zip(values, times_ms, strict=True)
                if not math.isnan(value)
            ]
            means[metric] = sum(value for value, _ in known) / len(known) if known else None
            newest_ms = max([newest_ms, *(at_ms for _, at_ms in known)])
        cpu, memory = means[Metric.CPU_PERCENT], means[Metric.MEMORY_BYTES]
        is_fresh = self._clock.now_ms() - newest_ms <= (1 + SLOTS_SILENT_MAX) * self._window.slot_ms
        if (cpu is None and memory is None) or not is_fresh:
            return None
        return ReplicaUsage(
            service_id=copy.service_id,
            revision=copy.revision,
            ordinal=copy.ordinal,
            cpu_centipercent=None if cpu is None else max(0, round(cpu * 100)),
            memory_bytes=None if memory is None else max(0, round(memory)),
        )

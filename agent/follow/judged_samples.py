"""What the leader judges metric limits by, of this host: its replicas' newest samples, as they are recorded.

They go to the leader beside the record, which comes a minute later. The last minute of them is repeated, so
that a leader that comes new misses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from agent.collect.recording import container_values, route_values, stored_value
from agent.collect.samples import SampleBatch
from agent.follow.assignments_reports import SharedState
from cluster.model.ids import NodeId, ServiceId
from cluster.model.metric_limits import ROUTER, CopySamples
from cluster.model.metrics import BY_NAME
from cluster.store.records import assignments_of_node

BATCHES_KEPT = 6
TOLD_MAX = 4096
"""Series of one report."""

_Place = tuple[ServiceId, int, int]
"""Service, revision and ordinal."""


class JudgedSamples:
    """Keeps the collector's newest batches while somebody asks for them. For one event loop."""

    def __init__(self, *, node_id: NodeId, state: SharedState) -> None:
        self._node_id = node_id
        self._state = state
        self._batches: deque[SampleBatch] = deque(maxlen=BATCHES_KEPT)
        self._is_wanted = False

    def take(self, batch: SampleBatch) -> None:
        """Keep a batch of the collector, if it is one that is recorded."""
        if self._is_wanted and batch.is_base and not batch.is_late:
            self._batches.append(batch)

    def read(self, metrics: Mapping[ServiceId, frozenset[str]]) -> tuple[CopySamples, ...]:
        """Return the samples of these services' replicas here and of their routes, by the metrics' names."""
        self._is_wanted = bool(metrics)
        if not metrics:
            self._batches.clear()
            return ()
        with self._state.read() as txn:
            copies = {
                copy.observed.container_id: (copy.service_id, copy.revision, copy.ordinal)
                for copy in assignments_of_node(txn, self._node_id)
                if copy.service_id in metrics and copy.observed.container_id
            }
        points: dict[tuple[_Place, str], list[tuple[int, int]]] = {}
        for batch in self._batches:
            for place, values in _measured(batch, copies, metrics):
                for name in metrics[place[0]] & values.keys():
                    value = stored_value(name, values[name])
                    if value is not None:
                        points.setdefault((place, name), []).append((batch.at_ms, value))
        return tuple(
            CopySamples(
                service_id=service_id,
                node_id=self._node_id,
                revision=revision,
                ordinal=ordinal,
                metric=BY_NAME[name].number,
                points=tuple(found),
            )
            for ((service_id, revision, ordinal), name), found in sorted(points.items())[:TOLD_MAX]
        )


def _measured(
    batch: SampleBatch, copies: Mapping[str, _Place], wanted: Mapping[ServiceId, frozenset[str]]
) -> list[tuple[_Place, Mapping[str, float | None]]]:
    found: list[tuple[_Place, Mapping[str, float | None]]] = [
        (copies[each.id], container_values(each, batch.containers.get(each.id)))
        for each in batch.standings
        if each.id in copies
    ]
    found += [
        ((ServiceId(each.service), each.revision, ROUTER), route_values(each))
        for each in batch.routes
        if each.service in wanted
    ]
    return found

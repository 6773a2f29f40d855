"""From a batch of samples to what is recorded: whole numbers of metrics of subjects. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from agent.collect.samples import (
    AgentSample,
    ContainerSample,
    ContainerStanding,
    DiskSample,
    HostSample,
    RouteSample,
    SampleBatch,
)
from agent.docker.inspect import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE
from agent.execute.replica import LABEL_ORDINAL, LABEL_PROJECT, LABEL_REVISION, LABEL_SERVICE
from agent.ports import ContainerState, Health, SensorReading
from cluster.model.ids import NodeId, environment_of
from cluster.model.metrics import METRICS, SUBJECTS_MAX, SubjectDefinition, SubjectKind

Row = tuple[SubjectDefinition, int, int]
"""(subject, number of the metric, value)."""

STATES = {ContainerState.RUNNING: 1, ContainerState.PAUSED: 2, ContainerState.RESTARTING: 3}
HEALTHS = {Health.NONE: 0, Health.STARTING: 1, Health.HEALTHY: 2, Health.UNHEALTHY: 3}

_TEXT_MAX = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_VALUE_MAX = 2**62
_STORED = {metric.name: (metric.number, metric.scale) for metric in METRICS}
"""(number, scale) of a metric by its name."""


def rows_of(batch: SampleBatch, *, node_id: NodeId, node_name: str) -> tuple[Row, ...]:
    """Return what a base batch has to record; nothing of one that is late or on the finer grid.

    What was not measured has no row. At most `SUBJECTS_MAX` subjects: of too many containers, those that do
    not run are left out first.
    """
    if not batch.is_base or batch.is_late:
        return ()
    rows: list[Row] = []
    measured: list[tuple[SubjectDefinition, Mapping[str, float | None]]] = [
        (_plain(SubjectKind.HOST, node_id, name=node_name), host_values(batch.host)),
        (_plain(SubjectKind.AGENT, node_id, name=node_name), agent_values(batch.agent)),
    ]
    measured += [
        (_plain(SubjectKind.DISK, node_id, each.usage.path, each.usage.path), disk_values(each))
        for each in batch.disks
    ]
    measured += [
        (_plain(SubjectKind.SENSOR, node_id, each.name, each.name), sensor_values(each))
        for each in batch.sensors
    ]
    measured += [(route_subject(each, node_id), route_values(each)) for each in batch.routes]
    running_first = sorted(batch.standings, key=lambda each: each.id not in batch.containers)
    measured += [
        (container_subject(each, node_id), container_values(each, batch.containers.get(each.id)))
        for each in running_first[: SUBJECTS_MAX - len(measured)]
    ]
    for subject, values in measured:
        rows += _rows(subject, values)
    return tuple(rows)


def _rows(subject: SubjectDefinition, values: Mapping[str, float | None]) -> list[Row]:
    rows = []
    for name, value in values.items():
        stored = stored_value(name, value)
        if stored is not None:
            rows.append((subject, _STORED[name][0], stored))
    return rows


def stored_value(name: str, value: float | None) -> int | None:
    """Return a metric's value as it is stored, None when there is none or it cannot be."""
    if value is None:
        return None
    stored = value * _STORED[name][1]
    # Neither NaN nor infinity lies between.
    return round(stored) if -_VALUE_MAX <= stored <= _VALUE_MAX else None


# ---- subjects ---------------------------------------------------------------------------------


def container_subject(container: ContainerStanding, node_id: NodeId) -> SubjectDefinition:
    """Return the container as a subject: its id stays when it is renamed.

    `service` is the service's id for a replica of ours, and Compose's name of it for others.
    """
    labels = container.labels
    service = labels.get(LABEL_SERVICE, "")
    if service:
        named = (LABEL_PROJECT, LABEL_ORDINAL, LABEL_REVISION)
        environment = environment_of(service)
    else:
        service = labels.get(COMPOSE_SERVICE, "")
        named = (COMPOSE_PROJECT, COMPOSE_NUMBER, "")
        environment = ""
    project, replica, revision = (labels.get(label, "") for label in named)
    return _container_subject(
        node_id,
        container.id,
        container.name,
        container.image,
        project,
        service,
        replica,
        revision,
        environment,
    )


# The same at every moment, and made of text that has to be looked through.
@functools.lru_cache(maxsize=SUBJECTS_MAX)
def _container_subject(
    node_id: NodeId,
    container_id: str,
    name: str,
    image: str,
    project: str,
    service: str,
    replica: str,
    revision: str,
    environment: str,
) -> SubjectDefinition:
    labels = {
        "project": project,
        "service": service,
        "replica": replica,
        "revision": revision,
        "environment": environment,
        "image": image,
    }
    return SubjectDefinition(
        kind=SubjectKind.CONTAINER,
        node_id=node_id,
        key=container_id,
        name=_text(name),
        labels=_labels(labels),
    )


def route_subject(route: RouteSample, node_id: NodeId) -> SubjectDefinition:
    """Return one revision behind this host's router as a subject."""
    key = _text(f"{route.service}@{route.revision}")
    labels = {
        "service": route.service,
        "revision": str(route.revision),
        "environment": environment_of(route.service),
    }
    return SubjectDefinition(
        kind=SubjectKind.ROUTE, node_id=node_id, key=key, name=key, labels=_labels(labels)
    )


def _plain(kind: SubjectKind, node_id: NodeId, key: str = "", name: str = "") -> SubjectDefinition:
    return SubjectDefinition(kind=kind, node_id=node_id, key=_text(key), name=_text(name))


def _labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, _text(value)) for key, value in labels.items() if value))


def _text(text: str) -> str:
    # Anybody may label a container, or mount something, with anything.
    return _CONTROL.sub("\ufffd", text)[:_TEXT_MAX]


# ---- values -----------------------------------------------------------------------------------


def container_values(standing: ContainerStanding, sample: ContainerSample | None) -> dict[str, float | None]:
    """Return a container's figures by metric; of one that does not run, only how it stands."""
    values: dict[str, float | None] = {
        "state": STATES.get(standing.state, 0),
        "health": HEALTHS[standing.health],
        "restarts": standing.restarts,
        "oom_kills": standing.oom_kills,
    }
    if sample is None:
        return values
    usage = sample.usage
    return {
        **values,
        "cpu_percent": sample.cpu_percent,
        "throttled_percent": sample.throttled_percent,
        "memory_bytes": usage.memory_bytes,
        "memory_limit_bytes": usage.memory_limit_bytes,
        "rx_bytes_per_s": sample.rx_bytes_per_s,
        "tx_bytes_per_s": sample.tx_bytes_per_s,
        "read_bytes_per_s": sample.read_bytes_per_s,
        "write_bytes_per_s": sample.write_bytes_per_s,
        "pids": usage.pids,
        "pressure_cpu_percent": sample.pressure_cpu_percent,
        "pressure_memory_percent": sample.pressure_memory_percent,
        "pressure_io_percent": sample.pressure_io_percent,
    }


def host_values(host: HostSample) -> dict[str, float | None]:
    """Return the host's figures by metric."""
    return {
        "cpu_percent": host.cpu_percent,
        "cpu_user_percent": host.cpu_user_percent,
        "cpu_system_percent": host.cpu_system_percent,
        "cpu_iowait_percent": host.cpu_iowait_percent,
        "cpu_steal_percent": host.cpu_steal_percent,
        "memory_bytes": host.memory_used_bytes,
        "memory_limit_bytes": host.reading.memory_total_bytes,
        "swap_bytes": host.swap_used_bytes,
        "load_1": host.reading.load_1,
        "load_5": host.reading.load_5,
        "rx_bytes_per_s": host.rx_bytes_per_s,
        "tx_bytes_per_s": host.tx_bytes_per_s,
        "read_bytes_per_s": host.read_bytes_per_s,
        "write_bytes_per_s": host.write_bytes_per_s,
        "pressure_cpu_percent": host.pressure_cpu_percent,
        "pressure_memory_percent": host.pressure_memory_percent,
        "pressure_io_percent": host.pressure_io_percent,
    }


def disk_values(disk: DiskSample) -> dict[str, float | None]:
    """Return a file system's figures by metric."""
    usage = disk.usage
    has_inodes = usage.inodes_max > 0
    return {
        "disk_used_bytes": usage.used_bytes,
        "disk_size_bytes": usage.used_bytes + usage.available_bytes,
        "inodes_used": usage.inodes_used if has_inodes else None,
        "inodes_max": usage.inodes_max if has_inodes else None,
        "read_bytes_per_s": disk.read_bytes_per_s,
        "write_bytes_per_s": disk.write_bytes_per_s,
    }


def sensor_values(sensor: SensorReading) -> dict[str, float | None]:
    """Return a sensor's figure by metric."""
    return {"temperature_celsius": sensor.celsius}


def route_values(route: RouteSample) -> dict[str, float | None]:
    """Return a revision's figures by metric."""
    return {
        "requests": route.requests,
        "errors": route.errors,
        "lost": route.lost,
        "latency_p50_ms": route.latency_p50_ms,
        "latency_p95_ms": route.latency_p95_ms,
        "latency_p99_ms": route.latency_p99_ms,
    }


def agent_values(agent: AgentSample) -> dict[str, float | None]:
    """Return the agent's own figures by metric."""
    reading = agent.reading
    return {
        "cpu_percent": agent.cpu_percent,
        "memory_bytes": reading.memory_bytes,
        "loop_lag_ms": reading.loop_lag_ms,
        "apply_lag_entries": reading.apply_lag_entries,
        "raft_term": reading.raft_term,
        "raft_entries": agent.raft_entries,
        "queue_depth": reading.queue_depth,
        "samples_late": agent.samples_late,
        "state_bytes": reading.state_bytes,
        "log_bytes": reading.log_bytes,
        "history_bytes": reading.history_bytes,
    }


def subjects_of(rows: Sequence[Row]) -> tuple[SubjectDefinition, ...]:
    """Return the subjects of rows, each once, in the order they come."""
    return tuple(dict.fromkeys(subject for subject, _, _ in rows))

"""What is wrong, or better changed, although every key by itself is right. Needs no cluster."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from cluster.compose.document import Value
from cluster.compose.reader import Keys, Reader
from cluster.model.placing import PlacementRules
from cluster.model.service import (
    FailureAction,
    Fencing,
    RolloutPolicy,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.strategy import Strategy

CHECK_INTERVAL_MS_MAX = 5_000
DATABASES = frozenset(
    {"postgres", "postgis", "mysql", "mariadb", "mongo", "percona", "cockroach", "etcd", "influxdb"}
)
"""Images that keep files which two of them must not write to."""


def check_service(
    reader: Reader,
    keys: Keys,
    spec: ServiceSpec,
    replicas: int,
    policy: RolloutPolicy,
    rules: PlacementRules,
) -> None:
    """Hold the parts of one service against each other."""
    _check_ports(reader, keys, spec, replicas, rules)
    _check_strategy(reader, keys, spec, policy)
    _check_singleton(reader, keys, spec, replicas, policy)
    _check_health(reader, keys, spec, policy)
    _check_data(reader, keys, spec, replicas)
    _check_end(reader, keys, spec, policy)


def check_file(reader: Reader, services: Mapping[str, tuple[ServiceSpec, Value]]) -> None:
    """Hold the services of a file against each other."""
    routes: dict[tuple[str, str], str] = {}
    for name, (spec, at) in services.items():
        _check_health_of_others(reader, name, spec, at, services.keys())
        if spec.route is None:
            continue
        key = (spec.route.host, spec.route.path)
        other = routes.setdefault(key, name)
        if other != name:
            reader.refuse(
                _at(at, "x-tower", "route"),
                f"service {other} has requests for {spec.route.host}{spec.route.path} already",
                "give one of them another host or path",
            )


def _at(value: Value, *path: str) -> Value:
    for key in path:
        if not isinstance(value.content, dict) or key not in value.content:
            return value
        value = value.content[key]
    return value


def _check_ports(reader: Reader, keys: Keys, spec: ServiceSpec, replicas: int, rules: PlacementRules) -> None:
    fixed = [port.host_port for port in spec.ports if port.host_port]
    if not fixed:
        return
    at = _at(keys.at, "ports")
    if rules.replicas_per_host_max > 1:
        reader.refuse(
            at,
            f"port {fixed[0]} of a host is there once, and max_replicas_per_node is"
            f" {rules.replicas_per_host_max}",
            "leave the host's port out, or set max_replicas_per_node: 1",
        )
    elif replicas > 1:
        reader.warn(
            at,
            f"port {fixed[0]} of a host is there once: {replicas} replicas need as many hosts, and each is"
            " stopped before its successor starts",
            "x-tower.route needs no port of the host",
        )


def _check_strategy(reader: Reader, keys: Keys, spec: ServiceSpec, policy: RolloutPolicy) -> None:
    strategy = policy.shift.strategy
    at = _at(keys.at, "x-tower", "strategy")
    if strategy.is_staged and spec.route is None:
        reader.refuse(at, f"{strategy} moves requests, and there is no route", "add x-tower.route")
    if strategy.is_staged and any(port.host_port for port in spec.ports):
        reader.refuse(
            at,
            f"{strategy} runs both revisions at once, and a port of the host is there once",
            "leave the host's port out: the route needs none",
        )
    writes = [
        volume for volume in spec.volumes if volume.kind is not VolumeKind.TMPFS and not volume.is_read_only
    ]
    if strategy.is_staged and any(volume.source for volume in writes):
        reader.warn(at, f"{strategy} runs both revisions at once, and both write to {writes[0].source}")


def _check_singleton(
    reader: Reader, keys: Keys, spec: ServiceSpec, replicas: int, policy: RolloutPolicy
) -> None:
    if spec.fencing is Fencing.NONE:
        return
    at = _at(keys.at, "x-tower", "singleton")
    if replicas > 1 and at.path.endswith(".singleton"):
        reader.refuse(at, f"a singleton is one, and there are {replicas} replicas", "set deploy.replicas: 1")
    if policy.shift.strategy is not Strategy.ROLLING:
        reader.refuse(
            _at(keys.at, "x-tower", "strategy"),
            f"{policy.shift.strategy} runs two revisions at once, and this may never run twice",
            "leave the strategy out",
        )
    if policy.max_surge:
        reader.refuse(
            _at(keys.at, "deploy", "update_config"),
            "start-first runs the new one beside the old one, and this may never run twice",
            "set order: stop-first",
        )


def _check_health(reader: Reader, keys: Keys, spec: ServiceSpec, policy: RolloutPolicy) -> None:
    check = spec.healthcheck
    if check is None or check.test == ("NONE",):
        # Docker's own, of the image, may be there: that is known once the image is.
        return
    at = _at(keys.at, "healthcheck")
    first_ms = check.start_interval_ms or check.interval_ms
    if spec.route is None and first_ms > CHECK_INTERVAL_MS_MAX:
        reader.warn(
            at,
            f"no new replica is known to be healthy before {first_ms // 1000} s: that holds up every update",
            "set interval: 2s",
        )
    if check.start_period_ms >= policy.start_deadline_ms:
        reader.warn(
            at,
            f"start_period is as long as a replica has for becoming healthy: {policy.start_deadline_ms} ms",
            "set x-tower.start_deadline higher",
        )


def _check_health_of_others(
    reader: Reader, name: str, spec: ServiceSpec, at: Value, services: Collection[str]
) -> None:
    """Whether a service says it is ill when another one is."""
    if spec.healthcheck is None:
        return
    words = " ".join(spec.healthcheck.test)
    for other in sorted(set(services) - {name}):
        if re.search(rf"(//|@|-h |--host[= ]){re.escape(other)}(?![\w.-])", words):
            reader.warn(
                _at(at, "healthcheck", "test"),
                f"it asks {other}: when that is down, every replica of this is unhealthy, and is replaced",
                "test this service alone",
            )


def _writable(spec: ServiceSpec) -> list[VolumeMount]:
    return [
        volume
        for volume in spec.volumes
        if volume.kind is VolumeKind.VOLUME and volume.source and not volume.is_read_only
    ]


def _check_data(reader: Reader, keys: Keys, spec: ServiceSpec, replicas: int) -> None:
    volumes = _writable(spec)
    if not volumes or spec.fencing is not Fencing.NONE:
        return
    name = spec.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    if name in DATABASES:
        reader.warn(
            _at(keys.at, "image"),
            f"{name} keeps its data in {volumes[0].source}, and nothing here keeps it from running twice",
            "set x-tower.singleton: true",
        )
    elif replicas > 1:
        reader.warn(
            _at(keys.at, "volumes"),
            f"a volume is on one host: each replica has a {volumes[0].source} of its host's own, and stays"
            " with it",
        )


def _check_end(reader: Reader, keys: Keys, spec: ServiceSpec, policy: RolloutPolicy) -> None:
    if spec.route is not None and policy.drain_timeout_ms == 0:
        reader.warn(
            _at(keys.at, "x-tower", "drain", "timeout"),
            "requests that are being answered when a replica goes are cut off",
            "set x-tower.drain.timeout to the longest a request takes",
        )
    if policy.pre_deploy and policy.failure_action is FailureAction.ROLLBACK:
        reader.warn(
            _at(keys.at, "x-tower", "hooks", "pre_deploy"),
            "what it does is not undone when the rollout goes back to the old revision, which then meets it",
            "set update_config.failure_action: pause where the old revision could not",
        )

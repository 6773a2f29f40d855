"""One replica as it is to run here, and its container: name, labels, specification. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from agent.docker.references import parse_reference
from agent.keeper.policy import LABEL_CLUSTER, LABEL_FENCED
from agent.ports import ContainerSpec, HealthCheck, HostDevice, Mount, PortMapping, ProcessLimit
from cluster.model.container import RestartRule
from cluster.model.ids import ServiceId
from cluster.model.service import (
    AssignmentKey,
    Fencing,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
    container_name,
)

LABEL_SERVICE = "tower.service"
LABEL_PROJECT = "tower.project"
LABEL_REVISION = "tower.revision"
LABEL_ORDINAL = "tower.ordinal"
LABEL_TOKEN = "tower.token"  # noqa: S105  the fencing token is a log index, no secret
LABEL_ROLLOUT = "tower.rollout"
LABEL_CONFIG = "tower.config"

_NUMBER = re.compile(r"[0-9]{1,19}")

RESTART_POLICY: Literal["unless-stopped"] = "unless-stopped"
"""The engine restarts what ends, also while no agent runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What one container of a service is made from. `named` is its name where that is not a replica's.

    `adopted_id` is the container it may be instead, made by somebody else; `beside` are such containers of
    its project on this host, whose networks it joins so that they find each other by name.
    """

    key: AssignmentKey
    cluster_id: str
    project: str
    name: str
    spec: ServiceSpec
    rollout_id: str = ""
    pull_timeout_s: float = 600.0
    named: str = ""
    adopted_id: str = ""
    beside: tuple[str, ...] = ()

    @property
    def container_name(self) -> str:
        return self.named or container_name(self.key.service_id, self.key.revision, self.key.ordinal)

    @property
    def network(self) -> str:
        """The services of a project reach each other by name in one network of each host."""
        return f"tower-{self.project}"

    @property
    def image(self) -> str:
        """The image by its digest, so that every host runs the same; as written when there is none."""
        reference = parse_reference(self.spec.image)
        if reference is None or not self.spec.digest:
            return self.spec.image
        return f"{reference.repository}@{self.spec.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaLabels:
    """What a container of ours says of itself. `config` tells specifications apart."""

    cluster_id: str
    service_id: ServiceId
    revision: int
    ordinal: int
    token: int
    config: str

    @property
    def container_name(self) -> str:
        return container_name(self.service_id, self.revision, self.ordinal)


def parse_labels(labels: Mapping[str, str]) -> ReplicaLabels | None:
    """Return what the labels say; None for a container that is not ours."""
    numbers = [labels.get(key, "") for key in (LABEL_REVISION, LABEL_ORDINAL, LABEL_TOKEN)]
    # Anybody may label a container, with anything.
    if not labels.get(LABEL_SERVICE) or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    revision, ordinal, token = map(int, numbers)
    return ReplicaLabels(
        cluster_id=labels.get(LABEL_CLUSTER, ""),
        service_id=ServiceId(labels[LABEL_SERVICE]),
        revision=revision,
        ordinal=ordinal,
        token=token,
        config=labels.get(LABEL_CONFIG, ""),
    )


def config_hash(spec: ServiceSpec) -> str:
    """Return a hash of everything a container is made from.

    Fields at their default are left out, so that a version of the agent with more fields finds the same
    hash for what runs already, and replaces nothing.
    """
    text = json.dumps(_set_fields(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _set_fields(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_set_fields(item) for item in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    found = {}
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if (present := getattr(value, field.name)) != default:
            found[field.name] = _set_fields(present)
    return found


def container_spec(
    replica: Replica,
    *,
    token: int,
    address: str,
    files: tuple[Mount, ...] = (),
    other_networks: tuple[str, ...] = (),
) -> ContainerSpec:
    """Return the container to create. `address` is where other hosts reach this one, `files` are its secrets
    and configs, `other_networks` are joined besides the project's own.
    """
    spec = replica.spec
    labels = {
        **dict(spec.labels),
        LABEL_CLUSTER: replica.cluster_id,
        LABEL_SERVICE: replica.key.service_id,
        LABEL_PROJECT: replica.project,
        LABEL_REVISION: str(replica.key.revision),
        LABEL_ORDINAL: str(replica.key.ordinal),
        LABEL_TOKEN: str(token),
        LABEL_CONFIG: config_hash(spec),
    }
    if replica.rollout_id:
        labels[LABEL_ROLLOUT] = replica.rollout_id
    if spec.fencing is not Fencing.NONE:
        labels[LABEL_FENCED] = spec.fencing.value
    resources, options = spec.resources, spec.options
    return ContainerSpec(
        name=replica.container_name,
        image=replica.image,
        command=spec.command,
        environment=dict(spec.environment),
        labels=labels,
        ports=_ports(spec, address),
        mounts=(*(_mount(replica.project, mount) for mount in spec.volumes), *files),
        networks={name: (replica.name,) for name in (replica.network, *other_networks)},
        health_check=_health_check(spec),
        stop_grace_s=math.ceil(spec.stop_grace_period_ms / 1000),
        restart_policy=RESTART_POLICY if _is_restarted_by_engine(spec) else "no",
        memory_limit_bytes=resources.memory_limit_bytes,
        memory_reservation_bytes=resources.memory_reservation_bytes,
        cpu_limit=None if resources.cpu_limit_millis is None else resources.cpu_limit_millis / 1000,
        pids_limit=resources.pids_limit,
        entrypoint=options.entrypoint,
        user=options.user,
        working_dir=options.working_dir,
        hostname=options.hostname,
        domainname=options.domainname,
        init=options.init,
        read_only=options.is_read_only,
        privileged=options.is_privileged,
        no_new_privileges=options.has_no_new_privileges,
        cap_add=options.cap_add,
        cap_drop=options.cap_drop,
        devices=tuple(
            HostDevice(source=device.source, target=device.target, permissions=device.permissions)
            for device in options.devices
        ),
        groups=options.group_add,
        process_limits=tuple(
            ProcessLimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in options.ulimits
        ),
        sysctls=dict(options.sysctls),
        shm_size_bytes=options.shm_size_bytes or None,
        oom_score_adj=options.oom_score_adj or None,
        stop_signal=options.stop_signal,
        extra_hosts=tuple(f"{name}:{address}" for name, address in options.extra_hosts),
        dns=options.dns,
        dns_search=options.dns_search,
        dns_options=options.dns_options,
        log_driver="" if options.log is None else options.log.name,
        log_options={} if options.log is None else dict(options.log.options),
        platform=options.platform,
    )


def _is_restarted_by_engine(spec: ServiceSpec) -> bool:
    """Whether what ended may be started by the engine, at any time.

    A fenced one not: after the host has come back it may run elsewhere. One with a rule of its own neither:
    the engine knows neither windows nor delays.
    """
    return spec.fencing is Fencing.NONE and spec.options.restart == RestartRule()


def _ports(spec: ServiceSpec, address: str) -> tuple[PortMapping, ...]:
    ports = [
        PortMapping(
            container_port=port.container_port,
            protocol=port.protocol.value,
            host_ip=port.host_ip,
            host_port=port.host_port,
        )
        for port in spec.ports
    ]
    if spec.route is not None and not any(
        _reaches(port, spec.route, address) for port in ports if port.host_port is not None
    ):
        everywhere = "::" if ":" in address else "0.0.0.0"  # noqa: S104  the routers of all hosts come here
        ports.append(PortMapping(container_port=spec.route.port, host_ip=everywhere, host_port=0))
    return tuple(ports)


def _reaches(port: PortMapping, route: Route, address: str) -> bool:
    return (
        port.container_port == route.port
        and port.protocol == "tcp"
        and port.host_ip in ("", "0.0.0.0", "::", address)  # noqa: S104  compared, not bound
    )


def route_port(ports: tuple[PortMapping, ...], route: Route, address: str) -> int:
    """Return the host's port at which the route's replica answers; 0 while it has none."""
    for port in ports:
        if port.host_port and _reaches(port, route, address):
            return port.host_port
    return 0


def _mount(project: str, mount: VolumeMount) -> Mount:
    source = mount.source
    if mount.kind is VolumeKind.VOLUME and source:
        # As Compose names them, so that a project that was deployed with Compose finds its data.
        source = f"{project}_{source}"
    return Mount(
        kind=mount.kind.value,
        target=mount.target,
        source=source,
        read_only=mount.is_read_only,
        size_bytes=mount.memory_size_bytes or None,
        mode=mount.memory_mode or None,
        no_copy=mount.is_copy_off,
    )


def _health_check(spec: ServiceSpec) -> HealthCheck | None:
    check = spec.healthcheck
    if check is None:
        return None
    return HealthCheck(
        test=check.test,
        interval_s=check.interval_ms / 1000,
        timeout_s=check.timeout_ms / 1000,
        start_period_s=check.start_period_ms / 1000,
        retries=check.retries,
        start_interval_s=check.start_interval_ms / 1000 or None,
    )

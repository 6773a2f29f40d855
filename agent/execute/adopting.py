"""From a container that somebody else made to the specification of a service. Pure.

The inverse of `container_spec`, as far as there is one: the rest is named in words, because whoever deploys
the service again loses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.docker.references import parse_reference
from agent.keeper.policy import LABEL_CLUSTER
from agent.ports import Container, ContainerDetail, ContainerSpec, Health, HealthCheck, MadeFrom, Mount
from cluster.model.adoption import LOSSES_MAX, FoundContainer
from cluster.model.container import (
    ContainerOptions,
    Device,
    LogDriver,
    RestartCondition,
    RestartRule,
    Ulimit,
)
from cluster.model.service import (
    HealthCheck as SpecHealthCheck,
)
from cluster.model.service import (
    PortProtocol,
    PublishedPort,
    Resources,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)

_COMPOSE_LABELS = "com.docker.compose."
_ID = re.compile(r"[^a-z0-9_-]+")
_GRACE_DEFAULT_S = 10
ID_CHARS_MIN = 12
_HEALTH_DEFAULT_MS = 30_000


def found_container(detail: ContainerDetail, made: MadeFrom) -> FoundContainer:
    """Return what the container would be as a replica."""
    compose = detail.compose
    project, service = ("", "") if compose is None else (compose.project, compose.service)
    spec: ServiceSpec | None = None
    refusal = _refusal(detail, made.spec)
    losses: tuple[str, ...] = ()
    if not refusal:
        try:
            spec, losses = service_spec_of(made, project or own_name(detail.name))
        except ValueError as error:
            refusal = f"a setting of it is none a service may have: {error}"
    return FoundContainer(
        container_id=detail.id,
        name=detail.name,
        project=project,
        service=service,
        number=0 if compose is None or compose.number is None else compose.number,
        image_id=made.image_id,
        state=detail.state.value,
        started_at_ms=detail.started_at_ms or 0,
        spec=spec,
        losses=losses[:LOSSES_MAX],
        refusal=refusal[:1024],
    )


def is_meant(container: Container, names: tuple[str, ...]) -> bool:
    """Whether one of the names is the container's, its project's, or the beginning of its id."""
    project = "" if container.compose is None else container.compose.project
    return any(
        name in (container.name, project) or (len(name) >= ID_CHARS_MIN and container.id.startswith(name))
        for name in names
    )


def own_name(name: str) -> str:
    """Return a container's name as a project's or service's."""
    return _ID.sub("-", name.lower()).strip("-_") or "container"


def service_spec_of(made: MadeFrom, project: str) -> tuple[ServiceSpec, tuple[str, ...]]:
    """Return the specification, and in words what it leaves out. Raises ValueError.

    Named volumes are those of `project`: the prefix Compose gives them is left out.
    """
    given = made.spec
    losses = [*made.lost, *_network_losses(given, project)]
    volumes, volume_losses = _volumes(given.mounts, project)
    losses += volume_losses
    spec = ServiceSpec(
        image=given.image,
        digest=_digest(made),
        command=given.command,
        environment=tuple(sorted(given.environment.items())),
        ports=tuple(
            PublishedPort(
                container_port=port.container_port,
                protocol=PortProtocol(port.protocol),
                host_port=port.host_port,
                host_ip=port.host_ip,
            )
            for port in given.ports
        ),
        volumes=volumes,
        healthcheck=_health_check(given.health_check),
        resources=Resources(
            cpu_limit_millis=None if given.cpu_limit is None else max(1, round(given.cpu_limit * 1000)),
            memory_limit_bytes=given.memory_limit_bytes,
            memory_reservation_bytes=given.memory_reservation_bytes,
            pids_limit=given.pids_limit,
        ),
        labels=tuple(
            sorted((key, value) for key, value in given.labels.items() if not key.startswith(_COMPOSE_LABELS))
        ),
        stop_grace_period_ms=1000 * (_GRACE_DEFAULT_S if given.stop_grace_s is None else given.stop_grace_s),
        options=_options(given, made.restarts_max),
    )
    return spec, tuple(losses)


def _refusal(detail: ContainerDetail, spec: ContainerSpec) -> str:
    if LABEL_CLUSTER in detail.labels:
        return "it is a container of Control Tower already"
    if not detail.state.has_processes:
        return f"it is {detail.state}: start it first"
    if detail.health is Health.UNHEALTHY:
        return "its health check fails: mend it first"
    if spec.network_mode == "host":
        return "it uses the host's own network, which a service cannot"
    if spec.network_mode.startswith("container:"):
        return "it shares another container's network, which a service cannot"
    return ""


def _digest(made: MadeFrom) -> str:
    """The digest the running image has in the registry it is called by; "" when it was never pulled."""
    reference = parse_reference(made.spec.image)
    for digest in made.image_digests:
        repository, _, value = digest.partition("@")
        if reference is not None and repository == reference.repository:
            return value
    return ""


def _network_losses(given: ContainerSpec, project: str) -> Iterator[str]:
    if given.network_mode == "none":
        yield "that it has no network"
    for name in given.networks:
        if name not in ("bridge", f"{project}_default"):
            yield f"its place in the network {name}: the services of a project share one of its own"


def _volumes(mounts: tuple[Mount, ...], project: str) -> tuple[tuple[VolumeMount, ...], list[str]]:
    volumes, losses = [], []
    prefix = f"{project}_"
    for mount in mounts:
        source = mount.source
        if mount.kind not in ("volume", "bind", "tmpfs"):
            losses.append(f"the mount of kind {mount.kind} at {mount.target}")
            continue
        if mount.kind == "volume" and source:
            if source.startswith(prefix):
                source = source.removeprefix(prefix)
            else:
                losses.append(
                    f"what is in the volume {source} at {mount.target}: a replica's would be {prefix}{source}"
                )
        volumes.append(
            VolumeMount(
                kind=VolumeKind(mount.kind),
                target=mount.target,
                source=source,
                is_read_only=mount.read_only,
                memory_size_bytes=mount.size_bytes or 0,
                memory_mode=mount.mode or 0,
                is_copy_off=mount.no_copy,
            )
        )
    return tuple(volumes), losses


def _health_check(check: HealthCheck | None) -> SpecHealthCheck | None:
    if check is None:
        return None

    def ms(seconds: float | None, default_ms: int) -> int:
        return default_ms if seconds is None else max(1, round(seconds * 1000))

    return SpecHealthCheck(
        test=check.test,
        interval_ms=ms(check.interval_s, _HEALTH_DEFAULT_MS),
        timeout_ms=ms(check.timeout_s, _HEALTH_DEFAULT_MS),
        retries=check.retries or 3,
        start_period_ms=ms(check.start_period_s, 0),
        start_interval_ms=ms(check.start_interval_s, 0),
    )


def _options(given: ContainerSpec, restarts_max: int) -> ContainerOptions:
    restart = RestartRule()
    if given.restart_policy == "no":
        restart = RestartRule(condition=RestartCondition.NONE)
    if given.restart_policy == "on-failure":
        restart = RestartRule(condition=RestartCondition.ON_FAILURE, attempts_max=restarts_max)
    return ContainerOptions(
        entrypoint=given.entrypoint,
        user=given.user,
        working_dir=given.working_dir,
        hostname=given.hostname,
        domainname=given.domainname,
        init=given.init,
        is_read_only=given.read_only,
        is_privileged=given.privileged,
        has_no_new_privileges=given.no_new_privileges,
        cap_add=given.cap_add,
        cap_drop=given.cap_drop,
        devices=tuple(
            Device(source=device.source, target=device.target, permissions=device.permissions)
            for device in given.devices
        ),
        group_add=given.groups,
        ulimits=tuple(
            Ulimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in given.process_limits
        ),
        sysctls=tuple(sorted(given.sysctls.items())),
        shm_size_bytes=given.shm_size_bytes or 0,
        oom_score_adj=given.oom_score_adj or 0,
        stop_signal=given.stop_signal,
        extra_hosts=tuple(
            (name, address) for name, _, address in (each.partition(":") for each in given.extra_hosts)
        ),
        dns=given.dns,
        dns_search=given.dns_search,
        dns_options=given.dns_options,
        log=LogDriver(name=given.log_driver, options=tuple(sorted(given.log_options.items())))
        if given.log_driver
        else None,
        restart=restart,
    )

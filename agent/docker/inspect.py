"""Docker's JSON to the agent's values. Pure; the TypedDicts list every field that is read.

Shapes are those of the Docker Engine API 1.41 (20.10) and later; fields that newer or older
engines leave out, or give as null, fall back to "not known". A reply without an id, or of another
JSON type altogether, is a ReplyMalformed: the adapter turns it into a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, cast

from agent.ports import (
    ComposeRef,
    ConnectedNetwork,
    Container,
    ContainerDetail,
    ContainerState,
    ContainerUsage,
    EngineDiskUsage,
    EngineEvent,
    EngineInfo,
    Health,
    HealthProbe,
    Image,
    Mount,
    Network,
    PortMapping,
    PullProgress,
    RemoteImage,
    Volume,
)
from cluster.model.readiness import ImageConfig

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"
COMPOSE_WORKING_DIR = "com.docker.compose.project.working_dir"
COMPOSE_CONFIG_FILES = "com.docker.compose.project.config_files"


class ReplyMalformed(Exception):
    """The engine's reply does not have the shape the API documents."""


# ---- the fields read --------------------------------------------------------------------------


class PortJson(TypedDict, total=False):
    IP: str
    PrivatePort: int
    PublicPort: int
    Type: str


class MountJson(TypedDict, total=False):
    Type: str
    Name: str
    Source: str
    Destination: str
    RW: bool


class EndpointJson(TypedDict, total=False):
    NetworkID: str
    IPAddress: str
    GlobalIPv6Address: str


class NetworkSettingsJson(TypedDict, total=False):
    Networks: Mapping[str, EndpointJson | None] | None
    Ports: Mapping[str, Sequence[Mapping[str, str]] | None] | None


class ContainerListJson(TypedDict, total=False):
    Id: str
    Names: Sequence[str] | None
    Image: str
    ImageID: str
    Command: str
    Created: int
    State: str
    Status: str
    Health: Mapping[str, Any] | None
    Labels: Mapping[str, str] | None
    Ports: Sequence[PortJson] | None
    Mounts: Sequence[MountJson] | None
    HostConfig: Mapping[str, Any] | None
    NetworkSettings: NetworkSettingsJson | None


class HealthLogJson(TypedDict, total=False):
    Start: str
    ExitCode: int
    Output: str


class HealthJson(TypedDict, total=False):
    Status: str
    Log: Sequence[HealthLogJson] | None


class StateJson(TypedDict, total=False):
    Status: str
    Pid: int
    ExitCode: int
    OOMKilled: bool
    Error: str
    StartedAt: str
    FinishedAt: str
    Health: HealthJson | None


class ConfigJson(TypedDict, total=False):
    Image: str
    Hostname: str
    User: str
    WorkingDir: str
    Tty: bool
    Env: Sequence[str] | None
    Cmd: Sequence[str] | None
    Entrypoint: Sequence[str] | None
    Labels: Mapping[str, str] | None
    StopSignal: str
    StopTimeout: int | None


class HostConfigJson(TypedDict, total=False):
    NetworkMode: str
    Privileged: bool
    CgroupParent: str
    Memory: int
    NanoCpus: int
    CpuQuota: int
    CpuPeriod: int
    PidsLimit: int | None
    RestartPolicy: Mapping[str, Any] | None
    LogConfig: Mapping[str, Any] | None


class ContainerJson(TypedDict, total=False):
    Id: str
    Name: str
    Image: str
    Path: str
    Args: Sequence[str] | None
    Created: str
    Platform: str
    RestartCount: int
    SizeRw: int
    State: StateJson
    Config: ConfigJson
    HostConfig: HostConfigJson
    NetworkSettings: NetworkSettingsJson
    Mounts: Sequence[MountJson] | None


class ImageConfigJson(TypedDict, total=False):
    Labels: Mapping[str, str] | None
    Entrypoint: Sequence[str] | None
    Cmd: Sequence[str] | None
    User: str
    StopSignal: str
    ExposedPorts: Mapping[str, object] | None
    Healthcheck: Mapping[str, Sequence[str]] | None


class PlatformJson(TypedDict, total=False):
    os: str
    architecture: str
    variant: str


class ImageJson(TypedDict, total=False):
    Id: str
    RepoTags: Sequence[str] | None
    RepoDigests: Sequence[str] | None
    Created: int | str
    Size: int
    Labels: Mapping[str, str] | None
    Config: ImageConfigJson | None
    Os: str
    Architecture: str
    Variant: str


class VolumeJson(TypedDict, total=False):
    Name: str
    Driver: str
    Mountpoint: str
    CreatedAt: str
    Labels: Mapping[str, str] | None


class NetworkJson(TypedDict, total=False):
    Id: str
    Name: str
    Driver: str
    Scope: str
    Internal: bool
    Created: str
    Labels: Mapping[str, str] | None
    IPAM: Mapping[str, Any] | None


class InfoJson(TypedDict, total=False):
    ID: str
    Name: str
    ServerVersion: str
    OSType: str
    OperatingSystem: str
    Architecture: str
    KernelVersion: str
    NCPU: int
    MemTotal: int
    DockerRootDir: str
    Driver: str
    CgroupDriver: str
    CgroupVersion: str
    Containers: int
    ContainersRunning: int
    Images: int
    LiveRestoreEnabled: bool
    Swarm: Mapping[str, Any] | None
    Warnings: Sequence[str] | None


class EventJson(TypedDict, total=False):
    Type: str
    Action: str
    Actor: Mapping[str, Any] | None
    time: int
    timeNano: int


class ProgressJson(TypedDict, total=False):
    status: str
    id: str
    progressDetail: Mapping[str, int] | None


# ---- parsing ----------------------------------------------------------------------------------


def parse_containers(reply: object) -> tuple[Container, ...]:
    """Parse GET /containers/json, sorted by name."""
    return tuple(sorted((_container(item) for item in _items(reply)), key=lambda c: (c.name, c.id)))


def _container(item: Mapping[str, Any]) -> Container:
    json = cast(ContainerListJson, item)
    labels = _labels(json.get("Labels"))
    status = json.get("Status", "")
    ports = (
        PortMapping(
            container_port=port.get("PrivatePort", 0),
            protocol=_protocol(port.get("Type", "tcp")),
            host_ip=port.get("IP", ""),
            host_port=port.get("PublicPort"),
        )
        for port in json.get("Ports") or ()
    )
    return Container(
        id=_id(item),
        name=_list_name(json.get("Names") or ()),
        image=json.get("Image", ""),
        image_id=json.get("ImageID", ""),
        command=json.get("Command", ""),
        state=_state(json.get("State", "")),
        health=_listed_health(json.get("Health"), status),
        status=status,
        created_at_ms=json.get("Created", 0) * 1000,
        labels=labels,
        ports=_sorted_ports(ports),
        mounts=_mounts(json.get("Mounts")),
        networks=_connected(json.get("NetworkSettings")),
        network_mode=str((json.get("HostConfig") or {}).get("NetworkMode", "")),
        compose=compose_ref(labels),
    )


def parse_container(reply: object) -> ContainerDetail:
    """Parse GET /containers/{id}/json."""
    item = _object(reply)
    json = cast(ContainerJson, item)
    state = json.get("State") or {}
    config = json.get("Config") or {}
    host = json.get("HostConfig") or {}
    settings = json.get("NetworkSettings") or {}
    labels = _labels(config.get("Labels"))
    health = state.get("Health") or {}
    arguments = tuple(json.get("Args") or ())
    container_state = _state(state.get("Status", ""))
    return ContainerDetail(
        id=_id(item),
        name=json.get("Name", "").removeprefix("/"),
        image=config.get("Image", ""),
        image_id=json.get("Image", ""),
        command=" ".join((json.get("Path", ""), *arguments)).strip(),
        state=container_state,
        health=_health(health.get("Status", "")),
        status=container_state.value,
        created_at_ms=parse_time_ms(json.get("Created", "")) or 0,
        labels=labels,
        ports=_inspected_ports(settings.get("Ports")),
        mounts=_mounts(json.get("Mounts")),
        networks=_connected(settings),
        network_mode=host.get("NetworkMode", ""),
        compose=compose_ref(labels),
        pid=state.get("Pid", 0),
        exit_code=state.get("ExitCode", 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error", ""),
        started_at_ms=parse_time_ms(state.get("StartedAt", "")),
        finished_at_ms=parse_time_ms(state.get("FinishedAt", "")),
        restart_count=json.get("RestartCount", 0),
        restart_policy=str((host.get("RestartPolicy") or {}).get("Name", "")) or "no",
        tty=bool(config.get("Tty")),
        privileged=bool(host.get("Privileged")),
        user=config.get("User", ""),
        working_dir=config.get("WorkingDir", ""),
        hostname=config.get("Hostname", ""),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        arguments=tuple(config.get("Cmd") or ()),
        environment=_environment(config.get("Env") or ()),
        stop_signal=config.get("StopSignal", ""),
        stop_grace_s=config.get("StopTimeout"),
        memory_limit_bytes=host.get("Memory") or None,
        cpu_limit=_cpu_limit(host),
        pids_limit=_positive(host.get("PidsLimit")),
        cgroup_parent=host.get("CgroupParent", ""),
        log_driver=str((host.get("LogConfig") or {}).get("Type", "")),
        platform=json.get("Platform", ""),
        size_rw_bytes=json.get("SizeRw"),
        health_log=tuple(
            HealthProbe(
                started_at_ms=parse_time_ms(entry.get("Start", "")) or 0,
                exit_code=entry.get("ExitCode", 0),
                output=entry.get("Output", ""),
            )
            for entry in health.get("Log") or ()
        ),
    )


def parse_images(reply: object) -> tuple[Image, ...]:
    """Parse GET /images/json, sorted by id."""
    return tuple(sorted((parse_image(item) for item in _items(reply)), key=lambda image: image.id))


def parse_image(reply: object) -> Image:
    """Parse one image, of the list or of GET /images/{name}/json (which has Created as text)."""
    item = _object(reply)
    json = cast(ImageJson, item)
    created = json.get("Created", 0)
    labels = json.get("Labels")
    if labels is None:
        labels = (json.get("Config") or {}).get("Labels")
    return Image(
        id=_id(item),
        tags=tuple(sorted(tag for tag in json.get("RepoTags") or () if tag != "<none>:<none>")),
        digests=tuple(sorted(ref for ref in json.get("RepoDigests") or () if not ref.startswith("<none>"))),
        size_bytes=json.get("Size", 0),
        created_at_ms=created * 1000 if isinstance(created, int) else parse_time_ms(created) or 0,
        labels=_labels(labels),
        platform="/".join(filter(None, (json.get("Os"), json.get("Architecture"), json.get("Variant")))),
        config=_image_config(json.get("Config")),
    )


def _image_config(config: ImageConfigJson | None) -> ImageConfig | None:
    if config is None:
        return None
    ports = {port.partition("/")[0] for port in config.get("ExposedPorts") or ()}
    test = (config.get("Healthcheck") or {}).get("Test") or []
    return ImageConfig(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        stop_signal=config.get("StopSignal") or "",
        ports=tuple(sorted(int(port) for port in ports if port.isdigit())),
        has_healthcheck=bool(test) and test[0] != "NONE",
    )


def parse_remote_image(reply: object) -> RemoteImage:
    """Parse GET /distribution/{name}/json. A registry that names no platform gives one that is empty."""
    item = _object(reply)
    platforms = set()
    for each in _items(item.get("Platforms") or ()):
        json = cast(PlatformJson, each)
        parts = (json.get("os"), json.get("architecture"), json.get("variant"))
        platforms.add("/".join(part for part in parts if part))
    descriptor = _object(item.get("Descriptor") or {})
    return RemoteImage(
        digest=str(descriptor.get("digest", "")), platforms=tuple(sorted(platforms - {"", "unknown/unknown"}))
    )


def parse_volumes(reply: object) -> tuple[Volume, ...]:
    """Parse GET /volumes, sorted by name."""
    volumes = []
    for item in _items(_object(reply).get("Volumes") or ()):
        json = cast(VolumeJson, item)
        labels = _labels(json.get("Labels"))
        volumes.append(
            Volume(
                name=json.get("Name", ""),
                driver=json.get("Driver", ""),
                mountpoint=json.get("Mountpoint", ""),
                created_at_ms=parse_time_ms(json.get("CreatedAt", "")),
                labels=labels,
                compose_project=labels.get(COMPOSE_PROJECT, ""),
            )
        )
    return tuple(sorted(volumes, key=lambda volume: volume.name))


def parse_networks(reply: object) -> tuple[Network, ...]:
    """Parse GET /networks, sorted by name, then id: names need not be unique."""
    networks = []
    for item in _items(reply):
        json = cast(NetworkJson, item)
        labels = _labels(json.get("Labels"))
        pools = (json.get("IPAM") or {}).get("Config") or ()
        networks.append(
            Network(
                id=_id(item),
                name=json.get("Name", ""),
                driver=json.get("Driver", ""),
                scope=json.get("Scope", ""),
                internal=bool(json.get("Internal")),
                subnets=tuple(pool["Subnet"] for pool in pools if pool.get("Subnet")),
                created_at_ms=parse_time_ms(json.get("Created", "")),
                labels=labels,
                compose_project=labels.get(COMPOSE_PROJECT, ""),
            )
        )
    return tuple(sorted(networks, key=lambda network: (network.name, network.id)))


def parse_disk_usage(reply: object) -> EngineDiskUsage:
    """Parse GET /system/df. A size of -1 is one that was not counted."""
    item = _object(reply)
    volumes = {
        str(each.get("Name", "")): (each.get("UsageData") or {}).get("Size", -1)
        for each in _items(item.get("Volumes") or ())
    }
    shared = {_id(each): each.get("SharedSize", -1) for each in _items(item.get("Images") or ())}
    return EngineDiskUsage(
        layers_bytes=item.get("LayersSize") or 0,
        containers_bytes=sum(each.get("SizeRw") or 0 for each in _items(item.get("Containers") or ())),
        build_cache_bytes=sum(each.get("Size") or 0 for each in _items(item.get("BuildCache") or ())),
        volumes={name: size for name, size in volumes.items() if size >= 0},
        shared={image_id: size for image_id, size in shared.items() if size >= 0},
    )


def parse_info(reply: object, *, api_version: str) -> EngineInfo:
    """Parse GET /info."""
    json = cast(InfoJson, _object(reply))
    cgroup_version = json.get("CgroupVersion", "1")
    return EngineInfo(
        engine_id=json.get("ID", ""),
        name=json.get("Name", ""),
        version=json.get("ServerVersion", ""),
        api_version=api_version,
        os=json.get("OperatingSystem", ""),
        arch=json.get("Architecture", ""),
        kernel=json.get("KernelVersion", ""),
        cpu_count=json.get("NCPU", 0),
        memory_bytes=json.get("MemTotal", 0),
        root_dir=json.get("DockerRootDir", ""),
        storage_driver=json.get("Driver", ""),
        cgroup_driver=json.get("CgroupDriver", ""),
        cgroup_version=int(cgroup_version) if cgroup_version.isdigit() else 1,
        containers_running=json.get("ContainersRunning", 0),
        containers_total=json.get("Containers", 0),
        images_total=json.get("Images", 0),
        swarm_active=(json.get("Swarm") or {}).get("LocalNodeState") == "active",
        live_restore=bool(json.get("LiveRestoreEnabled")),
        warnings=tuple(json.get("Warnings") or ()),
    )


def parse_event(reply: object) -> EngineEvent:
    """Parse one line of GET /events."""
    json = cast(EventJson, _object(reply))
    actor = json.get("Actor") or {}
    attributes = _labels(actor.get("Attributes"))
    action, _, detail = json.get("Action", "").partition(":")
    return EngineEvent(
        kind=json.get("Type", ""),
        action=action,
        id=str(actor.get("ID", "")),
        name=attributes.get("name", ""),
        at_ns=json.get("timeNano") or json.get("time", 0) * 1_000_000_000,
        detail=detail.strip(),
        attributes=attributes,
    )


def parse_progress(reply: object) -> PullProgress:
    """Parse one line of POST /images/create."""
    json = cast(ProgressJson, _object(reply))
    detail = json.get("progressDetail") or {}
    return PullProgress(
        status=json.get("status", ""),
        layer=json.get("id", ""),
        current_bytes=detail.get("current"),
        total_bytes=detail.get("total"),
    )


def parse_usage(reply: object) -> ContainerUsage:
    """Parse GET /containers/{id}/stats. Windows' fields and the engine's own percentages are ignored."""
    json = _object(reply)
    cpu = json.get("cpu_stats") or {}
    memory = json.get("memory_stats") or {}
    networks = (json.get("networks") or {}).values()
    blocks = (json.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    running = bool((cpu.get("cpu_usage") or {}).get("total_usage"))
    return ContainerUsage(
        cpu_ns=cpu["cpu_usage"]["total_usage"] if running else None,
        memory_bytes=_working_set(memory),
        memory_limit_bytes=_memory_limit(memory.get("limit")),
        throttled_ns=(cpu.get("throttling_data") or {}).get("throttled_time") if running else None,
        rx_bytes=sum(network.get("rx_bytes", 0) for network in networks) if networks else None,
        tx_bytes=sum(network.get("tx_bytes", 0) for network in networks) if networks else None,
        read_bytes=_block_bytes(blocks, "read"),
        write_bytes=_block_bytes(blocks, "write"),
        pids=(json.get("pids_stats") or {}).get("current"),
    )


def _working_set(memory: Mapping[str, Any]) -> int | None:
    usage = memory.get("usage")
    if usage is None:
        return None
    stats = memory.get("stats") or {}
    # cgroup v1 says total_inactive_file, v2 inactive_file; both exist on v1, where the plain one
    # leaves out child groups.
    inactive = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return max(0, int(usage) - int(inactive))


# An unlimited group on cgroup v1 reports the largest page-aligned 63-bit number.
MEMORY_UNLIMITED = 1 << 62


def _memory_limit(limit: object) -> int | None:
    return limit if isinstance(limit, int) and 0 < limit < MEMORY_UNLIMITED else None


def _block_bytes(entries: Sequence[Mapping[str, Any]] | None, operation: str) -> int | None:
    if entries is None:
        return None
    return sum(int(entry["value"]) for entry in entries if str(entry.get("op", "")).lower() == operation)


def compose_ref(labels: Mapping[str, str]) -> ComposeRef | None:
    """Return the Compose project and service the labels name; None outside of Compose."""
    project = labels.get(COMPOSE_PROJECT, "")
    if not project:
        return None
    number = labels.get(COMPOSE_NUMBER, "")
    return ComposeRef(
        project=project,
        service=labels.get(COMPOSE_SERVICE, ""),
        number=int(number) if number.isdigit() else None,
        working_dir=labels.get(COMPOSE_WORKING_DIR, ""),
        config_files=tuple(file for file in labels.get(COMPOSE_CONFIG_FILES, "").split(",") if file),
    )


# Go writes up to nine fractional digits and "Z" or an offset; datetime takes six digits.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def parse_time_ns(text: str) -> int | None:
    """Return RFC 3339 `text` as epoch nanoseconds; None for Go's zero time and for anything else."""
    match = _TIME.fullmatch(text)
    if match is None or text.startswith("0001-"):
        return None
    try:
        moment = datetime.fromisoformat(match[1] + ("+00:00" if match[3] == "Z" else match[3]))
    except ValueError:
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return int(seconds) * 1_000_000_000 + int((match[2] or "0")[:9].ljust(9, "0"))


def parse_time_ms(text: str) -> int | None:
    """Return RFC 3339 `text` as epoch milliseconds; None for Go's zero time and for anything else."""
    nanoseconds = parse_time_ns(text)
    return None if nanoseconds is None else nanoseconds // 1_000_000


# ---- pieces -----------------------------------------------------------------------------------


def _object(reply: object) -> Mapping[str, Any]:
    if not isinstance(reply, Mapping):
        raise ReplyMalformed(f"expected a JSON object, got {type(reply).__name__}")
    return reply


def _items(reply: object) -> Sequence[Mapping[str, Any]]:
    if reply is None:
        return ()
    if not isinstance(reply, Sequence) or isinstance(reply, str | bytes):
        raise ReplyMalformed(f"expected a JSON list, got {type(reply).__name__}")
    return [_object(item) for item in reply]


def _id(item: Mapping[str, Any]) -> str:
    value = item.get("Id")
    if not isinstance(value, str) or not value:
        raise ReplyMalformed("an object without an Id")
    return value


def _labels(labels: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (labels or {}).items()}


def _list_name(names: Sequence[str]) -> str:
    # Legacy links appear as "/other/alias"; the container's own name has one slash.
    own = [name for name in names if name.count("/") == 1]
    return (own or list(names) or [""])[0].removeprefix("/")


def _state(text: str) -> ContainerState:
    try:
        return ContainerState(text.lower())
    except ValueError:
        return ContainerState.DEAD


def _health(text: str) -> Health:
    try:
        return Health(text.lower() or "none")
    except ValueError:
        return Health.NONE


_STATUS_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)$")


def _listed_health(health: Mapping[str, Any] | None, status: str) -> Health:
    # Lists have a Health object from API 1.52 on; before, only the text says it.
    if health:
        return _health(str(health.get("Status", "")))
    match = _STATUS_HEALTH.search(status)
    return Health(match[1]) if match else Health.NONE


def _protocol(text: str) -> Literal["tcp", "udp", "sctp"]:
    return cast(Literal["tcp", "udp", "sctp"], text if text in ("tcp", "udp", "sctp") else "tcp")


def _sorted_ports(ports: Any) -> tuple[PortMapping, ...]:
    return tuple(
        sorted(
            ports,
            key=lambda p: (
                p.container_port,
                p.protocol,
                p.host_ip,
                -1 if p.host_port is None else p.host_port,
            ),
        )
    )


def _inspected_ports(
    ports: Mapping[str, Sequence[Mapping[str, str]] | None] | None,
) -> tuple[PortMapping, ...]:
    mappings = []
    for spec, bindings in (ports or {}).items():
        number, _, protocol = spec.partition("/")
        if not number.isdigit():
            continue
        for binding in bindings or ({},):
            host_port = binding.get("HostPort", "")
            mappings.append(
                PortMapping(
                    container_port=int(number),
                    protocol=_protocol(protocol),
                    host_ip=binding.get("HostIp", ""),
                    host_port=int(host_port) if host_port.isdigit() else None,
                )
            )
    return _sorted_ports(mappings)


def _mounts(mounts: Sequence[MountJson] | None) -> tuple[Mount, ...]:
    parsed = (
        Mount(
            kind=mount.get("Type", "bind"),
            target=mount.get("Destination", ""),
            source=mount.get("Name") or mount.get("Source", ""),
            read_only=not mount.get("RW", True),
        )
        for mount in mounts or ()
    )
    return tuple(sorted(parsed, key=lambda mount: mount.target))


def _connected(settings: NetworkSettingsJson | None) -> tuple[ConnectedNetwork, ...]:
    networks = (settings or {}).get("Networks") or {}
    return tuple(
        ConnectedNetwork(
            name=name,
            network_id=(endpoint or {}).get("NetworkID", ""),
            ip_address=(endpoint or {}).get("IPAddress", ""),
            ipv6_address=(endpoint or {}).get("GlobalIPv6Address", ""),
        )
        for name, endpoint in sorted(networks.items())
    )


def _environment(entries: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _cpu_limit(host: HostConfigJson) -> float | None:
    if nano := host.get("NanoCpus", 0):
        return nano / 1e9
    quota, period = host.get("CpuQuota", 0), host.get("CpuPeriod", 0) or 100_000
    return quota / period if quota > 0 else None


def _positive(number: int | None) -> int | None:
    return number if number is not None and number > 0 else None

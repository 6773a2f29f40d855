"""What we ask of Docker, as its JSON. Pure (Docker Engine API 1.41, ContainerCreate)."""

from __future__ import annotations

import base64
import json
from typing import Any

from agent.ports import ContainerSpec, HealthCheck, Mount, PortMapping, RegistryAuth

_NS_PER_S = 1_000_000_000


def render_container(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of POST /containers/create.

    Only the first network is in it: engines before API 1.44 refuse a second one, so the others
    are connected afterwards, before the start.
    """
    body: dict[str, Any] = {
        "Image": spec.image,
        "Cmd": _list(spec.command),
        "Entrypoint": _list(spec.entrypoint),
        "Env": [f"{name}={value}" for name, value in sorted(spec.environment.items())],
        "Labels": dict(sorted(spec.labels.items())),
        "Hostname": spec.hostname,
        "Domainname": spec.domainname,
        "User": spec.user,
        "WorkingDir": spec.working_dir,
        "StopSignal": spec.stop_signal,
        "StopTimeout": spec.stop_grace_s,
        "ExposedPorts": {_port_key(port): {} for port in spec.ports},
        "Healthcheck": render_health_check(spec.health_check) if spec.health_check else None,
        "HostConfig": _host_config(spec),
    }
    for name, aliases in list(spec.networks.items())[:1]:
        body["NetworkingConfig"] = {"EndpointsConfig": {name: render_endpoint(aliases)}}
    return _without_unset(body)


def render_endpoint(aliases: tuple[str, ...]) -> dict[str, Any]:
    """Return the endpoint settings of one network: the names it is known by there."""
    return {"Aliases": list(aliases)} if aliases else {}


def render_health_check(check: HealthCheck) -> dict[str, Any]:
    """Return a HealthConfig; durations are nanoseconds and 0 inherits the image's."""
    return _without_unset(
        {
            "Test": list(check.test),
            "Interval": _ns(check.interval_s),
            "Timeout": _ns(check.timeout_s),
            "StartPeriod": _ns(check.start_period_s),
            "Retries": check.retries,
            # Known since API 1.44; older engines overlook it.
            "StartInterval": _ns(check.start_interval_s),
        }
    )


def render_auth(auth: RegistryAuth, *, registry: str) -> str:
    """Return the X-Registry-Auth header: URL-safe base64 of JSON."""
    login = {
        "username": auth.username,
        "password": auth.password,
        "serveraddress": auth.server or registry,
    }
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode("ascii")


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "NetworkMode": spec.network_mode or next(iter(spec.networks), ""),
        "PortBindings": _port_bindings(spec.ports),
        "Mounts": [_mount(mount) for mount in spec.mounts],
        "RestartPolicy": {"Name": spec.restart_policy},
        "Memory": spec.memory_limit_bytes,
        "MemoryReservation": spec.memory_reservation_bytes,
        "NanoCpus": round(spec.cpu_limit * 1e9) if spec.cpu_limit is not None else None,
        "PidsLimit": spec.pids_limit,
        "Init": spec.init,
        "ReadonlyRootfs": spec.read_only or None,
        "Privileged": spec.privileged or None,
        "CapAdd": list(spec.cap_add),
        "CapDrop": list(spec.cap_drop),
        "ExtraHosts": list(spec.extra_hosts),
        "SecurityOpt": ["no-new-privileges:true"] if spec.no_new_privileges else None,
        "Devices": [
            {
                "PathOnHost": device.source,
                "PathInContainer": device.target,
                "CgroupPermissions": device.permissions,
            }
            for device in spec.devices
        ],
        "GroupAdd": list(spec.groups),
        "Ulimits": [
            {"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in spec.process_limits
        ],
        "Sysctls": dict(sorted(spec.sysctls.items())),
        "ShmSize": spec.shm_size_bytes,
        "OomScoreAdj": spec.oom_score_adj,
        "Dns": list(spec.dns),
        "DnsSearch": list(spec.dns_search),
        "DnsOptions": list(spec.dns_options),
        "LogConfig": {"Type": spec.log_driver, "Config": dict(sorted(spec.log_options.items()))},
    }


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "Type": mount.kind,
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only or None,
        "TmpfsOptions": {"SizeBytes": mount.size_bytes, "Mode": mount.mode},
        "VolumeOptions": {"NoCopy": mount.no_copy or None},
    }


def _port_bindings(ports: tuple[PortMapping, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        if port.host_port is not None:
            # "" lets the engine choose; "0" does too, but is shown back as given by some versions.
            published = str(port.host_port) if port.host_port else ""
            bindings.setdefault(_port_key(port), []).append({"HostIp": port.host_ip, "HostPort": published})
    return bindings


def _port_key(port: PortMapping) -> str:
    return f"{port.container_port}/{port.protocol}"


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * _NS_PER_S)


def _without_unset(body: dict[str, Any]) -> dict[str, Any]:
    """Drop what is unset at any depth: null means "default" to some engine versions and "clear" to others."""
    kept = {}
    for key, value in body.items():
        if isinstance(value, dict) and key not in (
            "Labels",
            "ExposedPorts",
            "EndpointsConfig",
            "Sysctls",
            "Config",
        ):
            value = _without_unset(value)
        elif isinstance(value, list):
            value = [_without_unset(item) if isinstance(item, dict) else item for item in value]
        if value is None or value == "" or (value in ({}, []) and key not in ("Cmd", "Entrypoint")):
            continue
        kept[key] = value
    return kept

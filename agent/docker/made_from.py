"""What a container was made from: the inverse of `render`, for containers that somebody else made. Pure.

What is the image's own is left out, so that another image brings its own. What `ContainerSpec` has no field
for is named in words: whoever makes the container anew from the specification loses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from agent.ports import ContainerSpec, HealthCheck, HostDevice, MadeFrom, Mount, PortMapping, ProcessLimit

_NS_PER_S = 1_000_000_000
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_PROTOCOLS = ("tcp", "udp", "sctp")
_RESTART_POLICIES = ("no", "on-failure", "unless-stopped", "always")
_SHM_DEFAULT_BYTES = 64 * 1024 * 1024

# Settings of HostConfig that nothing here has a place for, with the values that mean "not set".
_HOST_SETTINGS: Mapping[str, tuple[object, ...]] = {
    "BlkioDeviceReadBps": (None, []),
    "BlkioDeviceReadIOps": (None, []),
    "BlkioDeviceWriteBps": (None, []),
    "BlkioDeviceWriteIOps": (None, []),
    "BlkioWeight": (None, 0),
    "CgroupParent": (None, ""),
    "CpuPeriod": (None, 0),
    "CpuRealtimePeriod": (None, 0),
    "CpuRealtimeRuntime": (None, 0),
    "CpuShares": (None, 0),
    "CpusetCpus": (None, ""),
    "CpusetMems": (None, ""),
    "DeviceCgroupRules": (None, []),
    "DeviceRequests": (None, []),
    "KernelMemory": (None, 0),
    "Links": (None, []),
    "MemorySwappiness": (None, -1),
    "OomKillDisable": (None, False),
    "PidMode": (None, ""),
    "StorageOpt": (None, {}),
    "UTSMode": (None, ""),
    "UsernsMode": (None, ""),
    "VolumesFrom": (None, []),
    "PublishAllPorts": (None, False),
}
_LOCAL_IPC = ("", "private", "shareable", None)


def made_from(container: Mapping[str, Any], image: Mapping[str, Any]) -> MadeFrom:
    """Return what GET /containers/{id}/json and the JSON of its image say the container was made from."""
    config, host = container.get("Config") or {}, container.get("HostConfig") or {}
    own = image.get("Config") or {}
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    identifier = str(container.get("Id", ""))
    lost = list(_lost(config, host))
    mounts = tuple(_mounts(container, host, lost))
    security = [option for option in host.get("SecurityOpt") or () if option]
    no_new = [option for option in security if re.fullmatch(r"no-new-privileges([:=]true)?", option)]
    lost += [
        f"security option {option}" for option in security if option not in no_new and option[:5] != "label"
    ]
    hostname = str(config.get("Hostname", ""))
    policy = host.get("RestartPolicy") or {}
    mode = str(host.get("NetworkMode", ""))
    is_named = mode not in ("host", "none") and not mode.startswith("container:")
    log_config = host.get("LogConfig") or {}
    spec = ContainerSpec(
        name=str(container.get("Name", "")).removeprefix("/"),
        image=str(config.get("Image", "")),
        command=_words(config.get("Cmd"), own.get("Cmd")),
        entrypoint=_words(config.get("Entrypoint"), own.get("Entrypoint")),
        environment=_environment(config.get("Env"), own.get("Env")),
        labels=_without(config.get("Labels"), own.get("Labels")),
        ports=tuple(_ports(host.get("PortBindings"))),
        mounts=mounts,
        networks={
            name: tuple(alias for alias in (endpoint or {}).get("Aliases") or () if alias != identifier[:12])
            for name, endpoint in sorted(networks.items())
        }
        if is_named
        else {},
        network_mode="" if is_named else mode,
        # Left to itself the engine calls it by its id.
        hostname="" if hostname == identifier[:12] or mode == "host" else hostname,
        domainname=str(config.get("Domainname", "")),
        user=_unlike(config.get("User"), own.get("User")),
        working_dir=_unlike(config.get("WorkingDir"), own.get("WorkingDir")),
        health_check=_health_check(config.get("Healthcheck"), own.get("Healthcheck")),
        stop_signal=_unlike(config.get("StopSignal"), own.get("StopSignal")),
        stop_grace_s=config.get("StopTimeout"),
        restart_policy=cast(
            Literal["no", "on-failure", "unless-stopped", "always"],
            policy["Name"] if policy.get("Name") in _RESTART_POLICIES else "no",
        ),
        memory_limit_bytes=host.get("Memory") or None,
        memory_reservation_bytes=host.get("MemoryReservation") or None,
        cpu_limit=_cpu_limit(host),
        pids_limit=limit if (limit := host.get("PidsLimit")) and limit > 0 else None,
        init=host.get("Init"),
        read_only=bool(host.get("ReadonlyRootfs")),
        privileged=bool(host.get("Privileged")),
        cap_add=_capabilities(host.get("CapAdd")),
        cap_drop=_capabilities(host.get("CapDrop")),
        extra_hosts=tuple(host.get("ExtraHosts") or ()),
        no_new_privileges=bool(no_new),
        devices=tuple(
            HostDevice(
                source=str(device.get("PathOnHost", "")),
                target=str(device.get("PathInContainer", "")),
                permissions=str(device.get("CgroupPermissions") or "rwm"),
            )
            for device in host.get("Devices") or ()
        ),
        groups=tuple(host.get("GroupAdd") or ()),
        process_limits=tuple(
            ProcessLimit(name=str(each["Name"]), soft=int(each["Soft"]), hard=int(each["Hard"]))
            for each in host.get("Ulimits") or ()
        ),
        sysctls=dict(host.get("Sysctls") or {}),
        shm_size_bytes=size if (size := host.get("ShmSize")) not in (None, 0, _SHM_DEFAULT_BYTES) else None,
        oom_score_adj=host.get("OomScoreAdj") or None,
        dns=tuple(host.get("Dns") or ()),
        dns_search=tuple(host.get("DnsSearch") or ()),
        dns_options=tuple(host.get("DnsOptions") or ()),
        log_driver=_log_driver(log_config),
        log_options=dict(log_config.get("Config") or {}),
    )
    return MadeFrom(
        spec=spec,
        lost=tuple(lost),
        restarts_max=int(policy.get("MaximumRetryCount") or 0),
        image_id=str(container.get("Image", "")),
        image_digests=tuple(sorted(image.get("RepoDigests") or ())),
    )


def _lost(config: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[str]:
    for name, unset in _HOST_SETTINGS.items():
        value = host.get(name)
        if name == "CpuPeriod" and host.get("CpuQuota"):
            continue
        if value not in unset:
            yield f"{name} = {value}"
    if host.get("IpcMode") not in _LOCAL_IPC:
        yield f"IpcMode = {host['IpcMode']}"
    swap, memory = host.get("MemorySwap") or 0, host.get("Memory") or 0
    if swap not in (0, 2 * memory):
        yield f"MemorySwap = {swap}"
    runtime = host.get("Runtime")
    if runtime not in (None, "", "runc", "io.containerd.runc.v2"):
        yield f"Runtime = {runtime}"
    if config.get("Tty"):
        yield "a terminal (tty)"
    if config.get("OpenStdin"):
        yield "an open standard input (stdin_open)"
    if host.get("AutoRemove"):
        yield "that it is removed when it ends (--rm)"


def _words(given: Sequence[str] | None, own: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if list(given or ()) == list(own or ()) else tuple(given or ())


def _environment(given: Sequence[str] | None, own: Sequence[str] | None) -> dict[str, str]:
    inherited = set(own or ())
    pairs = (entry.partition("=") for entry in given or () if entry not in inherited)
    return {name: value for name, _, value in pairs}


def _without(given: Mapping[str, str] | None, own: Mapping[str, str] | None) -> dict[str, str]:
    inherited = own or {}
    return {key: value for key, value in (given or {}).items() if inherited.get(key) != value}


def _unlike(given: str | None, own: str | None) -> str:
    return "" if given == own else given or ""


def _ports(bindings: Mapping[str, Sequence[Mapping[str, str]] | None] | None) -> Iterator[PortMapping]:
    for key, published in sorted((bindings or {}).items()):
        number, _, protocol = key.partition("/")
        if not number.isdigit() or (protocol or "tcp") not in _PROTOCOLS:
            continue
        for binding in published or ():
            port = binding.get("HostPort") or "0"
            yield PortMapping(
                container_port=int(number),
                protocol=cast(Literal["tcp", "udp", "sctp"], protocol or "tcp"),
                host_ip=binding.get("HostIp") or "",
                host_port=int(port) if port.isdigit() else 0,
            )


def _mounts(container: Mapping[str, Any], host: Mapping[str, Any], lost: list[str]) -> Iterator[Mount]:
    asked = {str(each.get("Target", "")): each for each in host.get("Mounts") or ()}
    for mount in sorted(container.get("Mounts") or (), key=lambda each: str(each.get("Destination"))):
        kind, target = str(mount.get("Type", "bind")), str(mount.get("Destination", ""))
        name = str(mount.get("Name") or "")
        if kind == "volume" and mount.get("Driver") not in ("local", "", None):
            lost.append(f"volume {name} at {target} is of the driver {mount['Driver']}")
        if kind == "volume" and _ANONYMOUS.fullmatch(name):
            lost.append(f"what is in the volume without a name at {target}")
            name = ""
        if mount.get("Propagation") not in ("", None, "rprivate"):
            lost.append(f"propagation {mount['Propagation']} of {target}")
        options = asked.get(target, {})
        yield Mount(
            kind=kind,
            target=target,
            source=name if kind == "volume" else str(mount.get("Source", "")),
            read_only=not mount.get("RW", True),
            no_copy=bool((options.get("VolumeOptions") or {}).get("NoCopy")),
        )
    for target, options in sorted((host.get("Tmpfs") or {}).items()):
        yield Mount(kind="tmpfs", target=target)
        if options:
            lost.append(f"options {options} of the tmpfs {target}")
    for target, each in sorted(asked.items()):
        if each.get("Type") == "tmpfs":
            chosen = each.get("TmpfsOptions") or {}
            yield Mount(
                kind="tmpfs",
                target=target,
                size_bytes=chosen.get("SizeBytes") or None,
                mode=chosen.get("Mode") or None,
            )


def _health_check(given: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> HealthCheck | None:
    if not given or given == own or not given.get("Test"):
        return None

    def seconds(name: str) -> float | None:
        return given[name] / _NS_PER_S if given.get(name) else None

    return HealthCheck(
        test=tuple(given["Test"]),
        interval_s=seconds("Interval"),
        timeout_s=seconds("Timeout"),
        start_period_s=seconds("StartPeriod"),
        retries=given.get("Retries") or None,
        start_interval_s=seconds("StartInterval"),
    )


def _cpu_limit(host: Mapping[str, Any]) -> float | None:
    if nano := host.get("NanoCpus"):
        return float(nano) / 1e9
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    return quota / period if quota > 0 else None


def _capabilities(given: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name.removeprefix("CAP_") for name in given or ())


def _log_driver(config: Mapping[str, Any]) -> str:
    # What the engine chooses by itself is shown as if it had been asked for.
    name = str(config.get("Type") or "")
    return "" if name == "json-file" and not config.get("Config") else name

"""How a container is set, what can be changed while it runs, and a successor with other settings. Pure.

A successor is made of the engine's own description of its predecessor, field by field as it is there, and
not of a specification of ours: what we have no name for is kept. What the image says by itself is left out,
so that another image brings its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cluster.model.container_access import (
    ContainerSettings,
    Difference,
    LimitChanges,
    Limits,
    MountedAt,
    PublishedOn,
    ReplacementChanges,
)

_MEMORY_MIN_BYTES = 6 * 1024 * 1024
COMPOSE_PROJECT = "com.docker.compose.project"
_DEFAULT_NETWORKS = ("", "default", "bridge", "host", "none")
_ENDPOINT_FIELDS = ("IPAMConfig", "Links", "DriverOpts", "GwPriority")


def parse_settings(found: Mapping[str, Any]) -> ContainerSettings:
    """Return what GET /containers/{id}/json says of a container's settings."""
    config, host = found.get("Config") or {}, found.get("HostConfig") or {}
    return ContainerSettings(
        container_id=str(found.get("Id", "")),
        name=str(found.get("Name", "")).removeprefix("/"),
        image=str(config.get("Image", "")),
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        environment=tuple(sorted({entry.partition("=")[0] for entry in config.get("Env") or ()})),
        labels=tuple(sorted((config.get("Labels") or {}).items())),
        ports=tuple(_ports(host.get("PortBindings"))),
        mounts=tuple(_mounts(found)),
        limits=_limits(host),
        is_running=bool((found.get("State") or {}).get("Running")),
    )


def _limits(host: Mapping[str, Any]) -> Limits:
    policy = host.get("RestartPolicy") or {}
    pids = host.get("PidsLimit")
    cpus: float | None = None
    if host.get("NanoCpus"):
        cpus = float(host["NanoCpus"]) / 1e9
    elif (host.get("CpuQuota") or 0) > 0:
        cpus = float(host["CpuQuota"]) / float(host.get("CpuPeriod") or 100_000)
    return Limits(
        memory_bytes=host.get("Memory") or None,
        memory_reservation_bytes=host.get("MemoryReservation") or None,
        cpus=cpus,
        cpu_shares=host.get("CpuShares") or None,
        pids=pids if pids and pids > 0 else None,
        restart_policy=str(policy.get("Name") or "no"),
        restarts_max=int(policy.get("MaximumRetryCount") or 0),
    )


def update_body(host: Mapping[str, Any], changes: LimitChanges) -> dict[str, Any]:
    """Return the body of POST /containers/{id}/update, given the present HostConfig."""
    body: dict[str, Any] = {}
    if changes.memory_bytes is not None:
        body["Memory"] = changes.memory_bytes
        # Memory and swap together: left as it is it would refuse a larger limit, so what Docker chose by
        # itself (twice the memory) goes along, and what somebody chose is kept where it can be.
        before, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
        if swap in (0, 2 * before):
            body["MemorySwap"] = 2 * changes.memory_bytes
        elif swap > 0:
            body["MemorySwap"] = max(swap, changes.memory_bytes)
        else:
            body["MemorySwap"] = swap
    if changes.memory_reservation_bytes is not None:
        body["MemoryReservation"] = changes.memory_reservation_bytes
    if changes.cpus is not None:
        # A container that was made with a quota keeps being told in one: Docker refuses both.
        if (host.get("CpuQuota") or 0) > 0 and not host.get("NanoCpus"):
            body["CpuQuota"] = round(changes.cpus * float(host.get("CpuPeriod") or 100_000))
        else:
            body["NanoCpus"] = round(changes.cpus * 1e9)
    if changes.cpu_shares is not None:
        body["CpuShares"] = changes.cpu_shares
    if changes.pids is not None:
        body["PidsLimit"] = changes.pids or -1
    if changes.restart_policy is not None:
        body["RestartPolicy"] = {
            "Name": changes.restart_policy,
            "MaximumRetryCount": changes.restarts_max if changes.restart_policy == "on-failure" else 0,
        }
    return body


def limits_problem(changes: LimitChanges) -> tuple[str, str] | None:
    """Return the field that cannot be so and the rule, None when all can (Docker's own bounds)."""
    if changes.memory_bytes is not None and changes.memory_bytes < _MEMORY_MIN_BYTES:
        return "memory_bytes", "at least 6 MiB"
    return None


# ---- the successor ----------------------------------------------------------------------------


def successor(
    found: Mapping[str, Any], image: Mapping[str, Any], changes: ReplacementChanges
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the body of POST /containers/create, and the networks to connect before the start.

    `image` is the JSON of the image the container was made of, {} when it is gone.
    """
    config, host = dict(found.get("Config") or {}), dict(found.get("HostConfig") or {})
    own = image.get("Config") or {}
    identifier = str(found.get("Id", ""))
    mode = str(host.get("NetworkMode") or "")

    environment = [entry for entry in config.get("Env") or () if entry not in set(own.get("Env") or ())]
    config["Env"] = _environment(environment, changes)
    config["Labels"] = _labels(config.get("Labels") or {}, own.get("Labels") or {}, changes)
    _leave_command_to_image(config, own)
    if changes.command is not None:
        config["Cmd"] = list(changes.command) or None
    for key in ("WorkingDir", "User", "StopSignal", "Healthcheck"):
        if config.get(key) == own.get(key):
            config.pop(key, None)
    if changes.image is not None:
        config["Image"] = changes.image
    exposed = set(config.get("ExposedPorts") or {}) - set(own.get("ExposedPorts") or {})
    if changes.ports is not None:
        exposed -= set(host.get("PortBindings") or {})
        host["PortBindings"] = _bindings(changes.ports)
    config["ExposedPorts"] = {key: {} for key in sorted(exposed | set(host.get("PortBindings") or {}))}
    if config.get("Hostname") == identifier[:12] or mode == "host" or mode.startswith("container:"):
        # Left to itself the engine calls it by its new id, or as what it shares the network with.
        config.pop("Hostname", None)
        config.pop("Domainname", None)
    if mode.startswith("container:") or mode == "host":
        config.pop("ExposedPorts", None)
        config.pop("MacAddress", None)

    if changes.mounts is None:
        unnamed = _unnamed(found)
        asked = [dict(each) for each in host.get("Mounts") or ()]
        for each in asked:
            name = unnamed.pop(str(each.get("Target")), None)
            if name is not None:
                each["Source"] = name[0]
        host["Mounts"] = asked
        host["Binds"] = [
            *(host.get("Binds") or ()),
            *(f"{name}:{target}" + ("" if rw else ":ro") for target, (name, rw) in unnamed.items()),
        ]
    else:
        tmpfs = host.get("Tmpfs") or {}
        host["Binds"] = []
        host["Mounts"] = [_mount(each) for each in changes.mounts if each.kind != "tmpfs"]
        host["Tmpfs"] = {
            each.target: tmpfs.get(each.target, "") for each in changes.mounts if each.kind == "tmpfs"
        }
    # The engine's own book-keeping, of which it makes new.
    host.pop("ContainerIDFile", None)

    first, others = _endpoints(found, identifier, mode)
    body = {**config, "HostConfig": host}
    if first:
        body["NetworkingConfig"] = {"EndpointsConfig": first}
    return body, others


def differences(found: Mapping[str, Any], changes: ReplacementChanges) -> tuple[Difference, ...]:
    """Return what the successor will have otherwise."""
    return tuple(_differences(parse_settings(found), found, changes))


def lost(found: Mapping[str, Any], changes: ReplacementChanges) -> Iterator[str]:
    """Say what the successor will not have."""
    written = int(found.get("SizeRw") or 0)
    if written > 0:
        yield f"{_size(written)} written in the container outside its volumes"
    yield "its log so far, as the engine shows it"
    if changes.mounts is not None:
        kept = {(each.kind, each.source, each.target) for each in changes.mounts}
        for mount in _mounts(found):
            if (mount.kind, mount.source, mount.target) not in kept and mount.kind != "tmpfs":
                yield f"{mount.kind} {mount.source} at {mount.target}: no longer mounted, but still there"


def notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what else is good to know."""
    config = found.get("Config") or {}
    project = (config.get("Labels") or {}).get(COMPOSE_PROJECT)
    if project:
        yield (
            f"it belongs to the Compose project {project}: the next `docker compose up` makes it as its file"
            " says, so change that too"
        )
    if _unnamed(found):
        yield "volumes without a name are kept"


def refusal(found: Mapping[str, Any]) -> str:
    """Return why a container cannot be replaced, "" when it can."""
    host = found.get("HostConfig") or {}
    if host.get("AutoRemove"):
        return "it is removed when it stops (--rm), so it could not be put back if its successor failed"
    return ""


def _differences(
    settings: ContainerSettings, found: Mapping[str, Any], changes: ReplacementChanges
) -> Iterator[Difference]:
    if changes.image is not None and changes.image != settings.image:
        yield Difference(field="image", before=settings.image, after=changes.image)
    if changes.command is not None and changes.command != settings.command:
        yield Difference(
            field="command",
            before=_spoken(settings.command),
            after=_spoken(changes.command) if changes.command else "the image's own",
        )
    present = dict(entry.partition("=")[::2] for entry in (found.get("Config") or {}).get("Env") or ())
    for name, value in changes.environment:
        if value is None and name in present:
            yield Difference(field=f"environment {name}", before="set", after="not set")
        elif value is not None and name not in present:
            yield Difference(field=f"environment {name}", before="not set", after="set")
        elif value is not None and present[name] != value:
            yield Difference(field=f"environment {name}", before="set", after="set to another value")
    labels = dict(settings.labels)
    for name, value in changes.labels:
        if labels.get(name) != value:
            yield Difference(field=f"label {name}", before=labels.get(name, ""), after=value or "")
    if changes.ports is not None:
        before, after = (
            {_port_words(each) for each in settings.ports},
            {_port_words(each) for each in changes.ports},
        )
        if before != after:
            yield Difference(field="ports", before=", ".join(sorted(before)), after=", ".join(sorted(after)))
    if changes.mounts is not None:
        before, after = (
            {_mount_words(each) for each in settings.mounts},
            {_mount_words(each) for each in changes.mounts},
        )
        if before != after:
            yield Difference(field="mounts", before=", ".join(sorted(before)), after=", ".join(sorted(after)))


def _leave_command_to_image(config: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Take out the entrypoint and command that are the image's: an entrypoint of the container's own makes
    the engine forget the image's command, which is therefore kept beside one."""
    if list(config.get("Entrypoint") or ()) != list(own.get("Entrypoint") or ()):
        return
    config.pop("Entrypoint", None)
    if list(config.get("Cmd") or ()) == list(own.get("Cmd") or ()):
        config.pop("Cmd", None)


def _environment(entries: Sequence[str], changes: ReplacementChanges) -> list[str]:
    changed = dict(changes.environment)
    kept = [entry for entry in entries if entry.partition("=")[0] not in changed]
    return kept + [f"{name}={value}" for name, value in sorted(changed.items()) if value is not None]


def _labels(
    present: Mapping[str, str], own: Mapping[str, str], changes: ReplacementChanges
) -> dict[str, str]:
    kept = {name: value for name, value in present.items() if own.get(name) != value}
    for name, value in changes.labels:
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    return kept


def _ports(bindings: Mapping[str, Sequence[Mapping[str, str]] | None] | None) -> Iterator[PublishedOn]:
    for key, published in sorted((bindings or {}).items()):
        number, _, protocol = key.partition("/")
        for binding in published or ():
            port = str(binding.get("HostPort") or "0")
            if number.isdigit():
                yield PublishedOn(
                    container_port=int(number),
                    protocol=protocol or "tcp",
                    host_ip=str(binding.get("HostIp") or ""),
                    host_port=int(port) if port.isdigit() else 0,
                )


def _bindings(ports: Sequence[PublishedOn]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        bindings.setdefault(f"{port.container_port}/{port.protocol}", []).append(
            {"HostIp": port.host_ip, "HostPort": str(port.host_port) if port.host_port else ""}
        )
    return bindings


def _mounts(found: Mapping[str, Any]) -> Iterator[MountedAt]:
    host = found.get("HostConfig") or {}
    for mount in sorted(found.get("Mounts") or (), key=lambda each: str(each.get("Destination"))):
        kind = str(mount.get("Type") or "bind")
        if kind == "tmpfs":
            continue
        yield MountedAt(
            kind=kind,
            target=str(mount.get("Destination") or ""),
            source=str(mount.get("Name" if kind == "volume" else "Source") or ""),
            read_only=not mount.get("RW", True),
        )
    inner = [str(each.get("Target")) for each in host.get("Mounts") or () if each.get("Type") == "tmpfs"]
    for target in sorted({*(host.get("Tmpfs") or {}), *inner}):
        yield MountedAt(kind="tmpfs", target=target)


def _unnamed(found: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """The volumes that nobody asked for by name, with whether they may be written, by where they are: the
    successor is to have the same ones."""
    host = found.get("HostConfig") or {}
    asked = {bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind}
    asked |= {str(each.get("Target")) for each in host.get("Mounts") or () if each.get("Source")}
    return {
        str(mount["Destination"]): (str(mount["Name"]), bool(mount.get("RW", True)))
        for mount in found.get("Mounts") or ()
        if mount.get("Type") == "volume" and mount.get("Name") and mount.get("Destination") not in asked
    }


def _mount(mount: MountedAt) -> dict[str, Any]:
    return {"Type": mount.kind, "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _endpoints(
    found: Mapping[str, Any], identifier: str, mode: str
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    if mode in ("host", "none") or mode.startswith("container:"):
        return {}, {}
    first: dict[str, dict[str, Any]] = {}
    others: dict[str, dict[str, Any]] = {}
    for name, endpoint in sorted(networks.items()):
        said = endpoint or {}
        kept = {key: said[key] for key in _ENDPOINT_FIELDS if said.get(key)}
        aliases = [alias for alias in said.get("Aliases") or () if alias != identifier[:12]]
        if aliases and name not in _DEFAULT_NETWORKS:
            kept["Aliases"] = aliases
        is_first = name == mode or (mode in ("", "default") and name == "bridge")
        (first if is_first else others)[name] = kept
    return first, others


def _spoken(words: Sequence[str]) -> str:
    return " ".join(words)


def _port_words(port: PublishedOn) -> str:
    host = f"{port.host_ip}:" if port.host_ip else ""
    return f"{host}{port.host_port or '*'} -> {port.container_port}/{port.protocol}"


def _mount_words(mount: MountedAt) -> str:
    return f"{mount.source or mount.kind} at {mount.target}" + (" (read only)" if mount.read_only else "")


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"

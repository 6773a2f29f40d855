"""What a service's containers are made from, but for the engine's settings and the limits."""

from __future__ import annotations

from functools import partial
from typing import Any

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.environment import Beside, read_environment
from cluster.compose.files import Declared, read_references
from cluster.compose.reader import Keys, Reader
from cluster.compose.values import (
    parse_command,
    parse_octal,
    parse_port,
    parse_size_bytes,
    parse_tmpfs,
    parse_volume,
)
from cluster.model.service import HealthCheck, PortProtocol, PublishedPort, VolumeKind, VolumeMount


def read_container(reader: Reader, keys: Keys, declared: Declared, beside: Beside) -> dict[str, Any]:
    """Return the fields of a ServiceSpec for these keys."""
    labels = keys.value("labels")
    pairs = () if labels is None else reader.sorted_pairs(labels)
    if labels is not None and any(name.startswith("tower.") for name, _ in pairs):
        reader.refuse(labels, "labels that begin with tower. are Control Tower's own")
    exposed = keys.items("expose", partial(reader.each, read=partial(_exposed, reader)))
    published = keys.items("ports", partial(reader.each, read=partial(_port, reader)))
    taken = {(port.container_port, port.protocol) for port in published}
    return {
        "command": keys.find("command", partial(read_words, reader)),
        "environment": read_environment(reader, keys, beside),
        "ports": (
            *published,
            *(port for port in exposed if (port.container_port, port.protocol) not in taken),
        ),
        "volumes": (
            *keys.items("volumes", partial(reader.each, read=partial(_volume, reader))),
            *keys.items("tmpfs", partial(reader.one_or_each, read=partial(_tmpfs, reader))),
        ),
        "healthcheck": keys.find("healthcheck", partial(_healthcheck, reader)),
        "labels": pairs,
        "stop_grace_period_ms": keys.get("stop_grace_period", reader.duration_ms, 10_000),
        "secrets": keys.items("secrets", partial(read_references, reader, declared.secrets)),
        "configs": keys.items("configs", partial(read_references, reader, declared.configs)),
    }


def read_words(reader: Reader, value: Value) -> tuple[str, ...] | None:
    """A command: words, or a line that is split into them."""
    if isinstance(value.content, list):
        return reader.texts(value)
    text = reader.text(value)
    return reader.built(value, lambda: parse_command(text))


def _exposed(reader: Reader, value: Value) -> PublishedPort | None:
    text = reader.text(value)
    if not text:
        return None
    port = reader.built(value, lambda: parse_port(text))
    if port is None:
        return None
    if ":" in text:
        reader.refuse(value, "a port of the container alone is expected", "ports publishes on the host")
    return PublishedPort(container_port=port.container_port, protocol=port.protocol)


def _port(reader: Reader, value: Value) -> PublishedPort | None:
    if not isinstance(value.content, dict):
        text = reader.text(value)
        return reader.built(value, lambda: parse_port(text)) if text else None
    keys = reader.keys(value, vocabulary.PORT)
    if keys is None:
        return None
    target = keys.get("target", reader.count, 0)
    published = keys.get("published", reader.count, 0)
    protocols = {protocol.value: protocol for protocol in PortProtocol}
    protocol = keys.get(
        "protocol", partial(reader.choice, choices=protocols, default=PortProtocol.TCP), PortProtocol.TCP
    )
    host_ip = keys.get("host_ip", reader.text, "")
    return reader.built(
        value,
        lambda: PublishedPort(container_port=target, protocol=protocol, host_port=published, host_ip=host_ip),
    )


def _volume(reader: Reader, value: Value) -> VolumeMount | None:
    if not isinstance(value.content, dict):
        text = reader.text(value)
        return reader.built(value, lambda: parse_volume(text)) if text else None
    keys = reader.keys(value, vocabulary.VOLUME)
    if keys is None:
        return None
    kinds = {kind.value: kind for kind in VolumeKind}
    kind = keys.get(
        "type", partial(reader.choice, choices=kinds, default=VolumeKind.VOLUME), VolumeKind.VOLUME
    )
    source = keys.get("source", reader.text, "")
    target = keys.get("target", reader.text, "")
    is_read_only = keys.get("read_only", reader.flag, default=False)
    at = keys.value("source") or value
    if kind is VolumeKind.BIND and not source.startswith("/"):
        reader.refuse(at, "a path relative to the file means nothing on another host", "give an absolute one")
        return None
    if kind is VolumeKind.TMPFS and source:
        reader.refuse(at, "memory has no source", "leave it out")
        return None
    size_bytes = mode = 0
    is_copy_off = False
    memory, volume = keys.value("tmpfs"), keys.value("volume")
    if memory is not None and (options := reader.keys(memory, vocabulary.TMPFS_OPTIONS)) is not None:
        size_bytes = options.get("size", lambda at: reader.measured(at, parse_size_bytes, 0), 0)
        mode = options.get("mode", partial(_permissions, reader), 0)
    if volume is not None and (options := reader.keys(volume, vocabulary.VOLUME_OPTIONS)) is not None:
        is_copy_off = options.get("nocopy", reader.flag, default=False)
    for there, wanted in ((memory, VolumeKind.TMPFS), (volume, VolumeKind.VOLUME)):
        if there is not None and kind is not wanted:
            reader.refuse(there, f"it is of type {wanted}, and this is of type {kind}")
    return reader.built(
        value,
        lambda: VolumeMount(
            kind=kind,
            source=source,
            target=target,
            is_read_only=is_read_only,
            memory_size_bytes=size_bytes,
            memory_mode=mode,
            is_copy_off=is_copy_off,
        ),
    )


def _permissions(reader: Reader, value: Value) -> int:
    """Permissions: octal as a text or with a leading 0, and a plain number as it is."""
    if isinstance(value.content, int) and not isinstance(value.content, bool):
        return value.content
    return reader.measured(value, parse_octal, 0)


def _tmpfs(reader: Reader, value: Value) -> VolumeMount | None:
    text = reader.text(value)
    return reader.built(value, lambda: parse_tmpfs(text)) if text else None


def _healthcheck(reader: Reader, value: Value) -> HealthCheck | None:
    keys = reader.keys(value, vocabulary.HEALTHCHECK)
    if keys is None:
        return None
    if keys.get("disable", reader.flag, default=False):
        return HealthCheck(test=("NONE",))
    test = keys.value("test")
    if test is None:
        reader.refuse(value, "test is missing", 'such as ["CMD", "/health"]')
        return None
    words = reader.texts(test) if isinstance(test.content, list) else ("CMD-SHELL", reader.text(test))
    if reader.built(test, lambda: HealthCheck(test=words)) is None:
        return None
    times: dict[str, int] = {}
    for key, name in (
        ("interval", "interval_ms"),
        ("timeout", "timeout_ms"),
        ("start_period", "start_period_ms"),
        ("start_interval", "start_interval_ms"),
    ):
        if (found := keys.value(key)) is not None:
            times[name] = reader.duration_ms(found)
    retries = keys.get("retries", reader.count, 3)
    return reader.built(value, lambda: HealthCheck(test=words, retries=retries, **times))

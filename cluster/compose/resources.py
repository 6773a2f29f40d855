"""Limits and reservations of a service's replicas."""

from __future__ import annotations

from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Keys, Parts, Reader
from cluster.compose.values import parse_cpus_millis, parse_size_bytes
from cluster.model.service import Resources


def read_resources(reader: Reader, keys: Keys, deploy: Keys | None) -> Resources:
    """Limits and reservations, of `deploy.resources` and of the service's own, older keys."""
    resources = Parts(reader, Resources)
    at = keys.at
    section = None if deploy is None else deploy.value("resources")
    if section is not None:
        at = section
        parts = reader.keys(section, vocabulary.RESOURCES)
        for key, name, known in (
            ("limits", "limit", vocabulary.LIMITS),
            ("reservations", "reservation", vocabulary.RESERVATIONS),
        ):
            value = None if parts is None else parts.value(key)
            inner = None if value is None else reader.keys(value, known)
            if inner is None:
                continue
            resources.read(f"cpu_{name}_millis", inner.value("cpus"), partial(_millis, reader))
            resources.read(f"memory_{name}_bytes", inner.value("memory"), partial(_bytes, reader))
            if key == "limits":
                resources.read("pids_limit", inner.value("pids"), reader.count)
    for key, name, read in (
        ("cpus", "cpu_limit_millis", partial(_millis, reader)),
        ("mem_limit", "memory_limit_bytes", partial(_bytes, reader)),
        ("mem_reservation", "memory_reservation_bytes", partial(_bytes, reader)),
        ("pids_limit", "pids_limit", reader.count),
    ):
        value = keys.value(key)
        if value is not None and resources.has(name):
            reader.refuse(value, "deploy.resources has it too", "leave one of them out")
        else:
            resources.read(name, value, read)
    made = resources.make(at)
    for kind in ("cpu_{}_millis", "memory_{}_bytes"):
        limit, reserved = (getattr(made, kind.format(name)) for name in ("limit", "reservation"))
        if limit is not None and reserved is not None and limit < reserved:
            reader.refuse(at, f"the reservation of {kind[: kind.index('_')]} is above its limit")
    return made


def _millis(reader: Reader, value: Value) -> int:
    return reader.measured(value, parse_cpus_millis, 0)


def _bytes(reader: Reader, value: Value) -> int:
    return reader.measured(value, parse_size_bytes, 0)

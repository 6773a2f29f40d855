"""`x-tower.scaling`: bounds and targets of a service that is scaled by itself."""

from __future__ import annotations

from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Keys, Parts, Reader
from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric, ScaleTarget
from cluster.model.service import Fencing, ServiceSpec


def read_scaling(reader: Reader, value: Value) -> AutoscalePolicy | None:
    """Read the section. What is wrong in it is a finding where it stands."""
    keys = reader.keys(value, vocabulary.SCALING)
    if keys is None:
        return None
    if keys.value("max") is None:
        reader.refuse(value, "max is missing", "such as max: 10; it says what a rush may cost")
        return None
    before = len(reader.findings)
    targets = tuple(target for metric in ScaleMetric if (target := _target(reader, keys, metric)) is not None)
    if not targets and len(reader.findings) == before:
        reader.refuse(
            value, "nothing says how many are needed", "add a target, such as cpu: 70% or latency_p95: 250ms"
        )
    if len(reader.findings) > before:
        return None
    bounds = {
        name: reader.count(at)
        for key, name in (("min", "replicas_min"), ("max", "replicas_max"))
        if (at := keys.value(key)) is not None
    }
    policy = Parts(reader, AutoscalePolicy, replicas_min=1, replicas_max=1000, targets=targets)
    policy.set_all(bounds, value)
    policy.read("up_stabilisation_ms", keys.value("up_window"), reader.duration_ms)
    policy.read("down_stabilisation_ms", keys.value("down_window"), reader.duration_ms)
    policy.read("cooldown_ms", keys.value("cooldown"), reader.duration_ms)
    for name in ("tolerance", "step_up", "step_down"):
        policy.read(f"{name}_percent", keys.value(name), partial(_percent, reader))
    return policy.make(value)


def check_scaling(
    reader: Reader, keys: Keys, spec: ServiceSpec, replicas: int, policy: AutoscalePolicy | None
) -> None:
    """Hold the section against the rest of its service."""
    if policy is None:
        return
    at = keys.at
    for key in ("x-tower", "scaling"):
        content = at.content
        assert isinstance(content, dict), "the section was read from there"
        at = content[key]
    for target in policy.targets:
        if target.metric.is_routed and spec.route is None:
            reader.refuse(
                at, f"{target.metric} is counted by routers, and there is no route", "add x-tower.route"
            )
    sizes = spec.resources
    is_memory = any(target.metric is ScaleMetric.MEMORY for target in policy.targets)
    if is_memory and sizes.memory_limit_bytes is None and sizes.memory_reservation_bytes is None:
        reader.refuse(
            at,
            "memory is a share of what a replica may use, and nothing says how much that is",
            "add deploy.resources.limits.memory",
        )
    if spec.fencing is not Fencing.NONE and policy.replicas_max > 1:
        reader.refuse(at, "a singleton is one, and cannot be scaled", "leave scaling or singleton out")
    if replicas and policy.clamped(replicas) != replicas and _has_replicas(keys):
        reader.warn(
            at,
            f"deploy.replicas is {replicas}, and scaling goes from {policy.replicas_min} to"
            f" {policy.replicas_max}",
            "leave deploy.replicas out: it only counts for the first deployment",
        )


def _has_replicas(keys: Keys) -> bool:
    deploy = keys.value("deploy")
    content = None if deploy is None else deploy.content
    return keys.value("scale") is not None or (isinstance(content, dict) and "replicas" in content)


def _target(reader: Reader, keys: Keys, metric: ScaleMetric) -> ScaleTarget | None:
    value = keys.value(metric.value)
    if value is None:
        return None
    before = len(reader.findings)
    match metric:
        case ScaleMetric.CPU | ScaleMetric.MEMORY:
            number = _percent(reader, value)
        case ScaleMetric.REQUESTS:
            number = reader.count(value)
        case ScaleMetric.LATENCY:
            number = reader.duration_ms(value)
    if len(reader.findings) > before:
        return None
    return reader.built(value, lambda: ScaleTarget(metric=metric, value=number))


def _percent(reader: Reader, value: Value) -> int:
    if isinstance(value.content, str) and value.content.removesuffix("%").isdigit():
        return int(value.content.removesuffix("%")[:9])
    return reader.count(value)

"""How a deployment is going to go: in which order, how long, and what it takes meanwhile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import Fencing
from cluster.model.strategy import Strategy
from cluster.readiness.deploying import Deploying
from cluster.rollout.judge.pacing import merge_steps
from cluster.rollout.limits import reason_for_stop_first

START_MS = 2_000
"""A container's start and first good answer, where nothing is known of it: create, start, probe, router."""

STOP_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """What a host has to give besides what it gives now, while both revisions are there."""

    node_id: NodeId
    containers: int
    cpu_millis: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceForecast:
    """One service. `order` is start-first, stop-first, beside (staged), or none where no container is made.

    `steps` are the shares of a staged rollout as they would be, merged as `merged` says. `estimate_ms` leaves
    out pulling the image and waiting for people. `drops` are the requests and the time that are lost for
    sure, in words.
    """

    service_id: ServiceId
    order: str
    reason: str
    batches: int
    steps: tuple[int, ...]
    merged: str
    estimate_ms: int
    loads: tuple[HostLoad, ...]
    drops: tuple[str, ...]


def forecast(service: Deploying) -> ServiceForecast:
    """Return how the rollout of a service would go."""
    made = [node_id for node_id in service.planned if node_id is not None]
    order, reason = _order(service)
    width = _width(service, order)
    batches = math.ceil(len(made) / width) if made else 0
    steps: tuple[int, ...] = ()
    merged = ""
    if order == "beside":
        kept, merged = merge_steps(
            service.policy.shift.steps,
            requests_per_s=service.requests_per_s,
            requests_min=service.policy.shift.analysis.requests_min,
        )
        steps = tuple(step.permille for step in kept)
    return ServiceForecast(
        service_id=service.service_id,
        order=order,
        reason=reason,
        batches=batches,
        steps=steps,
        merged=merged,
        estimate_ms=_estimate_ms(service, order, batches, steps),
        loads=_loads(service, made, order, width),
        drops=tuple(_drops(service, order)),
    )


def _order(service: Deploying) -> tuple[str, str]:
    if not any(node_id is not None for node_id in service.planned):
        return "none", "no container is made anew"
    if service.before is None:
        return "start-first", "nothing of it runs yet"
    if service.fencing is not Fencing.NONE:
        return "stop-first", "it never runs twice"
    stop_first = reason_for_stop_first(service.spec, service.replicas)
    if stop_first:
        return "stop-first", stop_first
    if service.policy.shift.strategy.is_staged:
        what = "its steps" if service.policy.shift.strategy is Strategy.CANARY else "the switch"
        return "beside", f"{service.policy.shift.strategy}: new replicas are beside the old ones until {what}"
    if service.policy.max_surge > service.policy.max_unavailable:
        return "start-first", "its policy: each replica is replaced once its successor is healthy"
    return "stop-first", "its policy: order stop-first"


def _width(service: Deploying, order: str) -> int:
    """How many replicas are made at a time."""
    if service.before is None or order == "beside":
        return max(1, service.replicas)
    if order == "start-first":
        return max(1, service.policy.max_surge)
    return max(1, service.policy.max_unavailable)


def _estimate_ms(service: Deploying, order: str, batches: int, steps: Sequence[int]) -> int:
    policy = service.policy
    if order == "none":
        return 0
    start_ms = START_MS
    if service.spec.healthcheck is not None and service.spec.route is None:
        start_ms += service.spec.healthcheck.start_interval_ms or service.spec.healthcheck.interval_ms
    if order == "beside":
        shift = policy.shift
        holds = sum(step.hold_ms for step in shift.steps if step.permille in steps)
        tail = shift.blue_green.monitor_ms if shift.strategy is Strategy.BLUE_GREEN else 0
        return start_ms + holds + tail + STOP_MS
    per_batch = start_ms + policy.monitor_ms + (STOP_MS if service.before is not None else 0)
    return batches * per_batch + max(0, batches - 1) * policy.delay_ms


def _loads(service: Deploying, made: Sequence[NodeId], order: str, width: int) -> tuple[HostLoad, ...]:
    """The most that is on each host besides, at any moment. Stop-first takes the place of what goes."""
    counts = Counter(made)
    if order == "stop-first" and service.before is not None:
        return ()
    resources = service.spec.resources
    loads = []
    for node_id in sorted(counts):
        # Which replicas come first is not decided yet; at worst they are those of this host.
        count = min(counts[node_id], width)
        loads.append(
            HostLoad(
                node_id=node_id,
                containers=count,
                cpu_millis=count * (resources.cpu_reservation_millis or 0),
                memory_bytes=count * (resources.memory_reservation_bytes or 0),
            )
        )
    return tuple(loads)


def _drops(service: Deploying, order: str) -> list[str]:
    if service.before is None or order == "none":
        return []
    drops = []
    if order == "stop-first" and service.replicas <= max(1, service.policy.max_unavailable):
        drops.append("nothing of it answers between the stop of the old one and the start of the new one")
    if service.spec.route is None and any(port.host_port for port in service.spec.ports):
        drops.append(
            "connections to its host ports are cut when a replica is replaced: no router drains them"
        )
    elif service.spec.route is None:
        drops.append(
            "connections of other services to it are cut when a replica is replaced: it has no route"
        )
    if service.spec.route is not None and service.policy.tunnel_drain_ms == 0:
        seconds = service.policy.drain_timeout_ms / 1000
        drops.append(f"websockets that are open longer than {seconds:g} s after the switch are cut")
    return drops

"""How a service that is scaled by itself stands to its targets, as tools tell it."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.autoscaling import MetricStanding, ScaleMetric, Scaling, ScalingStanding
from cluster.model.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledMetric:
    """One target beside what is observed, in percent, requests a second and replica, or ms; null: no numbers.

    `wanted` is how many replicas it asks for.
    """

    metric: ScaleMetric
    target: int
    observed: float | None
    wanted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingChange:
    """One change of the number of replicas: when, by whom (`autoscaling` for itself), and why."""

    at_ms: int
    replicas_before: int
    replicas: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingView:
    """The bounds and targets of a service that is scaled by itself, and how the leader sees it.

    `reason` says why the number of replicas stays or changes; `seen_at_ms` is when, null where the leader
    cannot be asked. `held_by` set the number by hand, until the next deployment ("": nobody did).
    """

    min: int
    max: int
    metrics: tuple[ScaledMetric, ...]
    wanted: int | None
    reason: str
    held_by: str
    seen_at_ms: int | None


def scaling_view(service: Service, standing: ScalingStanding | None) -> ScalingView | None:
    """Return how it is scaled, None where a person does that."""
    policy = service.autoscale
    if policy is None:
        return None
    if standing is None:
        return ScalingView(
            min=policy.replicas_min,
            max=policy.replicas_max,
            metrics=tuple(
                ScaledMetric(metric=target.metric, target=target.value, observed=None, wanted=None)
                for target in policy.targets
            ),
            wanted=None,
            reason="the leader cannot be asked now, or has not looked yet",
            held_by=service.scale_held_by,
            seen_at_ms=None,
        )
    return ScalingView(
        min=standing.replicas_min,
        max=standing.replicas_max,
        metrics=tuple(map(_metric, standing.metrics)),
        wanted=standing.wanted,
        reason=standing.reason,
        held_by=service.scale_held_by,
        seen_at_ms=standing.at_ms,
    )


def scaling_changes(service: Service) -> tuple[ScalingChange, ...]:
    """Return the changes that are remembered, newest first."""
    return tuple(map(_change, reversed(service.scalings)))


def _metric(standing: MetricStanding) -> ScaledMetric:
    return ScaledMetric(
        metric=standing.metric,
        target=standing.target,
        observed=standing.observed,
        wanted=standing.wanted,
    )


def _change(scaling: Scaling) -> ScalingChange:
    return ScalingChange(
        at_ms=scaling.at_ms,
        replicas_before=scaling.replicas_before,
        replicas=scaling.replicas,
        by=scaling.by,
        reason=scaling.reason,
    )

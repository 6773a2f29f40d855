"""What becomes of an environment's own values when a specification is copied to another environment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.service import ServiceSpec

# Of the service and not of its containers: the service in the other environment keeps its own.
_OF_THE_SERVICE = ("deploy.", "scale", "x-tower.")
_OF_ITS_CONTAINERS = ("deploy.resources.", "deploy.restart_policy.", "x-tower.route", "x-tower.singleton")


def with_own_values(
    spec: ServiceSpec, bound: Sequence[str], present: ServiceSpec | None
) -> tuple[ServiceSpec, tuple[str, ...]]:
    """Return `spec` with the `bound` places as `present` has them, and the places it says nothing of.

    `present` is what runs in the environment it is copied to. Variables, labels and the route are taken from
    there; of anything else a file has to say what it is.
    """
    unknown: list[str] = []
    environment, labels, route = dict(spec.environment), dict(spec.labels), spec.route
    for place in bound:
        if present is None:
            unknown.append(place)
            continue
        key = place.partition(".")[2]
        if place.startswith("environment.") and key in dict(present.environment):
            environment[key] = dict(present.environment)[key]
        elif place.startswith("labels.") and key in dict(present.labels):
            labels[key] = dict(present.labels)[key]
        elif place.startswith("x-tower.route") and present.route is not None:
            route = present.route
        elif not place.startswith(_OF_THE_SERVICE) or place.startswith(_OF_ITS_CONTAINERS):
            unknown.append(place)
    copied = replace(
        spec,
        environment=tuple(sorted(environment.items())),
        labels=tuple(sorted(labels.items())),
        route=route,
    )
    return copied, tuple(unknown)

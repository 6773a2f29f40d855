"""The form of what a service is to be, whether it is put now or kept to be put later."""

from __future__ import annotations

from cluster.model import rules
from cluster.model.environments import check_environment
from cluster.model.ids import ServiceId, service_id_of
from cluster.model.service import REPLICAS_MAX

BOUND_MAX = 64
"""Most places of a Compose file that are remembered as its environment's own."""


def check_service_form(
    *,
    service_id: ServiceId,
    project: str,
    name: str,
    replicas: int,
    environment: str,
    bound: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
) -> None:
    """Raises ValueError."""
    rules.check_id("service id", service_id)
    rules.check_id("project", project)
    rules.check_id("service name", name)
    if environment:
        check_environment("environment", environment)
        wanted = service_id_of(project, name, environment)
        if service_id != wanted:
            raise ValueError(f"service id {service_id!r}: in {environment} it is {wanted}")
    rules.check_range("replicas", replicas, 0, REPLICAS_MAX)
    check_bound(bound)
    rules.check_pairs("labels", labels, 256, 4096)


def check_bound(bound: tuple[str, ...]) -> None:
    """Raises ValueError."""
    rules.check_count("bound", bound, BOUND_MAX)
    for place in bound:
        rules.check_text("bound", place, 256)

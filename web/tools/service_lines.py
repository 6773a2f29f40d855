"""A service as tools tell it."""

from __future__ import annotations

from dataclasses import dataclass

from web.tools.views import ServiceView


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """One service, in short."""

    id: str
    status: str
    replicas_ready: int
    replicas_wanted: int
    revision: int
    image: str
    nodes: tuple[str, ...]
    routes: tuple[str, ...] | None


def service_line(view: ServiceView) -> ServiceLine:
    """Return a service in short."""
    return ServiceLine(
        id=view.id,
        status=view.status,
        replicas_ready=view.replicas_ready,
        replicas_wanted=view.replicas_wanted,
        revision=view.revision,
        image=view.image,
        nodes=view.nodes,
        routes=view.routes or None,
    )

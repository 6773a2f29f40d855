"""Identifiers, kept apart by type. Their text is made outside: ids are parameters here."""

from __future__ import annotations

from typing import NewType

NodeId = NewType("NodeId", str)
ServiceId = NewType("ServiceId", str)
"""`<project>.<service>` of the Compose file, or `<environment>.<project>.<service>`: unique in the cluster,
part of container names and metrics. No part has a dot."""
RolloutId = NewType("RolloutId", str)
PrincipalId = NewType("PrincipalId", str)
LoginId = NewType("LoginId", str)
JoinTokenId = NewType("JoinTokenId", str)
TokenPrefix = NewType("TokenPrefix", str)
"""The public part of an API token; it finds the record."""


def scope_of(project: str, environment: str) -> str:
    """Return what the containers, networks and volumes of a project are told apart by on a host."""
    return f"{environment}.{project}" if environment else project


def service_id_of(project: str, name: str, environment: str) -> ServiceId:
    """Return a service's id: `shop.web`, or `staging.shop.web` in an environment."""
    return ServiceId(f"{scope_of(project, environment)}.{name}")


def name_in(service_id: str) -> str:
    """Return what the service is called in its Compose file."""
    return service_id.rpartition(".")[2]


def scope_in(service_id: str) -> str:
    """Return a service's scope, which is what `scope_of` makes."""
    return service_id.rpartition(".")[0]


def environment_of(service_id: str) -> str:
    """Return the environment a service is in, "" for none."""
    parts = service_id.split(".")
    return parts[0] if len(parts) > 2 else ""

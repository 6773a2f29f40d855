"""What an action is done to, as far as permissions tell things apart, and whether a scope means it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cluster.model.permissions import AccessScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing, or with nothing but its kind: all of them.

    An attribute is None when it is not known or has no meaning for the thing; "" when the thing has none, as
    a container outside of projects. `name` is `<host>/<container>` for containers. `labels` are those
    somebody set, never those of an image: who writes an image must not choose who may reach its containers.
    `hosts` are, by id and name, all that something may be on which is on no certain one.
    """

    kind: str
    id: str = ""
    name: str | None = None
    project: str | None = None
    service: str | None = None
    service_id: str | None = None
    environment: str | None = None
    node_id: str | None = None
    node_name: str | None = None
    labels: Mapping[str, str] | None = None
    hosts: tuple[tuple[str, str], ...] | None = None

    def __str__(self) -> str:
        identifier = self.name or self.id
        return f"{self.kind}:{identifier}" if identifier else self.kind


def covers(scope: AccessScope, target: Target) -> bool | None:
    """Whether the scope means the target; None when that cannot be told: an attribute is not known."""
    is_known = True
    for met in _constraints(scope, target):
        if met is False:
            return False
        is_known = is_known and met is not None
    return True if is_known else None


def _constraints(scope: AccessScope, target: Target) -> Iterable[bool | None]:
    if scope.projects is not None:
        scoped = f"{target.environment}.{target.project}" if target.environment and target.project else None
        yield _among(scope.projects, target.project, scoped)
    if scope.services is not None:
        yield _among(scope.services, target.service_id, target.service)
    if scope.nodes is not None:
        yield _on_hosts(scope.nodes, target)
    if scope.names is not None:
        short = None if target.name is None else target.name.rpartition("/")[2]
        yield _among(scope.names, target.name, short)
    if scope.environments is not None:
        yield _among(scope.environments, target.environment)
    if scope.labels is not None:
        yield _has_any(scope.labels, target.labels)
    if scope.without_labels is not None:
        has = _has_any(scope.without_labels, target.labels)
        yield None if has is None else not has


def _among(names: tuple[str, ...], *values: str | None) -> bool | None:
    if not names:
        return False
    known = [value for value in values if value is not None]
    if not known:
        return None
    return any(value in names for value in known)


def _on_hosts(names: tuple[str, ...], target: Target) -> bool | None:
    """None also where some of the hosts it may be on are meant, and others are not."""
    met = _among(names, target.node_id, target.node_name)
    if met is not None or not target.hosts:
        return met
    meant = [_among(names, *host) for host in target.hosts]
    return meant[0] if len(set(meant)) == 1 else None


def _has_any(wanted: tuple[str, ...], labels: Mapping[str, str] | None) -> bool | None:
    if not wanted:
        return False
    if labels is None:
        return None
    for each in wanted:
        key, has_value, value = each.partition("=")
        if key in labels and (not has_value or labels[key] == value):
            return True
    return False


def within(inner: AccessScope, outer: AccessScope) -> bool:
    """Whether everything `inner` can mean is surely meant by `outer` too."""
    for name in ("projects", "services", "nodes", "names", "labels", "environments"):
        bound: tuple[str, ...] | None = getattr(outer, name)
        asked: tuple[str, ...] | None = getattr(inner, name)
        if bound is not None and (asked is None or not set(asked) <= set(bound)):
            return False
    if outer.without_labels is not None:
        # All of these labels have to be absent for the inner one too.
        return inner.without_labels is not None and set(outer.without_labels) <= set(inner.without_labels)
    return True
